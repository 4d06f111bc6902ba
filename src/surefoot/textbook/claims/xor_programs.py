"""Claims about XOR programs: the course's XOR programs: printed losses, gradients, rates."""

from __future__ import annotations

from surefoot.records.claim import Claim, Printed
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "XOR programs"

CLAIMS = (
    Claim(
        "xor-expected-output",
        TOPIC,
        (
            "The course's XOR program at rate 0.1 is said to halve its loss every thousand updates and to "
            "end near 0, 1, 1, 0."
        ),
        rule(
            between("XOR, printed seed: loss after 1000 updates at rate 0.1", 0.1203, 0.1303),
            between("XOR, printed seed: loss after 2000 updates at rate 0.1", 0.0571, 0.0671),
            between("XOR, printed seed: loss after 3000 updates at rate 0.1", 0.0255, 0.0355),
            between("XOR, printed seed: loss after 4000 updates at rate 0.1", 0.0102, 0.0202),
            above("XOR, printed seed: output for example 2 after 5000 updates", 0.8),
            below("XOR, printed seed: output for example 4 after 5000 updates", 0.2),
        ),
        families=("xor-lr",),
        expected="contradicted",
        conditions="The program as printed, seed 42.",
        lesson="The printed seed is not solved at rate 0.1, neither in 5,000 updates nor in 40,000.",
        sources=("Hamey 1998", "Sprinkhuizen-Kuyper & Boers 1999: the error surface of XOR"),
        places=("003 L276-346", "003 L363-371"),
        printed=(
            Printed(
                "loss after 0 updates", 0.25, "XOR, printed seed: loss after 0 updates at rate 0.1", "003 L363-371"
            ),
            Printed(
                "loss after 1000 updates",
                0.1253,
                "XOR, printed seed: loss after 1000 updates at rate 0.1",
                "003 L363-371",
            ),
            Printed(
                "loss after 2000 updates",
                0.0621,
                "XOR, printed seed: loss after 2000 updates at rate 0.1",
                "003 L363-371",
            ),
            Printed(
                "loss after 3000 updates",
                0.0305,
                "XOR, printed seed: loss after 3000 updates at rate 0.1",
                "003 L363-371",
            ),
            Printed(
                "loss after 4000 updates",
                0.0152,
                "XOR, printed seed: loss after 4000 updates at rate 0.1",
                "003 L363-371",
            ),
            Printed(
                "output for example 1", 0.0, "XOR, printed seed: output for example 1 after 5000 updates", "003 L371"
            ),
            Printed(
                "output for example 2", 1.0, "XOR, printed seed: output for example 2 after 5000 updates", "003 L371"
            ),
            Printed(
                "output for example 3", 1.0, "XOR, printed seed: output for example 3 after 5000 updates", "003 L371"
            ),
            Printed(
                "output for example 4", 0.0, "XOR, printed seed: output for example 4 after 5000 updates", "003 L371"
            ),
        ),
        shows=("XOR, printed seed: loss after 40000 updates",),
        related=("xor-lr-01-sweet-spot", "xor-loss-curve-three-phases"),
    ),
    Claim(
        "xor-gradient-omits-factor",
        TOPIC,
        "The update of the XOR programs is the gradient of the loss that they print.",
        rule(
            between("printed XOR update over the gradient of the printed loss", 0.99, 1.01),
        ),
        families=("gradcheck",),
        expected="contradicted",
        conditions=(
            "The hand-written update beside central differences of the loss, 4 examples; then the data 8 times over."
        ),
        lesson=(
            "Without 2/N the update is N/2 times the gradient, so the real rate grows with the number of examples."
        ),
        sources=("calculus: the derivative of a mean of N squares carries 2/N",),
        places=("003 L317-322", "003 L495-496", "003 L422-423"),
        printed=(
            Printed(
                "update over gradient, as the formula has it",
                1.0,
                "printed XOR update over the gradient of the printed loss",
                "003 L317-322",
            ),
        ),
        shows=("growth of the printed XOR update when the data are repeated 8 times",),
        related=("backprop-gradient-matches-numeric",),
    ),
    Claim(
        "sigmoid-derivative-conventions",
        TOPIC,
        (
            "Two forms of the sigmoid's derivative are in use, one fed with pre-activations, the other with "
            "activations; in its own place each is right."
        ),
        rule(
            above("cosine of the XOR update with x(1-x) on activations", 0.999),
            below("cosine of the XOR update with x(1-x) on pre-activations", 0.9),
        ),
        families=("gradcheck",),
        expected="supported",
        conditions="The hand-written XOR update with the short form where it belongs, and where it does not.",
        lesson=(
            "One name, two arguments: copied into the wrong program the short form no longer follows the gradient."
        ),
        sources=("calculus",),
        places=("003 L303-304", "003 L382-383", "003 L473"),
        related=("backprop-gradient-matches-numeric",),
    ),
    Claim(
        "xor-loss-curve-three-phases",
        TOPIC,
        (
            "From uniform weights the XOR loss goes through three phases: high, steeply down, and flat once "
            "XOR is learnt."
        ),
        rule(
            above("XOR, uniform weights: loss at the start", 0.24),
            above("XOR, uniform weights: share of the fall to 5000 updates that happens from 1000 to 4000", 0.5),
            below("XOR, uniform weights: fall per update from 4000 to 5000 over that from 1000 to 4000", 0.5),
            below("XOR, uniform weights: loss after 5000 updates", 0.02),
        ),
        families=("xor-lr",),
        expected="supported",
        conditions="The course's program as printed: uniform weights, seed 42, rate 0.1, 5,000 updates.",
        lesson="There are three phases after a fourth: a long flat stretch comes before the fast one.",
        sources=("Saad & Solla 1995: a plateau comes first",),
        places=("003 L374-451",),
        shows=("XOR, uniform weights: share of the fall to 5000 updates that happens from 100 to 1000",),
        related=("plateau-means-converged",),
    ),
    Claim(
        "xor-lr-001-slow",
        TOPIC,
        "At 0.01 XOR is learnt stably, only very slowly.",
        rule(
            below("XOR: share of seeds whose loss ever rose at rate 0.01", 0.05),
            below("XOR: share of seeds solved at rate 0.01", 0.05),
        ),
        families=("xor-lr",),
        expected="supported",
        conditions="XOR 2-2-1, 2,000 updates, many seeds.",
        lesson="At 0.01 nothing at all is learnt in the 2,000 updates shown.",
        sources=("rate times updates sets how far one gets",),
        places=("003 L460-532",),
        shows=("XOR: median loss after 2000 updates at rate 0.01",),
        related=("xor-lr-01-sweet-spot", "xor-lr-1-oscillates"),
    ),
    Claim(
        "xor-lr-01-sweet-spot",
        TOPIC,
        "0.1 is the rate at which XOR is learnt well.",
        rule(
            above("XOR: share of seeds solved at rate 0.1", 0.5),
        ),
        families=("xor-lr",),
        expected="contradicted",
        conditions="XOR 2-2-1, 2,000 updates, many seeds.",
        lesson="0.1 solves no seed in the 2,000 updates shown; rates of 1 to 5 solve most.",
        sources=("the sweep over rates has its best more than a decade above",),
        places=("003 L533",),
        shows=(
            "XOR: share of seeds solved at rate 1",
            "XOR: share of seeds solved at rate 5",
            "XOR: rate that solves most seeds",
            "XOR: median loss after 2000 updates at rate 0.1",
        ),
        related=("xor-lr-1-oscillates", "lr-range-zero-to-one"),
    ),
    Claim(
        "xor-lr-1-oscillates",
        TOPIC,
        "On XOR a high rate such as 1.0 oscillates or diverges.",
        rule(
            above("XOR: share of seeds whose loss rose in more than 1% of the updates at rate 1", 0.5),
        ),
        families=("xor-lr",),
        expected="contradicted",
        conditions="XOR 2-2-1, 2,000 updates, many seeds.",
        lesson="Of the course's three rates 1.0 does best, and it hardly ever raises the loss.",
        sources=("full-batch descent on a loss of small curvature",),
        places=("003 L535",),
        shows=(
            "XOR: share of seeds whose loss ever rose at rate 1",
            "XOR: share of seeds whose loss ever rose at rate 5",
            "XOR: share of seeds whose loss ever rose at rate 10",
        ),
        related=("xor-lr-01-sweet-spot",),
    ),
    Claim(
        "xor-sgd-slower-than-adam",
        TOPIC,
        "XOR takes SGD at 0.1 longer than Adam; at 0.01 SGD is calm but slow.",
        rule(
            above("final XOR loss of SGD over that of Adam, both at 0.1", 2),
            above("share of the first XOR loss that is left, SGD at 0.01", 0.5),
            below("rises of the XOR loss, SGD at 0.01", 10),
        ),
        families=("xor-optim",),
        expected="supported",
        conditions="XOR 2-4-1 in torch, 1,000 epochs; the course's program sets no seed.",
        lesson="It is the rate more than the optimizer: SGD stands still at 0.1 and solves XOR at 10.",
        sources=("Kingma & Ba 2015: Adam undoes the small size of gradients",),
        places=("003 L559-641", "003 L645-646"),
        shows=(
            "share of solved XOR nets, SGD at 0.1",
            "share of solved XOR nets, SGD at 10",
            "share of solved XOR nets, Adam at 0.1",
            "share of the first XOR loss that is left, SGD at 0.1",
        ),
        related=("xor-adam-01-vs-001", "adaptive-converges-faster"),
    ),
    Claim(
        "xor-adam-01-vs-001",
        TOPIC,
        ("For Adam on XOR 0.1 means fast with a risk of oscillation; 0.01 is the smoother and better choice."),
        rule(
            above("rises of the XOR loss of Adam, at 0.1 minus at 0.01", 0),
            above("final XOR loss of Adam at 0.1 over that at 0.01", 1),
        ),
        families=("xor-optim",),
        expected="contradicted",
        conditions="XOR 2-4-1 in torch, 1,000 epochs.",
        lesson="Here 0.1 is faster, ends lower, and raises the loss no more often than 0.01.",
        sources=("no general law: a small problem of small curvature",),
        places=("003 L647-648",),
        shows=(
            "median XOR loss after 100 epochs, Adam at 0.1",
            "median XOR loss after 100 epochs, Adam at 0.01",
            "rises of the XOR loss, Adam at 0.1",
            "rises of the XOR loss, Adam at 0.01",
        ),
        related=("xor-sgd-slower-than-adam", "adam-start-0p001-to-0p01"),
    ),
)
