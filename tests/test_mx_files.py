"""MXNet's `.params` and `-symbol.json` files: every version, byte for byte, and what is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rectifier import mx
from rectifier.mx import params_file
from rectifier.mx.base import DTYPE_NUMBERS
from rectifier.mx.params_array import SparseArray
from tests.fuzz_files import READERS, Fuzzer, read_symbol
from ulp import assert_same_bits

CORPUS = Path(__file__).with_name("corpus")
PARAMS = sorted(CORPUS.glob("*.params"))
SYMBOLS = sorted(CORPUS.glob("*-symbol.json"))
VALUES = np.linspace(-2, 2, 6).reshape(2, 3)


def written(arrays, path, **options):
    params_file.save(path, arrays, **options)
    return path.read_bytes()


def is_of_160(path):
    return "-v0" not in path.name and "-v1" not in path.name


# --- parameters


@pytest.mark.parametrize("path", list(filter(is_of_160, PARAMS)), ids=lambda path: path.name)
def test_files_of_160_come_out_byte_for_byte(path, tmp_path):
    with params_file.ParamsFile(path) as file:
        np_shape = file.np_shape or None
    assert written(params_file.load(path, dense=False), tmp_path / "x", np_shape=np_shape) == path.read_bytes()


@pytest.mark.parametrize("version", ["", "-v0", "-v1"])
def test_dense_arrays_of_every_version(version):
    found = params_file.load(CORPUS / f"dense{version}.params")
    assert list(found) == [
        *(f"arg:{name}" for name in ("float16", "float32", "float64", "int32")),
        *(f"aux:{name}" for name in ("uint8", "int8", "int64", "bool")),
    ]
    for name, array in found.items():
        expected = (abs(VALUES) if name.startswith("aux") else VALUES).astype(name[4:])
        assert_same_bits(
            array.view(np.uint8) if array.dtype == bool else array,
            expected.view(np.uint8) if array.dtype == bool else expected,
        )
    with params_file.ParamsFile(CORPUS / f"dense{version}.params") as file:
        assert {array.version for array in file.arrays} == {int(version[-1]) if version else 2}


def test_lists_and_empty_files():
    for version in ("", "-v0", "-v1"):
        found = params_file.load(CORPUS / f"list{version}.params")
        assert [array.tolist() for array in found] == [[0.25, 0.5], [[[0.0], [0.0]]]]
    assert params_file.load(CORPUS / "empty.params") == []


def test_shapes_of_numpy():
    found = params_file.load(CORPUS / "np-shape.params")
    assert found["scalar"].shape == ()
    assert found["scalar"] == 3
    assert found["empty"].shape == (2, 0)


def test_sparse_arrays_become_dense():
    found = params_file.load(CORPUS / "sparse.params")
    assert found["row_sparse"].tolist() == [[1, 2], [0, 0], [0, 0], [3, 4], [0, 0]]
    assert found["csr"].tolist() == [[0, 1, 0], [2, 0, 3]]
    assert found["row_sparse_zeros"].tolist() == found["csr_zeros"].tolist() == [[0, 0]] * 3
    assert found["é"].tolist() == [1]


def test_arrays_are_read_one_at_a_time():
    with params_file.ParamsFile(CORPUS / "sparse.params") as file:
        assert file.names == ["row_sparse", "csr", "row_sparse_zeros", "csr_zeros", "é"]
        assert [array.storage for array in file.arrays] == ["row_sparse", "csr", "row_sparse", "csr", "default"]
        assert file.read("é").tolist() == file.read(4).tolist() == [1]
        sparse = file.read("csr", dense=False)
        assert isinstance(sparse, SparseArray)
        assert sparse.data.tolist() == [1, 2, 3]
        with pytest.raises(KeyError, match="absent"):
            file.read("absent")
        with pytest.raises(IndexError):
            file.read(5)


arrays_of_any_dtype = st.sampled_from(list(DTYPE_NUMBERS)).flatmap(
    lambda dtype: hnp.arrays(np.uint8, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)).map(
        lambda array: array.astype(dtype)
    )
)


@given(
    st.lists(arrays_of_any_dtype, max_size=4) | st.dictionaries(st.text(max_size=5), arrays_of_any_dtype, max_size=4)
)
def test_round_trip(arrays):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.params"
        params_file.save(path, arrays)
        found = params_file.load(path)
    names = arrays if isinstance(found, dict) else range(len(arrays))
    assert len(found) == len(arrays)
    for name in names:
        assert found[name].dtype == arrays[name].dtype
        assert found[name].shape == arrays[name].shape
        assert found[name].tobytes() == arrays[name].tobytes()


def test_layouts_and_byte_orders(tmp_path):
    big = np.arange(6, dtype=">f4").reshape(2, 3)
    params_file.save(tmp_path / "x", {"big": big, "turned": big.T, "back": big[::-1], "list": [1.5, 2.5]})
    found = params_file.load(tmp_path / "x")
    assert found["turned"].tolist() == big.T.tolist()
    assert found["back"].tolist() == big[::-1].tolist()
    assert found["big"].dtype == np.dtype("f4")
    assert found["list"].tolist() == [1.5, 2.5]
    found["big"][0, 0] = 7  # the arrays belong to the caller


def test_arrays_without_a_shape_keep_their_place(tmp_path):
    for np_shape in (False, True):
        params_file.save(tmp_path / "x", [None, np.ones(1, "f")], np_shape=np_shape)
        first, second = params_file.load(tmp_path / "x")
        assert first is None
        assert second.tolist() == [1]


def test_bytes_that_are_no_bools_become_bools(tmp_path):
    content = written({"b": np.array([True, False])}, tmp_path / "x").replace(
        b"\x01\x00\x01\x00\x00\x00", b"\x07\x00\x01\x00\x00\x00"
    )
    assert params_file.load_frombuffer(content)["b"].view(np.uint8).tolist() == [1, 0]


def test_names_of_models():
    arrays = {"arg:w": 1, "aux:m": 2, "plain": 3}
    assert params_file.split_names(arrays) == ({"w": 1, "plain": 3}, {"m": 2})
    assert params_file.join_names({"w": 1}, {"m": 2}) == {"arg:w": 1, "aux:m": 2}


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.params"
    before = written([np.ones(2)], path)
    with pytest.raises(TypeError, match=r"`data` must hold arrays of dtype float32, .*, got complex128 for '1'"):
        params_file.save(path, [np.zeros(2), np.zeros(1, complex)])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


SAVE_ERRORS = [
    ({1: np.ones(1)}, {}, TypeError, "`data` must have strings for names, got 1"),
    ({"a": "text"}, {}, TypeError, "`data` must hold arrays of dtype .*, got <U4 for 'a'"),
    ([np.ones(())], {"np_shape": False}, ValueError, "`np_shape` must be True for arrays without dimensions"),
    (
        [np.ones(()), SparseArray("csr", (1, 1), np.ones(0), (np.zeros(2, int), np.zeros(0, int)))],
        {},
        ValueError,
        "`data` must not mix sparse arrays",
    ),
]


@pytest.mark.parametrize(("data", "options", "kind", "words"), SAVE_ERRORS)
def test_save_refuses(data, options, kind, words, tmp_path):
    with pytest.raises(kind, match=words):
        params_file.save(tmp_path / "x", data, **options)
    assert list(tmp_path.iterdir()) == []


def test_absent_files():
    for call in (params_file.load, mx.sym.load):
        with pytest.raises(FileNotFoundError):
            call("/absent/file")
    with pytest.raises(OSError, match="cannot write /absent/file"):
        params_file.save("/absent/file", [])
    with pytest.raises(TypeError, match="`buf` must be bytes, got str"):
        params_file.load_frombuffer("text")


def container(*arrays, names=()):
    content = struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays) + struct.pack("<Q", len(names))
    return content + b"".join(struct.pack("<Q", len(name)) + name for name in names)


def dense_bytes(shape, number=0, data=b"", magic=0xF993FAC9, storage=0):
    sizes = struct.pack(f"<i{len(shape)}q", len(shape), *shape)
    return struct.pack("<Ii", magic, storage) + sizes + struct.pack("<iii", 1, 0, number) + data


def rows(shape, index, data_rows, storage=1, claimed=None):
    """A row-sparse array of float32 ones with these row numbers."""
    claimed = (data_rows, *shape[1:]) if claimed is None else claimed
    head = struct.pack("<Ii", 0xF993FAC9, storage) + struct.pack(f"<i{len(claimed)}q", len(claimed), *claimed)
    head += struct.pack(f"<i{len(shape)}q", len(shape), *shape) + struct.pack("<iii", 1, 0, 0)
    head += struct.pack("<iiq", 6, 1, len(index))
    return head + np.ones((len(index), *shape[1:]), "f").tobytes() + np.array(index, "i8").tobytes()


def columns(shape, starts, index, claimed=None):
    claimed = (len(index),) if claimed is None else claimed
    head = struct.pack("<Ii", 0xF993FAC9, 2) + struct.pack(f"<i{len(claimed)}q", len(claimed), *claimed)
    head += struct.pack("<iqq", 2, *shape) + struct.pack("<iii", 1, 0, 0)
    head += struct.pack("<iiq", 6, 1, len(starts)) + struct.pack("<iiq", 6, 1, len(index))
    return head + np.ones(len(index), "f").tobytes() + np.array([*starts, *index], "i8").tobytes()


BAD_PARAMS = [
    (b"", "at byte 0: the header needs 8 bytes, but 0 are left"),
    (b"PK\x03\x04" + bytes(30), "at byte 0: not a .params file, which begins with 0x112"),
    (struct.pack("<QQQ", 0x112, 1, 0), "at byte 8: the reserved word must be 0"),
    (struct.pack("<QQQ", 0x112, 0, 2**64 - 1), "byte 24: array 0 of 18446744073709551615 needs 4 bytes, but 0 are"),
    (container(dense_bytes((2**40,))), "of shape (1099511627776,) and dtype float32 needs 4398046511104 bytes, but"),
    (container(dense_bytes((2**62, 2**62, 4))), "needs 340282366920938463463374607431768211456 bytes, but"),
    (container(dense_bytes((-1,))), "must have sizes of 0 and more, got (-1,)"),
    (container(dense_bytes((1,), number=99)), "must have a dtype from 0 to 12, got 99"),
    (container(dense_bytes((1,), storage=3)), "at byte 28: array 0 of 1 must be stored as 0, 1 or 2, got 3"),
    (container(dense_bytes((1,) * 33)), "must have 0 to 32 dimensions, got 33"),
    (container(struct.pack("<I", 0xF993FACB)), "at byte 24: array 0 of 1 must have 0 to 32 dimensions, got 4187224779"),
    (container(dense_bytes((1,), data=bytes(4)), names=[b"a", b"b"]), "as many names as arrays, 1, or none, got 2"),
    (container(*[dense_bytes((1,), data=bytes(4))] * 2, names=[b"a", b"a"]), "the name 'a' must not occur twice"),
    (container(dense_bytes((1,), data=bytes(4))) + b"x", "1 bytes follow the last name"),
    (struct.pack("<QQQQQ", 0x112, 0, 0, 0, 0), "8 bytes follow the last name"),
    (container(dense_bytes((1,), data=bytes(4)), names=[b"a"])[:-1], "name 0 of 1 needs 1 bytes, but 0 are left"),
    (container(rows((4, 2), [0, 4], 2)), "rows must be in increasing order between 0 and 3"),
    (container(rows((4, 2), [1, 1], 2)), "rows must be in increasing order between 0 and 3"),
    (container(rows((4, 2), [-1], 1)), "rows must be in increasing order between 0 and 3"),
    (container(rows((4, 2), [1], 1, claimed=(2, 2))), "must have a stored part and indices that fit"),
    (container(rows((2**20, 2**20), [], 0)), "would take 4398046511104 bytes, more than `limit`, 1073741824"),
    (container(columns((2, 3), [0, 1, 3], [1, 0, 3])), "columns must lie between 0 and 2"),
    (container(columns((2, 3), [0, 2, 1], [1])), "rows must begin at 0 and end at 1, in increasing order"),
    (container(columns((2, 3), [0, 3, 1], [1])), "rows must begin at 0 and end at 1, in increasing order"),
    (container(columns((2, 3), [0, 1], [1])), "must have a stored part and indices that fit"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "words"), BAD_PARAMS, ids=[words[-40:] for _, words in BAD_PARAMS])
def test_bad_parameters(content, words):
    with pytest.raises(ValueError) as caught:
        params_file.load_frombuffer(content)
    assert words in str(caught.value)
    assert str(caught.value).startswith("parameters: at byte ")


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.name)
def test_every_truncation_is_refused(path):
    content = path.read_bytes()
    for length in range(len(content)):
        with pytest.raises(ValueError, match="at byte"):
            params_file.load_frombuffer(content[:length])


def test_the_file_is_named(tmp_path):
    (tmp_path / "x.params").write_bytes(b"12345678")
    with pytest.raises(ValueError, match=r"x\.params: at byte 0: not a \.params file"):
        params_file.load(tmp_path / "x.params")


def test_bfloat16(tmp_path):
    array = np.array([1.5, -2], ml_dtypes.bfloat16)
    params_file.save(tmp_path / "x", {"w": array})
    assert_same_bits(params_file.load(tmp_path / "x")["w"], array)


# --- symbols


@pytest.mark.parametrize("path", list(filter(is_of_160, SYMBOLS)), ids=lambda path: path.name)
def test_symbols_of_160_come_out_byte_for_byte(path, tmp_path):
    mx.sym.load(path).save(tmp_path / "x.json")
    assert (tmp_path / "x.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["activations", "arithmetic", "network"])
def test_older_symbols_are_brought_up_to_date(name):
    new, v09, v08 = (mx.sym.load(CORPUS / f"{name}{version}-symbol.json") for version in ("", "-v0.9", "-v0.8"))
    assert v09.tojson() == new.tojson()
    assert v08.list_arguments() == new.list_arguments()
    assert v08.list_auxiliary_states() == new.list_auxiliary_states()
    assert v08.list_outputs() == new.list_outputs()
    assert v08.get_internals().list_outputs() == new.get_internals().list_outputs()


def graph(*nodes, heads=None, **others):
    """The text of a graph: a variable x, and these nodes."""
    variable = {"op": "null", "name": "x", "inputs": []}
    heads = [[len(nodes), 0, 0]] if heads is None else heads
    return json.dumps({"nodes": [variable, *nodes], "arg_nodes": [0], "heads": heads, **others})


def node(op="LeakyReLU", name="a", inputs=((0, 0, 0),), **others):
    return {"op": op, "name": name, "inputs": inputs, **others}


def test_all_places_for_attributes():
    text = graph(node(attrs={"act_type": "elu"}, attr={"__k__": "v"}, param={"slope": "2", "act_type": "gelu"}))
    assert mx.sym.load_json(text).list_attr() == {"act_type": "elu", "__k__": "v", "slope": "2"}
    assert mx.sym.load_json(graph(node())).list_attr() == {}


def test_old_hidden_attributes_move():
    attr = {"lr_mult": "2", "act_type": "prelu", "gamma_lr_mult": "3", "ctx_group": "dev"}
    gamma = {"op": "null", "name": "g", "inputs": []}
    text = graph(node(attr=attr, inputs=[[0, 0], [2, 0]]), gamma, heads=[[1, 0]])
    symbol = mx.sym.load_json(text.replace('"arg_nodes": [0]', '"arg_nodes": [0, 2]'))
    assert symbol.attr_dict()["a"] == {
        "act_type": "prelu",
        "__lr_mult__": "2",
        "lr_mult": "2",
        "__ctx_group__": "dev",
        "ctx_group": "dev",
    }
    assert symbol.attr_dict()["g"] == {"__lr_mult__": "3", "lr_mult": "3", "__init__": '["Constant", {"value": 0.25}]'}


def test_missing_inputs_of_old_files_are_added():
    symbol = mx.sym.load_json(graph(node("BatchNorm", "bn", [[0, 0]])))
    assert symbol.list_inputs() == ["x", "bn_gamma", "bn_beta", "bn_moving_mean", "bn_moving_var"]
    assert symbol.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert symbol.attr_dict()["bn_moving_var"] == {"__init__": '["one", {}]'}
    symbol = mx.sym.load_json(graph(node(attrs={"act_type": "prelu"})))
    assert symbol.list_arguments() == ["x", "a_gamma"]


def test_old_names_of_operators_become_new_ones():
    symbol = mx.sym.load_json(
        graph(node("_Plus", "p", [[0, 0], [0, 0]]), node("ElementWiseSum", "s", [[1, 0]] * 3, param={"num_args": "3"}))
    )
    assert [each["op"] for each in json.loads(symbol.tojson())["nodes"]] == ["null", "elemwise_add", "add_n"]


def test_operators_that_nobody_knows():
    symbol = mx.sym.load_json(graph(node("Strange", "s", attrs={"a": "b"}), node(inputs=[[1, 2, 0]])))
    assert symbol.list_arguments() == ["x"]
    assert symbol.get_internals().list_outputs() == ["x", "s_output0", "s_output1", "s_output2", "a_output"]
    assert symbol.infer_shape_partial(x=(2, 3)) == ([(2, 3)], [()], [])
    assert mx.sym.load_json(symbol.tojson()).tojson() == symbol.tojson()


def test_numpy_shapes_are_remembered():
    text = graph(node(), attrs={"mxnet_version": ["int", 10600], "is_np_shape": ["int", 1]}, node_row_ptr=[0, 1, 2])
    assert '"is_np_shape": ["int", 1]' in mx.sym.load_json(text).tojson()


def test_a_deep_graph():
    nodes = [node("relu", f"n{i}", [[i, 0, 0]]) for i in range(3_000)]
    symbol = mx.sym.load_json(graph(*nodes))
    assert len(symbol.get_internals()) == 3_001
    assert mx.sym.load_json(symbol.tojson()).tojson() == symbol.tojson()
    assert symbol(x=mx.sym.Variable("y")).list_arguments() == ["y"]


CYCLE = graph(node("relu", "a", [[2, 0, 0]]), node("relu", "b", [[1, 0, 0]]))
BAD_SYMBOLS = [
    ("", "Expecting value at line 1, column 1"),
    ('{"nodes": [}', "Expecting value at line 1, column 12"),
    ("[" * 100_000, "its JSON is nested too deeply"),
    ('{"nodes": NaN}', "NaN is not JSON"),
    ('{"nodes": ' + "9" * 5000 + "}", "not a symbol: Exceeds the limit (4300 digits)"),
    ("[]", "the graph must be an object, got []"),
    ("{}", "'nodes' is missing"),
    ('{"nodes": 1}', "'nodes' must be a list, got 1"),
    (graph().replace("arg_nodes", "arguments"), "unknown field 'arguments'"),
    (graph(1), "node 1: must be an object, got 1"),
    (graph({"op": "relu", "name": "a"}), "node 1: 'inputs' is missing"),
    (graph(node(other=1)), "node 1: unknown field 'other'"),
    (graph(node(attrs={"slope": 0.5})), "node 1: attrs 'slope' must be a string, got 0.5"),
    (graph(node(name=None)), "node 1: 'name' must be a string, got None"),
    (graph(node(op="")), "node 1: 'op' must be an operator's name, got ''"),
    (graph(node(name="\ud800")), "has half of a surrogate pair"),
    (graph(node(inputs=[[5, 0, 0]])), "node 1 ('a'): input 0 must be the number of a node, 0 to 1, got 5"),
    (graph(node(inputs=[[0]])), "node 1 ('a'): input 0 must be [node, output] or [node, output, version], got [0]"),
    (graph(node(inputs=[[0, -1]])), "input 0 must be [node, output] or"),
    (graph(node(inputs=[[0, 2**20]])), "input 0 must name an output below 65536, got 1048576"),
    (graph(node(inputs=[[0, 1, 0]])), "output 1 of node 'x' is read, but there is none"),
    (graph(node("null", "b")), "node 1 ('b'): a variable must have no inputs"),
    (CYCLE, "node 'b' is part of a cycle"),
    (graph(node(inputs=[[1, 0, 0]])), "node 'a' is part of a cycle"),
    (graph(node(control_deps=[7])), "node 1 ('a'): control dependency must be the number of a node, 0 to 1, got 7"),
    (graph(heads=[]), "'heads' must name at least one output"),
    (graph(heads=[[3, 0, 0]]), "head 0 must be the number of a node, 0 to 0, got 3"),
    (graph(heads=[[0, 1, 0]]), "output 1 of node 'x' is read, but there is none"),
    (graph(node(), node_row_ptr=[0, 1]), "'node_row_ptr' must have 3 numbers"),
    (graph(node(), node_row_ptr=[0, 1, 1]), "'node_row_ptr' must increase, got 1 after 1"),
    (graph(node(), node_row_ptr=[0, 1, 4_000_000_000]), "'node_row_ptr' must count outputs, got 4000000000 in all"),
    (graph(node(), node_row_ptr=[0, 1, 3]), "node 'a': LeakyReLU does not have 2 outputs"),
    (graph(node()).replace('"arg_nodes": [0]', '"arg_nodes": [1]'), "'arg_nodes' must name variables, got node 1"),
    (graph(attrs={"mxnet_version": 1}), "attribute 'mxnet_version' must be [\"int\", number], got 1"),
    (graph(node(attrs={"act_type": "big"})), ", got 'big' in node 'a' (operator LeakyReLU)"),
    (graph(node(attrs={"mood": "big"})), "`mood` must be one of the operator's parameters, which are act_type, slope"),
    (graph(node("_plus_scalar")), "`scalar` must be given in node 'a' (operator _plus_scalar)"),
    (graph(node("add_n", attrs={"num_args": "4000000000"})), "`num_args` must be an integer from 1 to 65535"),
    (graph(node("relu", inputs=[[0, 0], [0, 0]])), "node 'a': relu must have 1 inputs (data), got 2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), BAD_SYMBOLS, ids=[words[-40:] for _, words in BAD_SYMBOLS])
def test_bad_symbols(text, words):
    with pytest.raises(ValueError) as caught:
        mx.sym.load_json(text)
    assert words in str(caught.value)


def test_subgraphs_nested_too_deeply():
    inner = json.loads(graph())
    for _ in range(40):
        inner = json.loads(graph(node("_foreach", subgraphs=[inner])))
    with pytest.raises(ValueError, match="subgraphs are nested more than 32 deep"):
        mx.sym.load_json(json.dumps(inner))


# --- fuzzing


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_corpus(path):
    fuzzer = Fuzzer(0)
    fuzzer.read(path.read_bytes(), path.suffix)
    assert fuzzer.findings == []


def test_changed_files_are_read_or_refused():
    fuzzer = Fuzzer(0, seconds=60)
    fuzzer.run(1500)
    assert fuzzer.findings == []
    assert len(fuzzer.outcomes) == 4
    assert min(fuzzer.outcomes.values()) > 30


def test_the_fuzzer_notices(monkeypatch, tmp_path):
    def broken(data):
        raise KeyError("a crash")

    monkeypatch.setitem(READERS, ".json", broken)
    fuzzer = Fuzzer(0, tmp_path / "kept")
    fuzzer.read(b"{}", ".json")
    assert fuzzer.findings == [(".json", "KeyError('a crash')")]
    assert (tmp_path / "kept" / "found-1.json").read_bytes() == b"{}"


def test_the_fuzzer_notices_what_does_not_come_back(monkeypatch):
    monkeypatch.setattr(mx.Symbol, "tojson", lambda self: graph(node(name=str(id(self)))))
    with pytest.raises(AssertionError):
        read_symbol(graph().encode())
