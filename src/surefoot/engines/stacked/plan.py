"""The plan of a stacked model: which stacked layers stand for the user's unmodified module, in order.

`torch.fx` traces the module symbolically, one run per mode; two example batches of different size tell which sizes
are features and which is the batch. Whatever has no stacked layer makes the module *unsupported*, with the reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from surefoot.engines.members import Unsupported, plain_attributes, random_states
from surefoot.engines.stacked.layer import Layer, Spec

__all__ = ["Plan", "Step", "make_plan"]


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "parametrizations")


@dataclasses.dataclass(frozen=True)
class Step:
    """One layer to make."""

    layer: Callable[..., Layer]
    settings: Mapping[str, Any]
    inputs: tuple[int, ...]
    """Numbers of the values it takes: the module's arguments come first, then one per step."""
    output: Spec
    weights: Mapping[str, str]
    """Role in the layer to the parameter's name in the module."""
    buffers: Mapping[str, str]
    overwrite: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """Layers of a whole model."""

    inputs: tuple[Spec, ...]
    steps: tuple[Step, ...]
    specs: tuple[Spec, ...]
    """Of every value: the arguments, then the results of the steps."""
    result: int
    """Number of the value that the module returns."""
    noisy: bool
    """Whether any layer draws random numbers."""


@dataclasses.dataclass
class Call:
    """A traced operation, as the table of known operations sees it."""

    inputs: tuple[Spec, ...]
    output: tuple[int, ...]
    """Feature sizes of the result."""
    args: tuple[Any, ...]
    """Positional arguments as traced; tensors are `fx.Node`."""
    kwargs: Mapping[str, Any]
    module: nn.Module | None
    alone: bool
    """Whether nothing else uses the (first) input."""


@dataclasses.dataclass
class Choice:
    """The stacked layer for a call."""

    layer: Callable[..., Layer]
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    weights: tuple[str, ...] = ()
    buffers: tuple[str, ...] = ()
    noisy: bool = False
    overwrites: bool = False
    """Whether the layer can put its result over its input."""
    own_output: bool = False


def make_plan(module: nn.Module, arguments: tuple[Any, ...]) -> Plan:
    """The plan of `module` in its present mode, for arguments like those given (tensors, the batch first).

    Raises:
        Unsupported: the module cannot be traced, or does something that has no stacked layer.
    """
    from surefoot.engines.stacked.table import choose

    if not arguments or not all(isinstance(a, Tensor) and a.ndim >= 1 for a in arguments):
        raise Unsupported("the model's arguments are not plain tensors")
    names = _names(module)
    if fx.Tracer().is_leaf_module(module, ""):
        module = nn.Sequential(module)  # tracing would open a lone layer of torch's
    batch = len(arguments[0])
    if any(len(a) != batch for a in arguments):
        raise Unsupported("the model's arguments differ in their first dimension")
    if any(getattr(one, kind, None) for one in module.modules() for kind in _HOOKS):
        raise Unsupported("it carries hooks or parametrizations")
    before = plain_attributes(module), random_states()
    try:
        graph = fx.Tracer().trace(module)
    except Exception as error:  # noqa: BLE001 - any failure of the user's code under tracing
        raise Unsupported(f"it cannot be traced ({type(error).__name__}: {_first_line(error)})") from None
    if plain_attributes(module) != before[0]:
        raise Unsupported("its forward pass changes attributes of the module")
    if random_states() != before[1]:
        raise Unsupported("its forward pass draws random numbers that are no layer's")
    shapes = _feature_sizes(module, graph, arguments)
    used: set[str] = set()
    numbers: dict[fx.Node, int] = {}
    specs: list[Spec] = []
    steps: list[Step] = []
    own: list[bool] = []
    noisy = False
    result: int | None = None
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    if len(placeholders) < len(arguments):
        raise Unsupported("the model takes fewer arguments than a batch has inputs")
    for node, argument in zip(placeholders, arguments, strict=False):
        numbers[node] = len(specs)
        specs.append(Spec(tuple(argument.shape[1:]), shared=True))
        own.append(False)
    for node in graph.nodes:
        if node.op == "output":
            if not isinstance(node.args[0], fx.Node) or node.args[0] not in numbers:
                raise Unsupported("the model does not return one tensor")
            result = numbers[node.args[0]]
            continue
        if node.op == "placeholder" or node not in shapes:
            continue
        if node.op == "get_attr":
            raise Unsupported(f"`{node.target}` is used outside of a layer")
        tensors = [each for each in node.all_input_nodes if each in shapes or each in numbers]
        if not tensors or any(each not in numbers for each in tensors):
            raise Unsupported(f"`{node.name}` makes a tensor that is no function of the batch")
        call = Call(
            inputs=tuple(specs[numbers[each]] for each in tensors),
            output=shapes[node],
            args=node.args,
            kwargs=node.kwargs,
            module=module.get_submodule(str(node.target)) if node.op == "call_module" else None,
            alone=len(tensors[0].users) == 1 and tensors[0].op != "placeholder",
        )
        choice = choose(node, call)
        weights, buffers = {}, {}
        for role in choice.weights:
            value = getattr(call.module, role, None)
            if value is not None:
                weights[role] = names[id(value)]
        for role in choice.buffers:
            value = getattr(call.module, role, None)
            if value is not None:
                buffers[role] = names[id(value)]
        again = used & {*weights.values(), *buffers.values()}
        if again:
            raise Unsupported(f"`{sorted(again)[0]}` is used by more than one layer")
        used |= {*weights.values(), *buffers.values()}
        sources = tuple(numbers[each] for each in tensors)
        shared = all(specs[number].shared for number in sources) and not weights and not choice.noisy
        numbers[node] = len(specs)
        steps.append(
            Step(
                choice.layer,
                choice.settings,
                sources,
                Spec(shapes[node], shared),
                weights,
                buffers,
                choice.overwrites and call.alone and own[sources[0]],
            )
        )
        specs.append(Spec(shapes[node], shared))
        own.append(choice.own_output)
        noisy = noisy or choice.noisy
    left = {names[id(parameter)] for parameter in module.parameters()} - used
    if left:
        raise Unsupported(f"parameter `{sorted(left)[0]}` takes no part in the result")
    if any(not parameter.requires_grad for parameter in module.parameters()):
        raise Unsupported("some parameters are frozen")
    if result is None or specs[result].shared:
        raise Unsupported("the result does not depend on any parameter")
    return Plan(tuple(specs[: len(arguments)]), tuple(steps), tuple(specs), result, noisy)


def _feature_sizes(module: nn.Module, graph: fx.Graph, arguments: tuple[Tensor, ...]) -> dict[fx.Node, tuple[int, ...]]:
    """Feature sizes of every tensor in the graph; two batch sizes prove which axis the batch is."""
    found: list[dict[fx.Node, tuple[int, ...]]] = []
    sizes = [len(arguments[0]), 2 if len(arguments[0]) != 2 else 3]
    kept = [(buffer, buffer.clone()) for buffer in module.buffers()]  # normalisation would note these batches
    for size in sizes:
        index = torch.arange(size) % len(arguments[0])
        shapes: dict[fx.Node, tuple[int, ...]] = {}
        try:
            _Shapes(module, graph, shapes).note(*(argument[index] for argument in arguments))
        except Exception as error:  # noqa: BLE001
            raise Unsupported(f"it fails on a batch of {size} ({type(error).__name__}: {_first_line(error)})") from None
        finally:
            with torch.no_grad():
                for buffer, before in kept:
                    buffer.copy_(before)
        found.append(shapes)
    features = {}
    for node, shape in found[0].items():
        if node.op == "get_attr":
            features[node] = shape
            continue
        other = found[1].get(node)
        if other is None or not shape or shape[0] != sizes[0] or other != (sizes[1], *shape[1:]):
            raise Unsupported(f"`{node.name}` does not keep the batch as its first dimension")
        features[node] = shape[1:]
    return features


class _Shapes(fx.Interpreter):
    """Runs the graph and notes the shapes of tensors."""

    def __init__(self, module: nn.Module, graph: fx.Graph, shapes: dict[fx.Node, tuple[int, ...]]) -> None:
        super().__init__(module, graph=graph)
        self._shapes = shapes

    def note(self, *arguments: Tensor) -> None:
        """Compute all nodes."""
        # `run` draws a progress bar, whose lock all forked processes share: one that is killed while it holds the lock
        # would leave every other waiting for ever.
        self.args_iter = iter(arguments)
        self.env = {}
        for node in self.graph.nodes:
            self.env[node] = self.run_node(node)

    def run_node(self, n: fx.Node) -> Any:
        """Compute one node."""
        value = super().run_node(n)
        if isinstance(value, Tensor) and n.op != "output":
            self._shapes[n] = tuple(value.shape)
        return value


def _names(module: nn.Module) -> dict[int, str]:
    named = [*module.named_parameters(), *module.named_buffers()]
    return {id(value): name for name, value in named}


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:160]
