"""Films of a landscape: the paths growing step by step over the contours, with their true losses."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.animation import FFMpegWriter, PillowWriter
from matplotlib.backends.backend_agg import FigureCanvasAgg

from surefoot.errors import InputError, OutputError
from surefoot.records.landscape import Landscape
from surefoot.report.figures import Picture, plain_title
from surefoot.report.lab_figures import CYCLE
from surefoot.report.landscape_figure import MARKERS, draw_above, draw_losses
from surefoot.report.landscape_levels import levels_of, until_it_leaves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FILMS", "check_writer", "write_film"]

FILMS = ("gif", "mp4")
_FRAMES = 60
_WIDE, _HIGH, _DOTS = 10.0, 5.0, 100
_RATE = 10
"""Frames per second."""
_HELD = 8
"""Frames for which the last picture stays."""


class _Gif(PillowWriter):
    """Writes the mark by which a later call knows the film as its own."""

    _frames: list[Any]

    def finish(self) -> None:
        """Save all frames."""
        first, *others = self._frames
        pause = int(1000 / self.fps)
        first.save(self.outfile, save_all=True, append_images=others, duration=pause, loop=0, comment=b"surefoot")


def check_writer(kind: str) -> None:
    """Refuse a kind of film that cannot be written here.

    Raises:
        InputError: no such kind, or ffmpeg is not installed.
    """
    if kind not in FILMS:
        raise InputError(f"`animate` is {kind!r}; a film is one of {', '.join(FILMS)}")
    if kind == "mp4" and shutil.which("ffmpeg") is None:
        raise InputError("`animate` is 'mp4', and there is no ffmpeg here to write it; install ffmpeg, or take gif")


def write_film(found: Landscape, path: str | os.PathLike[str], kind: str = "gif") -> Path:
    """Write the paths of a plane as a film.

    Raises:
        InputError: there is no path or plane to show, or no ffmpeg for an MP4.
        OutputError: `path` cannot be written.
    """
    check_writer(kind)
    steps = [int(one.step[-1]) for one in found.paths if len(one.step)]
    if not steps or len(found.axes) != 2:
        raise InputError("`animate` needs a plane with paths; draw some with `lr`, and leave `dims` at 2")
    writer: Any = (
        _Gif(fps=_RATE)
        if kind == "gif"
        else FFMpegWriter(fps=_RATE, metadata={"comment": "surefoot"}, extra_args=["-movflags", "+faststart"])
    )
    pictures = _pictures(found, np.unique(np.linspace(0, max(steps), _FRAMES).round().astype(int)).tolist())
    target = Path(path)
    handle, name = tempfile.mkstemp(suffix=f".{kind}", dir=target.parent)
    os.close(handle)
    try:
        # The writer saves a figure per frame; a figure that holds nothing but a finished picture is quick to save.
        screen = Picture(figsize=(_WIDE, _HIGH))
        FigureCanvasAgg(screen)
        shown = screen.figimage(next(pictures))
        writer.setup(screen, name, dpi=_DOTS)
        writer.grab_frame()
        for picture in pictures:
            shown.set_data(picture)
            writer.grab_frame()
        for _ in range(_HELD):
            writer.grab_frame()
        writer.finish()
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise OutputError(f"`{target}` cannot be written: {error.strerror or error}; name another place") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return target


def _pictures(found: Landscape, moments: list[int]) -> Iterator[Any]:
    """One picture per moment, [height, width, 4]: the ground drawn once, the paths on top of it."""
    figure = Picture(figsize=(_WIDE, _HIGH), dpi=_DOTS, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    levels = levels_of(found)
    draw_above(left, dataclasses.replace(found, paths=()), levels)
    draw_losses(right, found, levels)
    right.set_title("True loss along the path")
    titles = figure.suptitle(plain_title(found.task))
    canvas.draw()
    figure.set_layout_engine("none")
    limits = right.get_xlim(), right.get_ylim()
    for line in [*right.lines]:
        line.remove()
    lines = [
        (path, until_it_leaves(found, path), *_lines(left, right, place)) for place, path in enumerate(found.paths)
    ]
    right.set_xlim(limits[0])
    right.set_ylim(limits[1])
    left.legend([one[2] for one in lines], [plain_title(path.name) for path, *_ in lines], fontsize=8, loc="best")
    moving = [titles, *(line for _, _, *both in lines for line in both)]
    for one in moving:
        one.set_animated(True)
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    for moment in moments:
        canvas.restore_region(ground)
        titles.set_text(plain_title(f"{found.task}: step {moment}"))
        for path, keep, above, beside in lines:
            done = path.step <= moment
            above.set_data(*(column[keep & done] for column in path.coordinates))
            beside.set_data(path.step[done], path.losses[done])
        for one in moving:
            figure.draw_artist(one)
        yield np.asarray(canvas.buffer_rgba()).copy()


def _lines(left: Axes, right: Axes, place: int) -> tuple[Any, Any]:
    """Empty lines of a path above the ground, and of its losses."""
    colour, marker = CYCLE[place % len(CYCLE)], MARKERS[place % len(MARKERS)]
    (above,) = left.plot(
        [], [], marker + "-", color=colour, markersize=4, linewidth=1.4, markeredgecolor="white", markeredgewidth=0.3
    )
    (beside,) = right.plot([], [], color=colour, linewidth=1.6)
    return above, beside
