// One bit an element: whether the input was above zero. Kept for a gradient where the output's sign does not tell.
#include "cpu.hpp"
#include "nest.hpp"
#include "pool.hpp"

namespace rectifier {
namespace {

constexpr std::size_t share = 1 << 15;  // elements a task, a multiple of 8: tasks write bytes of their own
constexpr std::size_t piece = 512;

struct Signs {
  Type type;
  const Nest& nest;
  std::uint8_t* bits;

  /// Brings n elements from position `first` in C order on into one piece.
  void gather(std::size_t first, std::size_t n, char* room) const {
    const View& view = nest.views[input];
    const auto item = static_cast<std::ptrdiff_t>(item_size(type));
    const std::ptrdiff_t length = nest.shape[nest.dims - 1], stride = view.strides[nest.dims - 1];
    for (std::size_t done = 0; done < n;) {
      auto left = static_cast<std::ptrdiff_t>(first + done);
      const std::ptrdiff_t inner = left % length;
      const char* at = view.data + view.offset + inner * stride;
      left /= length;
      for (int d = nest.dims - 2; d >= 0; --d) {
        at += left % nest.shape[d] * view.strides[d];
        left /= nest.shape[d];
      }
      const auto rest = static_cast<std::ptrdiff_t>(n - done);
      const std::ptrdiff_t count = length - inner < rest ? length - inner : rest;
      copy_tile(item_size(type), room + static_cast<std::ptrdiff_t>(done) * item, 0, item, at, 0, stride, 1, count);
      done += static_cast<std::size_t>(count);
    }
  }

  template <class S>
  void pack(std::size_t first, std::size_t n, const S* x) const {
    std::uint8_t positive[piece] = {};
    for (std::size_t i = 0; i < n; ++i) positive[i] = x[i] > S(0) ? 1 : 0;
    for (std::size_t i = 0; i < n; i += 8) {
      std::uint64_t eight = 0;
      for (std::size_t k = 0; k < 8; ++k) eight |= std::uint64_t(positive[i + k]) << (8 * k);
      // The product has bit k of each sum in byte 7: the lowest bits of the eight bytes, side by side.
      bits[(first + i) / 8] = static_cast<std::uint8_t>(eight * 0x0102040810204080U >> 56);
    }
  }

  void operator()(std::size_t task) const {
    alignas(64) char room[piece * 8], wide[piece * 8];
    const std::size_t n = nest.size(), end = (task + 1) * share < n ? (task + 1) * share : n;
    for (std::size_t i = task * share; i < end; i += piece) {
      const std::size_t count = end - i < piece ? end - i : piece;
      gather(i, count, room);
      kernels().widen[type](wide, room, count);
      if (type == float64) {
        pack(i, count, reinterpret_cast<const double*>(wide));
      } else {
        pack(i, count, reinterpret_cast<const float*>(wide));
      }
    }
  }
};

/// `one` where a bit is set, and zero: n elements from bit `first` on, `step` bits apart.
template <class E>
void unpack(E* to, E one, const std::uint8_t* bits, std::ptrdiff_t first, std::ptrdiff_t step, std::ptrdiff_t n) {
  const auto spread = [to, one, bits, first, step](std::ptrdiff_t i) {
    const std::ptrdiff_t at = first + i * step;
    to[i] = (bits[at / 8] >> (at % 8) & 1) != 0 ? one : E(0);
  };
  std::ptrdiff_t i = 0;
  if (step == 1) {
    for (; i < n && (first + i) % 8 != 0; ++i) spread(i);
    for (; i + 8 <= n; i += 8) {
      const unsigned eight = bits[(first + i) / 8];
      for (int k = 0; k < 8; ++k) to[i + k] = (eight & 1U << k) != 0 ? one : E(0);
    }
  }
  for (; i < n; ++i) spread(i);
}

}  // namespace

void unpack_signs(char* to, Type type, const std::uint8_t* bits, std::ptrdiff_t first, std::ptrdiff_t step,
                  std::ptrdiff_t n) {
  if (type == float64) return unpack(reinterpret_cast<double*>(to), 1.0, bits, first, step, n);
  if (type == float32) return unpack(reinterpret_cast<float*>(to), 1.0F, bits, first, step, n);
  const std::uint16_t one = type == float16 ? 0x3c00 : 0x3f80;
  unpack(reinterpret_cast<std::uint16_t*>(to), one, bits, first, step, n);
}

void pack_signs(const Nest& nest, Type type, std::uint8_t* bits) {
  if (nest.dims == 0) {
    Nest single;
    single.dims = 1;
    single.shape[0] = 1;
    single.views[input] = nest.views[input];
    return pack_signs(single, type, bits);
  }
  const std::size_t n = nest.size();
  Signs body{type, nest, bits};
  parallel_for((n + share - 1) / share, threads_for(0.5 * static_cast<double>(n)), body);
}

}  // namespace rectifier
