// See device.h.
#include "device.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "memory.h"

namespace mimo {

namespace {

constexpr double MAX_INTEGER = 9007199254740991.0;  // 2^53 − 1
constexpr int64_t SCALE_COLUMNS = 128;

bool is_index(double value, double limit) { return value >= 0 && value <= limit && value == std::floor(value); }

size_t checked_index(double value, double limit, const char* what) {
  if (is_index(value, limit)) return static_cast<size_t>(value);
  throw Failure("invalid_argument", std::string(what) + " must be an integer from 0 to " +
                                        std::to_string(static_cast<uint64_t>(limit)) + ", found " +
                                        std::to_string(value) + ".");
}

DType checked_dtype(double code) {
  return static_cast<DType>(checked_index(code, static_cast<double>(DType::COUNT) - 1, "A dtype code"));
}

}  // namespace

// Keeps alive what its matrices lie in, so that freeing a memory first is harmless.
struct Device::PreparedWeight {
  Weight weight{};
  std::vector<MatrixPlace> matrices;
  std::vector<const float*> scales;
  std::vector<std::vector<float>> aligned_scales;
  std::vector<std::shared_ptr<Memory>> memories;
  size_t tiles_bytes = 0;
  std::unique_ptr<FetchedMatrices> fetched;  // last: it writes into the table of matrices when it ends

  void keep(const std::shared_ptr<Memory>& memory) {
    if (memories.empty() || memories.back() != memory) memories.push_back(memory);
  }

  void add_scales(const uint8_t* bytes, size_t count) {
    if (reinterpret_cast<uintptr_t>(bytes) % alignof(float) != 0) {
      std::vector<float>& aligned = aligned_scales.emplace_back(count);
      std::memcpy(aligned.data(), bytes, count * sizeof(float));
      bytes = reinterpret_cast<const uint8_t*>(aligned.data());
    }
    scales.push_back(reinterpret_cast<const float*>(bytes));
  }
};

Memory& Device::memory(double handle) {
  std::shared_ptr<Memory>* found = memories_.find(handle);
  if (found == nullptr) throw Failure("invalid_argument", "The memory handle names no memory, or one that was freed.");
  return **found;
}

uint8_t* Device::address(double handle, double offset, double size) {
  Memory& block = memory(handle);
  const double limit = static_cast<double>(block.size());
  if (!is_index(offset, limit) || !is_index(size, limit - offset)) {
    throw Failure("invalid_argument", "A range of bytes lies outside its memory.");
  }
  return block.data() + static_cast<size_t>(offset);
}

double Device::alloc(double bytes) {
  std::shared_ptr<Memory> block = Memory::allocate(checked_index(bytes, MAX_INTEGER, "A byte length"));
  if (block == nullptr) {
    throw Failure("out_of_memory", "Cannot allocate " + std::to_string(static_cast<uint64_t>(bytes)) + " bytes.");
  }
  return memories_.insert(std::move(block));
}

double Device::map_file(const std::string& path, double* bytes) {
  std::shared_ptr<Memory> block = Memory::map(path);
  maps_.erase(std::remove_if(maps_.begin(), maps_.end(), [](const auto& map) { return map.expired(); }), maps_.end());
  for (const std::weak_ptr<Memory>& map : maps_) {
    std::shared_ptr<Memory> known = map.lock();
    if (known != nullptr && known->is_same_file(*block)) {
      *bytes = static_cast<double>(known->size());
      return memories_.insert(std::move(known));
    }
  }
  maps_.push_back(block);
  *bytes = static_cast<double>(block->size());
  return memories_.insert(std::move(block));
}

void Device::free(double handle) {
  memory(handle);
  memories_.erase(handle);
}

double Device::prepare_weight(const WeightRequest& request) {
  auto prepared = std::make_shared<PreparedWeight>();
  Weight& weight = prepared->weight;
  weight.dtype = checked_dtype(request.dtype);
  weight.num_matrices = static_cast<int64_t>(request.num_matrices);
  weight.out = static_cast<int64_t>(checked_index(request.out, INT32_MAX, "outFeatures"));
  weight.in = static_cast<int64_t>(checked_index(request.in, INT32_MAX, "inFeatures"));
  weight.row_bytes = static_cast<int64_t>(checked_index(request.row_bytes, INT32_MAX * 8.0, "rowBytes"));
  const double matrix_bytes = request.out * request.row_bytes;  // where this is inexact, it exceeds every memory
  for (size_t i = 0; i < request.num_matrices; i++) {
    const double* source = request.matrices + 2 * i;
    prepared->matrices.push_back({address(source[0], source[1], matrix_bytes), 0});
    prepared->keep(*memories_.find(source[0]));
  }
  weight.matrices = prepared->matrices.data();
  const auto is_file = [](const auto& memory) { return memory->is_file(); };
  if (request.num_matrices > 1 && std::all_of(prepared->memories.begin(), prepared->memories.end(), is_file)) {
    prepared->fetched = std::make_unique<FetchedMatrices>(cache_, weight);
    for (size_t i = 0; i < request.num_matrices; i++) {
      prepared->fetched->add(*memories_.find(request.matrices[2 * i]), &prepared->matrices[i]);
    }
    weight.fetched = prepared->fetched.get();
  }
  if (request.scales == nullptr) return weights_.insert(std::move(prepared));

  weight.scale_rows = static_cast<int64_t>(checked_index(request.scale_rows, INT32_MAX, "scaleRows"));
  if (weight.scale_rows == 0) throw Failure("invalid_argument", "scaleRows must be positive.");
  weight.scale_cols = (weight.in + SCALE_COLUMNS - 1) / SCALE_COLUMNS;
  const size_t count =
      static_cast<size_t>((weight.out + weight.scale_rows - 1) / weight.scale_rows * weight.scale_cols);
  for (size_t i = 0; i < request.num_matrices; i++) {
    const double* source = request.scales + 2 * i;
    prepared->add_scales(address(source[0], source[1], static_cast<double>(count * sizeof(float))), count);
    prepared->keep(*memories_.find(source[0]));
  }
  weight.scales = prepared->scales.data();
  return weights_.insert(std::move(prepared));
}

// Packed weights share large blocks, so that huge pages back the small ones too. The place is taken by whoever moves
// tiles_used_ past it, once the tiles are known to hold the weight.
uint8_t* Device::find_place(size_t bytes, std::shared_ptr<Memory>* block) {
  constexpr size_t BLOCK_BYTES = size_t{64} << 20;
  *block = tiles_.lock();
  if (*block == nullptr || tiles_used_ + bytes > (*block)->size()) {
    *block = Memory::allocate(std::max(bytes, BLOCK_BYTES));
    if (*block == nullptr) throw Failure("out_of_memory", "Cannot allocate " + std::to_string(bytes) + " bytes.");
    tiles_ = *block;
    tiles_used_ = 0;
  }
  return (*block)->data() + tiles_used_;
}

bool Device::pack_weight(double id) {
  const std::shared_ptr<PreparedWeight>* found = weights_.find(id);
  if (found == nullptr) throw Failure("invalid_argument", "The weight id names no weight, or one that was freed.");
  PreparedWeight& prepared = **found;
  check_maps();
  Weight packed = prepared.weight;
  const int64_t tile_bytes = variant_.tile_bytes(packed.dtype, packed.in);
  const size_t matrix_bytes = static_cast<size_t>(num_tiles(packed.out) * tile_bytes);
  const size_t bytes = matrix_bytes * prepared.matrices.size();
  std::shared_ptr<Memory> block;
  const uint8_t* tiles = find_place(bytes, &block);
  std::vector<MatrixPlace> matrices;
  for (size_t i = 0; i < prepared.matrices.size(); i++) matrices.push_back({tiles + i * matrix_bytes, tile_bytes});
  packed.matrices = matrices.data();
  int32_t refused = 0;
  const Tensor tensors[] = {{&refused, DType::I32}};
  const Weight* weights[] = {&prepared.weight, &packed};
  pool_.run({{variant_.pack, {tensors, weights, nullptr}}});
  if (refused != 0) return false;
  tiles_used_ += (bytes + TILE_ALIGNMENT - 1) / TILE_ALIGNMENT * TILE_ALIGNMENT;
  prepared.fetched.reset();
  packed.fetched = nullptr;
  const size_t stored_bytes = static_cast<size_t>(packed.out * packed.row_bytes);
  for (size_t i = 0; i < matrices.size(); i++) {
    for (const std::shared_ptr<Memory>& memory : prepared.memories) {
      const uint8_t* rows = prepared.matrices[i].data;
      if (memory->contains(rows)) memory->forget(rows, stored_bytes);
    }
  }
  prepared.matrices.swap(matrices);
  prepared.tiles_bytes = bytes;
  packed.matrices = prepared.matrices.data();
  packed.scales = nullptr;
  prepared.weight = packed;
  prepared.scales.clear();
  prepared.aligned_scales.clear();
  prepared.memories.assign(1, std::move(block));
  return true;
}

void Device::free_weight(double id) {
  if (weights_.find(id) == nullptr) throw Failure("invalid_argument", "The weight id names no weight.");
  weights_.erase(id);
}

bool Device::lock_weight(double id) {
  const std::shared_ptr<PreparedWeight>* found = weights_.find(id);
  if (found == nullptr) throw Failure("invalid_argument", "The weight id names no weight.");
  check_maps();
  const PreparedWeight& prepared = **found;
  const size_t bytes = static_cast<size_t>(prepared.weight.out * prepared.weight.row_bytes);
  bool is_locked = true;
  for (const MatrixPlace& matrix : prepared.matrices) {
    for (const std::shared_ptr<Memory>& memory : prepared.memories) {
      if (!memory->is_file() || !memory->contains(matrix.data)) continue;
      is_locked = memory->lock(static_cast<size_t>(matrix.data - memory->data()), bytes) && is_locked;
    }
  }
  return is_locked;
}

void Device::limit_fetched(double bytes) { cache_.set_budget(checked_index(bytes, MAX_INTEGER, "A byte length")); }

void Device::upload(double handle, double offset, const void* bytes, size_t size) {
  if (memory(handle).is_file()) throw Failure("invalid_argument", "A mapped file is read-only.");
  uint8_t* target = address(handle, offset, static_cast<double>(size));
  if (size > 0) std::memcpy(target, bytes, size);
}

void Device::download(double handle, double offset, void* bytes, size_t size) {
  if (memory(handle).is_file()) check_maps();
  const uint8_t* source = address(handle, offset, static_cast<double>(size));
  if (size > 0) std::memcpy(bytes, source, size);
}

void Device::check_maps() {
  for (const std::weak_ptr<Memory>& map : maps_) {
    const std::shared_ptr<Memory> file = map.lock();
    if (file != nullptr && !file->is_intact()) {
      throw Failure("io_failed", file->path() + " became shorter while it was in use.");
    }
  }
}

// Appends one command and returns the doubles it took.
size_t Device::decode(const double* stream, size_t available) {
  if (available < 4) throw Failure("invalid_argument", "A command is cut short.");
  const size_t kernel = checked_index(stream[0], variant_.num_kernels - 1, "A kernel id");
  const double limit = static_cast<double>(available);
  const size_t num_tensors = checked_index(stream[1], limit, "A count of tensors");
  const size_t num_weights = checked_index(stream[2], limit, "A count of weights");
  const size_t num_scalars = checked_index(stream[3], limit, "A count of scalars");
  const size_t length = 4 + 3 * num_tensors + num_weights + num_scalars;
  if (length > available) throw Failure("invalid_argument", "A command is cut short.");

  const size_t first_tensor = tensors_.size();
  const size_t first_weight = weight_arguments_.size();
  const double* next = stream + 4;
  for (size_t i = 0; i < num_tensors; i++, next += 3) {
    if (next[0] == 0) {
      tensors_.emplace_back();
    } else {
      tensors_.push_back({address(next[0], next[1], 0), checked_dtype(next[2])});
    }
  }
  for (size_t i = 0; i < num_weights; i++, next++) {
    const std::shared_ptr<PreparedWeight>* found = weights_.find(*next);
    if (found == nullptr) throw Failure("invalid_argument", "The weight id names no weight, or one that was freed.");
    weight_arguments_.push_back(&(*found)->weight);
  }
  commands_.push_back({variant_.kernels[kernel].run,
                       {tensors_.data() + first_tensor, weight_arguments_.data() + first_weight, next}});
  return length;
}

void Device::execute(const double* stream, size_t length) {
  commands_.clear();
  tensors_.clear();
  weight_arguments_.clear();
  tensors_.reserve(length / 3 + 1);  // commands point into both lists: they must not move
  weight_arguments_.reserve(length + 1);
  for (size_t at = 0; at < length;) at += decode(stream + at, length - at);
  check_maps();
  pool_.run(commands_);
  cache_.check();
}

DeviceStats Device::stats() const {
  DeviceStats stats{memories_.size(), weights_.size(), 0};
  memories_.each([&](const std::shared_ptr<Memory>& block) {
    if (!block->is_file()) stats.allocated_bytes += block->size();
  });
  weights_.each([&](const std::shared_ptr<PreparedWeight>& weight) { stats.allocated_bytes += weight->tiles_bytes; });
  return stats;
}

}  // namespace mimo
