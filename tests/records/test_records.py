"""Records travel as JSON and come back equal; damaged, foreign and newer files are refused in one line."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import stat
import subprocess
import sys
import textwrap
import types
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot import records
from surefoot.errors import OutputError, RecordError
from surefoot.records import (
    CurvePoint,
    Found,
    Measurement,
    Provenance,
    Recipe,
    Record,
    Run,
    Sweep,
    float_series,
    int_series,
    write_text,
)

KINDS = [
    one for one in vars(records).values() if isinstance(one, type) and issubclass(one, Record) and one is not Record
]

TEXT = st.text(max_size=12)
FLOAT = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e9, 1e9)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
POSITIVE = st.floats(1e-12, 1e6)


def values(hint, length=None):
    """Values of a field, from its type alone; `length` is that of its series, where they go together."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is typing.Any:
        return PLAIN
    if origin in (types.UnionType, typing.Union):
        return st.one_of([values(one, length) for one in arguments])
    if origin is np.ndarray:
        whole = typing.get_args(arguments[1])[0] is np.int64
        fewest, most = (0, 4) if length is None else (length, length)
        return (
            st.lists(st.integers(-(2**62), 2**62), min_size=fewest, max_size=most).map(int_series)
            if whole
            else st.lists(FLOAT, min_size=fewest, max_size=most).map(float_series)
        )
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0], length), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if origin is dict:
        return st.dictionaries(TEXT, values(arguments[1]), max_size=2)
    if isinstance(hint, type) and issubclass(hint, Record):
        return some(hint)
    return {type(None): st.none(), float: FLOAT, int: st.integers(-(2**62), 2**62), str: TEXT, bool: st.booleans()}[
        hint
    ]


CONSTRAINED = {
    Recipe: {
        "lr": st.none() | POSITIVE,
        "batch_size": st.just("full") | st.integers(1, 2**40),
        "epochs": POSITIVE,
        "clip": st.none() | POSITIVE,
        "accumulate": st.integers(1, 9),
        "precision": st.sampled_from(["float32", "bf16"]),
        "seed": st.integers(0, 2**63 - 1),
        "data_seed": st.none() | st.integers(0, 2**63 - 1),
    },
    Measurement: {"value": FLOAT, "low": st.none(), "confidence": st.floats(0.01, 0.99)},
    Found: {"status": st.just("found"), "lr": POSITIVE, "reason": st.text(min_size=1, max_size=9)},
    records.Curvature: {"lr": st.none(), "verdict": st.none()},
    records.NoiseScale: {"status": st.just("resolved"), "value": FLOAT},
    records.Probe: {"status": st.just("found"), "lr": POSITIVE, "interval": st.tuples(POSITIVE, POSITIVE)},
    records.Diagnosis: {
        "probability": st.floats(0, 1),
        "decades": st.none() | st.tuples(FINITE, FINITE).map(lambda pair: tuple(sorted(pair))),
    },
}


@st.composite
def some(draw, kind):
    """Any record of the kind."""
    if kind is Run:
        return draw(runs())
    if kind is records.Picture:
        return draw(pictures())
    if kind is records.Landscape:
        return draw(landscapes())
    hints = typing.get_type_hints(kind)
    own = CONSTRAINED.get(kind, {})
    length = draw(st.integers(0, 3))
    fields = [field.name for field in dataclasses.fields(kind)]
    return kind(**{name: draw(own[name] if name in own else values(hints[name], length)) for name in fields})


@st.composite
def landscapes(draw):
    count, length = draw(st.integers(1, 2)), draw(st.integers(0, 3))
    row = st.lists(FLOAT, min_size=length, max_size=length).map(float_series)
    hints = typing.get_type_hints(records.Landscape)
    given = {name: draw(values(hints[name])) for name in ("task", "origin_loss", "complete", "notes", "seconds")}
    axes = [dataclasses.replace(draw(some(records.Axis)), values=draw(row)) for _ in range(count)]
    path = dataclasses.replace(
        draw(some(records.PathOnPlane)), step=int_series(), coordinates=(float_series(),) * count,
        **{name: float_series() for name in ("lrs", "losses", "plane_losses", "off_plane", "distance")},
    )  # fmt: skip
    rows = length if count == 2 else 1
    return records.Landscape(
        directions=draw(TEXT), around=draw(TEXT), axes=tuple(axes), grid=tuple(draw(row) for _ in range(rows)),
        paths=(path,), **given,
    )  # fmt: skip


@st.composite
def pictures(draw):
    rows, looks = draw(st.integers(1, 2)), draw(st.lists(st.integers(0, 99), max_size=2, unique=True).map(sorted))
    numbers = st.lists(FLOAT, min_size=3 * rows * len(looks), max_size=3 * rows * len(looks))
    return records.Picture(
        draw(TEXT), draw(TEXT), (rows, 3), step=int_series(looks), values=draw(numbers.map(float_series))
    )


@st.composite
def runs(draw):
    hints = typing.get_type_hints(Run)
    steps = draw(st.lists(st.integers(0, 2**40), max_size=4, unique=True).map(sorted))
    points = draw(st.lists(st.integers(0, 2**40), max_size=3, unique=True).map(sorted))

    def series(count):
        return st.lists(FLOAT, min_size=count, max_size=count).map(float_series)

    given = {
        name: draw(values(hints[name])) for name in ("recipe", "steps_per_epoch", "fate", "seconds", "notes", "task")
    }
    given |= {name: draw(TEXT) for name in ("unit", "reason", "source")}
    return Run(
        step=int_series(steps),
        loss=draw(series(len(steps))),
        lr=draw(series(len(steps))),
        grad_norm=draw(series(len(steps)) | st.just(float_series())),
        val_step=int_series(points),
        val_loss=draw(series(len(points))),
        val_metrics=draw(st.dictionaries(TEXT, series(len(points)), max_size=2)),
        **given,
    )


RUN = Run(
    recipe=Recipe(lr=0.1, options={"momentum": 0.9}),
    step=int_series([0, 1]),
    loss=float_series([2.5, math.inf]),
    lr=float_series([0.1, 0.05]),
    val_step=int_series([0]),
    val_loss=float_series([math.nan]),
    val_metrics={"accuracy": float_series([0.25])},
    fate="diverged",
)


class TestJson:
    def test_the_form_is_exactly_this(self):
        """Others read these files: a change of keys or coding needs a new schema version."""
        point = CurvePoint(lr=0.1, loss=math.inf, spread=None, steps=3, horizon=5, fate="diverged", stage="rung 1")
        assert point.dumps() == textwrap.dedent(
            """\
            {
            "kind": "curve_point",
            "schema": 1,
            "lr": 0.1,
            "loss": "inf",
            "spread": null,
            "steps": 3,
            "horizon": 5,
            "fate": "diverged",
            "seed": 0,
            "stage": "rung 1"
            }
            """
        )

    def test_a_run_in_full(self):
        data = json.loads(RUN.dumps())
        shown = {key: data[key] for key in ("kind", "schema", "step", "loss", "lr", "grad_norm", "val_step", "fate")}
        assert shown == {
            "kind": "run",
            "schema": 1,
            "step": [0, 1],
            "loss": [2.5, "inf"],
            "lr": [0.1, 0.05],
            "grad_norm": [],
            "val_step": [0],
            "fate": "diverged",
        }
        assert data["val_loss"] == ["nan"]
        assert data["val_metrics"] == {"accuracy": [0.25]}
        assert data["recipe"]["options"] == {"momentum": 0.9}

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    def test_there_and_back(self, kind):
        @settings(max_examples=25, deadline=None, database=None, derandomize=True)
        @given(some(kind))
        def check(record):
            text = record.dumps()
            back = kind.from_json(json.loads(text))
            assert back == record
            assert hash(back) == hash(record)
            assert back.dumps() == text

        check()

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    def test_through_a_file(self, kind, tmp_path):
        @settings(max_examples=5, deadline=None, database=None, derandomize=True)
        @given(some(kind))
        def check(record):
            assert kind.load(record.save(tmp_path / "record.json")) == record

        check()

    def test_every_kind_has_a_name_of_its_own(self):
        assert len({kind.kind for kind in KINDS}) == len(KINDS) >= 8


class TestValues:
    def test_nan_equals_nan_and_no_identity_is_involved(self):
        assert CurvePoint(0.1, math.nan, None, 1, 1, "retired") == CurvePoint(0.1, float("nan"), None, 1, 1, "retired")
        assert CurvePoint(0.1, 1.0, None, 1, 1, "retired") != CurvePoint(0.1, math.nan, None, 1, 1, "retired")
        assert Recipe() != Provenance()

    def test_equal_records_have_equal_hashes(self):
        assert Recipe(lr=1) == Recipe(lr=1.0)
        assert hash(Recipe(lr=1)) == hash(Recipe(lr=1.0))
        assert len({Recipe(options={"betas": (0.9, 0.99)}), Recipe(options={"betas": [0.9, 0.99]})}) == 1

    def test_fields_and_series_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            RUN.fate = "finished"
        with pytest.raises(ValueError, match="read-only"):
            RUN.loss[0] = 1.0

    def test_series_are_copies(self):
        source = np.array([1.0, 2.0])
        series = float_series(source)
        source[0] = 5.0
        assert series.tolist() == [1.0, 2.0]
        assert int_series(np.arange(3, dtype=np.int32)).dtype == np.int64

    def test_what_contradicts_itself_is_refused(self):
        with pytest.raises(RecordError, match="`loss` has 1 entries and `step` has 2"):
            dataclasses.replace(RUN, loss=float_series([1.0]))
        with pytest.raises(RecordError, match="`step` does not rise"):
            dataclasses.replace(RUN, step=int_series([3, 3]))
        with pytest.raises(RecordError, match="`accuracy` has 2 entries and `val_step` has 1"):
            dataclasses.replace(RUN, val_metrics={"accuracy": float_series([1, 2])})
        with pytest.raises(RecordError, match=r"`low` is 2\.0 and `high` is 1\.0"):
            Measurement("rate", 1.0, low=2.0, high=1.0)
        with pytest.raises(RecordError, match="needs a `reason`"):
            Measurement("rate", None)

    def test_a_run_thinned_keeps_both_ends(self):
        count = 101
        run = Run(
            step=int_series(range(count)), loss=float_series(range(count)), lr=float_series(np.ones(count)),
            grad_norm=float_series(range(count)), val_step=int_series([count]), val_loss=float_series([0.5]),
        )  # fmt: skip
        thin = run.thinned(11)
        assert thin.step.tolist() == list(range(0, count, 10)) == thin.loss.tolist() == thin.grad_norm.tolist()
        assert thin.steps == run.steps == count
        assert thin.final_val_loss == 0.5
        assert run.thinned(1000) is run

    def test_the_last_validation_of_a_diverged_run_is_infinite(self):
        assert RUN.final_val_loss == math.inf
        assert math.isnan(Run().final_val_loss)

    def test_a_sweep_counts_its_steps(self):
        assert Sweep("task", (RUN, RUN)).cost == 4


class TestRefused:
    def refusal(self, path, kind=Run):
        with pytest.raises(RecordError) as caught:
            kind.load(path)
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(f"`{path}`")
        assert len(message) < 400
        return message

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"schema": 2}, "has schema 2, and this version of Surefoot reads up to 1: upgrade Surefoot"),
            ({"schema": "1"}, "`schema` of this run record is '1'"),
            ({"schema": True}, "it is a whole number from 1"),
            ({"kind": "sweep"}, "this is a record of kind `sweep`; a `run` record is needed here"),
            ({"loss": [1.0]}, "`loss` has 1 entries and `step` has 2"),
            ({"loss": [1.0, None]}, "`run.loss` is null; float is needed"),
            ({"loss": [1.0, "much"]}, "`run.loss` is text ('much'); float is needed"),
            ({"loss": {"0": 1.0}}, "`run.loss` is an object"),
            ({"loss": [1.0, 10**400]}, "too large for a float"),
            ({"step": [0, 1.5]}, "`run.step` is a number (1.5); int is needed"),
            ({"step": [0, 2**70]}, "`run.step` is a number"),
            ({"step": [1, 0]}, "`step` does not rise"),
            ({"fate": "lost"}, "`run.fate` is text ('lost')"),
            ({"notes": "one"}, "`run.notes` is text ('one'); a list is needed"),
            ({"val_metrics": []}, "`run.val_metrics` is a list"),
            ({"recipe": 5}, "a recipe record is a JSON object, not a number (5)"),
            ({"recipe": {"kind": "recipe", "lr": -1.0}}, "`lr` is -1.0; a rate is a finite number above 0"),
            ({"recipe": {"schema": 9}}, "this recipe record has schema 9"),
        ],
    )
    def test_a_damaged_record(self, tmp_path, change, said):
        path = tmp_path / "run.json"
        path.write_text(json.dumps(RUN.to_json() | change))
        assert said in self.refusal(path)

    def test_a_missing_field(self, tmp_path):
        path = tmp_path / "point.json"
        path.write_text('{"lr": 0.1}')
        assert "lacks the field `loss`" in self.refusal(path, CurvePoint)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no JSON at all",
            RUN.dumps()[:-40],
            "[" * 100_000,
            '{"a":' * 100_000,
            "1" * 10_000,
            "[1, 2, 3]",
            "null",
            '"run"',
            "\x00",
        ],
        ids=["empty", "text", "truncated", "deep list", "deep object", "huge number", "list", "null", "string", "NUL"],
    )
    def test_a_file_that_is_no_record(self, tmp_path, text):
        path = tmp_path / "broken.json"
        path.write_text(text)
        self.refusal(path)

    def test_free_values_nested_without_end(self, tmp_path):
        path = tmp_path / "recipe.json"
        path.write_text('{"kind": "recipe", "options": {"a": ' + "[" * 300 + "]" * 300 + "}}")
        assert "nested more than" in self.refusal(path, Recipe)

    def test_a_missing_a_binary_and_a_closed_file(self, tmp_path):
        assert self.refusal(tmp_path / "nothing.json").endswith("no such file")
        path = tmp_path / "binary.json"
        path.write_bytes(b"\xff\xfe\x00")
        assert "cannot be read" in self.refusal(path)
        assert "cannot be read" in self.refusal(tmp_path)

    def test_unknown_keys_of_later_versions_of_a_schema_are_passed_over(self):
        assert Run.from_json(RUN.to_json() | {"colour": "red"}) == RUN


class TestWriting:
    def test_a_full_disk_leaves_the_old_file_whole(self, tmp_path):
        """The limit on the size of files is the operating system's own; the write fails in its middle."""
        path = tmp_path / "record.json"
        path.write_text("old")
        code = (
            "import resource, signal, sys\n"
            "from surefoot.errors import OutputError\n"
            "from surefoot.records import write_text\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "try:\n    write_text(sys.argv[1], 'x' * 5000)\n"
            "except OutputError as error:\n    print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == f"`{path}` cannot be written: File too large; name another place\n"
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["record.json"]

    def test_no_space_left_when_the_file_is_closed(self, tmp_path, monkeypatch):
        path = tmp_path / "record.json"
        path.write_text("old")

        def full(handle, *_args, **_kwargs):
            os.close(handle)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("surefoot.records.record.os.fdopen", full)
        with pytest.raises(OutputError, match="No space left on device; name another place"):
            RUN.save(path)
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["record.json"]

    def test_an_interrupt_leaves_no_part(self, tmp_path, monkeypatch):
        def interrupted(handle, *_args, **_kwargs):
            os.close(handle)
            raise KeyboardInterrupt

        monkeypatch.setattr("surefoot.records.record.os.fdopen", interrupted)
        with pytest.raises(KeyboardInterrupt):
            RUN.save(tmp_path / "record.json")
        assert os.listdir(tmp_path) == []

    def test_places_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("")
        loop = tmp_path / "loop"
        loop.symlink_to(loop)
        for path in (
            tmp_path / "no" / "r.json",
            tmp_path,
            tmp_path / "file" / "r.json",
            loop,
            "nul\0.json",
            "/proc/r.json",
        ):
            with pytest.raises(OutputError, match="cannot be written"):
                RUN.save(path)
        assert sorted(os.listdir(tmp_path)) == ["file", "loop"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_without_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        with pytest.raises(OutputError, match="Permission denied"):
            RUN.save(tmp_path / "r.json")
        tmp_path.chmod(0o700)

    def test_the_mode_is_that_of_any_new_file_and_long_names_do(self, tmp_path):
        (tmp_path / "plain").write_text("")
        path = RUN.save(tmp_path / ("r" * 250))
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)

    def test_a_link_is_followed_and_a_device_stays_one(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "target")
        write_text(tmp_path / "link", "new")
        assert (tmp_path / "target").read_text() == "new"
        assert (tmp_path / "link").is_symlink()
        write_text("/dev/null", "nothing")
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
