"""Record the rates of other libraries' schedules, for the tests to compare with.

Usage: python scripts/record_schedule_twins.py

Needs transformers, timm, optax, keras and pytorch-optimizer beside torch (an environment of their own is best), and
not Surefoot. Writes tests/schedules/twins/<library>.json: version, date and, for every call, the Surefoot spec that
should agree with it and the rate of every update.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"
os.environ["JAX_PLATFORMS"] = "cpu"
TARGET = Path(__file__).parents[1] / "tests" / "schedules" / "twins"
PEAK, STEPS = 0.3, 60
METRICS = [2.0, 1.5, 1.2, 1.0, 0.9, 0.85, 0.84, 0.86, 0.85, 0.86, 0.87, 0.85, 0.8, 0.79, 0.78, 0.77, 0.9, 0.9, 0.9, 0.9]
"""What the feedback schedules are shown."""

Case = tuple[str, str, list[float]]


def main() -> None:
    """Record every library that can be imported."""
    warnings.simplefilter("ignore")
    TARGET.mkdir(parents=True, exist_ok=True)
    for library, cases in (
        ("transformers", of_transformers),
        ("timm", of_timm),
        ("optax", of_optax),
        ("keras", of_keras),
        ("pytorch-optimizer", of_pytorch_optimizer),
    ):
        recorded = {
            "library": library,
            "version": importlib.metadata.version(library),
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "peak": PEAK,
            "steps": STEPS,
            "cases": [{"call": call, "spec": spec, "lrs": [_short(one) for one in lrs]} for call, spec, lrs in cases()],
        }
        lines = [json.dumps(one) for one in recorded.pop("cases")]
        head = json.dumps(recorded)[:-1]
        text = head + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
        (TARGET / f"{library.replace('-', '_')}.json").write_text(text, encoding="utf-8")
        print(f"{library} {recorded['version']}: {len(lines)} schedules")


def _short(value: float) -> float:
    return float(f"{value:.10g}")


def _optimizer(lr: float = PEAK) -> Any:
    import torch

    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def _stepped(make: Callable[[Any], Any]) -> list[float]:
    """Rates of a scheduler of torch's kind."""
    optimizer = _optimizer()
    scheduler, rates = make(optimizer), []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def of_transformers() -> Iterable[Case]:
    """Hugging Face transformers."""
    from transformers import optimization as o

    rise = "warmup:linear:10:0.0"
    yield "get_constant_schedule_with_warmup(10)", rise, _stepped(lambda s: o.get_constant_schedule_with_warmup(s, 10))
    yield (
        "get_linear_schedule_with_warmup(10, 60)",
        f"{rise}+linear",
        _stepped(lambda s: o.get_linear_schedule_with_warmup(s, 10, STEPS)),
    )
    yield (
        "get_cosine_schedule_with_warmup(10, 60)",
        f"{rise}+cosine",
        _stepped(lambda s: o.get_cosine_schedule_with_warmup(s, 10, STEPS)),
    )
    for cycles in (2, 3):
        yield (
            f"get_cosine_with_hard_restarts_schedule_with_warmup(10, 60, {cycles})",
            f"{rise}+cosine-restarts:{1 / cycles!r}",
            _stepped(lambda s, n=cycles: o.get_cosine_with_hard_restarts_schedule_with_warmup(s, 10, STEPS, n)),
        )
    yield (
        "get_polynomial_decay_schedule_with_warmup(10, 60, lr_end=0.003, power=2)",
        f"{rise}+polynomial:0.01:2.0",
        _stepped(lambda s: o.get_polynomial_decay_schedule_with_warmup(s, 10, STEPS, lr_end=0.003, power=2.0)),
    )
    yield (
        "get_inverse_sqrt_schedule(10)",
        f"{rise}+inverse-sqrt:10",
        _stepped(lambda s: o.get_inverse_sqrt_schedule(s, 10)),
    )
    yield (
        "get_inverse_sqrt_schedule(10, timescale=25)",
        f"{rise}+inverse-sqrt:25",
        _stepped(lambda s: o.get_inverse_sqrt_schedule(s, 10, 25)),
    )
    yield (
        "get_cosine_with_min_lr_schedule_with_warmup(10, 60, min_lr_rate=0.1)",
        f"{rise}+cosine:0.1",
        _stepped(lambda s: o.get_cosine_with_min_lr_schedule_with_warmup(s, 10, STEPS, min_lr_rate=0.1)),
    )
    for rise_type in ("linear", "cosine", "1-sqrt"):
        for fall_type in ("linear", "cosine", "1-sqrt"):
            yield (
                f"get_wsd_schedule(10, 15, 60, warmup_type={rise_type!r}, decay_type={fall_type!r}, min_lr_ratio=0.1)",
                f"wsd:10:15:{fall_type}:end_factor=0.1:warmup_shape={rise_type}:start_factor=0.1",
                _stepped(
                    lambda s, a=rise_type, b=fall_type: o.get_wsd_schedule(
                        s, 10, 15, STEPS, warmup_type=a, decay_type=b, min_lr_ratio=0.1
                    )
                ),
            )
    for text, options in (
        ("patience=1:reduction=0.8", {"patience": 1, "factor": 0.8}),
        ("patience=0:reduction=0.5:cooldown=2:warmup=1", {"patience": 0, "factor": 0.5, "cooldown": 2, "warmup": 1}),
        ("patience=1:reduction=0.5:window=3", {"patience": 1, "factor": 0.5, "smooth": True, "window_size": 3}),
        ("patience=0:reduction=0.1:reset_after=2", {"patience": 0, "factor": 0.1, "reset_start": 2}),
    ):
        optimizer = _optimizer()
        greedy = o.GreedyLR(optimizer, min_lr=0.01 * PEAK, max_lr=10 * PEAK, eps=0.0, **options)
        rates = []
        for metric in METRICS * 2:
            greedy.step(metric)
            rates.append(optimizer.param_groups[0]["lr"])
        yield f"GreedyLR({options}), shown METRICS twice", f"greedy:{text}", rates


def of_timm() -> Iterable[Case]:
    """timm: schedules of one run of 60 epochs."""
    from timm.scheduler import cosine_lr, poly_lr, step_lr, tanh_lr, wsd_lr

    def rates(kind: Any, t_initial: int = STEPS, **options: Any) -> list[float]:
        optimizer = _optimizer()
        scheduler = kind(optimizer, t_initial, **options)
        seen = []
        for epoch in range(STEPS):
            scheduler.step(epoch)
            seen.append(optimizer.param_groups[0]["lr"])
        return seen

    rise = {"warmup_t": 10, "warmup_lr_init": 0.03}
    cosine = cosine_lr.CosineLRScheduler
    yield "CosineLRScheduler(60, lr_min=0.03)", "cosine:0.1", rates(cosine, lr_min=0.03)
    yield (
        "CosineLRScheduler(60, warmup_t=10, warmup_lr_init=0.03)",
        ("warmup:linear:10:0.1:overlap=true:then=cosine"),
        rates(cosine, **rise),
    )
    yield (
        "CosineLRScheduler(50, warmup_t=10, warmup_lr_init=0.03, warmup_prefix=True)",
        ("warmup:linear:10:0.1+cosine"),
        rates(cosine, 50, warmup_prefix=True, **rise),
    )
    yield (
        "CosineLRScheduler(9, cycle_mul=2, cycle_decay=0.5, cycle_limit=9)",
        "cosine-restarts:9:2:0:0.5",
        rates(cosine, 9, cycle_mul=2.0, cycle_decay=0.5, cycle_limit=9),
    )
    yield "CosineLRScheduler(60, k_decay=1.5, lr_min=0.03)", "k-decay:0.1:1.5", rates(cosine, k_decay=1.5, lr_min=0.03)
    yield "TanhLRScheduler(60)", "tanh", rates(tanh_lr.TanhLRScheduler)
    yield (
        "TanhLRScheduler(60, lb=-4, ub=4, lr_min=0.03)",
        "tanh:0.1:-4:4",
        rates(tanh_lr.TanhLRScheduler, lb=-4.0, ub=4.0, lr_min=0.03),
    )
    yield (
        "PolyLRScheduler(60, power=0.5, lr_min=0.03)",
        "polynomial:0.1:0.5",
        rates(poly_lr.PolyLRScheduler, power=0.5, lr_min=0.03),
    )
    yield "StepLRScheduler(20, 0.5)", "step:20:0.5", rates(step_lr.StepLRScheduler, 20, decay_rate=0.5)
    for theirs, mine, options in (
        ("linear", "linear", {}),
        ("1-sqrt", "1-sqrt", {}),
        ("cosine", "cosine", {}),
        ("power", "square", {"decay_power": 2.0}),
        ("exp", "exponential", {"decay_ratio": 0.1}),
    ):
        for stable, plateau in (("constant", "constant"), ("rsqrt", "inverse-sqrt")):
            yield (
                f"WSDLRScheduler(50, 15, lr_min=0.03, decay_fn={theirs!r}, stable_fn={stable!r}, {options}, {rise})",
                f"wsd:10:15:{mine}:0.1:start_factor=0.1:stable={plateau}",
                rates(
                    wsd_lr.WSDLRScheduler,
                    50,
                    decay_t=15,
                    lr_min=0.03,
                    decay_fn=theirs,
                    stable_fn=stable,
                    **options,
                    **rise,
                ),
            )


def of_optax() -> Iterable[Case]:
    """optax, in its float32."""
    import optax

    def rates(schedule: Any) -> list[float]:
        return [float(schedule(step)) for step in range(STEPS)]

    yield (
        "cosine_decay_schedule(0.3, 60, alpha=0.1)",
        "cosine:0.1",
        rates(optax.cosine_decay_schedule(PEAK, STEPS, 0.1)),
    )
    yield "exponential_decay(0.3, 10, 0.7)", "exponential:0.7:10", rates(optax.exponential_decay(PEAK, 10, 0.7))
    yield (
        "exponential_decay(0.3, 10, 0.7, staircase=True, end_value=0.09)",
        ("exponential:0.7:10:true:0.3"),
        rates(optax.exponential_decay(PEAK, 10, 0.7, staircase=True, end_value=0.09)),
    )
    yield (
        "polynomial_schedule(0.3, 0.03, 3, 60)",
        "polynomial:0.1:3",
        rates(optax.polynomial_schedule(PEAK, 0.03, 3, STEPS)),
    )
    yield "linear_schedule(0.3, 0.03, 60)", "linear:0.1", rates(optax.linear_schedule(PEAK, 0.03, STEPS))
    yield (
        "piecewise_constant_schedule(0.3, {20: 0.5, 45: 0.1})",
        "piecewise:20/45:1/0.5/0.05",
        rates(optax.piecewise_constant_schedule(PEAK, {20: 0.5, 45: 0.1})),
    )
    for shape in ("linear", "cosine"):
        yield (
            f"piecewise_interpolate_schedule({shape!r}, 0.06, {{20: 5.0, 60: 0.1}})",
            f"piecewise:20/60:0.2/1.0/0.1:{shape}",
            rates(optax.piecewise_interpolate_schedule(shape, 0.06, {20: 5.0, 60: 0.1})),
        )
    yield (
        "warmup_cosine_decay_schedule(0.03, 0.3, 10, 60, end_value=0.006)",
        "warmup:linear:10:0.1+cosine:0.02",
        rates(optax.warmup_cosine_decay_schedule(0.03, PEAK, 10, STEPS, 0.006)),
    )
    yield (
        "join_schedules([constant(0.15), cosine_decay(0.3, 40)], [20])",
        "0.5*constant@20+cosine",
        rates(optax.join_schedules([optax.constant_schedule(0.15), optax.cosine_decay_schedule(PEAK, 40)], [20])),
    )
    yield (
        "sgdr_schedule, two cycles of 30 with 5 of warmup, peaks 0.3 and 0.15",
        ("repeat:part=(warmup:linear:5:0.0+cosine):decay=0.5"),
        rates(
            optax.sgdr_schedule(
                {"init_value": 0.0, "peak_value": peak, "warmup_steps": 5, "decay_steps": 30} for peak in (0.3, 0.15)
            )
        ),
    )
    yield (
        "cosine_onecycle_schedule(60, 0.3)",
        f"piecewise:18/60:{1 / 25!r}/1.0/{1 / 25e4!r}:cosine",
        rates(optax.cosine_onecycle_schedule(STEPS, PEAK)),
    )


def of_keras() -> Iterable[Case]:
    """Keras, in its float32."""
    from keras.optimizers import schedules as k

    def rates(schedule: Any) -> list[float]:
        return [float(schedule(step)) for step in range(STEPS)]

    yield "ExponentialDecay(0.3, 10, 0.7)", "exponential:0.7:10", rates(k.ExponentialDecay(PEAK, 10, 0.7))
    yield (
        "ExponentialDecay(0.3, 10, 0.7, staircase=True)",
        "exponential:0.7:10:true",
        rates(k.ExponentialDecay(PEAK, 10, 0.7, staircase=True)),
    )
    yield "InverseTimeDecay(0.3, 1, 0.05)", "inverse-time:0.05", rates(k.InverseTimeDecay(PEAK, 1, 0.05))
    yield (
        "InverseTimeDecay(0.3, 7, 0.5, staircase=True)",
        "inverse-time:0.5:7:true",
        rates(k.InverseTimeDecay(PEAK, 7, 0.5, staircase=True)),
    )
    yield "PolynomialDecay(0.3, 60, 0.003, 2)", "polynomial:0.01:2", rates(k.PolynomialDecay(PEAK, STEPS, 0.003, 2.0))
    # Keras holds a value up to and including its boundary.
    yield (
        "PiecewiseConstantDecay([19, 44], [0.3, 0.15, 0.03])",
        "piecewise:20/45:1/0.5/0.1",
        rates(k.PiecewiseConstantDecay([19, 44], [0.3, 0.15, 0.03])),
    )
    yield "CosineDecay(0.3, 60, alpha=0.1)", "cosine:0.1", rates(k.CosineDecay(PEAK, STEPS, 0.1))
    yield (
        "CosineDecay(0.03, 50, warmup_target=0.3, warmup_steps=10)",
        "warmup:linear:10:0.1+cosine",
        rates(k.CosineDecay(0.03, 50, warmup_target=PEAK, warmup_steps=10)),
    )
    yield (
        "CosineDecayRestarts(0.3, 9, t_mul=2, m_mul=0.5)",
        "cosine-restarts:9:2:0:0.5",
        rates(k.CosineDecayRestarts(PEAK, 9, 2.0, 0.5)),
    )


def of_pytorch_optimizer() -> Iterable[Case]:
    """pytorch-optimizer: the rates of REX by its own clock (its first update is made at rate 0, before any of them)."""
    from pytorch_optimizer.lr_scheduler.rex import REXScheduler

    scheduler, rates = REXScheduler(_optimizer(), STEPS, max_lr=PEAK), []
    for step in range(STEPS):
        scheduler.step_t = step
        rates.append(float(scheduler.get_linear_lr()))
    yield "REXScheduler(60, max_lr=0.3).get_linear_lr()", "rex", rates


if __name__ == "__main__":
    main()
