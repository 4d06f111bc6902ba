"""Claims about MNIST CNN: the course's CNN: epochs, tables, updates, layers."""

from __future__ import annotations

from surefoot.records.claim import Claim, Printed
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "MNIST CNN"

CLAIMS = (
    Claim(
        "more-epochs-lower-training-loss",
        TOPIC,
        "With every epoch the training loss falls and the accuracy rises, by less and less.",
        rule(
            above("fall of the training loss from epoch 1 to the early one", 0),
            above("fall of the training loss from the early epoch to the middle one", 0),
            above("fall of the training loss from the middle epoch to the late one", 0),
            above("fall per epoch early over fall per epoch late", 3),
            above("rise of the training accuracy from epoch 1 to the last", 0),
        ),
        families=("mnist-cnn",),
        expected="supported",
        conditions="The course's CNN on an excerpt of MNIST.",
        lesson="The first epochs bring the most.",
        sources=("uncontested",),
        places=("003 L81-87", "003 L104-105", "003 L271-274"),
        shows=("validation accuracy of the CNN after 50 epochs",),
        related=("fifty-epochs-excessive",),
    ),
    Claim(
        "mnist-table-3-10-30",
        TOPIC,
        (
            "The course's table has the CNN at 88/87, 95/94 and 99/92% training/validation accuracy after 3, "
            "10 and 30 epochs."
        ),
        rule(
            between("training loss of the CNN after 3 epochs", 0.315, 0.385),
            between("training accuracy of the CNN after 3 epochs", 0.87, 0.89),
            between("validation accuracy of the CNN after 3 epochs", 0.86, 0.88),
            between("training loss of the CNN after 10 epochs", 0.135, 0.165),
            between("training accuracy of the CNN after 10 epochs", 0.94, 0.96),
            between("validation accuracy of the CNN after 10 epochs", 0.93, 0.95),
            between("training loss of the CNN after 30 epochs", 0.045, 0.055),
            between("training accuracy of the CNN after 30 epochs", 0.98, 1),
            between("validation accuracy of the CNN after 30 epochs", 0.91, 0.93),
        ),
        families=("mnist-cnn",),
        expected="contradicted",
        conditions="The program as printed on the first 4,000 images of MNIST; the course has 60,000.",
        lesson=(
            "The table does not come out of the program it stands beside; above all its fall of the "
            "validation accuracy at the end does not."
        ),
        sources=("LeCun et al. 1998: 12% errors of a linear classifier, about 1% of small CNNs",),
        places=("003 L87", "003 L96-102"),
        printed=(
            Printed(
                "accuracy after 3 epochs, in the text", 0.85, "training accuracy of the CNN after 3 epochs", "003 L87"
            ),
            Printed(
                "accuracy after 10 epochs, in the text", 0.95, "training accuracy of the CNN after 10 epochs", "003 L87"
            ),
            Printed("training loss after 3 epochs", 0.35, "training loss of the CNN after 3 epochs", "003 L96-102"),
            Printed(
                "training accuracy after 3 epochs", 0.88, "training accuracy of the CNN after 3 epochs", "003 L96-102"
            ),
            Printed(
                "validation accuracy after 3 epochs",
                0.87,
                "validation accuracy of the CNN after 3 epochs",
                "003 L96-102",
            ),
            Printed("training loss after 10 epochs", 0.15, "training loss of the CNN after 10 epochs", "003 L96-102"),
            Printed(
                "training accuracy after 10 epochs", 0.95, "training accuracy of the CNN after 10 epochs", "003 L96-102"
            ),
            Printed(
                "validation accuracy after 10 epochs",
                0.94,
                "validation accuracy of the CNN after 10 epochs",
                "003 L96-102",
            ),
            Printed("training loss after 30 epochs", 0.05, "training loss of the CNN after 30 epochs", "003 L96-102"),
            Printed(
                "training accuracy after 30 epochs", 0.99, "training accuracy of the CNN after 30 epochs", "003 L96-102"
            ),
            Printed(
                "validation accuracy after 30 epochs",
                0.92,
                "validation accuracy of the CNN after 30 epochs",
                "003 L96-102",
            ),
        ),
        contradicts=("mnist-table-10-30-50",),
        related=("validation-accuracy-drops-when-overfitting",),
    ),
    Claim(
        "mnist-table-10-30-50",
        TOPIC,
        "A second table has 95/94, 98/94 and 99/92% after 10, 30 and 50 epochs.",
        rule(
            between("training loss of the CNN after 10 epochs", 0.135, 0.165),
            between("training accuracy of the CNN after 10 epochs", 0.94, 0.96),
            between("validation accuracy of the CNN after 10 epochs", 0.93, 0.95),
            between("training loss of the CNN after 30 epochs", 0.063, 0.077),
            between("training accuracy of the CNN after 30 epochs", 0.97, 0.99),
            between("validation accuracy of the CNN after 30 epochs", 0.93, 0.95),
            between("training loss of the CNN after 50 epochs", 0.027, 0.033),
            between("training accuracy of the CNN after 50 epochs", 0.98, 1),
            between("validation accuracy of the CNN after 50 epochs", 0.91, 0.93),
        ),
        families=("mnist-cnn",),
        expected="contradicted",
        conditions="The program as printed on the first 4,000 images of MNIST.",
        lesson="It differs from the measurement, and from the course's other table at 30 epochs.",
        sources=("LeCun et al. 1998",),
        places=("003 L111-114", "003 L129-135"),
        printed=(
            Printed("training loss after 10 epochs", 0.15, "training loss of the CNN after 10 epochs", "003 L129-135"),
            Printed(
                "training accuracy after 10 epochs",
                0.95,
                "training accuracy of the CNN after 10 epochs",
                "003 L129-135",
            ),
            Printed(
                "validation accuracy after 10 epochs",
                0.94,
                "validation accuracy of the CNN after 10 epochs",
                "003 L129-135",
            ),
            Printed("training loss after 30 epochs", 0.07, "training loss of the CNN after 30 epochs", "003 L129-135"),
            Printed(
                "training accuracy after 30 epochs",
                0.98,
                "training accuracy of the CNN after 30 epochs",
                "003 L129-135",
            ),
            Printed(
                "validation accuracy after 30 epochs",
                0.94,
                "validation accuracy of the CNN after 30 epochs",
                "003 L129-135",
            ),
            Printed("training loss after 50 epochs", 0.03, "training loss of the CNN after 50 epochs", "003 L129-135"),
            Printed(
                "training accuracy after 50 epochs",
                0.99,
                "training accuracy of the CNN after 50 epochs",
                "003 L129-135",
            ),
            Printed(
                "validation accuracy after 50 epochs",
                0.92,
                "validation accuracy of the CNN after 50 epochs",
                "003 L129-135",
            ),
        ),
        contradicts=("mnist-table-3-10-30",),
        related=("fifty-epochs-excessive",),
    ),
    Claim(
        "fifty-epochs-excessive",
        TOPIC,
        ("This CNN may be trained too long by fifty epochs if nothing, such as early stopping, holds it back."),
        rule(
            above("share of the epochs after the lowest validation loss of the CNN", 0.3, when="time"),
            below("test accuracy the CNN gains after its lowest validation loss", -0.005, when="accuracy"),
        ),
        families=("mnist-cnn",),
        expected="depends",
        conditions="The course's CNN on an excerpt of MNIST, 50 epochs.",
        lesson="Most of them are wasted; they do not cost accuracy.",
        sources=("wasteful rather than harmful on clean images (Hoffer, Hubara & Soudry 2017)",),
        places=("003 L108", "003 L137", "003 L139-221"),
        shows=("epoch of the lowest validation loss of the CNN", "validation loss of the CNN, last over lowest"),
        related=("early-stopping-saves-and-protects", "regularization-delays-overfitting"),
    ),
    Claim(
        "updates-shrink-over-epochs",
        TOPIC,
        ("Weights change much in the first epochs and little in later ones, as the training nears a minimum."),
        rule(
            below("weight change in the last epoch over the first, convolution", 0.5),
            below("weight change in the last epoch over the first, fully connected layer", 0.5),
        ),
        families=("mnist-cnn",),
        expected="supported",
        conditions="Norm of the change of the weights in each of 50 epochs.",
        lesson="Where the examples can be fitted, gradients die out and the updates with them.",
        sources=("Bottou, Curtis & Nocedal 2018: with noise left the steps do not vanish",),
        places=("003 L69-71", "003 L91-94"),
        shows=(
            "share of epochs whose weight change is smaller than before, convolution",
            "share of epochs whose weight change is smaller than before, fully connected layer",
        ),
        related=("more-epochs-lower-training-loss",),
    ),
    Claim(
        "log-softmax-into-cross-entropy",
        TOPIC,
        "The course's CNN feeds log-softmax into the cross-entropy, which does no harm.",
        rule(
            below("largest change of the loss by log-softmax before the cross-entropy", 1e-6),
            below("largest change of the gradient by log-softmax before the cross-entropy", 1e-6),
            below("change of the accuracy by log-softmax before the cross-entropy", 0.005),
        ),
        families=("loss-check",),
        expected="supported",
        conditions="Random scores in float64; digits MLP with and without.",
        lesson="It is redundant, no error; softmax in its place would be one.",
        sources=("log-softmax of log-softmax is log-softmax",),
        places=("003 L41", "003 L53", "003 L158", "003 L174"),
        shows=(
            "lowest cross-entropy that softmax before it allows, 10 classes",
            "accuracy with softmax into the cross-entropy",
        ),
        related=("three-class-loss-example",),
    ),
    Claim(
        "cnn-layer-shapes",
        TOPIC,
        (
            "A 3 x 3 convolution makes 26 x 26 maps of 28 x 28 images; ten of them flatten to 6,760 values "
            "for ten classes."
        ),
        rule(
            between("side of the maps after a 3 x 3 convolution of 28 x 28", 26, 26),
            between("feature maps of the course's CNN", 10, 10),
            between("values after flattening", 6760, 6760),
            between("outputs of the course's CNN", 10, 10),
        ),
        families=("shape-check",),
        expected="supported",
        conditions="Counted on the course's network.",
        lesson="Nearly all of its 67,710 parameters sit in the last layer.",
        sources=("arithmetic: side minus kernel plus one",),
        places=("003 L6-11", "003 L31-41"),
        printed=(
            Printed("side of the inspected filter", 5.0, "side of the printed slice [:5, :5] of a filter", "003 L70"),
        ),
        shows=("parameters of the course's CNN", "share of its parameters in the fully connected layer"),
        related=("conv-sharing-cuts-parameters",),
    ),
)
