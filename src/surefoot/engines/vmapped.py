"""The vmapped form of a module: torch's `vmap` over the user's module itself, autograd for the derivatives.

It takes what stacked layers do not know: attention, embeddings anywhere, losses that call the model. Buffers are
stacked like parameters, so batch normalisation trains. Random numbers are the same for all members of one seed, so
members with different seeds are placed apart when the module draws any.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from surefoot.engines.members import Unsupported, plain_attributes, random_states
from surefoot.engines.parameters import Layout
from surefoot.tasks.borrowing import borrowed_rng, mixed_seed, seed_all
from surefoot.tasks.task import Task

__all__ = ["VmappedForm", "VmappedPlace"]


class VmappedForm:
    """`vmap` over a task's module; see `Form`.

    Raises:
        Unsupported: `vmap` cannot compute the module or its loss, or a single model disagrees with it.
    """

    def __init__(self, task: Task, template: nn.Module, batch: Any) -> None:
        kinds = {p.dtype for p in template.parameters()}
        if len(kinds) != 1:
            raise Unsupported("the parameters are of several types")
        if any(not p.requires_grad for p in template.parameters()):
            raise Unsupported("some parameters are frozen")
        self._task_ref = weakref.ref(task)  # forms are remembered per task, which must not keep the task alive
        self.template = template
        self.device = task.device
        self.layout = Layout({n: tuple(p.shape) for n, p in template.named_parameters()}, kinds.pop())
        self.buffers = {name: buffer.detach().clone() for name, buffer in template.named_buffers()}
        self.one_seed = True
        self.examples_apart = False
        self._try(batch)

    @property
    def task(self) -> Task:
        """What is trained."""
        task = self._task_ref()
        assert task is not None, "a form is used by engines, which hold its task"
        return task

    def _try(self, batch: Any) -> None:
        """Two equal members must behave as the single model does."""
        place = self.place([0, 0])
        for name, view in place.weights.named.items():
            view.copy_(self.template.get_parameter(name).detach())
        kept = {name: buffer.clone() for name, buffer in self.template.named_buffers()}
        try:
            with borrowed_rng():
                place.start(0)
                before, attributes = random_states(), plain_attributes(self.template)
                losses = place.losses(batch)
                self.one_seed = random_states() != before
                memory = plain_attributes(self.template) != attributes
                place.start(0)
                with torch.enable_grad():
                    single = self.task.loss_of(self.template, batch).detach()
        except Exception as error:  # noqa: BLE001 - whatever the user's code does under vmap
            text = (str(error).splitlines() or [""])[0][:160]
            raise Unsupported(f"vmap fails on it ({type(error).__name__}: {text})") from None
        finally:
            for name, buffer in self.template.named_buffers():
                buffer.copy_(kept[name])
        # A module that draws random numbers may draw others in a single run.
        same = self.one_seed or torch.allclose(losses, single.to(losses.dtype), rtol=1e-3, atol=1e-5)
        if memory:
            raise Unsupported("its forward pass changes attributes of the module")
        if losses.shape != (2,) or not same:
            raise Unsupported("under vmap its loss differs from that of a single model")

    def prepare(self, batch: Any) -> Any:
        """The batch as it is."""
        return batch

    def place(self, seeds: Sequence[int]) -> VmappedPlace:
        """Room for members with these seeds."""
        return VmappedPlace(self, seeds)


class VmappedPlace:
    """Room for K members; see `Place`."""

    def __init__(self, form: VmappedForm, seeds: Sequence[int]) -> None:
        self._form, self._seed = form, seeds[0]
        count = len(seeds)
        self.weights, self.grads = form.layout.new(count, form.device), form.layout.new(count, form.device)
        self.buffers = {n: b.expand(count, *b.shape).clone() for n, b in form.buffers.items()}
        self._views, self._slots = self.weights.named, self.grads.named

    def start(self, step: int) -> None:
        """Seed the generator that the module draws from."""
        seed_all(mixed_seed(self._seed, step, 1))

    def losses(self, batch: Any) -> Tensor:
        """Autograd over the vmapped forward pass."""
        with torch.enable_grad(), _plain_attention():
            leaves = {name: view.detach().requires_grad_(True) for name, view in self._views.items()}
            losses = self._map(lambda model: self._form.task.loss_of(model, batch), leaves)
            grads = torch.autograd.grad(losses.sum(), list(leaves.values()), allow_unused=True)
        for name, grad in zip(leaves, grads, strict=True):
            if grad is None:
                raise Unsupported(f"parameter `{name}` takes no part in the result")
            self._slots[name].copy_(grad)
        return losses.detach()

    def outputs(self, batch: Any) -> Tensor:
        """The vmapped forward pass in evaluation mode."""
        args, kwargs, _ = self._form.task.split(batch)
        modes = [(module, module.training) for module in self._form.template.modules()]
        self._form.template.eval()
        try:
            with _plain_attention():
                return self._map(lambda model: model(*args, **kwargs), self._views)
        finally:
            for module, mode in modes:
                module.training = mode

    def _map(self, function: Callable[[Callable[..., Any]], Any], weights: dict[str, Tensor]) -> Tensor:
        template = self._form.template

        def one(numbers: dict[str, Tensor], buffers: dict[str, Tensor]) -> Any:
            return function(lambda *a, **k: functional_call(template, (numbers, buffers), a, k))

        result: Tensor = vmap(one, randomness="same")(weights, self.buffers)
        return result


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention by plain products: the fused kernels have no rule under vmap on every device."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # a whole encoder layer that vmap cannot see into
    try:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
