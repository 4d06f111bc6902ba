"""How good are diagnoses on tasks that nothing was fitted on? Makes benchmarks/records/diagnosis.json.

    python benchmarks/diagnosis_report.py [--peers PYTHON | --peers kept]

Every training of the tasks made afterwards is logged once (see diagnosis_logs.py) and diagnosed by `diagnose_run`, as a
user's log is. Beside their figures stand those of the calibration tasks, each judged by trees that had not seen its
family (diagnosis_fit.py); bounds were chosen on these. With
`--peers`, the Python of an environment with the other tools (runmedic, losslint, gradsnitch, finetune-doctor, sk-autod,
training-doctor, numpy, pandas), they are asked about the same logs. A peer is right if any of its findings of the
severity of a warning names a right cause, by `MEANINGS`, or if it finds nothing and nothing is wrong; where it finds
nothing in a faulty run it is wrong, because it cannot abstain. `--peers kept` takes what they said from the record that
is there: their versions and the logs are the same.

A size is told as an interval; its middle is what is judged: `size` is the share of middles within half a decade of the
near-best rates (see diagnosis_logs.py), `size_on_good` the share that lie on one, `size_to_middle` the share within
half a decade of the middle of the good rates. `one_factor` has what the same factor for all rates on one side, the best
one in hindsight, would reach.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diagnosis_corpus import FILES, FRESH_FILE
from diagnosis_logs import OK, Example, examples, load
from diagnosis_tasks import CALIBRATION, FRESH
from surefoot.diagnose import diagnose_run
from surefoot.diagnose.fitted import constants
from surefoot.diagnose.siblings import place
from surefoot.records import Provenance
from surefoot.records.diagnosis import FINE, Diagnosis

OUT = Path(__file__).parent / "records" / "diagnosis.json"
SEED = 1
GOALS = {
    "right": 0.90, "abstained": 0.25, "false_alarms": 0.03, "direction": 0.95, "size_to_middle": 0.70,
    "calibration_error": 0.05,
}  # fmt: skip
LOOKS = {
    "left_out": "Calibration tasks, whole families left out in turn: what was chosen, was chosen on these.",
    "fresh": "Made before the last fit was done, and looked at once, after it. What had been fresh "
    "or held out before was fitted on since; its figures, as they were, stand under earlier_fresh.",
}
"""How often what the figures are of had been looked at before."""
HIGH = frozenset({"rate_too_high", "diverged", "noise_floor"})
STUCK = frozenset({"not_learning", "no_update", "rate_too_low", "dead_units"})
MEANINGS: tuple[tuple[str, frozenset[str]], ...] = (
    ("train/val", frozenset({"overfitting"})),
    ("overfit", frozenset({"overfitting"})),
    ("regress", frozenset({"overfitting"})),
    ("early stop", frozenset({"overfitting"})),
    ("nan", frozenset({"nan", "diverged"})),
    ("finite", frozenset({"nan", "diverged"})),
    ("diverg", HIGH),
    ("spike", HIGH | {"spike_recovered", "data_problem"}),
    ("collapsed", frozenset({"schedule_too_early"})),
    ("too high", HIGH),
    ("too_high", HIGH),
    ("oscillation", HIGH),
    ("explod", HIGH),
    ("instability", HIGH),
    ("noisy", HIGH),
    ("too low", frozenset({"rate_too_low"})),
    ("too_low", frozenset({"rate_too_low"})),
    ("no_learning", STUCK),
    ("not_learning", STUCK),
    ("learning", STUCK),
    ("underfit", STUCK),
    ("plateau", STUCK | HIGH | {"schedule_too_early"}),
    ("stagnation", STUCK | HIGH | {"schedule_too_early"}),
    ("relu", frozenset({"dead_units"})),
    ("label noise", frozenset({"data_problem"})),
    ("leakage", frozenset({"data_problem"})),
)
"""What a word in the name of a peer's finding is taken to mean: the kindest reading."""


def measured(found: list[Example], given: list[Diagnosis]) -> dict[str, Any]:
    """The figures of the issue, with their counts."""
    told = [one.verdict != "unknown" for one in given]
    right = [one.verdict in example.right for one, example in zip(given, found, strict=True)]
    good = [example.good for example in found]
    alarm = [one.verdict not in FINE for one in given]
    said = [_side(one.verdict) for one in given]
    pairs = list(zip(given, found, said, strict=True))
    directions = [side == example.direction for one, example, side in pairs if example.direction and side]
    sides = [
        (one, example) for one, example, side in pairs if example.decades is not None and side == example.direction != 0
    ]
    sided = [pair for pair in sides if pair[0].decades is not None]
    sized = [(one.decades, example.decades) for one, example in sided if one.decades and example.decades is not None]
    told_wrong = [one for one in given if one.verdict in ("rate_too_low", "rate_too_high", "diverged")]
    inside = [ends[0] <= truth <= ends[1] for ends, truth in sized]
    sure = [(one.probability, one.verdict in example.right) for one, example in zip(given, found, strict=True) if one.verdict != "unknown"]  # fmt: skip # noqa: E501
    error, curve = calibration(sure)
    wrong = sum(example.direction != 0 and example.decades is not None for example in found)
    return {
        "runs": len(found), "good_runs": sum(good),
        "right": _share(right, told), "abstained": round(1 - float(np.mean(told)), 4),
        "right_of_all": _share(right, [True] * len(right)),
        "false_alarms": _share(alarm, good), "direction": _part([not one for one in directions], 0.0),
        "directions_told": len(directions), **_sizes(sided),
        "too_low": _sizes([pair for pair in sided if pair[1].direction > 0]),
        "too_high": _sizes([pair for pair in sided if pair[1].direction < 0]),
        "sized": _part([one.decades is None for one in told_wrong], 0.0), "wrong_rates": wrong,
        "size_inside": _part([not one for one in inside], 0.0), "calibration_error": error, "calibration_curve": curve,
    }  # fmt: skip


def _sizes(sided: list[tuple[Diagnosis, Example]]) -> dict[str, Any]:
    """How right the sizes are that were told, on the side that is right."""
    pairs = [(sum(one.decades) / 2, example) for one, example in sided if one.decades is not None]
    if not pairs:
        return {"sizes_told": 0}
    off = [example.off(middle) for middle, example in pairs]
    far = [abs(middle - (example.decades or 0.0)) for middle, example in pairs]
    return {
        "sizes_told": len(pairs),
        "size": _part(off, 0.5), "size_on_good": _part(off, 0.0), "size_to_middle": _part(far, 0.5),
        "size_median_error": round(float(np.median(far)), 3), "one_factor": _one_factor([one for _, one in pairs]),
    }  # fmt: skip


def _one_factor(found: list[Example]) -> dict[str, float]:
    """What the best single factor for every rate too low, and another for every rate too high, reaches in hindsight."""
    tried = np.arange(0.1, 4.0, 0.1)
    sides = [[one for one in found if one.direction == sign] for sign in (1, -1)]
    most = [
        max(sum(one.off(sign * t) <= 0.5 for one in some) for t in tried)
        for sign, some in zip((1, -1), sides, strict=True)
    ]
    strict = [
        max(sum(abs(sign * t - (one.decades or 0.0)) <= 0.5 for one in some) for t in tried)
        for sign, some in zip((1, -1), sides, strict=True)
    ]
    return {"size": round(sum(most) / len(found), 4), "size_to_middle": round(sum(strict) / len(found), 4)}


def _part(values: Sequence[float], most: float) -> float | None:
    """The share of the values up to `most`; None where there is none."""
    return round(float(np.mean([one <= most for one in values])), 4) if values else None


def _side(verdict: str) -> int:
    return 1 if verdict == "rate_too_low" else -1 if verdict in HIGH else 0


def _share(what: list[bool], of: list[bool]) -> float:
    return round(float(np.mean([one for one, counted in zip(what, of, strict=True) if counted])), 4)


def calibration(sure: list[tuple[float, bool]]) -> tuple[float, list[dict[str, float]]]:
    """Expected calibration error over ten bins of equal width, and the bins."""
    chance, right = np.array([one for one, _ in sure]), np.array([one for _, one in sure])
    bins = np.minimum((chance * 10).astype(int), 9)
    curve, error = [], 0.0
    for number in range(10):
        here = bins == number
        if here.any():
            stated, seen = float(chance[here].mean()), float(right[here].mean())
            error += abs(stated - seen) * float(here.mean())
            curve.append({"stated": round(stated, 3), "right": round(seen, 3), "runs": int(here.sum())})
    return round(error, 4), curve


def by_verdict(found: list[Example], given: list[Diagnosis]) -> dict[str, Any]:
    """Precision of each verdict that was given; recall of each cause, abstention counted as missed."""
    table = {}
    for verdict in sorted({one.verdict for one in given} | {one.label for one in found}):
        said = [example for one, example in zip(given, found, strict=True) if one.verdict == verdict]
        true = [one for one, example in zip(given, found, strict=True) if example.label == verdict]
        truths = [example for example in found if example.label == verdict]
        table[verdict] = {
            "told": len(said),
            "precision": round(float(np.mean([verdict in one.right for one in said])), 3) if said else None,
            "runs": len(truths),
            "recall": round(float(np.mean([one.verdict in e.right for one, e in zip(true, truths, strict=True)])), 3)
            if truths else None,
        }  # fmt: skip
    return table


def by_siblings(found: list[Example]) -> dict[str, Any]:
    """The verdict that follows from the runs of one sweep, where it is given."""
    groups: dict[str, list[Example]] = {}
    sweeps = {id(one): one for one in found}
    for one in sweeps.values():
        if one.fault == "none" and np.isfinite(one.run.lr).any():
            groups.setdefault(one.sweep, []).append(one)
    # In one sweep logs count alike.
    counted = lambda one: dataclasses.replace(one.run, unit="step")  # noqa: E731
    right, size = [], []
    for group in groups.values():
        for example, where in zip(group, place([counted(one) for one in group]), strict=True):
            if where is None or 0.05 < where.share <= 0.10:
                continue
            verdicts = OK if where.share <= 0.05 else {"rate_too_low"} if where.low > 0 else HIGH
            right.append(bool(verdicts & example.right))
            if where.share > 0.10 and example.decades is not None:
                size.append(where.low - 0.5 <= example.decades <= where.high + 0.5)
    return {"runs": len(right), "right": round(float(np.mean(right)), 4), "size": round(float(np.mean(size)), 4)}


def write_logs(found: list[Example], folder: Path) -> None:
    for number, one in enumerate(found):
        run = one.run
        lines = ["step,loss,lr,val_loss"]
        history: list[dict[str, float]] = []
        val = dict(zip(run.val_step.tolist(), run.val_loss.tolist(), strict=True))
        train = {int(s): (float(loss), float(lr)) for s, loss, lr in zip(run.step, run.loss, run.lr, strict=True)}
        for step in sorted({*train, *val}):
            loss, lr = train.get(step, (math.nan, math.nan))
            cells = [str(step), *("" if cell is None else f"{cell:.6g}" for cell in (
                loss if step in train else None, None if math.isnan(lr) else lr, val.get(step)))]  # fmt: skip
            lines.append(",".join(cells))
            if step in train:
                history.append({"step": step, "loss": loss} | ({} if math.isnan(lr) else {"learning_rate": lr}))
            if step in val:
                history.append({"step": step, "eval_loss": val[step]})
        (folder / f"{number:05d}.csv").write_text("\n".join(lines) + "\n")
        (folder / f"{number:05d}.json").write_text(
            json.dumps({"log_history": history, "global_step": int(run.step[-1])})
        )


def peers(found: list[Example], python: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_logs(found, folder)
        script = Path(__file__).parent / "diagnosis_peers.py"
        answer = subprocess.run([python, str(script), name], capture_output=True, text=True, check=True)
    table = {}
    for tool, said in json.loads(answer.stdout).items():
        if "missing" in said:
            table[tool] = said
            continue
        names = [said["answers"][f"{number:05d}"] for number in range(len(found))]
        meant = [frozenset().union(*(_meaning(one) for one in some)) if some else OK for some in names]
        right = [bool(one & example.right) for one, example in zip(meant, found, strict=True)]
        faulty = [not example.good for example in found]
        side = [
            -1 if one & HIGH and "rate_too_low" not in one else 1 if one == {"rate_too_low"} else 0 for one in meant
        ]
        directions = [s == e.direction for s, e in zip(side, found, strict=True) if e.direction and s]
        table[tool] = {
            "version": said["version"], "failed": said["failed"],
            "right_of_all": _share(right, [True] * len(right)),
            "false_alarms": _share([bool(some) for some in names], [one.good for one in found]),
            "faults_noticed": _share([bool(some) for some in names], faulty),
            "cause_right_of_faulty": _share(right, faulty),
            "direction": round(float(np.mean(directions)), 4) if directions else None,
            "directions_told": len(directions),
            "findings": dict(Counter(one for some in names for one in some).most_common(12)),
        }  # fmt: skip
        print(tool, {key: value for key, value in table[tool].items() if key != "findings"})
    return table


def _meaning(name: str) -> frozenset[str]:
    lower = name.lower()
    return next((meaning for word, meaning in MEANINGS if word in lower), frozenset({"other"}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", metavar="PYTHON", help="or `kept`: as in the record that is there")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    calibration = sum(len(load(file)[0]) for file in FILES)
    trainings, head = load(FRESH_FILE)
    found = examples(trainings, seed=SEED)
    given = [diagnose_run(one.run, evidence=one.beside) for one in found]
    figures = measured(found, given)
    faulty = [not one.good for one in found]
    right = [one.verdict in example.right for one, example in zip(given, found, strict=True)]
    table = {
        "faults_noticed": _share([one.verdict not in FINE for one in given], faulty),
        "cause_right_of_faulty": _share(right, faulty),
    }
    record = {
        "about": __doc__.split("\n", maxsplit=1)[0],
        "trainings": {"calibration": calibration, "fresh": len(trainings)},
        "looks": LOOKS,
        "corpus": head["provenance"], "provenance": Provenance.here(seeds={"logs": SEED}).to_json(),
        "tasks": {"calibration": list(CALIBRATION), "fresh": list(FRESH)},
        "goals": GOALS, "left_out": left_out(), "fresh": {"tasks": list(FRESH)} | figures | table,
        "by_verdict": by_verdict(found, given),
        "by_task": by_task(found, given, FRESH),
        "siblings": by_siblings(found),
        "earlier_fresh": earlier(asked.out),
        "thresholds": constants()["thresholds"], "rules": constants()["rules"], "scaling": constants()["scaling"],
        "peers": _peers(found, asked.peers, asked.out),
    }  # fmt: skip
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name, goal in GOALS.items():
        print(f"{name}: {figures[name]}, left out {record['left_out'][name]} (goal {goal})")
    print(json.dumps({k: v for k, v in figures.items() if k not in GOALS and "curve" not in k} | table))
    print("siblings", record["siblings"])
    wrong = Counter(
        (example.fault, example.label, one.verdict)
        for one, example in zip(given, found, strict=True)
        if one.verdict != "unknown" and one.verdict not in example.right
    )
    print(wrong.most_common(20))


def _peers(found: list[Example], asked: str | None, file: Path) -> dict[str, Any]:
    if asked == "kept":
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["peers"]
        return kept
    return peers(found, asked) if asked else {}


def left_out() -> dict[str, Any]:
    """The goals on calibration tasks whose family had been left out, as the fit found them."""
    data = constants()
    sides = [data["sizes"][side]["left_out"] for side in ("low", "high")]
    told = sum(side["told"] for side in sides)
    sizes = {
        name: round(sum(side["told"] * side[name] for side in sides) / told, 4)
        for name in ("size", "size_on_good", "size_to_middle", "size_inside")
    }
    return {**data["left_out"], **sizes, "sized": round(told / sum(side["asked"] for side in sides), 4)}


def earlier(file: Path) -> list[dict[str, Any]]:
    """Figures of tasks that were fresh or held out when the record in `file` was made, or before."""
    record = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    looks: list[dict[str, Any]] = record.get("earlier_fresh", [])
    last = record.get("fresh", {})
    if last and last["tasks"] != list(FRESH):
        if "held_out" in record:
            looks.append({"tasks": record["tasks"]["held_out"], **_without_curves(record["held_out"])})
        looks.append(_without_curves(last))
    return looks


def _without_curves(figures: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in figures.items() if key not in ("by_task", "calibration_curve")}


def by_task(found: list[Example], given: list[Diagnosis], names: tuple[str, ...]) -> dict[str, Any]:
    """The figures of each task by itself, without curves."""
    left_out = ("calibration_curve", "too_low", "too_high", "one_factor")
    return {
        name: {key: value for key, value in measured(*_only(found, given, name)).items() if key not in left_out}
        for name in names
    }


def _only(found: list[Example], given: list[Diagnosis], task: str) -> tuple[list[Example], list[Diagnosis]]:
    pairs = [(example, one) for example, one in zip(found, given, strict=True) if example.task == task]
    return [example for example, _ in pairs], [one for _, one in pairs]


if __name__ == "__main__":
    main()
