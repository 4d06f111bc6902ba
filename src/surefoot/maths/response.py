"""The response: how the final loss depends on the log rate and on the length of the training, with its uncertainty.

A *height* is a final loss made comparable between lengths of training: 0 at the lowest loss seen over that length,
growing like the share of the improvement lost where that is small, and like its logarithm where it is large, so that
diverged members do not drown the differences near the optimum. Lengths are counted in *halvings* of the full one.

The prior: over each length heights form a *basin*, which falls to the optimum and rises again. What a basin does not
describe is a Gaussian process around it, with noise of its own over each length. From one length to the next the
lowest place *drifts* along the log rate, as a random walk with a direction, of which there are two accounts: it goes
down by a little with every doubling of the length, whatever is gained; or it goes down where training longer gains no
more, for then a lower rate reaches as far, and up where it gains a lot. Nothing is fitted: places, slopes, accounts of
the drift and noise are averaged over a grid, weighted by prior and marginal likelihood (Rasmussen and Williams 2006,
sections 2.2, 2.7 and 5.2); the places over all lengths are summed over from the shortest length to the full one, as
in a hidden Markov model (Rabiner 1989, section III.A).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from surefoot.maths.memorising import MEMORISING, Memorising

__all__ = ["LIFTED", "STEADY", "Drift", "Prior", "Response", "basin", "heights", "share_of"]

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

KNEE = 0.05
"""Share of the improvement at which heights turn from linear to logarithmic."""
WORST = 1.5
"""Share lost that stands for anything worse, such as divergence."""
CEILING = math.log1p(WORST / KNEE)
"""The greatest height."""
_MOST = 0.6
"""Share of the initial loss from which a gain is bounded by it; below, how much can be learned at all is not known."""
_FEWEST = 2
"""Training losses over one length, without which they do not tell learning from memorising."""


def heights(losses: Floats, halvings: Floats, initial_loss: float) -> Floats:
    """Heights of final losses.

    Args:
        losses: [n]; infinite for members that diverged.
        halvings: [n], log2 of the full length over the member's; losses of the same length are scaled together.
        initial_loss: loss before training.

    Lengths over which no member improved on `initial_loss` get the greatest height throughout.
    """
    result = np.full(len(losses), CEILING)
    for length in np.unique(halvings):
        here = halvings == length
        best = float(np.min(losses[here]))
        if not best < initial_loss:
            continue
        share = np.minimum((losses[here] - best) / (initial_loss - best), WORST)
        result[here] = np.log1p(share / KNEE)
    return result


def share_of(height: Floats) -> Floats:
    """The share of the improvement lost at a height: the inverse of the transformation in `heights`."""
    result: Floats = KNEE * np.expm1(np.minimum(height, CEILING))
    return result


@dataclasses.dataclass(frozen=True)
class Drift:
    """One account of how the optimum moves from one length of training to another."""

    rates: tuple[float, ...]
    """Decades that it moves up for each halving where the longer training gains no more; averaged over."""
    mean: float
    deviation: float
    jitter: float
    """Standard deviation of the move over one halving; over more it grows with their square root."""
    unsettled: float
    """Standard deviation of the move for each doubling of the gain between two lengths."""
    lift: float = 0.0
    """Decades that gain takes from the move: times the root of halvings x doublings of the gain over them."""
    slowing: float = 1.0
    """Doublings for each halving that are still to come, as a share of those seen last."""
    plateau: float = 0.0
    """Share of the initial loss below which a gain is that of a plateau: at least the doublings up to it will come."""

    def faster(self, by: float) -> Drift:
        """The same, `by` decades more for each halving."""
        return dataclasses.replace(self, rates=tuple(rate + by for rate in self.rates), mean=self.mean + by)


STEADY = Drift((-0.05, 0.02, 0.09, 0.16, 0.23, 0.3), 0.12, 0.1, jitter=0.15, unsettled=0.1)
"""Whatever is gained: closest on tasks that learn from the first steps."""
LIFTED = Drift(
    (0.05, 0.125, 0.2, 0.275, 0.35), 0.2, 0.08, jitter=0.17, unsettled=0.35, lift=0.4, slowing=0.6, plateau=0.1
)
"""By what training longer gains: closest where learning begins late."""


@dataclasses.dataclass(frozen=True)
class Prior:
    """What is held of responses before any is seen; every tuple is averaged over."""

    left: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Slopes of the basin below the optimum, heights per decade."""
    right: tuple[float, ...] = (1.5, 4.0, 10.0)
    """Slopes above it."""
    roundness: float = 0.4
    """Height up to which the bottom is a parabola."""
    steepening: tuple[float, ...] = (0.0, 0.2)
    """How much steeper, as a share, the slopes are for each halving."""
    drifts: tuple[Drift, ...] = (STEADY, LIFTED)
    """Accounts of the drift while learning, equally likely."""
    memorising: Memorising = MEMORISING
    noise: tuple[float, ...] = (0.02, 0.06, 0.2, 0.6)
    """Standard deviation of a height of 0 from seed to seed; it grows in proportion to 1 + height."""
    amplitude: float = 0.15
    """Standard deviation of the process around the basin."""
    length_scale: tuple[float, ...] = (0.4, 1.0)
    """Decades over which the process bends."""
    offset: float = 0.5
    """Standard deviation of the basin's lowest height over each length."""
    usual_scale: float = 1.0
    """Decades around the usual rate in which the optimum over the full length is likely: Student's t, 3 degrees."""
    spacing: float = 0.1
    """Decades between the places that the optimum may have."""
    margin: float = 1.0
    """Decades beyond the tried rates where the optimum may lie."""


def basin(away: Floats, left: Floats, right: Floats, roundness: float) -> Floats:
    """Height of a basin `away` decades above its lowest place, with slopes `left` and `right`; at most `CEILING`."""
    reach = np.where(away < 0, left * away, right * away)
    rise = np.sqrt(reach**2 + roundness**2) - roundness
    result: Floats = CEILING * -np.expm1(-rise / CEILING)
    return result


class Response:
    """The posterior of a response.

    Args:
        x: [n] log10 of the rates.
        halvings: [n].
        height: [n], see `heights`.
        training: [n] heights of the training losses, NaN where there is none; None ignores them.
        gaps: length in halvings to the validation loss of the best rate less its training loss, as a share of its
            improvement; None ignores them.
        again: halvings that lead to the length over which training begins to see its data again: from there on it may
            memorise. By default it never does.
        gains: length in halvings to the improvement on the initial loss that was reached over it. Where training
            longer still gains much, the optimum over the shorter length says less; where it loses, training memorises.
            None ignores this.
        also: a length that was not seen, over which curves will be drawn.
        initial_loss: loss before training, that gains are compared with; 0 if it is not known.
        usual: log10 of the rate that is usually best over the full length; None if nothing is known.
        prior: see `Prior`.
    """

    def __init__(
        self,
        x: Floats,
        halvings: Floats,
        height: Floats,
        *,
        training: Floats | None = None,
        gaps: Mapping[float, float] | None = None,
        again: float = -math.inf,
        gains: Mapping[float, float] | None = None,
        also: float = 0.0,
        initial_loss: float = 0.0,
        usual: float | None = None,
        prior: Prior | None = None,
    ) -> None:
        self.prior = p = prior or Prior()
        x, halvings, height = (np.asarray(one, float) for one in (x, halvings, height))
        low, high = float(x.min()) - p.margin, float(x.max()) + p.margin
        self.places = np.linspace(low, high, math.ceil((high - low) / p.spacing) + 1)
        self._shapes = np.array(list(itertools.product(p.left, p.right, p.steepening)))
        self._kernels = list(itertools.product(p.noise, p.length_scale))
        lengths = sorted({0.0, float(also), *halvings.tolist()}, reverse=True)
        self._lengths = {
            length: _Length(self, length, x[halvings == length], height[halvings == length]) for length in lengths
        }
        self._again = again
        known = np.full(len(x), np.nan) if training is None else training
        told, fallen = gaps or {}, _fallen(gains or {})
        self._regimes = {
            one: self._regime_evidence(one, x, halvings, known, told.get(one), fallen.get(one, 0.0)) for one in lengths
        }
        self._growth = {one: _growth(lengths, gains or {}, initial_loss, one) for one in p.drifts}
        self._drifts = [(one, rate) for one in p.drifts for rate in one.rates]
        away = np.zeros(len(self.places)) if usual is None else (self.places - usual) / p.usual_scale
        self._usual: Floats = -2.0 * np.log1p(away**2 / 3.0)
        self._weights = self._chain(lengths)

    def _regime_evidence(
        self, length: float, x: Floats, halvings: Floats, training: Floats, gap: float | None, fallen: float
    ) -> Floats:
        """Log evidence [learning and memorising, places] of what else was seen over one length than heights."""
        regime, found = self.prior.memorising, np.zeros((2, len(self.places)))
        here = (halvings == length) & np.isfinite(training)
        if here.sum() >= _FEWEST:
            evidence = _Length(self, length, x[here], training[here]).evidence
            top = evidence.max()
            found = regime.seen(self.places, np.log(np.exp(evidence - top).mean(0) + 1e-300) + top)
        if gap is not None:
            found[1] += regime.gap_odds(gap)
        found[1] += regime.shrunk_odds(fallen)
        return found

    def _chain(self, lengths: list[float]) -> dict[float, Floats]:
        """Weights [drifts, regimes, shapes, places] over each length, given what was seen over it and shorter ones."""
        regime = self.prior.memorising
        bells = [np.exp(-0.5 * ((np.array(one.rates) - one.mean) / one.deviation) ** 2) for one in self.prior.drifts]
        chances = np.concatenate([bell / bell.sum() for bell in bells])[:, None, None]
        last = min(key for key, one in self._lengths.items() if len(one.x))
        spared = regime.spared(math.inf, lengths[0], again=self._again)
        weight = np.ones((len(self._shapes), len(self.places)))
        weight = np.stack([spared * chances * weight, (1.0 - spared) * chances * weight], 1)
        weights: dict[float, Floats] = {}
        for place, length in enumerate(lengths):
            if place:
                before = lengths[place - 1]
                # What begins later than was seen, the accounts of the drift know of.
                spared = regime.spared(before, length, again=self._again) if length >= last else 1.0
                learning = [
                    spared * weight[number, 0] @ self._transition(drift, rate, before, length)
                    for number, (drift, rate) in enumerate(self._drifts)
                ]
                memorising = weight[:, 1] + (1.0 - spared) * weight[:, 0]
                weight = np.stack([np.stack(learning), memorising @ regime.moves(self.places, before - length)], 1)
            log_weight = np.log(np.maximum(weight, 1e-300)) + self._lengths[length].evidence
            log_weight += self._regimes[length][:, None, :] + (self._usual if length == 0 else 0.0)
            weight = np.exp(log_weight - log_weight.max())
            weight /= weight.sum()
            weights[length] = weight
        return weights

    def _transition(self, drift: Drift, rate: float, shorter: float, longer: float) -> Floats:
        """Chances [from, to] that the optimum goes from place to place when the training is so much longer."""
        halvings, growth = shorter - longer, self._growth[drift][longer]
        moved = rate * halvings - drift.lift * math.sqrt(halvings * growth)
        spread = math.hypot(drift.jitter * math.sqrt(halvings), drift.unsettled * growth)
        away = self.places[None, :] - (self.places[:, None] - moved)
        chance = np.exp(-0.5 * (away / spread) ** 2)
        result: Floats = chance / np.maximum(chance.sum(1, keepdims=True), 1e-300)
        return result

    def basins(self, x: Floats, halvings: float) -> Floats:
        """Heights of every basin, [len(x), shapes, places]."""
        steeper = 1.0 + self._shapes[:, 2] * halvings
        left, right = (self._shapes[:, 0] * steeper)[:, None], (self._shapes[:, 1] * steeper)[:, None]
        away = (x[:, None] - self.places[None, :])[:, None, :]
        return basin(away, left, right, self.prior.roundness)

    def covariance(self, x: Floats, x2: Floats, scale: float) -> Floats:
        """Of the process around the basin over one length, [len(x), len(x2)]."""
        root5 = math.sqrt(5.0) * np.abs(x[:, None] - x2[None, :]) / scale
        bend = (1.0 + root5 + root5**2 / 3.0) * np.exp(-root5)
        result: Floats = self.prior.amplitude**2 * bend + self.prior.offset**2
        return result

    @property
    def noise(self) -> float:
        """Posterior mean of the standard deviation of a height of 0 from seed to seed, over the longest length seen."""
        length = min(key for key, one in self._lengths.items() if len(one.x))
        chance = np.einsum("drsp,ksp->k", self._weights[length], self._lengths[length].chances)
        return float(chance @ np.array([noise for noise, _ in self._kernels]))

    @property
    def drift(self) -> float:
        """Posterior mean of the drift where training longer gains no more, decades per halving."""
        return float(self._weights[0.0].sum((1, 2, 3)) @ np.array([rate for _, rate in self._drifts]))

    @property
    def chances(self) -> Floats:
        """Posterior chance of each of `places` to be the lowest over the full length."""
        result: Floats = self._weights[0.0].sum((0, 1, 2))
        return result

    @property
    def memorising(self) -> float:
        """Posterior chance that training memorises at the end of the full length."""
        return float(self._weights[0.0][:, 1].sum())

    def draw(self, x: Floats, halvings: float, count: int, rng: np.random.Generator) -> Floats:
        """Curves drawn from the posterior: heights [count, len(x)], free of noise.

        Args:
            x: log10 of rates.
            halvings: 0, or a length that was seen or named; then only it and shorter ones speak.
            count: how many curves.
            rng: draws them.
        """
        x = np.asarray(x, float)
        weight, length = self._weights[halvings].sum((0, 1)), self._lengths[halvings]
        chosen = rng.choice(weight.size, count, p=weight.ravel() / weight.sum())
        shape, place = np.divmod(chosen, len(self.places))
        chances = length.chances[:, shape, place]
        kernel = (rng.random(count)[None, :] > np.cumsum(chances, 0)).sum(0).clip(max=len(self._kernels) - 1)
        means = self.basins(x, halvings)
        drawn = np.empty((count, len(x)))
        for number in np.unique(kernel):
            rows = np.flatnonzero(kernel == number)
            which = (shape[rows], place[rows])
            drawn[rows] = length.given(x, int(number), means[:, which[0], which[1]].T, which, rng)
        return drawn


def _fallen(gains: Mapping[float, float]) -> dict[float, float]:
    """By length: the share by which the improvement lies below the greatest over a shorter one; 0 where it grew."""
    found, most = {}, 0.0
    for length in sorted(gains, reverse=True):
        found[length] = max(0.0, 1.0 - gains[length] / most) if most > 0 else 0.0
        most = max(most, gains[length])
    return found


def _growth(
    lengths: list[float], gains: Mapping[float, float], initial_loss: float, drift: Drift
) -> dict[float, float]:
    """Doublings of the gain on the way to each length from the one before; unseen ones slow down or leave a plateau.

    Once most of the loss is gone, the gain can grow by no more than what is left.
    """
    growth: dict[float, float] = {}
    pace = most = 0.0
    for before, length in itertools.pairwise(lengths):
        first, second = gains.get(before, 0.0), gains.get(length, 0.0)
        most = max(most, first, second)
        if first > 0 and second > 0:
            growth[length] = max(0.0, math.log2(second / first))
            pace = growth[length] / (before - length)
        else:
            pace *= drift.slowing
            hidden = drift.plateau * initial_loss
            ahead = math.log2(hidden / most) if hidden > 0 and most > 0 else 0.0
            growth[length] = min(max(pace * (before - length), ahead), _room(initial_loss, most))
    return growth


def _room(initial_loss: float, gain: float) -> float:
    """Doublings of a gain after which no loss is left; infinite as long as much is left, or a loss can be negative."""
    return math.log2(initial_loss / gain) if _MOST * initial_loss < gain <= initial_loss else math.inf


class _Length:
    """What was seen over one length of training, under every basin and kernel."""

    def __init__(self, response: Response, halvings: float, x: Floats, height: Floats) -> None:
        self.x, self._response = x, response
        residual = height[:, None, None] - response.basins(x, halvings)
        log_each, self._solved, self._factors = [], [], []
        for noise, scale in response._kernels:
            covariance = response.covariance(x, x, scale)
            covariance[np.diag_indices_from(covariance)] += (noise * (1.0 + height)) ** 2 + 1e-6
            factor = np.linalg.cholesky(covariance)
            columns = residual.reshape(len(x), math.prod(residual.shape[1:]))
            white = np.linalg.solve(factor, columns).reshape(residual.shape)
            log_each.append(-0.5 * (white**2).sum(0) - np.log(np.diag(factor)).sum())
            self._solved.append(white)
            self._factors.append(factor)
        log_all = np.stack(log_each)
        top = log_all.max(0)
        self.evidence: Floats = np.log(np.exp(log_all - top).mean(0)) + top
        """Log marginal likelihood [shapes, places], averaged over kernels."""
        self.chances: Floats = np.exp(log_all - top) / np.exp(log_all - top).sum(0)
        """Posterior of the kernels, [kernels, shapes, places]."""

    def given(
        self, x: Floats, kernel: int, mean: Floats, which: tuple[Indices, Indices], rng: np.random.Generator
    ) -> Floats:
        """Draw a curve around each row of `mean`, given what was seen."""
        scale = self._response._kernels[kernel][1]
        reduced = np.linalg.solve(self._factors[kernel], self._response.covariance(self.x, x, scale))
        covariance = self._response.covariance(x, x, scale) - reduced.T @ reduced
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        white = self._solved[kernel][:, which[0], which[1]]
        result: Floats = mean + white.T @ reduced + rng.standard_normal(mean.shape) @ root.T
        return result
