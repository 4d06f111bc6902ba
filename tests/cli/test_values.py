from __future__ import annotations

import pytest

from surefoot.cli.values import BATCH, EARLY_STOP, MEMORY, NAMED, NUMBERS, RATES


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (BATCH, "full", "full"),
        (BATCH, "64", 64),
        (RATES, "1e-4..1", (1e-4, 1.0)),
        (RATES, ".01...5", (0.01, 0.5)),
        (MEMORY, "4GB", 4_000_000_000),
        (MEMORY, "1.5 GiB", 1_610_612_736),
        (MEMORY, "500m", 500_000_000),
        (MEMORY, "1000", 1000),
        (NUMBERS, "0.9,0.999", (0.9, 0.999)),
        (NAMED, "nesterov=true", ("nesterov", True)),
        (NAMED, "weight-decay=1e-4", ("weight_decay", 1e-4)),
        (NAMED, "milestones=0.5,0.8", ("milestones", (0.5, 0.8))),
        (NAMED, "steps=3", ("steps", 3)),
        (NAMED, "foreach=none", ("foreach", None)),
        (NAMED, "shape=linear=2", ("shape", "linear=2")),
        (EARLY_STOP, "5", (5, 0.0)),
        (EARLY_STOP, "5:0.01", (5, 0.01)),
    ],
)
def test_words_become_values(kind, written, value):
    assert kind.convert(written, None, None) == value
