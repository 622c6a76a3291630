"""Compiles the Triton kernels for a GPU, which needs none, and prints what came out as JSON.

The verbs are called as the back-ends call them, on tensors without memory, and start what they start on a GPU.
A process of its own: in the tests' process kernels are defined for the interpreter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton

import fake_gpu
from rectifier.kernels import triton as verbs
from rectifier.kernels.triton.nest import FAR
from rectifier.parameters import ACTIVATIONS

TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32, "fp64": torch.float64}
FORMULAS = {row.name: row.formula for row in ACTIVATIONS.values() if not (row.has_gamma or row.is_random)}
DRAWN = {"key": 2**63 + 1, "lower": 0.1, "upper": 0.3}
PROGRAMS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
FLAT = (1 << 20,)
IMAGES = (8, 64, 32, 32)


def empty(shape, element="fp32", strides=None):
    dtype = TYPES.get(element, torch.uint8)
    if strides is None:
        return torch.empty(shape, dtype=dtype, device="meta")
    return torch.empty_strided(shape, strides, dtype=dtype, device="meta")


def apply(formula, element, shape=FLAT, strides=None, backward=False, **options):
    tensor = empty(shape, element, strides)
    verbs.apply(formula, tensor, options.pop("data", tensor), tensor if backward else None, **options)


def narrower(element):
    return "fp64" if element == "fp64" else "fp32"


def layouts(kind, element, name, formula, backward):
    """One formula in every layout that has a kernel of its own."""
    yield f"flat {name}", lambda: apply(formula, element, FLAT, None, backward)
    if kind == "quick":
        return
    yield f"tile {name} every second", lambda: apply(formula, element, (4096, 512), (1024, 2), backward)
    rows, apart = empty((4096, 512), element, (512, 1)), empty((4096, 512), element, (1024, 1))
    yield f"tile {name} rows", lambda: verbs.apply(formula, rows, apart, rows if backward else None)
    turned = empty((4096, 512), element, (1, 4096))
    yield f"tile {name} turned", lambda: verbs.apply(formula, rows, turned, rows if backward else None)
    wide = empty((4, 512), element, (FAR, 1))
    yield f"tile {name} far", lambda: verbs.apply(formula, rows[:4], wide, rows[:4] if backward else None)


def slopes(element, backward):
    """leaky's formula with slopes of other kinds."""
    word = "pullback" if backward else "value"
    shared, each = empty((1, 1, 1, 1), narrower(element)), empty(IMAGES, narrower(element))
    channels = empty((1, 64, 1, 1), narrower(element))
    far = {"shape": (4, 512), "strides": (FAR, 1), "backward": backward}
    common = {"shape": IMAGES, "backward": backward}
    yield f"flat {element} drawn {word}", lambda: apply(0, element, **common, **DRAWN)
    yield f"flat {element} shifted {word}", lambda: apply(0, element, **common, **DRAWN, first=1)
    yield f"flat {element} shared {word}", lambda: apply(0, element, **common, gamma=shared)
    yield f"flat {element} each {word}", lambda: apply(0, element, **common, gamma=each)
    yield f"tile {element} channels {word}", lambda: apply(0, element, **common, gamma=channels)
    last = (64 * 32 * 32, 1, 64 * 32, 64)
    yield f"tile {element} channels last {word}", lambda: apply(0, element, strides=last, **common, gamma=channels)
    yield f"tile {element} drawn {word}", lambda: apply(0, element, strides=last, **common, **DRAWN)
    yield f"tile {element} drawn far {word}", lambda: apply(0, element, **far, **DRAWN)
    if backward:
        signs = empty((8 * 64 * 32 * 32 // 8,), "u8")
        yield f"flat {element} signs drawn", lambda: apply(0, element, **common, data=signs, **DRAWN)
        yield f"flat {element} signs", lambda: apply(0, element, **common, data=signs, slope=-0.5)
        yield f"tile {element} signs", lambda: apply(0, element, strides=last, **common, data=signs, slope=-0.5)


def gamma(element):
    """prelu's gradients."""

    def pull(shape, of_gamma, strides=None, wants_dx=True):
        x, slope = empty(shape, element, strides), empty(of_gamma, narrower(element))
        verbs.gamma_pullback(x if wants_dx else None, empty(of_gamma, narrower(element)), x, x, slope)

    last = (64 * 32 * 32, 1, 64 * 32, 64)
    yield f"gamma {element} along", lambda: pull((64, 64, 32, 32), (1, 64, 1, 1))
    yield f"gamma {element} across", lambda: pull(IMAGES, (1, 64, 1, 1), last)
    yield f"gamma {element} columns", lambda: pull((4096, 512), (1, 512))
    yield f"gamma {element} shared", lambda: pull(IMAGES, (1, 1, 1, 1))
    yield f"gamma {element} each", lambda: pull(IMAGES, (1, 64, 32, 32))
    yield f"gamma {element} slopes only", lambda: pull(IMAGES, (1, 64, 1, 1), wants_dx=False)
    yield f"gamma {element} far", lambda: pull((4, 64, 512), (1, 64, 1), (FAR, 512, 1))


def cases(kind):
    """The name of each case and its call. The quick ones are the flat kernel's, without gamma."""
    for element in TYPES:
        for name, formula in FORMULAS.items():
            for backward in (False, True):
                words = f"{element} {name} {'pullback' if backward else 'value'}"
                yield from layouts(kind, element, words, formula, backward)
        if kind == "quick":
            continue
        for backward in (False, True):
            yield from slopes(element, backward)
        yield from gamma(element)
        data = empty(IMAGES, element)
        yield f"pack {element}", lambda data=data: verbs.pack_signs(empty((data.numel() // 8,), "u8"), data)
        turned = data.transpose(0, 3)
        yield f"pack {element} turned", lambda data=turned: verbs.pack_signs(empty((data.numel() // 8,), "u8"), data)
    if kind != "quick":
        yield "draw fp32", lambda: verbs.draw_slopes(empty(FLAT), 5, 0.1, 0.3)


def machine_code(kernel):
    """The instructions by name, and what the assembler says of registers and local memory."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        text, usage = (
            subprocess.run([PROGRAMS / program, option, file.name], capture_output=True, text=True, check=True).stdout
            for program, option in (("nvdisasm", "-c"), ("cuobjdump", "-res-usage"))
        )
    counts = {}
    for name in re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", text):
        counts[name] = counts.get(name, 0) + 1
    return counts, {name.lower(): int(n) for name, n in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage)}


def facts(kernel):
    ptx = kernel.asm["ptx"]
    counts, usage = machine_code(kernel)
    return {
        "fused": len(re.findall(r"\bfma\.rn", ptx)),
        "approximate": sorted(set(re.findall(r"\b\w+\.approx\S*|\bdiv\.full\S*", ptx))),
        "flushed": len(re.findall(r"\.ftz\.", ptx)),
        "double": sum(n for name, n in counts.items() if re.match(r"D(FMA|ADD|MUL|SETP|MNMX)", name)),
        "contracted": sum(n for name, n in counts.items() if name.startswith(("FFMA", "DFMA"))),
        "shared": kernel.metadata.shared,
        "registers": usage["reg"],
        "spilled": usage["stack"] + usage["local"] + sum(n for name, n in counts.items() if name[:3] in ("STL", "LDL")),
        "loads": sorted(re.findall(r"ld\.global\.(\S+)", ptx)),
        "stores": sorted(re.findall(r"st\.global\.(\S+)", ptx)),
        "instructions": counts,
    }


def compiled(capability, kind):
    """The facts of every kernel by the name of its case; a second stage has a name of its own."""
    driver, seen = fake_gpu.compiled_for(capability), {}
    for name, call in cases(kind):
        driver.launches.clear()
        call()
        for stage, launch in enumerate(dict.fromkeys(launch.kernel for launch in driver.launches)):
            found = seen.get(launch.hash) or facts(launch)
            seen[launch.hash] = found
            yield name if stage == 0 else f"{launch.name} {name}", found


if __name__ == "__main__":
    assert not os.environ.get("TRITON_INTERPRET"), "kernels defined for the interpreter cannot be compiled"
    json.dump(dict(compiled(int(sys.argv[1]), sys.argv[2])), sys.stdout)
