"""The stacked form of a module: a program of stacked layers per batch size."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from surefoot.engines.members import Unsupported
from surefoot.engines.parameters import Blocks, Layout
from surefoot.engines.stacked.layer import Noise
from surefoot.engines.stacked.losses import stacked_loss
from surefoot.engines.stacked.plan import Plan, make_plan
from surefoot.engines.stacked.program import Program
from surefoot.tasks.task import Task

__all__ = ["StackedForm", "StackedPlace"]


@dataclasses.dataclass(frozen=True)
class _Batch:
    """A batch with its examples last."""

    arguments: list[Tensor]
    target: Any
    size: int


class StackedForm:
    """Stacked layers for a task's module; see `Form`.

    Args:
        task: what is trained.
        template: a module of the task in training mode, to be read only.
        batch: a batch like those that will come.

    Raises:
        Unsupported: the module, loss or batch has no stacked form.
    """

    one_seed = False
    examples_apart = True

    def __init__(self, task: Task, template: nn.Module, batch: Any) -> None:
        if task.loss_takes_model:
            raise Unsupported("the loss calls the model itself")
        if task.device.type != "cpu":
            raise Unsupported("stacked layers are written for the CPU")
        args, kwargs, _ = task.split(batch)
        if kwargs:
            raise Unsupported("the model takes keywords")
        kinds = {p.dtype for p in template.parameters()}
        if len(kinds) != 1 or not kinds <= {torch.float32, torch.float64}:
            raise Unsupported("the parameters are not all float32 or all float64")
        self._task_ref = weakref.ref(task)  # forms are remembered per task, which must not keep the task alive
        self.train_plan = make_plan(template, args)
        modes = [(module, module.training) for module in template.modules()]
        template.eval()
        try:
            self._eval_plan = make_plan(template, args)
        finally:
            for module, mode in modes:
                module.training = mode
        self.layout = Layout({n: tuple(p.shape) for n, p in template.named_parameters()}, kinds.pop())
        self.buffers = {name: buffer.detach().clone() for name, buffer in template.named_buffers()}
        self.loss = stacked_loss(task.own_loss)

    @property
    def _task(self) -> Task:
        task = self._task_ref()
        assert task is not None, "a form is used by engines, which hold its task"
        return task

    def prepare(self, batch: Any) -> _Batch:
        """Arguments batch last, once for all members."""
        args, _, target = self._task.split(batch)
        last = [a.movedim(0, -1).contiguous() for a in args]
        wanted = self.layout.dtype
        if any(a.is_floating_point() and a.dtype != wanted for a in last):
            raise Unsupported(f"the data is {last[0].dtype} and the parameters are {wanted}")
        return _Batch(last, target, len(args[0]))

    def place(self, seeds: Sequence[int]) -> StackedPlace:
        """Room for members with these seeds."""
        return StackedPlace(self, self.train_plan, self._eval_plan, seeds)


class StackedPlace:
    """Room for K members; see `Place`."""

    def __init__(self, form: StackedForm, train: Plan, evaluation: Plan, seeds: Sequence[int]) -> None:
        self._form, self._train, self._eval = form, train, evaluation
        count = len(seeds)
        self.weights, self.grads = form.layout.new(count), form.layout.new(count)
        self.buffers = {n: b.expand(count, *b.shape).clone() for n, b in form.buffers.items()}
        self._noise = Noise(seeds) if train.noisy else None
        self._programs: dict[tuple[int, bool], Program] = {}

    def start(self, step: int) -> None:
        """Seed dropout."""
        if self._noise is not None:
            self._noise.start(step)

    def losses(self, batch: _Batch) -> Tensor:
        """Forward, loss, backward."""
        program = self._program(batch.size, train=True)
        losses, grads = self._form.loss(program.forward(batch.arguments), batch.target)
        program.backward(grads)
        return losses

    def outputs(self, batch: _Batch) -> Tensor:
        """Forward in evaluation mode."""
        return self._program(batch.size, train=False).forward(batch.arguments).movedim(-1, 1)

    def _program(self, size: int, *, train: bool) -> Program:
        found = self._programs.get((size, train))
        if found is None:
            grads: Blocks | None = self.grads if train else None
            found = Program(
                self._train if train else self._eval,
                len(self.weights.tensors[0]),
                size,
                self.weights.named,
                grads.named if grads else {},
                self.buffers,
                self._form.layout.dtype,
                self._noise,
            )
            self._programs[size, train] = found
        return found
