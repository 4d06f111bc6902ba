"""Analysis: what the members of a study say together: the best setting, best rates along each axis, importance.

Importance is the functional analysis of variance of Hutter, Hoos and Leyton-Brown (2014) without a model between:
the members are a grid or a random draw, so the variance of the mean over all other axes can be taken from them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from surefoot.records.study import Response, ResponsePoint, Setting, Share, StudyMember

__all__ = ["best_setting", "extrapolated", "importance", "responses", "settings", "value_of"]

Floats = npt.NDArray[np.float64]

AXES = ("lr", "optimizer", "schedule", "batch_size", "epochs", "weight_decay", "momentum", "width", "depth")
_ALONG = ("batch_size", "width", "depth", "epochs", "optimizer", "schedule")
_RESAMPLED = 200
_BINS = 8
_T = (12.7, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)
"""95 % quantiles of Student's t with 1, 2, … degrees of freedom, two-sided."""
_PRIOR = 4


def value_of(member: StudyMember, axis: str) -> Any:
    """The value of a member on an axis; None where it has none."""
    if axis in ("width", "depth"):
        return member.shape.get(axis)
    if axis in ("weight_decay", "momentum"):
        return member.recipe.options.get(axis)
    return getattr(member.recipe, axis)


def settings(members: Sequence[StudyMember]) -> list[list[StudyMember]]:
    """Members that differ in their seeds alone, together; in the order of their first ones."""
    found: dict[tuple[Any, ...], list[StudyMember]] = {}
    for member in members:
        recipe = member.recipe
        rest = (recipe.clip, recipe.accumulate, str(recipe.changes), str(sorted(recipe.options.items())))
        key = (*(value_of(member, axis) for axis in AXES), *rest)
        found.setdefault(key, []).append(member)
    return list(found.values())


def _final(member: StudyMember) -> float | None:
    """The final loss; infinite of a member that finished with one that is no number, which files keep as none."""
    if member.fate == "finished" and (member.final_loss is None or math.isnan(member.final_loss)):
        return math.inf
    return member.final_loss


def best_setting(members: Sequence[StudyMember]) -> Setting | None:
    """The setting with the lowest mean final loss among those that finished under the most seeds."""
    ended: list[tuple[list[StudyMember], Floats]] = []
    for some in settings(members):
        known = [loss for one in some if one.fate == "finished" and (loss := _final(one)) is not None]
        if known and np.isfinite(known).all() and not any(one.fate == "diverged" for one in some):
            ended.append((some, np.array(known)))
    if not ended:
        return None
    most = max(len(losses) for _, losses in ended)
    full = [(group, losses) for group, losses in ended if len(losses) == most]
    group, losses = min(full, key=lambda one: float(one[1].mean()))
    place = next(row for row, one in enumerate(full) if one[0] is group)
    tied = int(_alike(np.stack([one for _, one in full]), place).sum()) - 1 if most > 1 else 0
    return Setting(
        recipe=group[0].recipe, final_loss=float(losses.mean()), seeds=most, shape=group[0].shape, tied=tied,
        spread=float(losses.std(ddof=1)) if most > 1 else None,
    )  # fmt: skip


def responses(members: Sequence[StudyMember]) -> list[Response]:
    """Best rate along every axis that is varied, the other axes fixed."""
    varied = [axis for axis in AXES if axis != "lr" and len({value_of(one, axis) for one in members}) > 1]
    found: list[Response] = []
    for axis in varied:
        if axis not in _ALONG:
            continue
        others = [one for one in varied if one != axis]
        lines: dict[tuple[Any, ...], list[StudyMember]] = {}
        for member in members:
            lines.setdefault(tuple(value_of(member, other) for other in others), []).append(member)
        for key, some in lines.items():
            label = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in zip(others, key, strict=True))
            found.append(_response(axis, label, some))
    return found


def extrapolated(members: Sequence[StudyMember], axis: str, to: float) -> tuple[float, float, float] | None:
    """The best rate at the value `to` of a numeric axis by a power law, and its 95 % interval; None: not to be told.

    The interval is that of resampled seeds and of the step of the tried rates; it knows nothing of a law that bends.
    """
    by_value: dict[float, list[StudyMember]] = {}
    for member in members:
        value = value_of(member, axis)
        if isinstance(value, int | float):
            by_value.setdefault(float(value), []).append(member)
    curves = {value: _Curve(some) for value, some in sorted(by_value.items())}
    usable: list[tuple[float, _Curve, float]] = []
    for value, curve in curves.items():
        point = curve.point(value)
        if point.lr is not None and not point.edge:
            usable.append((value, curve, point.lr))
    if len(usable) < 2:
        return None
    fitted, drawn = _lines(usable)
    if len(drawn) < _RESAMPLED // 2:
        return None
    place = math.log(to)
    low, high = np.quantile([line[0] * place + line[1] for line in drawn], [0.025, 0.975])
    return math.exp(fitted[0] * place + fitted[1]), float(np.exp(low)), float(np.exp(high))


def _response(axis: str, label: str, members: Sequence[StudyMember]) -> Response:
    by_value: dict[Any, list[StudyMember]] = {}
    for member in members:
        by_value.setdefault(value_of(member, axis), []).append(member)
    values = list(by_value)
    if all(isinstance(value, int | float) for value in values):
        values.sort()
    curves = [_Curve(by_value[value]) for value in values]
    points = tuple(curve.point(value) for value, curve in zip(values, curves, strict=True))
    usable = [
        (float(value), curve, point.lr)
        for value, curve, point in zip(values, curves, points, strict=True)
        if isinstance(value, int | float) and point.lr is not None and not point.edge
    ]
    if not all(isinstance(value, int | float) for value in values):
        return Response(axis, label, points, reason="the axis has no order")
    if len(usable) < 3:
        why = "a slope needs three values with a best rate inside the range of tried ones"
        return Response(axis, label, points, reason=f"{why}; there are {len(usable)}")
    fitted, drawn = _lines(usable)
    if len(drawn) < _RESAMPLED // 2:
        return Response(axis, label, points, reason="under resampled seeds, too few best rates remain")
    low, high = np.quantile([slope for slope, _ in drawn], [0.025, 0.975])
    return Response(axis, label, points, fitted[0], float(low), float(high))


def _lines(usable: Sequence[tuple[float, _Curve, float]]) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """Slope and height of log best rate over log value, and the same under resampled seeds."""
    places = np.log([value for value, _, _ in usable])
    slope, height = np.polyfit(places, np.log([lr for _, _, lr in usable]), 1)
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(_RESAMPLED):
        rates = [curve.resampled_lr(generator) for _, curve, _ in usable]
        if all(rate is not None for rate in rates):
            one = np.polyfit(places, np.log(np.array(rates, dtype=float)), 1)
            drawn.append((float(one[0]), float(one[1])))
    return (float(slope), float(height)), drawn


class _Curve:
    """Final loss over the rate, under every seed."""

    def __init__(self, members: Sequence[StudyMember]) -> None:
        lrs = sorted({one.recipe.lr for one in members if one.recipe.lr is not None})
        seeds = sorted({one.recipe.seed for one in members})
        self.lrs = np.array(lrs)
        self.losses = np.full((len(lrs), len(seeds)), np.nan)
        firsts = [one.first_loss for one in members if one.first_loss is not None]
        self.first = float(np.median(firsts)) if firsts else math.inf
        self.spread = np.full(len(lrs), np.nan)
        for one in members:
            if one.recipe.lr is None:
                continue
            row, column = lrs.index(one.recipe.lr), seeds.index(one.recipe.seed)
            if one.fate == "diverged":
                self.losses[row, column] = math.inf
            elif one.fate == "finished":
                self.losses[row, column] = _final(one)
                self.spread[row] = math.nan if one.spread is None else one.spread
        done = ~np.isnan(self.losses).all(axis=0)  # the seeds under which anything is known yet
        if done.any():
            self.losses = self.losses[:, done]
        # A rate counts where it finished under as many seeds as any did.
        ended = (~np.isnan(self.losses)).sum(axis=1)
        self.losses[ended < ended.max(initial=0)] = np.nan

    def best_lr(self, losses: Floats | None = None) -> float | None:
        """The rate with the lowest mean loss, refined by a parabola through it and its neighbours."""
        means = self._means(self.losses if losses is None else losses)
        known = np.flatnonzero(np.isfinite(means) & (means < self.first))
        if not len(known):
            return None
        row = int(known[np.argmin(means[known])])
        if 0 < row < len(means) - 1 and np.isfinite(means[row - 1 : row + 2]).all():
            x = np.log(self.lrs[row - 1 : row + 2])
            bend, slope, _ = np.polyfit(x - x[1], means[row - 1 : row + 2], 2)
            if bend > 0:
                step = float(np.clip(-slope / (2 * bend), (x[0] - x[1]) / 2, (x[2] - x[1]) / 2))
                return float(np.exp(x[1] + step))
        return float(self.lrs[row])

    def resampled_lr(self, generator: np.random.Generator) -> float | None:
        """The best rate under seeds drawn with replacement, and anywhere within its step of the tried rates."""
        columns = generator.integers(self.losses.shape[1], size=self.losses.shape[1])
        lr = self.best_lr(self.losses[:, columns])
        gap = float(np.median(np.diff(np.log(self.lrs)))) if len(self.lrs) > 1 else 0.0
        return None if lr is None else lr * math.exp(generator.uniform(-gap / 2, gap / 2))

    def point(self, value: Any) -> ResponsePoint:
        """The best rate at one value of an axis, and the rates that cannot be told from it."""
        means = self._means(self.losses)
        lr = self.best_lr()
        if lr is None:
            return ResponsePoint(value, None, None, None, None)
        known = np.flatnonzero(np.isfinite(means))
        row = int(known[np.argmin(means[known])])
        alike = self._alike(row)
        near = [place for place in known.tolist() if alike[place]]
        # The best rate lies between tried ones and is one of those that cannot be told from it.
        low, high = min(lr, float(self.lrs[near[0]])), max(lr, float(self.lrs[near[-1]]))
        tried = np.flatnonzero(~np.isnan(means))
        return ResponsePoint(value, lr, low, high, float(means[row]), edge=row in (tried[0], tried[-1]))

    def _alike(self, best: int) -> npt.NDArray[np.bool_]:
        seeds = np.isfinite(self.losses[best])
        if seeds.sum() > 1:
            return _alike(self.losses[:, seeds], best)
        both = np.hypot(self.spread, self.spread[best])
        only = self.losses[:, int(np.argmax(seeds))]
        found: npt.NDArray[np.bool_] = ~(only - only[best] > 1.96 * both)
        found &= np.isfinite(only)
        return found

    @staticmethod
    def _means(losses: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            counts = (~np.isnan(losses)).sum(axis=1)
            sums = np.where(np.isnan(losses), 0.0, losses).sum(axis=1)
            means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
            return means


def importance(members: Sequence[StudyMember]) -> list[Share]:
    """Shares of the variance of the final loss: of every varied axis, of the seed, and of pairs beyond their parts.

    A member that diverged, or whose loss is no number, counts as one that learned nothing, and one that was not trained
    as others of its setting.
    """
    known: list[tuple[StudyMember, float]] = []
    firsts = [one.first_loss for one in members if one.first_loss is not None and math.isfinite(one.first_loss)]
    if not firsts:
        return []
    top = float(np.median(firsts))
    groups = settings(members)
    for group in groups:
        finals = [None if (loss := _final(one)) is None else min(loss, top) for one in group]
        losses = [loss for one, loss in zip(group, finals, strict=True) if loss is not None and one.fate != "aside"]
        if losses:
            middle = float(np.mean(losses))
            known += [(one, middle if loss is None else loss) for one, loss in zip(group, finals, strict=True)]
    axes = [axis for axis in AXES if len({value_of(one, axis) for one, _ in known}) > 1]
    y = np.array([loss for _, loss in known])
    if not axes or len(y) < 8 or not y.std() > 0:
        return []
    levels = {axis: _levels([value_of(one, axis) for one, _ in known]) for axis in axes}
    if len({one.recipe.seed for one, _ in known}) > 1:
        levels["seed"] = _levels([one.recipe.seed for one, _ in known])
    where: dict[int, int] = {id(one): place for place, (one, _) in enumerate(known)}
    clusters = [np.array([where[id(one)] for one in group if id(one) in where]) for group in groups]
    clusters = [one for one in clusters if len(one)]
    names = [(axis,) for axis in levels] + list(itertools.combinations(axes, 2))
    shares = _shares(y, levels, names)
    generator = np.random.default_rng(0)
    drawn = []
    for _ in range(_RESAMPLED):
        rows = np.concatenate([clusters[place] for place in generator.integers(len(clusters), size=len(clusters))])
        if y[rows].std() > 0:
            drawn.append(_shares(y[rows], {axis: level[rows] for axis, level in levels.items()}, names))
    offsets = np.array(drawn) - np.mean(drawn, axis=0)
    low, high = np.quantile(offsets, [0.025, 0.975], axis=0)
    found = [
        Share(name, float(share), float(np.clip(share + a, 0, 1)), float(np.clip(share + b, 0, 1)))
        for name, share, a, b in zip(names, shares, low, high, strict=True)
    ]
    return sorted(found, key=lambda one: -one.share)


def _shares(y: Floats, levels: dict[str, Any], names: Sequence[tuple[str, ...]]) -> Floats:
    alone = {axis: _explained(y, level) for axis, level in levels.items()}
    found = []
    for name in names:
        if len(name) == 1:
            found.append(alone[name[0]])
        else:
            one, other = (levels[axis] for axis in name)
            both = _explained(y, one * (int(other.max()) + 1) + other)
            found.append(max(0.0, both - alone[name[0]] - alone[name[1]]))
    shares: Floats = np.clip(np.array(found, dtype=np.float64), 0.0, 1.0)
    return shares


def _explained(y: Floats, level: npt.NDArray[np.int64]) -> float:
    """Share of the variance between levels, less what chance alone puts there (epsilon squared, Kelley 1935)."""
    counts = np.bincount(level)
    sums = np.bincount(level, weights=y)
    used = counts > 0
    means = sums[used] / counts[used]
    between = float((counts[used] * (means - y.mean()) ** 2).sum())
    total = float(((y - y.mean()) ** 2).sum())
    free = int(len(y) - used.sum())
    if total <= 0:
        return 0.0
    chance = (used.sum() - 1) * (total - between) / free if free > 0 else 0.0
    return max(0.0, (between - float(chance)) / total)


def _levels(values: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Values as numbers from 0; of many different numbers, bins of about equal size."""
    distinct = list(dict.fromkeys(values))
    numbers = all(isinstance(value, int | float) for value in distinct)
    if numbers and len(distinct) > 4 * _BINS:
        edges = np.quantile(np.array(values, dtype=float), np.linspace(0, 1, _BINS + 1)[1:-1])
        return np.searchsorted(edges, np.array(values, dtype=float), side="right").astype(np.int64)
    place = {value: number for number, value in enumerate(distinct)}
    return np.array([place[value] for value in values], dtype=np.int64)


def _alike(losses: Floats, best: int) -> npt.NDArray[np.bool_]:
    """Which rows of `losses` [settings, seeds] cannot be told from row `best`, at 95 %, seeds in pairs.

    Losses are compared by their logarithms where they are above 0: the spread of a loss grows with it. A variance from
    two or three seeds says little, so that of each row is mixed with the median over the rows, which counts as four
    degrees of freedom (as in Smyth 2004).
    """
    rows: npt.NDArray[np.bool_] = np.asarray(np.isfinite(losses).all(axis=1))
    used = losses[rows]
    shown = np.log(used) if bool((used > 0).all()) else used
    differences = shown - shown[int(rows[:best].sum())]
    own = differences.var(axis=1, ddof=1)
    others = np.delete(own, int(rows[:best].sum()))
    free = losses.shape[1] - 1
    prior = float(np.median(others)) if len(others) else 0.0
    variance = (_PRIOR * prior + free * own) / (_PRIOR + free)
    bound = _T[min(_PRIOR + free, len(_T)) - 1] * np.sqrt(variance / losses.shape[1])
    found = np.zeros(len(losses), dtype=np.bool_)
    found[rows] = differences.mean(axis=1) <= bound
    found[best] = True
    return found
