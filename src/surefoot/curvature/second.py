"""Second derivatives: how it is told that an operation has none."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from surefoot.errors import TaskError

__all__ = ["lacks_second", "refuse_marked_nodes"]

_WITHOUT_SECOND = ("derivative for", "double backward", "does not support double", "once_differentiable", "twice")


def lacks_second(said: str) -> bool:
    """Whether torch says with these words that there is no second derivative."""
    return any(sign in said for sign in _WITHOUT_SECOND)


def refuse_marked_nodes(gradients: Sequence[Tensor]) -> None:
    """Refuse what `once_differentiable` marks: torch only complains if it is passed, and it ends the graph there."""
    waiting = [one.grad_fn for one in gradients if one.grad_fn is not None]
    known = set()
    while waiting:
        node = waiting.pop()
        if node in known:
            continue
        known.add(node)
        if type(node).__name__ in ("Error", "DelayedError"):
            raise TaskError(
                "`loss` has no second derivative: model or loss use an operation whose backward pass is marked "
                "once_differentiable; replace that operation"
            )
        waiting += [other for other, _ in node.next_functions if other is not None]
