"""Compare the table in docs/semantics.md with `ACTIVATIONS`, or write it with --write."""

from __future__ import annotations

import sys
from pathlib import Path

from rectifier.parameters import ACTIVATIONS, LOWER_BOUND, SLOPE, UPPER_BOUND, Activation

PAGE = Path(__file__).resolve().parents[1] / "docs" / "semantics.md"
BEGIN = "<!-- Written by `make activations` from ACTIVATIONS: change that, not this. -->\n"
END = "<!-- Until here. -->\n"
PARAMETERS = {
    "slope": f"`slope` = {SLOPE}, any finite number",
    "lower_bound": f"`lower_bound` = {LOWER_BOUND}",
    "upper_bound": f"`upper_bound` = {UPPER_BOUND}",
}


def table() -> str:
    """The table, as the page has it."""
    header = "| `act_type` | value | derivative | reads | with |\n|---|---|---|---|---|\n"
    return "\n" + header + "".join(_line(row) for row in ACTIVATIONS.values()) + "\n"


def _line(row: Activation) -> str:
    default = " (default)" if row.name == next(iter(ACTIVATIONS)) else ""
    reads = ", ".join(PARAMETERS.get(name, f"`{name}`") for name in row.reads)
    where = "".join(f"`{definition}`. " for definition in row.where.split(", ") if definition)
    cells = f"`{row.name}`{default}", f"`{row.value}`", f"`{row.derivative}`", reads, f"{where}{row.note}".strip()
    return f"| {' | '.join(cells)} |\n"


def main(arguments: list[str]) -> int:
    """Return 1 if the page is out of date."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    written, after = rest.split(END)
    if arguments == ["--write"]:
        PAGE.write_text(before + BEGIN + table() + END + after, encoding="utf-8")
    elif written != table():
        print(f"{PAGE.name}: the table of activations is out of date: run `make activations`.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
