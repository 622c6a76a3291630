"""`rectifier convert` and `rectifier fix-prelu`: MXNet's networks as files of ONNX and PyTorch."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from .files import ArrayFile, InputError, file_name
from .progress import progress_bar

if TYPE_CHECKING:
    from .mx.symbol_type import Symbol
    from .onnx import Summary

__all__ = ["add_commands"]

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int | str, ...]

CONVERT_EXAMPLES = """\
examples:
  rectifier convert m-symbol.json m-0000.params -o m.onnx --input data=1,3,112,112
  rectifier convert m-symbol.json m-0000.params -o m.onnx --input data=N,3,112,112      any batch size
  rectifier convert m-symbol.json m-0000.params -o m.onnx --input data=N,3,112,112 --check x.npy
  rectifier convert m-symbol.json m-0000.params -o m.pt2 --input data=N,3,112,112 --to torch

Parameters go from file to file a piece at a time. Where they take more than 1.9 GiB they are put in a second file, the
output's name with ".data" at the end. The output appears under its name when it is complete.
"""


def add_commands(commands: Any) -> None:
    """Add both to argparse's subparsers."""
    convert = commands.add_parser(
        "convert",
        help="write an MXNet network as a file of ONNX or PyTorch",
        description="Write an MXNet network as a file of ONNX, or of PyTorch with --to torch.",
        epilog=CONVERT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    convert.set_defaults(run=_convert)
    add = convert.add_argument
    add("symbol", type=file_name, metavar="model-symbol.json", help="the network")
    add("params", type=file_name, metavar="model-0000.params", help="its parameters")
    add("-o", "--output", type=file_name, metavar="FILE", required=True,
        help="where the result goes; an old file is replaced")  # fmt: skip
    add("--input", type=_input, action="append", required=True, metavar="NAME=SIZES", dest="inputs",
        help="an input's shape, as in data=N,3,112,112, where N stays free; once for each input")  # fmt: skip
    add("--to", choices=["onnx", "torch"], default="onnx", help="the kind of file (default: onnx)")
    add("--opset", type=int, metavar="N", help="the version of ONNX's operators, from 9 on (default: 17)")
    add("--dtype", choices=["float16", "float32", "float64"], default="float32",
        help="of inputs whose dtype the parameters leave open (default: float32)")  # fmt: skip
    add("--exact", action="store_true", help="spell activations out where ONNX's own lose digits")
    add("--training", action="store_true", help="let rrelu draw its slopes, the same ones in every run")
    add("--rng", type=int, metavar="KEY", help="rrelu's key, 0 to 2^64 - 1 (default: a fresh one, which is shown)")
    add("--external-data", action="store_true", help="put the parameters in a second file, whatever their size")
    add("--check", action="append", default=[], metavar="[NAME=]x.npy",
        help="run the result on this input and show the outputs; once for each input")  # fmt: skip
    fix = commands.add_parser(
        "fix-prelu",
        help="repair an ONNX model that MXNet's own exporter wrote",
        description="Put the slopes of PRelu on the axis that they are meant for: MXNet's own exporter does not.",
        allow_abbrev=False,
    )
    fix.set_defaults(run=_fix_prelu)
    fix.add_argument("model", type=file_name, metavar="in.onnx", help="the model")
    fix.add_argument("-o", "--output", type=file_name, metavar="out.onnx", required=True,
                     help="where the result goes; an old file is replaced")  # fmt: skip
    fix.add_argument("--axis", type=int, choices=[1, -1], help="the axis of slopes whose sizes allow both "
                     "(default: 1 in models of MXNet's exporter)")  # fmt: skip


def _input(text: str) -> tuple[str, Shape]:
    name, equals, sizes = text.rpartition("=")
    words = [word.strip() for word in sizes.split(",")]
    if not (name and equals and all(word.isdecimal() or word.isidentifier() for word in words)):
        raise argparse.ArgumentTypeError(f"must be NAME=SIZES as in data=1,3,112,112, got {text!r}")
    return name, tuple(int(word) if word.isdecimal() else word for word in words)


@contextmanager
def _one_line() -> Iterator[None]:
    """What a library finds wrong, as the command line says it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(str(error)) from None
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise InputError(str(error)) from None
    except OSError as error:
        if error.errno is not None:  # the frame of all commands words these
            raise
        raise InputError(str(error)) from None


def _convert(options: argparse.Namespace) -> None:
    shapes = dict(options.inputs)
    if len(shapes) < len(options.inputs):
        raise InputError("--input must name each input once")
    for what, path in (("the network", options.symbol), ("the parameters", options.params)):
        if os.path.realpath(path) == os.path.realpath(options.output):
            raise InputError(f"{options.output} is both the output and {what}")
    if options.rng is not None and not options.training:
        raise InputError("--rng needs --training")
    with _one_line():
        data = _check_data(options.check, shapes)
        {"onnx": _to_onnx, "torch": _to_torch}[options.to](options, shapes, data)


def _to_onnx(options: argparse.Namespace, shapes: dict[str, Shape], data: dict[str, Array]) -> None:
    from . import onnx

    if data and find_spec("onnxruntime") is None:
        raise InputError("--check needs the package onnxruntime: pip install onnxruntime")
    summary = onnx.convert(
        options.symbol,
        options.params,
        shapes,
        options.output,
        **({} if options.opset is None else {"opset": options.opset}),
        dtype=options.dtype,
        exact=options.exact,
        training=options.training,
        rng=options.rng,
        external_data=options.external_data or None,
        progress=lambda size: progress_bar(size, os.path.basename(options.output)),
    )
    _show(summary)
    for node, key in summary.keys.items() if options.rng is None else ():
        print(f"rectifier: drew the key {key} for {node}", file=sys.stderr)
    if data:
        typed = {name: data[name].astype(dtype) for name, dtype, _ in summary.inputs}
        _show_outputs(lambda: _run_onnx(options.output, typed))


def _to_torch(options: argparse.Namespace, shapes: dict[str, Shape], data: dict[str, Array]) -> None:
    if find_spec("torch") is None:
        raise InputError("--to torch needs the package torch: pip install torch")
    for name, default in {"opset": None, "exact": False, "training": False, "external_data": False}.items():
        if getattr(options, name) != default:
            raise InputError(f"--{name.replace('_', '-')} is for --to onnx")
    import torch

    from . import mx

    symbol = mx.sym.load(options.symbol)
    module = mx.to_torch(symbol, options.params, list(shapes)).eval()
    dtypes = _input_dtypes(symbol, mx.from_torch(module), shapes, np.dtype(options.dtype))
    mx.save_pt2(module, options.output, shapes, dtypes={name: getattr(torch, str(it)) for name, it in dtypes.items()})
    count = sum(tensor.numel() for tensor in module.state_dict().values())
    print(f"{options.output}: PyTorch {torch.__version__.partition('+')[0]}, {count:,} parameters, "
          f"{_bytes(os.path.getsize(options.output))}")  # fmt: skip
    if data:
        with torch.no_grad():
            _show_outputs(lambda: _run_torch(module, {name: data[name].astype(it) for name, it in dtypes.items()}))


def _input_dtypes(
    symbol: Symbol, params: Mapping[str, Array], shapes: Mapping[str, Shape], default: np.dtype[Any]
) -> dict[str, np.dtype[Any]]:
    """Of the inputs, by MXNet's rules, which refuse shapes and dtypes that do not fit together."""
    from .mx.base import DTYPES, dtype_number
    from .mx.graph import Entry, walk
    from .mx.infer import known_types, node_shapes, node_types

    arrays = {name.partition(":")[2]: array for name, array in params.items()}
    sizes = {name: tuple(size if isinstance(size, int) else -1 for size in shape) for name, shape in shapes.items()}
    node_shapes(symbol.outputs, {**sizes, **{name: array.shape for name, array in arrays.items()}})
    given = {name: dtype_number(array.dtype) for name, array in arrays.items()}
    types = node_types(symbol.outputs, known_types(symbol.outputs, given, dtype_number(default)))
    variables = (node for node in walk(symbol.outputs) if node.is_variable and node.name in shapes)
    inputs = {node.name: types[Entry(node)] for node in variables}
    return {name: default if number is None else DTYPES[number] for name, number in inputs.items()}


def _run_onnx(path: str, data: Mapping[str, Array]) -> dict[str, Array]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # what is wrong is raised as well
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(data)), strict=True))


def _run_torch(module: Any, data: Mapping[str, Array]) -> dict[str, Array]:
    import torch

    found = module(*(torch.from_numpy(data[name]) for name in module.input_names))
    outputs = found if isinstance(found, tuple) else (found,)
    return dict(zip(module.output_names, (output.numpy() for output in outputs), strict=True))


def _check_data(words: Sequence[str], shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """The arrays of --check by input, in the order of the inputs, before anything is written."""
    files: dict[str, str] = {}
    for word in words:
        name, equals, path = word.partition("=")
        if not equals or name not in shapes:
            if len(shapes) != 1:
                raise InputError(f"--check must be NAME=x.npy with a NAME among {', '.join(shapes)}, got {word}")
            name, path = next(iter(shapes)), word
        if name in files:
            raise InputError(f"--check must name each input once, got {name} twice")
        files[name] = path
    if files and len(files) < len(shapes):
        raise InputError(f"--check must be given for every input, got none for {', '.join(set(shapes) - set(files))}")
    return {name: _read(files[name], shape) for name, shape in shapes.items() if files}


def _read(path: str, wanted: Shape) -> Array:
    with ArrayFile(path) as file:
        fits = len(file.shape) == len(wanted) and all(
            isinstance(size, str) or size == found for size, found in zip(wanted, file.shape, strict=True)
        )
        if not fits:
            raise InputError(f"{path} must have the shape ({', '.join(map(str, wanted))}), got {file.shape}")
        return file.read(tuple(slice(0, size) for size in file.shape))


def _show(summary: Summary) -> None:
    """The table of what was written."""
    print(f"{'operator':<24}count")
    for name, number in summary.operators.items():
        print(f"{name:<24}{number:>5}")
    for what, ends in (("input", summary.inputs), ("output", summary.outputs)):
        for name, dtype, shape in ends:
            print(f"{what:<8}{name}: {dtype} ({', '.join('?' if size is None else str(size) for size in shape)})")
    print(f"{' and '.join(summary.files)}: {sum(summary.operators.values())} operators, "
          f"{summary.parameters:,} parameters, {_bytes(summary.nbytes)}")  # fmt: skip


def _show_outputs(run: Callable[[], dict[str, Array]]) -> None:
    try:
        outputs = run()
    except Exception as error:  # each runtime's own types
        raise InputError(f"the output is written, but --check fails: {error}") from None
    for name, array in outputs.items():
        finite = array[np.isfinite(array)].astype(np.float64)
        line = f"check   {name}: {array.dtype} {array.shape}"
        if finite.size:
            line += f", {finite.min():.6g} to {finite.max():.6g}, mean {finite.mean():.6g}"
        if finite.size < array.size:
            line += f", {array.size - finite.size} not finite"
        print(line)


def _bytes(size: int) -> str:
    power = min(int(math.log(max(size, 1), 1000)), 3)
    return f"{size / 1000**power:.{1 if power else 0}f} {('bytes', 'kB', 'MB', 'GB')[power]}"


def _fix_prelu(options: argparse.Namespace) -> None:
    with _one_line():
        from . import onnx
        from .onnx.scopes import save_beside

        model, found = onnx.fix_prelu(options.model, axis=options.axis)
        save_beside(model, options.model, options.output)
    for one in found:
        print(f"{one.verdict:<10}{one.node}: {one.reason}")
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("repaired", "right", "undecided")}
    print(f"{options.output}: {', '.join(f'{number} {verdict}' for verdict, number in counts.items())}")
