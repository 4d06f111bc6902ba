"""Asking: words become terms, terms find claims, claims become answers, and what fits nothing is declined."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import string
import subprocess
import sys

import numpy as np
import pytest

from surefoot.errors import InputError, RecordError
from surefoot.records import Curvature, Found, Recipe
from surefoot.records.answer import Answer
from surefoot.textbook.ask import ask
from surefoot.textbook.ask.answering import answer_question, fitting
from surefoot.textbook.ask.index import FURTHER, PAGE, PAIR, Index
from surefoot.textbook.ask.measuring_now import Wanted, bent_so, judged, wanted
from surefoot.textbook.ask.phrasings import elsewhere, phrasings
from surefoot.textbook.ask.ranking import digest, the_ranking
from surefoot.textbook.ask.words import mended, pairs, split_lines, split_terms
from surefoot.textbook.claims import all_claims


@pytest.mark.parametrize(
    ("said", "terms"),
    [
        ("learning rate", ["rate"]),
        ("LR", ["rate"]),
        ("the step-size η", ["rate", "rate"]),
        ("too LARGE", ["too", "high"]),
        ("local minima", ["localmin"]),
        ("what does it do", []),
        ("Stochastic Gradient Descent", ["sgd"]),
        ("lr_0/(1+kt)", ["inversetime", "decay"]),
        ("", []),
    ],
)
def test_words_of_the_field_have_one_spelling(said, terms):
    assert split_terms(said) == terms


def test_many_lines_are_split_as_each_alone():
    lines = [line for page in phrasings().values() for line in page][:300]
    assert split_lines("\n".join(lines)) == [split_terms(line) for line in lines]


def test_pairs_do_not_depend_on_the_order():
    assert set(pairs(["rate", "high"])) == set(pairs(["high", "rate"])) == {"high+rate"}
    assert "high+rate" in set(pairs(["rate", "too", "high"]))


@pytest.mark.parametrize("slip", ["momentm", "momenttum", "momemtum", "mometnum"])
def test_one_slip_of_the_keys_is_mended(slip):
    assert mended(f"what does {slip} do", {"momentum", "gradient"}) == "what does momentum do"


@pytest.mark.parametrize("word", ["mom", "mono", "elephant", "momentum"])
def test_other_words_are_left_alone(word):
    assert mended(word, {"momentum", "gradient"}) == word


PAGES = {
    "high": ("what if the rate is too high", "lr too large"),
    "low": ("what if the rate is too low", "lr too small"),
    "decay": ("why decay the rate", "does decay help"),
}


def test_the_nearest_claim_comes_first():
    index = Index.of(PAGES)
    assert index.rank("my learning rate is too big")[0].claim == "high"
    assert index.rank("my learning rate is tiny")[0].claim == "low"
    assert [one.claim for one in index.rank("decay")] == ["decay"]
    assert index.rank("bread and butter") == []


def test_rank_agrees_with_its_definition():
    """The plain twin: cosine over every phrasing, BM25 over every page, without any table of where a term stands."""
    index = Index.of(PAGES)
    lines = [(claim, index.terms(line)) for claim, page in PAGES.items() for line in page]
    pages = {claim: sum((terms for one, terms in lines if one == claim), start=type(lines[0][1])()) for claim in PAGES}

    def rarity(term, groups):
        held = sum(term in group for group in groups)
        return math.log((len(groups) + 1) / (held + 0.5)) if held else math.log((len(groups) + 1) / 1.5)

    def share(term):
        return PAIR if "+" in term else 1.0

    asked = index.terms("is my rate too high for decay")
    groups, whole = [terms for _, terms in lines], list(pages.values())

    def square(terms):
        return sum((share(term) * rarity(term, groups)) ** 2 for term in terms)

    mean = sum(sum(page.values()) for page in whole) / len(whole)
    full = sum(share(term) * rarity(term, whole) for term in asked)
    expected = {}
    for claim, page in pages.items():
        likeness = sorted(
            (
                square(set(asked) & set(terms)) / math.sqrt(square(asked) * square(terms))
                for one, terms in lines
                if one == claim
            ),
            reverse=True,
        )
        held = 1.2 * (1 - 0.4 + 0.4 * sum(page.values()) / mean)
        bm25 = sum(share(t) * rarity(t, whole) * page[t] / (page[t] + held) for t in asked if t in page)
        expected[claim] = (likeness[0] + FURTHER * sum(likeness[1:4]) + PAGE * bm25 / full) / (1 + PAGE)
    got = {one.claim: one.score for one in index.rank("is my rate too high for decay")}
    assert got == pytest.approx({claim: value for claim, value in expected.items() if value > 0}, abs=1e-12)


def test_the_ranking_was_made_from_these_phrasings():
    assert the_ranking().made_from == digest(phrasings(), elsewhere()), "run scripts/make_ask_index.py"


def test_the_index_is_that_of_the_phrasings():
    made, kept = Index.of(phrasings()).arrays, the_ranking().index.arrays
    assert all(np.array_equal(made[name], kept[name]) for name in made), "run scripts/make_ask_index.py"


def test_questions_elsewhere_are_of_no_claim():
    lines = {line.lower() for page in phrasings().values() for line in page}
    assert not lines & {line.lower() for line in elsewhere()}
    assert len(elsewhere()) >= 500


def test_every_claim_has_questions_of_its_own():
    pages = phrasings()
    assert set(pages) == set(all_claims())
    assert all(len(page) >= 4 for page in pages.values())
    lines = [line.lower() for page in pages.values() for line in page]
    assert len(set(lines)) == len(lines), [one for one in set(lines) if lines.count(one) > 1]


def test_every_question_of_a_claim_finds_it_among_three():
    asked = [(claim, line) for claim, page in phrasings().items() for line in page][::17]
    missed = [
        (claim, line) for claim, line in asked if claim not in [one.claim for one in the_ranking().rank(line)[:3]]
    ]
    # Some claims share a question; the nearest three of such a question need not hold every one of them.
    assert len(missed) <= 0.01 * len(asked), missed


@pytest.mark.parametrize("question", ["what is the capital of france", "how do I bake sourdough bread", "?!?? a ..."])
def test_what_was_not_measured_is_declined(question):
    answer = ask(question)
    assert answer.status == "nothing_measured"
    assert answer.claims == ()
    assert answer.measurements == ()
    assert "Nothing measured" in answer.answer


def test_noise_is_declined():
    letters = random.Random(5)
    noise = "".join(letters.choice(string.printable) for _ in range(10_000))
    assert ask(noise).status == "nothing_measured"
    words = " ".join("".join(letters.choice(string.ascii_lowercase) for _ in range(7)) for _ in range(1200))
    assert ask(words).status == "nothing_measured"


@pytest.mark.parametrize("question", ["", "   ", "\n\t", "...?"])
def test_an_empty_question_is_bad_input(question):
    with pytest.raises(InputError, match="empty"):
        ask(question)


def test_a_question_may_not_be_endless():
    with pytest.raises(InputError, match="10000"):
        ask("rate " * 3000)


def test_the_answer_holds_what_the_record_holds():
    claim = fitting("why does gradient descent bounce from wall to wall in a ravine")[0].claim
    answer = ask("why does gradient descent bounce from wall to wall in a ravine")
    assert claim == answer.claims[0] == "zigzag-path-in-valley"
    from surefoot.textbook.measured import load_record

    result = load_record().result(claim)
    assert answer.verdict == result.verdict
    assert answer.measurements == result.measurements
    assert answer.command == f"surefoot verify {claim}"
    assert answer.literature == all_claims()[claim].sources
    assert Answer.from_json(answer.to_json()) == answer


def test_a_damaged_record_is_said(tmp_path):
    for text in ("", "{", "[]", json.dumps({"kind": "textbook", "schema": 1}), json.dumps({"kind": "run"})):
        damaged = tmp_path / "measured.json"
        damaged.write_text(text)
        with pytest.raises(RecordError, match="damaged"):
            answer_question("zigzag in a ravine", record=damaged)
    with pytest.raises(RecordError, match="cannot be read"):
        answer_question("zigzag in a ravine", record=tmp_path / "none.json")


def test_contradicting_statements_are_named():
    told = {claim.id: claim.contradicts for claim in all_claims().values() if claim.contradicts}
    assert told, "no claim names one that contradicts it"
    claim, opposite = next(iter(told.items()))
    answer = next(a for a in (ask(line) for line in phrasings()[claim]) if a.claims[:1] == (claim,))
    assert len(answer.contradicted) == len(opposite)
    assert all(all_claims()[one].statement in text for one, text in zip(opposite, answer.contradicted, strict=True))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("is 0.1 too high for digits-mlp with sgd?", Wanted("digits-mlp", 0.1, "sgd")),
        ("best lr for my/file.py:task with Adam", Wanted("my/file.py:task", None, "adam")),
        ("lr 3e-4 mnist-small adamw 10 epochs batch size 64 ok?", Wanted("mnist-small", 3e-4, "adamw")),
        ("is lr=.5 right for wine, momentum 0.9", Wanted("wine", 0.5, "sgd", 0.9)),
        ("how sharp is iris at 0.3 with momentum 0.9", Wanted("iris", 0.3, "sgd", 0.9, "curvature")),
        ("stability limit of wine", Wanted("wine", None, "sgd", None, "curvature")),
        ("what is wrong with logs/run_7.csv?", Wanted("logs/run_7.csv", None, "", None, "diagnose")),
        ("why does Train.log. look odd", Wanted("Train.log", None, "", None, "diagnose")),
        ("does digits converge in 10 epochs", None),
        ("training and/or validation loss w/o decay", None),
        ("is 0.1 too high", None),
    ],
)
def test_a_question_with_a_task_becomes_a_command(question, expected):
    assert wanted(question) == expected


def test_the_offer_is_a_command_that_exists():
    answer = ask("is 0.1 too high for digits with sgd and momentum 0.9?")
    assert answer.command == "surefoot find digits --optimizer sgd --momentum 0.9"
    assert answer.command in answer.answer


@pytest.mark.parametrize(
    ("want", "command"),
    [
        (
            Wanted("iris", 0.3, "sgd", 0.9, "curvature"),
            "surefoot curvature iris --lr 0.3 --momentum 0.9 --optimizer sgd",
        ),
        (Wanted("wine", None, "adam", None, "curvature"), "surefoot curvature wine --optimizer adam"),
        (Wanted("my log.csv", None, "", None, "diagnose"), "surefoot diagnose 'my log.csv'"),
    ],
)
def test_the_command_of_each_verb(want, command):
    assert sorted(want.command.split()) == sorted(command.split())


def test_a_folder_that_exists_is_a_log(tmp_path):
    assert wanted(f"what happened in {tmp_path}/?") == Wanted(f"{tmp_path}/", None, "", None, "diagnose")
    assert wanted(f"what happened in {tmp_path}/none/there?") is None


FOUND = Found(
    task="digits",
    status="found",
    lr=0.1,
    interval=(0.05, 0.2),
    divergence_lr=2.0,
    expected_loss=0.3,
    reason="lowest loss",
    cost=3.0,
    recipe=Recipe(optimizer="sgd", lr=0.1, batch_size=64, epochs=5),
)


@pytest.mark.parametrize(
    ("lr", "verdict", "said"),
    [
        (0.1, "right", "is right"),
        (0.01, "too_low", "10 times below"),
        (0.5, "too_high", "5 times the rate found"),
        (3.0, "too_high", "diverges from about 2"),
        (None, "right", "best rate measured"),
    ],
)
def test_a_search_answers_the_question(lr, verdict, said):
    asked = ask("what is the capital of france")
    answer = judged(asked, Wanted("digits", lr, "sgd"), FOUND)
    assert (answer.status, answer.verdict) == ("answered", verdict)
    assert said in answer.answer
    assert answer.measurements[0].value == 0.1


def test_a_search_without_a_rate_answers_unknown():
    none = dataclasses.replace(FOUND, status="unknown", lr=None, interval=None, divergence_lr=None, reason="flat")
    answer = judged(ask("what is the capital of france"), Wanted("digits", 0.1, "sgd"), none)
    assert answer.verdict == "unknown"
    assert "flat" in answer.answer


def test_run_measures_the_task(borrowed):
    with borrowed():
        answer = ask("is lr 1e-6 too low for iris with sgd", run=True)
    assert answer.verdict == "too_low"
    assert answer.measurements[0].value > 1e-4


def test_run_measures_the_sharpness(borrowed):
    with borrowed():
        answer = ask("is lr 50 stable for quadratic", run=True)
        fine = ask("is lr 0.01 stable for quadratic", run=True)
    assert (answer.verdict, fine.verdict) == ("too_high", "right")
    assert answer.command == "surefoot curvature quadratic --lr 50 --optimizer sgd"
    limits = {one.name: one.value for one in fine.measurements}
    assert limits["sharpness"] == pytest.approx(10, rel=1e-3)  # the bowl's steepest direction: 2/10 is its limit
    assert limits["largest stable rate"] == pytest.approx(0.2, rel=1e-3)
    assert fine.answer.startswith("After")


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"verdict": "beyond"}, "too_high"),
        ({"verdict": "at the edge"}, "right"),
        ({"verdict": "unknown"}, "unknown"),
        ({"verdict": None, "lr": None, "limit": None}, "unknown"),
        ({"verdict": "stable", "diverged": True}, "too_high"),
    ],
)
def test_the_sharpness_answers_the_question(changed, verdict):
    found = Curvature(
        task="iris",
        sharpness=4.0,
        residual=0.0,
        error=0.1,
        converged=True,
        products=9,
        step=20,
        limit=0.5,
        optimizer="sgd",
        lr=0.3,
        margin=1.7,
        verdict="stable",
        statement="It is sharp.",
    )
    want = Wanted("iris", 0.3, "sgd", None, "curvature")
    answer = bent_so(ask("what is the capital of france"), want, dataclasses.replace(found, **changed))
    assert (answer.status, answer.verdict, answer.answer) == ("answered", verdict, "It is sharp.")
    assert (answer.measurements[0].low, answer.measurements[0].high) == pytest.approx((3.9, 4.1))
    assert answer.measurements[1].value == (None if "limit" in changed else 0.5)


def test_run_reads_the_log(tmp_path):
    log = tmp_path / "run.csv"
    rows = [f"{step},{0.5 * 1.4**step}" for step in range(60)]
    log.write_text("\n".join(["step,loss", *rows]) + "\n")
    answer = ask(f"what is wrong in {log}", run=True)
    assert answer.status == "answered"
    assert answer.verdict in ("diverged", "rate_too_high")
    assert answer.command == f"surefoot diagnose {log}"
    assert 0.5 < answer.measurements[0].value <= 1
    assert Answer.from_json(answer.to_json()) == answer


def test_a_log_that_is_not_there_is_bad_input(tmp_path):
    with pytest.raises(InputError):
        ask(f"what is wrong in {tmp_path}/none.csv", run=True)


def test_run_without_anything_to_measure_says_so():
    answer = ask("why does gradient descent bounce from wall to wall in a ravine", run=True)
    assert answer.status == "answered"
    assert "Nothing was measured now" in answer.answer


def test_asking_loads_no_torch():
    code = "import sys, surefoot as sf; sf.ask('lr too high'); print('torch' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
