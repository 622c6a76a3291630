"""The tables of docs/networks.md."""

from __future__ import annotations

from typing import Any

from .published import ROOT

PAGE = ROOT / "docs" / "networks.md"
BEGIN = "<!-- Written by `make networks`: change nothing here. -->\n"
END = "<!-- Until here. -->\n"
HEADER = (
    "| network | input | operators | parameters | onnxruntime | PyTorch | seconds | MiB | file, MiB |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


def write(found: dict[str, Any]) -> None:
    """Put the figures in the place of the old ones."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + tables(found) + END + after, encoding="utf-8")


def tables(found: dict[str, Any]) -> str:
    """The published networks as a table, and the random ones as a sentence."""
    rows = "".join(map(_row, found["networks"]))
    texts = (
        _machine(found["machine"]),
        HEADER + rows.rstrip("\n"),
        _exported(found["networks"]),
        _opsets(found["opsets"]),
        _random(found["random"]),
    )
    return "\n" + "\n\n".join(texts) + "\n"


def _row(row: dict[str, Any]) -> str:
    shape = " x ".join(map(str, row["input"]))
    differences = (f"{row['difference'][name]:.1e}" for name in ("onnxruntime", "torch"))
    parameters = f"{row['parameters']:,}".replace(",", " ")
    seconds, peak, size = f"{row['seconds']:.1f}", f"{row['peak_mib']:.0f}", f"{row['bytes'] / 2**20:.0f}"
    cells = row["network"], shape, str(row["operators"]), parameters, *differences, seconds, peak, size
    return f"| {' | '.join(cells)} |\n"


def _machine(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if name != "rectifier")
    where = f"{machine['cpu']}, {machine['cores']} cores"
    return f"Measured on {machine['date'][:10]} with {versions} and MXNet {machine['mxnet']} ({where}):"


def _exported(rows: list[dict[str, Any]]) -> str:
    worst = max(row["pt2_difference"] for row in rows)
    return (
        f"`rectifier convert --to torch` writes each of them, too, with a free batch size. Loaded again by "
        f"`torch.export.load` and given the input twice over, they differ from MXNet by {worst:.1e} at most."
    )


def _opsets(found: dict[str, Any]) -> str:
    first, last = found["opsets"]
    return (
        f"Small versions of all of them at each opset from {first} to {last}, with a fixed and with a free batch size, "
        f"{found['models']} models: the largest difference in onnxruntime is {found['difference']:.1e}."
    )


def _random(found: dict[str, Any]) -> str:
    worst = found["difference"]
    seeds = ", ".join(map(str, found["failed"]))
    failed = f"By more than 1e-4 differ seeds {seeds}." if seeds else "None differs by more than 1e-4."
    opsets = ", ".join(map(str, found["opsets"]))
    return (
        f"{found['count']} random networks, with {found['nodes']} nodes of {len(found['kinds'])} operators and "
        f"{found['outputs']} outputs, at opsets {opsets} in turn, {found['free_batch']} of them with "
        f"a free batch size in ONNX: the largest difference is "
        f"{worst['onnxruntime']:.1e} in onnxruntime and {worst['torch']:.1e} in PyTorch. {failed}"
    )
