"""The noise of a gradient, from gradients of several batches: unbiased, with an interval, or "unresolved".

With mean gradient G and covariance S of a single example, a batch of B has E|g|² = |G|² + tr S / B. Two batch sizes
(McCandlish et al. 2018, arXiv 1812.06162, appendix A), or the products of different batches of one size, tell |G|² and
tr S apart without bias. Their ratio tr S / |G|² is the *noise scale*: the batch size at which noise and signal are
equal. An estimate of |G|² may come out at or below zero: then the batches do not carry an answer.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from surefoot.errors import InputError

__all__ = ["Noise", "from_gram", "from_two_sizes"]

Floats = npt.NDArray[np.float64]

_DRAWS = 2000


@dataclasses.dataclass(frozen=True)
class Noise:
    """Signal and noise of a gradient."""

    signal: float
    """|G|², unbiased; may be negative."""
    trace: float
    """tr S of a single example's gradient, unbiased."""
    low: float
    """Lower end of the interval of the noise scale."""
    high: float
    """Upper end; infinity where |G|² cannot be told from 0."""
    resolved: bool
    """Whether |G|² is above 0 throughout its interval."""

    @property
    def scale(self) -> float | None:
        """The ratio tr S / |G|²; None where it is not resolved."""
        return self.trace / self.signal if self.resolved else None


def from_two_sizes(small: float, large: float, few: int, many: int) -> tuple[float, float]:
    """|G|² and tr S from the mean squared norms `small` of gradients of `few` examples and `large` of `many`.

    Raises:
        InputError: the two sizes are equal.
    """
    if few == many:
        raise InputError(f"`few` and `many` are both {few}; two batch sizes are needed")
    signal = (many * large - few * small) / (many - few)
    return signal, (small - large) / (1.0 / few - 1.0 / many)


def from_gram(gram: Floats, batch: int, *, confidence: float = 0.95, seed: int = 0, draws: int = _DRAWS) -> Noise:
    """Signal and noise from the products g_i · g_j of K independent batches of `batch` examples.

    |G|² is the mean product of different batches, E|g|² the mean of a batch with itself. The interval is a bootstrap
    over the batches in which a batch is never multiplied with its own copy.

    Args:
        gram: [K, K], K from 3.
        batch: examples in a batch.
        confidence: of the interval; between 0 and 1.
        seed: draws the resamples.
        draws: how many.

    Raises:
        InputError: too few batches.
    """
    count = len(gram)
    if count < 3:
        raise InputError(f"`gram` is of {count} batches; from 3 on their spread can be told")
    own = np.diag(gram)
    between = gram - np.diag(own)
    signal = float(between.sum() / (count * (count - 1)))
    trace = batch * (float(own.mean()) - signal)
    random = np.random.default_rng(seed)
    weights = random.multinomial(count, np.full(count, 1.0 / count), size=draws).astype(np.float64)
    pairs = count**2 - (weights**2).sum(axis=1)
    usable = pairs > 0
    weights, pairs = weights[usable], pairs[usable]
    signals = np.einsum("di,ij,dj->d", weights, between, weights) / pairs
    traces = batch * (weights @ own / count - signals)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    weakest, strongest = np.quantile(signals, tails)
    if weakest <= 0 or signal <= 0:
        low = trace / float(strongest) if strongest > 0 else math.inf
        return Noise(signal, trace, max(low, 0.0), math.inf, resolved=False)
    ratios = traces / np.maximum(signals, 1e-300)
    low, high = np.quantile(ratios, tails)
    return Noise(signal, trace, float(low), float(high), resolved=True)
