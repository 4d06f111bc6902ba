"""How good is a found rate? The share of the achievable improvement that is lost, against a full-budget sweep.

For every case of the panel an *oracle* trains 25 rates from 3 seeds to the end. With L0 the validation loss at
initialisation, L* the lowest mean over the seeds and L the mean at the rate that a method recommends, trained with the
oracle's seeds, the share lost is (L - L*) / (L0 - L*). A recommendation that diverges, or none at all, loses 1.

    python benchmarks/find_quality.py oracle            # makes benchmarks/records/oracle.json (once; slow)
    python benchmarks/find_quality.py report            # our method at cost 3, 1 and 100 steps, and the peers
    python benchmarks/find_quality.py design            # the same on the tasks the method was designed on
    python benchmarks/find_quality.py oracle-more       # makes benchmarks/records/oracle_more.json (once)
    python benchmarks/find_quality.py develop           # our method on further tasks it was developed on, and
    python benchmarks/find_quality.py confirm           # on those looked at once, when everything was chosen
    python benchmarks/find_quality.py oracle-ordinary   # makes benchmarks/records/oracle_ordinary.json (once)
    python benchmarks/find_quality.py ordinary          # ordinary trainings that the method was developed on, and
    python benchmarks/find_quality.py fresh             # those looked at once, when everything was chosen anew
    python benchmarks/find_quality.py oracle-last       # makes benchmarks/records/oracle_last.json (once)
    python benchmarks/find_quality.py last              # more of them, looked at once when everything was chosen again
    python benchmarks/find_quality.py oracle-wide       # makes benchmarks/records/oracle_wide.json (once)
    python benchmarks/find_quality.py wide              # eight more, looked at once before a last change
    python benchmarks/find_quality.py oracle-held       # makes benchmarks/records/oracle_held.json (once)
    python benchmarks/find_quality.py held              # five more, looked at once after it
    python benchmarks/find_quality.py oracle-kept       # makes benchmarks/records/oracle_kept.json (once)
    python benchmarks/find_quality.py kept              # six more, looked at once by two searches
    python benchmarks/find_quality.py oracle-blind      # makes benchmarks/records/oracle_blind.json (once)
    python benchmarks/find_quality.py blind             # six more, looked at once after a prior was fitted
    python benchmarks/find_quality.py oracle-sealed     # makes benchmarks/records/oracle_sealed.json (once)
    python benchmarks/find_quality.py sealed            # six more, looked at once with everything as it was
    python benchmarks/find_quality.py oracle-apart      # makes benchmarks/records/oracle_apart.json (once)
    python benchmarks/find_quality.py apart             # six more, judged without a look at them before
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import json
import math
import multiprocessing
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from find_peers import suggestions
from panel import CASES, Case, make_task
from panel_apart import APART_CASES
from panel_blind import BLIND_CASES
from panel_held import HELD_CASES
from panel_kept import KEPT_CASES
from panel_last import LAST_CASES
from panel_more import MORE_CASES
from panel_ordinary import ORDINARY_CASES
from panel_sealed import SEALED_CASES
from panel_wide import WIDE_CASES
from surefoot.engines.batches import steps_of
from surefoot.engines.calibrate import choose_engine
from surefoot.engines.train import train_members
from surefoot.find import find
from surefoot.records import Found, Provenance, Recipe
from surefoot.tasks.task import Task

RECORDS = Path(__file__).parent / "records"
SEEDS = (0, 1, 2)
SEARCH_SEED = 100
"""Seed of the searches: none of the oracle's, so that no search sees a run that it is judged by."""
ORACLES = {
    "oracle": CASES, "oracle-more": MORE_CASES, "oracle-ordinary": ORDINARY_CASES, "oracle-last": LAST_CASES,
    "oracle-wide": WIDE_CASES, "oracle-held": HELD_CASES, "oracle-kept": KEPT_CASES,
    "oracle-blind": BLIND_CASES, "oracle-sealed": SEALED_CASES, "oracle-apart": APART_CASES,
}  # fmt: skip
"""What is asked for to make a record of oracles, whose name it also is but for the hyphen, and the cases in it."""
ALL_CASES = tuple(case for cases in ORACLES.values() for case in cases)
PANELS = tuple(dict.fromkeys(case.panel for case in ALL_CASES))
PEER_STEPS = 100
PEERS = ("torch-lr-finder", "pytorch-lightning", "fastai")
RATES = 25
STEP = 0.2
"""Decades between two rates of the oracle."""
LOWEST = {"sgd": -3.6, "sgd+momentum": -4.0, "adam": -4.4, "adamw": -4.4, "rmsprop": -4.8}
"""log10 of the oracle's lowest rate, by optimizer."""


def recipe_of(case: Case) -> Recipe:
    return Recipe(
        optimizer=case.optimizer,
        options=case.options,
        schedule=case.schedule,
        batch_size=case.batch_size,
        epochs=case.epochs,
    )


def kind_of(case: Case) -> str:
    """The optimizer of a case as a key of `LOWEST`."""
    return "sgd+momentum" if case.options.get("momentum") else case.optimizer


def grid_of(case: Case) -> list[float]:
    return [float(10 ** (LOWEST[kind_of(case)] + STEP * place)) for place in range(RATES)]


def final_losses(
    task: Task, case: Case, lrs: list[float], *, horizon: int | None = None, seeds: tuple[int, ...] = SEEDS
) -> tuple[list[list[float]], float]:
    """Final validation losses, a row per seed, infinite where it diverged; and the mean loss at initialisation."""
    base = recipe_of(case)
    rows, first = [], []
    for seed in seeds:
        recipes = [base.replace(lr=lr, seed=seed) for lr in lrs]
        steps = steps_of(base, task.train.size)[0] if horizon is None else horizon
        runs = train_members(task, recipes, horizon=horizon, make_engine=_alone(steps))
        rows.append([run.final_val_loss for run in runs])
        first.append(float(runs[0].val_loss[0]))
    return rows, float(np.mean(first))


def _alone(steps: int) -> Any:
    """Cases run side by side, so every training keeps to one process."""
    return lambda task, recipes: choose_engine(task, recipes, horizon=steps, processes=1)


def oracle_of(case: Case) -> dict[str, Any]:
    torch.set_num_threads(1)
    task, lrs = make_task(case.task), grid_of(case)
    steps = steps_of(recipe_of(case), task.train.size)[0]
    losses, first = final_losses(task, case, lrs)
    return {"case": case.name, "steps": steps, "initial_loss": first, "lrs": lrs, "losses": losses}


def shorter_of(case: Case) -> dict[str, Any]:
    """The oracle's rates over shorter horizons: how the best rate moves with the length of the training."""
    torch.set_num_threads(1)
    task, lrs = make_task(case.task), grid_of(case)
    steps = steps_of(recipe_of(case), task.train.size)[0]
    horizons = sorted({max(4, round(steps / share)) for share in (128, 64, 32, 16, 8, 4, 2)})
    found = {str(h): final_losses(task, case, lrs, horizon=h, seeds=(0, 1))[0] for h in horizons}
    return {"case": case.name, "steps": steps, "lrs": lrs, "losses": found}


def in_parallel(work: Any, items: list[Any], workers: int) -> list[Any]:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        return list(pool.map(work, items))


def encoded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else "inf"
    if isinstance(value, dict):
        return {key: encoded(one) for key, one in value.items()}
    return [encoded(one) for one in value] if isinstance(value, list) else value


def save(name: str, records: list[dict[str, Any]]) -> None:
    origin = Provenance.here(seeds={"search": SEARCH_SEED, "oracle": max(SEEDS)}, command=f"find_quality.py {name}")
    versions = origin.versions | {peer: version for peer in PEERS if (version := _version(peer))}
    head = {"date": origin.date, "machine": origin.machine, "versions": versions}
    lines = ",\n".join(json.dumps(encoded(one)) for one in records)
    text = json.dumps(head)[:-1] + f', "cases": [\n{lines}\n]}}\n'
    (RECORDS / name).write_text(text, encoding="utf-8")


def _version(package: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def load(name: str) -> dict[str, dict[str, Any]]:
    found = json.loads((RECORDS / name).read_text(encoding="utf-8"))
    return {one["case"]: one for one in found["cases"]}


def cases_of(panel: str) -> list[Case]:
    """Cases of a panel, one of `PANELS`."""
    return [case for case in ALL_CASES if case.panel == panel]


def searched(case: Case, task: Task, cost: float, seed: int = SEARCH_SEED) -> Found:
    return find(
        task,
        optimizer=case.optimizer,
        schedule=case.schedule,
        epochs=case.epochs,
        batch_size=case.batch_size,
        cost=cost,
        seed=seed,
        workers=1,
        **case.options,
    )


def shares_lost(losses: np.ndarray, start: float) -> np.ndarray | None:
    """Share of the achievable improvement lost at every rate, at most 1, of final losses [seeds, rates]; None if no
    rate learned anything."""
    mean = np.where(np.isfinite(losses), losses, np.inf).mean(0)
    best = mean.min()
    return np.minimum((mean - best) / (start - best), 1.0) if best < start else None


def judged(task: Task, case: Case, oracle: dict[str, Any], lrs: dict[str, float | None]) -> dict[str, Any]:
    """Share of the achievable improvement lost at each recommended rate, trained with the oracle's seeds."""
    table = np.array(oracle["losses"], dtype=float).mean(0)
    best, start = float(table.min()), oracle["initial_loss"]
    wanted = sorted({lr for lr in lrs.values() if lr is not None})
    rows = np.array(final_losses(task, case, wanted)[0]).mean(0) if wanted else np.empty(0)
    lost = dict(zip(wanted, np.minimum((rows - best) / (start - best), 1.0), strict=True))
    return {
        name: {"lr": lr, "lost": 1.0 if lr is None or not np.isfinite(lost[lr]) else float(lost[lr])}
        for name, lr in lrs.items()
    }


def one_seed_sweep(oracle: dict[str, Any]) -> float:
    """Share lost at the best rate of a sweep of all 25 from one seed, smoothed, judged by the other seeds; the mean.

    Nothing that sees one seed can be expected to do better than this, which costs 25 trainings.
    """
    losses, start = np.array(oracle["losses"], dtype=float), oracle["initial_loss"]
    weights = np.array([1.0, 2.0, 4.0, 2.0, 1.0]) / 10.0
    lost = []
    for seed in range(len(losses)):
        others = np.delete(losses, seed, 0).mean(0)
        own = np.where(np.isfinite(losses[seed]), losses[seed], np.inf)
        share = np.minimum((own - own.min()) / (start - own.min()), 0.3)
        chosen = int(np.convolve(np.pad(share, 2, mode="edge"), weights, "valid").argmin())
        lost.append(min(float((others[chosen] - others.min()) / (start - others.min())), 1.0))
    return float(np.mean(lost))


def measure(job: tuple[Case, dict[str, Any], bool]) -> dict[str, Any]:
    """Every method on one case."""
    case, oracle, with_peers = job
    torch.set_num_threads(1)
    task = make_task(case.task)
    founds = {
        "cost 3": searched(case, task, 3.0),
        "cost 1": searched(case, task, 1.0),
        "100 steps": searched(case, task, PEER_STEPS / oracle["steps"]),
    }
    lrs: dict[str, float | None] = {name: found.lr for name, found in founds.items()}
    if with_peers:
        lrs |= suggestions(case, task)
    losses, start = np.array(oracle["losses"], dtype=float).mean(0), oracle["initial_loss"]
    best = float(oracle["lrs"][int(losses.argmin())])
    lost = judged(task, case, oracle, lrs) | {"25 runs, 1 seed": {"lr": None, "lost": one_seed_sweep(oracle)}}
    intervals = {
        name: {
            "holds": found.interval is not None and found.interval[0] * 0.999 <= best <= found.interval[1] * 1.001,
            "width": None if found.interval is None else math.log10(found.interval[1] / found.interval[0]),
            "cost": found.cost,
            "reason": found.reason,
            # The loss that was expected less the one that came, over the achievable improvement.
            "expected_off": None
            if found.expected_loss is None
            else (found.expected_loss - losses.min()) / (start - losses.min()) - lost[name]["lost"],
        }
        for name, found in founds.items()
    }
    return {"case": case.name, "best": best, "lost": lost, "intervals": intervals}


def oracle_file(name: str) -> str:
    return name.replace("-", "_") + ".json"


def oracles_of(panel: str) -> dict[str, dict[str, Any]]:
    """By case: what is in the records of oracles that hold cases of a panel."""
    found: dict[str, dict[str, Any]] = {}
    for name, cases in ORACLES.items():
        if any(case.panel == panel for case in cases):
            found |= load(oracle_file(name))
    return found


def run(panel: str, workers: int, *, with_peers: bool) -> None:
    oracle = oracles_of(panel)
    jobs = [(case, oracle[case.name], with_peers) for case in cases_of(panel) if case.name in oracle]
    results = in_parallel(measure, jobs, workers)
    if not with_peers and (RECORDS / f"{panel}.json").exists():
        results = with_kept(results, load(f"{panel}.json"))
    save(f"{panel}.json", results)
    show(results)


def with_kept(results: list[dict[str, Any]], before: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Results with what the record before holds of the peers, whose suggestions depend on nothing of ours."""
    for one in results:
        kept = before.get(one["case"], {"lost": {}})["lost"]
        sweep = one["lost"].pop("25 runs, 1 seed")
        one["lost"] |= {name: lost for name, lost in kept.items() if name not in one["lost"]}
        one["lost"]["25 runs, 1 seed"] = sweep
    return results


def show(results: list[dict[str, Any]]) -> None:
    names = list(results[0]["lost"])
    print(f"{'share lost, %':28s}" + "".join(f"{name:>16s}" for name in names))
    for one in results:
        cells = "".join(f"{100 * one['lost'][name]['lost']:16.2f}" for name in names)
        print(f"{one['case']:28.28s}{cells}")
    lost = {name: np.array([100 * one["lost"][name]["lost"] for one in results]) for name in names}
    for label, value in (("median", 50), ("90th percentile", 90), ("worst", 100)):
        print(f"{label:28s}" + "".join(f"{np.percentile(lost[name], value):16.2f}" for name in names))
    for name in results[0]["intervals"]:
        kept = [one["intervals"][name] for one in results]
        widths = [one["width"] for one in kept if one["width"] is not None]
        held = np.mean([one["holds"] for one in kept])
        off = [100 * one["expected_off"] for one in kept if one["expected_off"] is not None]
        print(
            f"{name}: spent {np.mean([one['cost'] for one in kept]):.2f} trainings; the interval holds the oracle's "
            f"best in {held:.0%} of cases, median width {np.median(widths):.2f} decades; expected losses "
            f"are off by {np.median(np.abs(off)):.1f}% of the improvement, median {np.median(off):+.1f}%"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*ORACLES, "shorter", *PANELS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-peers", action="store_true", help="keep what the record before holds of them")
    given = parser.parse_args()
    if given.what in ORACLES:
        save(oracle_file(given.what), in_parallel(oracle_of, list(ORACLES[given.what]), given.workers))
    elif given.what == "shorter":
        save("shorter.json", in_parallel(shorter_of, cases_of("design"), given.workers))
    else:
        run(given.what, given.workers, with_peers=not given.no_peers)


if __name__ == "__main__":
    main()
