// One CPU device: its memory, its weights and its threads, without anything of Node.
//
// Handles, offsets, sizes and commands come from JavaScript as doubles and are all checked here before an address
// is formed; a wrong one throws Failure. What a kernel reads through its tensors is the op contract's affair.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "failure.h"
#include "kernel.h"
#include "matrix-cache.h"
#include "slot-table.h"
#include "thread-pool.h"
#include "variants.h"

namespace mimo {

class Memory;

// As doubles from JavaScript; see WeightSource in src/backends/backend.ts.
struct WeightRequest {
  double dtype, out, in, row_bytes, scale_rows;
  const double* matrices;  // [num_matrices, 2]: handle, byte offset
  size_t num_matrices;
  const double* scales;    // the same, or null
};

struct DeviceStats {
  size_t memories, weights, allocated_bytes;
};

class Device {
 public:
  Device(const Variant& variant, int threads) : variant_(variant), cache_(variant), pool_(threads) {}

  double alloc(double bytes);
  double map_file(const std::string& path, double* bytes);
  void free(double handle);
  double prepare_weight(const WeightRequest& request);
  // Copies a weight into the tiles that products read fastest, on all threads; its memories are then no longer used.
  // False, and nothing changed, where tiles cannot hold one of its values.
  bool pack_weight(double id);
  void free_weight(double id);
  // Brings a weight into memory to stay; false where the system does not allow to lock it there.
  bool lock_weight(double id);
  void limit_fetched(double bytes);
  FetchStats fetch_stats() const { return cache_.stats(); }
  void upload(double handle, double offset, const void* bytes, size_t size);
  void download(double handle, double offset, void* bytes, size_t size);
  // Commands [kernel, numTensors, numWeights, numScalars, (handle, byteOffset, dtype)…, weightId…, scalar…];
  // handle 0 is an absent tensor. All are checked before the first one runs.
  void execute(const double* stream, size_t length);
  DeviceStats stats() const;

 private:
  struct PreparedWeight;

  Memory& memory(double handle);
  uint8_t* address(double handle, double offset, double size);
  size_t decode(const double* stream, size_t available);
  void check_maps();
  uint8_t* find_place(size_t bytes, std::shared_ptr<Memory>* block);

  const Variant& variant_;
  SlotTable<std::shared_ptr<Memory>> memories_;
  MatrixCache cache_;  // outlives the weights whose matrices it holds
  SlotTable<std::shared_ptr<PreparedWeight>> weights_;
  std::vector<std::weak_ptr<Memory>> maps_;
  std::weak_ptr<Memory> tiles_;  // the block that packed weights are being put into; theirs
  size_t tiles_used_ = 0;
  std::vector<Command> commands_;
  std::vector<Tensor> tensors_;
  std::vector<const Weight*> weight_arguments_;
  ThreadPool pool_;
};

}  // namespace mimo
