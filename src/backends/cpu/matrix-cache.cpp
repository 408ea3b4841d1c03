// See matrix-cache.h.
#include "matrix-cache.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "failure.h"
#include "memory.h"

namespace mimo {

namespace {

constexpr double HALF_LIFE = 64;
constexpr size_t NUM_READERS = 8;
constexpr size_t PIECE = size_t{1} << 20;
constexpr size_t PAGE = 4096;  // past the page cache, files are read in such blocks

size_t page_floor(size_t offset) { return offset / PAGE * PAGE; }
size_t page_ceiling(size_t offset) { return (offset + PAGE - 1) / PAGE * PAGE; }

}  // namespace

// Of one size wherever a matrix begins in its page, so that evicted memory fits the next one.
FetchedMatrices::FetchedMatrices(MatrixCache& cache, const Weight& weight)
    : cache_(cache),
      weight_(weight),
      bytes_(static_cast<size_t>(weight.out * weight.row_bytes)),
      tile_bytes_(cache.variant_.tile_bytes(weight.dtype, weight.in)),
      copy_bytes_(page_ceiling(std::max(bytes_, static_cast<size_t>(num_tiles(weight.out) * tile_bytes_))) + PAGE) {}

void FetchedMatrices::add(std::shared_ptr<Memory> file, MatrixPlace* place) {
  Matrix& matrix = matrices_.emplace_back();
  matrix.weight = this;
  matrix.index = static_cast<int64_t>(matrices_.size()) - 1;
  matrix.file = std::move(file);
  matrix.place = place;
  matrix.mapped = place->data;
}

FetchedMatrices::~FetchedMatrices() {
  cache_.finish_reads();
  cache_.guesses_.clear();
  for (Matrix& matrix : matrices_) {
    if (matrix.copy != nullptr) cache_.evict(matrix);
  }
  cache_.drop_spare();
}

MatrixCache::~MatrixCache() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& reader : readers_) reader.join();
}

void MatrixCache::set_budget(size_t bytes) {
  stats_.budget_bytes = static_cast<double>(bytes);
  while (readers_.size() < NUM_READERS) readers_.emplace_back([this] { serve(); });
}

void fetch_matrices(const Weight* const* weights, int64_t num_weights, const int32_t* ids, int64_t num_ids,
                    bool is_guess) {
  std::vector<FetchedMatrices*> fetched;
  for (int64_t w = 0; w < num_weights; w++) {
    if (weights[w]->fetched != nullptr) fetched.push_back(weights[w]->fetched);
  }
  if (fetched.empty()) return;
  std::vector<int32_t> chosen(ids, ids + num_ids);
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  MatrixCache& cache = fetched[0]->cache();
  if (!cache.is_active()) return;
  if (is_guess) cache.prefetch(fetched, chosen);
  else cache.fetch(fetched, chosen);
}

void MatrixCache::fetch(const std::vector<FetchedMatrices*>& weights, const std::vector<int32_t>& chosen) {
  const auto start = std::chrono::steady_clock::now();
  num_fetches_++;
  for (FetchedMatrices* weight : weights) weight->num_fetches_++;

  // All are marked as used before the first one needs room, so that none of them makes it.
  for (const int32_t id : chosen) {
    bool is_hit = true;
    for (FetchedMatrices* weight : weights) {
      Matrix& matrix = weight->matrices_[static_cast<size_t>(id)];
      is_hit = is_hit && matrix.is_held;
      use(matrix, static_cast<double>(weight->num_fetches_) / HALF_LIFE);
    }
    stats_.uses++;
    stats_.hits += is_hit;
  }
  const std::vector<Matrix*> wrong = drop_wrong_guesses();
  std::vector<Piece> pieces;
  for (FetchedMatrices* weight : weights) {
    for (const int32_t id : chosen) {
      Matrix& matrix = weight->matrices_[static_cast<size_t>(id)];
      if (matrix.is_held || std::find(guesses_.begin(), guesses_.end(), &matrix) != guesses_.end()) continue;
      if (take_memory(matrix)) plan_reads(matrix, pieces);
      else stats_.bytes_read += static_cast<double>(weight->bytes_);
    }
  }
  start_reads(pieces);
  finish_reads();
  guesses_.clear();
  for (Matrix* matrix : wrong) {
    if (!matrix->is_held) evict(*matrix);
  }
  stats_.wait_ms += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

void MatrixCache::prefetch(const std::vector<FetchedMatrices*>& weights, const std::vector<int32_t>& guess) {
  std::vector<Piece> pieces;
  for (const int32_t id : guess) {
    for (FetchedMatrices* weight : weights) {
      Matrix& matrix = weight->matrices_[static_cast<size_t>(id)];
      if (matrix.copy != nullptr || !take_memory(matrix)) continue;
      matrix.last_fetch = num_fetches_;  // stays until the next one
      plan_reads(matrix, pieces);
      guesses_.push_back(&matrix);
    }
  }
  start_reads(pieces);
}

// What was guessed and is not used: its reads that have not begun never do. It keeps its memory while others are read.
std::vector<MatrixCache::Matrix*> MatrixCache::drop_wrong_guesses() {
  std::vector<Matrix*> wrong;
  for (Matrix* matrix : guesses_) {
    if (matrix->last_fetch != num_fetches_) wrong.push_back(matrix);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  const auto is_used = [&](const Piece& piece) { return piece.matrix->last_fetch == num_fetches_; };
  const auto end = std::stable_partition(pieces_.begin() + static_cast<ptrdiff_t>(next_piece_), pieces_.end(), is_used);
  for (auto piece = end; piece != pieces_.end(); ++piece) {
    open_pieces_--;
    stats_.bytes_read -= static_cast<double>(piece->bytes);
  }
  pieces_.erase(end, pieces_.end());
  for (Matrix* matrix : wrong) matrix->last_fetch = num_fetches_;
  return wrong;
}

// The logarithm of a sum of powers of two: uses fade without anything being touched as time passes.
void MatrixCache::use(Matrix& matrix, double time) {
  if (matrix.copy != nullptr) by_heat_.erase({matrix.heat, &matrix});
  const double high = std::max(matrix.heat, time), low = std::min(matrix.heat, time);
  matrix.heat = high + std::log2(1 + std::exp2(low - high));
  matrix.last_fetch = num_fetches_;
  if (matrix.copy != nullptr) by_heat_.insert({matrix.heat, &matrix});
}

// Memory for a copy; false where the budget has none left.
bool MatrixCache::take_memory(Matrix& matrix) {
  if (matrix.copy != nullptr) return true;  // its read has failed before, or tiles have refused it
  const size_t needed = matrix.weight->copy_bytes_;
  auto coldest = by_heat_.begin();
  for (;;) {
    const auto fitting = std::find_if(spare_.begin(), spare_.end(),
                                      [&](const auto& memory) { return memory->size() == needed; });
    if (fitting != spare_.end()) {
      matrix.copy = std::move(*fitting);
      spare_.erase(fitting);
      break;
    }
    if (stats_.held_bytes + static_cast<double>(needed) <= stats_.budget_bytes) {
      matrix.copy = Memory::allocate(needed);
      if (matrix.copy == nullptr) return false;
      stats_.held_bytes += static_cast<double>(needed);
      break;
    }
    if (!spare_.empty()) {
      drop_spare();
      continue;
    }
    while (coldest != by_heat_.end() && coldest->second->last_fetch == num_fetches_) ++coldest;
    if (coldest == by_heat_.end()) return false;
    evict(*(coldest++)->second);
  }
  by_heat_.insert({matrix.heat, &matrix});
  return true;
}

void MatrixCache::evict(Matrix& matrix) {
  by_heat_.erase({matrix.heat, &matrix});
  *matrix.place = {matrix.mapped, 0};
  matrix.is_held = false;
  spare_.push_back(std::move(matrix.copy));
  matrix.copy = nullptr;
}

void MatrixCache::drop_spare() {
  for (const auto& memory : spare_) stats_.held_bytes -= static_cast<double>(memory->size());
  spare_.clear();
}

// Page by page as the matrix lies in its file.
void MatrixCache::plan_reads(Matrix& matrix, std::vector<Piece>& pieces) {
  const size_t offset = static_cast<size_t>(matrix.mapped - matrix.file->data());
  const size_t begin = page_floor(offset), end = page_ceiling(offset + matrix.weight->bytes_);
  *matrix.place = {matrix.copy->data() + (offset - begin), 0};
  matrix.unread_pieces = (end - begin + PIECE - 1) / PIECE;
  for (size_t at = begin; at < end; at += PIECE) {
    pieces.push_back({&matrix, at, std::min(PIECE, end - at), matrix.copy->data() + (at - begin)});
  }
}

void MatrixCache::start_reads(const std::vector<Piece>& pieces) {
  if (pieces.empty()) return;
  std::lock_guard<std::mutex> lock(mutex_);
  pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<ptrdiff_t>(next_piece_));
  next_piece_ = 0;
  pieces_.insert(pieces_.end(), pieces.begin(), pieces.end());
  open_pieces_ += pieces.size();
  for (const Piece& piece : pieces) stats_.bytes_read += static_cast<double>(piece.bytes);
  work_.notify_all();
}

// Called by the thread that has read the last piece, and by no other.
void MatrixCache::finish_copy(Matrix& matrix) {
  if (!matrix.refuses_tiles && !pack(matrix)) {
    // Part of the rows is gone: they are used in the file this time, and stay rows when they are fetched again.
    matrix.refuses_tiles = true;
    *matrix.place = {matrix.mapped, 0};
    return;
  }
  matrix.is_held = true;
}

// A tile is never smaller than its rows. So tiles that begin where the rows do, or behind, can be written over them from
// the last one to the first: over rows that are in tiles already, and no memory is needed but for one tile.
bool MatrixCache::pack(Matrix& matrix) {
  const FetchedMatrices& weight = *matrix.weight;
  const size_t tile_bytes = static_cast<size_t>(weight.tile_bytes_);
  uint8_t* copy = matrix.copy->data();
  const size_t offset = static_cast<size_t>(matrix.place->data - copy);
  uint8_t* tiles = copy + (offset + TILE_ALIGNMENT - 1) / TILE_ALIGNMENT * TILE_ALIGNMENT;
  const std::unique_ptr<uint8_t[]> tile(new uint8_t[tile_bytes]);
  for (int64_t i = num_tiles(weight.weight_.out); i-- > 0;) {
    if (!variant_.pack_tile(weight.weight_, matrix.index, i, tile.get())) return false;
    std::memcpy(tiles + static_cast<size_t>(i) * tile_bytes, tile.get(), tile_bytes);
  }
  *matrix.place = {tiles, weight.tile_bytes_};
  return true;
}

// Helps the readers and waits for them.
void MatrixCache::finish_reads() {
  std::unique_lock<std::mutex> lock(mutex_);
  read_some(lock);
  done_.wait(lock, [&] { return open_pieces_ == 0; });
}

void MatrixCache::read_some(std::unique_lock<std::mutex>& lock) {
  while (next_piece_ < pieces_.size()) {
    const Piece piece = pieces_[next_piece_++];
    Matrix& matrix = *piece.matrix;
    std::string failure;
    lock.unlock();
    try {
      matrix.file->read(piece.offset, piece.bytes, piece.target);
      if (--matrix.unread_pieces == 0) finish_copy(matrix);
    } catch (const Failure& thrown) {
      failure = thrown.what();
    }
    lock.lock();
    if (!failure.empty()) failure_ = failure;
    if (--open_pieces_ == 0) done_.notify_all();
  }
}

void MatrixCache::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!is_stopping_) {
    read_some(lock);
    work_.wait(lock, [&] { return is_stopping_ || next_piece_ < pieces_.size(); });
  }
}

void MatrixCache::check() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (failure_.empty()) return;
  const std::string failure = std::move(failure_);
  failure_.clear();
  throw Failure("io_failed", failure);
}

}  // namespace mimo
