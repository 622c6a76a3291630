"""Run the Python code in Markdown pages and compare what it prints with what the page says.

In a block with `>>>` the comparison is doctest's. In any other one, a `print(...)` must print the comment that
follows it on its line. The blocks of a page share their names. `<!-- not run -->` on the line above a block leaves
it out. Needs nothing but what the examples need, so it also tries a freshly installed wheel.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import doctest
import io
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NamedTuple

FENCE = re.compile(r"^```(\S*)\s*$")


class Block(NamedTuple):
    """A block of code and the number of its first line in the page."""

    code: str
    line: int


def blocks(text: str) -> list[Block]:
    """The Python blocks of a page that are meant to run."""
    found: list[Block] = []
    language, start, lines = None, 0, text.splitlines()
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if not fence:
            continue
        if language is None:
            language, start = fence[1], number
            continue
        left_out = start > 1 and lines[start - 2].strip() == "<!-- not run -->"
        if language == "python" and not left_out:
            found.append(Block("\n".join(lines[start : number - 1]) + "\n", start + 1))
        language = None
    return found


def run(block: Block, page: str, names: dict[str, Any]) -> list[str]:
    """What is wrong with a block, line by line."""
    if ">>>" in block.code:
        return _run_doctest(block, page, names)
    errors: list[str] = []
    for statement in ast.parse(block.code).body:
        line = block.line + statement.lineno - 1
        expected = _promise(statement, block.code.splitlines())
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(ast.Module([statement], []), page, "exec"), names)
        except ModuleNotFoundError as error:
            if sys.version_info >= (3, 11):
                return [*errors, f"{page}:{line}: {error}"]
            print(f"{page}:{line}: left out, {error}")  # JAX, for one, has no wheel for Python 3.10
            return errors
        except Exception:
            return [*errors, f"{page}:{line}: {traceback.format_exc(limit=0).strip()}"]
        if expected is not None and printed.getvalue().strip() != expected:
            errors.append(f"{page}:{line}: the page says {expected!r}, the code prints {printed.getvalue().strip()!r}")
    return errors


def _promise(statement: ast.stmt, lines: list[str]) -> str | None:
    """The comment behind a call of print."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "print"):
        return None
    rest = lines[(statement.end_lineno or 0) - 1].encode()[statement.end_col_offset :].decode().strip()
    return rest.removeprefix("#").strip() if rest.startswith("#") else None


def _run_doctest(block: Block, page: str, names: dict[str, Any]) -> list[str]:
    test = doctest.DocTestParser().get_doctest(block.code, names, page, page, block.line - 1)
    report = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(test, out=report.write, clear_globs=False)
    names.update(test.globs)
    return [report.getvalue().strip()] if report.getvalue() else []


def main() -> int:
    """Return 1 if an example fails or a page promises what its code does not print."""
    parser = argparse.ArgumentParser(description="Run the Python code in Markdown pages.")
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--first", action="store_true", help="only the first block of each page")
    options = parser.parse_args()
    texts = {str(page): page.read_text(encoding="utf-8") for page in options.pages}
    errors: list[str] = []
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)  # examples may write files
        for page, text in texts.items():
            names: dict[str, Any] = {"__name__": "__main__"}
            for block in blocks(text)[: 1 if options.first else None]:
                errors += run(block, page, names)
                count += 1
        os.chdir(here)
    print("\n".join(errors) if errors else f"{count} examples run as their pages say")
    return 1 if errors or not count else 0


if __name__ == "__main__":
    sys.exit(main())
