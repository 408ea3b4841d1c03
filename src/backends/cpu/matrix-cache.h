// Matrices of weights that have several, in memory of our own and within a budget: the most used stay, the others are
// read when they are asked for.
//
// A weight's table of matrices points into the mapped file; `fetch` points it to a copy in memory, and eviction points
// it back. Reads go past the page cache, many at once and in large pieces: the system would keep a second copy and, at
// its page faults, read a few kilobytes at a time. Whoever reads the last piece of a matrix packs it into tiles, where
// it was read to, while other threads read on. So a kernel finds the same values wherever a matrix lies, and one that
// nobody fetched for is only slower. How often a matrix was used fades by half every HALF_LIFE fetches of its weight;
// the least used goes first, never one that the current fetch asks for. What does not fit beside those stays in the
// file.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "kernel.h"
#include "variants.h"

namespace mimo {

class MatrixCache;
class Memory;

// The matrices of one fetched weight.
class FetchedMatrices {
 public:
  // The weight outlives its matrices here.
  FetchedMatrices(MatrixCache& cache, const Weight& weight);
  ~FetchedMatrices();
  FetchedMatrices(const FetchedMatrices&) = delete;
  FetchedMatrices& operator=(const FetchedMatrices&) = delete;

  // The weight's next matrix; `place` is its entry in the weight's table, with its address in `file`.
  void add(std::shared_ptr<Memory> file, MatrixPlace* place);
  MatrixCache& cache() const { return cache_; }

 private:
  friend class MatrixCache;
  struct Matrix {
    FetchedMatrices* weight = nullptr;
    int64_t index = 0;
    std::shared_ptr<Memory> file;
    MatrixPlace* place = nullptr;
    const uint8_t* mapped = nullptr;
    std::shared_ptr<Memory> copy;          // null while the matrix is in the file only
    std::atomic<size_t> unread_pieces{0};  // of the copy
    std::atomic<bool> is_held{false};      // the copy is whole
    bool refuses_tiles = false;
    double heat = -1e300;  // logarithm of its uses, each weighed by the time it was made
    uint64_t last_fetch = 0;
  };

  MatrixCache& cache_;
  const Weight& weight_;
  const size_t bytes_;  // of a matrix in its file
  const int64_t tile_bytes_;
  const size_t copy_bytes_;  // memory for either form of a matrix
  std::deque<Matrix> matrices_;  // the cache points to them
  uint64_t num_fetches_ = 0;
};

struct FetchStats {
  // A use is one number in one fetch, which names a matrix of each weight; a hit found all of them in memory.
  double uses, hits, bytes_read, wait_ms, held_bytes, budget_bytes;
};

class MatrixCache {
 public:
  explicit MatrixCache(const Variant& variant) : variant_(variant) {}
  ~MatrixCache();

  // Starts to read ahead; before, nothing is copied. Throws std::system_error where the system refuses a thread.
  void set_budget(size_t bytes);
  bool is_active() const { return !readers_.empty(); }
  // Brings the numbered matrices of weights that are used together into memory, and waits for them. Where there is not
  // room for all, the first weights come first.
  void fetch(const std::vector<FetchedMatrices*>& weights, const std::vector<int32_t>& chosen);
  // Starts to read what the next fetch may ask for, and waits for nothing. A wrong guess is read no further by then.
  void prefetch(const std::vector<FetchedMatrices*>& weights, const std::vector<int32_t>& guess);
  // Throws Failure io_failed once where a fetch could not read; its matrices hold anything.
  void check();
  FetchStats stats() const { return stats_; }

 private:
  friend class FetchedMatrices;
  using Matrix = FetchedMatrices::Matrix;
  struct Piece {
    Matrix* matrix;
    size_t offset, bytes;
    uint8_t* target;
  };

  void use(Matrix& matrix, double time);
  bool take_memory(Matrix& matrix);
  void evict(Matrix& matrix);
  void drop_spare();
  void plan_reads(Matrix& matrix, std::vector<Piece>& pieces);
  void start_reads(const std::vector<Piece>& pieces);
  void finish_reads();
  std::vector<Matrix*> drop_wrong_guesses();
  void read_some(std::unique_lock<std::mutex>& lock);
  void finish_copy(Matrix& matrix);
  bool pack(Matrix& matrix);
  void serve();

  const Variant& variant_;
  FetchStats stats_{};
  uint64_t num_fetches_ = 0;
  std::set<std::pair<double, Matrix*>> by_heat_;  // those with a copy, coldest first
  std::vector<std::shared_ptr<Memory>> spare_;    // memory of evicted copies, still counted as held
  std::vector<Matrix*> guesses_;                  // what was begun to be read since the last fetch

  std::vector<std::thread> readers_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable work_, done_;
  std::vector<Piece> pieces_;
  size_t next_piece_ = 0, open_pieces_ = 0;
  bool is_stopping_ = false;
  std::string failure_;
};

}  // namespace mimo
