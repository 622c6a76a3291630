"""Files that are written beside their place and renamed into it when complete."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from .files import Box, InputError, runs

__all__ = ["Replacement", "publish_together", "sync_folder"]

Array = np.ndarray[Any, np.dtype[Any]]


class Replacement:
    """A file that appears, or takes another's place, when it is complete, and not at all otherwise.

    It is written to a file named ``.rectifier-*.tmp`` in the same folder. A link is followed; the permissions of a file
    that is replaced stay.

    Parameters
    ----------
    path : path-like
        Where the file shall be.

    Raises
    ------
    InputError
        From every method: if there is no such folder, something other than a file is in the place, or writing fails.
    """

    chunks = None  # as of an output without chunks

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._target = Path(os.path.realpath(path))
        self._temporary = self._target.with_name(f".rectifier-{secrets.token_hex(6)}.tmp")
        self._aside = self._temporary.with_suffix(".old.tmp")
        self._published = False
        self._file: BinaryIO | None = None

    def open(self) -> None:
        """Look whether the place can be written to, and begin the file."""
        try:
            self._open()
        except OSError as error:
            raise self._error(error) from None

    def write(self, data: Array) -> None:
        """Append the elements of an array, C-contiguous."""
        self.write_bytes(data.reshape(-1).view(np.uint8).data)

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        assert self._file is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise self._error(error) from None

    def begin(self, shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran: bool) -> None:
        """Write the header of an `.npy` file."""
        assert self._file is not None
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": fortran, "shape": shape}
        try:
            npy.write_array_header_1_0(self._file, header)
            self._start = self._file.tell()
        except OSError as error:
            raise self._error(error) from None
        self._shape, self._fortran = shape, fortran

    def put(self, box: Box, data: Array) -> None:
        """Put the elements of a box of an `.npy` file where they belong."""
        assert self._file is not None
        shape = self._shape
        if self._fortran:
            shape, box, data = shape[::-1], box[::-1], data.T
        for place, first in runs(shape, box):
            try:
                self._file.seek(self._start + first * data.itemsize)
            except OSError as error:
                raise self._error(error) from None
            self.write(np.ascontiguousarray(data[place]))

    def finish(self) -> None:
        """Bring what was written to the disk."""
        assert self._file is not None
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise self._error(error) from None

    def publish(self) -> None:
        """Put the finished file in its place."""
        self._published = True
        try:
            os.replace(self._temporary, self._target)
        except OSError as error:
            raise self._error(error) from None
        if os.name == "posix":
            with suppress(OSError):  # some file systems cannot; the file is in place all the same
                sync_folder(self._target.parent)

    def _open(self) -> None:
        old = None
        with suppress(FileNotFoundError):
            old = os.stat(self._target)
        if old is not None:
            if not stat.S_ISREG(old.st_mode):
                raise InputError(f"cannot write {self.path}: it is there and not a regular file")
            if not os.access(self._target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                raise InputError(f"cannot write {self.path}: it is read-only")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._file = os.fdopen(os.open(self._temporary, flags, 0o666), "wb", buffering=0)
        if old is not None and os.name == "posix":
            with suppress(PermissionError):
                os.fchown(self._file.fileno(), old.st_uid, old.st_gid)
            os.fchmod(self._file.fileno(), stat.S_IMODE(old.st_mode))

    def discard(self) -> None:
        """Remove what was written, unless it is in its place. May be called at any time, more than once."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def put_aside(self) -> None:
        """Give an old file in the place another name, until `restore` or `forget`."""
        try:
            with suppress(FileNotFoundError):
                os.replace(self._target, self._aside)
        except OSError as error:
            raise self._error(error) from None

    def restore(self) -> None:
        """Undo `put_aside`, and `publish` after it."""
        with suppress(OSError):
            if self._published:
                self._target.unlink(missing_ok=True)
            if self._aside.exists():
                os.replace(self._aside, self._target)

    def forget(self) -> None:
        """Remove the old file that was put aside."""
        with suppress(OSError):
            self._aside.unlink(missing_ok=True)

    def _error(self, error: OSError) -> InputError:
        return InputError(f"cannot write {self.path}: {error.strerror}")


def publish_together(files: Sequence[Replacement]) -> None:
    """Put finished files in their places, the one that names the others last.

    Either all are replaced or none. A program that is killed in between leaves no file in the last one's place, so that
    it never stands beside others that it was not made with.
    """
    if len(files) == 1:
        return files[0].publish()
    try:
        for file in reversed(files):
            file.put_aside()
        for file in files:
            file.publish()
    except BaseException:
        for file in files:
            file.restore()
        raise
    for file in files:
        file.forget()
    return None


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
