"""Claims about the landscape: curvature, saddles, minima, and what the rate does among them."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "landscape"

CLAIMS = (
    Claim(
        "curvature-sets-usable-lr",
        TOPIC,
        "The steeper a loss surface curves, the smaller the rate has to be; flat surfaces want a large one.",
        rule(
            between("exponent of the best rate against the curvature", -1.02, -0.98),
            between("exponent of the largest stable rate against the curvature", -1.02, -0.98),
        ),
        families=("quad-sweep",),
        expected="supported",
        conditions="Bowls of curvature 0.01 to 100, plain gradient descent.",
        lesson="On a bowl of curvature λ the best rate is 1/λ and the largest stable one 2/λ.",
        sources=(
            "LeCun, Bottou, Orr & Müller 1998: on a bowl one over the curvature is fastest, twice that the limit",
        ),
        places=("001 Q23.8",),
        related=("divergence-above-two-over-curvature", "smooth-landscape-suits-large-lr"),
    ),
    Claim(
        "zigzag-path-in-valley",
        TOPIC,
        "Down a bowl a small rate walks a smooth curve; a large one jumps from one wall of the valley to the other.",
        rule(
            below("share of updates that cross the valley at rate 0.1 / steepest curvature", 0.01),
            below("share of updates that cross the valley at rate 0.9 / steepest curvature", 0.01),
            above("share of updates that cross the valley at rate 1.5 / steepest curvature", 0.99),
            above("share of updates that cross the valley at rate 1.95 / steepest curvature", 0.99),
        ),
        families=("quad-sweep",),
        expected="supported",
        conditions="A two-dimensional bowl 20 times steeper across than along, full gradients.",
        lesson="Above one over the steepest curvature every update crosses the valley; below it none does.",
        sources=(
            "LeCun et al. 1998: along a direction of curvature λ each update multiplies the distance by 1 - rate × λ",
        ),
        places=("004 L35-43",),
        shows=(
            "path length over straight distance at rate 0.1 / steepest curvature",
            "path length over straight distance at rate 1.95 / steepest curvature",
        ),
        figure="Height by update in a valley 20 times steeper across than along",
        related=("large-lr-overshoots-and-oscillates", "small-lr-stable-without-overshoot"),
    ),
)
