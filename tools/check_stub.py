"""Compare src/rectifier/_core.pyi with what the compiled module says of itself, or write it with --write."""

from __future__ import annotations

import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

STUB = Path(__file__).resolve().parents[1] / "src" / "rectifier" / "_core.pyi"


def generated() -> str:
    """The stub of the module as installed, in the project's format."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / STUB.name
        words = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "rectifier._core", "-o", str(raw)]
        subprocess.run(words, check=True)
        formatter = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(STUB), "-"]
        text = raw.read_text(encoding="utf-8")
        return subprocess.run(formatter, input=text, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(arguments: list[str]) -> int:
    """Return 1 if the two differ."""
    text = generated()
    if arguments == ["--write"]:
        STUB.write_text(text, encoding="utf-8")
        return 0
    committed = STUB.read_text(encoding="utf-8") if STUB.exists() else ""
    names = str(STUB.name), "the compiled module"
    difference = list(difflib.unified_diff(committed.splitlines(), text.splitlines(), *names, lineterm=""))
    if difference:
        print("\n".join(difference))
        print("The stub is out of date: run `make stub`.")
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
