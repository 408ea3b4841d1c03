// See memory.h.
#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "failure.h"

namespace mimo {

namespace {

constexpr size_t HUGE_PAGE = size_t{2} << 20;

Failure file_failure(const char* verb, const std::string& path) {
  const int error = errno;
  return Failure(error == ENOENT ? "not_found" : "io_failed",
                 std::string("Cannot ") + verb + " " + path + ": " + std::strerror(error) + ".");
}

constexpr size_t WINDOW = size_t{32} << 20;

// The whole pages that a range of bytes touches.
struct Pages {
  uint8_t* begin;
  size_t bytes;
  Pages(uint8_t* data, size_t size) {
    const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    const uintptr_t first = reinterpret_cast<uintptr_t>(data) / page * page;
    begin = reinterpret_cast<uint8_t*>(first);
    bytes = reinterpret_cast<uintptr_t>(data) + size - first;
  }
};

}  // namespace

std::shared_ptr<Memory> Memory::allocate(size_t bytes) {
  std::shared_ptr<Memory> memory(new Memory());
  memory->size_ = bytes;
  if (bytes == 0) return memory;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
  flags |= MAP_NORESERVE;
#endif
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (data == MAP_FAILED) return nullptr;
#ifdef MADV_HUGEPAGE
  if (bytes >= HUGE_PAGE) madvise(data, bytes, MADV_HUGEPAGE);
#endif
  memory->data_ = static_cast<uint8_t*>(data);
  return memory;
}

std::shared_ptr<Memory> Memory::map(const std::string& path) {
  std::shared_ptr<Memory> memory(new Memory());
  memory->path_ = path;
  memory->file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (memory->file_ < 0) throw file_failure("open", path);
  struct stat status;
  if (fstat(memory->file_, &status) != 0) throw file_failure("inspect", path);
  if (!S_ISREG(status.st_mode)) throw Failure("io_failed", "Cannot map " + path + ": it is not a regular file.");
  memory->device_ = status.st_dev;
  memory->inode_ = status.st_ino;
  const size_t bytes = static_cast<size_t>(status.st_size);
  if (bytes == 0) return memory;
  void* data = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, memory->file_, 0);
  if (data == MAP_FAILED) throw file_failure("map", path);
  memory->data_ = static_cast<uint8_t*>(data);
  memory->size_ = bytes;
  // For `read`; the map keeps using the page cache.
#if defined(O_DIRECT)
  memory->is_direct_ = fcntl(memory->file_, F_SETFL, O_DIRECT) == 0;
#elif defined(F_NOCACHE)
  memory->is_direct_ = fcntl(memory->file_, F_NOCACHE, 1) == 0;
#endif
  return memory;
}

Memory::~Memory() {
  if (data_ != nullptr) munmap(data_, size_);
  if (file_ >= 0) close(file_);
}

bool Memory::is_same_file(const Memory& other) const {
  return device_ == other.device_ && inode_ == other.inode_ && size_ == other.size_;
}

void Memory::forget(const uint8_t* address, size_t bytes) {
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(address) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(address) + bytes) / page * page;
  if (is_file() && begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

bool Memory::is_intact() const {
  struct stat status;
  return fstat(file_, &status) == 0 && static_cast<size_t>(status.st_size) >= size_;
}

void Memory::read(size_t offset, size_t bytes, uint8_t* target) {
  const size_t needed = std::min(bytes, size_ - offset);
  for (size_t done = 0; done < needed;) {
    const ssize_t count = pread(file_, target + done, bytes - done, static_cast<off_t>(offset + done));
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (count == 0) {
      throw Failure("io_failed", path_ + " was cut short while it was in use.");
    } else if (errno == EINVAL && is_direct_.exchange(false)) {
      fcntl(file_, F_SETFL, 0);  // a file system that wants other blocks
    } else if (errno != EINTR) {
      throw file_failure("read", path_);
    }
  }
#ifdef POSIX_FADV_DONTNEED
  if (!is_direct_) posix_fadvise(file_, static_cast<off_t>(offset), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
#endif
}

bool Memory::lock(size_t offset, size_t bytes) {
  bool is_locked = true;
  volatile uint8_t sink = 0;
  const auto window = [&](size_t at) { return Pages(data_ + offset + at, std::min(WINDOW, bytes - at)); };
  // The next window is being read while this one is waited for.
  for (size_t at = 0; at < bytes; at += WINDOW) {
    if (at + WINDOW < bytes) {
      const Pages next = window(at + WINDOW);
      madvise(next.begin, next.bytes, MADV_WILLNEED);
    }
    const Pages pages = window(at);
    is_locked = is_locked && mlock(pages.begin, pages.bytes) == 0;
    if (is_locked) continue;
    for (size_t i = 0; i < pages.bytes; i += 4096) sink = pages.begin[i];
  }
  static_cast<void>(sink);
  return is_locked;
}

}  // namespace mimo
