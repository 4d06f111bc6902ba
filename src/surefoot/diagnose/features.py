"""Features: what the model of verdicts sees of a run, free of scale.

No feature has a unit: losses count relative to the first loss or to the noise, times relative to the logged steps, or
in updates. So they mean the same for a program that nobody has seen before. What the run does not tell is NaN.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from surefoot.diagnose.evidence import Evidence, Series
from surefoot.diagnose.onset import NAMES as ONSET
from surefoot.diagnose.onset import onset_of
from surefoot.diagnose.pace import NAMES as PACES
from surefoot.diagnose.pace import paces_of
from surefoot.diagnose.spikes import regularity, spikes_of
from surefoot.diagnose.trend import Trend, bounded_log, noise_of
from surefoot.diagnose.validated import NAMES as VALIDATED
from surefoot.diagnose.validated import validated_of
from surefoot.diagnose.wander import NAMES as WANDER
from surefoot.diagnose.wander import wander_of
from surefoot.records import FloatSeries

__all__ = ["NAMES", "features_of"]

_TINY = 1e-12
_ENTRIES = 8
"""Finite entries from which the noise, the onset and the wander are told."""


def features_of(evidence: Evidence) -> dict[str, float]:
    """Every feature by name; NaN where the run does not tell."""
    found = dict.fromkeys(NAMES, math.nan)
    trend, losses = evidence.trend, evidence.losses
    if trend is not None and losses is not None:
        found |= _course(trend)
        fine = np.isfinite(losses.value)
        finite = np.clip(losses.value[fine], -1e100, 1e100)
        found |= _noise(trend, finite)
        found |= paces_of(trend, finite, evidence.rates)
        if len(finite) >= _ENTRIES:
            whole = Series(losses.step[fine], finite)
            found |= onset_of(trend, whole, evidence.validation, in_steps=evidence.run.unit == "step")
            found |= wander_of(trend, finite)
        found["not_finite"] = float((~np.isfinite(losses.value)).mean())
    if evidence.validation is not None and trend is not None:
        found |= validated_of(evidence.validation, trend)
    if evidence.rates is not None:
        found |= _rates(evidence.rates)
    return {name: _bounded(found[name]) for name in NAMES}


def _bounded(value: float) -> float:
    return value if math.isnan(value) else float(min(max(value, -1e6), 1e6))


def _course(trend: Trend) -> dict[str, float]:
    """How the level went."""
    level = trend.level
    size = max(abs(trend.initial), _TINY)
    drop = trend.drop
    noise = max(_known(trend.noise, 0.0), 1e-4 * size, _TINY)
    noise_end = max(_known(trend.noise_end, noise), 1e-4 * size, _TINY)
    late = max(len(level) * 2 // 3 - 1, 0)
    middle = max(len(level) // 2 - 1, 0)
    early = max(len(level) // 10, 1)
    end_error = max(_known(trend.final_error, noise), 1e-5 * size)
    fall_late = float(level[late]) - trend.final
    # Level at the start against level at the end, in standard errors: was anything learned?
    third = max(len(level) // 3, 1)
    first, last = float(level[:third].mean()), float(level[-third:].mean())
    error = noise * math.sqrt(2.0 * third / (len(level) * max(trend.entries / len(level), 1.0))) / max(third, 1) ** 0.5
    straight = np.interp(trend.share, [0.0, 1.0], [trend.initial, trend.final])
    fallen = trend.initial - trend.final
    ends = [max(float(value), _TINY) for value in (level[middle], level[-1])]
    return {
        "entries": bounded_log(trend.entries),
        "end": bounded_log(max(trend.final, _TINY) / size) if trend.initial > 0 else math.nan,
        "fallen": max(fallen / size, -20.0),
        "fallen_log": bounded_log(max(fallen, 0.0) / size),
        "drop": bounded_log(drop / size),
        "drop_over_noise": bounded_log(drop / noise),
        "certain": (first - last) / max(error, 1e-5 * size),
        "rise": bounded_log((trend.final - min(trend.lowest, trend.final)) / size),
        "rise_share": min((trend.final - min(trend.lowest, trend.final)) / max(drop, noise), 50.0),
        "rise_over_noise": bounded_log((trend.final - min(trend.lowest, trend.final)) / end_error),
        "lowest_at": float(trend.share[trend.lowest_at]),
        "peak": bounded_log(float(level.max()) / size) if trend.initial > 0 else math.nan,
        "peak_at": float(trend.share[int(level.argmax())]),
        "peak_early": bounded_log(max(float(level[:early].max()), _TINY) / size) if trend.initial > 0 else math.nan,
        "tenth": trend.reached(0.1),
        "half": trend.reached(0.5),
        "most": trend.reached(0.9),
        "sag": float(np.mean(level - straight)) / max(abs(fallen), noise),
        "late_fall": fall_late / max(drop, noise),
        "late_certain": fall_late / (2.0 * end_error),
        "late_log": math.log10(max(float(level[late]), _TINY) / max(trend.final, _TINY)) if trend.final > 0 else 0.0,
        "late_power": math.log(ends[0] / ends[1]) / math.log(2.0) if min(ends) > 0 else 0.0,
        "early_fall": (trend.initial - float(level[min(early, len(level) - 1)])) / max(drop, noise),
        "roughness": bounded_log(float(np.abs(np.diff(level, 2)).mean()) / max(drop, noise))
        if len(level) > 2
        else math.nan,
        "uphill": float((np.diff(level) > noise / math.sqrt(max(trend.entries / len(level), 1.0))).mean()),
        "noise_end": bounded_log(noise_end / size),
        "noise_level": bounded_log(noise_end / max(abs(trend.final), _TINY)),
        "noise_change": bounded_log(noise_end / max(_known(trend.noise_start, noise), 1e-4 * size)),
        "noise_drop": bounded_log(noise_end / max(drop, 1e-4 * size)),
    }


def _noise(trend: Trend, loss: FloatSeries) -> dict[str, float]:
    """How the entries lie around the level."""
    if len(loss) < _ENTRIES:
        return {}
    size = max(abs(trend.initial), _TINY)
    tail = loss[-max(len(loss) // 3, 8) :]
    steps = np.diff(tail)
    swing = float(np.mean(steps[1:] * steps[:-1]) / max(float(np.mean(steps**2)), _TINY**2))
    span = np.percentile(tail, [5, 50, 95])
    around = loss - np.interp(np.arange(len(loss)), np.linspace(0, len(loss) - 1, len(trend.level)), trend.level)
    scale = max(_known(trend.noise, 0.0), 1e-4 * size)
    spikes = spikes_of(loss)
    top = float(loss[: max(len(loss) // 10, 3)].max())
    window = max(len(loss) // 20, 1)
    twice = loss[0] > 0 and (loss > 2 * loss[0]).any()
    doubled = float(np.argmax(loss > 2 * loss[0])) if twice else None
    quiet = [noise_of(part) for part in np.array_split(loss, 6) if len(part) >= 5]
    jumps = [bounded_log(max(b, 1e-5 * size) / max(a, 1e-5 * size)) for a, b in itertools.pairwise(quiet)]
    return {
        "swing": swing,
        "skew": float((span[2] + span[0] - 2 * span[1]) / max(span[2] - span[0], 1e-5 * size)),
        "spread_end": bounded_log(float(span[2] - span[0]) / size),
        "spread_drop": bounded_log(float(span[2] - span[0]) / max(trend.drop, 1e-4 * size)),
        "around": bounded_log(float(np.abs(around).max()) / scale),
        "spikes": float(len(spikes)),
        "spike_share": len(spikes) / len(loss),
        "spike_size": bounded_log(max((size_ for _, size_ in spikes), default=0.0) / size),
        "spike_last": max((at for at, _ in spikes), default=0) / len(loss),
        "spike_first": min((at for at, _ in spikes), default=0) / len(loss),
        "spike_regular": regularity([at for at, _ in spikes]),
        "top_early": bounded_log(top / size) if trend.initial > 0 else math.nan,
        "top": bounded_log(float(loss.max()) / size) if trend.initial > 0 else math.nan,
        "doubled_at": 1.0 if doubled is None else doubled / len(loss),
        "doubled_after": 4.0 if doubled is None else bounded_log(doubled),
        "quietest": min(jumps, default=math.nan),
        "quiet_at": float(np.argmin(jumps)) / len(jumps) if jumps else math.nan,
        "moving": bounded_log(float(np.abs(loss[window:] - loss[:-window]).mean()) / (scale + 1e-5 * size)),
    }  # fmt: skip


def _rates(rates: Series) -> dict[str, float]:
    """How the rate went."""
    lr = rates.value
    peak = float(lr.max())
    low = np.flatnonzero(lr < 0.03 * peak)
    after = low[low > int(lr.argmax())]
    changes = np.abs(np.diff(np.log(np.maximum(lr, 1e-9 * peak)))) if len(lr) > 1 else np.zeros(1)
    return {
        "lr_end": bounded_log(float(lr[-1]) / peak),
        "lr_gone_at": float(after[0]) / len(lr) if len(after) else 1.0,
        "lr_jump": float(changes.max()) if len(changes) else 0.0,
        "lr_peak_at": float(lr.argmax()) / max(len(lr) - 1, 1),
    }


def _known(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


NAMES = (
    "entries", "end", "fallen", "fallen_log", "drop", "drop_over_noise", "certain", "rise", "rise_share",
    "rise_over_noise", "lowest_at", "peak", "peak_at", "peak_early", "tenth", "half", "most", "sag", "late_fall",
    "late_certain", "late_log", "late_power", "early_fall", "roughness", "uphill", "noise_end", "noise_level",
    "noise_change", "noise_drop", "swing", "skew", "spread_end", "spread_drop", "around", "spikes", "spike_share",
    "spike_size", "spike_last", "spike_first", "spike_regular", "top_early", "top", "doubled_at", "doubled_after",
    "quietest", "quiet_at", "moving", "not_finite", "lr_end", "lr_gone_at", "lr_jump", "lr_peak_at",
    *PACES, *ONSET, *WANDER, *VALIDATED,
)  # fmt: skip
"""Names of all features, in the order in which the model takes them."""
