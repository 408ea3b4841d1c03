// The threads behind kernel.h's Worker: they interpret a list of commands together, a barrier after each.
//
// The calling thread is worker 0. A waiting thread spins briefly, then yields, then sleeps, so that steps start
// fast on an idle machine and an oversubscribed one does not collapse. Idle pools use no processor time.
// A pool is driven by one thread at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernel.h"

namespace mimo {

struct Command {
  KernelFn run;
  Args args;
};

// A counter that threads wait on until it moves.
class Gate {
 public:
  uint32_t value() const { return value_.load(std::memory_order_acquire); }
  void wait_past(uint32_t seen);
  void advance();

 private:
  std::atomic<uint32_t> value_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
};

// Memory that only grows, 64-byte aligned.
class Block {
 public:
  Block() = default;
  explicit Block(size_t bytes);
  Block(Block&& other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr, other.size_ = 0; }
  Block& operator=(Block&& other) noexcept;
  ~Block();
  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

class ThreadPool {
 public:
  static constexpr int MAX_THREADS = 1024;

  // Throws std::system_error where the system refuses a thread.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()); }
  // Runs the commands in order; returns when the last one is done.
  void run(const std::vector<Command>& commands);

 private:
  friend class Worker;
  static constexpr int NUM_PHASES = 4;
  struct alignas(64) Counter {
    std::atomic<int64_t> next{0};
  };

  void serve(int id);
  void interpret(Worker& worker) noexcept;
  void arrive(bool end_of_command);
  void stop();

  Counter counters_[NUM_PHASES];
  alignas(64) std::atomic<int> arrived_{0};
  Gate barrier_;
  Gate start_;
  const std::vector<Command>* commands_ = nullptr;  // null tells the threads to leave
  std::mutex shared_mutex_;
  std::vector<Block> shared_;  // one per call of shared_scratch within a kernel
  std::vector<std::unique_ptr<Worker::State>> states_;
  std::vector<Worker> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace mimo
