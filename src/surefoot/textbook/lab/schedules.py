"""`schedules`: the rate of every schedule by step, and what a training makes of each from the same peak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from surefoot.engines.batches import BatchOrder
from surefoot.engines.train import train_members
from surefoot.records import Provenance, Recipe, Run, float_series
from surefoot.schedules import Schedule, make
from surefoot.tasks.catalogue import find_entry
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.training import with_seeds
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["FAMILIES", "run"]

FAMILIES: dict[str, dict[str, str]] = {
    "decays": {
        "constant": "constant",
        "inverse time": "inverse-time:k=0.02",
        "step": "step",
        "multi-step": "multi-step",
        "exponential": "exponential",
        "inverse square root": "inverse-sqrt",
    },
    "smooth to the end": {
        "linear": "linear",
        "cosine": "cosine",
        "polynomial": "polynomial",
        "tanh": "tanh",
        "k-decay": "k-decay",
        "REX": "rex",
        "two phases": "piecewise",
    },
    "with warmup": {
        "warmup, then constant": "warmup:linear:0.1+constant",
        "warmup, then cosine": "warmup:linear:0.1+cosine",
        "Noam": "noam",
        "warmup, stable, decay": "warmup-stable-decay",
        "one-cycle": "one-cycle",
    },
    "cyclical": {
        "warm restarts (annealing)": "cosine-restarts",
        "triangular": "triangular",
        "triangular2": "triangular2",
        "exponential range": "exponential-range",
    },
}
"""Family -> name shown -> spec."""
FEEDBACK = {"reduce on plateau": "plateau:patience=1:reduction=0.5", "greedy": "greedy:patience=0:reduction=0.7"}
PEAK, EPOCHS = 1.0, 10
K = 0.02


def run(setting: Setting, *, epochs: int = EPOCHS, seeds: int = 3, steps: int = 240) -> LabResult:
    """Lay every schedule out over `steps`, then train the digits with each."""
    laid = {
        family: {name: make(spec, 1.0, steps) for name, spec in members.items()} for family, members in FAMILIES.items()
    }
    task = find_entry("digits").make()
    chosen = setting.seed_list(seeds)
    trained: dict[str, list[Run]] = {}
    for members in FAMILIES.values():
        for name, spec in members.items():
            setting.say(f"{epochs} epochs of digits: {name}")
            recipe = Recipe(lr=PEAK, batch_size=64, epochs=epochs, schedule=spec)
            trained[name] = train_members(task, with_seeds(recipe, chosen))
    followed = {}
    for name, spec in FEEDBACK.items():
        setting.say(f"{epochs} epochs of digits: {name}")
        followed[name] = _follow_metric(task, spec, epochs, chosen[0])

    loss = {name: _tail(runs) for name, runs in trained.items()}
    held = {name: float(np.mean([run.final_val_loss for run in runs])) for name, runs in trained.items()}
    accuracy = {
        name: float(np.mean([run.val_metrics["accuracy"][-1] for run in runs])) for name, runs in trained.items()
    }
    twins = _twins(steps)
    at = [0, steps // 4, steps // 2, steps - 1]
    inverse = laid["decays"]["inverse time"]
    cyclic = [laid["cyclical"][name] for name in ("triangular", "triangular2", "exponential range")]
    verdicts = Verdicts()
    verdicts.compare(
        "inverse_time",
        [1.0 / (1.0 + K * t) for t in at],
        [inverse(t) for t in at],
        within=1e-12,
        what=f"rate / (1 + k t) with k = {K} after {', '.join(map(str, at))} steps",
    )
    verdicts.state(
        "cyclical_rates_are_decay",
        all(_falls(one) for one in cyclic),
        what="cyclical rates are listed among the decays",
        when="none of them ever rises",
    )
    decaying = [name for family in ("decays", "smooth to the end") for name in FAMILIES[family] if name != "constant"]
    share = float(np.mean([loss[name] < loss["constant"] for name in decaying]))
    verdicts.state(
        "decay_ends_lower",
        share > 0.5,
        what="decay 'dampens the bounce' and lets the training settle",
        when=f"more than half of the {len(decaying)} decays end with a lower training loss than the constant "
        "rate from the same peak",
    )
    smooth, abrupt = loss["cosine"], loss["step"]
    verdicts.state(
        "smooth_beats_abrupt",
        smooth < abrupt,
        what="a smooth change of the rate is better than an abrupt one",
        when="cosine ends with a lower training loss than step",
    )
    facts = {
        "training_loss": loss,
        "validation_loss": held,
        "accuracy": accuracy,
        "twin_difference": twins,
        "share_of_decays_below_constant": share,
        "feedback_rates": {name: rates for name, (rates, _) in followed.items()},
        "feedback_validation_loss": {name: losses[-1] for name, (_, losses) in followed.items()},
    }
    best = min(held, key=lambda name: held[name])
    return LabResult(
        name="schedules",
        title="Rate against step, and what it does",
        **verdicts.fields(),
        facts=facts,
        sentences=(
            f"{sum(map(len, FAMILIES.values())) + len(FEEDBACK)} schedules from the same peak rate {PEAK:g}, "
            f"{epochs} epochs "
            f"of digits, {len(chosen)} seeds: {share:.0%} of the decays end with a lower training loss than the "
            f"constant "
            f"rate ({loss['constant']:.4f}).",
            f"The lowest validation loss has '{best}' ({held[best]:.4f}; constant {held['constant']:.4f}).",
            f"Abrupt against smooth: step ends at {abrupt:.4f}, cosine at {smooth:.4f}; two phases, large then "
            f"small, at "
            f"{loss['two phases']:.4f}.",
            f"Torch's own schedulers give the same rates to {max(twins.values()):.0e} ({', '.join(twins)}).",
            "On monitored progress: "
            + "; ".join(
                f"{name} ends at rate {rates[-1]:.3g} with validation loss {losses[-1]:.4f}"
                for name, (rates, losses) in followed.items()
            )
            + ".",
        ),
        tables=(
            LabTable(
                f"After {epochs} epochs of digits, {len(chosen)} seeds",
                ("schedule", "spec", "training loss, last epoch", "validation loss", "accuracy"),
                tuple(
                    (name, spec, f"{loss[name]:.4f}", f"{held[name]:.4f}", f"{accuracy[name]:.1%}")
                    for members in FAMILIES.values()
                    for name, spec in members.items()
                ),
            ),
        ),
        panels=(
            *(
                Panel(
                    family.capitalize(),
                    x_label="step",
                    y_label="rate / peak",
                    curves=tuple(
                        Curve(name, float_series(range(steps)), float_series(one.lrs()))
                        for name, one in members.items()
                    ),
                )
                for family, members in laid.items()
            ),
            Panel(
                "Adjusted on monitored progress",
                x_label="epoch",
                y_label="rate / peak",
                curves=tuple(
                    Curve(name, float_series(range(len(rates))), float_series(np.array(rates) / PEAK), marker="o")
                    for name, (rates, _) in followed.items()
                ),
            ),
            Panel("Training loss, last epoch", style="bars", y_label="cross-entropy", bars=loss, y_log=True),
        ),
        notes=(
            f"digits, MLP 64-32-10, SGD with peak {PEAK:g}, batches of 64",
            "reduce on plateau and greedy follow the validation loss of each epoch through the scheduler object, "
            "`schedule.torch(optimizer)`, in a plain loop",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data=task.checksum()),
    )


def _tail(runs: Sequence[Run]) -> float:
    """Mean training loss over the last epoch."""
    return float(np.mean([run.loss[-max(1, round(run.steps_per_epoch or 1)) :].mean() for run in runs]))


def _falls(schedule: Schedule) -> bool:
    return bool(np.all(np.diff(schedule.lrs()) <= 1e-12))


def _follow_metric(task: Task, spec: str, epochs: int, seed: int) -> tuple[list[float], list[float]]:
    """Rates by epoch, and validation losses, of a plain torch loop with the scheduler object."""
    from surefoot.engines.serial import validate_model
    from surefoot.engines.torch_schedule import TorchSchedule

    model = task.make_model(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK)
    scheduler = TorchSchedule(make(spec, PEAK, epochs), optimizer)
    order = BatchOrder(task.train.size, 64, seed)
    rates, losses = [], []
    for epoch in range(epochs):
        rates.append(scheduler.get_last_lr()[0])
        for number in range(epoch * order.per_epoch, (epoch + 1) * order.per_epoch):
            optimizer.zero_grad()
            loss: torch.Tensor = task.loss_of(model, task.batch(task.train, order.index(number)))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        parts, sizes, _ = validate_model(task, model)
        losses.append(float(np.average(parts, weights=sizes)))
        scheduler.step(losses[-1])
    return rates, losses


def _twins(steps: int) -> dict[str, float]:
    """Largest difference of the rates to torch's own schedulers."""
    third = steps // 3
    pairs = {
        "StepLR": (
            make("step", 1.0, steps, step_size=third, gamma=0.1),
            lambda o: torch.optim.lr_scheduler.StepLR(o, third, 0.1),
        ),
        "ExponentialLR": (
            make("exponential", 1.0, steps, gamma=0.98, every=1),
            lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.98),
        ),
        "CosineAnnealingLR": (
            make("cosine", 1.0, steps),
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps),
        ),
    }
    found = {}
    for name, (ours, twin) in pairs.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler = twin(optimizer)  # type: ignore[no-untyped-call]
        worst = 0.0
        for step in range(steps):
            worst = max(worst, abs(ours(step) - optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step()
        found[name] = worst
    return found
