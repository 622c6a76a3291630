"""Zarr stores that are written beside their place and renamed into it when complete."""

from __future__ import annotations

import ctypes
import errno
import math
import os
import secrets
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from .backends.numpy import BFLOAT16
from .files import Box, InputError, boxes
from .replacement import sync_folder
from .stores import ArrayStore, arrays_and_groups, dimension_names, group_of, named_axes, quiet, zarr_library

__all__ = ["StoreReplacement", "write_box"]

Array = np.ndarray[Any, np.dtype[Any]]

# The chunks of a store that is made of an .npy file. See docs/scaling.md.
_CHUNK_BYTES = 1 << 24


class StoreReplacement:
    """An array in a Zarr store that appears, or takes another's place, when it is complete, and not at all otherwise.

    It is written to a folder named ``.rectifier-*.tmp`` beside its place. A link is followed; the permissions of a
    folder that is replaced stay.

    Parameters
    ----------
    path : path-like
        Where the array shall be: the store's folder, or a folder in a group.
    like : ArrayStore, optional
        The store whose format, chunks, compressor and names of axes to keep.
    chunks : tuple of int, optional
        Other chunks.
    zarr_format : {2, 3}, optional
        Another format.

    Raises
    ------
    InputError
        From every method: if there is no such folder, something other than an array is in the place, or writing fails.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        like: ArrayStore | None = None,
        chunks: tuple[int, ...] | None = None,
        zarr_format: int | None = None,
    ) -> None:
        self._zarr = zarr_library(path)
        self.path = Path(path)
        self._target = Path(os.path.realpath(path))
        self.temporary = self._target.with_name(f".rectifier-{secrets.token_hex(6)}.tmp")
        self._like, self.chunks, self._format = like, chunks, zarr_format
        # A thread of its own: a signal that stops the main thread lets it write on, and `discard` waits for it.
        self._writer = ThreadPoolExecutor(1)
        self._array: Any = None

    def open(self) -> None:
        """Look whether the place can be written to, and begin the folder."""
        try:
            group = group_of(self._target)
            if self._format is not None and group not in (None, self._format):
                raise InputError(f"cannot write {self.path} in format {self._format}: its group has format {group}")
            self._format = self._format or group or (self._like.array.metadata.zarr_format if self._like else 3)
            mode = self._mode_of_old()
            os.mkdir(self.temporary)
            if mode is not None:
                os.chmod(self.temporary, mode)
        except OSError as error:
            raise self._error(error) from None

    def begin(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran: bool) -> None:
        """Write the array's metadata."""
        if dtype == BFLOAT16:
            if self._format == 3:
                raise InputError(f"cannot write {self.path}: Zarr has bfloat16 (as V2) in --zarr-format 2 alone")
            dtype = np.dtype("V2")
        arguments = self._arguments(shape, dtype, fortran)
        try:
            with quiet():
                self._array = self._zarr.create_array(str(self.temporary), shape=shape, dtype=dtype, **arguments)
        except OSError as error:
            raise self._error(error) from None
        except (TypeError, ValueError) as error:
            raise InputError(f"cannot write {self.path}: {error}") from None
        self.chunks = self._array.shards or self._array.chunks

    def put(self, box: Box, data: Array) -> None:
        """Put the elements of a box, which is made of whole chunks, where they belong."""
        self._writer.submit(write_box, self._array, self.path, box, data).result()

    def finish(self) -> None:
        """Bring what was written to the disk."""
        self._writer.shutdown()
        self._check_complete()
        if hasattr(os, "sync"):
            os.sync()  # one call, where a call for each chunk would wait for the disk each time

    def publish(self) -> None:
        """Put the finished folder in its place."""
        try:
            _put_in_place(self.temporary, self._target)
        except OSError as error:
            raise self._error(error) from None
        if os.name == "posix":
            with suppress(OSError):  # some file systems cannot; the folder is in place all the same
                sync_folder(self._target.parent)

    def discard(self) -> None:
        """Remove what is under the temporary name. May be called at any time, more than once."""
        self._writer.shutdown()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _mode_of_old(self) -> int | None:
        try:
            old = os.stat(self._target)
        except FileNotFoundError:
            return None
        if not arrays_and_groups(self._target)[0]:
            raise InputError(f"cannot write {self.path}: it is there and not an array of Zarr")
        if not os.access(self._target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise InputError(f"cannot write {self.path}: it is read-only")
        return stat.S_IMODE(old.st_mode)

    def _arguments(self, shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool) -> dict[str, Any]:
        """How the array is stored, as `zarr.create_array` wants it told."""
        found: dict[str, Any] = {
            "chunks": self._checked_chunks(shape, dtype, fortran),
            "zarr_format": self._format,
            "fill_value": 0 if dtype.kind != "V" else None,
            # Zarr would leave out a chunk of zeros, without asking for their signs; and we count the chunks at the end.
            "config": {"write_empty_chunks": True},
        }
        if self._like is None:
            return found
        like = self._like.array
        if like.shards is not None and self._format == 3 and self.chunks is None:
            found["shards"] = like.shards
        if like.metadata.zarr_format == self._format:
            found["compressors"] = like.compressors or None
        return {**found, **named_axes(dimension_names(like), found["zarr_format"])}

    def _checked_chunks(self, shape: tuple[int, ...], dtype: np.dtype[Any], fortran: bool) -> tuple[int, ...]:
        if self.chunks is None and self._like is not None:
            return tuple(max(1, n) for n in self._like.array.chunks)
        if self.chunks is None:
            first = next(boxes(shape, _CHUNK_BYTES // dtype.itemsize, fortran=fortran), None)
            return tuple(part.stop for part in first) if first is not None else tuple(max(1, n) for n in shape)
        if len(self.chunks) != len(shape) or min(self.chunks, default=1) < 1:
            raise InputError(
                f"--chunks must have a length of 1 or more for each axis of shape {shape}, got {self.chunks}"
            )
        return self.chunks

    def _check_complete(self) -> None:
        assert self.chunks is not None
        array = self._array
        expected = math.prod(-(-n // part) for n, part in zip(array.shape, self.chunks, strict=True))
        in_a_shard = math.prod(self.chunks) // math.prod(array.chunks) if array.shards else 1
        found = array.nchunks_initialized // in_a_shard
        if found != expected:
            raise InputError(f"cannot write {self.path}: of {expected} chunks, {expected - found} are not there")

    def _error(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self.path}: {error.strerror}")


def write_box(array: Any, path: str | os.PathLike[str], box: Box, data: Array) -> None:
    """Write a box of whole chunks to an array of Zarr."""
    try:
        array[box] = data.view(array.dtype)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def _put_in_place(new: Path, place: Path) -> None:
    """Give a folder its name, and the folder that had it, if any, the new one's."""
    if not place.exists():
        os.rename(new, place)
    elif not _exchange(new, place):
        _exchange_in_steps(new, place)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step, if the system can: Linux since 3.15 on most file systems."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # TypeError: Windows wants a name
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE
    if renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code))


def _exchange_in_steps(new: Path, place: Path) -> None:
    """The same by three renamings. kill -9 between them may leave the old folder under the name that ends in .old."""
    aside = new.with_suffix(".old")
    try:
        os.rename(place, aside)
        os.rename(new, place)
    except BaseException:
        if aside.exists() and not place.exists():
            os.rename(aside, place)
        raise
    os.rename(aside, new)
