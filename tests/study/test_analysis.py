"""Analysis on members whose answer is known: best rates that follow a law, variances that were put in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from surefoot.records import Recipe
from surefoot.records.study import StudyMember
from surefoot.study.analysis import best_setting, importance, responses, settings
from surefoot.study.pruning import skipped


def member(lr, loss, *, fate="finished", first=3.0, shape=None, **recipe):
    return StudyMember(Recipe(lr=lr, **recipe), None if fate == "waiting" else loss, 0.01, fate, first_loss=first,
                       shape=shape or {})  # fmt: skip


def law(power, noise=0.0, seeds=4, sizes=(16, 64, 256), optimizer="sgd"):
    """Members whose best rate is 0.1 (size / 64) ** power."""
    draw = np.random.default_rng(7)
    return [
        member(float(lr), 0.2 + 0.1 * math.log(lr / (0.1 * (size / 64) ** power)) ** 2 + noise * draw.normal(),
               batch_size=size, seed=seed, optimizer=optimizer)
        for size in sizes for seed in range(seeds) for lr in np.geomspace(1e-3, 10, 25)
    ]  # fmt: skip


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_slope_of_a_law_is_found_and_lies_in_its_interval(power):
    (found,) = responses(law(power, noise=0.003))
    assert found.axis == "batch_size"
    assert found.exponent == pytest.approx(power, abs=0.08)
    assert found.exponent_low <= power <= found.exponent_high
    assert [point.value for point in found.points] == [16, 64, 256]
    assert found.points[1].lr == pytest.approx(0.1, rel=0.1)
    assert found.points[1].low <= 0.1 <= found.points[1].high


def test_a_best_rate_at_the_edge_gives_no_slope_and_says_why():
    members = [one for one in law(1.0) if one.recipe.lr < 0.2]
    (found,) = responses(members)
    assert found.exponent is None
    assert "inside the range" in found.reason
    assert found.points[-1].edge


def test_rates_that_cannot_be_told_apart_are_said_to_be_so():
    (clear,), (noisy,) = responses(law(0.0, noise=0.001)), responses(law(0.0, noise=0.2))
    width = [math.log(one.points[0].high / one.points[0].low) for one in (clear, noisy)]
    assert width[0] < width[1]
    assert all(one.low <= one.lr <= one.high for found in (clear, noisy) for one in found.points)


def test_the_best_setting_needs_all_seeds_and_no_divergence():
    members = [
        member(0.1, 0.30, seed=0), member(0.1, 0.32, seed=1), member(0.2, 0.10, seed=0),
        member(0.2, math.inf, seed=1, fate="diverged"), member(0.4, 0.2, seed=0),
        member(0.4, None, seed=1, fate="waiting"),
    ]  # fmt: skip
    best = best_setting(members)
    assert (best.recipe.lr, best.seeds, best.final_loss) == (0.1, 2, pytest.approx(0.31))
    assert best.spread == pytest.approx(0.02 / math.sqrt(2))
    assert len(settings(members)) == 3
    assert best_setting(members[3:4]) is None


def test_importance_recovers_shares_that_were_put_in():
    # y = a(lr) + b(batch) + c: variances 4 : 1 : 1 with c from the seed, so shares 2/3, 1/6, 1/6 and no interaction.
    def standard(values):
        return (np.array(values) - np.mean(values)) / np.std(values)

    a, b, c = standard(range(6)), standard(range(4)), standard(range(5))
    members = [
        member(10.0 ** (i - 3), 20 + 2 * a[i] + b[j] + c[k], first=100.0, batch_size=2**j, seed=k)
        for i in range(6) for j in range(4) for k in range(5)
    ]  # fmt: skip
    shares = {one.axes: one for one in importance(members)}
    assert shares["lr",].share == pytest.approx(2 / 3, abs=0.03)
    assert shares["batch_size",].share == pytest.approx(1 / 6, abs=0.03)
    assert shares["seed",].share == pytest.approx(1 / 6, abs=0.03)
    assert shares["lr", "batch_size"].share == pytest.approx(0, abs=0.03)
    assert all(one.low <= one.share <= one.high for one in shares.values())


def test_an_interaction_is_told_from_its_parts():
    members = [
        member(10.0**i, 5.0 + i * j, first=100.0, batch_size=2 + j, seed=k)
        for i in (-1, 1) for j in (-1, 1) for k in range(6)
    ]  # fmt: skip
    shares = {one.axes: one.share for one in importance(members)}
    assert shares["lr", "batch_size"] > 0.95
    assert shares["lr",] < 0.05


def test_without_variation_or_results_nothing_is_claimed():
    assert importance([]) == []
    assert importance([member(0.1, 1.0, seed=k) for k in range(10)]) == []
    assert responses([member(0.1, 1.0), member(0.2, 1.1)]) == []


def test_only_hopeless_settings_are_left_out_under_other_seeds():
    earlier = [[member(0.1 * k, loss)] for k, loss in enumerate((0.2, 0.21, 0.22, 0.3, 0.4, 0.45, 2.0), 1)]
    earlier.append([member(5.0, math.inf, fate="diverged")])
    out = skipped(earlier)
    assert set(out) == {6, 7}
    assert "64%" in out[6]
    assert "did not finish" in out[7]
    assert skipped([[member(0.1, 5.0)], [member(0.2, 4.0)]]) == {}, "nothing learned: nobody can be judged"


def test_after_two_seeds_chance_decides_how_far_behind_is_hopeless():
    """Differences to the best, by seed: 0.1 +- 0.1, 0.1 -+ 0.1, 0.28 +- 0.1, 0.5 -+ 0.1, ... of an improvement of 2."""
    best = [member(0.1, 1.0), member(0.1, 1.2)]
    swings = [(0.2, 0.0), (0.0, 0.2), (0.38, 0.18), (0.4, 0.6), (0.18, 0.38), (1.1, 0.9)]
    others = [[member(0.1, 1.0 + one), member(0.1, 1.2 + two)] for one, two in swings]
    # Each pair of differences varies by 0.02, so their mean has a standard error of 0.1, whose triple is 0.3.
    out = skipped([best, *others])
    assert set(out) == {4, 6}
    assert out[6] == "under the first 2 seeds it lost 53% of the best improvement"
    assert skipped([best, *others[:2]]) == {}, "three are always kept"


@pytest.mark.parametrize("lost", [None, math.nan])
def test_a_final_loss_that_is_no_number_counts_as_learning_nothing(lost):
    """The training went on, and the validation loss was lost at the high rates."""
    rates = (1e-3, 1e-2, 1e-1, 1.0)
    members = [
        member(lr, loss, seed=seed, batch_size=size)
        for size in (16, 64) for seed in (0, 1) for lr, loss in zip(rates, (2.0, 0.5, lost, lost), strict=True)
    ]  # fmt: skip
    assert best_setting(members[::-1]).recipe.lr == 1e-2
    (response,) = responses(members)
    assert [(point.lr, point.edge) for point in response.points] == [(1e-2, False)] * 2
    shares = {one.axes: one.share for one in importance(members)}
    assert shares[("lr",)] > 0.9
