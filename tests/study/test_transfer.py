"""Transfer: laws that are known are followed with an interval that holds; what is no law is unknown."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_study import small_task

import surefoot as sf
from surefoot.errors import InputError
from surefoot.records import Recipe
from surefoot.records.study import Study, StudyMember
from surefoot.records.transfer import Transfer
from surefoot.study.analysis import responses
from surefoot.study.transfer import answer


def study(best, sizes=(16, 32, 64, 128), rates=(1e-3, 10, 25), noise=0.002):
    """A study whose best rate is `best(size)`."""
    draw = np.random.default_rng(5)
    members = tuple(
        StudyMember(
            Recipe(lr=float(lr), batch_size=size, seed=seed),
            0.2 + 0.1 * math.log(lr / best(size)) ** 2 + noise * draw.normal(), 0.01, "finished", first_loss=3.0,
        )
        for size in sizes for seed in range(3) for lr in np.geomspace(*rates)
    )  # fmt: skip
    return Study("", "made up", members, None, {}, responses=tuple(responses(members)))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_law_is_followed_and_the_interval_holds_the_truth(power):
    found = answer(study(lambda size: 0.05 * (size / 16) ** power), "batch_size", 512)
    truth = 0.05 * 32**power
    assert found.status == "found"
    assert found.interval[0] <= truth <= found.interval[1]
    assert found.lr == pytest.approx(truth, rel=0.3)
    assert found.exponent == pytest.approx(power, abs=0.1)
    assert Transfer.from_json(found.to_json()) == found


def test_a_law_that_bends_is_unknown():
    bent = answer(study(lambda size: 0.05 * (min(size, 64) / 16) ** 1.5, sizes=(16, 32, 64, 512)), "batch_size", 1024)
    assert bent.status == "unknown"
    assert bent.lr is None
    assert "foretell" in bent.reason


def test_best_rates_at_the_edge_noise_and_far_values_are_unknown():
    edge = answer(study(lambda size: 20.0), "batch_size", 256)
    assert (edge.status, edge.interval) == ("unknown", None)
    far = answer(study(lambda size: 0.1), "batch_size", 10_000)
    assert "16 times beyond" in far.reason
    noisy = answer(study(lambda size: 0.1, noise=1.0, sizes=(16, 20, 24)), "batch_size", 256)
    assert noisy.status == "unknown"


def test_from_a_task_to_an_answer_and_what_is_refused():
    found = sf.transfer(small_task(), "batch_size", [8, 16, 32], 64, lr="1e-2..10:7", seeds=2, epochs=2,
                        form="stacked:8", workers=1)  # fmt: skip
    assert found.status in ("found", "unknown")
    assert [point.value for point in found.points] == [8, 16, 32]
    assert found.cost["member_steps"] > 0
    assert (found.lr is None) == (found.status == "unknown")
    with pytest.raises(InputError, match="`along` is 'colour'"):
        sf.transfer(small_task(), "colour", [1, 2, 3], 4)
    with pytest.raises(InputError, match="three or more"):
        sf.transfer(small_task(), "batch_size", [8, 16], 64)
    with pytest.raises(InputError, match="leave it out"):
        sf.transfer(small_task(), "batch_size", [8, 16, 32], 64, batch_size=8)
