"""A process that runs MXNet 1.6.0 for this one: the client side, and the messages of both sides.

    with Oracle() as mxnet:
        output, gradient = mxnet.value_and_gradient(x, act_type="elu", slope=0.3)

MXNet needs a Python and a NumPy of its time, so it lives in an environment of its own (`make_environment.py`) and in a
process of its own (`oracle.py`, which says what a message is).
"""

import json
import os
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ENVIRONMENT = Path(__file__).parents[2] / ".venv-mxnet"
PYTHON = ENVIRONMENT / "bin" / "python"
SERVER = Path(__file__).with_name("oracle.py")


class MXNetError(Exception):
    """MXNet refused a call; the text is its message."""


class MXNetDied(Exception):
    """MXNet's process ended in the middle of a call.

    Attributes
    ----------
    returncode : int
        Minus the number of the signal that ended it.
    """

    def __init__(self, returncode, log):
        super().__init__(f"MXNet's process ended with status {returncode}:\n{log}")
        self.returncode = returncode


def send(stream, header, arrays):
    """Write one message: a dictionary for JSON, and arrays by name."""
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    shapes = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    text = json.dumps({**header, "arrays": shapes}).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    for array in arrays.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def receive(stream):
    """Read one message; EOFError if the other side has gone."""
    (length,) = struct.unpack("<I", _exactly(stream, np.empty(4, np.uint8)))
    header = json.loads(bytes(_exactly(stream, np.empty(length, np.uint8))))
    arrays = {name: np.empty(shape, dtype) for name, dtype, shape in header.pop("arrays")}
    for array in arrays.values():
        _exactly(stream, array.reshape(-1).view(np.uint8))
    return header, arrays


def _exactly(stream, buffer):
    if stream.readinto(buffer.data) != buffer.size:
        raise EOFError
    return buffer


class Oracle:
    """MXNet 1.6.0's LeakyReLU, in a process that lives until `close`.

    Every method takes the operator's own parameters by name: act_type, slope, lower_bound, upper_bound. Arrays are
    float16, float32 or float64. The methods raise MXNetError where MXNet raises, and MXNetDied where it crashes; the
    oracle is of no further use then.

    Parameters
    ----------
    threads : int
        How many threads MXNet's loops use.
    """

    def __init__(self, threads=1):
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open until `close`
        self._process = subprocess.Popen(
            [str(PYTHON), "-W", "ignore", str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def process_id(self):
        """The process's number."""
        return self._process.pid

    def close(self):
        """End the process."""
        self._process.communicate()
        self._log.close()

    def call(self, data, gamma=None, head=None, *, do, **options):
        """One request as `oracle.py` describes it: the reply's header and arrays."""
        given = {"data": data, "gamma": gamma, "head": head}
        try:
            send(self._process.stdin, {"do": do, **options}, {k: v for k, v in given.items() if v is not None})
            header, arrays = receive(self._process.stdout)
        except (EOFError, BrokenPipeError):
            raise MXNetDied(self._process.wait(), self._logged()) from None
        if "error" in header:
            raise MXNetError(header["error"])
        return header, arrays

    def value(self, data, gamma=None, **options):
        """The operator's output, in inference."""
        return self.call(data, gamma, do="value", **options)[1]["output"]

    def gradients(self, data, gamma=None, head=None, **options):
        """A dictionary: output, d_data, d_gamma for prelu, mask for rrelu; the head gradient is one unless given."""
        return self.call(data, gamma, head, do="gradients", **options)[1]

    def value_and_gradient(self, data, gamma=None, **options):
        """The output and d_data for a head gradient of one."""
        arrays = self.gradients(data, gamma, **options)
        return arrays["output"], arrays["d_data"]

    def run(self, code, **arrays):
        """Execute a program with `mx` and `arrays` in its scope: what it leaves in `result` and `found`."""
        try:
            send(self._process.stdin, {"do": "run", "code": code}, arrays)
            header, found = receive(self._process.stdout)
        except (EOFError, BrokenPipeError):
            raise MXNetDied(self._process.wait(), self._logged()) from None
        if "error" in header:
            raise MXNetError(header["error"])
        return header["result"], found

    def seconds(self, what, repeats, data, gamma=None, head=None, **options):
        """How long each of `repeats` calls took: of the operator ("value"), or of its backward pass ("gradients")."""
        return self.call(data, gamma, head, do="time", what=what, repeats=repeats, **options)[0]["seconds"]

    def _logged(self):
        self._log.seek(0)
        return self._log.read().decode(errors="replace")
