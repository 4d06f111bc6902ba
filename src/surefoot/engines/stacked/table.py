"""The table of operations that have a stacked layer: modules, functions and methods of torch.

Everything else makes the module unsupported. Functions that treat every number alike, or only whole feature axes,
go through `Local` on the stacked values as they are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from surefoot.engines.members import Unsupported
from surefoot.engines.stacked import dense, pointwise
from surefoot.engines.stacked.convolution import Conv2d
from surefoot.engines.stacked.layer import Local
from surefoot.engines.stacked.normalisation import BatchNorm, LayerNorm
from surefoot.engines.stacked.plan import Call, Choice
from surefoot.engines.stacked.pooling import MaxPool2d

__all__ = ["choose"]

_RELU = Choice(pointwise.ReLU, overwrites=True)
_TANH = Choice(pointwise.Tanh, overwrites=True)
_SIGMOID = Choice(pointwise.Sigmoid, overwrites=True)
_RESHAPE = Choice(pointwise.Reshape)
_POINTWISE_MODULES = (
    nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.SELU, nn.CELU, nn.LeakyReLU, nn.Softplus, nn.Softsign, nn.LogSigmoid,
    nn.Hardtanh, nn.ReLU6, nn.Hardswish, nn.Hardsigmoid, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink,
)  # fmt: skip
_POINTWISE_FUNCTIONS = {
    F.gelu, F.silu, F.mish, F.elu, F.selu, F.leaky_relu, F.softplus, F.softsign, F.logsigmoid, F.hardtanh, F.relu6,
    F.hardswish, F.hardsigmoid, torch.square, torch.exp, torch.abs, torch.sin, torch.cos, torch.clamp,
    operator.neg, operator.pow, operator.truediv, torch.pow,
}  # fmt: skip
_SAME_SHAPE = {"contiguous", "float", "clone"}


def choose(node: fx.Node, call: Call) -> Choice:
    """The stacked layer for a traced operation.

    Raises:
        Unsupported: there is none.
    """
    if call.module is not None:
        found = _module(call.module, call)
    elif node.op == "call_function":
        found = _function(node.target, call)
    else:
        found = _method(str(node.target), call)
    if found is None:
        what = type(call.module).__name__ if call.module is not None else getattr(node.target, "__name__", node.target)
        raise Unsupported(f"`{what}` has no stacked form")
    return found


def _module(module: nn.Module, call: Call) -> Choice | None:
    kind = type(module)
    if getattr(module, "inplace", False) and not call.alone:
        raise Unsupported(f"an in-place `{kind.__name__}` changes a value that is used elsewhere")
    source = call.inputs[0].features
    match module:
        case nn.Linear() if kind is nn.Linear and len(source) == 1:
            return Choice(dense.Linear, weights=("weight", "bias"), own_output=True)
        case nn.Conv2d() if kind is nn.Conv2d and len(source) == 3:
            return _convolution(module)
        case nn.BatchNorm1d() | nn.BatchNorm2d() if kind in (nn.BatchNorm1d, nn.BatchNorm2d):
            return _batch_norm(module)
        case nn.LayerNorm() if kind is nn.LayerNorm and tuple(module.normalized_shape) == source:
            return _layer_norm(module)
        case nn.Embedding() if kind is nn.Embedding:
            return _embedding(module, call)
        case nn.Dropout() if kind is nn.Dropout:
            return _dropout(module.p, module.training)
        case nn.Dropout2d() if kind is nn.Dropout2d and len(source) == 3:
            return _dropout(module.p, module.training, channelwise=True)
        case nn.ReLU() if kind is nn.ReLU:
            return _RELU
        case nn.Tanh() if kind is nn.Tanh:
            return _TANH
        case nn.Sigmoid() if kind is nn.Sigmoid:
            return _SIGMOID
        case nn.Flatten() | nn.Identity() | nn.Unflatten() if kind in (nn.Flatten, nn.Identity, nn.Unflatten):
            return _RESHAPE
        case nn.LogSoftmax() | nn.Softmax() if kind in (nn.LogSoftmax, nn.Softmax):
            return _softmax(kind is nn.LogSoftmax, module.dim, call)
        case nn.MaxPool2d() if kind is nn.MaxPool2d:
            settings = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
            return None if module.return_indices else _max_pool(call, *settings)
        case nn.AvgPool2d() if kind is nn.AvgPool2d:
            return _folded(module, call)
        case nn.AdaptiveAvgPool2d() if kind is nn.AdaptiveAvgPool2d:
            return _folded(module, call)
    if kind in _POINTWISE_MODULES:
        plain = _without_inplace(module)
        return Choice(Local, {"function": plain})
    return None


def _function(target: Any, call: Call) -> Choice | None:
    if call.kwargs.get("inplace") and not call.alone:
        raise Unsupported("an in-place function changes a value that is used elsewhere")
    if target in (F.relu, torch.relu):
        return _RELU
    if target in (torch.tanh, F.tanh):
        return _TANH
    if target in (torch.sigmoid, F.sigmoid):
        return _SIGMOID
    if target in (torch.flatten, torch.reshape, torch.unsqueeze, torch.squeeze):
        return _RESHAPE
    if target in (operator.add, torch.add, operator.iadd):
        return _sum(target, call)
    if target in (operator.sub, operator.mul, torch.mul, torch.sub) and _plain(call):
        return _pointwise(target, call)
    if target in (F.log_softmax, torch.log_softmax, F.softmax, torch.softmax):
        dim = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else None)
        return _softmax(target in (F.log_softmax, torch.log_softmax), dim, call)
    if target is F.dropout:
        drop = call.kwargs.get("p", call.args[1] if len(call.args) > 1 else 0.5)
        on = call.kwargs.get("training", call.args[2] if len(call.args) > 2 else True)
        return _dropout(drop, on)
    if target in (F.max_pool2d, torch.max_pool2d):
        return _max_pool_function(call)
    if target in (F.avg_pool2d, F.adaptive_avg_pool2d):
        rest, kwargs = call.args[1:], dict(call.kwargs)
        return _folded(lambda images: target(images, *rest, **kwargs), call)
    if target in _POINTWISE_FUNCTIONS and _plain(call):
        return _pointwise(target, call)
    return None


def _method(name: str, call: Call) -> Choice | None:
    if name in ("view", "reshape", "flatten", "unsqueeze", "squeeze", *_SAME_SHAPE):
        return _RESHAPE
    if name in ("relu", "tanh", "sigmoid"):
        return {"relu": _RELU, "tanh": _TANH, "sigmoid": _SIGMOID}[name]
    if name in ("add", "add_"):
        return _sum(torch.add, call)
    if name in ("log_softmax", "softmax"):
        dim = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else None)
        return _softmax(name == "log_softmax", dim, call)
    return None


def _convolution(module: nn.Conv2d) -> Choice:
    if module.groups != 1 or module.padding_mode != "zeros":
        raise Unsupported("`Conv2d` with groups, or padded with other than zeros, has no stacked form")
    if isinstance(module.padding, str):
        if module.padding == "same" and any(
            d * (k - 1) % 2 for d, k in zip(module.dilation, module.kernel_size, strict=True)
        ):
            raise Unsupported("`Conv2d` with uneven padding has no stacked form")
        same = [d * (k - 1) // 2 for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        padding = (same[0], same[1]) if module.padding == "same" else (0, 0)
    else:
        padding = (module.padding[0], module.padding[1])
    settings = {"stride": module.stride, "padding": padding, "dilation": module.dilation}
    return Choice(Conv2d, settings, weights=("weight", "bias"), own_output=True)


def _batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d) -> Choice:
    if not module.affine or not module.track_running_stats or module.momentum is None:
        raise Unsupported("`BatchNorm` without parameters, running statistics or momentum has no stacked form")
    settings = {"eps": module.eps, "momentum": module.momentum, "training": module.training}
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    return Choice(BatchNorm, settings, weights=("weight", "bias"), buffers=buffers)


def _layer_norm(module: nn.LayerNorm) -> Choice:
    return Choice(LayerNorm, {"eps": module.eps}, weights=("weight", "bias"))


def _embedding(module: nn.Embedding, call: Call) -> Choice:
    if module.max_norm is not None or module.sparse or module.scale_grad_by_freq or not call.inputs[0].shared:
        raise Unsupported("`Embedding` with max_norm, sparse or scaled gradients has no stacked form")
    return Choice(dense.Embedding, {"padding": module.padding_idx}, weights=("weight",))


def _dropout(drop: float, on: bool, *, channelwise: bool = False) -> Choice:
    if not on or drop == 0:
        return _RESHAPE
    return Choice(pointwise.Dropout, {"drop": drop, "channelwise": channelwise}, noisy=True)


def _softmax(log: bool, dim: int | None, call: Call) -> Choice:
    rank = len(call.output)
    if dim is None or rank == 0 or dim == 0:
        raise Unsupported("a softmax without `dim`, or over the batch, has no stacked form")
    if dim < -rank:
        raise Unsupported("a softmax over the batch has no stacked form")
    place = dim - 1 if dim < 0 else dim - rank - 2  # counted from the end, where the batch now comes last
    if log and rank == 1 and not call.inputs[0].shared:
        return Choice(pointwise.LogSoftmax)
    function = torch.log_softmax if log else torch.softmax
    return Choice(Local, {"function": lambda values: function(values, place)})


def _sum(target: Any, call: Call) -> Choice | None:
    if target is operator.iadd and not call.alone:
        raise Unsupported("an in-place sum changes a value that is used elsewhere")
    if call.kwargs:
        return None
    tensors = [arg for arg in call.args if isinstance(arg, fx.Node)]
    if len(tensors) == 2 and len(call.inputs) == 2:
        if any(spec.features != call.output for spec in call.inputs):
            raise Unsupported("a sum of values of different shapes has no stacked form")
        return Choice(pointwise.Add, own_output=True)
    return _pointwise(operator.add, call)


def _plain(call: Call) -> bool:
    """Whether tensors have the result's shape and every other argument is a number or setting."""
    return all(spec.features == call.output for spec in call.inputs)


def _pointwise(target: Callable[..., Any], call: Call) -> Choice:
    """`target` on stacked values, numbers and settings as traced."""
    template = call.args
    kwargs = {name: value for name, value in call.kwargs.items() if name != "inplace"}
    if any(isinstance(value, fx.Node) for value in kwargs.values()):
        raise Unsupported(f"`{getattr(target, '__name__', target)}` takes a tensor by keyword")
    distinct = list(dict.fromkeys(arg for arg in template if isinstance(arg, fx.Node)))

    def function(*values: Tensor) -> Tensor:
        given = dict(zip(distinct, values, strict=True))
        result: Tensor = target(*(given[arg] if isinstance(arg, fx.Node) else arg for arg in template), **kwargs)
        return result

    return Choice(Local, {"function": function})


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _max_pool(call: Call, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil: bool) -> Choice:
    size = _pair(kernel)
    step = size if stride is None or stride == [] else _pair(stride)
    apart = step == size and _pair(padding) == (0, 0) and _pair(dilation) == (1, 1) and not ceil
    if apart and len(call.inputs[0].features) == 3 and not call.inputs[0].shared:
        return Choice(MaxPool2d, {"kernel": size}, own_output=True)
    return _folded(lambda images: F.max_pool2d(images, kernel, stride, padding, dilation, ceil), call)


def _max_pool_function(call: Call) -> Choice | None:
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    settings: dict[str, Any] = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
    settings |= dict(zip(names, call.args[1:], strict=False)) | dict(call.kwargs)
    if settings.pop("return_indices", False):
        return None
    return _max_pool(call, *(settings[name] for name in names[:5]))


def _folded(function: Callable[[Tensor], Tensor], call: Call) -> Choice:
    """A function of images that treats every channel alike: members count as channels."""
    if len(call.inputs[0].features) != 3:
        raise Unsupported("pooling of other than images has no stacked form")

    def folded(values: Tensor) -> Tensor:
        images = values.flatten(0, -4) if values.ndim > 4 else values
        result = function(images.movedim(-1, 0)).movedim(0, -1)
        return (
            result.reshape(*values.shape[:-3], *result.shape[1:]).contiguous()
            if values.ndim > 4
            else result.contiguous()
        )

    return Choice(Local, {"function": folded})


def _without_inplace(module: nn.Module) -> Callable[..., Tensor]:
    if not getattr(module, "inplace", False):
        return module
    return lambda values: module(values.clone())
