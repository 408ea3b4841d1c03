// See memory.h.
#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

}  // namespace mimo
