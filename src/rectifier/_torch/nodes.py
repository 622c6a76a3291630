"""The compiled autograd node: building it from nodes.cpp, where it is kept, and putting it to use.

A wheel cannot bring it, for torch's binary interface changes with each release. The file's name holds what it was
built for, and its last bytes are a checksum of the others: so a file of another torch is not seen, and a spoilt one is
not loaded.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import platform
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import torch

from .. import _core
from ..parameters import ACTIVATIONS
from .arguments import draw_word
from .plain import KINDS, PLAIN, UNTOUCHED

__all__ = ["build_nodes", "state", "use"]

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("nodes.cpp", "kernel_table.hpp", "without_gil.hpp"))
_CHECKSUM = hashlib.sha256

# The loaded node, and its function: the operator on plain tensors, recorded for autograd, or NotImplemented.
module: Any = None
call: Any = None
_state = "not built"


def build_nodes() -> str:
    """Compile the autograd node of this installation's torch, keep it for later processes, and put it to use.

    Calls on tensors of the CPU that autograd records, and their gradients, then run without a line of Python.
    Values, gradients and what is kept for the backward pass stay the same. It takes half a minute or so, once for each
    version of torch, Python and rectifier: ``import rectifier.torch`` finds the file later, and never compiles.

    Returns
    -------
    str
        The file, in the directory ``RECTIFIER_CACHE``, or ``rectifier`` in ``XDG_CACHE_HOME`` or ``~/.cache``. Delete
        it to be without.

    Raises
    ------
    RuntimeError
        If there is no C++ compiler, or it fails; all is as before then.
    OSError
        If the directory cannot be written to.

    Notes
    -----
    Wanted: Linux or macOS, a compiler for C++20 (the one that ``CXX`` names, or c++), and Python's headers. Several
    processes may build at once. ``rectifier.show_config()`` tells whether the node is in use.

    Examples
    --------
    >>> import rectifier
    >>> rectifier.torch.build_nodes()  # doctest: +SKIP
    '/home/user/.cache/rectifier/nodes-0f3a6c1be2d45798.so'
    """
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _sound(path) is None:
        with tempfile.TemporaryDirectory(dir=path.parent) as room:
            built = Path(room) / path.name
            _compile(built)
            built.write_bytes(built.read_bytes() + _CHECKSUM(built.read_bytes()).digest())
            os.replace(built, path)
    use(_load(path))
    return str(path)


def use(loaded: Any) -> None:
    """Put a loaded node to use; None for the way through Python."""
    global module, call, _state
    if loaded is not None:
        rows = tuple((row.name, row.formula, row.has_gamma, row.is_random) for row in ACTIVATIONS.values())
        loaded.configure(_core.kernel_table(), rows, tuple(KINDS), tuple(PLAIN), tuple(UNTOUCHED))
    new_like, recycles = (torch.empty_like, False) if loaded is None else (loaded.new_like, True)
    _core.register_tensors(torch.Tensor, new_like, draw_word, recycles)
    module, call = loaded, getattr(loaded, "call", None)
    _state = "not in use" if loaded is None else "in use"


def state() -> str:
    """In words, whether the node is in use."""
    return _state


def use_if_built() -> None:
    """Put the node to use if there is a sound file; never compile."""
    global _state
    try:
        path = _path()
        if not path.exists():
            return
        if _sound(path) is None:
            _state = f"spoilt: {path}"
            return
        use(_load(path))
    except Exception as error:  # whatever is wrong with the file, the way through Python is there
        _state = f"not loaded: {error}"


def _path() -> Path:
    """Where the node for this torch, Python and source lies."""
    home = os.environ.get("RECTIFIER_CACHE")
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    made_for = (torch.__version__, torch.version.git_version, sysconfig.get_config_var("SOABI"), platform.machine())
    key = _CHECKSUM(repr(made_for).encode())
    for source in _SOURCES:
        key.update(source.read_bytes())
    return Path(home or os.path.join(caches, "rectifier")) / f"nodes-{key.hexdigest()[:16]}.so"


def _sound(path: Path) -> bytes | None:
    """The file's content, if it is there and as it was written."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    size = _CHECKSUM().digest_size
    return content if _CHECKSUM(content[:-size]).digest() == content[-size:] else None


def _load(path: Path) -> Any:
    loader = importlib.machinery.ExtensionFileLoader("nodes", str(path))
    loaded = importlib.util.module_from_spec(importlib.util.spec_from_loader("nodes", loader))  # type: ignore[arg-type]
    loader.exec_module(loaded)
    return loaded


def _compile(target: Path) -> None:
    from torch.utils import cpp_extension

    if sys.platform == "win32":
        raise RuntimeError("the autograd node is for Linux and macOS")
    compiler = os.environ.get("CXX", "c++")
    headers = [*cpp_extension.include_paths(), sysconfig.get_paths()["include"]]
    undefined = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    command = [
        *(*compiler.split(), "-std=c++20", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", *undefined),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        *(word for header in headers for word in ("-isystem", header)),
        *("-o", str(target), str(_SOURCES[0])),
        *(f"-L{path}" for path in cpp_extension.library_paths()),
        *("-ltorch_python", "-ltorch_cpu", "-ltorch", "-lc10"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise RuntimeError(f"building the autograd node needs a C++ compiler: {compiler}: {error.strerror}") from None
    if done.returncode:
        raise RuntimeError(f"the compiler failed on the autograd node:\n{' '.join(command)}\n{done.stderr[:4000]}")


use_if_built()
