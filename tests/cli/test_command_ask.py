"""`surefoot ask`: the answer, the record, the prompt, and what it does with bad input."""

from __future__ import annotations

import io
import json

import pytest


def test_it_answers_with_the_verdict_and_the_command(surefoot):
    said = surefoot("ask", "why zigzag in a ravine")
    assert said.code == 0
    assert "Measured" in said.out
    assert "surefoot verify zigzag-path-in-valley" in said.out


def test_json_holds_the_contract(surefoot):
    said = surefoot("ask", "zigzag in a ravine", "--json", "-")
    record = json.loads(said.out)
    assert record["status"] == "answered"
    assert record["claims"][0] == "zigzag-path-in-valley"
    assert record["answer"]
    assert record["verdict"] in ("supported", "contradicted", "depends", "undecided")
    assert record["measurements"]
    assert record["command"] == "surefoot verify zigzag-path-in-valley"


def test_words_need_no_quotes(surefoot):
    assert surefoot("ask", "zigzag", "in", "a", "ravine").out == surefoot("ask", "zigzag in a ravine").out


def test_nothing_measured_is_an_answer(surefoot):
    said = surefoot("ask", "what is the capital of france")
    assert said.code == 0
    assert "Nothing measured on that" in said.out


@pytest.mark.parametrize("words", [[""], ["   "], ["x" * 10_001]])
def test_bad_questions_are_one_line(surefoot, words):
    said = surefoot("ask", *words)
    assert said.code == 2
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1


def test_a_damaged_record_is_one_line(surefoot, tmp_path):
    damaged = tmp_path / "record.json"
    damaged.write_text("{")
    said = surefoot("ask", "zigzag in a ravine", "--record", damaged)
    assert said.code == 2
    assert "damaged" in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_the_prompt_answers_line_by_line(surefoot, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("zigzag in a ravine\n\nwhat is the capital of france\nquit\nnever\n"))
    said = surefoot("ask")
    assert said.code == 0
    assert said.out.count("Measured") == 1
    assert said.out.count("Nothing measured on that") == 1


def test_quiet_prints_the_verdict_alone(surefoot):
    said = surefoot("ask", "-q", "zigzag in a ravine")
    assert said.out.strip() in ("supported", "contradicted", "depends", "undecided")
