"""Claims about the exchange of speed and stability."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "speed and stability"

CLAIMS = (
    Claim(
        "larger-lr-needs-fewer-epochs",
        TOPIC,
        "While training stays stable, raising the rate speeds learning up and saves epochs.",
        rule(
            between("exponent of steps to a fixed loss against the rate, condition number 20", -1.1, -0.9),
            between("digits: exponent of the updates to a training loss of 0.5 against the rate", -1.2, -0.8, n=2),
        ),
        families=("quad-sweep", "digits-sweep"),
        expected="supported",
        conditions="Steps to a fixed loss, from rates far below the best up to near it.",
        lesson="Steps fall as one over the rate, until near the limit they rise again.",
        sources=("Nesterov 2004: the best rate on a bowl is 2 over the sum of smallest and largest curvature",),
        places=(
            "000 L5",
            "001 L1415",
            "002 L21",
            "003 L269",
            "003 L640",
            "001 Q3.1 Q3.5 Q9.2 Q9.3 Q9.5 Q9.9 Q13.1 Q13.2 Q13.3 Q13.9 Q15.1 Q15.6 Q16.1 Q16.5 Q18.1",
            "001 Q18.5 Q23.1 Q23.9 Q27.1 Q30.1 Q30.5 Q33.1 Q35.1 Q35.2 Q35.3 Q35.5 Q38.1 Q38.5 Q38.8",
            "001 Q40.4 Q44.1",
        ),
        shows=(
            "best rate as a share of the limit, condition number 20",
            "steps at 0.999 of the limit over the fewest",
            "steps at 1.01 of the limit over the fewest",
        ),
        figure="Updates to a millionth of the height, by rate",
        related=("small-lr-slow-convergence", "lr-changes-training-compute", "speed-stability-tradeoff"),
    ),
    Claim(
        "speed-stability-tradeoff",
        TOPIC,
        "Whoever chooses a rate exchanges speed of convergence for stability of training.",
        rule(
            above("digits: updates to an accuracy of 0.9 at a tenth of that rate or less, over the fewest", 1.5, n=2),
            above("digits, full batch: rises of the loss, rate 1 minus rate 0.1", 0.0, n=2),
        ),
        families=("digits-sweep",),
        expected="supported",
        conditions="Digits at many rates: updates to 90% accuracy, and share of updates that raise the loss.",
        lesson="Less an exchange than a threshold: up to near the limit a larger rate is faster and costs nothing.",
        sources=("Bengio 2012: the best rate lies near the largest one that does not diverge",),
        places=(
            "000 L3-11",
            "002 L18-24",
            "003 L268-269",
            "003 L537-540",
            "004 L48",
            "001 Q3.6 Q3.8 Q9.3 Q9.6 Q13.3 Q16.1 Q18.5 Q18.8 Q19.3 Q21.3 Q22.5 Q23.1 Q23.2 Q23.3 Q24.3",
            "001 Q25.4 Q26.4 Q27.4 Q30.3 Q30.8 Q33.1 Q33.3 Q34.9 Q35.7 Q35.8 Q37.6 Q37.10 Q38.4 Q39.3",
            "001 Q40.5 Q44.1 Q44.3 Q44.4 Q44.5 Q44.10",
        ),
        shows=("digits, full batch: share of updates that raise the loss at rate 0.3",),
        figure="Digits: training loss by update on all data at once",
        related=("best-lr-is-intermediate", "larger-lr-needs-fewer-epochs"),
    ),
    Claim(
        "best-lr-is-intermediate",
        TOPIC,
        "In between lies a rate that is fast and stable: an early steep fall, then a smooth levelling off.",
        rule(
            above("digits: training loss at 0.0001 minus at the best rate", 0.5, n=2),
            above("digits: training loss at 10 minus at the best rate", 0.5, n=2),
            above("digits: accuracy at the best rate minus at 0.01", 0.02, n=2),
        ),
        families=("digits-sweep",),
        expected="supported",
        conditions="Digits after a fixed number of epochs, rates from 0.0001 to 10.",
        lesson="Loss by rate is a U, and its lowest point lies not far below the cliff.",
        sources=("Goodfellow et al. 2016, figure 11.1; Bengio 2012: the U of loss by rate",),
        places=(
            "002 L26-28",
            "003 L537-540",
            "003 L655",
            "004 L30-31",
            "001 Q3.6 Q9.6 Q9.10 Q16.2 Q18.8 Q20.7 Q21.1 Q21.3 Q23.9 Q24.4 Q25.4 Q26.4 Q28.4 Q30.8",
            "001 Q35.10 Q36.7 Q37.8 Q38.1 Q38.5 Q38.7 Q39.3 Q39.8",
        ),
        shows=("digits: best rate by training loss", "digits: accuracy at the best rate"),
        related=("speed-stability-tradeoff", "tuned-lr-generalizes-best", "moderate-lr-crosses-saddles"),
    ),
    Claim(
        "large-early-small-late",
        TOPIC,
        "The right rate changes as training goes on: large for progress at first, small for settling at last.",
        rule(
            below("noisy bowl: final height with a falling rate over that with the same rates reversed", 0.5, n=3),
            below("schedules, 20% wrong labels: log10 of the training loss, falling over rising rates", 0.0),
        ),
        families=("schedule-race", "noisy-quad"),
        expected="supported",
        conditions="The same rates in falling and in rising order, on a noisy bowl and on digits with wrong labels.",
        lesson="Falling beats rising wherever gradients are noisy; many networks want a short warmup before.",
        sources=(
            "Robbins & Monro 1951; Ge et al. 2019: falling rates under noise",
            "Li, Wei & Ma 2019; You et al. 2019: large first rates help deep networks generalise",
        ),
        places=(
            "001 L1410",
            "002 L16",
            "004 L43",
            "001 Q5.1 Q5.6 Q7.4 Q8.9 Q11.8 Q14.2 Q14.5 Q16.3 Q17.3 Q21.8 Q22.8 Q31.2 Q32.6 Q33.7 Q35.3",
            "001 Q38.9 Q40.9 Q41.9 Q42.2 Q42.3 Q44.6",
        ),
        shows=("schedules, right labels: log10 of the training loss, falling over rising rates",),
        related=("decay-damps-oscillation", "initial-lr-governs-early-training", "noise-fades-with-training"),
    ),
    Claim(
        "initial-lr-governs-early-training",
        TOPIC,
        "How quickly and steadily training sets off is decided by its first rate; a small one avoids early upsets.",
        rule(
            above("warmup: loss after 50 updates at the lowest rate minus at the best", 0.2, n=3),
            above("warmup: loss after 50 updates at the highest rate minus at the best", 0.2, n=3),
            above("warmup: share of runs whose loss passed twice its start within 50 updates, highest rate", 0.5, n=3),
            below("warmup: share of runs whose loss passed twice its start within 50 updates, lowest rate", 0.5, n=3),
        ),
        families=("warmup",),
        expected="supported",
        conditions="The first 50 updates of a network with four hidden layers, rates from 0.001 to 10.",
        sources=(
            "Goyal et al. 2017; Gilmer et al. 2021: early curvature bounds the rate, warmup raises the bound",
            "Jastrzebski et al. 2020: the early rate shapes the curvature that follows",
        ),
        places=("001 Q25.9 Q26.9 Q27.6",),
        shows=(
            "warmup: decades that it raises the largest usable rate",
            "warmup: largest usable rate without",
            "warmup: best rate for the first 50 updates",
        ),
        related=("annealing-or-adaptive-rescues-large-lr", "large-early-small-late"),
    ),
)
