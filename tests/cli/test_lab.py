"""`surefoot lab` as its users meet it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from surefoot.cli.main import main
from surefoot.textbook.lab import PROGRAMS, LabResult


def test_the_list_names_every_program(capsys):
    assert main(["lab"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in PROGRAMS)
    assert main(["lab", "--json", "-"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(PROGRAMS)


def test_listing_loads_no_torch():
    script = "import sys; from surefoot.cli.main import main; main(['lab']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_writes_record_page_and_figure(tmp_path, capsys):
    assert main(["lab", "loss-arithmetic", "--out", str(tmp_path), "--json", str(tmp_path / "r.json")]) == 0
    shown = capsys.readouterr().out
    assert "0.18 is the mean squared error" in shown
    assert "differs" in shown
    record = LabResult.load(tmp_path / "r.json")
    assert record == LabResult.load(tmp_path / "loss-arithmetic.json")
    assert record.provenance.command.startswith("surefoot lab")
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["printed"].keys() == data["measured"].keys() == data["verdict"].keys()
    page = (tmp_path / "loss-arithmetic.html").read_text()
    assert "The three-class loss example" in page
    assert "mean squared error; they agree within 0.005" in page
    assert (tmp_path / "loss-arithmetic.png").read_bytes().startswith(b"\x89PNG")


def test_every_kind_of_panel_is_drawn(tmp_path, monkeypatch):
    from surefoot.records import float_series
    from surefoot.report.lab_figures import lab_figure
    from surefoot.report.lab_page import lab_page
    from surefoot.textbook.lab import Curve, Grid, Panel

    ground = Grid("<g>", 2, 2, float_series([1, 2, 3, 4]), x=float_series([0, 1]), y=float_series([0, 1]))
    path = Curve("p", float_series([0, 1]), float_series([0, 1]), z=float_series([1, 4]))
    band = Curve(
        "b", float_series([1, 2]), float_series([1, 100]), low=float_series([0.5, 90]), high=float_series([2, 110])
    )
    panels = (
        Panel("lines", curves=(band,), y_log=True, x_log=True, marks={"m": 3.0}, columns={"c": 1.5}),
        Panel("bars", style="bars", bars={"a": 1.0, "b": 1000.0}, y_log=True),
        Panel("images", style="images", grids=(ground, ground)),
        Panel("contour", style="contour", curves=(path,), grids=(ground,)),
        Panel("surface", style="surface", curves=(path,), grids=(ground,)),
    )
    result = LabResult(name="n", title="A & B <script>", panels=panels)
    picture = lab_figure(result, tmp_path / "n.png")
    titles = {axes.get_title() for axes in picture.axes}
    assert {"lines", "bars", "images", "contour", "surface"} <= titles
    page = lab_page(result)
    assert "<script>alert" not in page
    assert "A &amp; B &lt;script&gt;" in page
    assert page.count('class="plot') == 5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lab", "xor-backpropp"], "the nearest are xor-backprop"),
        (["lab", "bowl", "--data", "/nowhere"], "reads no folder"),
        (["lab", "mnist-cnn", "--data", "/nowhere"], "holds no train-images-idx3-ubyte"),
        (["lab", "bowl", "--seeds", "0"], "--seeds"),
        (["lab", "bowl", "--out", "/dev/null"], "which is a file"),
        (["lab", "--out", "/nowhere"], "`--out` needs a program"),
        (["lab", "--seed", "0"], "`--seed` needs a program"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, said, capsys):
    assert main(words) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert complaint.startswith("surefoot: ")
