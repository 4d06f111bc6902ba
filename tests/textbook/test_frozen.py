"""The rules are frozen: the record says by which it was decided, and everything random comes from one first seed."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from surefoot.records import Recipe
from surefoot.records.claim import ClaimResult, Rule, TextbookRecord
from surefoot.report.textbook_words import changed_rows, how_decided
from surefoot.textbook import frozen, seeds, verify
from surefoot.textbook.claims import all_claims, find_claim
from surefoot.textbook.experiments import run_family
from surefoot.textbook.experiments.trials import repeated
from surefoot.textbook.frozen import digest
from surefoot.textbook.measured import load_record

EXPERIMENTS = Path(verify.__file__).parent / "experiments"
CLAIM = "moderate-lr-crosses-saddles"


@pytest.fixture(scope="module")
def record() -> TextbookRecord:
    return load_record()


def test_the_record_was_decided_by_the_rules_as_they_are(record: TextbookRecord) -> None:
    changed = [one.id for one in record.results if one.rule != digest(find_claim(one.id))]
    assert changed == [], "measure these anew: scripts/make_textbook.py --measure FAMILY …"
    assert record.provenance.seeds == {"first repetition": seeds.FIRST_SEED}
    assert all(one.seeds[0] == seeds.FIRST_SEED for one in (*record.outcomes, *record.quick))


def test_what_decides_changes_the_digest_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = find_claim(CLAIM)
    before = digest(claim)
    first, *others = claim.rule.tests
    for test in (
        dataclasses.replace(first, low=0.51),
        dataclasses.replace(first, condition="elsewhere"),
        dataclasses.replace(first, n=first.n + 1),
        dataclasses.replace(first, measurement=first.measurement + "!"),
    ):
        assert digest(dataclasses.replace(claim, rule=Rule((test, *others)))) != before
    words = dataclasses.replace(claim, statement="Other words.", lesson="Another.", explanation="Why.")
    assert digest(words) == before
    text = frozen._text("saddle")
    assert not re.search(r"\s", text)
    monkeypatch.setattr(frozen, "_text", lambda family: text.replace('"full":40', '"full":41'))
    assert '"full":40' in text
    assert digest(claim) != before
    monkeypatch.undo()
    monkeypatch.setattr(frozen, "FIRST_SEED", seeds.FIRST_SEED + 1)
    assert digest(claim) != before


def test_verify_says_that_a_rule_was_changed(record: TextbookRecord) -> None:
    claim = find_claim(CLAIM)
    moved = dataclasses.replace(claim.rule.tests[0], low=0.4)
    other = dataclasses.replace(claim, rule=Rule((moved, *claim.rule.tests[1:])))
    seen = verify.verify([other], record, size="quick")
    assert not seen.claims[0].matches_record
    assert "changed after the record was made" in seen.claims[0].differences[-1]


def test_no_experiment_has_a_seed_of_its_own() -> None:
    """Times do not depend on the numbers that are computed with, nor does what one value of a layer sees."""
    allowed = {"cost.py", "features.py"}
    found = [
        f"{path.name}: {line.strip()}"
        for path in EXPERIMENTS.glob("*.py")
        if path.name not in allowed
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(
            r"(manual_seed|default_rng|generator|borrowed_rng|RandomState)\(\d|data_seed=\d|(?<!w)seed=\d", line
        )
    ]
    assert found == []


@pytest.mark.parametrize("family", ["noisy-quad", "drift", "saddle"])
def test_the_first_seed_moves_every_number_that_has_a_spread(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = run_family(family, "quick")
    monkeypatch.setattr(seeds, "FIRST_SEED", 900_000)
    moved = run_family(family, "quick")
    spread = {one.name for one in here.measurements if one.low is not None and one.low < one.value < one.high}  # type: ignore[operator]
    assert spread
    numbers = [{one.name: one.value for one in outcome.measurements} for outcome in (here, moved)]
    same = [name for name in spread if numbers[0][name] == numbers[1][name]]
    assert len(same) <= len(spread) // 4, same  # shares of few particles may agree by chance


def test_repetitions_of_a_training_share_neither_weights_nor_order() -> None:
    plain = repeated(Recipe(batch_size=16), (7, 8, 9))
    assert [(one.seed, one.data_seed) for one in plain] == [(7, 7), (8, 8), (9, 9)]
    whole = repeated(Recipe(batch_size="full"), (7, 8))
    assert [(one.seed, one.data_seed) for one in whole] == [(7, 7), (8, 7)]
    assert set(seeds.repetitions(1000)).isdisjoint({seeds.shared(place) for place in range(50)})
    assert min(seeds.shared(49), seeds.FIRST_SEED) > 200_000, "earlier runs drew from 0 to about 104,000"


def test_the_earlier_run_is_told(record: TextbookRecord) -> None:
    claims = list(all_claims().values())
    assert record.earlier is not None
    assert set(record.earlier.verdicts) == set(all_claims())
    rows = changed_rows(claims, record)
    assert all(why for *_, why, _ in rows), "a verdict that changed is explained"
    said = how_decided(claims, record)
    assert f"{137 - len(rows)} of 137 claims" in said
    assert "The rules were written along with an earlier run" in said
    alone = dataclasses.replace(record, earlier=None)
    assert changed_rows(claims, alone) == []
    assert "137" not in how_decided(claims, alone)


def test_agreement_is_counted() -> None:
    some = [find_claim(CLAIM), find_claim("xor-lr-01-sweet-spot")]
    from surefoot.records.claim import EarlierRun

    record = TextbookRecord(
        results=tuple(ClaimResult(one.id, "supported") for one in some),
        earlier=EarlierRun({some[0].id: "supported", some[1].id: "contradicted"}),
    )
    assert "1 of 2 claims came to the verdict" in how_decided(some, record)
    assert [row[1:3] for row in changed_rows(some, record)] == [("contradicted", "supported")]


def test_bootstrap_and_sizes() -> None:
    from surefoot.textbook.measuring import best_of, geometric_mean_of, size_of, spread_of

    random = np.random.default_rng(3)
    clear = best_of("b", (1.0, 2.0, 3.0), np.array([[0.0] * 9, [1.0] * 9, [0.5] * 9]))
    assert (clear.value, clear.low, clear.high) == (2.0, 2.0, 2.0)
    close = best_of("b", (1.0, 2.0), random.normal(0, 1, (2, 12)))
    assert (close.low, close.high) == (1.0, 2.0)
    mean = geometric_mean_of("g", [1.0, 10.0, 100.0])
    assert mean.value == pytest.approx(10)
    assert mean.low is not None
    assert mean.low < 1
    assert geometric_mean_of("g", [1.0, 0.0]).value is None
    assert size_of("s", [-2.0, -2.1, -1.9]).value == pytest.approx(2)
    nothing = size_of("s", [-1.0, 1.0, -1.0, 1.0])
    assert nothing.low == 0
    assert spread_of("s", [1.0]).value is None
    inside = 0
    for _ in range(200):  # at 95% fewer than 180 have a chance of 1 in 1000
        one = spread_of("s", random.normal(100, 5, 10))
        assert one.low is not None
        assert one.high is not None
        inside += one.low <= 0.05 <= one.high
    assert inside >= 180
