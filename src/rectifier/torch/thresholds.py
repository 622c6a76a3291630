"""At which sizes `accelerate` computes an operator itself: measured, and the only place that says so."""

from __future__ import annotations

from collections.abc import Mapping

import torch

__all__ = ["SWITCHES"]

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_K, _M = 1 << 10, 1 << 20

# Numbers of elements, rising: from the first on the operator is ours, from the second on torch's, from the third on
# ours again, and so on; () leaves it to torch. A row or dtype that is missing is torch's.
#
# Ours where a call was at least 1.05 times as fast as torch 2.13's at that size and at each larger one that was
# measured (powers of 4 up to 2**24), the detour through Python included: 2026-11-24, AMD EPYC (Zen 3, AVX2), two
# cores, two threads, by `python -m benchmarks.pytorch.thresholds`. torch's gelu of float32 takes 10 us from the first
# element on, which is why ours comes first there. torch has no rrelu of float16.
SWITCHES: Mapping[str, Mapping[torch.dtype, tuple[int, ...]]] = {
    row: dict(zip(_FLOATS, points, strict=False))
    for row, *points in (
        # float32, bfloat16, float16, float64
        ("elu", (4 * _K,), (4 * _K, 32 * _K, 256 * _K), (4 * _K,), (4 * _K,)),
        ("elu_backward", (256 * _K,), (_M,), (256 * _K,), (256 * _K,)),
        ("gelu", (1, 4 * _K + 1, 16 * _M), (16 * _M,), (16 * _M,), (4 * _K, 32 * _K, 256 * _K)),
        ("gelu_backward", (1, 16 * _K + 1, 4 * _M), (256 * _K,), (256 * _K,), (4 * _K, 32 * _K, 256 * _K)),
        ("leaky_relu", (4 * _M,), (4 * _M,), (16 * _M,), (_M,)),
        ("leaky_relu_backward", (16 * _M,), (4 * _M,), (_M,), (4 * _M,)),
        ("prelu", (4 * _M,), (4 * _M,), (256 * _K,), (4 * _M,)),
        ("prelu_backward", (64 * _K,), (16 * _K,), (16 * _K,), (64 * _K,)),
        ("rrelu", (64 * _K,), (16 * _K,), (), (64 * _K,)),
    )
}
