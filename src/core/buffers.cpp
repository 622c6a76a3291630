#include "buffers.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sys/mman.h>
#define RECTIFIER_HAS_MMAP
#else
#include <malloc.h>
#endif

namespace rectifier {
namespace {

constexpr std::size_t default_limit = std::size_t(256) << 20;
constexpr std::size_t huge_page = std::size_t(2) << 20;
constexpr std::size_t grain = std::size_t(64) << 10;  // a multiple of every page size in use

struct Block {
  char* data = nullptr;
  std::size_t capacity = 0;
};

/// Whole pages; whole huge pages where what is left of the last one is less than an eighth of all.
std::size_t capacity_for(std::size_t bytes) {
  if (bytes > SIZE_MAX - huge_page) return SIZE_MAX;
  const auto whole = [bytes](std::size_t unit) { return std::max((bytes + unit - 1) / unit * unit, unit); };
  return whole(huge_page) - bytes <= bytes / 8 ? whole(huge_page) : whole(grain);
}

#ifdef RECTIFIER_HAS_MMAP

void unmap(Block block) noexcept { munmap(block.data, block.capacity); }

/// Zeroed memory, or a block without data. From the size of a huge page on, it starts at one.
Block map(std::size_t capacity) noexcept {
  const std::size_t slack = capacity >= huge_page ? huge_page : 0;
  if (capacity > SIZE_MAX - slack) return {};
  void* found = mmap(nullptr, capacity + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (found == MAP_FAILED) return {};
  char* const start = static_cast<char*>(found);
  if (slack == 0) return {start, capacity};
  const std::size_t before = (huge_page - reinterpret_cast<std::uintptr_t>(start) % huge_page) % huge_page;
  if (before > 0) munmap(start, before);
  if (before < slack) munmap(start + before + capacity, slack - before);
#ifdef MADV_HUGEPAGE
  madvise(start + before, capacity, MADV_HUGEPAGE);
#endif
  return {start + before, capacity};
}

#else

void unmap(Block block) noexcept { _aligned_free(block.data); }

Block map(std::size_t capacity) noexcept {
  void* data = _aligned_malloc(capacity, 4096);
  if (data == nullptr) return {};
  std::memset(data, 0, capacity);
  return {static_cast<char*>(data), capacity};
}

#endif

class Buffers {
 public:
  Buffers() { kept_.reserve(64); }

  /// A kept block of this capacity, or of up to an eighth more; the smallest, and of equals the one last used.
  Block find(std::size_t capacity) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto best = kept_.rend();
    for (auto block = kept_.rbegin(); block != kept_.rend(); ++block) {
      if (block->capacity < capacity || block->capacity - capacity > capacity / 8) continue;
      if (best == kept_.rend() || block->capacity < best->capacity) best = block;
      if (best->capacity == capacity) break;
    }
    if (best == kept_.rend()) return {};
    const Block found = *best;
    kept_.erase(std::next(best).base());
    kept_bytes_ -= found.capacity;
    return found;
  }

  /// May throw for want of memory.
  void lend(Block block, bool fresh) {
    std::lock_guard<std::mutex> lock(mutex_);
    lent_.emplace(block.data, block.capacity);
    lent_bytes_ += block.capacity;
    ++(fresh ? misses_ : hits_);
    second_ = std::max(second_, std::min(largest_, block.capacity));
    largest_ = std::max(largest_, block.capacity);
  }

  std::size_t capacity_of(void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    return lent_.at(data);
  }

  /// Keeps the block if it may, and else returns it.
  Block take_back(void* data) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = lent_.find(data);
    const Block block{static_cast<char*>(data), found->second};
    lent_.erase(found);
    lent_bytes_ -= block.capacity;
    if (block.capacity < smallest_buffer || block.capacity > limit()) return block;
    try {
      kept_.push_back(block);
    } catch (const std::bad_alloc&) {
      return block;
    }
    kept_bytes_ += block.capacity;
    return {};
  }

  /// The block kept longest, while there are more than `bytes`; it is no longer kept.
  Block drop(std::size_t bytes) noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    if (kept_bytes_ <= std::min(bytes, limit())) return {};
    const Block oldest = kept_.front();
    kept_.erase(kept_.begin());
    kept_bytes_ -= oldest.capacity;
    return oldest;
  }

  BufferCounts counts() {
    std::lock_guard<std::mutex> lock(mutex_);
    return {kept_bytes_, lent_bytes_, hits_, misses_, limit()};
  }

  void set_limit(std::size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    given_limit_ = bytes;
  }

  void forget_largest() noexcept {
    std::lock_guard<std::mutex> lock(mutex_);
    largest_ = second_ = 0;
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

  static constexpr std::size_t none_given = SIZE_MAX;

 private:
  std::size_t limit() const {
    return given_limit_ == none_given ? std::max(default_limit, largest_ + second_) : given_limit_;
  }

  std::mutex mutex_;
  std::vector<Block> kept_;  // in the order in which they came back
  std::unordered_map<void*, std::size_t> lent_;
  std::size_t kept_bytes_ = 0, lent_bytes_ = 0;
  std::size_t largest_ = 0, second_ = 0;
  std::size_t given_limit_ = none_given;
  std::uint64_t hits_ = 0, misses_ = 0;
};

Buffers& buffers();

std::size_t shrink(std::size_t bytes) noexcept {
  std::size_t freed = 0;
  for (Block block; (block = buffers().drop(bytes)).data != nullptr; freed += block.capacity) unmap(block);
  return freed;
}

/// Never destroyed: arrays may be freed after main() has ended.
Buffers& buffers() {
  static Buffers* const made = [] {
    auto* all = new Buffers;
#ifdef RECTIFIER_HAS_MMAP
    // A child shares no kept block with its parent: writing to one would copy its pages first.
    pthread_atfork([] { buffers().lock(); }, [] { buffers().unlock(); },
                   [] {
                     buffers().unlock();
                     shrink(0);
                   });
#endif
    return all;
  }();
  return *made;
}

}  // namespace

void* take_buffer(std::size_t bytes, bool zeros) noexcept {
  const std::size_t capacity = capacity_for(bytes);
  Block block = buffers().find(capacity);
  const bool fresh = block.data == nullptr;
  if (!fresh && zeros) std::memset(block.data, 0, bytes);
  if (fresh) block = map(capacity);
  if (block.data == nullptr && shrink(0) > 0) block = map(capacity);
  if (block.data == nullptr) return nullptr;
  try {
    buffers().lend(block, fresh);
  } catch (const std::bad_alloc&) {
    unmap(block);
    return nullptr;
  }
  return block.data;
}

void* resize_buffer(void* data, std::size_t bytes) noexcept {
  const std::size_t present = buffers().capacity_of(data), wanted = capacity_for(bytes);
  if (wanted <= present && present - wanted <= wanted / 8) return data;
  void* moved = take_buffer(bytes, false);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, data, std::min(present, bytes));
  give_back_buffer(data);
  return moved;
}

void give_back_buffer(void* data) noexcept {
  const Block block = buffers().take_back(data);
  if (block.data != nullptr) unmap(block);
  shrink(SIZE_MAX);
}

BufferCounts buffer_counts() { return buffers().counts(); }

void set_buffer_limit(std::size_t bytes) {
  buffers().set_limit(bytes);
  shrink(SIZE_MAX);
}

void set_default_buffer_limit() { set_buffer_limit(Buffers::none_given); }

std::size_t release_buffers() noexcept {
  buffers().forget_largest();
  return shrink(0);
}

}  // namespace rectifier
