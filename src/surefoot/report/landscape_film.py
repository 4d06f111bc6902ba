"""Films of a landscape: the paths growing step by step over the contours, with their true losses."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import FFMpegWriter, PillowWriter

from surefoot.errors import InputError, OutputError
from surefoot.records.landscape import Landscape
from surefoot.report.figures import Picture, plain_title
from surefoot.report.landscape_figure import draw_above, draw_losses
from surefoot.report.landscape_levels import levels_of

__all__ = ["FILMS", "check_writer", "write_film"]

FILMS = ("gif", "mp4")
_FRAMES = 60
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
        first.save(
            self.outfile, save_all=True, append_images=others, duration=int(1000 / self.fps), loop=0,
            comment=b"surefoot",
        )  # fmt: skip


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = Picture(figsize=(10.0, 5.0), layout="constrained")
    FigureCanvasAgg(picture)
    writer: Any = (
        _Gif(fps=_RATE)
        if kind == "gif"
        else FFMpegWriter(fps=_RATE, metadata={"comment": "surefoot"}, extra_args=["-movflags", "+faststart"])
    )
    levels = levels_of(found)
    moments = np.unique(np.linspace(0, max(steps), _FRAMES).round().astype(int)).tolist()
    target = Path(path)
    handle, name = tempfile.mkstemp(suffix=f".{kind}", dir=target.parent)
    os.close(handle)
    try:
        writer.setup(picture, name, dpi=100)
        for step in [*moments, *[moments[-1]] * _HELD]:
            picture.clear()
            left, right = picture.subplots(1, 2, width_ratios=[1.5, 1])
            draw_above(left, found, levels, until=step)
            draw_losses(right, found, levels, until=step)
            picture.suptitle(plain_title(f"{found.task}: step {step}"))
            writer.grab_frame()
        writer.finish()
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise OutputError(f"`{target}` cannot be written: {error.strerror or error}; name another place") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return target
