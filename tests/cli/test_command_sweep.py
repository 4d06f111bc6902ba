"""`surefoot sweep` and `surefoot study`: the whole path from the command line, and what they refuse."""

from __future__ import annotations

import json

import pytest

from surefoot.records.study import Study
from surefoot.study.store import Store

QUICK = ["sweep", "iris", "--lr", "1e-3..1:4", "--batch-size", "16,32", "--epochs", "2", "--workers", "1"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    from surefoot.cli.main import main

    folder = tmp_path_factory.mktemp("kept")
    path = folder / "iris.study"
    words = [*QUICK, "--optimizer", "sgd,adamw", "--seeds", "2", "--study", str(path), "--out", str(folder), "-q"]
    assert main([*words, "--json", str(folder / "found.json")]) == 0
    return folder, path


def test_a_sweep_writes_record_page_picture_and_study(kept, surefoot):
    folder, path = kept
    facts = json.loads((folder / "found.json").read_text())
    assert {"study", "members", "best", "cost", "importance"} <= set(facts)
    assert len(facts["members"]) == 4 * 2 * 2 * 2
    assert {"recipe", "final_loss", "spread", "fate"} <= set(facts["members"][0])
    assert set(facts["cost"]) >= {"member_steps", "seconds"}
    assert (folder / "study.png").read_bytes().startswith(b"\x89PNG")
    page = (folder / "study.html").read_text()
    assert "square-root rule" not in page.split("<script")[0]
    assert "Sweep of iris" in page
    assert "Best rate against batch size" in page
    assert surefoot("study", "verify", path).code == 0
    shown = surefoot("study", "show", path, "--json", "-", "-q")
    assert shown.code == 0
    record = Study.from_json(json.loads(shown.out))
    assert record.contents == facts["contents"]
    assert record.best.recipe.lr == facts["best"]["recipe"]["lr"]
    assert surefoot("report", folder / "study.json", "-q").code == 0


def test_the_summary_names_the_best_its_cost_and_the_best_rates(kept, surefoot):
    said = surefoot("study", "show", kept[1])
    assert "The lowest validation loss of iris was" in said.out
    assert "member-steps" in said.out
    assert "Best rate against batch size" in said.out
    assert "Share of the variance" in said.out.replace("\n", " ")


def test_resuming_a_done_study_trains_nothing_and_gives_the_same(kept, surefoot):
    _, path = kept
    again = surefoot(
        *QUICK, "--optimizer", "sgd,adamw", "--seeds", "2", "--study", path, "--resume", "--json", "-", "-q"
    )
    assert again.code == 0
    facts = json.loads(again.out)
    with Store(path) as store:
        assert facts["contents"] == store.contents()
        assert set(store.states()) == {"done"}
    refused = surefoot(*QUICK, "--study", path)
    assert refused.code == 2
    assert "--resume" in refused.err
    other = surefoot(*QUICK, "--study", path, "--resume")
    assert other.code == 2
    assert "holds another sweep" in other.err


def test_pieces_of_a_plan_are_trained_one_by_one_and_merged(tmp_path, surefoot):
    plan, whole = tmp_path / "plan.json", tmp_path / "whole.study"
    first = surefoot(*QUICK, "--plan", plan)
    assert first.code == 0
    assert "--run-batch K" in first.out
    count = len(json.loads(plan.read_text())["units"])
    parts = []
    for number in range(count):
        parts.append(tmp_path / f"part-{number}.study")
        piece = ["sweep", "iris", "--plan", plan, "--run-batch", number, "--study", parts[-1], "-q"]
        assert surefoot(*piece).code == 0
    merged = surefoot("study", "merge", whole, *parts)
    assert merged.code == 0
    assert "complete" in merged.out
    at_once = surefoot("sweep", "iris", "--plan", plan, "--workers", "1", "--json", "-", "-q")
    with Store(whole) as store:
        assert store.contents() == json.loads(at_once.out)["contents"]


def test_listing_exporting_and_removing(kept, tmp_path, surefoot, monkeypatch):
    folder, path = kept
    monkeypatch.chdir(folder)
    assert "iris.study" in surefoot("study", "ls").out
    assert "no studies" in surefoot("study", "ls", tmp_path).out
    assert surefoot("study", "export", path, tmp_path / "a.csv").code == 0
    assert (tmp_path / "a.csv").read_text().startswith("member,")
    copy = tmp_path / "copy.study"
    copy.write_bytes(path.read_bytes())
    asked = surefoot("study", "rm", copy)
    assert asked.code == 2
    assert "--yes" in asked.err
    assert copy.exists()
    assert surefoot("study", "rm", "-y", copy).code == 0
    assert not copy.exists()
    assert surefoot("study", "rm", "-y", tmp_path / "a.csv").code == 2
    assert (tmp_path / "a.csv").exists()


def test_verify_exits_with_1_for_damage_and_2_for_no_study(kept, tmp_path, surefoot):
    import sqlite3

    copy = tmp_path / "copy.study"
    copy.write_bytes(kept[1].read_bytes())
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE series SET data = zeroblob(length(data)) WHERE member = 3 AND name = 'loss'")
    connection.commit()
    connection.close()
    said = surefoot("study", "verify", copy)
    assert said.code == 1
    assert "series `loss` of member 3" in said.out
    text = tmp_path / "text.study"
    text.write_text("no study")
    assert surefoot("study", "verify", text).code == 2
    assert surefoot("study", "verify", tmp_path / "nowhere").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep", "iris"], "`--lr` is missing"),
        (["sweep", "iris", "--lr", "1..0.1:4"], "`lr` is '1..0.1:4'"),
        (["sweep", "iris", "--lr", "1e-3..1"], "range without a count"),
        (["sweep", "iris", "--lr", "0.1", "--resume"], "--study FILE"),
        (["sweep", "iris", "--lr", "0.1", "--run-batch", "0"], "--plan FILE"),
        (["sweep", "iris", "--lr", "0.1", "--width", "x"], "`width` holds 'x'"),
        (["sweep", "quadratic", "--lr", "0.1", "--width", "3"], "`width` cannot be varied"),
        (["sweep", "iris", "--lr", "0.1", "--optimizer", "magic"], "magic"),
        (["sweep", "iris", "--lr", "0.1", "--sampler", "optuna"], "--random N"),
        (["sweep", "iris", "--lr", "0.1", "--study", "/nowhere/a.study"], "cannot be made"),
        (["sweep", "iris", "--lr", "0.1", "--track", "paper"], "paper"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_one_line(words, said, surefoot):
    found = surefoot(*words)
    assert found.code == 2
    assert said in found.err
    assert found.err.count("\n") == 1


def test_a_sweep_in_which_nothing_finishes_exits_with_1(surefoot, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(
        "import torch, surefoot as sf\n"
        "from torch import nn\n"
        "def explode(output, target):\n"
        "    if output.requires_grad and len(output) == 3:\n"
        "        raise ValueError('boom')\n"
        "    return nn.functional.cross_entropy(output, target)\n"
        "task = sf.Task(lambda: nn.Linear(2, 2), train=(torch.randn(24, 2), torch.arange(24) % 2), loss=explode)\n"
    )
    said = surefoot("sweep", f"{path}:task", "--lr", "0.1,0.2", "--batch-size", "16", "--epochs", "1", "--workers", "1")
    assert said.code in (1, 2)
    assert "boom" in said.out + said.err
