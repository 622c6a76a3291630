"""What users of PyTorch import."""

from .acceleration import accelerate, is_accelerated

__all__ = ["accelerate", "is_accelerated"]
