"""Fit what diagnosing rests on: thresholds of checks and the boosted trees of verdicts and of sizes.

    python benchmarks/diagnosis_fit.py               # makes src/surefoot/diagnose/fitted.json
    python benchmarks/diagnosis_fit.py --thresholds  # only those of the checks
    python benchmarks/diagnosis_fit.py --sizes       # only what sizes are told from

Only the calibration tasks are seen. What is judged on the way (probabilities, when to abstain, how wide intervals are)
is judged on tasks that the forest at hand has not seen: families of tasks are left out in five groups.
"""

from __future__ import annotations

import json
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from diagnosis_corpus import FILES
from diagnosis_logs import Example, examples, load, short_examples
from diagnosis_tasks import CALIBRATION, family_of
from surefoot.diagnose import fitted
from surefoot.diagnose.evidence import Evidence
from surefoot.diagnose.features import NAMES, features_of
from surefoot.records import Provenance
from surefoot.records.diagnosis import FINE

OUT = Path(fitted.__file__).parent / "fitted.json"
VERDICTS = (
    "rate_too_low", "rate_ok", "rate_too_high", "diverged", "overfitting", "noise_floor", "not_learning", "no_update",
    "data_problem", "schedule_too_early", "spike_recovered", "nan",
)  # fmt: skip
PARTS = (0.1, 0.9)
FORMS, GROUPS, SEED = 4, 5, 0
PART = 0.25
"""Of the steps, after which trainings at constant rates are also taken to end: budgets too short."""
HOLD, HIT, SIZED = 0.8, 0.76, 0.25
"""Of the wrong rates of tasks left out, the share whose best rate lies in the interval; the share of guesses within
half a decade, as which the widest interval is chosen; and the share that is given a size at least."""
FAMILIES = tuple(dict.fromkeys(family_of(name) for name in CALIBRATION))
TOLD, RIGHT = 0.765, 0.924
"""What must be kept on calibration tasks that were left out, while false alarms are made as rare as can be: the
goals of at most 0.25 abstention and at least 0.9 right, with a margin."""
FINE_ONES = np.array([verdict in FINE for verdict in VERDICTS])
TARGETS = {
    # check: (verdicts that it speaks for, the precision to reach)
    "slow-descent": ({"rate_too_low"}, 0.8),
    "still-falling": ({"rate_too_low"}, 0.5),
    "early-bump": ({"rate_too_high", "diverged", "noise_floor"}, 0.7),
    "schedule-too-early": ({"schedule_too_early"}, 0.6),
    "overfitting": ({"overfitting"}, 0.6),
}


def classifier() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=160,
        learning_rate=0.06,
        max_leaf_nodes=18,
        max_features=0.25,
        min_samples_leaf=15,
        l2_regularization=5.0,
        random_state=SEED,
    )


def quantile(part: float) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="quantile", quantile=part, max_iter=60, learning_rate=0.1, max_leaf_nodes=10, min_samples_leaf=20,
        max_features=0.4, l2_regularization=2.0, random_state=SEED,
    )  # fmt: skip


def guesser() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=140, learning_rate=0.06, max_leaf_nodes=12, min_samples_leaf=20, max_features=0.25,
        l2_regularization=5.0, random_state=SEED,
    )  # fmt: skip


def matrix(found: list[Example]) -> Any:
    rows = [list(features_of(Evidence(one.run, one.beside)).values()) for one in found]  # in the order of NAMES
    x = np.array(rows)
    return np.where(np.isnan(x), fitted.MISSING, x)


def exported(model: Any) -> dict[str, Any]:
    """Boosted trees as plain lists, nodes in the order in which a left child follows its parent."""
    trees = []
    for (one,) in model._predictors:
        nodes = one.nodes
        order: list[int] = []
        stack = [0]
        while stack:
            node = stack.pop()
            order.append(node)
            if not nodes["is_leaf"][node]:
                stack += [int(nodes["right"][node]), int(nodes["left"][node])]
        place = {node: at for at, node in enumerate(order)}
        leaf = [bool(nodes["is_leaf"][node]) for node in order]
        pairs = list(zip(order, leaf, strict=True))
        trees.append({
            "feature": [-1 if end else int(nodes["feature_idx"][node]) for node, end in pairs],
            "bound": [0 if end else _short(nodes["num_threshold"][node]) for node, end in pairs],
            "right": [0 if end else place[int(nodes["right"][node])] for node, end in pairs],
            "value": [_short(nodes["value"][node]) if end else 0 for node, end in pairs],
        })  # fmt: skip
    return {"start": _short(float(np.ravel(model._baseline_prediction)[0])), "trees": trees}


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def trees(x: Any, y: Any, short: Any, column: int) -> HistGradientBoostingClassifier:
    """The trees of one verdict; whether a floor of noise is right is not known of a training that was cut short."""
    rows = ~short if column == VERDICTS.index("noise_floor") else np.ones(len(x), bool)
    return classifier().fit(x[rows], y[rows, column])


def left_out(x: Any, y: Any, family: Any, short: Any) -> Any:
    """Log odds of each column of `y` for every row, by trees that have not seen its family of tasks."""
    found = np.full(y.shape, -7.0)
    for number in range(GROUPS):
        inside = np.isin(family, FAMILIES[number::GROUPS])
        for column in range(y.shape[1]):
            seen = trees(x[~inside], y[~inside], short[~inside], column)
            found[inside, column] = seen.decision_function(x[inside])
    return found


def rules(chance: Any, well: Any, y: Any, good: Any) -> dict[str, Any]:
    """When to abstain: the fewest false alarms with which left-out tasks have few abstentions and right causes.

    How many times the probability of a false alarm is taken off that of a fault, and how much must remain of a fault
    and of what is none: three numbers, of a grid.
    """
    best: dict[str, Any] = {}
    lowest = math.inf
    for doubt in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0):
        for fine in np.arange(0.3, 0.8, 0.02):
            for fault in np.arange(0.2, 0.96, 0.02):
                tried = {"doubt": doubt, "least": {"fine": round(float(fine), 3), "fault": round(float(fault), 3)}}
                said, top = told(chance, well, tried)
                right = y[np.arange(len(y)), top] == 1
                alarms = float((said & ~FINE_ONES[top] & good).sum()) / max(int(good.sum()), 1)
                cost = alarms + 5 * max(0.0, TOLD - said.mean()) + 5 * max(0.0, RIGHT - right[said].mean())
                if cost < lowest - 1e-6:
                    best, lowest = tried, cost
    print("false alarms, and what lacks", round(lowest, 4), best, flush=True)
    return best


def thresholds(found: list[Example]) -> dict[str, Any]:
    """For each check the lowest threshold from which what it speaks for is right often enough."""
    from surefoot.diagnose.check import CHECKS, ask_all

    statistics: dict[str, list[tuple[float, bool]]] = {name: [] for name in TARGETS}
    for one in found:
        findings = ask_all(Evidence(one.run, one.beside))
        for name, (verdicts, _) in TARGETS.items():
            finding = findings[name]
            # With the provisional thresholds a finding holds where all its other conditions do.
            holds = finding.result == "holds" and finding.evidence[0].value is not None
            value = finding.evidence[0].value if holds else -math.inf
            statistics[name].append((value, bool(one.right & verdicts)))
    assert set(TARGETS) <= set(CHECKS)
    result = {}
    for name, pairs in statistics.items():
        values, truth = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
        best: dict[str, float] | None = None
        tried: list[dict[str, float]] = []
        for value in np.unique(np.quantile(values[np.isfinite(values)], np.linspace(0.0, 0.98, 99))):
            above = values > value
            precision, recall = float(truth[above].mean()) if above.any() else 0.0, float(above[truth].mean())
            one = {"value": _short(value), "precision": round(precision, 3), "recall": round(recall, 3)}
            if recall > 0:
                tried.append(one)
            if precision >= TARGETS[name][1] and (best is None or recall > best["recall"]):
                best = one
        if best is None:  # no value is precise enough: the one that tells most, by Youden's index
            asked = np.isfinite(values)
            best = max(tried, key=lambda one: _youden(values[asked] > one["value"], truth[asked]))
        result[name] = best | {"runs": int(np.isfinite(values).sum())}
        print(name, result[name], flush=True)
    return result


def _youden(above: Any, truth: Any) -> float:
    return float(above[truth].mean() - above[~truth].mean()) if truth.any() and (~truth).any() else 0.0


def provisional() -> dict[str, Any]:
    return {name: {"value": 0.05 if name == "still-falling" else 0.0} for name in TARGETS}


def main() -> None:
    trainings = [one for file in FILES for one in load(file)[0]]
    found = examples(trainings, forms=FORMS, seed=SEED)
    whole = len(found)
    found += short_examples(trainings, part=PART, seed=SEED)
    data: dict[str, Any] = {
        "about": "benchmarks/diagnosis_fit.py, from the calibration tasks of the corpus of diagnoses",
        "provenance": Provenance.here(seeds={"fit": SEED}, command="python benchmarks/diagnosis_fit.py").to_json(),
        "tasks": list(CALIBRATION), "runs": len(found), "features": list(NAMES),
        "thresholds": provisional(),
    }  # fmt: skip
    everything = found[: whole : 3 * FORMS // 2]
    short = np.arange(len(found)) >= whole
    if "--thresholds" in sys.argv:
        old = json.loads(OUT.read_text(encoding="utf-8"))
        with mock.patch.object(fitted, "constants", return_value=data):
            old["thresholds"] = thresholds(everything)
        OUT.write_text(json.dumps(old, separators=(",", ":")) + "\n", encoding="utf-8")
        return

    asked_for = [one.right != {"dead_units"} for one in found]  # its check decides that alone
    found, short = [one for one, kept in zip(found, asked_for, strict=True) if kept], short[asked_for]
    x = matrix(found)
    print(f"{len(found)} runs", flush=True)
    family = np.array([family_of(one.task) for one in found])
    if "--sizes" in sys.argv:
        old = json.loads(OUT.read_text(encoding="utf-8"))
        old["sizes"] = both_sizes(found, x, family)
        OUT.write_text(json.dumps(old, separators=(",", ":")) + "\n", encoding="utf-8")
        return
    y = np.array([[verdict in one.right for verdict in VERDICTS] for one in found], float)
    good = np.array([one.good for one in found])
    odds = left_out(x, np.c_[y, good], family, short)
    odds, well = odds[:, :-1], 1 / (1 + np.exp(-odds[:, -1]))
    top = odds.argmax(1)
    right = y[np.arange(len(y)), top] == 1
    scaled = LogisticRegression(C=1e3).fit(odds[~short].max(1)[:, None], right[~short])
    data["scaling"] = [round(float(scaled.coef_[0, 0]), 4), round(float(scaled.intercept_[0]), 4)]
    chance = 1 / (1 + np.exp(-(data["scaling"][0] * odds + data["scaling"][1])))
    data["rules"] = rules(chance[~short], well[~short], y[~short], good[~short])
    data["left_out"] = left_out_figures(
        chance[~short], well[~short], y[~short], [one for one, cut in zip(found, short, strict=True) if not cut],
        data["rules"],
    )  # fmt: skip
    print(data["left_out"], flush=True)
    data["verdicts"] = {verdict: exported(trees(x, y, short, place)) for place, verdict in enumerate(VERDICTS)}
    data["good"] = exported(classifier().fit(x, good))
    data["sizes"] = both_sizes(found, x, family)
    with mock.patch.object(fitted, "constants", return_value=data):
        data["thresholds"] = thresholds(everything)
    OUT.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")
    print(OUT, OUT.stat().st_size // 1000, "kB")


def told(chance: Any, well: Any, bounds: dict[str, Any]) -> tuple[Any, Any]:
    """Where a verdict is given, and the place of the one that is worth most: as `judge` does."""
    worth = chance - np.where(FINE_ONES, 0.0, bounds["doubt"] * well[:, None])
    top = worth.argmax(1)
    least = np.where(FINE_ONES[top], bounds["least"]["fine"], bounds["least"]["fault"])
    return worth.max(1) >= least, top


def left_out_figures(chance: Any, well: Any, y: Any, found: list[Example], bounds: dict[str, Any]) -> dict[str, Any]:
    """The goals on tasks whose family the trees had not seen; the bounds were chosen on these."""
    said, top = told(chance, well, bounds)
    names = np.array(VERDICTS)[top]
    good, side = np.array([one.good for one in found]), np.array([one.direction for one in found])
    right = y[np.arange(len(y)), top] == 1
    sure = chance[np.arange(len(y)), top][said]
    fault = said & ~FINE_ONES[top]
    way = np.select([names == "rate_too_low", np.isin(names, ["rate_too_high", "diverged", "noise_floor"])], [1, -1])
    sided = said & (side != 0) & (way != 0)
    bins = np.minimum((sure * 10).astype(int), 9)
    off = [(sure[bins == one].mean() - right[said][bins == one].mean()) * (bins == one).mean()
           for one in np.unique(bins)]  # fmt: skip
    return {
        "tasks": len({one.task for one in found}), "runs": len(found), "good_runs": int(good.sum()),
        "right": round(float(right[said].mean()), 4), "abstained": round(float(1 - said.mean()), 4),
        "false_alarms": round(float(fault[good].mean()), 4), "direction": round(float((way == side)[sided].mean()), 4),
        "calibration_error": round(float(np.abs(off).sum()), 4),
    }  # fmt: skip


def both_sizes(found: list[Example], x: Any, family: Any) -> dict[str, Any]:
    """What sizes are told from, on both sides; a rate under which the loss has not moved is not asked about."""
    away = np.array([math.nan if one.decades is None else one.decades for one in found])
    asked = np.isfinite(away) & np.array(["no_update" not in one.right for one in found])
    side = np.array([one.direction for one in found])
    result = {}
    for name, sign in (("low", 1), ("high", -1)):
        rows = asked & (side == sign)
        near = np.array([one.near for one, here in zip(found, rows, strict=True) if here], float)
        result[name] = sizes(x[rows], away[rows], family[rows], near)
    return result


def sizes(x: Any, away: Any, family: Any, near: Any) -> dict[str, Any]:
    """Trees of the guess and of the quantiles; the decades to add on both sides so that `HOLD` of the sizes lie inside;
    the widest distance of the quantiles at which a size is told.

    A family weighs as the root of its number of runs. What is chosen, is chosen on families that were left out; `near`
    are the near-best rates.
    """
    weight = 1.0 / np.sqrt([(family == one).sum() for one in family])
    weight /= weight.mean()
    makers = (guesser, *(partial(quantile, part) for part in PARTS))
    told = np.zeros((len(away), len(makers)))
    for number in range(GROUPS):
        inside = np.isin(family, FAMILIES[number::GROUPS])
        for place, make in enumerate(makers):
            model = make().fit(x[~inside], away[~inside], sample_weight=weight[~inside])
            told[inside, place] = model.predict(x[inside])
    guess, width = told[:, 0], np.maximum(told[:, 2] - told[:, 1], 0.0)
    strict = np.abs(guess - away)
    missed = np.maximum(np.maximum(near[:, 0] - guess, guess - near[:, 1]), 0.0)
    order = np.argsort(width)
    hit = np.cumsum(strict[order] <= 0.5) / np.arange(1, len(order) + 1)
    least = int(SIZED * len(order))
    reached = np.flatnonzero(hit >= HIT)
    count = max(least, int(reached[-1]) if len(reached) else 0)
    widest = float(width[order][min(count, len(order) - 1)])
    here = width <= widest
    slack = float(np.quantile((strict - 0.5 * width)[here], HOLD))
    half = np.minimum(0.5 * width + slack, np.abs(guess))
    figures = {
        "told": int(here.sum()), "asked": len(here), "size": _share(missed[here] <= 0.5),
        "size_on_good": _share(missed[here] <= 0), "size_to_middle": _share(strict[here] <= 0.5),
        "size_inside": _share((strict <= half)[here]),
    }  # fmt: skip
    print(figures, round(widest, 2), round(slack, 2), flush=True)
    fits = [exported(make().fit(x, away, sample_weight=weight)) for make in makers]
    return {
        "guess": fits[0], "quantiles": fits[1:], "slack": round(slack, 3), "widest": round(widest, 3),
        "left_out": figures,
    }  # fmt: skip


def _share(true: Any) -> float:
    return round(float(np.mean(true)), 4)


if __name__ == "__main__":
    main()
