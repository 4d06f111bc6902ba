"""Claims about rates that are too large."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "too large"

CLAIMS = (
    Claim(
        "divergence-above-two-over-curvature",
        TOPIC,
        "Above a rate of two divided by the loss's largest curvature, gradient descent runs away.",
        rule(
            between("smallest diverging rate × curvature / 2, no momentum", 0.98, 1.02, when="bowls without momentum"),
            between(
                "smallest diverging rate × curvature / 2, momentum 0.9", 0.98, 1.02, when="bowls with momentum 0.9"
            ),
            above(
                "edge of stability: share of runs that diverged, rate 1", 0.5, when="a network at its edge of stability"
            ),
        ),
        families=("quad-sweep", "eos"),
        expected="depends",
        conditions="Bowls of known curvature; a tanh network whose sharpness passed two over the rate.",
        lesson="Exact on a bowl; with momentum β the limit is (2 + 2β) / λ, and a network can train at the "
        "limit for long.",
        sources=(
            "LeCun et al. 1998; Nesterov 2004: the limit on bowls",
            "Cohen et al. 2021: networks sharpen up to two over the rate and go on training there",
            "Lewkowycz et al. 2020: above it a network may jump to a flatter place instead",
        ),
        places=(
            "004 L24",
            "002 L8",
            "001 Q18.2 Q18.3 Q19.1 Q19.4 Q25.2 Q38.8",
        ),
        shows=(
            "smallest diverging rate × curvature / (2 + 2 × momentum), momentum 0.9",
            "edge of stability: sharpness × rate / 2 in the second half, rate 1",
            "edge of stability: share of updates that raise the loss, rate 1",
            "edge of stability: loss at the end over loss at the start, rate 1",
        ),
        related=("curvature-sets-usable-lr", "large-lr-overshoots-and-oscillates", "lr-selects-minimum"),
        explanation="The network's loss fell to a few hundredths of its start while a third of the updates raised it: "
        "passing the limit did not end the training.",
    ),
    Claim(
        "large-lr-overshoots-and-oscillates",
        TOPIC,
        "With a rate that is too large, steps overshoot the minimum: weights and loss swing, jump about, or run away.",
        rule(
            below("share of updates that cross the valley at rate 0.9 / steepest curvature", 0.01),
            above("share of updates that cross the valley at rate 1.5 / steepest curvature", 0.99),
            above("share of updates that raise the loss at rate 2.05 / steepest curvature", 0.99),
            above("digits, full batch: rises of the loss, rate 1 minus rate 0.1", 0.02, n=2),
        ),
        families=("quad-sweep", "digits-sweep"),
        expected="supported",
        conditions="Bowls and the digits network on all data at once, so that nothing but the rate can make the "
        "loss rise.",
        lesson="Crossing starts at 1/λ and is harmless; from 2/λ on every update makes the loss larger.",
        sources=("LeCun et al. 1998: crossing from one over the curvature on, growth from twice that on",),
        places=(
            "000 L8-11",
            "001 L1411",
            "002 L8",
            "002 L21",
            "003 L269",
            "003 L535",
            "003 L539",
            "003 L654",
            "004 L21-24",
            "001 Q3.9 Q9.4 Q11.9 Q13.2 Q13.6 Q15.7 Q16.7 Q18.2 Q18.3 Q18.4 Q19.1 Q19.2 Q19.4 Q19.6 Q19.7",
            "001 Q19.8 Q22.2 Q22.4 Q23.3 Q24.2 Q25.1 Q25.2 Q27.1 Q27.2 Q28.6 Q29.5 Q30.2 Q33.2 Q34.3",
            "001 Q34.4 Q34.7 Q35.6 Q37.2 Q37.3 Q37.7 Q38.3 Q40.2 Q41.1 Q41.2 Q43.1 Q43.5 Q43.6",
        ),
        shows=(
            "cosine between consecutive updates at rate 1.95 / steepest curvature",
            "share of updates that raise the loss at rate 1.95 / steepest curvature",
            "digits, full batch: share of updates that raise the loss at rate 1",
        ),
        figure="Height by update in a valley 20 times steeper across than along",
        contradicts=("too-small-lr-unstable",),
        related=("divergence-above-two-over-curvature", "zigzag-path-in-valley", "small-lr-stable-without-overshoot"),
    ),
    Claim(
        "large-lr-drops-fast-then-fluctuates",
        TOPIC,
        "At a high rate the loss first falls steeply, then fluctuates widely or rises again.",
        rule(
            above(
                "noisy bowl: share of the loss lost in the first tenth, rate at half the limit minus at 1/200 of it",
                0.0,
                when="noisy gradients, below the limit",
            ),
            above(
                "noisy bowl: swing of the loss at the end, rate at half the limit minus at 1/200 of it",
                0.0,
                when="noisy gradients, below the limit",
            ),
            above(
                "digits: share of the fall in the first tenth, rate 1 minus rate 0.01", 0.0, when="digits in batches"
            ),
            above(
                "digits: swing of the training loss at the end, rate 1 minus rate 0.01", 0.0, when="digits in batches"
            ),
            above(
                "noisy bowl: share of the loss lost in the first tenth, rate above the limit",
                0.0,
                when="above the limit",
            ),
        ),
        families=("noisy-quad", "digits-sweep"),
        expected="depends",
        conditions="High against low rates from the same start, below and above the limit.",
        lesson="True below the limit with noisy gradients; above the limit there is no fall at all.",
        sources=("Bottou, Curtis & Nocedal 2018: the floor of noise is proportional to the rate",),
        places=(
            "004 L21-22",
            "002 L21",
        ),
        figure="Digits: training loss by update on all data at once",
        related=("constant-lr-hovers-around-minimum", "best-lr-is-intermediate"),
    ),
    Claim(
        "large-lr-settles-fast-in-poor-solution",
        TOPIC,
        "Too large a rate can rush training into a poor solution that it then never leaves.",
        rule(
            above(
                "XOR: share of seeds that end flat, finite and at least twice as high as the best rate, at rate 100",
                0.5,
                when="XOR at 20 times its best rate",
                n=10,
            ),
            above(
                "dead units: share of runs that end flat at a poor loss, rate 10",
                0.5,
                when="ReLU digits at rate 10",
                n=3,
            ),
            above(
                "dead units: share of runs that end flat at a poor loss, rate 1", 0.5, when="ReLU digits at rate 1", n=3
            ),
            below("share of updates that raise the loss at rate 2.05 / steepest curvature", 0.5, when="bowls"),
        ),
        families=("xor-lr", "dead-units", "quad-sweep"),
        expected="depends",
        conditions="Runs that end finite, with almost no gradient, at twice the loss of the best rate or more.",
        lesson="It happens where units saturate or die; on a bowl a rate that is too large runs away instead.",
        sources=(
            "Lu et al. 2019: ReLU units die",
            "Keskar et al. 2017, Li et al. 2019, Lewkowycz et al. 2020: moderately large rates find better solutions",
        ),
        places=(
            "001 L1411",
            "001 L1416",
            "001 Q3.3 Q3.9 Q13.6 Q15.7 Q18.4 Q22.2 Q23.3 Q24.7 Q25.1 Q27.2 Q28.1 Q28.2 Q28.4 Q28.8 Q29.4",
            "001 Q30.2 Q33.2 Q37.1 Q37.2 Q38.3 Q39.1 Q39.2 Q39.6 Q40.2 Q41.3 Q43.1 Q43.2 Q43.3 Q43.4",
        ),
        shows=("dead units: share of hidden units that answer no example, rate 10",),
        figure="Dead units and stranded runs of the digits MLP, by rate",
        contradicts=("lr-trades-exploration-exploitation", "large-lr-escapes-shallow-minima"),
        related=("restart-or-lr-change-unsticks",),
    ),
    Claim(
        "lr-changes-training-compute",
        TOPIC,
        "A bad rate costs computation: too small a rate needs more epochs, too large a one wastes its steps.",
        rule(
            above("digits: updates to an accuracy of 0.9 at a tenth of that rate or less, over the fewest", 1.5, n=2),
            above("digits: updates to an accuracy of 0.9 at rate 10 over the fewest", 1.5, n=2),
        ),
        families=("digits-sweep",),
        expected="supported",
        conditions="Updates until the digits network reaches 90% accuracy; the cost of one update does not enter.",
        lesson="The number of steps depends on the rate, the price of a step does not.",
        sources=("Goodfellow, Bengio & Courville 2016: error by rate has the shape of a U",),
        places=("001 Q13.9 Q18.5 Q38.3 Q38.6",),
        shows=("digits: time of an update at rate 1 over that at rate 0.001",),
        figure="Digits: accuracy after 15 epochs by rate",
        related=("larger-lr-needs-fewer-epochs", "small-lr-slow-convergence"),
    ),
    Claim(
        "gradient-clipping-tames-large-lr",
        TOPIC,
        "Bounding the size of the gradient lets training survive larger rates.",
        rule(
            above("clipping: decades that a bound of 1 raises the largest surviving rate", 0.1),
            above("clipping: decades that a bound of 0.1 raises the largest surviving rate", 0.1),
        ),
        families=("clip",),
        expected="supported",
        conditions="An Elman network on text; a run survives when it ends better than a blind guess.",
        sources=(
            "Pascanu, Mikolov & Bengio 2013: clipping against exploding gradients of recurrent networks",
            "Zhang et al. 2020: why clipping allows larger steps",
        ),
        places=("001 Q12.6 Q18.6",),
        shows=("clipping: loss at the best rate with a bound of 1 minus at the best without",),
        related=("annealing-or-adaptive-rescues-large-lr", "lr-controls-vanishing-exploding"),
        explanation=(
            "A bound of 0.1 raised the largest surviving rate tenfold in the mean. A bound of 1 raised it "
            "from 1 to 5 in three of four seeds; the fourth bore 5 without it. Four seeds do not tell that "
            "from nothing; about ten would."
        ),
    ),
    Claim(
        "annealing-or-adaptive-rescues-large-lr",
        TOPIC,
        "A start rate that is too large does less harm if the rate then falls, or the optimizer adapts.",
        rule(
            above(
                "rescue: accuracy gained by cosine decay, 2 × the stable rate",
                0.05,
                when="cosine decay, twice the limit",
            ),
            above(
                "rescue: accuracy gained by inverse-time decay, 2 × the stable rate",
                0.05,
                when="inverse-time decay, twice the limit",
            ),
            above(
                "rescue: accuracy gained by cosine decay, 8 × the stable rate",
                0.05,
                when="cosine decay, 8 times the limit",
            ),
            above("rescue: accuracy gained by Adam, 8 × the stable rate", 0.05, when="Adam at 8 times SGD's limit"),
        ),
        families=("rescue",),
        expected="depends",
        conditions="Digits in batches of 32, from one, two and eight times the largest stable rate of plain SGD.",
        lesson="Decay comes after the dangerous first steps: it saves what survives them. Clipping and warmup "
        "act at once.",
        sources=(
            "Goyal et al. 2017 and Gotmare et al. 2019: warmup is the usual remedy",
            "Kingma & Ba 2015: Adam bounds the step, not the loss",
        ),
        places=("001 Q18.6 Q19.9 Q25.6 Q43.7",),
        shows=(
            "rescue: accuracy gained by clipping, 2 × the stable rate",
            "rescue: accuracy gained by warmup, 2 × the stable rate",
            "rescue: accuracy gained by clipping, 8 × the stable rate",
        ),
        related=("gradient-clipping-tames-large-lr", "initial-lr-governs-early-training"),
    ),
)
