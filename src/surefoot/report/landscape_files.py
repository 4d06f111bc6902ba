"""Files of a landscape: record, page, pictures, and a film if asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from surefoot.records.landscape import Landscape

__all__ = ["animated_name", "landscape_files", "landscape_names"]

Writer = Callable[[Path], Any]


def landscape_names() -> tuple[str, ...]:
    """Names of the files: the record, the page, the picture from above, the picture of the surface."""
    return "landscape.json", "landscape.html", "landscape.png", "landscape-3d.png"


def animated_name(kind: str) -> str:
    """Name of the film."""
    return f"landscape.{kind}"


def landscape_files(found: Landscape, *, animate: str | None = None) -> dict[str, Writer]:
    """Name of each file of `found` and the function that writes it to a path; a line has no 3-D picture."""
    record, page, picture, surface = landscape_names()
    files: dict[str, Writer] = {record: found.save, page: partial(_page, found), picture: partial(_picture, found)}
    if len(found.axes) == 2:
        files[surface] = partial(_surface, found)
    if animate is not None:
        files[animated_name(animate)] = partial(_film, found, animate)
    return files


def _page(found: Landscape, path: Path) -> None:
    from surefoot.report.landscape_page import write_landscape_page

    write_landscape_page(found, path)


def _picture(found: Landscape, path: Path) -> None:
    from surefoot.report.landscape_figure import landscape_figure

    landscape_figure(found, path)


def _surface(found: Landscape, path: Path) -> None:
    from surefoot.report.landscape_figure import surface_figure

    surface_figure(found, path)


def _film(found: Landscape, kind: str, path: Path) -> None:
    from surefoot.report.landscape_film import write_film

    write_film(found, path, kind)
