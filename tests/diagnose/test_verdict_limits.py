"""Where the trees were never shown the like, no verdict is given on their word."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from curves import good, noise, run_of

from surefoot.diagnose import diagnose_run

MEANS = (72.0, 33.0, 29.0, 24.0, 28.0, 17.0, 10.0, 3.1, 2.76, 2.6, 2.45, 2.32)
"""Of the twelfths of a training on digits with Adam at the rate 1 under a cosine: it ends at chance, where it began."""


def thrown(end=2.3, count=456):
    """A loss that the first updates throw far above its start, and the rest of the training brings back."""
    level = np.interp(np.linspace(0, 12, count), [0, 0.2, *np.arange(12) + 0.5], [2.3, 90.0, *MEANS])
    loss = end + (level - 2.3) * np.exp(noise(count, 0.3)) + noise(count, 0.03)
    loss[0] = 2.3
    return run_of(loss)


def test_a_training_that_only_came_back_from_where_it_was_thrown_has_not_converged():
    found = diagnose_run(thrown())
    assert found.verdict not in ("converged", "rate_ok", "spike_recovered")
    assert found.verdict == "unknown"
    assert "thrown up to" in found.text
    assert "a tenth" in found.text


def test_one_that_learned_afterwards_is_judged_as_any_other():
    assert "thrown" not in diagnose_run(thrown(0.1)).text
    assert "thrown" not in diagnose_run(run_of(good())).text


@pytest.mark.parametrize("count", [8, 12, 23])
def test_a_few_updates_do_not_show_that_nothing_is_learned(count):
    losses = 2.3 + noise(count, 0.05)
    found = diagnose_run(run_of(losses))
    assert found.verdict == "unknown"
    assert f"covers {count} updates" in found.text
    assert "covers" not in diagnose_run(run_of(2.3 + noise(60, 0.05))).text


def test_a_few_updates_show_that_a_training_runs_away():
    assert diagnose_run(run_of(2.3 * np.exp(np.arange(12) * 0.8))).verdict in ("diverged", "rate_too_high")


def test_a_few_epochs_are_many_updates():
    """By name, because the log validates at every entry, or because its tool counts anything as steps."""
    run = run_of(2.3 + noise(12, 0.05))
    epochs = dataclasses.replace(run, unit="epoch")
    counted = dataclasses.replace(run, source="log:tensorboard")
    validated = dataclasses.replace(run, val_step=run.step, val_loss=run.loss)
    for one in (epochs, counted, validated):
        assert "covers" not in diagnose_run(one).text
    assert "covers 12 updates" in diagnose_run(dataclasses.replace(counted, steps_per_epoch=4.0)).text


def test_a_good_end_that_was_better_before_says_which_weights_to_keep():
    losses = good()
    val = np.concatenate([np.linspace(2.3, 0.3, 12), np.linspace(0.31, 0.42, 12)])
    found = diagnose_run(run_of(losses, val=val, val_step=np.linspace(0, 299, 24).astype(int)))
    assert found.verdict in ("converged", "rate_ok", "overfitting")
    if found.verdict != "overfitting":
        assert "keep the weights of step" in found.remedy
