// A block of address space: anonymous and zeroed, or a file mapped read-only. Unmapped by its destructor.
//
// Anonymous pages are committed when they are first touched, so a large cache costs what is used of it.
// A mapped file stays open. Replacing it by another file (rename) does no harm; truncating it would end the process
// at the next touch of a lost page, so `is_intact` is asked before kernels run.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace mimo {

class Memory {
 public:
  // Null where the system has no address space left.
  static std::shared_ptr<Memory> allocate(size_t bytes);
  // Throws Failure not_found or io_failed.
  static std::shared_ptr<Memory> map(const std::string& path);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool is_file() const { return file_ >= 0; }
  const std::string& path() const { return path_; }
  bool is_same_file(const Memory& other) const;
  bool is_intact() const;
  bool contains(const uint8_t* address) const { return address >= data_ && address < data_ + size_; }
  // Gives the pages of a mapped file's range back to the system; they are read again when touched.
  void forget(const uint8_t* address, size_t bytes);
  // Copies a range of the file past the page cache where the system can. Offset, size and target must be multiples of
  // 4096; the range may exceed the file. Throws Failure io_failed.
  void read(size_t offset, size_t bytes, uint8_t* target);
  // Brings a range into memory to stay there; false where the system does not allow to lock it, and may drop it again.
  bool lock(size_t offset, size_t bytes);

 private:
  Memory() = default;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  int file_ = -1;
  std::atomic<bool> is_direct_{false};
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::string path_;
};

}  // namespace mimo
