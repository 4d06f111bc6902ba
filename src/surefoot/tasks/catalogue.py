"""The catalogue: names of the built-in tasks, and how each is made when asked for.

An *entry* says in one line what is trained and for how long it is worth training; its data and model are named by
module and function, and only imported when the task is made. Listing the catalogue loads no torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from surefoot.errors import InputError

if TYPE_CHECKING:
    from surefoot.tasks.data.download import Progress
    from surefoot.tasks.data.split import Split
    from surefoot.tasks.task import Task

__all__ = ["ALIASES", "CATALOGUE", "Entry", "find_entry", "hints"]

DATA = "surefoot.tasks.data"
MODELS = "surefoot.tasks.models"


@dataclass(frozen=True)
class Part:
    """A function of the package and its keywords: `module:function`, imported when called."""

    place: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def resolve(self, package: str) -> Any:
        """The function with its keywords bound; it can be pickled."""
        module, _, name = self.place.partition(":")
        return partial(getattr(import_module(f"{package}.{module}"), name), **self.options)


@dataclass(frozen=True)
class Entry:
    """One built-in task.

    Attributes:
        name: what it is called on the command line.
        summary: data, model and loss in one line.
        epochs: passes over the training part after which this task is about trained: a hint for a recipe.
        batch_size: examples in a batch, or "full": a hint for a recipe.
        data: the function that returns the `Split`, or the `Surface`, which brings its own model.
        model: the function that returns a new module; None for a surface.
        folder: whether the data can be read from a folder of the user's (`--data`).
    """

    name: str
    summary: str
    epochs: int
    batch_size: int | str
    data: Part
    model: Part | None = None
    folder: bool = False

    def make(self, directory: str | Path | None = None, progress: Progress | None = None) -> Task:
        """Load the data and make the task.

        Args:
            directory: folder with the data, for the entries that are read from one.
            progress: called during a download as progress(file name, bytes done, bytes in all or None).

        Raises:
            InputError: if a directory is given for a task whose data is inside the package.
            DataError: if the data cannot be found, downloaded or read.
        """
        if directory is not None and not self.folder:
            readers = ", ".join(name for name, entry in CATALOGUE.items() if entry.folder)
            raise InputError(
                f"`data` is {str(directory)!r}, but {self.name!r} needs no folder; only {readers} read one"
            )
        from surefoot.tasks.borrowing import borrowed_rng

        # Some libraries draw from the global generators when they are first imported.
        with borrowed_rng():
            load = self.data.resolve(DATA)
            if self.model is None:
                surface = load()
                return _task(self.name, surface.model, surface.split)
            split = load(directory, progress=progress) if self.folder else load()
            return _task(self.name, self.model.resolve(MODELS), split)


def hints(spec: str, task: Task) -> tuple[float, int | str]:
    """Epochs and batch size for which the task that `spec` names is worth training when the user says nothing."""
    entry = CATALOGUE.get(ALIASES.get(spec, spec))
    if entry is not None:
        return float(entry.epochs), entry.batch_size
    return 10.0, min(64, task.train.size)


def find_entry(name: str) -> Entry:
    """The entry of a name or alias.

    Raises:
        InputError: if there is none; it offers the nearest names.
    """
    entry = CATALOGUE.get(ALIASES.get(name, name))
    if entry is not None:
        return entry
    near = difflib.get_close_matches(name.lower().replace("_", "-"), [*CATALOGUE, *ALIASES], n=3, cutoff=0.5)
    offer = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(CATALOGUE)}"
    raise InputError(f"`task` is {name!r}, which is no built-in task; {offer}; or give path/to/file.py:name")


def _task(name: str, model: Any, split: Split) -> Task:
    from torch import nn

    from surefoot.tasks.data.surfaces import mean_height
    from surefoot.tasks.metrics import accuracy, mean_absolute_error
    from surefoot.tasks.task import Task

    loss: Any = {"surface": mean_height, "regression": nn.MSELoss()}.get(split.kind, nn.CrossEntropyLoss())
    metrics: dict[str, Any] = {"accuracy": accuracy}
    if split.kind == "regression":
        metrics = {"mean_absolute_error": mean_absolute_error}
    elif split.kind == "surface":
        metrics = {}
    return Task(model, train=(split.x, split.y), val=(split.xv, split.yv), loss=loss, metrics=metrics, name=name)


def _mlp(*widths: int, **options: Any) -> Part:
    return Part("mlp:mlp", {"widths": widths, **options})


DIGITS = Part("tables:digits")
DIGIT_IMAGES = Part("tables:digits", {"flat": False})
MNIST = Part("mnist:mnist")
MNIST_SMALL = Part("mnist:mnist_small")
SIMPLE_CNN = Part("simple_cnn:simple_cnn")
TEXT = Part("tiny_text:tiny_text", {"length": 32})
SYMBOLS = 63  # different characters of the tiny text

ENTRIES = (
    Entry("xor", "XOR truth table (4 points), MLP 2-4-1 of sigmoids, squared error", 1000, "full",
          Part("xor:xor"), _mlp(2, 4, 1, activation="sigmoid", output="sigmoid")),
    Entry("digits", "handwritten digits of 8x8 pixels, MLP 64-32-10", 30, 64, DIGITS, _mlp(64, 32, 10)),
    Entry("digits-cnn", "handwritten digits of 8x8 pixels, CNN of 16 and 32 channels", 15, 64,
          DIGIT_IMAGES, Part("small_cnn:small_cnn")),
    Entry("digits-bn", "handwritten digits of 8x8 pixels, CNN with batch normalisation and dropout", 15, 64,
          DIGIT_IMAGES, Part("batch_norm_cnn:batch_norm_cnn", {"size": 8})),
    Entry("digits-linear", "handwritten digits of 8x8 pixels, linear classifier", 30, 64,
          DIGITS, Part("linear:linear", {"inputs": 64, "outputs": 10})),
    Entry("breast-cancer", "breast tumours by 30 measurements, MLP 30-16-2", 30, 32,
          Part("tables:breast_cancer"), _mlp(30, 16, 2)),
    Entry("diabetes", "progress of diabetes (regression), MLP 10-16-1, squared error", 50, 32,
          Part("tables:diabetes"), _mlp(10, 16, 1, activation="tanh")),
    Entry("iris", "iris flowers by 4 measurements, MLP 4-16-3", 60, 16, Part("tables:iris"), _mlp(4, 16, 3)),
    Entry("wine", "wines by 13 measurements, MLP 13-16-3", 40, 16, Part("tables:wine"), _mlp(13, 16, 3)),
    Entry("penguins", "penguin species by measurements, island and sex, MLP 9-16-3", 40, 16,
          Part("penguins:penguins"), _mlp(9, 16, 3)),
    Entry("spirals", "three spirals in the plane, MLP 2-32-32-3 of tanh", 200, 32,
          Part("spirals:spirals"), _mlp(2, 32, 32, 3, activation="tanh")),
    Entry("quadratic", "noisy bowl of 7 dimensions, stability limit exactly 0.2", 20, 8, Part("surfaces:quadratic")),
    Entry("rosenbrock", "noisy bent valley of 2 dimensions, lowest at (1, 1)", 100, 8, Part("surfaces:rosenbrock")),
    Entry("tiny-text", "next character of English prose, GRU of 64 units", 15, 32,
          TEXT, Part("recurrent:recurrent", {"symbols": SYMBOLS})),
    Entry("tiny-text-rnn", "next character of English prose, Elman network of 64 units", 15, 32,
          TEXT, Part("recurrent:recurrent", {"symbols": SYMBOLS, "cell": "elman"})),
    Entry("tiny-text-transformer", "next character of English prose, transformer of two blocks", 15, 32,
          TEXT, Part("transformer:transformer", {"symbols": SYMBOLS, "context": 32})),
    Entry("mnist", "MNIST (from a folder, or 11 MB of download), SimpleCNN", 3, 64, MNIST, SIMPLE_CNN, folder=True),
    Entry("mnist-mlp", "MNIST (from a folder, or 11 MB of download), MLP 784-256-10", 5, 64,
          Part("mnist:mnist", {"flat": True}), _mlp(784, 256, 10), folder=True),
    Entry("mnist-small", "first 10,000 images of MNIST, SimpleCNN", 3, 64, MNIST_SMALL, SIMPLE_CNN),
    Entry("mnist-small-mlp", "first 10,000 images of MNIST, MLP 784-256-10", 5, 64,
          Part("mnist:mnist_small", {"flat": True}), _mlp(784, 256, 10)),
    Entry("mnist-small-lenet", "first 10,000 images of MNIST, CNN of the size of LeNet", 5, 64,
          MNIST_SMALL, Part("lenet:lenet")),
)  # fmt: skip

CATALOGUE: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in ENTRIES})
"""Every built-in task by its name, in the order to list them."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {"digits-mlp": "digits", "tiny-text-gru": "tiny-text", "mnist-cnn": "mnist", "mnist-small-cnn": "mnist-small"}
)
"""Other names of the same tasks."""
