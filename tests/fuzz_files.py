"""Feed changed files to the readers of MXNet's files: each has to be read or refused with a ValueError.

    python -m tests.fuzz_files --count 1000000

begins with the files of tests/corpus and those that it finds on the way to be read and new in kind. What is read is
written and read again, which must change nothing. A crash, another error, more than `--memory` MiB or more than
`--seconds` for one input is a finding: the input is kept in the folder that `--keep` names, and the exit status is 1.
One seed and one first number give the same inputs each time, so that a long run can be done in pieces.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import resource
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from rectifier import mx
from rectifier.mx import params_file

CORPUS = Path(__file__).with_name("corpus")
DENSE_LIMIT = 1 << 20

# Numbers that sizes, counts and offsets go wrong with.
NUMBERS = (0, 1, 2, 7, 12, 31, 32, 33, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
WORDS = (
    b"null", b"-1", b"1e400", b"[]", b"{}", b'""', b"[[0, 0, 0]]", b"4294967296", b"999999999999999999999", b"true",
    b'"LeakyReLU"', b'"prelu"', b'"rrelu"', b'"act_type"', b'"num_args"', b'"slope"', b"\\ud800", b"\\u0000", b"\xff",
    b'"attr"', b'"param"', b'"subgraphs"', b'"control_deps"', b'"__shape__"', b'"__dtype__"', b'"(0, -1)"', b"NaN",
)  # fmt: skip


def change(data, other, rng):
    """The data with one to four changes; `other` is material to splice in."""
    if data[:1] == b"{" and rng.random() < 0.6:
        return change_tree(data, rng)
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(9)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + rng.randint(1, 16)]
        elif kind == 3:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif kind == 4:
            size = rng.choice((4, 8))
            at -= at % 4
            data[at : at + size] = (rng.choice(NUMBERS) % 2 ** (8 * size)).to_bytes(size, "little")
        elif kind == 5:
            data[at : at + rng.choice((0, 0, 1, 3))] = rng.choice(WORDS)
        elif kind == 6:
            begin = rng.randrange(len(other) + 1)
            data[at : at + rng.randint(0, 40)] = other[begin : begin + rng.randint(1, 80)]
        elif kind == 7:
            data[at:at] = data[at : at + rng.randint(1, 60)] * rng.choice((1, 2, 50))
        else:
            _change_number(data, rng)
    return bytes(data[: 1 << 16])


VALUES = (
    None, True, -1, 0, 1, 2, 3, 2**16, 2**31, 2**64, 0.5, "", "null", "LeakyReLU", "prelu", "rrelu", "-1", "(0,)",
    "add_n", "SliceChannel", "BatchNorm", "65535", "\ud800", "\x00", [], [[]], {}, [0, 0, 0], [[1, 0, 0]], [5, 1],
    {"a": "1"},
)  # fmt: skip
KEYS = (
    "attrs", "attr", "param", "op", "name", "inputs", "control_deps", "subgraphs", "heads", "node_row_ptr", "act_type",
    "slope", "num_args", "num_outputs", "__shape__", "__dtype__", "lr_mult", "gamma_lr_mult",
)  # fmt: skip


def change_tree(data, rng):
    """A JSON text with one to three of its values changed, removed, doubled or exchanged."""
    try:
        tree = json.loads(data.decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return data
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            break
        holder, key = rng.choice(places)
        kind = rng.randrange(6)
        if kind == 0:
            del holder[key]
        elif kind == 1:
            other, other_key = rng.choice(places)
            holder[key] = copy.deepcopy(other[other_key])
        elif kind == 2 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 3 and isinstance(holder, dict):
            holder[rng.choice(KEYS)] = rng.choice(VALUES)
        elif kind == 4 and type(holder[key]) is int:
            holder[key] += rng.choice((-2, -1, 1, 2, 1000))
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _places(tree):
    """Every holder and key in a JSON tree."""
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], (dict, list)):
                waiting.append(holder[key])


def _change_number(data, rng):
    """Another number where the text has one."""
    digits = [i for i, byte in enumerate(data) if 48 <= byte < 58]
    if digits:
        at = rng.choice(digits)
        data[at : at + 1] = str(rng.choice((*NUMBERS, -1, rng.randrange(40)))).encode()


def read_params(data):
    """Read a `.params` file, write it and read it again; the kind of what was read."""
    with params_file.ParamsFile(data) as file:
        arrays = [file.read(i, dense=False) for i in range(len(file.arrays))]
        for i in range(len(arrays)):
            file.read(i, limit=DENSE_LIMIT)
        kind = tuple(sorted({(a.version, a.storage, str(a.dtype)) for a in file.arrays})), bool(file.names)
        given = dict(zip(file.names, arrays, strict=True)) if file.names else arrays
        try:
            content = params_file.save_tobuffer(given, np_shape=file.np_shape or None)
        except ValueError:  # sparse arrays beside ones that only version 3 can hold
            return kind
    again = params_file.load_frombuffer(content, dense=False)
    assert params_file.save_tobuffer(again, np_shape=file.np_shape or None) == content
    return kind


def read_symbol(data):
    """Read a symbol, ask all about it, write it and read it again; the kind of what was read."""
    symbol = mx.sym.load_json(data.decode("utf-8", "surrogateescape"))
    text = symbol.tojson()
    assert mx.sym.load_json(text).tojson() == text
    repr(symbol)
    symbol.debug_str()
    symbol.attr_dict()
    symbol.list_auxiliary_states()
    symbol.get_internals().list_outputs()
    for infer in (symbol.infer_shape_partial, symbol.infer_type_partial):
        try:
            infer()
        except mx.MXNetError:
            continue
    return tuple(sorted({node.op or "" for node in mx.graph.walk(symbol.outputs)})), len(symbol)


READERS = {".params": read_params, ".json": read_symbol}


class TooSlow(Exception):
    """An input took longer than allowed."""


def _raise_too_slow(*_):
    raise TooSlow


class Fuzzer:
    """Changes files and reads them.

    Parameters
    ----------
    seed : int
    keep : path-like or None
        The folder for findings.
    seconds : float
        How long one input may take.
    """

    def __init__(self, seed, keep=None, seconds=5.0):
        self.seed, self.keep, self.seconds = seed, keep, seconds
        self.pools = {suffix: [] for suffix in READERS}
        self.kinds = set()
        self.outcomes = Counter()
        self.findings = []
        for path in sorted(CORPUS.iterdir()):
            if path.suffix in self.pools:
                self.pools[path.suffix].append(path.read_bytes())
        self.seeds = {suffix: len(pool) for suffix, pool in self.pools.items()}

    def one(self, number):
        """Change one file and read it."""
        rng = random.Random(f"{self.seed} {number}")
        suffix = rng.choice(list(READERS))
        pool = self.pools[suffix]
        self.read(change(rng.choice(pool), rng.choice(pool), rng), suffix)

    def read(self, data, suffix):
        """Read a file of this kind and note what happened."""
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            kind = READERS[suffix](data)
        except ValueError as error:
            self.outcomes[f"{suffix} refused"] += 1
            if not str(error):
                self.findings.append((suffix, "an error without words"))
        except BaseException as error:
            self.findings.append((suffix, repr(error)[:200]))
            self._keep(data, suffix)
            if isinstance(error, KeyboardInterrupt):
                raise
        else:
            self.outcomes[f"{suffix} read"] += 1
            if (suffix, kind) not in self.kinds and len(self.pools[suffix]) < self.seeds[suffix] + 400:
                self.kinds.add((suffix, kind))
                self.pools[suffix].append(data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _keep(self, data, suffix):
        if self.keep is not None:
            Path(self.keep).mkdir(exist_ok=True)
            (Path(self.keep) / f"found-{len(self.findings)}{suffix}").write_bytes(data)

    def run(self, count, first=0):
        """Read `count` inputs."""
        previous = signal.signal(signal.SIGALRM, _raise_too_slow)
        try:
            for number in range(first, first + count):
                self.one(number)
        finally:
            signal.signal(signal.SIGALRM, previous)


def main():
    """Run the command; the exit status is 1 if there are findings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="how many inputs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0, help="how long one input may take")
    parser.add_argument("--memory", type=int, default=1024, help="MiB of address space beyond those at the start")
    parser.add_argument("--keep", default="fuzz-findings", help="the folder for inputs that fail")
    options = parser.parse_args()
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 1 << 20
    limit = pages * resource.getpagesize() + (options.memory << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    fuzzer = Fuzzer(options.seed, options.keep, options.seconds)
    begin = time.perf_counter()
    fuzzer.run(options.count, options.first)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.count} inputs in {seconds:.0f} s, at most {peak:.0f} MiB; {len(fuzzer.kinds)} kinds of content")
    print(", ".join(f"{outcome}: {count}" for outcome, count in sorted(fuzzer.outcomes.items())))
    for suffix, error in fuzzer.findings:
        print(f"finding in {suffix}: {error}")
    return 1 if fuzzer.findings else 0


if __name__ == "__main__":
    sys.exit(main())
