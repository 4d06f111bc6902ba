"""Claims about backpropagation: gradients: exact, affordable, and no cure."""

from __future__ import annotations

from surefoot.records.claim import Claim, Printed
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "backpropagation"

CLAIMS = (
    Claim(
        "backprop-gradient-matches-numeric",
        TOPIC,
        ("By the chain rule, applied backwards, backpropagation finds every weight's and bias's exact gradient."),
        rule(
            below("worst gradient error over all nets", 1e-6),
            below("worst error of the hand-written XOR gradient with factor 2/N", 1e-6),
        ),
        families=("gradcheck",),
        expected="supported",
        conditions="Five kinds of nets and the hand-written XOR program, against central differences in float64.",
        lesson="Its gradients agree with differences of the loss to rounding.",
        sources=("Linnainmaa 1970", "Rumelhart, Hinton & Williams 1986"),
        places=(
            "001 L1412",
            "003 L224-230",
            "003 L254-259",
            "003 L356-358",
            "001 Q12.1",
            "001 Q12.2",
            "001 Q12.3",
            "001 Q12.4",
            "001 Q12.9",
        ),
        related=("backprop-architecture-agnostic", "xor-gradient-omits-factor"),
    ),
    Claim(
        "training-loop-four-steps",
        TOPIC,
        "Predict, compare, differentiate, update: going round these four lets the loss fall.",
        rule(
            below("share of the loss left by the training loop, complete", 0.7),
            above("share of the loss left by the training loop, no backward pass", 0.95),
            above("share of the loss left by the training loop, no update", 0.95),
        ),
        families=("mnist-cnn",),
        expected="supported",
        conditions="The course's CNN on 256 images, 30 updates as printed; one step left out at a time.",
        lesson=(
            "Leave out the backward pass or the update and nothing is learnt; gradients that are not cleared "
            "pile up like momentum."
        ),
        sources=("Rumelhart, Hinton & Williams 1986",),
        places=(
            "003 L12",
            "003 L57-65",
            "003 L74-79",
            "003 L232-237",
            "003 L243-274",
            "003 L349-361",
            "001 Q11.4",
            "001 Q11.5",
            "001 Q12.2",
            "001 Q12.3",
        ),
        shows=("share of the loss left by the training loop, no clearing of gradients",),
        related=("more-epochs-lower-training-loss",),
    ),
    Claim(
        "backprop-cost",
        TOPIC,
        "Backpropagation is cheap for what it gives, yet the larger part of what a training costs.",
        rule(
            above("cost: time of forward and backward over forward alone", 2),
            below("cost: time of forward and backward over forward alone", 6),
            above("cost: time of a gradient by one-sided differences over one by backpropagation", 10),
        ),
        families=("cost",),
        expected="supported",
        conditions="A small network timed on the machine at hand.",
        lesson=("All gradients together cost a few forward passes, and more than half of the time of an update."),
        sources=("Griewank & Walther 2008: at most four to five forward passes",),
        places=("003 L228", "003 L229", "001 Q12.4", "001 Q12.5", "001 Q12.9"),
        related=("backprop-gradient-matches-numeric",),
    ),
    Claim(
        "backprop-architecture-agnostic",
        TOPIC,
        "The same backpropagation works for any differentiable architecture.",
        rule(
            below("worst gradient error, fully connected net", 1e-5),
            below("worst gradient error, convolutional net", 1e-5),
            below("worst gradient error, recurrent net", 1e-5),
            below("worst gradient error, gated recurrent net", 1e-5),
            below("worst gradient error, residual net", 1e-5),
        ),
        families=("gradcheck",),
        expected="supported",
        conditions="One generic check on five architectures.",
        lesson="One procedure serves every differentiable graph.",
        sources=("Baydin et al. 2018: automatic differentiation",),
        places=("003 L229-230", "001 Q12.8"),
        related=("backprop-gradient-matches-numeric",),
    ),
    Claim(
        "backprop-cures-vanishing",
        TOPIC,
        "Backpropagation by itself keeps gradients from vanishing or exploding.",
        rule(
            above("log10 of first-layer over last-layer gradient, plain", -1),
        ),
        families=("vanish",),
        expected="contradicted",
        conditions="Eight sigmoid layers on the digits, before training.",
        lesson=("Backpropagation is where gradients vanish; normalisation and skips repair it, clipping does not."),
        sources=(
            "Hochreiter 1991",
            "Bengio, Simard & Frasconi 1994",
            "Pascanu, Mikolov & Bengio 2013: clipping, against explosion only",
        ),
        places=("001 Q12.6",),
        shows=(
            "decades that lift the first layer's gradient, clipped",
            "decades that lift the first layer's gradient, normalised",
            "decades that lift the first layer's gradient, with ReLU and skips",
            "first-layer gradient at the start, 8 sigmoid layers",
        ),
        related=("lr-controls-vanishing-exploding",),
    ),
    Claim(
        "backprop-stabilizes-training",
        TOPIC,
        "Backpropagation makes training stable, since its gradients are consistent.",
        rule(
            below("share of updates that raise the loss at rate 2.05 / steepest curvature", 0.5),
        ),
        families=("quad-sweep",),
        expected="contradicted",
        conditions="Exact gradients on a bowl, slightly above the stability limit.",
        lesson="Exact gradients diverge like any others when the rate is above the limit.",
        sources=("LeCun et al. 1998: stability is set by rate and curvature",),
        places=("001 Q12.10",),
        related=("divergence-above-two-over-curvature",),
    ),
    Claim(
        "three-class-loss-example",
        TOPIC,
        (
            "An output of 0.4, 0.3, 0.3 against the target 1, 0, 0 has an average loss near 0.18, the mean "
            "of its deviations."
        ),
        rule(
            between(
                "mean absolute error of the three-class example", 0.175, 0.185, when="mean of the listed deviations"
            ),
            between("mean squared error of the three-class example", 0.175, 0.185, when="mean squared error"),
            between("cross-entropy of the three-class example", 0.175, 0.185, when="cross-entropy"),
        ),
        families=("loss-check",),
        expected="depends",
        conditions="Arithmetic.",
        lesson=("0.18 is the mean squared error; the deviations average to 0.40, and cross-entropy would be 0.916."),
        sources=("definitions of the losses",),
        places=("003 L248-252",),
        printed=(
            Printed(
                "average loss of the example", 0.18, "mean squared error of the three-class example", "003 L248-252"
            ),
            Printed(
                "the listed deviations called variances",
                0.18,
                "variance of the errors of the three-class example",
                "003 L252",
            ),
        ),
        shows=("sum of squares of the three-class example",),
        related=("log-softmax-into-cross-entropy",),
    ),
)
