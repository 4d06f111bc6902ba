"""How often does `surefoot ask` find the right claim, and how often does it decline what it cannot know?

    python benchmarks/ask.py design                  # weigh the least fit of an answer on the design questions
    python benchmarks/ask.py report [--json FILE]    # the report questions, which nothing was fitted to
    python benchmarks/ask.py check FILE.csv          # any table with the columns question_text and claim_ids

Questions about the field stand in `questions/on_topic_*.txt`, each with the claims that answer it; other questions in
`questions/off_topic_*.txt`. The sets `design`, `forum` and `exam` were used while words and phrasings were written,
the ranking was chosen and weights were fitted; the set `report` was not: its writer saw the claims only.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.records import Provenance
from surefoot.textbook.ask.answering import fitting
from surefoot.textbook.ask.phrasings import phrasings
from surefoot.textbook.ask.ranking import the_ranking
from surefoot.textbook.claims import all_claims

QUESTIONS = Path(__file__).parent / "questions"


def asked(name: str) -> list[tuple[set[str], str]]:
    """Questions and the claims that answer each, from a file of lines `claims | question`."""
    found = []
    for line in (QUESTIONS / f"on_topic_{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            claims, _, question = line.partition(" | ")
            found.append((set(claims.split()), question.strip()))
    unknown = set().union(*(claims for claims, _ in found)) - set(all_claims())
    if unknown:
        sys.exit(f"no such claims: {sorted(unknown)}")
    return found


def others(name: str) -> list[str]:
    """Questions that are about something else."""
    lines = (QUESTIONS / f"off_topic_{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def judged(questions: list[tuple[set[str], str]], *, gated: bool = True) -> dict[str, Any]:
    """Shares of questions with a right claim first and among the first three, and those that missed."""
    first = three = declined = 0
    missed = []
    for right, question in questions:
        ranked = fitting(question) if gated else the_ranking().rank(question)
        names = [one.claim for one in ranked[:3]]
        first += names[:1] != [] and names[0] in right
        three += bool(right & set(names))
        declined += not names
        if not right & set(names[:1]):
            missed.append({"question": question, "right": sorted(right), "named": names})
    count = len(questions)
    return {
        "questions": count,
        "first": first / count,
        "among_three": three / count,
        "declined": declined / count,
        "missed": missed,
    }


DESIGN = ("design", "forum", "exam")
"""Sets of questions that words, phrasings, the ranking and weights were chosen on."""


def design() -> None:
    """Fit the weights that decide whether a question is answered, and print how that does, left out in turn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    on = [one for name in DESIGN for one in asked(name)]
    off = [one for name in DESIGN for one in others(name)]
    ranking = the_ranking()
    signs = np.array([ranking.signs(one) for one in [question for _, question in on] + off])
    field = np.array([1] * len(on) + [0] * len(off))
    model = LogisticRegression(C=1, class_weight="balanced", max_iter=1000)
    sure = cross_val_predict(model, signs, field, cv=10, method="predict_proba")[:, 1]
    model.fit(signs, field)
    print(f"SIGNS = ({', '.join(f'{one:.2f}' for one in model.coef_[0])})  OFFSET = {model.intercept_[0]:.2f}")
    print(f"{len(on)} questions about the field, {len(off)} others, a tenth left out in turn")
    for least in (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7):
        kept, refused = (sure[field == 1] >= least).mean(), (sure[field == 0] < least).mean()
        print(f"  at {least:.2f}: {kept:6.1%} of the field answered, {refused:6.1%} of the others declined")
    for name in DESIGN:
        for gated in (False, True):
            found = {key: value for key, value in judged(asked(name), gated=gated).items() if key != "missed"}
            print(name, "where it may decline" if gated else "ranked", json.dumps(found))
        print(name, f"others declined: {sum(not fitting(one) for one in others(name)) / len(others(name)):.1%}")


def report() -> dict[str, Any]:
    on, off = asked("report"), others("report")
    found = judged(on)
    answered = [question for question in off if fitting(question)]
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "from surefoot.cli.main import main; main(['ask', 'lr too high'])"],
            check=False,
            stdout=subprocess.DEVNULL,
        )
        seconds.append(time.perf_counter() - start)
    origin = Provenance.here(command="python benchmarks/ask.py report")
    return {
        **{key: value for key, value in found.items() if key != "missed"},
        "others": len(off),
        "others_declined": 1 - len(answered) / len(off),
        "seconds": sorted(seconds)[len(seconds) // 2],
        "phrasings": sum(map(len, phrasings().values())),
        "missed": found["missed"],
        "answered_others": answered,
        "date": origin.date,
        "machine": origin.machine,
        "versions": origin.versions,
    }


def check(path: str) -> None:
    with Path(path).open(encoding="utf-8", newline="") as stream:
        rows = [(set(row["claim_ids"].split(";")), row["question_text"]) for row in csv.DictReader(stream)]
    found = judged(rows)
    for one in found["missed"]:
        print(f"{one['question']}\n    right {', '.join(one['right'])}; named {', '.join(one['named']) or 'none'}")
    print(f"{found['questions']} questions: right first {found['first']:.1%}, among three {found['among_three']:.1%}")
    if found["first"] < 0.9 or found["among_three"] < 0.98:
        sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("design", "report", "check"))
    parser.add_argument("file", nargs="?")
    parser.add_argument("--json")
    given = parser.parse_args()
    if given.what == "design":
        design()
    elif given.what == "check":
        if given.file is None or not os.path.exists(given.file):
            parser.error("check needs an existing FILE.csv")
        check(given.file)
    else:
        found = report()
        shown = {key: value for key, value in found.items() if key not in ("missed", "answered_others")}
        print(json.dumps(shown, indent=1))
        for one in found["missed"]:
            print(f"{one['question']}\n    right {', '.join(one['right'])}; named {', '.join(one['named']) or 'none'}")
        for one in found["answered_others"]:
            print(f"answered: {one}")
        if given.json:
            Path(given.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
