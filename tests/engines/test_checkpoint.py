"""Checkpoints: everything comes back, damage is seen, and the one before is used."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from surefoot.engines.checkpoint import Checkpoints, pack, unpack
from surefoot.errors import OutputError, RecipeError, RecordError

STATE = {
    "numbers": [1, 2.5, math.inf, -math.inf, 2**70, True, None, "text"],
    "pair": (0.9, (0.1, [3])),
    7: {"by number": {0: torch.arange(3), 1: torch.tensor(2.0, dtype=torch.bfloat16)}},
    "array": np.array([[1.0, math.nan]]),
    "a.b": torch.ones(2),
    "a": {"b": torch.zeros(2)},
    "~odd": 1,
}


def same(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def corrupt(path, place=-10):
    data = bytearray(path.read_bytes())
    data[place] ^= 0x01
    path.write_bytes(bytes(data))


def test_state_comes_back_as_it_was(folder):
    checkpoints = Checkpoints(folder)
    checkpoints.write(STATE)
    assert same(checkpoints.newest().state, STATE)
    assert same(STATE, STATE)
    assert not same({**STATE, "pair": [0.9, (0.1, [3])]}, STATE)


def test_packed_tensors_are_copies():
    tensors: dict[str, torch.Tensor] = {}
    one = torch.zeros(3)
    tree = pack({"x": one, "tied": one, "view": torch.arange(6.0).view(2, 3).T}, tensors)
    one += 1
    back = unpack(json.loads(json.dumps(tree)), tensors)
    assert back["x"].tolist() == back["tied"].tolist() == [0, 0, 0]
    assert back["x"].data_ptr() != back["tied"].data_ptr()
    assert back["view"].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_what_cannot_be_held_is_named():
    with pytest.raises(RecipeError, match=r"`state\.optimizer\.hook` .* function"):
        pack({"optimizer": {"hook": lambda: 0}}, {})


def test_two_newest_stay(folder):
    checkpoints = Checkpoints(folder)
    for number in range(5):
        assert checkpoints.write({"n": number, "x": torch.ones(2)}) == number + 1
    assert checkpoints.numbers() == [4, 5]
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda json_, blob: blob.write_bytes(blob.read_bytes()[:-1]), "bytes"),
        (lambda json_, blob: blob.write_bytes(b""), "bytes"),
        (lambda json_, blob: corrupt(blob), "tensors were changed"),
        (lambda json_, blob: blob.unlink(), "tensors cannot be read"),
        (lambda json_, blob: json_.write_bytes(json_.read_bytes()[:40]), "JSON cannot be read"),
        (lambda json_, blob: json_.write_text(json_.read_text().replace('"n": 2', '"n": 3')), "JSON was changed"),
        (lambda json_, blob: json_.write_bytes(b"\xff\xfe"), "JSON cannot be read"),
        (lambda json_, blob: json_.write_text("[1]"), "no checkpoint"),
    ],
)
def test_damaged_newest_gives_the_one_before(folder, damage, said):
    checkpoints = Checkpoints(folder)
    for number in (1, 2):
        checkpoints.write({"n": number, "x": torch.ones(2)})
    damage(folder / "checkpoint-000002.json", folder / "checkpoint-000002.safetensors")
    loaded = checkpoints.newest()
    assert (loaded.number, loaded.state["n"]) == (1, 1)
    assert len(loaded.notes) == 1
    assert said in loaded.notes[0]
    assert "checkpoint 2 is damaged" in loaded.notes[0]
    # The next one is written behind both, and is whole.
    assert checkpoints.write({"n": 3}) == 3
    assert checkpoints.newest().state == {"n": 3}


def test_nothing_whole_is_one_line(folder):
    checkpoints = Checkpoints(folder)
    with pytest.raises(RecordError, match="holds no checkpoint"):
        checkpoints.newest()
    checkpoints.write({"x": torch.ones(2)})
    corrupt(folder / "checkpoint-000001.safetensors")
    with pytest.raises(RecordError, match=r"no checkpoint in .* is whole: checkpoint 1 is damaged") as caught:
        checkpoints.newest()
    assert "\n" not in str(caught.value)


def test_another_schema_is_refused_and_not_passed_over(folder):
    checkpoints = Checkpoints(folder)
    checkpoints.write({"n": 1})
    path = folder / "checkpoint-000001.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    with pytest.raises(RecordError, match="schema 9, and this version of Surefoot reads 1"):
        checkpoints.newest()


def test_half_written_files_are_no_checkpoint_and_go(folder):
    checkpoints = Checkpoints(folder)
    checkpoints.write({"n": 1, "x": torch.ones(2)})
    (folder / "checkpoint-000002.safetensors").write_bytes(b"half")
    (folder / "checkpoint-000002.json.part").write_bytes(b"{")
    assert checkpoints.newest().state["n"] == 1
    assert checkpoints.write({"n": 2, "x": torch.zeros(2)}) == 2
    assert checkpoints.newest().state["n"] == 2
    assert not list(folder.glob("*.part"))


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no checkpoint can be written"):
        Checkpoints(tmp_path / "file").write({"n": 1})
