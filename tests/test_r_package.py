"""The R package says what the Python package says: values, sources, flags and version."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _script(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_r_values = _script(ROOT / "tools/make_r_values.py")
WRITTEN = make_r_values.files()


def _words(pattern, text):
    return re.search(pattern, text, re.DOTALL)[1].split()


def test_no_file_of_values_is_left_over():
    assert sorted(WRITTEN) == sorted(path.name for path in make_r_values.FOLDER.iterdir())


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_values_are_up_to_date(name):
    found = (make_r_values.FOLDER / name).read_text(encoding="ascii")
    assert found == WRITTEN[name], f"{name} is not what tools/make_r_values.py writes: run it"


def test_cells_are_what_r_reads():
    text = make_r_values.text
    assert text(0.25) == "0x1p-2"
    assert text(-0.0) == "-0x0p+0"
    assert text(float("-inf")) == "-Inf"
    assert text(float("nan")) == "NaN"
    assert text(True) == "TRUE"
    assert text((2, 3)) == "2 3"
    assert text(None) == text(()) == ""


def test_r_compiles_the_core_of_cmake_with_its_flags():
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    makevars = (ROOT / "r/src/Makevars.in").read_text(encoding="utf-8")
    configure = (ROOT / "r/configure").read_text(encoding="utf-8")
    sources = {Path(name).stem for name in _words(r"add_library\(core OBJECT (.*?)\)", cmake)}
    assert sources == {Path(name).stem for name in _words(r"\nCORE = (.*?)\n", makevars)}
    flags = _words(r"set\(kernel_flags (-.*?)\)", cmake) + _words(r"list\(APPEND kernel_flags (.*?)\)", cmake)
    found = _words(r'kernel_flags="(-O3.*?)"', configure) + _words(r'kernel_flags="\$kernel_flags (.*?)"', configure)
    assert found == flags
    for target in ("baseline", "v3", "v4"):
        expected = _words(rf"add_kernels\({target} (-.*?)\)", cmake)
        assert _words(rf'\n  {target}="(.*?)"', configure) == [word for word in expected if word.startswith("-m")]


def test_versions_agree():
    python = re.search(r'\nversion = "(.*?)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    assert re.search(r"\nVersion: (.*)", (ROOT / "r/DESCRIPTION").read_text(encoding="utf-8"))[1] == python
