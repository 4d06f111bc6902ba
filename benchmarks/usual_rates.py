"""Which rate is usually best, by optimizer, momentum, schedule, length and size? The numbers of `find/usual.py`.

On tasks of the diagnosis corpus, none of which a search is judged on: one or two (optimizer, schedule) each, lengths
of one to three times the corpus's, 45 rates 0.15 decades apart and two seeds, trained to the end. The best place is
the mean of the rates, weighted by what they lose. A straight line through them is fitted by likelihood, with the
deviations in Student's t with 3 degrees of freedom. Judged are tasks that the line was not fitted on (eight parts),
and the panels of `find_quality.py`.

    python benchmarks/usual_rates.py --json benchmarks/records/usual_rates.json    # fits again from the cases in it
    python benchmarks/usual_rates.py --again 5                                     # trains every fifth of them again
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize

import diagnosis_tasks
from find_quality import LOWEST, PANELS, RECORDS, cases_of, final_losses, kind_of, load, recipe_of, shares_lost
from panel import ADAM, ADAMW, MOMENTUM, PLAIN, RMSPROP, Case, make_task
from surefoot.engines.batches import steps_of
from surefoot.find.usual import PARAMETERS, STEPS, Fitted, mean_factor, parameters_of
from surefoot.records import Provenance

NUMBERS = tuple(field.name for field in dataclasses.fields(Fitted))
RATES, STEP, BELOW = 45, 0.15, 0.6
"""Rates of a case, decades between them, and decades below the oracles' lowest where they begin."""
SEEDS = (0, 1)
SOFT = 0.02
"""Share lost by which the weight of a rate falls to 1/e."""
FREEDOM, PARTS = 3.0, 8
OPTIMIZERS = {"sgd": PLAIN, "sgd+momentum": MOMENTUM, "adam": ADAM, "adamw": ADAMW, "rmsprop": RMSPROP}


@dataclasses.dataclass(frozen=True)
class Row:
    """A training whose best peak rate is known."""

    task: str
    optimizer: str
    schedule: str
    epochs: float
    batch_size: int | str
    steps: int
    parameters: int
    best: float
    """log10."""

    @property
    def case(self) -> Case:
        name, options = OPTIMIZERS[self.optimizer]
        return Case(self.task, "usual", name, options, self.schedule, self.epochs, self.batch_size)


def best_place(lrs: np.ndarray, losses: np.ndarray, start: float) -> float | None:
    """log10 of the best rate of final losses [seeds, rates]; None if nothing was learned."""
    lost = shares_lost(losses, start)
    if lost is None:
        return None
    smooth = np.convolve(np.pad(lost, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    weight = np.exp(-(smooth - smooth.min()) / SOFT)
    return float(weight @ np.log10(lrs) / weight.sum())


def best_of(oracle: Mapping[str, Any]) -> float | None:
    """The best place that an oracle tells."""
    return best_place(np.array(oracle["lrs"]), np.array(oracle["losses"], dtype=float), oracle["initial_loss"])


def usual_rows() -> list[Row]:
    """The trainings of the record."""
    record = json.loads((RECORDS / "usual_rates.json").read_text(encoding="utf-8"))
    return [Row(**one) for one in record["cases"]]


def trained(row: Row) -> float | None:
    """The best place, trained again."""
    lrs = 10 ** (LOWEST[row.optimizer] - BELOW + STEP * np.arange(RATES))
    task = diagnosis_tasks.make_task(row.task)
    losses, first = final_losses(task, row.case, lrs.tolist(), horizon=row.steps, seeds=SEEDS)
    return best_place(lrs, np.array(losses), first)


def columns(row: Row) -> list[float]:
    """What each of `NUMBERS` counts for in a row: the mean rate is linear in them."""

    def mean_rate(**numbers: float) -> float:
        heavy = 0.9 if row.optimizer == "sgd+momentum" else 0.0
        fitted = Fitted(**(dict.fromkeys(NUMBERS, 0.0) | numbers))
        found = fitted.mean_rate(row.case.optimizer, heavy, row.steps, row.parameters)
        assert found is not None
        return found

    return [mean_rate(**{name: 1.0}) for name in NUMBERS]


def mean_best(row: Row) -> float:
    """log10 of the mean rate whose peak is best."""
    return row.best + math.log10(mean_factor(recipe_of(row.case), row.steps))


def fitted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Numbers, their standard errors and the scale."""

    def loss(at: np.ndarray) -> float:
        return float(-log_likelihood(y - x @ at[:-1], math.exp(at[-1])).sum())

    begin = np.append(np.linalg.lstsq(x, y, rcond=None)[0], -0.6)
    found = minimize(loss, begin, method="BFGS")
    return found.x[:-1], np.sqrt(np.diag(found.hess_inv))[:-1], math.exp(found.x[-1])


def log_likelihood(away: np.ndarray, scale: float) -> np.ndarray:
    constant = math.lgamma((FREEDOM + 1) / 2) - math.lgamma(FREEDOM / 2) - 0.5 * math.log(FREEDOM * math.pi)
    return constant - math.log(scale) - (FREEDOM + 1) / 2 * np.log1p((away / scale) ** 2 / FREEDOM)


def left_out(rows: list[Row], x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """How far off the line is, and how likely the best places, on tasks that it was not fitted on."""
    tasks = sorted({row.task for row in rows})
    part = np.array([tasks.index(row.task) % PARTS for row in rows])
    away, likely = np.zeros(len(rows)), np.zeros(len(rows))
    for number in range(PARTS):
        numbers, _, scale = fitted(x[part != number], y[part != number])
        away[part == number] = (y - x @ numbers)[part == number]
        likely[part == number] = log_likelihood(away[part == number], scale)
    return _summed(away, likely)


def _summed(away: np.ndarray, likely: np.ndarray) -> dict[str, float]:
    return {
        "cases": len(away),
        "deviation": round(float(np.sqrt((away**2).mean())), 3),
        "middle_half_within": round(float(np.median(np.abs(away))), 3),
        "log_likelihood": round(float(likely.mean()), 3),
    }


def panel_rows(panel: str, oracles: Mapping[str, Any]) -> list[Row]:
    """The cases of a panel, whose best places its oracle tells."""
    rows = []
    for case in cases_of(panel):
        oracle = oracles.get(case.name)
        best = oracle and best_of(oracle)
        if best is not None:
            task = make_task(case.task)
            sizes = steps_of(recipe_of(case), task.train.size)[0], parameters_of(task)
            rows.append(Row(case.task, kind_of(case), case.schedule, case.epochs, case.batch_size, *sizes, best))
    return rows


def fit(rows: list[Row]) -> dict[str, Any]:
    x, y = np.array([columns(row) for row in rows]), np.array([mean_best(row) for row in rows])
    numbers, errors, scale = fitted(x, y)
    judged = {"left out": left_out(rows, x, y)}
    oracles = {key: one for file in RECORDS.glob("oracle*.json") for key, one in load(file.name).items()}
    for panel in sorted(PANELS):
        others = panel_rows(panel, oracles)
        if others:
            away = np.array([mean_best(row) for row in others]) - np.array([columns(row) for row in others]) @ numbers
            judged[panel] = _summed(away, log_likelihood(away, scale))
    return {
        "steps": STEPS,
        "parameters": PARAMETERS,
        "numbers": {
            name: {"value": round(float(value), 4), "standard_error": round(float(error), 4)}
            for name, value, error in zip(NUMBERS, numbers, errors, strict=True)
        },
        "scale": round(scale, 4),
        "judged": judged,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Which rate is usually best?")
    parser.add_argument("--json", type=Path, help="where the fit is kept")
    parser.add_argument("--again", type=int, metavar="N", help="train every N-th case again; with --json, keep it")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = usual_rows()
    for place in range(0, len(rows), given.again) if given.again else ():
        best = trained(rows[place])
        if best is None:
            raise SystemExit(f"{rows[place].case.name} learned nothing, and the record says 10**{rows[place].best}")
        print(f"{rows[place].case.name:44} best {best:+.3f}, in the record {rows[place].best:+.3f}", flush=True)
        rows[place] = dataclasses.replace(rows[place], best=round(best, 4))
    found = fit(rows)
    for name, number in found["numbers"].items():
        print(f"{name:10} {number['value']:+.3f} ± {number['standard_error']:.3f}")
    print(f"scale {found['scale']:.2f}")
    for name, one in found["judged"].items():
        print(f"{name:10} {one}")
    if given.json is not None:
        origin = Provenance.here(command="python benchmarks/usual_rates.py").to_json()
        lines = ",\n".join(json.dumps(dataclasses.asdict(row)) for row in rows)
        head = json.dumps({"kind": "benchmark", "name": "usual-rates", "provenance": origin, "fit": found}, indent=1)
        given.json.write_text(f'{head[:-2]},\n "cases": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
