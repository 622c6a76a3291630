"""Random networks of MXNet: a seed gives a graph of several operators with branches, its arrays, and its outputs.

    .venv-mxnet/bin/python -W ignore tests/mxnet/random_networks.py SEED [STEPS]

prints the graph's JSON. A network of fewer steps is the beginning of the one with more: a failing one can be shrunk by
its number of steps. `mx` is an argument, so that both interpreters can import this.
"""

import contextlib
import io
import sys

import numpy as np
import random_array_steps  # noqa: F401 - enters its steps
from random_steps import STEPS, head

SMALLEST, LARGEST = 8, 6000  # elements in a value between two steps


class Draft:
    """A network that is being drawn."""

    def __init__(self, mx, seed):
        self.mx, self.sym, self.rng = mx, mx.sym, np.random.default_rng([7, *seed])
        self._count = 0
        self.limits = {}  # indices below which an input of whole numbers lies
        rank = self.choice([3, 4, 4, 4, 5])
        sizes = [self.integer(3, 6 if rank == 5 else 10) for _ in range(rank - 2)]
        self.inputs = {"data": (self.integer(1, 3), self.choice([2, 3, 4, 6]), *sizes)}
        self.values = [(self.sym.Variable("data"), self.inputs["data"])]

    # --- what steps draw from

    def integer(self, low, high):
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability=0.5):
        return bool(self.rng.random() < probability)

    def choice(self, options):
        return options[int(self.rng.integers(len(options)))]

    def shuffled(self, options):
        return [int(each) for each in self.rng.permutation(list(options))]

    def several(self, options):
        options = list(options)
        return self.shuffled(options)[: self.integer(1, len(options))]

    def axis(self, shape):
        return self.integer(0, len(shape) - 1)

    def name(self, word):
        self._count += 1
        return f"{word}{self._count}"

    def parameter(self, shape):
        return self.sym.Variable(self.name("parameter"), shape=shape)

    def index(self, limit, shape):
        name = self.name("index")
        self.limits[name], self.inputs[name] = limit, shape
        return self.sym.Variable(name)

    def other(self, x, shape):
        """An earlier value of the same shape, or one made of this."""
        same = [value for value, found in self.values[:-1] if found == shape]
        return self.choice(same) if same else self.sym.tanh(0.7 * x + 0.2)

    def formula(self, text, *values):
        """The symbol that a formula such as ``tanh({0}) * {1}`` describes."""
        names = {key: getattr(self.sym, key) for key in dir(self.sym) if not key.startswith("_")}
        return eval(text.format("a", "b"), {**names, **dict(zip("ab", values, strict=False))})

    # --- growth

    def shape_of(self, symbol):
        """The output's shape, or None where MXNet refuses the graph or it is of no use here."""
        known = {name: self.inputs[name] for name in symbol.list_arguments() if name in self.inputs}
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # MXNet says what it refuses
                shape = (symbol.infer_shape(**known)[1] or [()])[0]
        except self.mx.base.MXNetError:
            return None
        good = 2 <= len(shape) <= 5 and SMALLEST <= np.prod(shape, dtype=int) <= LARGEST
        return shape if good else None

    def grow(self):
        """Add one value, made of the last or of one a little earlier."""
        weights = np.array([weight for weight, _, _ in STEPS], float)
        while True:
            x, shape = self.values[-1 if self.chance(0.8) else -self.integer(1, min(4, len(self.values)))]
            _, ranks, make = STEPS[self.rng.choice(len(STEPS), p=weights / weights.sum())]
            if len(shape) not in ranks:
                continue
            try:
                symbol = make(self, x, shape)
            except self.mx.base.MXNetError:
                continue
            found = None if symbol is None else self.shape_of(symbol)
            if found is not None:
                self.values.append((symbol, found))
                return

    def outputs(self):
        """The heads: of the last value, and now and then of two or three."""
        last = [self.values[-1]]
        if self.chance(0.3):
            last += [self.choice(self.values[1:]) for _ in range(self.integer(1, 2))]
        heads = [head(self, x, shape) for x, shape in last]
        return heads[0] if len(heads) == 1 else self.sym.Group(heads)


def draw(mx, seed, steps=None, attempt=0):
    """The symbol, the shapes of its inputs, and the limits of inputs that are indices."""
    draft = Draft(mx, [seed, attempt])
    length = draft.integer(4, 16)
    with mx.name.NameManager():
        for _ in range(length if steps is None else steps):
            draft.grow()
        draft.rng = np.random.default_rng([8, seed])
        symbol = draft.outputs()
    names = set(symbol.list_arguments())
    return symbol, {name: shape for name, shape in draft.inputs.items() if name in names}, draft.limits


def arrays_for(symbol, inputs, limits, seed):
    """Random arrays by name: inputs, parameters, labels and states."""
    rng = np.random.default_rng([9, seed])
    arguments, _, states = symbol.infer_shape(**inputs)

    def array(name, shape):
        if name in limits:
            return rng.integers(0, limits[name], shape).astype("f")
        if name.endswith("_weight"):
            return rng.normal(0, np.sqrt(2 / np.prod(shape[1:], dtype=int)), shape).astype("f")
        if name.endswith("var"):
            return rng.uniform(0.5, 1.5, shape).astype("f")
        if name == "data":
            return rng.normal(0, 1, shape).astype("f")
        return rng.uniform(-1, 1, shape).astype("f")

    names = symbol.list_arguments() + symbol.list_auxiliary_states()
    return {name: array(name, shape) for name, shape in zip(names, arguments + states, strict=True)}


def forward(mx, symbol, arrays):
    """The outputs in inference."""
    given = {name: mx.nd.array(array) for name, array in arrays.items()}
    states = {name: given.pop(name) for name in symbol.list_auxiliary_states()}
    outputs = symbol.bind(mx.cpu(), given, aux_states=states, grad_req="null").forward(is_train=False)
    return [output.asnumpy() for output in outputs]


def depends_on_data(mx, symbol, arrays, outputs):
    """Whether other data give another result: softmax of one number does not, for one."""
    if "data" not in arrays:
        return False
    others = forward(mx, symbol, {**arrays, "data": arrays["data"][..., ::-1] * 0.7 + 0.1})
    pairs = zip(outputs, others, strict=True)
    return any(np.abs(one - other).max() > 1e-3 * np.abs(one).max() for one, other in pairs)


def run(mx, seed, steps=None):
    """The graph's JSON and its inputs' names, and the arrays: by name, and the outputs under "0", "1" and so on."""
    for attempt in range(100):
        symbol, inputs, limits = draw(mx, seed, steps, attempt)
        arrays = arrays_for(symbol, inputs, limits, seed)
        outputs = forward(mx, symbol, arrays)
        if depends_on_data(mx, symbol, arrays, outputs):
            break
    found = {str(i): output for i, output in enumerate(outputs)}
    return {"json": symbol.tojson(), "inputs": list(inputs)}, {**arrays, **found}


if __name__ == "__main__":
    import mxnet

    seed, *steps = map(int, sys.argv[1:])
    print(run(mxnet, seed, *steps)[0]["json"])
