"""What watching returns shows itself: as a page, a picture and a card, whatever names it carries."""

from __future__ import annotations

import dataclasses
import math

import pytest
from test_page import HOSTILE, Page

from surefoot.records import (
    Action,
    Finding,
    Inspection,
    LayerSeries,
    Probe,
    Run,
    UnitSeries,
    Watched,
    float_series,
    int_series,
)
from surefoot.report.files import files_of
from surefoot.report.watched_page import watched_page

SLOW = Finding("slow-descent", "holds", steps=(3, 30), text=f"the loss falls slowly {HOSTILE}", remedy="raise the rate")


def probe(**changes):
    given = {
        "status": "found", "lr": 0.1, "interval": (0.05, 0.2), "reason": "the losses differ", "lr_now": 0.01,
        "step": 30,
        "lrs": float_series([0.01, 0.1, 1.0]), "losses": float_series([0.9, 0.5, math.inf]),
        "errors": float_series([0.1, 0.0, math.nan]), "start_loss": 1.0, "steps": 12, "cost": 36,
    }  # fmt: skip
    return Probe(**given | changes)


@pytest.fixture
def watched(make_run):
    looks = 6
    series = float_series([0.1, 0.2, 0.1, math.nan, 0.3, 0.1])
    layers = tuple(
        LayerSeries(f"{name}.weight", (3, 4), *[float_series(series * scale) for scale in (1, 1e-3, 1e-2, 1e-3, 0)])
        for name in ("first", HOSTILE)
    )
    return Watched(
        run=make_run(task=HOSTILE),
        inspection=Inspection(
            step=int_series(range(0, 36, 6)), epoch=float_series([math.nan] * looks), layers=layers,
            units=(UnitSeries("relu", 8, series, series),),
        ),
        findings=(SLOW,),
        actions=(
            Action("raise", 31, factor=2.0, lr_before=0.1, lr_after=0.2, evidence=SLOW, text=f"raise: {HOSTILE}"),
            Action("stop", 39, lr_before=0.2, lr_after=0.2, restored=20, done=False, text="would stop"),
        ),
        probes=(probe(), probe(status="unknown", lr=None, interval=None)),
        overhead=0.012,
    )  # fmt: skip


def test_the_page_tells_what_was_found_done_and_tried(watched):
    page = Page(watched_page(watched))
    text = " ".join(page.texts)
    assert "Found: slow-descent." in text
    assert "1 deed changed the training; 1 only said or taken back." in text
    assert "raise after 31 steps" in text
    assert "stop after 39 steps (only said)" in text
    assert "The layers were looked at 6 times; watching took 1.2% of the training's time." in text
    assert "Best rate now 0.1 (0.05 to 0.2)" in text
    assert "Unknown which rate is best now" in text
    plots = {one.get("id") for one in page.of("div")}
    assert {"plot-loss", "plot-rate", "plot-ratios", "plot-units", "plot-probe-0", "plot-probe-1"} <= plots
    assert not [one for one in page.of("script") if one.get("src")]
    assert HOSTILE in text


def test_files_of_each(watched, tmp_path):
    for record, stem in ((watched, "watched"), (probe(), "probe")):
        files = files_of(record)
        assert set(files) == {f"{stem}.json", f"{stem}.html", f"{stem}.png"}
        for name, write in files.items():
            write(tmp_path / name)
        assert (tmp_path / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        assert type(record).load(tmp_path / f"{stem}.json") == record


def test_cards_in_a_notebook(watched):
    cards = {
        "Training, watched": watched,
        "Best rate now 0.1 (0.05 to 0.2)": probe(),
        "Raise after 31 steps": watched.actions[0],
    }
    for title, record in cards.items():
        card = record._repr_html_()
        page = Page(card)
        assert title in " ".join(page.texts)
        assert not page.of("script")
        assert len(card) < 200_000
    text = " ".join(Page(watched.actions[0]._repr_html_()).texts)
    assert "rate 0.1 to 0.2; evidence: steps 3 to 30" in text
    assert "weights of step 20 put back" in " ".join(Page(watched.actions[1]._repr_html_()).texts)


@pytest.mark.parametrize("lost", [(), (0, 1, 2)])
def test_a_probe_of_nothing_and_one_in_which_all_diverged(lost):
    one = probe(
        status="unknown", lr=None, interval=None, start_loss=math.nan,
        lrs=float_series([0.1] * len(lost)), losses=float_series([math.inf] * len(lost)),
        errors=float_series([math.nan] * len(lost)),
    )  # fmt: skip
    assert one.plot() is not None
    assert "Unknown which rate" in watched_page(one)


def test_a_training_that_never_began():
    empty = Watched(run=Run(step=int_series(), loss=float_series(), lr=float_series()), inspection=Inspection())
    assert "Nothing was found." in watched_page(empty)
    assert empty.plot() is not None
    assert "Nothing was found." in empty._repr_html_()


def test_losses_that_are_no_numbers(watched):
    run = dataclasses.replace(watched.run, loss=float_series([math.nan] * 40), val_loss=float_series([math.nan] * 3))
    assert dataclasses.replace(watched, run=run).plot() is not None
    assert "plot-loss" in watched_page(dataclasses.replace(watched, run=run))
