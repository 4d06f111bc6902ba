"""Claims about generalization: what the rate does to unseen data."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "generalization"

CLAIMS = (
    Claim(
        "large-lr-overfits",
        TOPIC,
        "Large rates learn by heart and generalise worse.",
        rule(
            above(
                "digits, 0% wrong labels: accuracy at rate 0.05 minus at 0.5, equal training loss",
                0.005,
                when="clean labels, equal training loss",
            ),
            above(
                "digits, 20% wrong labels: accuracy at rate 0.05 minus at 0.5, equal epochs",
                0.005,
                when="wrong labels, equal epochs",
            ),
        ),
        families=("digits-noise",),
        expected="depends",
        conditions="Digits MLP at rates 0.05 and 0.5, clean and with every fifth label wrong.",
        lesson=(
            "In the same number of epochs a large rate trains more, and so fits wrong labels sooner; at "
            "equal fit it is no worse."
        ),
        sources=(
            "Keskar et al. 2017",
            "Li, Wei & Ma 2019: large rates regularise",
            "Lewkowycz et al. 2020",
            "Hardt, Recht & Singer 2016: bounds grow with rate times updates",
        ),
        places=(
            "002 L30-33",
            "001 Q13.6",
            "001 Q18.7",
            "001 Q18.9",
            "001 Q22.9",
            "001 Q28.2",
            "001 Q28.5",
            "001 Q33.6",
            "001 Q43.10",
        ),
        shows=(
            "digits, 20% wrong labels: accuracy at rate 0.05 minus at 0.5, equal rate × epochs",
            "digits, 20% wrong labels: accuracy at rate 0.05 minus at 0.5, each stopped at its best epoch",
        ),
        related=("small-lr-generalizes-better",),
    ),
    Claim(
        "small-lr-generalizes-better",
        TOPIC,
        "Small rates generalise better: careful steps leave the noise unlearnt.",
        rule(
            above("digits, 0% wrong labels: accuracy at rate 0.05 minus at 0.5, equal training loss", 0.005),
        ),
        families=("digits-noise",),
        expected="contradicted",
        conditions="Digits MLP at rates 0.05 and 0.5, compared at the same training loss.",
        lesson=("Compared at the same training loss, a small rate is not the better generaliser on clean data."),
        sources=(
            "Li, Wei & Ma 2019: the opposite in deep nets",
            "Barrett & Dherin 2021 and Smith et al. 2021: implicit regularization grows with the rate",
        ),
        places=("001 Q15.3", "001 Q17.5", "001 Q26.5", "001 Q26.10"),
        shows=(
            "digits, 20% wrong labels: accuracy at rate 0.05 minus at 0.5, equal training loss",
            "digits, 20% wrong labels: accuracy at rate 0.05 minus at 0.5, equal epochs",
        ),
        related=("large-lr-overfits",),
        explanation=(
            "With wrong labels the small rate does better in these trainings; on clean labels at equal "
            "training loss it does not."
        ),
    ),
    Claim(
        "tuned-lr-generalizes-best",
        TOPIC,
        "A well-chosen rate does best on unseen data; both others under- or overfit.",
        rule(
            above("digits: accuracy at the best rate minus at 0.01", 0.02),
            above("digits: accuracy at the best rate minus at 10", 0.02),
        ),
        families=("digits-sweep",),
        expected="supported",
        conditions="Digits MLP, a fixed number of epochs.",
        lesson="At a fixed budget the validation accuracy has its top between the extremes.",
        sources=("Li, Wei & Ma 2019: the best rate for training and for testing can differ",),
        places=(
            "001 Q15.1",
            "001 Q15.2",
            "001 Q15.10",
            "001 Q16.4",
            "001 Q21.9",
            "001 Q30.9",
            "001 Q33.6",
            "001 Q34.8",
        ),
        shows=("digits: best rate by accuracy", "digits: best rate by training loss"),
        related=("choosing-lr-is-hard",),
    ),
    Claim(
        "large-lr-outlier-sensitive",
        TOPIC,
        "Small rates shield from outliers; at large ones single odd examples throw the model about.",
        rule(
            between("exponent of the jump by one outlier against the rate", 0.9, 1.1, when="a single update"),
            below(
                "error on clean data after full training, smallest over largest rate",
                0.5,
                when="the end of a full training",
            ),
        ),
        families=("outlier",),
        expected="depends",
        conditions="Linear regression, every twentieth target grossly wrong.",
        lesson=(
            "An outlier's kick is proportional to the rate, but where full training ends the loss decides, "
            "not the rate."
        ),
        sources=("Huber 1964: a robust loss, not a small rate, shields the result",),
        places=("001 Q14.6", "001 Q33.4"),
        shows=(
            "error on clean data, Huber's loss over squared error",
            "log10 of the error on clean data, large over small rate, single examples",
        ),
        related=("large-lr-overreacts-to-noise",),
    ),
    Claim(
        "large-lr-overreacts-to-noise",
        TOPIC,
        "Noise in gradients and labels throws a large rate off, while a small one passes over it.",
        rule(
            between(
                "noisy bowl: exponent of the final height against the rate, rates up to 0.1",
                0.8,
                1.2,
                when="noise of gradients",
            ),
            above(
                "digits, 20% wrong labels: accuracy at rate 0.05 minus at 0.5, each stopped at its best epoch",
                0.005,
                when="wrong labels, each rate stopped at its best",
            ),
        ),
        families=("noisy-quad", "digits-noise"),
        expected="depends",
        conditions="A bowl with noisy gradients; digits with every fifth label wrong.",
        lesson=(
            "Noise in gradients is passed on in proportion to the rate, and here wrong labels harm a large rate more."
        ),
        sources=(
            "Bottou, Curtis & Nocedal 2018: noise floor in proportion to the rate",
            "Li, Wei & Ma 2019: large first rates memorise less",
        ),
        places=("001 Q15.4", "001 Q18.7", "001 Q22.9", "001 Q41.10"),
        shows=("digits, 20% wrong labels: accuracy at rate 0.05 minus at 0.5, equal rate × epochs",),
        contradicts=("small-lr-amplifies-noise",),
        related=("large-lr-overfits", "large-lr-outlier-sensitive"),
        explanation=(
            "The literature finds that large first rates memorise less in deep nets. In this small net on "
            "digits the larger rate does worse under wrong labels even when each is stopped at its best "
            "epoch."
        ),
    ),
    Claim(
        "lr-sets-tracking-of-drift",
        TOPIC,
        ("A higher rate follows changing data sooner but reacts to everything; a lower one is steadier and late."),
        rule(
            above("drift: error at rate 0.001 over that at the best rate", 1.2),
            above("drift: error at rate 1 over that at the best rate", 1.2),
            between("drift: exponent of the lag behind a steadily moving minimum against the rate", -1.1, -0.9),
        ),
        families=("drift",),
        expected="supported",
        conditions="A minimum that wanders or moves steadily, seen through noise.",
        lesson=("Lag falls as one over the rate and noise grows with it: in between lies the best rate for following."),
        sources=("Widrow & Stearns 1985: lag against misadjustment",),
        places=("001 Q15.6", "001 Q15.8", "001 Q23.7"),
        shows=(
            "drift: best rate for following a wandering minimum",
            "drift: updates to recover from a jump, rate 0.003 over rate 0.3",
        ),
        related=("dynamic-lr-handles-drift",),
    ),
    Claim(
        "lr-affects-robustness-to-input-variation",
        TOPIC,
        "Gradual updates make a model that bears variations of its inputs more gracefully.",
        rule(
            below("accuracy per decade of the rate, digits under noise", -0.01, when="noise"),
            below("accuracy per decade of the rate, digits under a shift", -0.01, when="a shift"),
            below("accuracy per decade of the rate, digits under half contrast", -0.01, when="half contrast"),
        ),
        families=("robust",),
        expected="depends",
        conditions="Digits MLP at rates from 0.02 to 0.6, compared at the same training loss.",
        lesson="At equal training loss the rate hardly changes how a model bears disturbed inputs.",
        sources=("little direct literature; flat minima and robustness are linked loosely",),
        places=("001 Q15.10", "001 Q17.8", "001 Q24.6", "001 Q28.5", "001 Q37.10", "001 Q44.8"),
        shows=("accuracy per decade of the rate, undisturbed digits",),
        related=("small-lr-generalizes-better",),
        explanation=(
            "Where all rates are stopped at the same training loss, the accuracy under noise, shift or "
            "contrast changes by less than a point per decade of the rate. The effect seen without that "
            "matching is one of how much was trained."
        ),
    ),
)
