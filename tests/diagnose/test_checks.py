"""Each check on a run that has its symptom, on one that has not, and on one that does not tell."""

import numpy as np
import pytest
from curves import good, growing, noise, run_of, still, straight

import surefoot.diagnose.checks  # noqa: F401 - registers the checks
from surefoot.diagnose.check import CHECKS, ask_all
from surefoot.diagnose.evidence import Evidence
from surefoot.errors import InputError

STEPS = list(range(0, 300, 10))
VAL = np.concatenate([np.linspace(2.3, 0.5, 12), np.linspace(0.5, 1.6, 18)]) + noise(30, 0.01)
AT = np.arange(30) * 10


def spiky(places):
    loss = good()
    loss[list(places)] += 5.0
    return loss


def nans(at):
    loss = good()
    loss[at:] = np.nan
    return loss


def lifted():
    loss = 0.3 + noise(300, 0.02)
    loss[:20] = np.linspace(2.3, 0.3, 20)
    loss[150] = 12.0
    loss[151:] += 0.8
    return loss


def back_and_forth(growth):
    time = np.arange(200)
    return 1.0 + 0.1 * growth ** (time / 200) * (-1.0) ** time + noise(200, 0.002)


def floor():
    return np.concatenate([np.linspace(2.3, 1.6, 10), 1.6 + noise(290, 0.15)])


def decaying(early):
    time = np.arange(300) / 300
    return 0.1 * np.where(time < early, 1.0, 1e-4)


def layers(**series):
    return {name.replace("__", "/"): (STEPS, [value] * len(STEPS)) for name, value in series.items()}


def norms(values):
    return run_of(good(), grad_norm=values)


HAS = {
    "log-too-short": (run_of([2.0, 1.9, 1.8]), {}),
    "loss-not-finite": (run_of(nans(200)), {}),
    "diverged": (run_of(growing()), {}),
    "not-learning": (run_of(still()), {}),
    "weights-not-updated": (run_of(np.full(100, 0.6931)), {}),
    "dead-units": (run_of(still()), layers(dead_units__first=1.0)),
    "saturated-units": (run_of(still()), layers(saturated_units__first=0.8)),
    "update-ratio-high": (run_of(good()), layers(update_ratio__first=0.2, update_ratio__last=0.3)),
    "update-ratio-low": (run_of(good()), layers(update_ratio__first=1e-7, update_ratio__last=1e-6)),
    "layer-gradients-vanishing": (run_of(good()), layers(grad_norm__first=1e-6, grad_norm__last=1.0)),
    "gradient-exploding": (norms(np.exp(np.arange(300) / 50)), {}),
    "gradient-vanishing": (norms(np.exp(-np.arange(300) / 20)), {}),
    "loss-scale-collapsed": (run_of(good()), {"loss_scale": (STEPS, np.geomspace(65536, 0.5, len(STEPS)))}),
    "spikes-recurrent": (run_of(spiky((60, 120, 180, 240))), {}),
    "spike-recovered": (run_of(spiky((150,))), {}),
    "spike-not-recovered": (run_of(lifted()), {}),
    "slow-descent": (run_of(straight()), {}),
    "still-falling": (run_of(straight()), {}),
    "plateau": (run_of(good()), {}),
    "noise-floor": (run_of(floor()), {}),
    "converged": (run_of(good()), {}),
    "oscillation-growing": (run_of(back_and_forth(8.0)), {}),
    "oscillation-stable": (run_of(back_and_forth(1.0)), {}),
    "early-bump": (run_of(np.concatenate([[2.3, 9, 30, 120, 30, 9], good(294)])), {}),
    "schedule-too-early": (run_of(good(), lr=decaying(0.2)), {}),
    "schedule-too-late": (run_of(floor(), lr=0.1), {}),
    "rate-jumped": (run_of(good(), lr=np.where(np.arange(300) < 150, 0.01, 0.1)), {}),
    "logged-rate-wrong": (run_of(good(), lr=0.1), {"true_lr": (STEPS, [0.01] * len(STEPS))}),
    "overfitting": (run_of(good(), val=VAL, val_step=AT), {}),
    "best-is-not-last": (run_of(good(), val=VAL, val_step=AT), {}),
}
FINE = (
    run_of(good(), lr=0.1 * (1 - np.arange(300) / 300), val=0.1 + 2.2 * np.exp(-AT / 24) + noise(30, 0.003),
           val_step=AT, grad_norm=1.0 + noise(300, 0.05)),
    layers(update_ratio__first=1e-3, update_ratio__last=2e-3, dead_units__first=0.05, saturated_units__first=0.0,
           grad_norm__first=0.3, grad_norm__last=1.0)
    | {"loss_scale": (STEPS, [65536.0] * len(STEPS)), "true_lr": (STEPS, [0.1 * (1 - one / 300) for one in STEPS])},
)  # fmt: skip


def answer(name, run, beside):
    return ask_all(Evidence(run, beside))[name]


@pytest.mark.parametrize("name", list(CHECKS))
def test_it_holds_where_the_symptom_is(name):
    found = answer(name, *HAS[name])
    assert found.result == "holds", found
    assert found.remedy
    assert found.text
    assert found.evidence
    assert found.evidence[0].value is not None


GOOD = {"plateau", "converged"}


@pytest.mark.parametrize("name", [name for name in CHECKS if name not in GOOD])
def test_it_does_not_hold_in_a_good_run_that_tells_everything(name):
    found = answer(name, *FINE)
    assert found.result != "holds", found
    assert found.remedy == ""


@pytest.mark.parametrize("name", list(CHECKS))
def test_a_run_without_anything_makes_it_unknown_and_says_what_to_record(name):
    found = answer(name, run_of([]), {})
    assert found.result == "unknown"
    assert "record" in found.text or "holds" in found.text or "watch" in found.text


@pytest.mark.parametrize("name", list(CHECKS))
def test_every_check_says_what_why_and_what_to_do(name):
    sections = CHECKS[name].sections
    assert set(sections) >= {"what", "why", "remedy"}
    assert all(text.endswith((".", ")")) for text in sections.values())


def test_prerequisites_come_first():
    names = list(CHECKS)
    for name, one in CHECKS.items():
        assert all(names.index(before) < names.index(name) for before in one.after)


def test_steps_point_at_the_evidence():
    assert answer("loss-not-finite", run_of(nans(200)), {}).steps == (200, 299)
    first, last = answer("spikes-recurrent", *HAS["spikes-recurrent"]).steps
    assert (first, last) == (60, 240)


def test_noise_alone_is_rarely_taken_for_learning():
    # 5 of 200 in 95 of 100 experiments would be 200 * 0.003 + 2 * sqrt(0.6); the check asks for three standard errors.
    held = [answer("not-learning", run_of(still(seed=seed)), {}).result for seed in range(200)]
    assert held.count("fails") <= 3


def test_validation_noise_is_rarely_taken_for_overfitting():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        val = 0.5 + 1.8 * np.exp(-AT / 30) + 0.1 * rng.normal(size=30)
        held += answer("overfitting", run_of(good(), val=val, val_step=AT), {}).result == "holds"
    assert held <= 3


def test_series_of_unknown_names_are_refused():
    with pytest.raises(InputError, match="update_ratio"):
        Evidence(run_of(good()), {"ratio/first": ([0], [1.0])})
    with pytest.raises(InputError, match="go together"):
        Evidence(run_of(good()), {"loss_scale": ([0, 1], [1.0])})
