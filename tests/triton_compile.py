"""Compiles the Triton kernels for a GPU, which needs none, and prints what came out as JSON.

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

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from rectifier.kernels.triton.elementwise import flat_kernel, pack_kernel, tile_kernel
from rectifier.kernels.triton.gamma_gradient import gamma_kernel, reduce_kernel
from rectifier.kernels.triton.launch import block_of
from rectifier.kernels.triton.slopes import draw_kernel

SIZES = {"fp16": 2, "bf16": 2, "fp32": 4, "fp64": 8}
FORMULAS = {"leaky": 0, "elu": 1, "selu": 2, "gelu": 3}
# Pointers and sizes that are multiples of 16, as those of whole arrays are.
ALIGNED = [["tt.divisibility", 16]]
NVDISASM = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "nvdisasm"


def build(kernel, types, constants, aligned=(), warps=4, capability=90):
    """Compile one kernel: `types` of its run-time arguments, `constants` by name, or by name and place in a tuple."""
    names = kernel.arg_names
    signature = {name: types.get(name, "constexpr") for name in names}
    paths = [(name,) if isinstance(name, str) else name for name in constants]
    constants = {(names.index(path[0]), *path[1:]): v for path, v in zip(paths, constants.values(), strict=True)}
    for name, kind in signature.items():
        if kind == "constexpr":
            assert (names.index(name),) in constants, name
    places = [(name,) if isinstance(name, str) else name for name in aligned]
    attributes = {(names.index(place[0]), *place[1:]): ALIGNED for place in places}
    source = ASTSource(kernel, signature=signature, constexprs=constants, attrs=attributes)
    options = {"num_warps": warps, "enable_fp_fusion": False}
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def scalars(kernel):
    """The types that the kernel's own annotations give its numbers."""
    return {p.name: p.annotation_type for p in kernel.params if p.annotation_type}


def flat(element, formula, backward, slopes="one", signs=False, shift=0):
    pointer = f"*{element}"
    arithmetic = "*fp64" if element == "fp64" else "*fp32"
    types = {
        **scalars(flat_kernel), "out": pointer, "d_out": pointer, "data": "*u8" if signs else pointer,
        "gamma": arithmetic if slopes in ("each", "shared") else pointer,
    }  # fmt: skip
    constants = {
        "FORMULA": FORMULAS[formula], "BACKWARD": backward, "SLOPES": slopes, "SIGNS": signs, "SHIFT": shift,
        "BLOCK": block_of(SIZES[element]),
    }  # fmt: skip
    return build(flat_kernel, types, constants, ("out", "data", "d_out", "gamma", "n"))


def tile(element, formula, backward, slopes, rows=16, cols=64):
    pointer = f"*{element}"
    arithmetic = "*fp64" if element == "fp64" else "*fp32"
    # Triton makes a constant of a step of 1.
    steps = ("i32", "i32", "constexpr")
    roles = ("out_steps", "data_steps", "d_out_steps", "gamma_steps", "position_steps")
    types = {
        **scalars(tile_kernel), "out": pointer, "d_out": pointer, "data": pointer,
        "gamma": arithmetic if slopes in ("each", "shared") else pointer, "outer": ("i32",),
        **dict.fromkeys(roles, steps),
    }  # fmt: skip
    constants = {
        "FORMULA": FORMULAS[formula], "BACKWARD": backward, "SLOPES": slopes, "SIGNS": False, "OUTER": 1,
        "WIDE": False, "ROWS": rows, "COLS": cols, **{(name, 2): 1 for name in roles},
    }  # fmt: skip
    return build(
        tile_kernel,
        types,
        constants,
        (
            "out",
            "data",
            "d_out",
            "gamma",
            "rows",
            "cols",
            *((name, 1) for name in roles),
            *((name, 0) for name in roles),
        ),
    )


def gamma(element, groups, kept, lanes=64, chunked=True):
    pointer = f"*{element}"
    arithmetic = "*fp64" if element == "fp64" else "*fp32"
    inner = "_reduced" if kept == 1 else "_kept"
    steps = {
        name: ("constexpr",) if name.endswith(inner) else ("i32",)
        for name in gamma_kernel.arg_names
        if name.endswith(("_kept", "_reduced"))
    }
    types = {
        **scalars(gamma_kernel), "d_data": pointer, "d_out": pointer, "data": pointer, "gamma": arithmetic,
        "sums": "*fp64" if chunked else arithmetic, "kept": ("i32",), "reduced": ("i32",), **steps,
    }  # fmt: skip
    constants = {
        "KEPT_DIMS": 1, "REDUCED_DIMS": 1, "WANTS_DX": True, "WIDE": False, "LANES": lanes, "STEPS": 16,
        "GROUPS": groups, "KEPT": kept, **{(name, 0): 1 for name in steps if name.endswith(inner)},
    }  # fmt: skip
    aligned = ("d_data", "d_out", "data", "gamma", "sums", "kept_size", "reduced_size")
    aligned += tuple((name, 0) for name in steps if not name.endswith(inner))
    return build(gamma_kernel, types, constants, aligned)


def others():
    yield "draw", build(draw_kernel, {**scalars(draw_kernel), "out": "*fp32"}, {"SHIFT": 0, "BLOCK": 1024}, ("out",))
    types = {**scalars(pack_kernel), "bits": "*u8", "data": "*fp32", "shape": ("i64",), "steps": ("i64",)}
    yield "pack", build(pack_kernel, types, {"DIMS": 1, "WIDE": False, "BLOCK": 128}, ("bits", "data"))
    types = {**scalars(reduce_kernel), "out": "*fp32", "sums": "*fp64"}
    yield "reduce", build(reduce_kernel, types, {"ROWS": 1024, "KEPT": 2}, ("out", "sums"))


def cases(which):
    for element in SIZES:
        for formula in FORMULAS:
            for backward in (False, True):
                if which in ("all", "flat"):
                    yield (
                        f"flat {element} {formula} {'pullback' if backward else 'value'}",
                        flat(element, formula, backward),
                    )
        if which in ("all", "slopes") and element in ("bf16", "fp32"):
            yield f"flat {element} drawn value", flat(element, "leaky", False, "drawn")
            yield f"flat {element} drawn pullback", flat(element, "leaky", True, "drawn", shift=1)
            yield f"flat {element} signs", flat(element, "leaky", True, "drawn", signs=True)
            yield f"flat {element} shared value", flat(element, "leaky", False, "shared")
            yield f"tile {element} drawn value", tile(element, "leaky", False, "drawn")
            yield f"tile {element} each pullback", tile(element, "leaky", True, "each")
        if which in ("all", "gamma"):
            yield f"gamma {element} along", gamma(element, 32, 1)
            yield f"gamma {element} across", gamma(element, 1, 32)
    if which in ("all", "others"):
        yield from others()


def machine_code(kernel):
    """The instructions by name, and registers and bytes spilled."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        text = subprocess.run([NVDISASM, "-c", file.name], capture_output=True, text=True, check=True).stdout
    counts = {}
    for name in re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)", text):
        counts[name] = counts.get(name, 0) + 1
    spilled = sum(n for name, n in counts.items() if name.startswith(("STL", "LDL")))
    return counts, spilled


def facts(kernel):
    ptx = kernel.asm["ptx"]
    counts, spilled = machine_code(kernel)
    return {
        "fused": len(re.findall(r"\bfma\.rn", ptx)),
        "approximate": sorted(set(re.findall(r"\b\w+\.approx\S*|\bdiv\.full\S*", ptx))),
        "flushed": len(re.findall(r"\.ftz\.", ptx)),
        "double": sum(n for name, n in counts.items() if re.match(r"D(FMA|ADD|MUL|SETP|MNMX)", name)),
        "contracted": sum(n for name, n in counts.items() if name.startswith(("FFMA", "DFMA"))),
        "shared": kernel.metadata.shared,
        "spilled": spilled,
        "widest": sorted(set(re.findall(r"(?:ld|st)\.global\.(\S+)", ptx))),
        "instructions": counts,
    }


if __name__ == "__main__":
    assert not os.environ.get("TRITON_INTERPRET"), "kernels defined for the interpreter cannot be compiled"
    json.dump({name: facts(kernel) for name, kernel in cases(sys.argv[1] if len(sys.argv) > 1 else "all")}, sys.stdout)
