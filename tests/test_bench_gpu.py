"""The measurement on a GPU: it refuses without one, and its arithmetic is right."""

from __future__ import annotations

import json

import pytest

from benchmarks.gpu import command


class Work:
    name, size, dtype, arrays, goal = "prelu backward", 200, "float32", 3, ("eager", 1.6)


SECONDS = {"copy": [1.0, 2.0, 3.0], "ours": [4.0, 4.0, 8.0], "eager": [8.0] * 3, "compiled": [6.0] * 3}


def test_it_refuses_without_a_gpu(capsys, tmp_path):
    why = command.why_not()
    if why is None:
        pytest.skip("there is a GPU")
    assert command.main(["--output", str(tmp_path / "x.json")]) == 2
    assert capsys.readouterr().err == f"nothing was measured: {why}\n"
    assert "installed" in why or "TRITON_INTERPRET" in why or "CUDA device" in why
    assert list(tmp_path.iterdir()) == []


def test_the_copy_counts_for_as_many_bytes_as_the_work_moves():
    found = command.record(Work, SECONDS, copied=100)
    assert found["seconds"] == {"copy": 6.0, "ours": 4.0, "eager": 8.0, "compiled": 6.0}
    assert found["goal"] == {"against": "eager", "least": 1.6, "got": 2.0, "kept": True}
    slow = command.record(Work, {**SECONDS, "eager": [5.0] * 3}, copied=100)
    assert slow["goal"]["kept"] is False
    lines = command.table([found, slow])
    assert lines[1].split()[-4:] == ["1.50", "2.00", "1.50", "kept"]
    assert lines[2].endswith("missed: 1.25")


def test_a_file_is_written_whole(tmp_path):
    path = tmp_path / "x.json"
    command.write(path, {"records": [1]})
    assert json.loads(path.read_text()) == {"records": [1]}
    with pytest.raises(TypeError):
        command.write(path, {"records": {1}})
    assert json.loads(path.read_text()) == {"records": [1]}
