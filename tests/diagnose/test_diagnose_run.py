"""The verdict on runs that are clear, on runs that are not, and laws that it obeys whatever the run."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from curves import good, growing, noise, run_of, straight
from hypothesis import given, settings
from hypothesis import strategies as st

import surefoot as sf
from surefoot.diagnose import diagnose_run
from surefoot.diagnose.correction import correction_words
from surefoot.diagnose.fitted import Trees, constants, size_interval
from surefoot.diagnose.siblings import place
from surefoot.diagnose.verdict import judge
from surefoot.errors import InputError
from surefoot.records.diagnosis import FINE, Diagnoses, Diagnosis

HIGH = {"rate_too_high", "diverged"}


EXAMPLES = Path(__file__).parent.parent / "logs" / "examples"


def test_a_straight_slow_descent_is_a_rate_too_low():
    found = diagnose_run(run_of(straight()))
    assert found.verdict == "rate_too_low"
    assert found.is_fault
    assert found.remedy.startswith("Raise the rate")


def test_a_slow_descent_that_slackens_says_by_how_much():
    found = diagnose_run(run_of(2.3 * np.exp(-np.arange(400) / 500) + noise(400, 0.05)))
    assert found.verdict == "rate_too_low"
    assert found.decades[0] >= 0
    assert found.decades[1] > 0.3
    assert "multiply" in found.remedy


def test_a_size_has_its_guess_in_the_middle_and_ends_on_its_side():
    """The interval is the guess with as much on either side, cut where it would cross nought; or nothing."""
    from surefoot.diagnose.features import NAMES

    rng, told = np.random.default_rng(4), 0
    for _ in range(400):
        features = dict(zip(NAMES, rng.normal(0, 1, len(NAMES)), strict=True))
        for side, name in ((1, "low"), (-1, "high")):
            ends, fit = size_interval(features, side), constants()["sizes"][name]
            if ends is None:
                continue
            told += 1
            guess = Trees(fit["guess"]).total(list(features.values()))
            assert sum(ends) / 2 == pytest.approx(guess)
            assert min(one * side for one in ends) >= -1e-9
            assert ends[1] - ends[0] <= fit["widest"] + 2 * fit["slack"] + 1e-9
    assert told >= 10


def test_a_fault_is_not_told_where_the_training_may_be_a_good_one(monkeypatch):
    """The same run, but for how probable it is that any fault would be a false alarm."""
    run = run_of(straight())
    told = diagnose_run(run)
    assert told.verdict == "rate_too_low"
    monkeypatch.setattr(sys.modules[judge.__module__], "good_likelihood", lambda features: 0.9)
    unsure = diagnose_run(run)
    assert unsure.verdict == "unknown"
    assert "all may be well" in unsure.text
    assert unsure.likelihoods == told.likelihoods


def test_a_loss_that_grows_without_end_is_a_rate_too_high():
    found = diagnose_run(run_of(growing()))
    assert found.verdict in HIGH
    assert found.remedy.startswith("Cut the rate")
    # So high a rate says little of how far the best one lies below; who knows it, is told.
    assert ("divide" in found.remedy) == (found.decades is not None)
    assert ("surefoot find" in found.remedy) == (found.decades is None)


def test_a_loss_that_becomes_nan_in_a_sound_training_is_told_with_its_step():
    loss = good()
    loss[200:] = np.nan
    found = diagnose_run(run_of(loss, lr=1e-3))
    assert found.verdict == "nan"
    assert "200" in found.text


def test_three_losses_are_too_few_for_any_verdict():
    found = diagnose_run(run_of([2.3, 2.0, 1.9]))
    assert (found.verdict, found.decades) == ("unknown", None)
    assert found.remedy


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        ([3.06, 3.91, 18.0, 8080.0, np.inf, np.nan], "diverged"),
        ([2.3, 2.2, 2.1, np.nan, np.nan], "nan"),
        ([2.3, np.nan, np.nan], "unknown"),
        ([1.38, 1.69, 1.6, np.nan], "unknown"),
    ],
)
def test_a_short_log_that_stops_being_a_number(losses, verdict):
    """Diverged if the loss ran away before, no number if it stood, unknown if that cannot be seen."""
    found = diagnose_run(run_of(losses))
    assert found.verdict == verdict
    assert found.is_fault == (verdict != "unknown")
    if verdict == "unknown":
        assert "too high" in found.text


def test_a_short_log_whose_logger_hid_a_nan_is_told_so_and_nothing_twice():
    told = sf.diagnose(EXAMPLES / "huggingface_nan")
    assert told.verdict == "nan"
    assert next(one for one in told.findings if one.id == "loss-not-finite").steps == (35, 60)
    assert sum("mean over" in note or "averaged" in note for note in told.notes) == 1


def test_dead_units_that_were_counted_decide():
    found = diagnose_run(run_of(2.3 + noise(100, 0.02)), evidence={"dead_units/conv1": ([0, 50], [1.0, 1.0])})
    assert found.verdict == "dead_units"
    assert "conv1" in found.text


def test_a_validation_loss_stands_in_for_a_training_loss_that_is_missing():
    val = np.linspace(2.3, 0.2, 30)
    found = diagnose_run(run_of([], val=val, val_step=np.arange(30)))
    assert any("in its place" in note for note in found.notes)
    assert found.findings[0].result == "fails"


def test_the_unit_of_the_loss_does_not_matter():
    loss = straight()
    one, other = diagnose_run(run_of(loss)), diagnose_run(run_of(1024.0 * loss))
    assert (one.verdict, one.decades) == (other.verdict, other.decades)
    assert one.probability == pytest.approx(other.probability, abs=1e-6)


def test_the_run_is_not_changed_and_the_record_comes_back_equal():
    run = run_of(good(1000), lr=0.1)
    before = run.dumps()
    found = diagnose_run(run, path="a.csv", format="csv", notes=("a quirk",))
    assert run.dumps() == before
    assert len(found.run.loss) <= 400
    assert Diagnosis.from_json(json.loads(json.dumps(found.to_json()))) == found
    several = Diagnoses((found, found))
    assert Diagnoses.from_json(json.loads(several.dumps())) == several


def test_json_has_what_its_contract_names():
    data = diagnose_run(run_of(straight())).to_json()
    assert {"path", "format", "verdict", "probability", "decades", "findings", "notes"} <= set(data)
    for finding in data["findings"]:
        assert {"id", "result", "statistic", "steps", "remedy"} <= set(finding)
    assert any(finding["statistic"] is not None for finding in data["findings"])


losses = st.lists(st.one_of(st.floats(width=32), st.just(float("nan"))), max_size=60)


@settings(max_examples=60, deadline=None)
@given(losses, st.booleans(), st.booleans())
def test_any_numbers_give_an_answer(values, with_rate, with_validation):
    val = np.array(values[:10]) if with_validation else None
    run = run_of(values, lr=0.1 if with_rate else None, val=val, val_step=None if val is None else range(len(val)))
    found = diagnose_run(run)
    assert 0.0 <= found.probability <= 1.0
    json.dumps(found.to_json(), allow_nan=False)
    assert found.is_fault == (found.verdict not in FINE)


def sweep_of(best=-2.0):
    """A sweep whose final loss is a parabola in the log rate, lowest at `best`."""
    runs = []
    for place_, x in enumerate(np.arange(-5.0, 1.0)):
        final = 0.2 + 0.1 * (x - best) ** 2 if x <= best else 0.2 + 0.3 * (x - best) ** 2
        loss = min(final, 2.3) + (2.3 - min(final, 2.3)) * np.exp(-np.arange(200) / 20) + noise(200, 0.01, place_)
        runs.append(run_of(loss, lr=10.0**x))
    return runs


def test_siblings_are_placed_on_their_response_curve():
    for where, x in zip(place(sweep_of()), np.arange(-5.0, 1.0), strict=True):
        assert where.runs == 6
        assert where.low <= -2.0 - x <= where.high
    found = sf.diagnose(sweep_of())
    verdicts = [one.verdict for one in found.each]
    assert verdicts[:2] == ["rate_too_low"] * 2
    assert verdicts[3] in ("rate_ok", "converged")
    assert verdicts[-1] in HIGH | {"noise_floor"}
    assert found.each[0].decades[0] <= 3.0 <= found.each[0].decades[1] + 0.5


@pytest.mark.parametrize(
    ("decades", "said"),
    [
        ((1.55, 3.25), "multiply it by 35 to 1800"),
        ((-2.0, -0.5), "divide it by 3.2 to 100"),
        ((0.0, 1.2), "multiply it by up to 16"),
        ((-1.0, 0.0), "divide it by up to 10"),
        ((-0.3, 0.3), "multiply it by 0.5 to 2"),
        ((1.0, 1.0), "multiply it by 10"),
    ],
)
def test_a_correction_in_words(decades, said):
    assert correction_words(decades) == said
    assert correction_words(decades, "the rate") == said.replace("it", "the rate", 1)


def test_a_correction_from_siblings_is_said_as_it_is_recorded():
    for one in sf.diagnose(sweep_of()).each:
        if one.decades is not None and one.verdict != "noise_floor":
            assert correction_words(one.decades) in one.remedy


def test_runs_of_other_trainings_are_no_siblings():
    runs = sweep_of()
    assert place(runs[:2]) == [None, None]
    other = [dataclasses.replace(run, unit="epoch") if number % 2 else run for number, run in enumerate(runs[:4])]
    assert place(other) == [None] * 4
    assert place(runs[:4], ["csv", "keras", "csv", "keras"]) == [None] * 4


def test_a_best_rate_between_steep_sides_is_found():
    """Rates beside the best are so much worse that no rate between is good."""
    rates, finals = [-9.0, -2.01, -2.0, -1.99, 5.0], [50.0, 50.0, 0.01, 50.0, 50.0]
    runs = [run_of(np.linspace(2.3, final, 50), lr=10.0**x) for x, final in zip(rates, finals, strict=True)]
    assert [where.low for where in place(runs)] == pytest.approx([-2.0 - x for x in rates], abs=0.01)


def test_several_and_one_are_told_apart():
    assert isinstance(sf.diagnose(run_of(good())), Diagnosis)
    assert isinstance(sf.diagnose([run_of(good())]), Diagnoses)
    with pytest.raises(InputError, match="empty"):
        sf.diagnose([])
    with pytest.raises(InputError, match="int"):
        sf.diagnose([3])


def test_a_tree_is_walked_as_it_was_grown():
    """Left up to and with the bound, right beyond; leaves add up."""
    tree = {"feature": [0, 1, -1, -1, -1], "bound": [0.5, 2.0, 0, 0, 0], "right": [4, 3, 0, 0, 0],
            "value": [0, 0, 1.0, 2.0, 4.0]}  # fmt: skip
    trees = Trees({"start": 10.0, "trees": [tree, tree]})
    assert [trees.total(values) for values in ([0.5, 2.0], [0.5, 2.1], [0.6, 0.0])] == [12.0, 14.0, 18.0]


def test_what_was_fitted_is_whole():
    from surefoot.diagnose.check import CHECKS
    from surefoot.diagnose.features import NAMES

    data = constants()
    assert data["features"] == list(NAMES)
    assert len(set(NAMES)) == len(NAMES)  # two of a name would be one column where trees are fitted, and two here
    assert set(data["thresholds"]) <= set(CHECKS)
    for trees in (*data["verdicts"].values(), data["good"]):
        for tree in trees["trees"]:
            assert len({len(nodes) for nodes in tree.values()}) == 1
            assert max(tree["feature"]) < len(NAMES)
