"""Claims about choosing the rate: ways to choose the rate."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, rule

__all__ = ["CLAIMS"]

TOPIC = "choosing the rate"

CLAIMS = (
    Claim(
        "search-finds-lr",
        TOPIC,
        "Trying candidates, on a grid, at random or with cross-validation, leads to a good rate.",
        rule(
            below("accuracy lost by a logarithmic grid", 0.05),
            below("accuracy lost by random search", 0.05),
            below("accuracy lost by cross-validation", 0.05),
        ),
        families=("search",),
        expected="supported",
        conditions=("Digits MLP, six trial trainings over five decades of rates; good: within 5 points of the best."),
        lesson="A few trials find a good rate, if they are spread over decades rather than evenly.",
        sources=(
            "Bergstra & Bengio 2012: random search",
            "Snoek, Larochelle & Adams 2012: Bayesian search",
            "Li et al. 2018: Hyperband",
        ),
        places=(
            "002 L50-52",
            "001 Q9.8",
            "001 Q14.1",
            "001 Q16.8",
            "001 Q24.9",
            "001 Q26.6",
            "001 Q29.10",
            "001 Q34.10",
            "001 Q40.7",
            "001 Q44.9",
        ),
        shows=("accuracy lost by a linear grid", "best accuracy of the dense sweep, digits"),
        contradicts=("schedules-find-best-lr",),
        related=("lr-range-test-finds-lr",),
    ),
    Claim(
        "lr-range-test-finds-lr",
        TOPIC,
        "A learning-rate finder, one short training at a growing rate, tells a good rate.",
        rule(
            below("share of the fall missed by steepest descent, digits, SGD", 0.05, when="digits, SGD"),
            below("share of the fall missed by steepest descent, digits, Adam", 0.05, when="digits, Adam"),
            below("share of the fall missed by steepest descent, CNN, SGD", 0.05, when="CNN, SGD"),
            below("share of the fall missed by steepest descent, breast cancer, SGD", 0.05, when="breast cancer, SGD"),
        ),
        families=("lr-finder",),
        expected="depends",
        conditions="The rate where the loss falls fastest, used for a full training at a constant rate.",
        lesson=(
            "A range test gives the order of magnitude; how good the rate is depends on the task and on the "
            "rule that reads it."
        ),
        sources=("Smith 2017: the range test", "Howard & Gugger 2020: fastai's finder"),
        places=("001 Q24.9",),
        shows=(
            "share of range tests within a decade of the best rate",
            "share of the fall missed by the rule of the minimum, digits, SGD",
            "share of the fall missed by the rule of the minimum, digits, Adam",
        ),
        related=("search-finds-lr",),
    ),
    Claim(
        "schedules-find-best-lr",
        TOPIC,
        ("Schedules, cyclical or annealed rates, and adaptive optimizers are ways to find the best rate."),
        rule(
            below("accuracy lost by a blind start, cosine", 0.05, when="cosine"),
            below("accuracy lost by a blind start, cyclical", 0.05, when="cyclical"),
            below("accuracy lost by a blind start, inverse-time", 0.05, when="inverse-time decay"),
            below("accuracy lost by a blind start, Adam", 0.05, when="Adam"),
        ),
        families=("search",),
        expected="contradicted",
        conditions="Digits MLP; the start rate is drawn blindly from 1e-4 to 10.",
        lesson="They change or scale a rate; the rate they begin with still has to be found by trying.",
        sources=("a schedule scales a rate that still has to be chosen (Bengio 2012)",),
        places=("002 L52", "001 Q9.8", "001 Q16.8", "001 Q24.9", "001 Q40.7"),
        shows=("accuracy lost by a blind start, constant", "accuracy lost by a logarithmic grid"),
        contradicts=("search-finds-lr",),
        related=("adaptive-reduces-lr-tuning",),
    ),
    Claim(
        "lr-most-important-hyperparameter",
        TOPIC,
        "Of all the numbers one sets for a network, the rate may matter most.",
        rule(
            above("lead of the rate over the next factor, wide range", 0, when="rates over three decades"),
            above("lead of the rate over the next factor, narrow range", 0, when="rates over one decade"),
        ),
        families=("hyper-importance",),
        expected="depends",
        conditions="Digits MLP: rate, batch size, width and momentum in all combinations.",
        lesson=(
            "It does as long as nothing is known about it; within a decade of the right value others matter as much."
        ),
        sources=(
            "Bengio 2012",
            "Goodfellow, Bengio & Courville 2016",
            "Greff et al. 2017: two thirds of what varied among LSTMs",
        ),
        places=("001 L1417", "002 L54", "001 Q9.10", "001 Q22.1", "001 Q31.6", "001 Q40.6"),
        shows=(
            "share of variance by the rate, wide range of rates",
            "share of variance by the batch, wide range of rates",
            "share of variance by the rate, narrow range of rates",
            "share of variance by the batch, narrow range of rates",
        ),
        related=("choosing-lr-is-hard",),
    ),
    Claim(
        "best-lr-is-problem-specific",
        TOPIC,
        ("The right rate changes with data, model, optimizer and aims, so all of them have to be considered."),
        rule(
            above("decades between the best rates of all cells", 1),
            above("mean loss of a foreign best rate", 0.05),
        ),
        families=("transfer",),
        expected="supported",
        conditions=("Four data sets, four networks, two optimizers; a foreign rate is the best one of another cell."),
        lesson="A rate that is best in one place can be decades off in another.",
        sources=("Yang et al. 2021: what it takes to make a rate transfer over width",),
        places=(
            "002 L54",
            "001 Q3.10",
            "001 Q9.9",
            "001 Q13.10",
            "001 Q14.4",
            "001 Q22.6",
            "001 Q34.5",
            "001 Q35.8",
            "001 Q43.8",
            "001 Q44.5",
        ),
        shows=(
            "decades the best rate moves with the data",
            "decades the best rate moves with the model",
            "decades the best rate moves with the optimizer",
        ),
        related=("optimizer-changes-lr-sensitivity", "architecture-changes-best-lr"),
    ),
    Claim(
        "choosing-lr-is-hard",
        TOPIC,
        ("The rate is hard to choose: too small fails, too large fails, and what lies between is limited."),
        rule(
            above("digits: accuracy at the best rate minus at 0.0001", 0.3),
            above("digits: accuracy at the best rate minus at 10", 0.3),
            below("chance that a blind rate is good, depth 1", 0.5),
            below("decades of good rates, depth 1", 2.5),
        ),
        families=("digits-sweep", "digits-depth"),
        expected="supported",
        conditions="Digits MLP with SGD; a blind rate is drawn from seven decades.",
        lesson="A blind guess over seven decades is mostly wrong, the more so the deeper the net.",
        sources=("common experience; Godbole et al. 2023, tuning playbook",),
        places=(
            "000 L11",
            "001 L1411",
            "001 L1417",
            "002 L1",
            "001 Q3.4",
            "001 Q9.4",
            "001 Q21.1",
            "001 Q36.10",
            "001 Q37.1",
            "001 Q40.3",
            "001 Q44.10",
        ),
        shows=(
            "chance that a blind rate is good, depth 2",
            "chance that a blind rate is good, depth 4",
            "chance that a blind rate is good, depth 8",
        ),
        related=("depth-and-complexity-narrow-lr-window", "search-finds-lr"),
    ),
)
