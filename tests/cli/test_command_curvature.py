"""`surefoot curvature`: record, page, picture, summary, exit codes, one-line complaints."""

from __future__ import annotations

import json

import pytest

from surefoot.cli.curvature import _view
from surefoot.curvature.track import Point
from surefoot.records import Curvature
from surefoot.report.curvature_page import curvature_page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from surefoot.cli.main import main

    made = tmp_path_factory.mktemp("curvature")
    words = ["curvature", "iris", "--lr", "0.05", "--steps", "12", "--layers", "--density", "--top-k", "2", "--track"]
    assert main([*words, "--noise", "--out", str(made), "--json", str(made / "r.json"), "--quiet"]) == 0
    return made


def test_record_page_and_picture(folder):
    record = Curvature.load(folder / "r.json")
    assert record == Curvature.load(folder / "curvature.json")
    assert record.provenance.command.startswith("surefoot curvature iris")
    assert record.step == 12
    page = (folder / "curvature.html").read_text()
    assert record.statement in page
    for heading in ("Sharpness against the limit", "Spectrum of the Hessian", "Gradient noise", "Layers"):
        assert heading in page
    assert page.count('class="plot') == 4
    assert (folder / "curvature.png").read_bytes().startswith(b"\x89PNG")


def test_a_saved_record_is_drawn_again(surefoot, folder, tmp_path):
    said = surefoot("report", folder / "r.json", "--out", tmp_path)
    assert said.code == 0
    assert {one.name for one in tmp_path.iterdir()} == {"curvature.html", "curvature.png"}
    assert "Largest eigenvalues" in said.out


def test_names_from_outside_are_escaped(folder):
    import dataclasses

    record = dataclasses.replace(Curvature.load(folder / "r.json"), task="<script>alert(1)</script>", notes=("<b>",))
    page = curvature_page(record)
    assert "<script>alert" not in page
    assert "<b>" not in page


def test_without_a_rate_it_says_the_limit(surefoot):
    said = surefoot("curvature", "quadratic", "--batch-size", "full", "--json", "-", "-q")
    assert said.code == 0
    record = json.loads(said.out)
    assert record["limit"] == pytest.approx(0.2, rel=1e-4)
    assert record["verdict"] is None


def test_beyond_the_limit_is_exit_code_1(surefoot):
    said = surefoot("curvature", "quadratic", "--batch-size", "full", "--lr", "0.23", "--steps", "4")
    assert said.code == 1
    assert "beyond" in said.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["curvature", "digitz"], "the nearest are"),
        (["curvature", "iris", "--lr", "-1"], "--lr"),
        (["curvature", "iris", "--track"], "`track` needs a rate"),
        (["curvature", "iris", "--momentum", "2", "--optimizer", "adam"], "no option `momentum`"),
        (["curvature", "iris", "--weights", "nowhere.pt"], "no such file"),
        (["curvature", "iris", "--memory", "1kB"], "needs about"),
        (["curvature", "iris", "--option", "steps=3"], "no option of an optimizer"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(surefoot, words, said):
    answer = surefoot(*words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_the_live_view_shows_the_last_points():
    table = _view([Point(step, 0.1, 8.0, 0.25, 1.0) for step in range(30)])
    assert table.row_count == 14
