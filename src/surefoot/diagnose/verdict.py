"""The verdict: what the findings and the trees make of a run together, and how sure that is.

First come facts that decide alone: too few losses; units that were counted and are dead; and what the trees were never
shown, so that what they make of it means nothing: logs of a few updates, and trainings that went on after they had been
thrown far up. Else boosted trees
(see `fitted`) say of each verdict how probable it is that it is right, and how probable it is that the training is a
good one, in which any fault would be a false alarm. A fault is worth its probability less a multiple of that of a false
alarm. The verdict that is worth most is given, unless that is below a bound; then the answer is *unknown*, with what to
record. Multiple and bounds were fitted to leave few false alarms on tasks that the trees had not seen (Chow 1970).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import get_args

import numpy as np

from surefoot.diagnose.evidence import Evidence
from surefoot.diagnose.features import features_of
from surefoot.diagnose.fitted import constants, good_likelihood, likelihoods, size_interval
from surefoot.records import Finding
from surefoot.records.diagnosis import FINE, Verdict

__all__ = ["FINDINGS_OF", "SAID", "SIDE", "Judgement", "judge"]

FINDINGS_OF: Mapping[str, tuple[str, ...]] = {
    "rate_too_low": ("slow-descent", "still-falling", "update-ratio-low"),
    "rate_ok": ("still-falling", "converged", "plateau"),
    "rate_too_high": ("oscillation-growing", "noise-floor", "early-bump", "update-ratio-high", "gradient-exploding",
                      "plateau", "spike-not-recovered"),
    "diverged": ("diverged", "oscillation-growing", "gradient-exploding", "early-bump"),
    "overfitting": ("overfitting", "best-is-not-last"),
    "noise_floor": ("noise-floor", "schedule-too-late", "oscillation-stable", "plateau"),
    "converged": ("converged", "plateau"),
    "not_learning": ("not-learning", "gradient-vanishing", "dead-units", "plateau"),
    "no_update": ("weights-not-updated", "not-learning", "update-ratio-low"),
    "data_problem": ("spikes-recurrent", "not-learning", "loss-scale-collapsed"),
    "dead_units": ("dead-units", "saturated-units"),
    "schedule_too_early": ("schedule-too-early", "rate-jumped", "plateau"),
    "spike_recovered": ("spike-recovered",),
    "nan": ("loss-not-finite", "loss-scale-collapsed"),
}  # fmt: skip
"""Verdict to the checks whose findings speak for it, the most telling first."""

SAID: Mapping[str, tuple[str, str]] = {
    "rate_too_low": ("The rate is too low", "Raise the rate"),
    "rate_ok": ("The rate is right", "Leave the rate as it is"),
    "rate_too_high": ("The rate is too high", "Cut the rate"),
    "diverged": ("Training diverged", "Cut the rate"),
    "overfitting": ("The model overfits", "Stop at the best validation loss, or regularise"),
    "noise_floor": ("The loss rests on a floor of noise", "Let the rate decay towards the end"),
    "converged": ("Training has converged", "Nothing needs to change"),
    "not_learning": (
        "Nothing is learned",
        "Overfit one small batch on purpose to tell whether inputs, targets and gradients belong together",
    ),
    "no_update": ("The weights are not updated", "Look whether the optimizer holds the model's parameters"),
    "data_problem": ("Some of the data is bad", "Find what the batches with the spikes have in common"),
    "dead_units": ("Units of the model are dead", "Initialise for the activation in use, and warm the rate up"),
    "schedule_too_early": (
        "The rate decays too early",
        "Lay the schedule out for all the steps that are made",
    ),
    "spike_recovered": ("The loss shot up and came back", "Leave the rate as it is; clip gradients if it comes again"),
    "nan": ("The loss stops being a number", "Go back to the last good checkpoint and skip the batch that did it"),
    "unknown": ("The log does not tell what, if anything, is wrong", "Record more"),
}
"""Verdict to what is said of it, and the remedy."""

_RAN_AWAY, _STOOD = 1.0, 0.1
"""Rise of a short log before it stops being a number, as share of its first loss: beyond the first it has diverged, up
to the second something else happened."""
_FEWEST_UPDATES = 24
"""Updates of the shortest training that the trees were shown, but for those that ran away before."""
_COUNT_ANYTHING = frozenset(f"log:{name}" for name in ("tensorboard", "tensorboard-export", "wandb", "wandb-export",
                                                       "mlflow", "trackio"))  # fmt: skip
"""Formats whose steps are whatever their user counts, often epochs."""
_RAN = frozenset({"diverged", "rate_too_high", "nan"})
_THROWN, _BACK = 10.0, 0.75
"""A loss that the first tenth of a training throws up to so many times its first value and that ends above such a share
of it: trainings like that were given up as diverged, so that the trees know next to none that went on."""
SIDE: Mapping[str, int] = {"rate_too_low": 1, "rate_too_high": -1, "diverged": -1}
"""Verdict of a wrong rate to the side on which the best one lies."""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A verdict with its probability, the size of the correction, and the probabilities of the others."""

    verdict: Verdict
    probability: float
    decades: tuple[float, float] | None
    likelihoods: dict[str, float]
    doubt: str = ""
    """Why the verdict is unknown, or no size is given."""


def judge(evidence: Evidence, findings: Mapping[str, Finding]) -> Judgement:
    """Weigh the findings of all checks on one run."""
    if findings["dead-units"].result == "holds":
        return Judgement("dead_units", 0.95, None, {"dead_units": 0.95})
    if findings["log-too-short"].result != "fails":
        if findings["loss-not-finite"].result == "holds":
            return _stopped(evidence)
        return Judgement("unknown", 0.0, None, {}, "the log has too few losses")
    features = features_of(evidence)
    chances = likelihoods(features)
    for name, finding in _REQUIRED.items():
        if findings[finding].result == "unknown" or (name == "nan" and findings[finding].result == "fails"):
            chances.pop(name, None)
    rules, well = constants()["rules"], good_likelihood(features)
    worth = {name: chances[name] - (0.0 if name in FINE else rules["doubt"] * well) for name in _known(chances)}
    top = max(worth, key=lambda name: worth[name])
    least = rules["least"]["fine" if top in FINE else "fault"]
    shown = {name: round(chance, 4) for name, chance in chances.items()}
    if worth[top] < least:
        doubt = f"the likeliest, {_words(top)}, is not sure enough"
        if chances[top] >= least:
            doubt = f"{_words(top)} is likely, but all may be well"
        return Judgement("unknown", chances[top], None, shown, doubt)
    if top == "rate_too_high" and findings["diverged"].result == "holds" and chances["diverged"] > least:
        top = "diverged"
    if top not in _RAN and (updates := _updates(evidence)) is not None and updates < _FEWEST_UPDATES:
        return Judgement("unknown", chances[top], None, shown, f"the log covers {updates} updates, too few to tell")
    if top in FINE and (doubt := _thrown(evidence)):
        return Judgement("unknown", chances[top], None, shown, doubt)
    decades, doubt = _size(features, top)
    if top == "rate_ok" and _shot_up(findings["spike-recovered"]):
        return Judgement("spike_recovered", chances[top], None, shown)
    at_rest = top == "rate_ok" and findings["converged"].result == "holds"
    return Judgement("converged" if at_rest else top, chances[top], decades, shown, doubt)


def _stopped(evidence: Evidence) -> Judgement:
    """What a short log that stops being a number tells: whether the loss had risen before, if it was seen at all."""
    losses = evidence.losses
    assert losses is not None
    bad = int(np.argmax(~np.isfinite(losses.value)))
    before = losses.value[:bad]
    if len(before) >= 2:
        size = max(abs(float(before[0])), 1e-12)
        rise = (float(before[-1]) - float(before[0])) / size
        if rise > _RAN_AWAY:
            return Judgement("diverged", 0.95, None, {"diverged": 0.95})
        if rise <= _STOOD:
            return Judgement("nan", 0.9, None, {"nan": 0.9})
    doubt = "the loss stops being a number before it could be seen to rise: the rate may be far too high"
    return Judgement("unknown", 0.5, None, {"nan": 0.5, "diverged": 0.5}, doubt)


def _updates(evidence: Evidence) -> int | None:
    """Updates that the log covers; None where it may count something else."""
    run, steps = evidence.run, evidence.run.step
    by_epoch = run.source in _COUNT_ANYTHING or np.array_equal(run.val_step, steps)
    if run.unit != "step" or len(steps) < 2 or (by_epoch and run.steps_per_epoch is None):
        return None
    return int(steps[-1] - steps[0]) + round(float(np.median(np.diff(steps))))


def _thrown(evidence: Evidence) -> str:
    """In words, that the first updates threw the loss far up and the rest of the training only brought it back."""
    losses = evidence.losses
    fine = np.empty(0) if losses is None else losses.value[np.isfinite(losses.value)]
    if not len(fine) or fine[0] <= 0:
        return ""
    top = float(fine[: max(len(fine) // 10, 3)].max()) / float(fine[0])
    end = float(fine[-max(len(fine) // 10, 1) :].mean()) / float(fine[0])
    if top < _THROWN or end < _BACK:
        return ""
    return (
        f"the loss was thrown up to {top:.2g} times where it began, and after it came back it ended at {end:.2g} times "
        "that; a rate far too high does so: try a tenth of it"
    )


def _shot_up(finding: Finding) -> bool:
    """Whether the loss once shot up by more than the whole training had brought it down."""
    return finding.result == "holds" and (finding.evidence[1].value or 0.0) > 1.0


def _known(chances: Mapping[str, float]) -> list[Verdict]:
    return [name for name in get_args(Verdict) if name in chances]


_REQUIRED = {"overfitting": "overfitting", "nan": "loss-not-finite"}
"""Verdicts that cannot be right where the log lacks what they are about."""


def _size(features: Mapping[str, float], verdict: str) -> tuple[tuple[float, float] | None, str]:
    if verdict not in SIDE:
        return None, ""
    ends = size_interval(features, SIDE[verdict])
    if ends is None:
        return None, "by how much the log does not tell"
    return (round(ends[0], 2), round(ends[1], 2)), ""


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")
