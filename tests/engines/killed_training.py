"""Not a test: trains in children that are killed, again and again; run by test_training.py in a process of its own.

    python killed_training.py FOLDER SEED

Every child of a case resumes where the one before was killed. Prints how often each case was killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
import torch._dynamo  # what every optimizer loads at first, here once for all children

from surefoot.engines.early_stopping import EarlyStop
from surefoot.engines.training import Training
from surefoot.records import Recipe
from surefoot.tasks.catalogue import find_entry

CASES = {
    # Full batches, early stopping with best weights, Adam's moments.
    "xor": (Recipe(optimizer="adam", lr=0.05, batch_size="full", epochs=150.0, seed=3), EarlyStop(60)),
    # Dropout, batch statistics, a schedule with momentum, a short last batch, accumulation that ends within an epoch.
    "digits-bn": (
        Recipe(lr=0.05, options={"momentum": 0.9}, schedule="one-cycle", epochs=1.2, accumulate=2, clip=1.0),
        None,
    ),
    # A feedback schedule and augmented data.
    "digits": (
        Recipe(
            optimizer="rmsprop", lr=0.003, schedule="plateau", schedule_options={"patience": 0}, epochs=2.0,
            changes={"augment": ["shift"], "label_smoothing": 0.1},
        ),
        EarlyStop(2),
    ),
}  # fmt: skip
KILLS = 5
TASKS = {name: find_entry(name).make() for name in CASES}
"""Made before any child, so that children are killed at work and not while they load."""


def train(name: str, folder: Path, *, resume: bool, save_every: float) -> None:
    torch.set_num_threads(1)
    recipe, stop = CASES[name]
    task = TASKS[name]
    where = {"resume": folder} if resume else {"save": folder}
    Training(task, recipe, early_stop=stop, save_every=save_every, **where).run()


def in_child(name: str, folder: Path, *, resume: bool = False, save_every: float = 60.0) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            train(name, folder, resume=resume, save_every=save_every)
            code = 0
        finally:
            os._exit(code)
    return child


def main() -> None:
    root, draw = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    for name in CASES:
        whole = in_child(name, root / name / "whole")
        assert os.waitpid(whole, 0)[1] == 0
        folder, killed = root / name / "killed", 0
        for _ in range(40):
            resume = bool(list(folder.glob("checkpoint-*.json")))
            # Saving after every update, so that most kills fall into the writing of a checkpoint.
            child = in_child(name, folder, resume=resume, save_every=0.0)
            if killed < KILLS:
                time.sleep(draw.uniform(0.01, 0.12))
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            if os.WIFSIGNALED(status):
                killed += 1
                continue
            assert status == 0, f"{name}: child ended with {status}"
            break
        print(name, killed)


if __name__ == "__main__":
    main()
