// Values named by numbers that are never reused: a handle kept too long is recognised, not mistaken for another's.
//
// A handle is slot + 1 + generation · 2^24, exact in a JavaScript number; 0 names nothing.
#pragma once

#include <cmath>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace mimo {

template <class T>
class SlotTable {
 public:
  double insert(T value) {
    if (free_.empty()) {
      if (slots_.size() == MAX_SLOTS) throw std::bad_alloc();
      free_.push_back(static_cast<uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const uint32_t index = free_.back();
    free_.pop_back();
    slots_[index].value = std::move(value);
    slots_[index].is_used = true;
    return static_cast<double>(index + 1 + slots_[index].generation * GENERATION);
  }

  // The value, or null where the handle names none.
  T* find(double handle) {
    if (!(handle >= 1 && handle < MAX_HANDLE) || handle != std::floor(handle)) return nullptr;
    const uint64_t whole = static_cast<uint64_t>(handle) - 1;
    const uint64_t index = whole % GENERATION;
    if (index >= slots_.size()) return nullptr;
    Slot& slot = slots_[index];
    return slot.is_used && slot.generation == whole / GENERATION ? &slot.value : nullptr;
  }

  // The handle must name a value.
  void erase(double handle) {
    const uint32_t index = static_cast<uint32_t>((static_cast<uint64_t>(handle) - 1) % GENERATION);
    slots_[index].value = T();
    slots_[index].is_used = false;
    slots_[index].generation++;
    free_.push_back(index);
  }

  size_t size() const { return slots_.size() - free_.size(); }

  template <class Visit>
  void each(Visit visit) const {
    for (const Slot& slot : slots_) {
      if (slot.is_used) visit(slot.value);
    }
  }

 private:
  static constexpr uint64_t GENERATION = uint64_t{1} << 24;
  static constexpr uint64_t MAX_SLOTS = GENERATION - 1;
  static constexpr double MAX_HANDLE = 9007199254740992.0;
  struct Slot {
    T value{};
    uint64_t generation = 0;
    bool is_used = false;
  };
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

}  // namespace mimo
