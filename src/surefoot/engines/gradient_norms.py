"""Norm and clipping of the whole gradient of one model, with sparse parts such as embeddings have."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["clip_gradients", "gradient_norm"]


def gradient_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Euclidean norm over all of these gradients; of a sparse one, what is not kept is 0."""
    return nn.utils.get_total_norm([one.coalesce().values() if one.is_sparse else one for one in gradients])


def clip_gradients(parameters: Sequence[nn.Parameter], largest: float) -> Tensor:
    """Scale the gradients of these parameters, which have some, to a norm of at most `largest`; the norm before.

    As `torch.nn.utils.clip_grad_norm_` does, which takes no sparse gradients.
    """
    gradients = [one.grad for one in parameters if one.grad is not None]
    if not any(one.is_sparse for one in gradients):
        return nn.utils.clip_grad_norm_(parameters, largest)
    norm = gradient_norm(gradients)
    factor = (largest / (norm + 1e-6)).clamp_max(1.0)
    for one in gradients:
        one.mul_(factor)
    return norm
