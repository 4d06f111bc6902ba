"""Ask other tools about logged runs; run by the Python of the environment in which they are installed.

    PYTHON benchmarks/diagnosis_peers.py FOLDER

FOLDER holds for each run NAME.csv (step, loss, lr, val_loss) and NAME.json (a trainer_state.json). Prints JSON: tool to
name of the run to the names of its findings of the severity of a warning or above; or, for a tool that is not
installed, why.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

Ask = Callable[[Path], list[str]]


def _rows(path: Path) -> list[dict[str, float]]:
    lines = path.read_text().splitlines()
    names = lines[0].split(",")
    return [
        {name: float(cell) for name, cell in zip(names, line.split(","), strict=True) if cell} for line in lines[1:]
    ]


def runmedic() -> Ask:
    from runmedic.cli import main

    def ask(path: Path) -> list[str]:
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream), contextlib.suppress(SystemExit):
            main(["diagnose", str(path), "--json"])
        found = json.loads(stream.getvalue())
        return [one["check"] for run in found for one in run["findings"] if one["severity"] != "info"]

    return ask


def losslint() -> Ask:
    from losslint.cli import main

    def ask(path: Path) -> list[str]:
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream), contextlib.suppress(SystemExit):
            main(["check", str(path), "--format", "json"])
        return [one["check"] for one in json.loads(stream.getvalue())["findings"] if one["severity"] != "info"]

    return ask


def gradsnitch() -> Ask:
    import gradsnitch as tool

    return lambda path: [one.name for one in tool.lint_csv(str(path)) if one.severity != "info"]


def finetune_doctor() -> Ask:
    import finetune_doctor as tool

    def ask(path: Path) -> list[str]:
        found = tool.diagnose(tool.load(str(path.with_suffix(".json"))))
        return [one.check for one in found.findings if int(one.severity) >= 2]

    return ask


def sk_autod() -> Ask:
    import sk_autod as tool

    def ask(path: Path) -> list[str]:
        rows = _rows(path)
        train = [(row["step"], row["loss"]) for row in rows if "loss" in row]
        val = [(row["step"], row["val_loss"]) for row in rows if "val_loss" in row]
        if len(val) < 2:
            return []
        # It wants both curves at the same epochs: the training loss is read at the validation's steps.
        near = [min(train, key=lambda one: abs(one[0] - step))[1] for step, _ in val]
        report = tool.diagnose(near, [loss for _, loss in val])
        return [one.detector_name for one in report.findings]

    return ask


def training_doctor() -> Ask:
    from training_doctor import Doctor

    def ask(path: Path) -> list[str]:
        doctor = Doctor()
        for row in _rows(path):
            names = {"loss": "train_loss", "val_loss": "eval_loss", "lr": "learning_rate"}
            metrics = {names[name]: value for name, value in row.items() if name in names}
            with contextlib.redirect_stdout(io.StringIO()):
                doctor.log(step=int(row["step"]), **metrics)
        return sorted({str(getattr(one, "detector_name", getattr(one, "title", ""))) for one in doctor.analyze()})

    return ask


TOOLS = {
    "runmedic": runmedic,
    "losslint": losslint,
    "gradsnitch": gradsnitch,
    "finetune-doctor": finetune_doctor,
    "sk-autod": sk_autod,
    "training-doctor": training_doctor,
}


def main() -> None:
    warnings.simplefilter("ignore")
    found: dict[str, Any] = {}
    for name, make in TOOLS.items():
        try:
            ask, version = make(), metadata.version(name)
        except Exception as error:  # noqa: BLE001 - what does not install is told in the record
            found[name] = {"missing": f"{type(error).__name__}: {error}"}
            continue
        answers: dict[str, list[str]] = {}
        failed = 0
        for path in sorted(Path(sys.argv[1]).glob("*.csv")):
            try:
                answers[path.stem] = ask(path)
            except Exception:  # noqa: BLE001 - a run that a tool cannot read counts as one without findings
                answers[path.stem] = []
                failed += 1
        found[name] = {"version": version, "failed": failed, "answers": answers}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
