// What a native kernel sees. Every op's .cpp includes this file and nothing of Node.
//
// A kernel runs on all threads of the pool at once, each with its own Worker. It splits its work by
// `Worker::next` and must give every output element one fixed order of reduction: results do not depend on the
// number of threads, on how work was split, or on which other rows are in the batch.
#pragma once

#include <cstddef>
#include <cstdint>

// Set by the build for each instruction-set variant: reads as a namespace, e.g. avx512.
#ifndef MIMO_VARIANT
#error "MIMO_VARIANT must name the instruction-set variant being compiled"
#endif

// Functions outside a variant's namespace must never be emitted by a variant: the linker would keep one copy for
// all, perhaps with instructions that this machine lacks.
#define MIMO_INLINE __attribute__((always_inline)) inline

namespace mimo {

// Codes of src/tensor/dtype.ts.
enum class DType : int32_t {
  F32 = 0, F16 = 1, BF16 = 2, F8_E4M3 = 3, I32 = 4, Q8_0 = 5, Q4_0 = 6, Q4_1 = 7, Q5_0 = 8, Q5_1 = 9,
  Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14, IQ4_NL = 15, IQ4_XS = 16, IQ3_S = 17, IQ3_XXS = 18,
  IQ2_XXS = 19, IQ2_XS = 20, IQ2_S = 21, MXFP4 = 22, COUNT = 23
};

struct Tensor {
  void* data = nullptr;  // null for an absent optional tensor
  DType dtype = DType::F32;
  template <class T> MIMO_INLINE T* as() const { return static_cast<T*>(data); }
};

class FetchedMatrices;

constexpr int64_t TILE_ROWS = 16;  // of a packed matrix, see src/ops/linear/tile.h
constexpr size_t TILE_ALIGNMENT = 64;  // of the first tile of a matrix, so that its vectors lie in one cache line each

// Where a matrix lies and how.
struct MatrixPlace {
  const uint8_t* data;
  int64_t tile_bytes;  // of TILE_ROWS rows where it is packed into tiles, 0 where it is rows as in a file
};

// Matrices [out, in] of one dtype; see WeightSource in src/backends/backend.ts.
struct Weight {
  DType dtype;
  int64_t num_matrices, out, in;
  int64_t row_bytes;            // of rows as in a file
  const MatrixPlace* matrices;  // [num_matrices]
  const float* const* scales;   // [num_matrices], or null where the dtype or every tile carries its own scales
  int64_t scale_rows;           // matrix rows that share a row of scales
  int64_t scale_cols;           // scales in a row: ceil(in / 128)
  FetchedMatrices* fetched;     // what `fetch` brings into memory; null where all matrices are there
};

struct Args {
  const Tensor* tensors;
  const Weight* const* weights;
  const double* scalars;
  MIMO_INLINE int64_t integer(int i) const { return static_cast<int64_t>(scalars[i]); }
  MIMO_INLINE float real(int i) const { return static_cast<float>(scalars[i]); }
};

// Brings the numbered matrices of weights that are used together into memory, or begins to where they are a guess
// (matrix-cache.cpp).
void fetch_matrices(const Weight* const* weights, int64_t num_weights, const int32_t* ids, int64_t num_ids,
                    bool is_guess);

// Tiles that hold so many rows.
MIMO_INLINE int64_t num_tiles(int64_t rows) { return (rows + TILE_ROWS - 1) / TILE_ROWS; }

class ThreadPool;

// One thread's view of a running kernel.
class Worker {
 public:
  int id = 0;
  int count = 1;

  // The next unclaimed range [begin, end) of `total` items in steps of `grain`; false when none is left.
  // `phase` counts the parallel loops of one kernel (0..3); phases are separated by barrier().
  bool next(int phase, int64_t total, int64_t grain, int64_t* begin, int64_t* end);
  // The same in ever smaller ranges: long ones first, which stream from memory, short ones last, so that all end together.
  // None is shorter than `least` but the last.
  bool next_share(int phase, int64_t total, int64_t least, int64_t* begin, int64_t* end);
  // Waits until every thread of the pool has arrived.
  void barrier();
  // Memory of at least `bytes`, 64-byte aligned, private to this thread, undefined content, valid during this kernel.
  void* scratch(size_t bytes);
  // The same, one block shared by all threads; all ask for the same sizes in the same order, before their first
  // barrier().
  void* shared_scratch(size_t bytes);

 private:
  friend class ThreadPool;
  struct State;
  State* state_ = nullptr;
};

using KernelFn = void (*)(const Args&, Worker&);
struct KernelEntry {
  const char* name;
  KernelFn run;
};

}  // namespace mimo
