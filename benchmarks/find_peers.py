"""What other tools suggest for a case, each from its own package with its own defaults.

    pip install torch-lr-finder pytorch-lightning
    pip install --no-deps fastai fastcore fasttransform fastprogress "plum-dispatch<2.10"   # its dependencies pin torch
    pip install requests pandas fastdownload beartype cloudpickle pyyaml tqdm

A tool that is not installed is left out; one that fails or suggests nothing counts as None.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import io
import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from panel import Case
from surefoot.engines.optimizers import class_of
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task

SEED = 100


def suggestions(case: Case, task: Task) -> dict[str, float | None]:
    """Rates by tool (and rule)."""
    found: dict[str, float | None] = {}
    tools: dict[str, tuple[str, Callable[[Case, Task], dict[str, float | None]]]] = {
        "lr-finder": ("torch_lr_finder", _torch_lr_finder),
        "Lightning": ("pytorch_lightning", _lightning),
        "fastai": ("fastai", _fastai),
    }
    for name, (package, suggest) in tools.items():
        if importlib.util.find_spec(package) is None:
            continue
        with _quiet(), borrowed_rng(SEED):
            try:
                given = suggest(case, task)
            except Exception as error:  # noqa: BLE001 - a peer's failure is a result
                logging.getLogger(__name__).warning("%s failed on %s: %r", name, case.name, error)
                given = dict.fromkeys(_RULES if name == "fastai" else (name,))
        found |= {key: lr if lr is not None and math.isfinite(lr) and lr > 0 else None for key, lr in given.items()}
    return found


_RULES = ("fastai valley", "fastai steep", "fastai slide", "fastai minimum")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


class _Pairs(Dataset[tuple[tuple[torch.Tensor, ...], torch.Tensor]]):
    """Examples of several inputs, as what tools expect: a pair of the inputs and the target."""

    def __init__(self, inputs: Sequence[torch.Tensor], target: torch.Tensor) -> None:
        self.inputs, self.target = inputs, target

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, place: int) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        return tuple(one[place] for one in self.inputs), self.target[place]


class _OneArgument(nn.Module):
    """A model of several inputs, which takes them as one argument."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: Sequence[torch.Tensor]) -> Any:
        return self.inner(*inputs)


def _loader(case: Case, task: Task) -> DataLoader[Any]:
    *x, y = task.train.batch(torch.arange(task.train.size))
    data: Dataset[Any] = TensorDataset(*x, y) if len(x) == 1 else _Pairs(x, y)
    return DataLoader(data, batch_size=int(case.batch_size), shuffle=True)


def _model(task: Task) -> nn.Module:
    model = task.make_model(SEED)
    return model if len(task.train.batch(torch.arange(1))) == 2 else _OneArgument(model)


def _torch_lr_finder(case: Case, task: Task) -> dict[str, float | None]:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from torch_lr_finder import LRFinder

    model = _model(task)
    optimizer = class_of(case.optimizer)(model.parameters(), lr=1e-7, **case.options)
    finder = LRFinder(model, optimizer, task.loss, device="cpu")
    finder.range_test(_loader(case, task), end_lr=10, num_iter=100)
    figure, axes = plt.subplots()
    drawn = finder.plot(ax=axes, suggest_lr=True)
    plt.close(figure)
    return {"lr-finder": float(drawn[1]) if isinstance(drawn, tuple) else None}


def _lightning(case: Case, task: Task) -> dict[str, float | None]:
    import pytorch_lightning as pl
    from pytorch_lightning.tuner import Tuner

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.lr = _model(task), 1e-3

        def training_step(self, batch: Any) -> torch.Tensor:
            loss: torch.Tensor = task.loss(self.inner(batch[0]), batch[1])
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return class_of(case.optimizer)(self.parameters(), lr=self.lr, **case.options)

    with tempfile.TemporaryDirectory() as folder:
        trainer = pl.Trainer(
            default_root_dir=folder, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, max_epochs=100,
        )  # fmt: skip
        found = Tuner(trainer).lr_find(Module(), train_dataloaders=_loader(case, task))
    return {"Lightning": None if found is None else found.suggestion()}


def _fastai(case: Case, task: Task) -> dict[str, float | None]:
    from fastai.callback.schedule import minimum, slide, steep, valley
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.optimizer import OptimWrapper

    loader = _loader(case, task)
    with tempfile.TemporaryDirectory() as folder:
        learner = Learner(
            DataLoaders(loader, loader, device="cpu"),
            _model(task),
            loss_func=task.loss,
            opt_func=functools.partial(OptimWrapper, opt=class_of(case.optimizer), **case.options),
            path=folder,
        )
        given = learner.lr_find(show_plot=False, suggest_funcs=(valley, steep, slide, minimum))
    return dict(zip(_RULES, (float(one) for one in given), strict=True))
