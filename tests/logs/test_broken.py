"""Damaged logs: no input crashes a reader; what is readable is given, and where reading stopped is said."""

import functools

import numpy as np
import pytest
from example_logs import EXAMPLES, files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.errors import InputError
from surefoot.logs import read_logs

WHOLE = files()
HEADS = [
    b"SQLite format 3\0",
    b":W&B\xe1\xbe\0",
    b"\x1f\x8b\x08",
    b"\xfd7zXZ\0",
    b"BZh9",
    b"(\xb5/\xfd",
    b"",
    b"{",
    b"[[",
]
HEADS += [b'{"log_history": [', b"step,loss\n", b"epoch;loss\r\n", b"\xff\xfe", b"loss=1 step=2\n", b"\xef\xbb\xbf[1,"]
SETTINGS = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def told(path):
    """What reading gives: runs, or the one error it may raise, with a remedy."""
    try:
        runs = read_logs(path)
    except InputError as error:
        message = str(error)
        runs = []
    else:
        message = "`"
    assert "\n" not in message
    assert "`" in message
    for one in runs:
        assert len(one.run.loss) == len(one.run.step) == len(one.run.lr)
        assert all(note.text.isprintable() and note.id for note in one.notes)
        assert one.name.isprintable()
    return runs


def entries(runs):
    return sum(len(one.run.loss) + len(one.run.val_loss) for one in runs)


@functools.cache
def whole_runs(path):
    return read_logs(path)


@pytest.mark.parametrize("path", files("broken"), ids=lambda path: path.name)
def test_a_cut_example_gives_its_beginning_or_says_why_not(path):
    source = {"-".join(one.relative_to(EXAMPLES).parts): one for one in WHOLE}.get(path.name.removeprefix("cut-"))
    runs = told(path)
    if source is None or "params" in path.name:
        return
    if not runs:
        assert ".db" in path.name
        with pytest.raises(InputError, match=r"cut off|damaged"):
            read_logs(path)
        return
    ended = path.read_bytes().endswith(b"\n")
    assert ended or any(one.stopped and one.noted("truncated") for one in runs)
    for one, whole in zip(runs, whole_runs(source), strict=False):
        size = len(one.run.loss)
        np.testing.assert_array_equal(one.run.loss, whole.run.loss[:size])
        np.testing.assert_array_equal(one.run.step, whole.run.step[:size])
    assert entries(runs) >= 0.5 * entries(whole_runs(source))


def test_a_changed_byte_costs_its_record_and_no_other():
    (one,) = read_logs(EXAMPLES / "broken" / "changed-tensorboard")
    (whole,) = whole_runs(next((EXAMPLES / "tensorboard").iterdir()))
    assert one.noted("corrupt-records")
    lost = len(whole.run.loss) + len(whole.run.val_loss) - len(one.run.loss) - len(one.run.val_loss)
    assert lost in (0, 1)
    kept = np.isin(whole.run.step, one.run.step)
    np.testing.assert_array_equal(whole.run.loss[kept], one.run.loss)


@pytest.mark.parametrize("place", [0.3, 0.4, 0.5, 0.6, 0.7])
def test_a_changed_byte_anywhere_changes_no_number(place, tmp_path):
    """The values of an event file are protected by checksums: what fails is left out, nothing else differs."""
    source = next((EXAMPLES / "accelerate").iterdir())
    (whole,) = whole_runs(source)
    start = int(place * len(source.read_bytes()))
    noted = 0
    for at in range(start, start + 60):
        data = bytearray(source.read_bytes())
        data[at] ^= 0x01
        (tmp_path / "log").write_bytes(bytes(data))
        (one,) = read_logs(tmp_path / "log")
        both = np.isin(whole.run.step, one.run.step)
        np.testing.assert_array_equal(whole.run.loss[both], one.run.loss)
        assert len(one.run.loss) >= len(whole.run.loss) - 1 or one.stopped
        noted += one.noted("corrupt-records") or bool(one.stopped)
    assert noted == 60


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: "-".join(path.parts[-2:]))
def test_no_cut_of_an_example_crashes(path, tmp_path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    target = tmp_path / "log"
    for size in rng.integers(0, len(data), 20):
        target.write_bytes(data[:size])
        told(target)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: "-".join(path.parts[-2:]))
def test_no_damage_to_an_example_crashes(path, tmp_path):
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    target = tmp_path / "log"
    for _ in range(20):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 20)):
            changed[place] = rng.integers(0, 256)
        target.write_bytes(bytes(changed))
        told(target)


@SETTINGS
@given(head=st.sampled_from(HEADS), body=st.binary(max_size=300))
def test_no_bytes_crash(head, body, tmp_path):
    target = tmp_path / "log"
    target.write_bytes(head + body)
    told(target)


@SETTINGS
@given(text=st.text(alphabet='0123456789.,;:=-+e[]{}"\n\t /#NaInfstepochlr_%|\x1b\r\x00é', max_size=300))
def test_no_text_crashes(text, tmp_path):
    target = tmp_path / "log"
    target.write_text("step,loss,lr\n0,1,2\n" + text, encoding="utf-8", newline="")
    told(target)
    target.write_text("step=1 loss=0.5\nstep=2 loss=0.4\n" + text, encoding="utf-8", newline="")
    told(target)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(10**400), 10**400) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["loss", "step", "kind", "x"]), inner),
    max_leaves=12,
)


@SETTINGS
@given(
    document=JSON,
    key=st.sampled_from(["log_history", "history", "loss", "kind", "data", "columns", "schema", "metrics"]),
)
def test_no_json_crashes(document, key, tmp_path):
    import json

    target = tmp_path / "log"
    for value in (document, {key: document, "loss": document}, [document, {"loss": 1.0, "step": document}]):
        target.write_text(json.dumps(value))
        told(target)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, '{"log_history": [' + '{"loss": ' * 20_000])
def test_nesting_without_end_is_no_crash(text, tmp_path):
    (tmp_path / "log").write_text(text)
    assert told(tmp_path / "log") == []


@pytest.mark.parametrize("text", ['{"x": "' + '\\"' * 50_000, '"a,' * 50_000, "loss=" * 40_000, "a" * 3_000_000])
def test_text_that_makes_searching_slow_is_read_at_once(text, tmp_path):
    (tmp_path / "log").write_text("step,loss\n1,2\n2,3\n" + text)
    told(tmp_path / "log")
    (tmp_path / "log").write_text(text)
    told(tmp_path / "log")
