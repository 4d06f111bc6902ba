"""Surefoot: what learning rate should this training use, and how sure is that?

Every public name is resolved on first use, so that ``import surefoot`` loads no torch.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from surefoot.faces import register_face

if TYPE_CHECKING:
    from surefoot.curvature import curvature as curvature
    from surefoot.diagnose import diagnose as diagnose
    from surefoot.engines.train import train as train
    from surefoot.errors import SurefootError as SurefootError
    from surefoot.find import find as find
    from surefoot.landscape import landscape as landscape
    from surefoot.records import Curvature as Curvature
    from surefoot.records import Found as Found
    from surefoot.records import Landscape as Landscape
    from surefoot.records import Recipe as Recipe
    from surefoot.records import Run as Run
    from surefoot.records import Sweep as Sweep
    from surefoot.study.sweep import sweep as sweep
    from surefoot.study.transfer import transfer as transfer
    from surefoot.tasks.metrics import accuracy as accuracy
    from surefoot.tasks.task import Task as Task
    from surefoot.textbook.ask import ask as ask
    from surefoot.watch import autopilot as autopilot
    from surefoot.watch import watch as watch

__version__ = "0.1.0"

_HOMES = {
    "Curvature": "surefoot.records",
    "Found": "surefoot.records",
    "Landscape": "surefoot.records",
    "Recipe": "surefoot.records",
    "Run": "surefoot.records",
    "SurefootError": "surefoot.errors",
    "Sweep": "surefoot.records",
    "Task": "surefoot.tasks.task",
    "accuracy": "surefoot.tasks.metrics",
    "ask": "surefoot.textbook.ask",
    "autopilot": "surefoot.watch",
    "curvature": "surefoot.curvature",
    "diagnose": "surefoot.diagnose",
    "find": "surefoot.find",
    "landscape": "surefoot.landscape",
    "sweep": "surefoot.study.sweep",
    "train": "surefoot.engines.train",
    "transfer": "surefoot.study.transfer",
    "watch": "surefoot.watch",
}

for _kind in ("found", "run", "sweep"):
    register_face(_kind, "plot", f"surefoot.report.figures:{_kind}_figure")
    register_face(_kind, "html", f"surefoot.report.cards:{_kind}_card")
register_face("curvature", "plot", "surefoot.report.curvature_figures:curvature_figure")
register_face("curvature", "html", "surefoot.report.curvature_page:curvature_card")
register_face("landscape", "plot", "surefoot.report.landscape_figure:landscape_figure")
register_face("diagnosis", "html", "surefoot.report.diagnosis_notebook:diagnosis_card")
register_face("lab", "plot", "surefoot.report.lab_figures:lab_figure")
register_face("schedule", "plot", "surefoot.report.schedule_figure:schedule_figure")
register_face("study", "plot", "surefoot.report.study_charts:study_figure")
register_face("study", "html", "surefoot.report.study_page:study_card")
register_face("action", "html", "surefoot.report.watched_page:action_card")
for _kind in ("probe", "watched"):
    register_face(_kind, "plot", f"surefoot.report.watched_figures:{_kind}_figure")
    register_face(_kind, "html", f"surefoot.report.watched_page:{_kind}_card")
register_face("schedule", "torch", "surefoot.engines.torch_schedule:TorchSchedule")

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - every entry is a string


class _Package(types.ModuleType):
    """The package as a module in which a verb's name means the function, not the folder of the same name."""

    def __setattr__(self, name: str, value: object) -> None:
        # Importing the folder `surefoot.find` binds it here; `surefoot.find` must stay the function.
        if not (isinstance(value, types.ModuleType) and name in _HOMES):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'surefoot' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
