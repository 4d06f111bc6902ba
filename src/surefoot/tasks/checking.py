"""Check a task before any long work: one batch through model, loss and metrics, in borrowed state.

Whatever would make a search fail after an hour, or succeed without meaning, is refused here in one line that holds the
remedy. What is odd but can be trained comes back as a note.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from surefoot.errors import DataError, InputError, TaskError
from surefoot.records import Recipe
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.data_checks import check_data, check_target, loss_kind, read, shapes_of, spaced
from surefoot.tasks.forward_errors import refusal_of
from surefoot.tasks.outside import ModelGradients, outside_of
from surefoot.tasks.task import Task
from surefoot.tasks.user_code import in_one_line, place_of

__all__ = ["check_task"]

_TRIED = 512
"""Most examples of a batch that are tried; a full batch could be the whole data."""


def check_task(task: Task, recipe: Recipe) -> list[str]:
    """Try one batch of `task` under `recipe`, and look at all of its data that is in memory.

    Model, data, loss, random state, modes and threads are as before afterwards: what is tried is a model of its own.

    Returns:
        Notes on what is odd but can be trained, each a sentence for the user.

    Raises:
        TaskError: the model, loss or a metric cannot be trained as it stands.
        DataError: the data is damaged, or does not fit the model and loss.
        RecipeError: a batch larger than the data.
    """
    task = task.to(task.device)  # with a loss of its own
    with borrowed_rng(recipe.seed), torch.enable_grad(), warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        notes = check_data(task, recipe)
        model, said = _checked_model(task, recipe.seed)
        notes += said
        with _constants_of(task, model, recipe.seed):
            notes += _check_training(task, recipe, model)
            _check_validation(task, recipe, model)
    return notes


def _checked_model(task: Task, seed: int) -> tuple[nn.Module, list[str]]:
    """A model to try, of which it is known that no other model shares its parts."""
    notes: list[str] = []
    model, other = _new(task, seed), _new(task, seed)
    if model is other:
        raise TaskError(
            "`model` returns the same module each time; build a new one inside the function, or give the module itself"
        )
    known = {id(parameter) for parameter in other.parameters()}
    for name, parameter in model.named_parameters():
        if id(parameter) in known:
            remedy = "build every layer inside the function"
            if not parameter.requires_grad:
                remedy = "put a copy of the frozen module into each, copy.deepcopy(…) inside the function"
            raise TaskError(f"`model` returns modules that share `{name}`; {remedy}")
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise TaskError(
                f"parameter `{name}` of `model` has no shape yet; show the lazy module one batch inside the function"
            )
        if parameter.is_meta:
            raise TaskError(f"parameter `{name}` of `model` is on the meta device and holds no numbers; load it first")
        if not bool(torch.isfinite(parameter).all()):
            raise TaskError(f"parameter `{name}` of `model` holds NaN or infinity before any training; initialise it")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        total = sum(1 for _ in model.parameters())
        why = f"none of its {total} parameters requires a gradient" if total else "it has no parameters"
        raise TaskError(f"`model` cannot be trained: {why}; set requires_grad of those that are to learn")
    if _differs(model, other):
        notes.append(
            "two models made under one seed differ: `model` draws from a generator of its own, so members do not start "
            "alike"
        )
    del other
    try:
        model = model.to(task.device).train()
    except (NotImplementedError, RuntimeError) as error:
        raise TaskError(f"`model` cannot be moved to {task.device}: {in_one_line(error)}") from error
    for name, tensor in _tensors_of(model):
        if tensor.device.type != task.device.type:
            raise TaskError(f"`{name}` of `model` stays on {tensor.device}; the task trains on {task.device}")
    return model, notes


def _new(task: Task, seed: int) -> nn.Module:
    try:
        return task.new_model(seed)
    except InputError:
        raise
    except Exception as error:
        # A module that was given is copied; what it keeps of a pass through it cannot be.
        said = in_one_line(error).split(". ")[0].rstrip(".")
        raise TaskError(
            f"`model` is a module that cannot be copied ({said}); give a function that makes it instead, "
            "() -> nn.Module"
        ) from error


@contextlib.contextmanager
def _constants_of(task: Task, model: nn.Module, seed: int) -> Iterator[None]:
    """Models may share buffers that training leaves alone; one that it changes is put back and refused."""
    known = {id(buffer) for buffer in task.new_model(seed).buffers()}
    shared = [(name, buffer, buffer.clone()) for name, buffer in model.named_buffers() if id(buffer) in known]
    changed = []
    try:
        yield
    finally:
        for name, buffer, before in shared:
            if not torch.equal(buffer, before):
                changed.append(name)
                buffer.copy_(before)
    if changed:
        raise TaskError(
            f"`model` returns modules that share the buffer `{changed[0]}`, which training changes; build anew"
        )


def _check_training(task: Task, recipe: Recipe, model: nn.Module) -> list[str]:
    size = task.train.size
    batch_size = recipe.batch_size if isinstance(recipe.batch_size, int) else size
    index = spaced(size, min(batch_size, _TRIED))
    batch = read(task, task.train, index, "train")
    loss, output = _tried(task, model, batch, "train")
    _check_loss(loss, output)
    notes = _check_outside(task, model, loss) + _check_gradients(model, loss)
    if isinstance(task.loss, nn.Module) and any(one.requires_grad for one in task.loss.parameters()):
        notes.append("`loss` has parameters of its own; only those of the model are trained")
    if size % batch_size == 1 and batch_size > 1:
        _check_single(task, recipe, model)
    for name, metric in task.metrics.items():
        _check_metric(task, model, batch, name, metric)
    if len(index) > 1:
        notes += _check_mean(task, model, index, output, batch)
    return notes


def _check_validation(task: Task, recipe: Recipe, model: nn.Module) -> None:
    count = min(recipe.batch_size if isinstance(recipe.batch_size, int) else task.val.size, _TRIED)
    batch = read(task, task.val, spaced(task.val.size, count), "val")
    model.eval()
    with torch.no_grad():
        loss, output = _tried(task, model, batch, "val")
    if not bool(torch.isfinite(loss.detach()).all()):
        raise _not_finite(loss, output, "the first batch of `val`")
    model.train()


def _tried(task: Task, model: nn.Module, batch: Any, name: str) -> tuple[torch.Tensor, Any]:
    """Loss and output of one batch, each kind of failure with its remedy."""
    output: Any = None
    target: Any = None
    if not task.loss_takes_model:
        args, kwargs, target = task.split(batch)
        try:
            output = model(*args, **kwargs)
        except InputError:
            raise
        except Exception as error:
            raise refusal_of(error, model, args, kwargs, name) from error
        if isinstance(output, torch.Tensor):
            check_target(task, output, target, name)
    stretched: list[warnings.WarningMessage]
    try:
        with warnings.catch_warnings(record=True) as stretched:
            warnings.simplefilter("always")
            if task.loss_takes_model:
                loss: Any = task.loss_of(model, batch)
            else:
                loss = task.loss_of(lambda *_args, **_kwargs: output, batch)
    except InputError:
        raise
    except Exception as error:
        raise _loss_failed(error, task, model, batch, output, target, name) from error
    if any("target size" in str(one.message) for one in stretched):
        raise DataError(
            f"the loss stretches the output over the target: {shapes_of(output)} and {shapes_of(target)}; give them "
            "the same shape"
        )
    _check_kind(loss)
    return loss, output


def _loss_failed(
    error: Exception, task: Task, model: nn.Module, batch: Any, output: Any, target: Any, name: str
) -> InputError:
    where = f" ({place_of(error)})" if place_of(error) else ""
    if task.loss_takes_model:
        args = tuple(batch) if isinstance(batch, list | tuple) else (batch,)
        return refusal_of(error, model, args, {}, name, who="`loss`")
    if not isinstance(output, torch.Tensor):
        return TaskError(f"`model` returns {_kind_of(output)}, which the loss cannot take; {_pick(output)}")
    said = in_one_line(error)
    if isinstance(error, IndexError) and "out of bounds" in said:
        return DataError(f"`{name}` has a label that the model has no output for ({said}); correct labels or model")
    if "between 0 and 1" in said:
        return TaskError(
            f"the loss needs outputs from 0 to 1, and `model` gives {float(output.min()):.3g} to "
            f"{float(output.max()):.3g}; end it with a Sigmoid, or take BCEWithLogitsLoss"
        )
    shapes = f"output {shapes_of(output)}, target {shapes_of(target)}"
    hint = ""
    if isinstance(error, TypeError | AttributeError | KeyError) and inspect.isfunction(task.loss):
        first = next(iter(inspect.signature(task.loss).parameters), "")
        hint = f"; a loss that calls the model itself names its first argument `model`, not `{first}`"
    return TaskError(f"`loss` fails on a batch of `{name}` ({shapes}): {said}{where}{hint}")


def _check_kind(loss: Any) -> None:
    if not isinstance(loss, torch.Tensor):
        if isinstance(loss, int | float) and not isinstance(loss, bool):
            raise TaskError(
                "`loss` returns a plain number, which carries no gradient; return the tensor, without .item()"
            )
        raise TaskError(f"`loss` returns {_kind_of(loss)}; it must return a tensor with one number")
    if loss.ndim != 0:
        raise TaskError(
            f"`loss` returns shape {tuple(loss.shape)}; it must return one number, the mean over the batch: end it "
            'with .mean(), or take reduction="mean"'
        )
    if not loss.is_floating_point():
        raise TaskError(f"`loss` returns {str(loss.dtype).removeprefix('torch.')}; it must be a real number")


def _check_loss(loss: torch.Tensor, output: Any) -> None:
    if not loss.requires_grad:
        raise TaskError(
            "`loss` is cut off from the parameters, so nothing can be learned; look for detach(), no_grad(), .data, "
            "argmax or NumPy between model and loss"
        )
    if not bool(torch.isfinite(loss.detach())):
        raise _not_finite(loss, output, "the first batch of `train`")


def _not_finite(loss: torch.Tensor, output: Any, batch: str) -> TaskError:
    leaf = output if isinstance(output, torch.Tensor) else None
    if leaf is not None and not bool(torch.isfinite(leaf.detach()).all()):
        return TaskError(
            f"`model` gives NaN or infinity for {batch} before any training; scale the inputs, or initialise smaller"
        )
    return TaskError(
        f"`loss` is {float(loss.detach()):g} for {batch} before any training; guard logarithms, roots and divisions "
        "in it"
    )


def _check_outside(task: Task, model: nn.Module, loss: torch.Tensor) -> list[str]:
    """A note on what wants a gradient and is not trained; parameters of the loss have their own."""
    own = task.own_loss.parameters() if isinstance(task.own_loss, nn.Module) else ()
    outside = outside_of(loss, [*model.parameters(), *own])
    if not outside:
        return []
    shapes = ", ".join(str(tuple(one.shape)) for one in outside[:3])
    return [
        "tensors that want a gradient but are no parameters of the model take part in the loss and are not trained "
        f"({len(outside)}, of shape {shapes}{', …' if len(outside) > 3 else ''}): keep layers in nn.ModuleList, "
        "numbers in nn.Parameter, or detach them"
    ]


def _check_gradients(model: nn.Module, loss: torch.Tensor) -> list[str]:
    try:
        ModelGradients(model)(loss)
    except RuntimeError as error:
        where = f" ({place_of(error)})" if place_of(error) else ""
        raise TaskError(f"the gradient of `loss` cannot be computed: {in_one_line(error)}{where}") from error
    trained = {name: one for name, one in model.named_parameters() if one.requires_grad}
    for name, parameter in trained.items():
        slope = parameter.grad
        if slope is not None and slope.is_sparse:
            slope = slope.coalesce().values()
        if slope is not None and not bool(torch.isfinite(slope).all()):
            raise TaskError(f"the gradient of parameter `{name}` is NaN or infinite before any training")
    unused = [name for name, parameter in trained.items() if parameter.grad is None]
    model.zero_grad(set_to_none=True)
    if len(unused) == len(trained):
        raise TaskError(
            "`loss` reaches no parameter of the model, so nothing can be learned; compute it from the output"
        )
    if unused:
        more = f" and {len(unused) - 3} more" if len(unused) > 3 else ""
        listed = ", ".join(f"`{name}`" for name in unused[:3])
        return [f"{len(unused)} of {len(trained)} parameters take no part in the loss: {listed}{more}"]
    return []


def _check_single(task: Task, recipe: Recipe, model: nn.Module) -> None:
    """The last batch of an epoch has one example, which batch normalisation cannot train on."""
    batch = read(task, task.train, torch.zeros(1, dtype=torch.int64), "train")
    try:
        _tried(task, model, batch, "train")
    except InputError as error:
        raise DataError(
            f"the last batch of an epoch has 1 example ({task.train.size} examples, `batch_size` {recipe.batch_size}), "
            f"and training fails on it; take another `batch_size`: {error}"
        ) from error


def _check_metric(task: Task, model: nn.Module, batch: Any, name: str, metric: Any) -> None:
    one = copy.copy(task)
    one.metrics = {name: metric}
    try:
        with torch.no_grad():
            value = one.metrics_of(model, batch)[name]
    except Exception as error:
        if isinstance(error, InputError):
            raise type(error)(f"metric `{name}`: {error}") from error
        where = f" ({place_of(error)})" if place_of(error) else ""
        raise TaskError(f"metric `{name}` fails on a batch of `train`: {in_one_line(error)}{where}") from error
    if value.numel() != 1:
        raise TaskError(f"metric `{name}` returns shape {tuple(value.shape)}; it must return one number, the mean")


def _check_mean(task: Task, model: nn.Module, index: torch.Tensor, output: Any, batch: Any) -> list[str]:
    """Notes on a loss that is no mean over the examples: compare a batch with its halves."""
    even = index[: len(index) - len(index) % 2]
    model.eval()
    try:
        with torch.no_grad():
            whole, *halves = (
                float(task.loss_of(model, read(task, task.train, part, "train")).detach())
                for part in (even, *even.chunk(2))
            )
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - a loss may need batches of one size; then there is nothing to compare
        return []
    finally:
        model.train()
    total = halves[0] + halves[1]
    slack = 1e-3 * (abs(halves[0]) + abs(halves[1]))
    if abs(whole - total) <= slack < abs(whole - total / 2):
        return ["`loss` is a sum over the batch, not a mean: the best rate then changes with the batch size"]
    if loss_kind(task.loss) or task.loss_takes_model or not isinstance(output, torch.Tensor):
        return []
    target = task.split(batch)[2]
    if isinstance(target, torch.Tensor) and _stretched(output, target) and abs(whole - total / 2) > slack:
        return [
            f"the output has shape {tuple(output.shape)} and the target {tuple(target.shape)}: if `loss` subtracts "
            "them, it stretches one over the other; give them the same shape"
        ]
    return []


def _stretched(output: torch.Tensor, target: torch.Tensor) -> bool:
    return output.shape == (*target.shape, 1) or target.shape == (*output.shape, 1)


def _tensors_of(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _differs(model: nn.Module, other: nn.Module) -> bool:
    twins = dict(_tensors_of(other))
    for name, tensor in _tensors_of(model):
        twin = twins.get(name)
        if twin is None or twin.shape != tensor.shape or not torch.equal(tensor, twin):
            return True
    return False


def _kind_of(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with {', '.join(map(str, list(value)[:6]))}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} parts"
    return "None" if value is None else f"a {type(value).__name__}"


def _pick(output: Any) -> str:
    part = "[0]" if isinstance(output, list | tuple) else ""
    if isinstance(output, Mapping) and output:
        part = f"[{next((key for key in ('logits', 'out', 'output') if key in output), next(iter(output)))!r}]"
    return f"choose the part to compare: loss=lambda output, target: your_loss(output{part}, target)"
