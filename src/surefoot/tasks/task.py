"""A task: what is trained. Model factory + data + loss + metrics.

The user's objects are borrowed: the factory is called under a seed with the random state put back, data is only read.
A *batch* goes to the model and the loss in one of two styles, told apart by the name of the loss's first parameter:

- ``loss(output, target)``: of a tuple or list the last part is the target and the parts before it are the model's
  arguments; of a dict the target is the entry named target, targets, label, labels or y, the rest are keywords;
- ``loss(model, batch)``: the loss calls the model itself.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from surefoot.errors import DataError, InputError, TaskError
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.own_losses import borrowed_function, copied_loss, loss_on, may_remember
from surefoot.tasks.sources import Source, SubsetSource, TensorSource, checksum, make_source
from surefoot.tasks.user_code import in_one_line, place_of

__all__ = ["Groups", "Split", "Task", "find_device", "takes_model"]

Groups = Callable[[str, nn.Parameter], Mapping[str, float] | None]
"""(parameter name, parameter) -> `lr_factor` and `weight_decay` that differ for it from the recipe's, or None."""

Split = tuple[tuple[Any, ...], dict[str, Any], Any]
"""Arguments and keywords for the model, and the target."""

_TARGET_KEYS = ("target", "targets", "label", "labels", "y")


class Task:
    """What is trained: a model factory, training and validation data, a loss and metrics.

    Args:
        model: ``() -> nn.Module``, called under a seed for every member; or a module, which every member starts from
            (it is copied, never changed).
        train: tensors such as ``(x, y)`` (or a dict of them), a Dataset or a DataLoader.
        val: the same for validation. None holds back a share of `train`.
        loss: ``loss(output, target)`` or ``loss(model, batch)``; a scalar, the mean over the batch.
        metrics: name -> function with the same arguments as a loss of either style, giving a mean over the batch.
        name: shown in results.
        holdout: share of `train` held back when `val` is None; above 0 and below 1.
        device: a torch device, or ``"auto"``: a GPU where torch has one.
        groups: see `Groups`; None trains all parameters alike.

    Raises:
        TaskError: the model, loss or metrics are not of these kinds.
        DataError: the data holds no examples, or its tensors do not fit together.
    """

    def __init__(
        self,
        model: Callable[[], nn.Module] | nn.Module,
        train: Any,
        val: Any = None,
        *,
        loss: Callable[..., Any],
        metrics: Mapping[str, Callable[..., Any]] | None = None,
        name: str = "task",
        holdout: float = 0.2,
        device: str | torch.device = "auto",
        groups: Groups | None = None,
    ) -> None:
        if not callable(model):
            raise TaskError(f"`model` is {type(model).__name__}; give a function that returns a new nn.Module")
        if isinstance(model, type) and not issubclass(model, nn.Module):
            raise TaskError(f"`model` is the class {model.__name__}, which is no nn.Module")
        if not callable(loss):
            raise TaskError(f"`loss` is {type(loss).__name__}; give loss(output, target) or loss(model, batch)")
        kind: Any = loss
        if isinstance(kind, type) and issubclass(kind, nn.Module):
            raise TaskError(f"`loss` is the class {kind.__name__}; make one of it, {kind.__name__}()")
        for key, metric in (metrics or {}).items():
            if not callable(metric):
                raise TaskError(f"metric `{key}` is {type(metric).__name__}; a function is needed")
        self.model = model
        self.loss = loss
        self.metrics = {key: borrowed_function(metric) for key, metric in (metrics or {}).items()}
        self.name = name
        self.device = find_device(device)
        self.groups = groups
        self.own_loss = loss_on(loss, self.device)
        """What is computed: `loss`, or a copy of one that is an object, on the device."""
        self._first_loss = self.own_loss, copied_loss(self.own_loss)
        train_source = make_source(train, "train")
        notes = list(train_source.notes)
        if val is None:
            train_source, val_source = _hold_back(train_source, holdout)
            notes.append(
                f"no validation data was given: {val_source.size} of "
                f"{train_source.size + val_source.size} training examples were held back for it"
            )
        else:
            val_source = make_source(val, "val")
            notes += [note for note in val_source.notes if note not in notes]
        self.train = _placed(train_source, self.device)
        self.val = _placed(val_source, self.device)
        self.val_given = val is not None
        self.notes = tuple(notes)

    def __repr__(self) -> str:
        return f"Task({self.name!r}, {self.train.size} training and {self.val.size} validation examples)"

    def make_model(self, seed: int) -> nn.Module:
        """A new model on the task's device, in training mode, initialised under `seed`.

        Raises:
            TaskError: the factory fails, or returns something else than a module that can be moved to the device.
        """
        module = self.new_model(seed)
        try:
            return module.to(self.device).train()
        except (NotImplementedError, RuntimeError) as error:
            raise TaskError(f"`model` cannot be moved to {self.device}: {in_one_line(error)}") from error

    def new_model(self, seed: int) -> nn.Module:
        """What the factory returns under `seed`, as it is; a copy where a module was given.

        Raises:
            TaskError: the factory fails or returns something else than a module.
        """
        with borrowed_rng(seed):
            if isinstance(self.model, nn.Module):
                return copy.deepcopy(self.model)
            try:
                module: Any = self.model()
            except InputError:
                raise
            except Exception as error:
                where = f" ({place_of(error)})" if place_of(error) else ""
                raise TaskError(f"`model` failed: {in_one_line(error)}{where}") from error
        if not isinstance(module, nn.Module):
            raise TaskError(f"`model` returned {type(module).__name__}; an nn.Module is needed")
        return module

    def to(self, device: str | torch.device) -> Task:
        """The same task on another device; data that is there already is shared.

        Raises:
            InputError: no such device here.
        """
        moved = copy.copy(self)
        moved.device = find_device(device)
        moved.own_loss = loss_on(self.loss, moved.device)
        moved._first_loss = moved.own_loss, copied_loss(moved.own_loss)
        moved.train, moved.val = _placed(self.train, moved.device), _placed(self.val, moved.device)
        return moved

    def afresh(self) -> Task:
        """The same task for one more model: its loss remembers nothing of other models; itself where none could."""
        if not may_remember(self.loss):
            return self
        computed, first = self._first_loss
        return self._with(copied_loss(first if computed is self.own_loss else self.own_loss))

    def aside(self) -> Task:
        """The same task for a look: what its loss remembers from now on is not kept; itself where none could."""
        return self._with(copied_loss(self.own_loss)) if may_remember(self.loss) else self

    def _with(self, own_loss: Callable[..., Any]) -> Task:
        made = copy.copy(self)
        computed, first = self._first_loss
        made.own_loss, made._first_loss = own_loss, (own_loss, first if computed is self.own_loss else self.own_loss)
        return made

    @functools.cached_property
    def loss_takes_model(self) -> bool:
        """Whether the loss is of the style ``loss(model, batch)``."""
        return takes_model(self.loss)

    def split(self, batch: Any) -> Split:
        """What of a batch goes to the model, and the target.

        Raises:
            TaskError: the batch has no target that could be told from the inputs.
        """
        if isinstance(batch, list | tuple) and len(batch) >= 2:
            return tuple(batch[:-1]), {}, batch[-1]
        if isinstance(batch, Mapping):
            for key in _TARGET_KEYS:
                if key in batch:
                    return (), {name: value for name, value in batch.items() if name != key}, batch[key]
            raise TaskError(
                f"a batch has the keys {', '.join(map(str, batch))} and none of {', '.join(_TARGET_KEYS)}; "
                "give `loss(model, batch)`"
            )
        raise TaskError(f"a batch is {type(batch).__name__} without a target; give `loss(model, batch)`")

    def loss_of(self, model: Callable[..., Any], batch: Any) -> torch.Tensor:
        """Mean loss of `model` on a batch: the user's loss, whichever its style."""
        return self.loss_and_output(model, batch)[0]

    def loss_and_output(self, model: Callable[..., Any], batch: Any) -> tuple[torch.Tensor, Any]:
        """Mean loss and the model's output; the output is None when the loss calls the model itself."""
        if self.loss_takes_model:
            return self.own_loss(model, batch), None
        args, kwargs, target = self.split(batch)
        output = model(*args, **kwargs)
        return self.own_loss(output, target), output

    def metrics_of(self, model: Callable[..., Any], batch: Any, output: Any = None) -> dict[str, torch.Tensor]:
        """Every metric on a batch; `output` saves a pass where the loss already made one."""
        values: dict[str, torch.Tensor] = {}
        for name, metric in self.metrics.items():
            if takes_model(metric):
                values[name] = torch.as_tensor(metric(model, batch))
                continue
            args, kwargs, target = self.split(batch)
            if output is None:
                output = model(*args, **kwargs)
            values[name] = torch.as_tensor(metric(output, target))
        return values

    def batch(self, source: Source, index: torch.Tensor, seed: int = 0) -> Any:
        """Examples of `source` at `index`, on the task's device."""
        batch = source.batch(index, seed)
        if isinstance(source, TensorSource):
            return batch
        return pytree.tree_map(lambda leaf: leaf.to(self.device) if isinstance(leaf, torch.Tensor) else leaf, batch)

    def checksum(self) -> str:
        """SHA-256 of the training and validation examples."""
        return checksum([self.train, self.val])


def find_device(device: str | torch.device) -> torch.device:
    """The torch device that ``"auto"`` or a name means.

    Raises:
        InputError: no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"`device` is {str(device)!r}, which torch does not offer here: {first}") from None
    return found


def takes_model(function: Callable[..., Any]) -> bool:
    """Whether a loss or metric is of the style ``(model, batch)``."""
    if isinstance(function, nn.Module):
        return False
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return False
    return bool(parameters) and parameters[0] == "model"


def _hold_back(source: Source, share: float) -> tuple[Source, Source]:
    if not 0 < share < 1:
        raise DataError(f"`holdout` is {share}; it lies above 0 and below 1")
    if source.size < 2:
        raise DataError(
            f"`train` has {source.size} example and no `val` is given; at least 2 are needed to hold one back"
        )
    held = min(max(1, round(source.size * share)), source.size - 1)
    order = torch.randperm(source.size, generator=torch.Generator().manual_seed(0))
    parts = [SubsetSource(source, order[held:].sort().values), SubsetSource(source, order[:held].sort().values)]
    if isinstance(source, TensorSource):
        kept = [part.in_memory("train") for part in parts]
        return kept[0], kept[1]
    return parts[0], parts[1]


def _placed(source: Source, device: torch.device) -> Source:
    return source.to(device) if isinstance(source, TensorSource) else source
