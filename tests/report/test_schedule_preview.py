"""Previews of schedules: the rates as rows, as characters and as a picture."""

from __future__ import annotations

import pytest

from surefoot.errors import OutputError, RecipeError
from surefoot.report.schedule_figure import schedule_figure, schedules_figure
from surefoot.report.schedule_preview import SchedulePreview, preview_of, rate_lines, table_rows
from surefoot.schedules import make, names


def test_a_preview_comes_back_equal():
    preview = preview_of(make("warmup:linear:5+one-cycle", 0.1, 40))
    assert SchedulePreview.from_json(preview.to_json()) == preview
    assert len(preview.momenta) == 40


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_rows_have_both_ends_and_no_step_twice(steps):
    rows = table_rows(preview_of(make("linear", 0.1, steps)))
    numbers = [row[0] for row in rows]
    assert numbers == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == (0, steps - 1)
    assert rows[0][1:] == (0.1, 1.0, None)


def test_the_characters_fall_with_the_rate():
    lines = [line.plain for line in rate_lines(preview_of(make("linear", 0.1, 500)), width=70, height=10)]
    curve = [line[9:] for line in lines[:10]]
    places = [min(n for n, c in enumerate(row) if c.strip()) for row in curve]
    assert places == sorted(places)
    assert places[0] < 3
    assert places[-1] > 50
    assert all(len(line) <= 70 for line in lines)


@pytest.mark.parametrize("steps", [1, 3, 5000])
def test_plain_characters_are_ascii(steps):
    lines = rate_lines(preview_of(make("triangular", 0.1, steps)), width=60, plain=True)
    assert all(line.plain.isascii() for line in lines)


def test_pictures_show_every_rate(tmp_path):
    schedule = make("one-cycle", 0.1, 50)
    picture = schedule_figure(schedule, tmp_path / "one.png")
    assert list(picture.axes[0].lines[0].get_ydata()) == schedule.lrs()
    assert list(picture.axes[1].lines[0].get_ydata()) == [schedule.momentum(step) for step in range(50)]
    assert (tmp_path / "one.png").stat().st_size > 5000
    assert list(schedule.plot().axes[0].lines[0].get_ydata()) == schedule.lrs()
    with pytest.raises(OutputError):
        schedule_figure(schedule, tmp_path / "no" / "one.png")


def test_many_schedules_fit_one_picture():
    made = [make(name, 0.1, 30) for name in names() if name in ("cosine", "linear", "step", "rex", "noam")]
    assert len(schedules_figure(made).axes) == 5


def test_feedback_needs_a_metric():
    with pytest.raises(RecipeError, match="follows a metric; give the values"):
        schedule_figure(make("greedy", 0.1, 9))
    preview = preview_of(make("plateau:patience=0", 0.1, 5), [1.0, 1.0, 1.0])
    assert preview.lrs.tolist() == pytest.approx([0.1, 0.1, 0.01, 0.001, 0.001])
    assert preview.metrics.tolist() == [1.0, 1.0, 1.0]
