// See thread-pool.h. Counters are reset by the last thread to arrive at the end of a command, before any other
// thread may leave it, so a kernel always finds them at zero.
#include "thread-pool.h"

#include <algorithm>
#include <cstdlib>
#include <new>

namespace mimo {

namespace {

constexpr int SPINS = 300;    // about 1 µs: longer spins cost far more on a busy machine than they gain on an idle one
constexpr int YIELDS = 500;  // about 200 µs on an idle machine; on a busy one the awaited thread runs meanwhile

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

}  // namespace

void Gate::wait_past(uint32_t seen) {
  for (int i = 0; i < SPINS; i++) {
    if (value() != seen) return;
    pause();
  }
  for (int i = 0; i < YIELDS; i++) {
    if (value() != seen) return;
    std::this_thread::yield();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  sleepers_.fetch_add(1);
  wake_.wait(lock, [&] { return value_.load() != seen; });
  sleepers_.fetch_sub(1);
}

// Sequentially consistent against wait_past: either this sees the sleeper, or the sleeper sees the new value.
void Gate::advance() {
  value_.fetch_add(1);
  if (sleepers_.load() == 0) return;
  { std::lock_guard<std::mutex> lock(mutex_); }
  wake_.notify_all();
}

Block::Block(size_t bytes) : size_((bytes + 63) / 64 * 64) {
  data_ = static_cast<uint8_t*>(std::aligned_alloc(64, size_));
  if (data_ == nullptr) throw std::bad_alloc();
}

Block& Block::operator=(Block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Block::~Block() { std::free(data_); }

// A bump allocator that starts afresh with every command and soon consists of one block that is large enough.
struct Worker::State {
  ThreadPool* pool;
  std::vector<Block> blocks;
  size_t used = 0;  // of the last block
  size_t shared_calls = 0;

  void reset() {
    if (blocks.size() > 1) blocks.erase(blocks.begin(), blocks.end() - 1);
    used = 0;
    shared_calls = 0;
  }
};

bool Worker::next(int phase, int64_t total, int64_t grain, int64_t* begin, int64_t* end) {
  const int64_t first = state_->pool->counters_[phase].next.fetch_add(grain, std::memory_order_relaxed);
  if (first >= total) return false;
  *begin = first;
  *end = std::min(first + grain, total);
  return true;
}

bool Worker::next_share(int phase, int64_t total, int64_t least, int64_t* begin, int64_t* end) {
  std::atomic<int64_t>& next = state_->pool->counters_[phase].next;
  int64_t first = next.load(std::memory_order_relaxed);
  do {
    if (first >= total) return false;
    *end = std::min(total, first + std::max(least, (total - first) / (2 * count)));
  } while (!next.compare_exchange_weak(first, *end, std::memory_order_relaxed));
  *begin = first;
  return true;
}

void Worker::barrier() { state_->pool->arrive(false); }

void* Worker::scratch(size_t bytes) {
  State& state = *state_;
  const size_t size = (bytes + 63) / 64 * 64;
  if (state.blocks.empty() || state.used + size > state.blocks.back().size()) {
    const size_t previous = state.blocks.empty() ? 0 : state.blocks.back().size();
    state.blocks.emplace_back(std::max(size, 2 * previous));
    state.used = 0;
  }
  uint8_t* memory = state.blocks.back().data() + state.used;
  state.used += size;
  return memory;
}

void* Worker::shared_scratch(size_t bytes) {
  ThreadPool& pool = *state_->pool;
  const size_t index = state_->shared_calls++;
  std::lock_guard<std::mutex> lock(pool.shared_mutex_);
  if (index >= pool.shared_.size()) pool.shared_.resize(index + 1);
  if (pool.shared_[index].size() < bytes) pool.shared_[index] = Block(bytes);
  return pool.shared_[index].data();
}

ThreadPool::ThreadPool(int threads) : workers_(threads) {
  for (int id = 0; id < threads; id++) {
    states_.push_back(std::make_unique<Worker::State>());
    states_[id]->pool = this;
    workers_[id].id = id;
    workers_[id].count = threads;
    workers_[id].state_ = states_[id].get();
  }
  try {
    for (int id = 1; id < threads; id++) threads_.emplace_back([this, id] { serve(id); });
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  commands_ = nullptr;
  start_.advance();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::run(const std::vector<Command>& commands) {
  if (commands.empty()) return;
  commands_ = &commands;
  start_.advance();
  interpret(workers_[0]);
}

void ThreadPool::serve(int id) {
  for (uint32_t round = 0;; round++) {
    start_.wait_past(round);
    if (commands_ == nullptr) return;
    interpret(workers_[id]);
  }
}

// Out of memory in a kernel's scratch ends the process (noexcept): the other threads could not be released.
void ThreadPool::interpret(Worker& worker) noexcept {
  const std::vector<Command>& commands = *commands_;
  for (const Command& command : commands) {
    worker.state_->reset();
    command.run(command.args, worker);
    arrive(true);
  }
}

void ThreadPool::arrive(bool end_of_command) {
  const uint32_t seen = barrier_.value();
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < size()) return barrier_.wait_past(seen);
  arrived_.store(0, std::memory_order_relaxed);
  if (end_of_command) {
    for (Counter& counter : counters_) counter.next.store(0, std::memory_order_relaxed);
  }
  barrier_.advance();
}

}  // namespace mimo
