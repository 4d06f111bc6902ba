"""The claims as data: all there, each with a rule that its experiments can decide; the record says what rules say."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from surefoot.errors import InputError
from surefoot.records.claim import Claim, TextbookRecord
from surefoot.textbook.claims import TOPICS, all_claims, claims_of_topic, families_of, find_claim
from surefoot.textbook.measured import RECORD, load_record, result_of

PER_TOPIC = {
    "step definition": 3, "too large": 7, "too small": 14, "speed and stability": 5, "decay": 13, "landscape": 11,
    "gradient noise": 10, "choosing the rate": 6, "optimizers": 9, "interactions": 11, "generalization": 7,
    "monitoring": 10, "backpropagation": 7, "XOR programs": 9, "MNIST CNN": 7, "CNN facts": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def record() -> TextbookRecord:
    return load_record()


def test_all_claims_are_there() -> None:
    assert Counter(one.topic for one in all_claims().values()) == PER_TOPIC
    assert list(TOPICS) == list(dict.fromkeys(one.topic for one in all_claims().values()))
    assert len(all_claims()) == 137


@pytest.mark.parametrize("claim", all_claims().values(), ids=lambda one: one.id)
def test_a_claim_is_whole(claim: Claim) -> None:
    assert claim.statement.endswith(".")
    assert claim.rule.tests
    assert claim.sources
    assert claim.places
    assert claim.families
    assert {*claim.contradicts, *claim.related} <= set(all_claims()) - {claim.id}
    for family in claim.families:
        assert find_spec(f"surefoot.textbook.experiments.{family.replace('-', '_')}") is not None
    assert Claim.from_json(claim.to_json()) == claim


def test_what_contradicts_is_contradicted_back_or_named_once() -> None:
    """No claim contradicts itself, and a pair is never both contradicting and merely related."""
    for claim in all_claims().values():
        assert not set(claim.contradicts) & set(claim.related), claim.id


def test_experiments_measure_what_rules_need(record: TextbookRecord) -> None:
    outcomes = {one.family: one for one in record.outcomes}
    for claim in all_claims().values():
        there = {m.name for family in claim.families for m in outcomes[family].measurements}
        assert set(claim.needs) <= there, claim.id


def test_names_of_measurements_belong_to_one_experiment(record: TextbookRecord) -> None:
    names = Counter(one.name for outcome in record.outcomes for one in outcome.measurements)
    assert [name for name, count in names.items() if count > 1] == []


def test_the_record_holds_what_the_rules_say(record: TextbookRecord) -> None:
    outcomes = {one.family: one for one in record.outcomes}
    assert [one.id for one in record.results] == list(all_claims())
    for result in record.results:
        assert result == result_of(find_claim(result.id), outcomes), result.id


def test_the_record_is_complete(record: TextbookRecord) -> None:
    families = families_of(all_claims().values())
    assert {one.family for one in record.outcomes} == set(families)
    assert {one.family for one in record.quick} == set(families)
    assert record.provenance.versions["torch"]
    assert record.provenance.date
    assert sum(one.verdict == "undecided" for one in record.results) <= 14
    assert RECORD.stat().st_size < 4_000_000


def test_the_suite_runs_every_experiment_small() -> None:
    text = "".join(Path(__file__).with_name(f"test_experiments_{one}.py").read_text(encoding="utf-8") for one in "ab")
    listed = "".join(re.findall(r"^FAMILIES = \((.*?)^\)", text, re.DOTALL | re.MULTILINE))
    assert set(re.findall(r'"([a-z-]+)"', listed)) == set(families_of(all_claims().values()))


def test_a_verdict_that_was_not_expected_is_explained(record: TextbookRecord) -> None:
    silent = [
        one.id
        for one in record.results
        if one.verdict != find_claim(one.id).expected and not find_claim(one.id).explanation
    ]
    assert silent == []


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="decay-escapes-local-minima"):
        find_claim("decay-escape-local-minima")
    with pytest.raises(InputError, match="without a name lists them"):
        find_claim("§" * 10_000)
    with pytest.raises(InputError, match="landscape"):
        claims_of_topic("landscapes")
    assert claims_of_topic("gradient-noise")[0].topic == "gradient noise"


def test_claims_load_no_torch() -> None:
    code = (
        "import sys; from surefoot.textbook.claims import all_claims;"
        "from surefoot.textbook.measured import load_record;"
        "all_claims(); load_record(); assert 'torch' not in sys.modules and 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
