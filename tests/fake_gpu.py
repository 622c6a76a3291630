"""A GPU for Triton that compiles what it is given and runs nothing: which kernels a call starts, and their code."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget

__all__ = ["Launch", "compiled_for"]


class Launch(NamedTuple):
    """One start of a kernel: the compiled code, the grid and the stream."""

    kernel: Any
    grid: tuple[int, int, int]
    stream: int


class _Driver:
    """What Triton's runtime asks of a driver. Launches are recorded instead."""

    def __init__(self, capability: int) -> None:
        self.capability = capability
        self.launches: list[Launch] = []
        self.loaded: list[Any] = []
        self.stream = 0
        self.utils = SimpleNamespace(
            get_device_properties=lambda device: {"max_shared_mem": 227 * 1024},
            load_binary=lambda *_: (1, len(self.loaded), 0, 0, 1024),
        )

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return self.capability  # so that a kernel is kept for each

    def get_current_stream(self, device: int) -> int:
        return self.stream

    def launcher_cls(self, source: Any, metadata: Any) -> Any:
        def launch(x: int, y: int, z: int, stream: int, *_: Any) -> None:
            (kernel,) = (k for k in source.fn.device_caches[self.capability][0].values() if k.src is source)
            self.launches.append(Launch(kernel, (x, y, z), stream))

        return launch


def compiled_for(capability: int) -> _Driver:
    """Make a GPU of this capability the one that Triton sees."""
    driver = _Driver(capability)
    triton.runtime.driver.set_active(driver)
    return driver
