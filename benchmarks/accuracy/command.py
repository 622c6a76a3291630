"""The command line of the accuracy walk."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from . import figures, report, subjects, walk
from .cases import CASES, DTYPES
from .oracle import Oracle, OracleError, Tally, compile_oracle

PAGE = Path(__file__).parents[2] / "docs" / "accuracy.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the page, and return 1 if a bound is broken (2 if nothing can be measured)."""
    options = _parser().parse_args(arguments)
    targets = tuple(options.target or subjects.cpu_targets())
    peers = () if options.no_peers else tuple(subjects.peers())
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = compile_oracle(folder)
        except OracleError as error:
            print(error, file=sys.stderr)
            return 2
        tallies = _measure(options, targets, peers, str(library))
        if not tallies:
            print(f"nothing is measured for {options.function} in {', '.join(options.dtype)}", file=sys.stderr)
            return 2
        broken = report.violations(tallies, targets)
        page = _page_path(options)
        if page:
            page.parent.mkdir(parents=True, exist_ok=True)
            picture = page.with_name("accuracy-gelu.png")
            oracle = Oracle(library)
            figures.draw_gelu(picture, oracle, [targets[-1], *peers])
            page.write_text(report.page(tallies, broken, picture.name, oracle.compiler), encoding="utf-8")
            print(f"wrote {page}")
    if not page:
        for dtype in options.dtype:
            print(f"\n{dtype}\n{report.details(tallies, dtype)}")
    print("\n".join(broken) if broken else "every bound is kept")
    return 1 if broken else 0


def _measure(
    options: argparse.Namespace, targets: tuple[str, ...], peers: tuple[str, ...], library: str
) -> dict[walk.Key, Tally]:
    selected = walk.select(options.dtype, options.function)
    work = [item for dtype, case in selected for item in walk.plan(dtype, case, targets, peers, options.quick)]
    tallies: dict[walk.Key, Tally] = {}
    bar = tqdm(total=sum(item.cost for item in work), unit="x", unit_scale=True, smoothing=0.02, disable=None)
    with bar:
        for item, found in walk.run(work, library, options.jobs):
            for key, tally in found.items():
                tallies.setdefault(key, Tally()).merge(tally)
            bar.set_description(f"{item.dtype} {item.case.label}")
            bar.update(item.cost)
    return tallies


def _page_path(options: argparse.Namespace) -> Path | None:
    # A partial walk must not replace the published page unless it is told to.
    partial = options.quick or options.function or options.target or list(options.dtype) != list(DTYPES)
    return options.output or (None if partial else PAGE)


def _parser() -> argparse.ArgumentParser:
    names = list(dict.fromkeys(name for case in CASES for name in (case.act_type, case.label)))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description="Measure the error of every activation, value and gradient, on every CPU target. A full walk takes "
        "all 2^32 float32 inputs and writes docs/accuracy.md; a partial one prints its tables. "
        "Exit code 1: a bound is broken.",
    )
    parser.add_argument("--quick", action="store_true", help="sample float32 and float64")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=list(DTYPES), help="only these types")
    parser.add_argument("--function", nargs="+", choices=names, metavar="NAME", help="only these: " + ", ".join(names))
    parser.add_argument("--target", nargs="+", choices=subjects.cpu_targets(), help="only these CPU targets")
    parser.add_argument("--no-peers", action="store_true", help="leave other libraries out")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes (default: one a core)")
    parser.add_argument("--output", type=Path, help="write the page here (default: docs/accuracy.md for a full walk)")
    return parser
