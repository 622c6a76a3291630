"""Write the files of tests/corpus with MXNet 1.6.0: what tests and fuzzing of the readers begin with.

    .venv-mxnet/bin/python tests/mxnet/make_corpus.py

Files of other releases are changed from these by hand, in the way that each release wrote them.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np

import mxnet as mx

CORPUS = Path(__file__).parents[1] / "corpus"
KEYS = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage")


def params():
    """One file for each form that 1.6.0 writes."""
    values = np.linspace(-2, 2, 6).reshape(2, 3)
    dense = {f"arg:{name}": mx.nd.array(values, dtype=name) for name in ("float16", "float32", "float64", "int32")}
    dense.update({f"aux:{name}": mx.nd.array(abs(values), dtype=name) for name in ("uint8", "int8", "int64", "bool")})
    yield "dense", dense, False
    yield "list", [mx.nd.array([0.25, 0.5]), mx.nd.zeros((1, 2, 1))], False
    yield "empty", [], False
    rows = mx.nd.sparse.row_sparse_array(([[1.0, 2.0], [3.0, 4.0]], [0, 3]), shape=(5, 2))
    columns = mx.nd.sparse.csr_matrix(([1.0, 2.0, 3.0], [1, 0, 2], [0, 1, 3]), shape=(2, 3))
    zeros = {f"{kind}_zeros": mx.nd.sparse.zeros(kind, (3, 2)) for kind in ("row_sparse", "csr")}
    sparse = {"row_sparse": rows, "csr": columns, **zeros, "é": mx.nd.ones((1,))}
    mx.nd.waitall()
    yield "sparse", sparse, False
    with mx.util.np_shape(True):
        arrays = {"scalar": mx.np.array(3.0).as_nd_ndarray(), "empty": mx.np.zeros((2, 0)).as_nd_ndarray()}
        mx.nd.waitall()
    yield "np-shape", arrays, True


def symbols():
    """Graphs that show each part of the format."""
    x, label = mx.sym.Variable("data"), mx.sym.Variable("label", shape=(0, 2), dtype="float32", lr_mult=0.5)
    act = [mx.sym.LeakyReLU(x, act_type=name, name=name) for name in ("leaky", "elu", "selu", "gelu", "prelu", "rrelu")]
    yield "activations", mx.sym.Group(act)
    with mx.AttrScope(ctx_group="dev1", __layout__="NCHW"):
        a = mx.sym.LeakyReLU(x, act_type="elu", slope=0.3, name="a")
    y = ((a + 1) * (2 - x) / mx.sym.broadcast_add(a, label) - 0.5) ** 2
    yield "arithmetic", mx.sym.Group([mx.sym.add_n(y, a, x), mx.sym.Cast(y > 0, dtype="float16")])
    net = mx.sym.Convolution(x, num_filter=4, kernel=(3, 3), pad=(1, 1), no_bias=True, name="conv")
    net = mx.sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name="bn")
    net = mx.sym.LeakyReLU(net, act_type="prelu", name="relu")
    net = mx.sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    net = mx.sym.Dropout(mx.sym.FullyConnected(net, num_hidden=3, name="fc"), name="drop")
    yield "network", mx.sym.SoftmaxOutput(net, name="softmax")
    parts = mx.sym.SliceChannel(x, num_outputs=3, name="parts")
    odd = mx.sym.Variable('name "quoted"\\\té', attr={"key": "line\nbreak"})
    yield "outputs", mx.sym.Group([parts[2], mx.sym.Concat(parts[0], parts[1], odd, dim=0, name="joined")])
    body = lambda data, state: (mx.sym.LeakyReLU(data + state), state * 2)  # noqa: E731
    yield "control-flow", mx.sym.contrib.foreach(body, x, mx.sym.Variable("state"), name="loop")[0]


def older_params(name, content):
    """The dense arrays of a version-2 file as version 1 and without a version."""
    count = struct.unpack_from("<Q", content, 16)[0]
    at, one, none = 24, content[:24], content[:24]
    for _ in range(count):
        ndim = struct.unpack_from("<i", content, at + 8)[0]
        shape = struct.unpack_from(f"<{ndim}q", content, at + 12)
        rest = at + 12 + 8 * ndim
        number = struct.unpack_from("<i", content, rest + 8)[0]
        end = rest + 12 + int(np.prod(shape)) * (4, 8, 2, 1, 4, 1, 8, 1)[number]
        one += struct.pack(f"<Ii{ndim}q", 0xF993FAC8, ndim, *shape) + content[rest:end]
        none += struct.pack(f"<I{ndim}I", ndim, *shape) + content[rest:end]
        at = end
    yield f"{name}-v1", one + content[at:]
    yield f"{name}-v0", none + content[at:]


def older_symbols(name, text):
    """The graph as releases before 1.0 and before 0.9 wrote it."""
    graph = json.loads(text)
    for node in graph["nodes"]:
        node["attr"] = node.pop("attrs", {})
    graph["attrs"]["mxnet_version"][1] = 904
    yield f"{name}-v0.9", json.dumps(graph, indent=2)
    del graph["attrs"], graph["node_row_ptr"]
    for node in graph["nodes"]:
        hidden = {key: node["attr"].pop(key) for key in list(node["attr"]) if key.startswith("__")}
        node["param"] = node.pop("attr") if node["op"] != "null" else {}
        node["attr"] = {key[2:-2]: value for key, value in hidden.items() if key[2:-2] in KEYS}
        node["inputs"] = [entry[:2] for entry in node["inputs"]]
        node["backward_source_id"] = -1
        if node["op"] == "BatchNorm":
            del node["inputs"][3:]
    graph["heads"] = [head[:2] for head in graph["heads"]]
    yield f"{name}-v0.8", json.dumps(graph, indent=2)


def main():
    CORPUS.mkdir(exist_ok=True)
    for name, arrays, np_shape in params():
        path = CORPUS / f"{name}.params"
        with mx.util.np_shape(np_shape):
            mx.nd.save(str(path), arrays)
        if name in ("dense", "list"):
            for other, content in older_params(name, path.read_bytes()):
                (CORPUS / f"{other}.params").write_bytes(content)
    for name, symbol in symbols():
        path = CORPUS / f"{name}-symbol.json"
        symbol.save(str(path))
        if name in ("activations", "arithmetic", "network"):
            for other, text in older_symbols(name, path.read_text()):
                (CORPUS / f"{other}-symbol.json").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
