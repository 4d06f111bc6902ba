"""Claims about the landscape: curvature, saddles, minima, and what the rate does among them."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "landscape"

CLAIMS = (
    Claim(
        "large-lr-escapes-shallow-minima",
        TOPIC,
        "A larger rate makes it likelier that training leaves a shallow or poor minimum for a better region.",
        rule(
            above("double well: change of the chance to escape per e-fold of the rate", 0.0, n=20),
            above("XOR: share solved at rate 3 minus share solved at rate 0.1", 0.0, n=20),
        ),
        families=("double-well", "xor-lr"),
        expected="supported",
        conditions="Two wells with noisy gradients, and XOR from many seeds, at stable rates.",
        lesson="Supported where there is noise to push; without noise no stable rate left the well.",
        sources=("Lewkowycz et al. 2020; Mohtashami, Jaggi & Stich 2023: large rates leave sharp places",),
        places=("001 Q13.8 Q14.9 Q21.6 Q24.8 Q29.8 Q39.9 Q41.7",),
        shows=(
            "double well: share that escape, constant rate 0.1",
            "double well: share that escape, rate 0.25 without noise",
            "XOR, printed seed: loss after 2000 updates at rate 1",
            "XOR, printed seed: loss after 2000 updates at rate 5",
        ),
        figure="Share of particles that reach the deeper well, by rate",
        contradicts=(
            "decay-escapes-local-minima",
            "large-lr-settles-fast-in-poor-solution",
            "small-lr-avoids-getting-stuck",
        ),
        related=("sgd-noise-escapes-minima", "small-lr-trapped-in-local-minima"),
    ),
    Claim(
        "lr-trades-exploration-exploitation",
        TOPIC,
        "High rates roam about the space of weights; low rates make the most of where they are.",
        rule(
            above("double well: exponent of the width a particle roams against the rate", 0.3),
            above("double well: exponent of the distance from the bottom at the end against the rate", 0.2),
        ),
        families=("double-well",),
        expected="supported",
        conditions="Two wells with noisy gradients: how far a particle roams, and how near a bottom it ends.",
        sources=("Mandt et al. 2017; Hoffer, Hubara & Soudry 2017: the width of the walk grows with the rate",),
        places=("001 Q13.4 Q15.1 Q18.10 Q22.7 Q24.4 Q29.2 Q29.8 Q32.6 Q36.6 Q37.8 Q39.7 Q40.8 Q41.6 Q43.3",),
        contradicts=("large-lr-settles-fast-in-poor-solution", "decay-prevents-premature-convergence"),
        related=("large-early-small-late", "constant-lr-hovers-around-minimum"),
    ),
    Claim(
        "lr-adds-randomness",
        TOPIC,
        "The rate itself brings in randomness, which helps exploring.",
        rule(above("double well: largest spread between repeats without noise, rates 0.01 to 0.1", 1e-9)),
        families=("double-well",),
        expected="contradicted",
        conditions="Descent repeated from one start with exact gradients; then with noisy ones.",
        lesson="The rate only scales the randomness of data and starts; exact gradients repeat to the last digit.",
        sources=("Kong & Tao 2020: very large steps can be chaotic, which is still not random",),
        places=("001 Q24.8",),
        shows=("double well: smallest spread between repeats with noise, rates 0.01 to 0.1",),
        contradicts=("sgd-varies-run-to-run",),
        related=("sgd-noise-escapes-minima",),
    ),
    Claim(
        "lr-selects-minimum",
        TOPIC,
        "Which of several minima a training reaches is influenced by the rate.",
        rule(
            above("XOR: share of seeds that end at another level of loss at rate 10 than at rate 1", 0.05, n=20),
            above("edge of stability: sharpness at the end, rate 0.1 over rate 1", 1.1),
        ),
        families=("double-well", "xor-lr", "eos"),
        expected="supported",
        conditions="The same first weights at different rates: level of the final loss, and sharpness at the end.",
        lesson="A minimum whose curvature exceeds two over the rate cannot hold a training at that rate.",
        sources=("Wu, Ma & E 2018; Cohen et al. 2021: too sharp a minimum is unstable for a large rate",),
        places=("001 Q32.5 Q41.3 Q41.4 Q41.8",),
        shows=(
            "double well: share of starts that end in another well at rate 0.22 than at 0.01, without noise",
            "edge of stability: sharpness at the end, rate 1",
        ),
        figure="Sharpness along full-batch training, by rate",
        related=("divergence-above-two-over-curvature", "large-lr-escapes-shallow-minima"),
    ),
    Claim(
        "moderate-lr-crosses-saddles",
        TOPIC,
        "Past saddles and local minima, on to a good solution: that is what a moderate rate is good for.",
        rule(
            above("saddle: share in a minimum after 200 updates at rate 0.3", 0.5, n=5),
            below("saddle: share in a minimum after 200 updates at rate 0.01", 0.5, n=5),
            below("saddle: share in a minimum after 200 updates at rate 1.2", 0.5, n=5),
        ),
        families=("saddle",),
        expected="supported",
        conditions="A saddle between two minima, 200 updates, at a small, a moderate and a large rate.",
        lesson="The time at a saddle is one over the rate; too large a rate leaves it and then finds no rest.",
        sources=(
            "Jin et al. 2017: a little noise makes leaving quick",
            "Lee et al. 2016: descent leaves strict saddles",
        ),
        places=("002 L26-28",),
        shows=(
            "saddle: share that leave from exactly on its ridge without noise",
            "saddle: share that leave from exactly on its ridge with a little noise",
        ),
        related=("small-lr-stalls-on-plateaus-and-valleys", "best-lr-is-intermediate"),
    ),
    Claim(
        "curvature-sets-usable-lr",
        TOPIC,
        "The steeper a loss surface curves, the smaller the rate has to be; flat surfaces want a large one.",
        rule(
            between("exponent of the best rate against the curvature", -1.02, -0.98),
            between("exponent of the largest stable rate against the curvature", -1.02, -0.98),
        ),
        families=("quad-sweep",),
        expected="supported",
        conditions="Bowls of curvature 0.01 to 100, plain gradient descent.",
        lesson="On a bowl of curvature λ the best rate is 1/λ and the largest stable one 2/λ.",
        sources=("LeCun et al. 1998: on a bowl one over the curvature is fastest, twice that the limit",),
        places=("001 Q23.8",),
        related=("divergence-above-two-over-curvature", "smooth-landscape-suits-large-lr"),
    ),
    Claim(
        "smooth-landscape-suits-large-lr",
        TOPIC,
        "On simple, smooth, well-shaped loss surfaces the rate can be large and training fast, and still stable.",
        rule(
            below("largest rate that settles on a rugged bowl over that on a smooth one", 0.9, n=3),
            between("exponent of the fewest steps against the condition number", 0.7, 1.2),
            above(
                "digits: decades between the largest usable rates with standardised and with shifted, stretched inputs",
                0.3,
                n=2,
            ),
        ),
        families=("quad-sweep", "digits-sweep"),
        expected="supported",
        conditions="Smooth against rugged bowls, round against narrow ones, digits with good and with badly "
        "scaled inputs.",
        sources=("Santurkar et al. 2018: batch normalisation makes the loss smoother, so that larger rates work",),
        places=("001 Q15.9 Q18.10 Q35.10 Q36.9",),
        shows=("digits: fewest updates to an accuracy of 0.85, shifted and stretched inputs over standardised",),
        related=("curvature-sets-usable-lr", "zigzag-path-in-valley"),
    ),
    Claim(
        "zigzag-path-in-valley",
        TOPIC,
        "Down a bowl a small rate walks a smooth curve; a large one jumps from one wall of the valley to the other.",
        rule(
            below("share of updates that cross the valley at rate 0.1 / steepest curvature", 0.01),
            below("share of updates that cross the valley at rate 0.9 / steepest curvature", 0.01),
            above("share of updates that cross the valley at rate 1.5 / steepest curvature", 0.99),
            above("share of updates that cross the valley at rate 1.95 / steepest curvature", 0.99),
        ),
        families=("quad-sweep",),
        expected="supported",
        conditions="A two-dimensional bowl 20 times steeper across than along, full gradients.",
        lesson="Above one over the steepest curvature every update crosses the valley; below it none does.",
        sources=("LeCun et al. 1998: along curvature λ each update multiplies the distance by 1 - rate × λ",),
        places=("004 L35-43",),
        shows=(
            "path length over straight distance at rate 0.1 / steepest curvature",
            "path length over straight distance at rate 1.95 / steepest curvature",
        ),
        figure="Height by update in a valley 20 times steeper across than along",
        related=("large-lr-overshoots-and-oscillates", "small-lr-stable-without-overshoot"),
    ),
    Claim(
        "local-minima-trap-networks",
        TOPIC,
        "What mostly stops the training of neural networks at poor solutions is local minima.",
        rule(
            above("share of failed XOR trainings, 2 hidden units", 0.1, when="XOR with 2 hidden units", n=20),
            above("share of failed XOR trainings at a local minimum", 0.5, when="XOR with 2 hidden units", n=20),
            above("share of failed XOR trainings, 4 hidden units", 0.1, when="XOR with 4 hidden units", n=20),
        ),
        families=("xor-width",),
        expected="depends",
        conditions="Share of XOR trainings that fail, by hidden width, and what kind of place they end in.",
        sources=(
            "Dauphin et al. 2014; Choromanska et al. 2015; Goodfellow, Vinyals & Saxe 2015: saddles, not poor minima",
            "Kawaguchi 2016: none in deep linear networks; Safran & Shamir 2018: they exist in small ReLU networks",
        ),
        places=("001 Q32.1 Q32.5 Q32.7",),
        shows=("share of failed XOR trainings at a stationary point", "share of failed XOR trainings, 3 hidden units"),
        related=("small-lr-trapped-in-local-minima", "complex-models-get-stuck-more"),
        lesson=(
            "Failed trainings rarely stand at a local minimum, but on nearly flat ground; a few more units "
            "and hardly any training fails."
        ),
        explanation=(
            "Only the smallest net fails often, and none of its failed trainings that were looked at stood "
            "at a local minimum: they stand on nearly flat ground, where the gradient is small but not "
            "zero."
        ),
    ),
    Claim(
        "complex-models-get-stuck-more",
        TOPIC,
        "The more complicated a model, the likelier it gets stuck.",
        rule(
            above("share of failed XOR trainings, 4 hidden units", 0.1, when="wider: XOR with 4 hidden units", n=20),
            above("share of failed runs at the best rate, depth 8", 0.3, when="deeper: eight plain layers", n=2),
        ),
        families=("xor-width", "digits-depth"),
        expected="depends",
        conditions="Width and depth separately, each at its best rate.",
        lesson="Width makes training easier, plain depth without care for the first weights makes it harder.",
        sources=(
            "Safran & Shamir 2018; Du et al. 2019: width helps",
            "Glorot & Bengio 2010; He et al. 2016: plain depth hurts without good weights or skips",
        ),
        places=("001 Q36.8",),
        shows=("share of failed XOR trainings, 2 hidden units", "share of failed runs at the best rate, depth 1"),
        related=("depth-and-complexity-narrow-lr-window", "local-minima-trap-networks"),
    ),
    Claim(
        "tuned-lr-or-decay-finds-global-minimum",
        TOPIC,
        "A rate that is well chosen, or falls, leads training out of poor regions to the lowest point of all.",
        rule(
            above("bowl: share of random starts that end at the bottom", 0.95, when="a bowl", n=20),
            above("rugged bowl: share that end in the best basin, cosine from 0.2", 0.95, when="a rugged bowl", n=20),
            above(
                "double well: share of random starts that end in the deeper well, cosine from 0.1",
                0.95,
                when="two wells, falling rate",
                n=20,
            ),
            above(
                "double well: share of random starts that end in the deeper well, constant 0.01",
                0.95,
                when="two wells, small rate",
                n=20,
            ),
        ),
        families=("double-well",),
        expected="depends",
        conditions="Random starts with noisy gradients; a global minimum counts when 95% end in its basin.",
        lesson="Sure on a bowl; elsewhere a matter of luck, noise and time, and a local minimum is all that is "
        "promised.",
        sources=("Geman & Geman 1984: a guarantee needs rates that fall as slowly as a logarithm",),
        places=(
            "004 L43",
            "001 Q13.8 Q14.9 Q21.6 Q39.9",
        ),
        shows=(
            "double well: distance from the bottom of the deeper well, cosine from 0.1",
            "double well: distance from the bottom of the deeper well, constant 0.1",
        ),
        related=("decay-escapes-local-minima", "large-lr-escapes-shallow-minima"),
    ),
)
