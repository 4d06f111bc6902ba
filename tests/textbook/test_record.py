"""The record of the lab: verdicts by rule, round trip, refusals."""

from __future__ import annotations

import json
import math

import pytest

from surefoot.errors import InputError, RecordError
from surefoot.records import float_series
from surefoot.textbook.lab import PROGRAMS, Curve, Grid, LabResult, Panel, Setting, find_program
from surefoot.textbook.lab.verdicts import Verdicts


def test_a_verdict_follows_its_rule():
    verdicts = Verdicts()
    verdicts.compare("near", 1.0, 1.04, what="n", within=0.05)
    verdicts.compare("far", 1.0, 1.06, what="n", within=0.05)
    verdicts.compare("share", 200.0, 219.0, what="n", share=0.1)
    verdicts.compare("spread", 1.0, 1.5, what="n", spread=0.3)
    verdicts.compare("narrow", 1.0, 1.5, what="n", spread=0.2)
    verdicts.compare("entries", [1, 2, 3], [1, 2.5, 3], what="n")
    verdicts.compare("lost", 1.0, math.nan, what="n", within=100)
    verdicts.compare("away", math.inf, 1.0, what="n", within=100)
    found = verdicts.fields()["verdict"]
    assert [found[key] for key in ("near", "far", "share", "spread", "narrow", "lost", "away")] == [
        "agrees", "differs", "agrees", "agrees", "differs", "differs", "differs",
    ]  # fmt: skip
    assert found["entries"] == ["agrees", "differs", "agrees"]
    assert verdicts.agreeing("entries") == "2 of 3"
    with pytest.raises(ValueError, match="2 printed numbers and 1"):
        verdicts.compare("lengths", [1, 2], [1], what="n")


def test_a_statement_is_one_or_nought():
    verdicts = Verdicts()
    verdicts.state("holds", True, what="it rains", when="drops fall")
    verdicts.state("fails", False, what="it rains", when="drops fall")
    fields = verdicts.fields()
    assert (fields["measured"], fields["verdict"]) == (
        {"holds": 1.0, "fails": 0.0}, {"holds": "agrees", "fails": "differs"},
    )  # fmt: skip
    assert fields["rule"]["fails"] == "it rains; 1 when drops fall, else 0"


def test_a_result_comes_back_equal():
    verdicts = Verdicts()
    verdicts.compare("losses", [0.5, 0.25], [0.5, math.inf], what="loss")
    panel = Panel(
        "p",
        curves=(Curve("c", float_series([0, 1]), float_series([1, math.nan])),),
        grids=(Grid("g", 1, 2, float_series([1, 2])),),
    )
    result = LabResult(name="n", title="t", **verdicts.fields(), facts={"a": [1, 2]}, panels=(panel,))
    assert LabResult.from_json(json.loads(result.dumps())) == result
    assert result.counts == (1, 2)
    assert list(result.to_json())[:2] == ["kind", "schema"]
    assert result.to_json()["kind"] == "lab"


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(RecordError, match="differ in the keys a"):
        LabResult(name="n", title="t", printed={"a": 1.0})
    with pytest.raises(RecordError, match="`y` of curve `c` has 1 entries and `x` has 2"):
        Curve("c", float_series([0, 1]), float_series([1]))
    with pytest.raises(RecordError, match="has 3 values; 2 rows of 2"):
        Grid("g", 2, 2, float_series([1, 2, 3]))


def test_unknown_names_and_bad_settings_are_told():
    with pytest.raises(InputError, match=r"no program 'xor_backprob' in the lab; the nearest are xor-backprop"):
        find_program("xor_backprob")
    with pytest.raises(InputError, match="there are xor-backprop"):
        find_program("qqqq")
    with pytest.raises(InputError, match="`seeds` is 0"):
        Setting(seeds=0)
    with pytest.raises(InputError, match="`seed` is -1"):
        Setting(seed=-1)
    with pytest.raises(InputError, match="only mnist-cnn, epochs do"):
        find_program("bowl").run(Setting(data="/nowhere"))


def test_the_contracted_programs_are_there():
    wanted = {"xor-backprop", "xor-rates", "xor-optimizers", "mnist-cnn", "epochs", "scenarios", "schedules",
              "gradient-noise", "cnn-facts"}  # fmt: skip
    assert wanted <= set(PROGRAMS)
    assert all(name == program.name and program.summary for name, program in PROGRAMS.items())
