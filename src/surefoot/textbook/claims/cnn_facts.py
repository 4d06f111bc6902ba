"""Claims about CNN facts: convolutional networks: parameters, computation, shifts, features."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "CNN facts"

CLAIMS = (
    Claim(
        "conv-sharing-cuts-parameters",
        TOPIC,
        "A filter that all places share has a small fraction of a dense layer's parameters.",
        rule(
            above("parameters of a dense layer over those of the convolution", 100),
            above("parameters of a local layer without sharing over those of the convolution", 100),
        ),
        families=("shape-check",),
        expected="supported",
        conditions="Three layers from 28 x 28 pixels to ten maps of 26 x 26.",
        lesson="Sharing divides the parameters by the number of places.",
        sources=("LeCun et al. 1989",),
        places=("000 L21", "000 L30"),
        shows=("parameters, convolution", "parameters, local layer without sharing", "parameters, dense layer"),
        related=("weight-sharing-cuts-computation",),
    ),
    Claim(
        "weight-sharing-cuts-computation",
        TOPIC,
        "Sharing weights also reduces the computation.",
        rule(
            above("multiplications of a local layer without sharing over the convolution's", 1.01),
        ),
        families=("shape-check",),
        expected="contradicted",
        conditions="Multiplications per image, counted by torch while the layers run.",
        lesson="What saves computation is that each value sees few pixels; sharing saves memory.",
        sources=("Goodfellow, Bengio & Courville 2016, chapter 9",),
        places=("000 L21",),
        shows=(
            "multiplications, convolution",
            "multiplications, local layer without sharing",
            "multiplications, dense layer",
            "multiplications of a dense layer over the convolution's",
        ),
        related=("conv-sharing-cuts-parameters",),
    ),
    Claim(
        "cnn-translation-invariance",
        TOPIC,
        "A CNN recognises patterns wherever they stand.",
        rule(
            below(
                "largest difference of a moved map from the map of a moved image",
                1e-9,
                when="the convolution itself, which moves with its input",
            ),
            below(
                "accuracy that the course's CNN loses at 3 pixels",
                0.05,
                when="the course's CNN, digits moved by 3 pixels",
            ),
            below(
                "accuracy that a CNN with global pooling loses at 3 pixels",
                0.05,
                when="a CNN with global pooling, digits moved by 3 pixels",
            ),
        ),
        families=("shift-test",),
        expected="depends",
        conditions="Trained on centred digits of an excerpt of MNIST, tested on moved ones.",
        lesson=("A convolution moves with its input; to ignore where something stands takes pooling over places."),
        sources=("Zhang 2019", "Azulay & Weiss 2019", "Kauderer-Abrams 2017"),
        places=("000 L22", "000 L31"),
        shows=(
            "accuracy of the course's CNN on digits moved by 3 pixels",
            "accuracy of an MLP of its size on digits moved by 3 pixels",
            "accuracy of a CNN with global pooling on digits moved by 3 pixels",
        ),
        related=("pooling-keeps-key-features",),
    ),
    Claim(
        "cnn-learns-features",
        TOPIC,
        "A CNN learns its features from pixels, so hand-made ones are not needed.",
        rule(
            above("accuracy learned features gain over pixels", 0.05),
            above("accuracy learned features gain over hand-made edge counts", 0),
        ),
        families=("features",),
        expected="supported",
        conditions=("A linear reader on pixels, on edge counts and on the layers of a small CNN, an excerpt of MNIST."),
        lesson=(
            "What it learns serves a linear reader better than pixels or hand-made edges; random filters "
            "come surprisingly near."
        ),
        sources=("Krizhevsky, Sutskever & Hinton 2012", "Zeiler & Fergus 2014"),
        places=("000 L19", "000 L28", "003 L7", "003 L5"),
        shows=(
            "accuracy learned features gain over random ones",
            "accuracy of a linear reader on the second random layer",
        ),
        related=("cnn-feature-hierarchy",),
    ),
    Claim(
        "cnn-feature-hierarchy",
        TOPIC,
        "Stacked convolutions build simple features into more complex ones.",
        rule(
            above("accuracy the first layer gains over pixels", 0),
            above("accuracy the second layer gains over the first", 0),
            above("side of what one value of the second layer sees", 3),
        ),
        families=("features",),
        expected="supported",
        conditions="A linear reader on each layer of a small CNN.",
        lesson=(
            "Every layer sees more of the image and serves a linear reader better. The course's own CNN has but one."
        ),
        sources=("Zeiler & Fergus 2014", "Yosinski et al. 2014", "Geirhos et al. 2019: textures more than shapes"),
        places=("000 L20", "000 L29"),
        shows=(
            "accuracy of a linear reader on pixels",
            "accuracy of a linear reader on the first learned layer",
            "accuracy of a linear reader on the second learned layer",
        ),
        related=("cnn-learns-features",),
    ),
    Claim(
        "pooling-keeps-key-features",
        TOPIC,
        "Pooling leaves fewer values and keeps those that matter.",
        rule(
            between("share of values left by pooling 2 x 2", 0.25, 0.25),
            above("accuracy change by pooling, maximum", -0.02),
        ),
        families=("pool",),
        expected="supported",
        conditions="Two convolutions on the digits, with and without pooling, the same parameters behind them.",
        lesson="A quarter of the values is enough.",
        sources=("Springenberg et al. 2015: strides can replace it",),
        places=("003 L8",),
        shows=(
            "accuracy change by pooling, average",
            "accuracy change by pooling, stride",
            "share of maps whose largest value is kept by maximum pooling",
        ),
        related=("cnn-translation-invariance",),
    ),
    Claim(
        "dropout-reduces-overfitting",
        TOPIC,
        "Dropout, which switches off random units or maps while training, reduces overfitting.",
        rule(
            above("gap that dropping units takes away", 0, when="dropping units"),
            above("gap that dropping maps takes away", 0, when="dropping whole maps"),
        ),
        families=("reg",),
        expected="supported",
        conditions=(
            "A small CNN on 150 digits; gap: validation minus training loss, without dropout at the time of measuring."
        ),
        lesson=(
            "Dropping single values narrows the gap between validation and training; dropping whole maps of "
            "a small net need not."
        ),
        sources=("Srivastava et al. 2014", "Tompson et al. 2015: whole maps"),
        places=("003 L9",),
        shows=(
            "validation loss that dropping units takes away",
            "accuracy that dropping units gains",
            "validation loss that dropping maps takes away",
        ),
        related=("regularization-delays-overfitting",),
        explanation=(
            "The rule was first written as one condition for units and maps together and gave contradicted; "
            "since the statement speaks of either, each is now a condition of its own. Dropping half of only "
            "16 maps takes away more than this small CNN can spare; dropping single values helps."
        ),
    ),
    Claim(
        "cnn-suits-image-grids",
        TOPIC,
        "Convolutional nets are at their best on grids of numbers, as images are.",
        rule(
            above("accuracy the CNN gains over the MLP on intact images", 0),
            above("accuracy the CNN loses by shuffled pixels", 0.01),
        ),
        families=("shuffle-pixels",),
        expected="supported",
        conditions="A CNN and an MLP of its size on images, and on the same images with shuffled pixels.",
        lesson=("The CNN's lead rests on neighbouring pixels: take the neighbourhood away and the lead shrinks."),
        sources=("LeCun et al. 1998", "Dosovitskiy et al. 2021: with enough data transformers do as well"),
        places=("000 L16", "000 L27", "003 L3-4"),
        shows=("accuracy the CNN gains over the MLP on shuffled images", "accuracy the MLP loses by shuffled pixels"),
        related=("conv-sharing-cuts-parameters",),
    ),
)
