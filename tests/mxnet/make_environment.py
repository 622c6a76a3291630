"""Make `.venv-mxnet`, the environment in which the comparison runs MXNet 1.6.0.

    python tests/mxnet/make_environment.py

does nothing where the environment is up to date. MXNet's wheel holds a shared library for Linux on x86-64 (it needs
the system's libgomp) and Python code; NumPy 1.23.5 has wheels up to Python 3.11, and today's pip installs for 3.10 and
later. On a machine without these the command says so: it fails if the variable CI is "true", and elsewhere the
comparison is skipped.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from mxnet_process import ENVIRONMENT, PYTHON

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
STAMP = ENVIRONMENT / REQUIREMENTS.name
VERSIONS = ("3.11", "3.10")


def main():
    """Make the environment if needed, and return the exit status."""
    if STAMP.exists() and STAMP.read_text() == REQUIREMENTS.read_text():
        return 0
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return cannot("MXNet 1.6.0 runs on Linux x86-64 only")
    python = interpreter()
    if python is None:
        return cannot(f"MXNet 1.6.0 needs Python {' or '.join(VERSIONS)} on the PATH")
    make(python)
    return 0


def cannot(reason):
    """Say why there is no environment; the exit status is an error in continuous integration."""
    in_ci = os.environ.get("CI") == "true"
    print(f"{reason}: the comparison {'cannot run' if in_ci else 'is skipped'}", file=sys.stderr)
    return int(in_ci)


def interpreter():
    """An interpreter that MXNet runs with, or None."""
    for candidate in (sys.executable, *(shutil.which(f"python{version}") for version in VERSIONS)):
        if candidate and version_of(candidate) in VERSIONS:
            return candidate
    return None


def version_of(python):
    """The interpreter's version, or None if it does not start: some on the PATH are stand-ins for absent versions."""
    program = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def make(python):
    """Create the environment from nothing, import MXNet there, and leave the stamp."""
    # Our own pip installs into it: Debian's Python makes no pip for it unless another package is installed.
    subprocess.run([python, "-m", "venv", "--clear", "--without-pip", ENVIRONMENT], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "-r", str(REQUIREMENTS)], check=True)
    subprocess.run([PYTHON, "-W", "ignore", "-c", "import mxnet; print('MXNet', mxnet.__version__)"], check=True)
    shutil.copyfile(REQUIREMENTS, STAMP)


if __name__ == "__main__":
    sys.exit(main())
