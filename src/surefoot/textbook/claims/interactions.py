"""Claims about interactions: what else changes the right rate: batch, momentum, depth, data."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "interactions"

CLAIMS = (
    Claim(
        "larger-batch-tolerates-larger-lr",
        TOPIC,
        "The larger the batch, the larger the rate it bears; single examples need small ones.",
        rule(
            above("exponent of the largest usable rate against the batch size", 0.1),
        ),
        families=("digits-batch",),
        expected="supported",
        conditions="Digits MLP, SGD, batches of 1 to 256, the same number of updates.",
        lesson=("The largest usable rate grows with the batch, in proportion at most, until curvature sets the limit."),
        sources=(
            "Goyal et al. 2017: in proportion",
            "McCandlish et al. 2018: up to a critical batch size",
            "Shallue et al. 2019",
            "Malladi et al. 2022: square root for Adam",
        ),
        places=("001 Q2.8", "001 Q9.7", "001 Q10.9", "001 Q11.6", "001 Q14.10", "001 Q22.3"),
        shows=(
            "exponent of the best rate against the batch size",
            "exponent of the largest usable rate over the two largest batches",
            "decades the largest usable rate gains from the smallest to the largest batch",
        ),
        related=("more-data-tolerates-larger-lr",),
    ),
    Claim(
        "lr-interacts-with-momentum",
        TOPIC,
        "The right rate depends on the momentum.",
        rule(
            between("decades the best rate without momentum lies above that with 0.9, digits", 0.5, 1.5),
            below("best rate with momentum 0.7 over best rate without, on a bowl", 0.9),
        ),
        families=("adaptive-band", "quad-sweep"),
        expected="supported",
        conditions="Digits MLP with momentum 0 and 0.9; a bowl with momentum 0 and 0.7.",
        lesson=(
            "Momentum multiplies the rate by up to 1/(1 - momentum), a constant: it adjusts nothing while one trains."
        ),
        sources=("Goh 2017: the effective rate is the rate over 1 - momentum", "Smith 2018"),
        places=("001 Q9.7", "001 Q30.10"),
        related=("momentum-accelerates-stably",),
        explanation=(
            "Momentum 0.9 lowered the best rate on the digits by 0.8 decades in the mean, near the one "
            "decade of the theory, but the seeds differ by half a decade, so that six do not tell it from "
            "the half decade where the line was drawn; about 25 would. On a bowl the best rate falls as it "
            "should."
        ),
    ),
    Claim(
        "lr-interacts-with-regularization",
        TOPIC,
        "Regularization changes how much the rate matters, so the two are tuned together.",
        rule(
            above("share of variance by rate and weight decay together, SGD", 0.05),
            above("change of the sensitivity to the rate by weight decay, SGD", 0.1),
        ),
        families=("reg",),
        expected="supported",
        conditions="150 digits, four rates by six weight decays.",
        lesson="Weight decay inside the gradient is scaled by the rate: change one and the other is off.",
        sources=(
            "Loshchilov & Hutter 2019: decay in the gradient couples with the rate",
            "van Laarhoven 2017: with normalisation their product counts",
        ),
        places=("001 Q14.10", "001 Q17.6", "001 Q17.9"),
        shows=(
            "share of variance by rate and weight decay together, AdamW",
            "best rate without weight decay, SGD",
            "best rate at the largest weight decay, SGD",
        ),
        related=("regularization-delays-overfitting",),
    ),
    Claim(
        "depth-and-complexity-narrow-lr-window",
        TOPIC,
        ("The deeper or more complex a network, the fewer rates work, and the harder a large one is punished."),
        rule(
            above("decades of good rates, depth 1 minus depth 8", 0.5),
            above("accuracy depth 4 loses against depth 1 at rate 1", 0.05),
        ),
        families=("digits-depth",),
        expected="supported",
        conditions="Digits MLP of width 32, default initialisation, SGD.",
        lesson=(
            "Plain depth closes the window of good rates; normalisation, skips and a fitting initialisation "
            "open it again."
        ),
        sources=(
            "Glorot & Bengio 2010",
            "Ioffe & Szegedy 2015: normalisation",
            "He et al. 2016: skips",
            "Yang et al. 2021: width",
        ),
        places=(
            "002 L54",
            "001 Q16.10",
            "001 Q19.5",
            "001 Q19.10",
            "001 Q21.2",
            "001 Q21.4",
            "001 Q21.5",
            "001 Q23.10",
            "001 Q25.8",
            "001 Q26.8",
            "001 Q27.9",
            "001 Q33.8",
            "001 Q40.10",
        ),
        shows=(
            "decades of good rates, depth 1",
            "decades of good rates, depth 2",
            "decades of good rates, depth 4",
            "decades of good rates, depth 8",
            "decades of good rates, depth 8, normalised",
            "decades of good rates, depth 8, skips",
            "decades of good rates, depth 8, He initialisation",
            "decades of good rates, width 512",
        ),
        related=("choosing-lr-is-hard", "layers-want-different-lrs"),
    ),
    Claim(
        "lr-interacts-with-initialization",
        TOPIC,
        (
            "Initial weights decide which rates work, and with an unfit rate the outcome hangs more on the "
            "draw of the weights."
        ),
        rule(
            above("initialisation: decades between the best rates, weights × 0.1 and × 1", 0.1, when="the best rate"),
            above(
                "initialisation: distance of the accuracy from its mean over draws, third highest minus best rate",
                0,
                when="sensitivity to the draw at a rate that is too large",
            ),
        ),
        families=("init",),
        expected="supported",
        conditions="Digits MLP with its initial weights scaled.",
        lesson=("Small weights want a larger rate; away from the best rate the draw of the weights counts more."),
        sources=("Glorot & Bengio 2010", "He et al. 2015", "Sutskever et al. 2013"),
        places=("002 L42-44", "001 Q13.7"),
        shows=(
            "initialisation: decades of good rates, weights × 0.1",
            "initialisation: decades of good rates, weights × 1",
            "initialisation: decades between the best rates, weights × 5 and × 1",
        ),
        related=("depth-and-complexity-narrow-lr-window",),
    ),
    Claim(
        "activation-changes-lr-effect",
        TOPIC,
        "Whether a small rate merely delays a training or stops it is a matter of the activation.",
        rule(
            above("accuracy sigmoid lacks behind ReLU at the smallest rate, depth 1", 0.05),
            above("accuracy sigmoid lacks behind ReLU at the smallest rate, depth 3", 0.05),
            above("updates to 90% of sigmoid over ReLU at a small rate, depth 1", 1.5),
        ),
        families=("activation",),
        expected="supported",
        conditions="Digits MLP of one and three hidden layers, default initialisation.",
        lesson="Sigmoids shrink gradients, so the same small rate does far less than with ReLU or tanh.",
        sources=(
            "Hochreiter 1991",
            "LeCun et al. 1998",
            "Glorot & Bengio 2010: a sigmoid passes at most a quarter of a gradient",
        ),
        places=("001 Q20.9",),
        shows=(
            "accuracy tanh lacks behind ReLU at the smallest rate, depth 1",
            "accuracy at the smallest rate, sigmoid, depth 3",
        ),
        related=("lr-controls-vanishing-exploding",),
    ),
    Claim(
        "architecture-changes-best-lr",
        TOPIC,
        "Different architectures, such as recurrent and convolutional ones, need different rates.",
        rule(
            above("decades between the best rates of architectures, sgd", 0.4, when="SGD"),
            above("decades between the best rates of architectures, adam", 0.4, when="Adam"),
        ),
        families=("transfer",),
        expected="supported",
        conditions=(
            "A fully connected, a convolutional and a recurrent net on the same digits, rates half a decade apart."
        ),
        lesson="Even on the same data each architecture has its own best rate.",
        sources=("Pascanu, Mikolov & Bengio 2013: recurrent nets",),
        places=("001 Q22.3", "001 Q25.7", "001 Q33.10", "001 Q39.10", "001 Q40.10", "001 Q43.8"),
        shows=(
            "best rate, fully connected net, sgd",
            "best rate, convolutional net, sgd",
            "best rate, recurrent net, sgd",
            "accuracy the recurrent net loses at the convolutional net's best rate",
        ),
        related=("best-lr-is-problem-specific",),
        explanation=(
            "The mean curves of the three nets have their lowest points at the same rate or one step of the "
            "grid (half a decade) apart, and which of the two changes with the seeds: on one small set of "
            "digits the architectures differ by less than this grid can tell."
        ),
    ),
    Claim(
        "more-data-tolerates-larger-lr",
        TOPIC,
        "Large data sets bear larger rates; small ones need cautious rates or they overfit.",
        rule(
            above(
                "decades the largest usable rate gains from 50 to 1400 digits", 0.3, when="larger rates with more data"
            ),
            above("accuracy that rate 1 costs with 50 digits", 0.02, when="harm of a large rate on few data"),
        ),
        families=("digits-n",),
        expected="contradicted",
        conditions="Digits MLP, batches of 32, the same number of updates for 50 and 1400 digits.",
        lesson="The number of examples does not set the largest rate; batch size and curvature do.",
        sources=(
            "what bounds the rate is curvature and the noise of the batch",
            "Smith & Le 2018: at equal epochs more data mean more updates",
        ),
        places=("001 Q23.10", "001 Q24.10", "001 Q27.5"),
        shows=("best accuracy, 50 digits", "best accuracy, 1400 digits"),
        related=("larger-batch-tolerates-larger-lr", "scarce-labels-make-lr-harder"),
        explanation=(
            "The first half is refuted: 50 and 1,400 digits bear the same largest rate. With 50 digits rate "
            "1 costs about two points against the best smaller rate, which is just where the line was drawn "
            "beforehand; to tell on which side would take hundreds of seeds, so the second half stays open."
        ),
    ),
    Claim(
        "scarce-labels-make-lr-harder",
        TOPIC,
        "With few labelled examples a good rate is harder to choose.",
        rule(
            below("decades of good rates, 50 minus 1400 digits", 0, when="width of the window of good rates"),
            above(
                "spread of the chosen rate, 50 minus 1400 digits",
                0,
                when="telling rates apart on few validation examples",
            ),
        ),
        families=("digits-n",),
        expected="depends",
        conditions="50 against 1400 digits; the rate is chosen on a fifth of them.",
        lesson="Few labels make rates hard to tell apart; they need not make the good ones fewer.",
        sources=("selection noise grows as validation sets shrink (Cawley & Talbot 2010)",),
        places=("001 Q21.10",),
        shows=(
            "standard deviation in decades of a rate chosen on a fifth, 50 digits",
            "standard deviation in decades of a rate chosen on a fifth, 1400 digits",
        ),
        related=("more-data-tolerates-larger-lr",),
    ),
    Claim(
        "lr-controls-vanishing-exploding",
        TOPIC,
        "Choosing or adapting the rate mends vanishing and exploding gradients.",
        rule(
            above(
                "best accuracy of 8 sigmoid layers over four decades of rates, SGD",
                0.5,
                when="vanishing gradients, SGD at any rate",
            ),
            above("best accuracy of 8 sigmoid layers, Adam", 0.5, when="vanishing gradients, Adam"),
            below("share of exploded recurrent trainings, rate 1e-06", 0.5, when="exploding gradients, a tiny rate"),
        ),
        families=("vanish",),
        expected="depends",
        conditions="Eight sigmoid layers on the digits; a recurrent net whose weights stretch what they carry.",
        lesson=(
            "One rate scales all layers alike, so it cannot lift a vanished gradient; a tiny rate only "
            "limits what an explosion breaks."
        ),
        sources=("Hochreiter 1991", "Pascanu, Mikolov & Bengio 2013: clipping", "He et al. 2016: skips"),
        places=("001 Q16.9", "001 Q22.10"),
        shows=(
            "share of exploded recurrent trainings, rate 0.1",
            "share of exploded recurrent trainings, rate 0.1, clipped",
            "first-layer gradient at the start, 8 sigmoid layers",
        ),
        related=("backprop-cures-vanishing",),
    ),
    Claim(
        "layers-want-different-lrs",
        TOPIC,
        "The layers of a deep net want rates of their own; a common one fits none of them well.",
        rule(
            above("decades between the layers' gradient over weight", 1, when="gradients over weights, layer by layer"),
            below("updates with a rate per layer over updates with one rate", 1, when="training with a rate per layer"),
        ),
        families=("layerwise",),
        expected="supported",
        conditions="Digits MLP of six layers; rates per layer by the ratio of weight to gradient at the start.",
        lesson="Layers do see gradients of different size; whether rates per layer pay depends on the net.",
        sources=("You, Gitman & Ginsburg 2017: LARS", "Howard & Ruder 2018: discriminative rates", "LeCun et al. 1998"),
        places=("001 Q21.2",),
        shows=("accuracy that a rate per layer gains",),
        related=("adaptive-scales-each-parameter", "depth-and-complexity-narrow-lr-window"),
        explanation=(
            "With torch's default initialisation the layers' ratios of gradient to weight differ by less "
            "than a decade, which is below the line drawn beforehand. Rates per layer saved 6 in a hundred "
            "updates in the mean, which five seeds do not tell from none. In deeper or badly scaled nets "
            "the spread is larger."
        ),
    ),
)
