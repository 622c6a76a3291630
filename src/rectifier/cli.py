"""The command line: `rectifier apply` for files of any size, `rectifier info`, and the frame of all commands."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import NoReturn

from . import cli_convert
from .config import set_num_threads, show_config
from .files import InputError, file_name
from .parameters import ACTIVATIONS, LOWER_BOUND, SLOPE, UPPER_BOUND
from .pieces import PiecewiseOperator
from .progress import progress_bar
from .replacement import Replacement
from .stopping import Stopped, stoppable
from .store_replacement import StoreReplacement
from .stores import ArrayStore, is_store

__all__ = ["main"]

Output = Replacement | StoreReplacement

LIBRARIES = ("numpy", "torch", "jax", "dask", "cupy", "onnx")

APPLY_EXAMPLES = """\
examples:
  rectifier apply in.npy -o out.npy                                  leaky with slope 0.25
  rectifier apply in.npy -o out.npy --act-type elu --slope 0.3
  rectifier apply in.npy -o out.npy --act-type prelu --gamma g.npy --axis -1
  rectifier apply in.npy -o out.npy --act-type rrelu --training --rng 7
  rectifier apply in.npy -o dx.npy --act-type gelu --grad dy.npy     the gradient
  rectifier apply in.npy -o dx.npy --act-type prelu --gamma g.npy --grad dy.npy --grad-gamma dg.npy
  rectifier apply in.zarr/group/array -o out.zarr                    a Zarr store, or an array in one
  rectifier apply in.zarr -o out.zarr --scheduler tcp://10.0.0.1:8786  on a Dask cluster

The file is read and written in pieces: memory stays below 300 MB however large it is (the chunks of a store may be
larger). The output appears under its name when it is complete. A number that begins with a minus and has an exponent
needs "=": --slope=-1e-5.
Exit codes: 0 done, 2 wrong input; 129, 130 and 143 stopped by SIGHUP, Ctrl-C and SIGTERM. Unless it is 0, the old
output is untouched.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; those of this process if None.

    Returns
    -------
    int
        The exit code: 0, 2 for wrong input, 130 or 143 when stopped.

    Examples
    --------
    >>> from rectifier.cli import main
    >>> main(["apply", "missing.npy", "-o", "out.npy"])
    2
    """
    try:
        options = _parser().parse_args(arguments)
        with stoppable():
            options.run(options)
    except Stopped as stop:
        print(f"rectifier: stopped by {stop.signal.name}", file=sys.stderr)
        return 128 + stop.signal
    except InputError as error:
        return _fail(str(error))
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror}")
    except MemoryError:
        return _fail("not enough memory")
    return 0


def _fail(message: str) -> int:
    print(f"rectifier: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"rectifier: error: {message} (see {self.prog} --help)\n")


def _axes(text: str) -> int | tuple[int, ...]:
    axes = tuple(int(word) for word in text.split(","))
    return axes[0] if len(axes) == 1 else axes


_axes.__name__ = "axis"  # the word in argparse's message


def _lengths(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)


_lengths.__name__ = "chunks"


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rectifier",
        description="MXNet's LeakyReLU operator on files, and MXNet's networks as files of ONNX and PyTorch.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"rectifier {version('rectifier')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="command", parser_class=_Parser)
    info = commands.add_parser("info", help="show version, CPU target, threads and back-ends", allow_abbrev=False)
    info.set_defaults(run=_info)
    apply = commands.add_parser(
        "apply",
        help="apply an activation, or its gradient, to an .npy file or Zarr store of any size",
        description="Apply an activation to the array in an .npy file or a Zarr store, or its gradient with --grad.",
        epilog=APPLY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    apply.set_defaults(run=_apply)
    _add_apply_arguments(apply)
    cli_convert.add_commands(commands)
    return parser


def _add_apply_arguments(apply: argparse.ArgumentParser) -> None:
    add = apply.add_argument
    add("data", type=file_name, metavar="in.npy",
        help="the data: floats, integers or bools; what has .zarr in its path is a Zarr store")  # fmt: skip
    add("-o", "--output", type=file_name, metavar="out.npy", required=True,
        help="where the result goes; an old file is replaced")  # fmt: skip
    add("--act-type", default="leaky", metavar="NAME", help=f"one of {', '.join(ACTIVATIONS)} (default: leaky)")
    add("--slope", type=float, default=SLOPE, help="of leaky and elu (default: %(default)s)")
    add("--lower-bound", type=float, default=LOWER_BOUND, metavar="LOWER", help="of rrelu (default: %(default)s)")
    add("--upper-bound", type=float, default=UPPER_BOUND, metavar="UPPER", help="of rrelu (default: %(default)s)")
    add("--gamma", type=file_name, metavar="g.npy", help="prelu's slopes")
    add("--axis", type=_axes, help="the axes of the data that gamma's dimensions belong to, as in 1 or 0,1 or -1")
    add("--training", action="store_true", help="let rrelu draw its slopes")
    add("--rng", type=int, metavar="KEY", help="rrelu's key, 0 to 2^64 - 1 (default: a fresh one, which is shown)")
    add("--grad", type=file_name, metavar="dy.npy",
        help="the gradient of the output: write the gradient of the data instead")  # fmt: skip
    add("--grad-gamma", type=file_name, metavar="dg.npy", help="where the gradient of gamma goes")
    add("--dtype", choices=["bfloat16"], help="what files with 2-byte elements of unknown kind (V2) hold")
    add("--threads", type=int, metavar="N", help="threads to use (default: as many as there are CPUs)")
    add("--chunks", type=_lengths, metavar="N,N", help="chunks of a store that is written (default: the input's)")
    add(
        "--zarr-format", type=int, choices=[2, 3], help="format of a store that is written (default: the input's, or 3)"
    )
    add("--scheduler", metavar="tcp://HOST:PORT", help="let the workers of a Dask cluster do it; they share the files")


def _apply(options: argparse.Namespace) -> None:
    _check_options(options)
    with _operator(options) as operator:
        if operator.key is not None and options.rng is None:
            print(f"rectifier: drew --rng {operator.key}", file=sys.stderr)
        outputs = [_output(options, *each) for each in zip(_outputs(options), operator.stores, strict=False)]
        try:
            for output in outputs:
                output.open()
            _write(operator, *outputs, options=options)
            for output in outputs:
                output.finish()
            for output in outputs:
                output.publish()
        finally:
            for output in outputs:
                output.discard()


def _outputs(options: argparse.Namespace) -> list[str]:
    return [path for path in (options.output, options.grad_gamma) if path is not None]


def _output(options: argparse.Namespace, path: str, like: ArrayStore | None) -> Output:
    """Gamma's gradient keeps the chunks of gamma."""
    if is_store(path):
        chunks = options.chunks if path == options.output else None
        return StoreReplacement(path, like, chunks, options.zarr_format)
    return Replacement(path)


def _write(
    operator: PiecewiseOperator, output: Output, d_gamma_output: Output | None = None, *, options: argparse.Namespace
) -> None:
    output.begin(operator.shape, operator.dtype, fortran=operator.fortran)
    size, name = math.prod(operator.shape) * operator.dtype.itemsize, os.path.basename(os.path.normpath(options.data))
    with progress_bar(size, name) as progress:
        if options.scheduler is not None:
            from .cluster import compute_on_cluster

            assert isinstance(output, StoreReplacement)
            compute_on_cluster(options.scheduler, operator, output, progress.update)
        else:
            for box, piece in operator.pieces(output.chunks):
                output.put(box, piece)
                progress.update(piece.nbytes)
    if d_gamma_output is not None:
        d_gamma = operator.d_gamma()
        d_gamma_output.begin(d_gamma.shape, d_gamma.dtype, fortran=False)
        d_gamma_output.put(tuple(slice(0, n) for n in d_gamma.shape), d_gamma)


def _operator(options: argparse.Namespace) -> PiecewiseOperator:
    try:
        return PiecewiseOperator(
            options.data,
            options.gamma,
            options.act_type,
            options.slope,
            options.lower_bound,
            options.upper_bound,
            training=options.training,
            rng=options.rng,
            axis=options.axis,
            d_out=options.grad,
            sum_gamma=options.grad_gamma is not None,
            bfloat16=options.dtype == "bfloat16",
        )
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None


def _check_options(options: argparse.Namespace) -> None:
    """Refuse what only a command can get wrong: files that are each other, and options without their partners."""
    if options.threads is not None:
        try:
            set_num_threads(options.threads)
        except ValueError as error:
            raise InputError(f"--threads: {error}") from None
    if options.grad_gamma is not None and (options.grad is None or options.gamma is None):
        raise InputError("--grad-gamma needs --grad and --gamma")
    if options.grad is not None and options.act_type == "rrelu" and options.training and options.rng is None:
        raise InputError("--grad needs the --rng that the slopes were drawn with")
    _check_store_options(options)
    inputs = [("the input", options.data), ("--gamma", options.gamma), ("--grad", options.grad)]
    for output in _outputs(options):
        for name, path in inputs:
            if path is not None and _same_file(output, path):
                raise InputError(f"{output} is both an output and {name}")
    if options.grad_gamma is not None and _same_file(options.output, options.grad_gamma):
        raise InputError(f"{options.output} is named for both outputs")


def _check_store_options(options: argparse.Namespace) -> None:
    if options.chunks is not None and not is_store(options.output):
        raise InputError("--chunks needs an output with .zarr in its path")
    if options.zarr_format is not None and not any(map(is_store, _outputs(options))):
        raise InputError("--zarr-format needs an output with .zarr in its path")
    if options.scheduler is None:
        return
    if not is_store(options.output):
        raise InputError("--scheduler needs an output with .zarr in its path: workers cannot share one .npy file")
    if options.threads is not None:
        raise InputError("--threads must be left out with --scheduler: each task takes one thread of its worker")


def _same_file(one: str, other: str) -> bool:
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    with suppress(OSError):
        return os.path.samefile(one, other)
    return False


def _info(options: argparse.Namespace) -> None:
    facts = show_config(mode="dicts")
    assert facts is not None
    found = {name: _version(name) for name in LIBRARIES if find_spec(name) is not None}
    served = [f"{name} {found[name]}" for name in found if find_spec(f"rectifier.backends.{name}") is not None]
    others = [f"{name} {found[name]}" for name in found if find_spec(f"rectifier.backends.{name}") is None]
    print(f"rectifier   {facts['version']}")
    print(f"CPU target  {facts['cpu_target']} (of {', '.join(facts['cpu_targets'])})")
    print(f"threads     {facts['num_threads']}")
    print(f"back-ends   {', '.join(served)}")
    if others:
        print(f"installed   {', '.join(others)} (without a back-end of their own)")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a distribution of another name, like cupy-cuda12x
        return "of unknown version"
