"""`surefoot compare`: every combination once per seed, a table that follows from the runs, a picture and a page."""

from __future__ import annotations

import json

import numpy as np
import pytest

from surefoot.records import Recipe, Run, Sweep, float_series, int_series
from surefoot.report.compare_charts import compare_chart, compare_figure, compare_sentence, compare_table
from surefoot.report.compare_settings import best_of, settings_of, target_of


def run(lr, seed, losses, fate="finished", **options):
    steps = range(0, 10 * len(losses), 10)
    return Run(
        recipe=Recipe(lr=lr, seed=seed, epochs=len(losses) - 1, **options), val_step=int_series(steps),
        val_loss=float_series(losses), val_metrics={"accuracy": float_series(np.linspace(0.1, 0.9, len(losses)))},
        fate=fate, reason="made up",
    )  # fmt: skip


MADE_UP = Sweep(
    "made up",
    (
        run(0.1, 0, [2, 1, 0.2]), run(0.1, 1, [2, 1.2, 0.4]), run(0.1, 2, [2, 0.3, 0.3]),
        run(1.0, 0, [2, 3, 5], "diverged"), run(1.0, 1, [2, 1.5, 1.7]), run(1.0, 2, [2, 4, 9], "diverged"),
    ),
)  # fmt: skip


def test_settings_are_the_runs_that_differ_in_seeds_alone():
    low, high = settings_of(MADE_UP)
    assert (low.label, high.label) == ("lr 0.1", "lr 1")
    assert (low.median, high.median) == (0.3, np.inf)
    assert (low.diverged, high.diverged) == (0, 2)
    # Of two rises a run: none of the first setting; both, one and both of the second.
    assert (low.rises, high.rises) == (0, 5 / 6)
    assert best_of([low, high]) is low
    assert target_of([low, high]) == pytest.approx(2 - 0.9 * 1.7)
    assert low.steps_to(0.35) == [20, np.inf, 10]
    steps, least, middle, most = low.curve()
    assert steps.tolist() == [0, 10, 20]
    assert (least.tolist(), middle.tolist(), most.tolist()) == ([2, 0.3, 0.2], [2, 1, 0.3], [2, 1.2, 0.4])


def test_the_table_and_the_sentence_say_what_the_runs_did():
    table = compare_table(MADE_UP, 0.35)
    assert table.columns == (
        "setting", "final loss", "lowest", "highest", "accuracy", "steps to 0.35", "diverged", "rose",
    )  # fmt: skip
    assert table.rows[0] == ("lr 0.1", "0.3", "0.2", "0.4", "0.9", "20", "0/3", "0%")
    assert table.rows[1] == ("lr 1", "∞", "–", "–", "0.9", "never", "2/3", "83%")
    said = compare_sentence(MADE_UP)
    assert "lr 0.1 ended with the lowest median validation loss, 0.3" in said
    assert "2 runs diverged" in said
    lost = Sweep("lost", MADE_UP.runs[3:4])
    assert "None of 1 setting" in compare_sentence(lost)
    assert compare_table(lost).rows[0][5] == "–"


def test_the_picture_has_a_line_per_setting_and_the_spread():
    [axes] = compare_figure(MADE_UP).axes
    labels = [line.get_label() for line in axes.get_lines()]
    assert labels[:2] == ["lr 0.1", "lr 1 (diverged 2 of 3)"]
    assert labels[2].startswith("target ")
    assert len(axes.collections) == 2
    assert len(compare_chart(MADE_UP).traces) == 4
    assert compare_figure(Sweep("empty")).axes


def test_every_combination_is_trained_from_every_seed(surefoot, tmp_path):
    said = surefoot(
        "compare", "iris", "--lr", "0.05,0.5", "--optimizer", "sgd,adam", "--batch-size", "60,full", "--seeds", "2",
        "--epochs", "2", "--momentum", "0.9", "--out", tmp_path, "--json", tmp_path / "c.json",
    )  # fmt: skip
    assert said.code == 0
    assert said.err == ""
    sweep = Sweep.load(tmp_path / "c.json")
    assert {path.name for path in tmp_path.iterdir()} == {
        "c.json", "sweep.json", "sweep.html", "sweep.png", "compare.png",
    }  # fmt: skip
    tried = {(one.recipe.optimizer, one.recipe.lr, one.recipe.batch_size, one.recipe.seed) for one in sweep.runs}
    assert tried == {
        (name, lr, size, seed)
        for name in ("sgd", "adam") for lr in (0.05, 0.5) for size in (60, "full") for seed in (0, 1)
    }  # fmt: skip
    assert {json.dumps(one.recipe.options) for one in sweep.runs} == {'{"momentum": 0.9}', "{}"}
    for one in sweep.runs:
        per_epoch = 2 if one.recipe.batch_size == 60 else 1
        assert one.val_step.tolist() == [0, per_epoch, 2 * per_epoch]
    assert sweep.provenance.command.startswith("surefoot compare iris --lr 0.05,0.5")
    lines = said.out.splitlines()
    assert sum("lr 0.05" in line or "lr 0.5" in line for line in lines) >= 8
    assert "Median and spread" in (tmp_path / "sweep.html").read_text()


def test_a_run_is_what_training_it_alone_gives(surefoot, tmp_path):
    surefoot("compare", "iris", "--lr", "0.1", "--seeds", "1", "--epochs", "3", "--json", tmp_path / "c.json", "-q")
    surefoot("train", "iris", "--lr", "0.1", "--epochs", "3", "--json", tmp_path / "t.json", "-q")
    [one], alone = Sweep.load(tmp_path / "c.json").runs, Run.load(tmp_path / "t.json")
    assert one.recipe == alone.recipe
    np.testing.assert_allclose(one.loss, alone.loss, rtol=1e-4)
    np.testing.assert_allclose(one.val_loss, alone.val_loss, rtol=1e-4)


def test_a_schedule_that_follows_the_loss_stands_beside_one_that_does_not(surefoot, tmp_path):
    said = surefoot(
        "compare", "iris", "--lr", "0.1", "--schedule", "cosine,plateau", "--seeds", "1", "--epochs", "2",
        "--json", tmp_path / "c.json",
    )  # fmt: skip
    assert said.code == 0
    assert [one.recipe.schedule for one in Sweep.load(tmp_path / "c.json").runs] == ["cosine", "plateau"]


def test_all_diverged_is_exit_code_1(surefoot):
    said = surefoot("compare", "iris", "--lr", "1e9", "--seeds", "1", "--epochs", "2")
    assert said.code == 1
    assert "None of 1 setting" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lr", "0.1,x"], "is no list of numbers"),
        (["--lr", "0.1,-1"], "`lr` is -1.0; a rate is a finite number above 0"),
        (["--lr", "0.1", "--optimizer", "sgdd"], "did you mean `sgd`?"),
        (["--lr", "0.1", "--optimizer", ","], "`--optimizer` is ','; give at least one"),
        (["--lr", "0.1", "--schedule", "cosin"], "cosine"),
        (["--lr", "0.1", "--batch-size", "9999"], "`batch_size` is 9999"),
        (["--lr", "0.1", "--batch-size", "0"], "`--batch-size` is '0': '0' is no batch size"),
        (["--lr", "0.1", "--target", "nan"], "'--target': 'nan' is not a finite number"),
        (["--lr"], "see `surefoot compare --help`"),
        (["--lr", "0.1", "--optimizer", "adam", "--momentum", "0.9"], "none of adam has the option `momentum`"),
        (["--lr", "0.1,0.2", "--seeds", "400"], "more than 500 trainings"),
        ([], "--lr"),
    ],
)
def test_bad_input_is_one_line(surefoot, words, said):
    found = surefoot("compare", "iris", *words)
    assert found.code == 2
    assert said in found.err
    assert found.err.count("\n") == 1
