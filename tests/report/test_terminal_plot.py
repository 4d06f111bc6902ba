from __future__ import annotations

import pytest

from surefoot.report.terminal import Canvas, response_lines


def _text(lines):
    return [line.plain for line in lines]


def test_dots_land_where_they_should():
    canvas = Canvas(2, 1)
    canvas.dot(0.0, 0.0)
    assert canvas.row(0).plain == "⡀ "
    canvas.dot(0.0, 1.0)
    canvas.dot(0.999, 0.5)
    assert canvas.row(0).plain == "⡁⠠"


def test_a_line_joins_its_ends():
    canvas = Canvas(10, 5)
    canvas.line(0.0, 0.0, 1.0, 1.0)
    rows = [canvas.row(number).plain for number in range(5)]
    assert all(any(c != " " for c in row) for row in rows)
    assert rows[0].rstrip()[-1] != " "
    assert rows[0].index(rows[0].strip()[0]) > rows[4].index(rows[4].strip()[0])


@pytest.mark.parametrize("width", [40, 72, 100])
def test_the_curve_fits_its_width_and_shows_every_mark(make_found, width):
    lines = _text(response_lines(make_found(), width=width))
    assert len(lines) == 17
    assert max(map(len, lines[:-1])) <= width
    picture = "\n".join(lines[:14])
    assert picture.count("◆") == 1
    assert picture.count("●") == 2
    assert "×" in picture
    assert "┊" in picture
    assert "├" in lines[14]
    assert "┤" in lines[14]
    assert lines[14].index("├") < lines[14].index("◆") < lines[14].index("┤")
    assert "0.1" in lines[15]


def test_marks_stand_at_their_rates(make_found):
    lines = _text(response_lines(make_found(), width=80))
    # The axis runs from 1e-4 to 10 over 70 characters, 2% of which are left free at either end.
    assert lines[14].index("◆") == pytest.approx(9 + 70 * (0.02 + 0.96 * 3 / 5), abs=1)
    best = next(line for line in lines[:14] if "◆" in line)
    assert best.index("◆") == lines[14].index("◆")
    assert lines.index(best) > 9


def test_plain_pictures_are_ascii(make_found):
    lines = _text(response_lines(make_found(), plain=True))
    assert "\n".join(lines).isascii()
    assert any("#" in line for line in lines)
    assert any("x" in line for line in lines[:2])


def test_unknown_and_empty_searches(make_found):
    lines = _text(response_lines(make_found(status="unknown", divergence_lr=None)))
    assert not any("◆" in line or "├" in line or "┊" in line for line in lines)
    assert response_lines(make_found(status="unknown", curve=(), divergence_lr=None)) == []


def test_where_there_is_no_room_nothing_is_drawn(make_found):
    assert response_lines(make_found(), width=39) == []
