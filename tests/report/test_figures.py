from __future__ import annotations

import subprocess
import sys

import pytest
from matplotlib.figure import Figure

from surefoot.errors import OutputError
from surefoot.records import Recipe, Run, Sweep
from surefoot.report.colours import SCALE, colour_of_rate, coloured_rates
from surefoot.report.figures import found_figure, members_figure, run_figure, sweep_figure


def _labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_the_response_curve_has_every_part(make_found):
    axes = found_figure(make_found()).axes[0]
    assert axes.get_xscale() == "log"
    assert _labels(axes) == [
        "10 steps", "40 steps", "before training", "interval", "recommended 0.1", "diverges above 3", "diverged",
    ]  # fmt: skip
    top = next(line for line in axes.lines if line.get_label() == "40 steps")
    assert list(top.get_xdata()) == [0.01, 0.1, 1.0]
    assert list(top.get_ydata()) == pytest.approx([0.8, 0.5, 0.9])
    assert axes.get_title() == "toy, sgd, cosine schedule: rate 0.1"
    assert axes.get_xlabel() == "peak rate"
    low, high = axes.get_ylim()
    assert low < 0.5 < 2.3 < high


def test_the_scale_of_colours_spans_the_rates_that_got_beyond_the_first_rung(make_run):
    first = [make_run(lr, steps=10) for lr in (1e-6, 1e-4, 1e-2, 1.0)]
    assert coloured_rates(first) == (1e-6, 1.0)
    assert coloured_rates([*first, make_run(1e-2, steps=40), make_run(0.1, steps=40)]) == (1e-6, 1.0)
    longer = [make_run(lr, steps=40) for lr in (1e-2, 0.1, 0.5)]
    assert coloured_rates([*first, *longer]) == (1e-2, 0.5)
    assert colour_of_rate(1e-6, 1e-2, 0.5) == colour_of_rate(1e-2, 1e-2, 0.5) == SCALE[0]
    assert coloured_rates([]) == (1.0, 1.0)


def test_unknown_and_empty_searches_are_drawn_too(make_found):
    axes = found_figure(make_found(status="unknown")).axes[0]
    assert "interval" not in _labels(axes)
    assert axes.get_title().endswith("no rate can be recommended")
    empty = found_figure(make_found(status="unknown", curve=(), runs=(), divergence_lr=None, initial_loss=None))
    assert [text.get_text() for text in empty.axes[0].texts] == ["nothing was trained"]


def test_every_member_has_a_line_and_the_rates_a_scale(make_found):
    picture = members_figure(make_found())
    axes, bar = picture.axes
    assert len(axes.lines) == 6
    assert len({line.get_color() for line in axes.lines}) == 6
    assert bar.get_ylabel() == "peak rate"
    assert len(members_figure(make_found(runs=())).axes[0].texts) == 1


def test_a_training_has_a_panel_for_each_quantity(make_run):
    panels = run_figure(make_run()).axes
    assert [axes.get_ylabel() for axes in panels] == ["loss", "metrics", "rate", "gradient norm"]
    assert _labels(panels[0]) == ["training loss, smoothed", "validation loss"]
    assert _labels(panels[1]) == ["accuracy", "accuracy, training"]
    assert panels[-1].get_xlabel() == "steps"
    assert [axes.get_ylabel() for axes in run_figure(Run()).axes] == ["loss", "rate"]


def test_a_sweep_draws_every_run(make_run):
    sweep = Sweep(task="toy", runs=(make_run(0.1), make_run(1.0), make_run(0.01)))
    assert len(sweep_figure(sweep).axes[0].lines) == 3


def test_pictures_are_written_and_marked(make_found, make_run, tmp_path):
    found_figure(make_found(), tmp_path / "a.png")
    run_figure(make_run(), tmp_path / "b.svg")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert b"surefoot" in (tmp_path / "a.png").read_bytes()[:4096]
    assert b"<svg" in (tmp_path / "b.svg").read_bytes()
    with pytest.raises(OutputError, match="cannot be written"):
        found_figure(make_found(), tmp_path / "nowhere" / "a.png")
    with pytest.raises(OutputError, match="a picture is one of"):
        found_figure(make_found(), tmp_path / "a.docx")


def test_a_name_with_dollars_is_no_formula(make_found):
    recipe = Recipe(optimizer="sgd", lr=0.1, schedule="cosine", batch_size=8, epochs=2)
    picture = found_figure(make_found(task=r"$\frac{$ 5$", recipe=recipe))
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_records_plot_themselves(make_found, tmp_path):
    picture = make_found().plot(tmp_path / "find.png")
    assert isinstance(picture, Figure)
    assert (tmp_path / "find.png").exists()


def test_no_figure_is_left_in_the_global_state():
    code = (
        "import sys, surefoot.report.figures as f; from surefoot.records import Run; f.run_figure(Run());"
        "assert 'matplotlib.pyplot' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
