"""Say in one sentence what this Python lacks for building the package."""
# ruff: noqa: UP031, UP036 - this file alone also runs under Pythons that are too old

import os
import sys
import sysconfig


def missing():
    """What to do about the first thing that is missing, or None."""
    if sys.version_info < (3, 10):
        return "Python 3.10 or later, and this is %d.%d: `make PYTHON=python3.12`, say" % sys.version_info[:2]
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "Python's venv module: `apt-get install python3-venv` on Debian and Ubuntu"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        return "Python's C headers: `apt-get install python3-dev` on Debian and Ubuntu"
    return None


if __name__ == "__main__":
    lack = missing()
    if lack:
        sys.exit("rectifier needs " + lack)
