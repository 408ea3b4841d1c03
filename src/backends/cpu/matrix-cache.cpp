// See matrix-cache.h.
#include "matrix-cache.h"

#include <algorithm>
#include <chrono>
#include <cmath>

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

void FetchedMatrices::add(std::shared_ptr<Memory> file, const uint8_t** entry) {
  Matrix matrix;
  matrix.file = std::move(file);
  matrix.entry = entry;
  matrix.mapped = *entry;
  matrices_.push_back(std::move(matrix));
}

FetchedMatrices::~FetchedMatrices() {
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

void fetch_matrices(const Weight* const* weights, int64_t num_weights, const int32_t* ids, int64_t num_ids) {
  std::vector<FetchedMatrices*> fetched;
  for (int64_t w = 0; w < num_weights; w++) {
    if (weights[w]->fetched != nullptr) fetched.push_back(weights[w]->fetched);
  }
  if (!fetched.empty()) fetched[0]->cache().fetch(fetched, {ids, ids + num_ids});
}

void MatrixCache::fetch(const std::vector<FetchedMatrices*>& weights, std::vector<int32_t> chosen) {
  if (!is_active()) return;
  const auto start = std::chrono::steady_clock::now();
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  num_fetches_++;
  for (FetchedMatrices* weight : weights) weight->num_fetches_++;

  // All are marked as used before the first one needs room, so that none of them makes it.
  for (const int32_t id : chosen) {
    bool is_hit = true;
    for (FetchedMatrices* weight : weights) {
      Matrix& matrix = weight->matrices_[static_cast<size_t>(id)];
      is_hit = is_hit && matrix.is_read;
      use(matrix, static_cast<double>(weight->num_fetches_) / HALF_LIFE);
    }
    stats_.uses++;
    stats_.hits += is_hit;
  }
  std::vector<Piece> pieces;
  std::vector<Matrix*> reading;
  for (const int32_t id : chosen) {
    for (FetchedMatrices* weight : weights) {
      Matrix& matrix = weight->matrices_[static_cast<size_t>(id)];
      if (matrix.is_read) continue;
      const size_t bytes = weight->bytes_;
      const size_t offset = static_cast<size_t>(matrix.mapped - matrix.file->data());
      stats_.bytes_read += static_cast<double>(bytes);
      if (!take_memory(matrix, bytes)) {
        matrix.file->will_need(offset, bytes);
        continue;
      }
      const size_t begin = page_floor(offset), end = page_ceiling(offset + bytes);
      *matrix.entry = matrix.copy->data() + (offset - begin);
      for (size_t at = begin; at < end; at += PIECE) {
        pieces.push_back({matrix.file.get(), at, std::min(PIECE, end - at), matrix.copy->data() + (at - begin)});
      }
      reading.push_back(&matrix);
    }
  }
  const bool is_read = read(std::move(pieces));
  for (Matrix* matrix : reading) matrix->is_read = is_read;
  stats_.wait_ms += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// The logarithm of a sum of powers of two: uses fade without anything being touched as time passes.
void MatrixCache::use(Matrix& matrix, double time) {
  if (matrix.copy != nullptr) by_heat_.erase({matrix.heat, &matrix});
  const double high = std::max(matrix.heat, time), low = std::min(matrix.heat, time);
  matrix.heat = high + std::log2(1 + std::exp2(low - high));
  matrix.last_fetch = num_fetches_;
  if (matrix.copy != nullptr) by_heat_.insert({matrix.heat, &matrix});
}

// Memory for a copy, page by page as the matrix lies in its file; false where the budget has none left.
bool MatrixCache::take_memory(Matrix& matrix, size_t bytes) {
  if (matrix.copy != nullptr) return true;  // a read that failed
  // Of one size wherever the matrix begins in its page, so that evicted memory fits the next one.
  const size_t needed = page_ceiling(bytes) + PAGE;
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
  *matrix.entry = matrix.mapped;
  matrix.is_read = false;
  spare_.push_back(std::move(matrix.copy));
  matrix.copy = nullptr;
}

void MatrixCache::drop_spare() {
  for (const auto& memory : spare_) stats_.held_bytes -= static_cast<double>(memory->size());
  spare_.clear();
}

// Reads all pieces, on this thread and the readers; false where one failed.
bool MatrixCache::read(std::vector<Piece> pieces) {
  if (pieces.empty()) return true;
  std::unique_lock<std::mutex> lock(mutex_);
  pieces_ = std::move(pieces);
  next_piece_ = 0;
  open_pieces_ = pieces_.size();
  work_.notify_all();
  read_some(lock);
  done_.wait(lock, [&] { return open_pieces_ == 0; });
  return failure_.empty();
}

void MatrixCache::read_some(std::unique_lock<std::mutex>& lock) {
  while (next_piece_ < pieces_.size()) {
    const Piece piece = pieces_[next_piece_++];
    std::string failure;
    lock.unlock();
    try {
      piece.file->read(piece.offset, piece.bytes, piece.target);
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
