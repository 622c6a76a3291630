// Memory for large results. A block that is given back is kept for the next result of about its size, which so finds
// its pages in place: a fresh block of 64 MiB costs 16,384 page faults, or 32 where the kernel grants huge pages.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rectifier {

/// Results of at least this many bytes are worth a block. Below it the C library's own lists serve as well.
constexpr std::size_t smallest_buffer = std::size_t(1) << 20;

/// A block of at least so many bytes, at the start of a page, or null. What it holds is anything, or zeros if wished.
/// This and the next two may be called on any thread, with or without the GIL.
void* take_buffer(std::size_t bytes, bool zeros) noexcept;

/// The block, or another one that holds the same bytes as far as both reach; null, and no change, if there is none.
void* resize_buffer(void* data, std::size_t bytes) noexcept;

void give_back_buffer(void* data) noexcept;

struct BufferCounts {
  std::size_t kept;    // bytes in blocks that wait for a result
  std::size_t in_use;  // bytes in blocks that results live in
  std::uint64_t hits;  // results that found a block
  std::uint64_t misses;
  std::size_t limit;  // bytes to keep at most
};

BufferCounts buffer_counts();

/// Keep at most so many bytes; with 0, new results have no blocks at all. Frees what is above.
void set_buffer_limit(std::size_t bytes);

/// Keep 256 MiB, or as much as the two largest results since the last release, if that is more.
void set_default_buffer_limit();

/// Frees the blocks that wait; returns their bytes.
std::size_t release_buffers() noexcept;

}  // namespace rectifier
