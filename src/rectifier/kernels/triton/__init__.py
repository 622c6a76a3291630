"""The core's verbs for torch tensors on CUDA devices, in Triton.

Importing this package imports triton and torch: back-ends do so when such data arrives, and not before.
"""

from .verbs import apply, draw_slopes, gamma_pullback, pack_signs

__all__ = ["apply", "draw_slopes", "gamma_pullback", "pack_signs"]
