"""Memorising: training that fits its own data at the expense of the rest, and what it does to the best rate.

While a network *learns*, training and validation loss are lowest at the same rate, and the best rate falls little with
the length of the training. Once the same data has been seen often it *memorises*: the training loss goes on to fall
with the rate, the validation loss rises, and only how far training goes counts, rate times steps, as in early stopping.
Then the best rate nearly halves with every doubling of the length, and lies well below the one that trains best; and
the validation loss lies well above the training loss, and at the rates that a shorter training did best with it is
higher than that one's.

Lengths are in halvings of the full one, places in log10 of rates, as in `response.py`.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

__all__ = ["MEMORISING", "Memorising"]

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Memorising:
    """What is held of when it begins and of what it does; chosen on the tasks that the search was developed on."""

    onset: float = 0.25
    """Chance that it begins within one doubling of the length."""
    drift: float = 0.28
    """Decades that the best rate then moves up for each halving; log10(2) if only rate times steps counted."""
    jitter: float = 0.1
    """Standard deviation of the move over one halving; over more it grows with their square root."""
    apart: float = 0.45
    """Decades that the rate of the lowest training loss then lies above the best one."""
    apart_deviation: float = 0.22
    close: float = 0.1
    """Scale of the distance between the two while learning: Student's t, 3 degrees, around 0."""
    gap: float = 0.08
    """Validation loss less training loss, as a share of the improvement, that speaks for neither."""
    gap_weight: float = 1.5
    """Growth of the log odds of memorising with the logarithm of that gap, and ..."""
    gap_bounds: tuple[float, float] = (-1.5, 3.0)
    """... how far they go."""
    shrunk: float = 0.01
    """Share by which the best improvement lies below that over a shorter length, that speaks for neither."""
    shrunk_weight: float = 2.0
    """Growth of the log odds of memorising with the logarithm of that share, and ..."""
    shrunk_bound: float = 4.0
    """... how far they go; an improvement that grows speaks for neither."""

    def spared(self, shorter: float, longer: float, *, again: float) -> float:
        """Chance that it does not begin between two lengths; it cannot before the data is seen again, at `again`."""
        return float((1.0 - self.onset) ** max(0.0, min(shorter, again) - longer))

    def seen(self, places: Floats, training: Floats) -> Floats:
        """How well the training losses of one length go with every best rate, while learning and while memorising.

        Args:
            places: [n] that the best rate may have.
            training: [n] log likelihood that the training loss is lowest there.

        Returns:
            Log likelihood [2, n].
        """
        away = places[None, :] - places[:, None]
        learning = (1.0 + (away / self.close) ** 2 / 3.0) ** -2.0
        # A little everywhere: no single length rules it out.
        memorising = np.exp(-0.5 * ((away - self.apart) / self.apart_deviation) ** 2) + 1e-4
        top = training.max()
        lowest = np.exp(training - top)
        chances = [link @ lowest / link.sum(1) for link in (learning, memorising)]
        result: Floats = np.log(np.maximum(np.stack(chances), 1e-12)) + top
        return result

    def gap_odds(self, gap: float) -> float:
        """Log odds of memorising over learning, by how far the validation loss lies above the training loss.

        They are those of two lognormal distributions of one width.
        """
        low, high = self.gap_bounds
        return low if gap <= 0 else min(high, max(low, self.gap_weight * math.log(gap / self.gap)))

    def shrunk_odds(self, share: float) -> float:
        """Log odds of memorising over learning, by how far the best improvement fell from a shorter length to this.

        While a network learns, training longer does no harm at the best rate. Where all rates tried do worse than a
        shorter training did, all of them go too far.
        """
        if share <= self.shrunk:
            return 0.0
        return min(self.shrunk_bound, self.shrunk_weight * math.log(share / self.shrunk))

    def moves(self, places: Floats, halvings: float) -> Floats:
        """Chances [from, to] that the best rate goes from place to place when the training is so much longer."""
        away = places[None, :] - places[:, None] + self.drift * halvings
        chance = np.exp(-0.5 * (away / (self.jitter * math.sqrt(halvings))) ** 2)
        result: Floats = chance / np.maximum(chance.sum(1, keepdims=True), 1e-300)
        return result


MEMORISING = Memorising()
