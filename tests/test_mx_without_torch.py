"""`rectifier.mx` where PyTorch is missing: files and symbols work, and the rest says what to install."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules["torch"] = None
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "torch" else find(name, *more)
from rectifier import mx
print(mx.sym.LeakyReLU(mx.sym.Variable("x")).list_arguments(), mx.cpu(), mx.random.seed(3))
try:
    {use}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("use", "what"),
    [
        ("mx.nd.ones", "`rectifier.mx.nd`"),
        ("mx.autograd.record", "`rectifier.mx.autograd`"),
        ("mx.gluon.nn", "`rectifier.mx.gluon`"),
        ("mx.model.load_checkpoint", "`rectifier.mx.model`"),
        ("mx.sym.Variable('x').eval(x=1)", "an executor"),
    ],
)
def test_the_error_names_the_extra(use, what):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(use=use)], check=True, capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert first == "['x'] cpu(0) None"
    assert second == f"{what} keeps its numbers and its record in PyTorch: pip install 'rectifier[mx]'"


def test_torch_is_not_imported_before_it_is_needed():
    program = "import sys; from rectifier import mx; mx.sym.Variable('x'), mx.cpu(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
