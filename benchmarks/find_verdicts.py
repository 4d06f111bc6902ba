"""Reach the verdicts of hundreds of searches anew, in a minute, to develop the posterior with.

    python benchmarks/find_verdicts.py search usual --bank FOLDER                  # once: ten minutes on a core
    python benchmarks/find_verdicts.py judge usual --bank FOLDER --json before.json
    python benchmarks/find_verdicts.py judge usual --bank FOLDER --against before.json   # after a change of the code

The bank holds the trials of searches at cost 3, 1 and 100 steps: on the tasks of `usual_rates.json`, whose best places
are known, or on those of a panel, whose oracle tells what every rate loses (between its rates it is interpolated).
Which rates a search tries is settled there: what a change does to that, `find_replay.py` tells. Panels are `design`,
`develop`, `confirm`, `ordinary` and `fresh`; the other ones are not for this.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import diagnosis_tasks
from find_quality import PEER_STEPS, SEARCH_SEED, cases_of, oracles_of, recipe_of, shares_lost
from find_replay import COSTS, DEVELOPED
from panel import Case, make_task
from surefoot.engines.batches import steps_of
from surefoot.find.posterior import Posterior
from surefoot.find.race import race
from surefoot.find.search import Search
from surefoot.find.verdict import verdict
from usual_rates import best_of, usual_rows

LEAST = 1e-3
"""Chance, for each decade, that every place has at least: one that was ruled out counts as that."""
SMALL = 0.003
"""Share lost that is added before logarithms are taken."""


def cases(what: str) -> Iterator[tuple[Case, Any]]:
    """Cases with what makes their task."""
    if what == "usual":
        for row in usual_rows():
            yield row.case, diagnosis_tasks.make_task
    else:
        for case in cases_of(what):
            yield case, make_task


def searched(case: Case, make: Any) -> dict[str, Search]:
    """The searches of a case, without its task, as a bank keeps them."""
    task, recipe = make(case.task), recipe_of(case).replace(seed=SEARCH_SEED)
    steps = steps_of(recipe, task.train.size)[0]
    found = {}
    for name, cost in COSTS.items():
        search = Search([task], recipe, cost=cost or PEER_STEPS / steps, steps=steps, workers=1)
        race(search, None)
        _ = search.parameters  # counted while the task is there
        search.tasks = ()
        found[name] = search
    return found


def best_and_oracle(what: str) -> dict[str, tuple[float | None, dict[str, Any] | None]]:
    """By case: log10 of the best rate, and the oracle where there is one."""
    if what == "usual":
        return {row.case.name: (row.best, None) for row in usual_rows()}
    return {name: (best_of(oracle), oracle) for name, oracle in oracles_of(what).items()}


def judged(search: Search, best: float | None, oracle: dict[str, Any] | None) -> dict[str, float | None]:
    """What a verdict is worth: likelihood of the best place, distance from it, share lost."""
    lr = verdict(search).lr
    result: dict[str, float | None] = {"likelihood": None, "away": None, "lost": None}
    if best is not None and search.trials:
        response = Posterior(search).response
        spacing = response.places[1] - response.places[0]
        chance = np.interp(best, response.places, response.chances / spacing, left=0.0, right=0.0)
        result["likelihood"] = math.log(chance + LEAST)
        result["away"] = None if lr is None else abs(best - math.log10(lr))
    if oracle is not None:
        lost = shares_lost(np.array(oracle["losses"], dtype=float), oracle["initial_loss"])
        if lost is not None:
            share = 1.0 if lr is None else float(np.interp(math.log10(lr), np.log10(oracle["lrs"]), lost))
            result["lost"] = math.log(share + SMALL)
    return result


def show(found: dict[str, dict[str, dict[str, float | None]]], before: dict[str, Any] | None) -> None:
    for cost in COSTS:
        for measure in ("likelihood", "away", "lost"):
            own = {key: one[cost][measure] for key, one in found.items() if one[cost][measure] is not None}
            if not own:
                continue
            line = f"{cost:10} {measure:10} {len(own):4} cases  mean {np.mean(list(own.values())):+.3f}"
            then = {} if before is None else {key: before.get(key, {}).get(cost, {}).get(measure) for key in own}
            moved = np.array([own[key] - value for key, value in then.items() if value is not None])
            if len(moved):
                line += f"  against before {moved.mean():+.3f} ± {moved.std() / math.sqrt(len(moved)):.3f}"
            print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("search", "judge"))
    parser.add_argument("what", choices=("usual", *DEVELOPED))
    parser.add_argument("--bank", type=Path, required=True, help="folder of the searches")
    parser.add_argument("--json", type=Path, help="where judgements are kept")
    parser.add_argument("--against", type=Path, help="judgements kept before, to compare with")
    given = parser.parse_args()
    torch.set_num_threads(1)
    path = given.bank / f"{given.what}.pkl"
    if given.do == "search":
        given.bank.mkdir(parents=True, exist_ok=True)
        bank = {}
        for case, make in cases(given.what):
            bank[case.name] = searched(case, make)
            print(case.name, flush=True)
        path.write_bytes(pickle.dumps(bank))
        return
    if not path.is_file():
        raise SystemExit(f"`{path}` is not there; make it with: find_verdicts.py search {given.what} --bank FOLDER")
    known = best_and_oracle(given.what)
    bank = pickle.loads(path.read_bytes())
    found = {key: {cost: judged(one, *known[key]) for cost, one in kept.items()} for key, kept in bank.items()}
    show(found, None if given.against is None else json.loads(given.against.read_text(encoding="utf-8")))
    if given.json is not None:
        given.json.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
