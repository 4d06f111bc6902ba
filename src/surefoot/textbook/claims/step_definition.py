"""Claims about what the rate is: the step, who sets it, and its range."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "step definition"

CLAIMS = (
    Claim(
        "update-is-lr-times-gradient",
        TOPIC,
        "A step of gradient descent moves each weight against its gradient, by the gradient's size times the rate.",
        rule(
            below("largest difference of a step of SGD from minus rate times gradient", 1e-6),
            between("exponent of the step against the rate, SGD", 0.99, 1.01),
        ),
        families=("gradcheck",),
        expected="supported",
        conditions="One step of plain SGD on small networks, rates over several decades.",
        lesson="For plain SGD the step is exactly minus rate times gradient; momentum and Adam also use the past.",
        sources=(
            "Cauchy 1847 and Robbins & Monro 1951: the rule itself",
            "Kingma & Ba 2015: Adam moves each weight by about the rate, whatever the size of the gradient",
        ),
        places=(
            "001 L1411",
            "001 L1413",
            "001 L1415",
            "002 L1",
            "003 L261-266",
            "003 L543-552",
            "003 L651-652",
            "004 L3-11",
            "001 Q8.8 Q9.5 Q11.1 Q11.2 Q11.3 Q11.4 Q11.5 Q12.7 Q13.1 Q17.1 Q19.6 Q22.1 Q24.1 Q24.3 Q30.1",
            "001 Q30.5 Q34.6 Q43.4 Q44.4",
        ),
        shows=(
            "cosine of the second step with minus the gradient, momentum",
            "cosine of the second step with minus the gradient, Adam",
        ),
        related=("lr-set-before-training", "adaptive-scales-each-parameter"),
    ),
    Claim(
        "lr-set-before-training",
        TOPIC,
        "The rate is chosen by a person before training begins; ordinary training does not change it.",
        rule(below("rate of plain SGD: largest change from the first update to the last", 1e-12)),
        families=("hypergradient",),
        expected="supported",
        conditions="Plain SGD on the digits, beside a rate that descends on its own gradient.",
        lesson="Plain SGD leaves the rate where you put it; methods that learn the rate exist, and are other methods.",
        sources=(
            "Baydin et al. 2018: a rate can be learned by its own gradient",
            "Defazio & Mishchenko 2023 (D-Adaptation) and Defazio et al. 2024 (schedule-free): methods without "
            "a chosen rate",
        ),
        places=(
            "001 L1411",
            "001 L1414",
            "001 Q9.1 Q13.5 Q14.1",
        ),
        shows=(
            "rate that learns itself: rate at the end over that at the start",
            "rate that learns itself: accuracy gained over the fixed start rate",
            "rate that learns itself: accuracy lost against a tuned fixed rate",
        ),
        related=("search-finds-lr", "update-is-lr-times-gradient"),
    ),
    Claim(
        "lr-range-zero-to-one",
        TOPIC,
        "Rates that work are small numbers between 0 and 1, and those near 1 are already in danger of oscillating.",
        rule(
            below("best rate of SGD, digits", 1.0, when="digits with SGD"),
            below("best rate of Adam, digits", 1.0, when="digits with Adam"),
            below("best rate of Adadelta, digits", 1.0, when="digits with Adadelta"),
            below("XOR: rate that solves most seeds", 1.0, when="XOR"),
            below("XOR: best rate with the loss multiplied by 0.1", 1.0, when="a loss multiplied by 0.1"),
        ),
        families=("xor-lr", "adaptive-band"),
        expected="depends",
        conditions="Best rate of a wide grid, for several tasks, optimizers and scales of the loss.",
        lesson="1 is no limit: multiplying the loss by s divides the best rate by s, and XOR as printed wants a "
        "rate of 5.",
        sources=(
            "Bengio 2012: usual grids run from a millionth to 1",
            "Zeiler 2012: Adadelta's usual rate is 1; Smith & Topin 2019 train with rates up to 3",
        ),
        places=(
            "001 L1414",
            "001 Q26.1 Q34.1 Q34.2 Q34.3 Q34.4 Q34.7 Q34.9",
        ),
        shows=(
            "XOR: exponent of the best rate against a factor on the loss",
            "XOR: largest change of a weight in 50 updates at rate 0",
            "XOR: share of seeds whose loss is higher after 50 updates at rate -0.1",
        ),
        related=("best-lr-is-problem-specific", "xor-lr-01-sweet-spot"),
    ),
)
