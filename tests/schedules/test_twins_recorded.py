"""Schedules of transformers, timm, optax, Keras and pytorch-optimizer, as recorded from those libraries.

``scripts/record_schedule_twins.py`` writes the records, with version and date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.schedules import make

FOLDER = Path(__file__).parent / "twins"
METRICS = [2.0, 1.5, 1.2, 1.0, 0.9, 0.85, 0.84, 0.86, 0.85, 0.86, 0.87, 0.85, 0.8, 0.79, 0.78, 0.77, 0.9, 0.9, 0.9, 0.9]
RECORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
CASES = [
    pytest.param(record, case, id=f"{name}-{case['spec']}")
    for name, record in RECORDS.items()
    for case in record["cases"]
]


def test_no_library_is_silently_missing() -> None:
    assert set(RECORDS) == {"keras", "optax", "pytorch_optimizer", "timm", "transformers"}
    assert all(record["version"] and record["date"] for record in RECORDS.values())
    assert len(CASES) >= 50


@pytest.mark.parametrize(("record", "case"), CASES)
def test_the_rates_are_those_that_were_recorded(record: dict[str, Any], case: dict[str, Any]) -> None:
    schedule = make(case["spec"], record["peak"], record["steps"])
    if schedule.follows_metric:
        state, rates = schedule.start(), []
        for metric in METRICS * 2:
            state, rate = schedule.next(state, metric)
            rates.append(rate)
        assert len(set(rates)) > 3
    else:
        rates = schedule.lrs()
    # optax and Keras compute in float32.
    tolerance = 2e-5 if record["library"] in ("optax", "keras") else 1e-8
    assert rates == pytest.approx(case["lrs"], rel=tolerance, abs=tolerance * 1e-2)
