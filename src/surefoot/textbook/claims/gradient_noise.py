"""Claims about the noise of gradients: where it comes from, what it does, and what removes it."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "gradient noise"

CLAIMS = (
    Claim(
        "minibatch-averaging-cuts-noise",
        TOPIC,
        "One example at a time is noisier than a mini-batch, because the mean over a batch evens the noise out.",
        rule(
            between("gradient noise: exponent of the variance against the batch size, up to 64", -1.1, -0.9, n=2),
            above("gradient noise: swing of the test loss with single examples over batches of 32", 1.5, n=2),
        ),
        families=("grad-noise",),
        expected="supported",
        conditions="Gradients of single digits at fixed weights; the course of the test loss at the same rate.",
        lesson="The variance of the gradient is that of one example divided by the batch size.",
        sources=("Bottou et al. 2018: variance over batch size; drawn without repetition a little less",),
        places=(
            "001 L1409",
            "001 Q1.1 Q1.3 Q1.4 Q1.6 Q1.7 Q2.1 Q2.2 Q2.3 Q2.8 Q4.1 Q4.2 Q4.3 Q4.4 Q4.5 Q4.6 Q4.7 Q4.8",
            "001 Q4.9 Q4.10 Q10.9 Q11.6",
        ),
        shows=("gradient noise: variance at batch size 1 over that at batch size 64",),
        contradicts=("bigger-dataset-less-noise",),
        related=("sgd-estimates-gradient-from-samples", "larger-batch-tolerates-larger-lr"),
    ),
    Claim(
        "constant-lr-hovers-around-minimum",
        TOPIC,
        "With a rate that stays constant SGD never comes to rest but circles the minimum, the wider the larger "
        "the rate.",
        rule(
            between(
                "noisy bowl: exponent of the final height against the rate, rates up to 0.1",
                0.85,
                1.15,
                when="noise that stays",
            ),
            between(
                "noisy bowl: exponent of the final height against the batch size", -1.15, -0.85, when="noise that stays"
            ),
            above(
                "noisy bowl that every example fits: final height at rate 0.3",
                1e-9,
                when="every example can be fitted",
            ),
            above(
                "digits, 0% wrong labels: training loss at the end at rate 0.5",
                0.05,
                when="digits, which can be fitted",
                n=2,
            ),
        ),
        families=("noisy-quad", "digits-noise"),
        expected="depends",
        conditions="Bowls under noise of fixed size, and problems where the noise vanishes at the minimum.",
        lesson="The floor is rate × noise² / (2 (2 - rate × λ)); where all examples can be fitted there is none.",
        sources=(
            "Bottou et al. 2018; Mandt et al. 2017: the floor",
            "Ma et al. 2018; Vaswani et al. 2019: no floor when all examples are fitted",
            "Polyak & Juditsky 1992: averaging removes it",
        ),
        places=(
            "001 L1409",
            "001 Q1.2 Q1.3 Q1.4 Q1.5 Q1.8 Q1.9 Q1.10 Q2.1 Q2.2 Q2.3 Q2.4 Q2.5 Q2.6 Q2.10 Q7.2 Q7.5",
            "001 Q41.10",
        ),
        shows=(
            "noisy bowl: final height at rate 0.1 over the formula",
            "noisy bowl: final height at rate 1 over the formula",
        ),
        contradicts=("small-lr-amplifies-noise", "noise-fades-with-training"),
        related=("decay-damps-oscillation", "small-lr-more-precise-endpoint"),
    ),
    Claim(
        "noise-fades-with-training",
        TOPIC,
        "At a constant rate noise belongs to the beginning; later the run converges, though often not to the "
        "best point.",
        rule(below("gradient noise: log10 of noise over signal at the end over that at the start", 0.0, n=2)),
        families=("grad-noise",),
        expected="contradicted",
        conditions="Digits in batches of 8 at rate 0.1: variance of the gradient over its squared mean, along "
        "the training.",
        lesson="The other way round: early the signal dominates, late the noise.",
        sources=(
            "Murata 1998: a phase of transport, then one of noise",
            "McCandlish et al. 2018: the noise gains on the signal as training goes on",
        ),
        places=("001 Q1.10",),
        shows=(
            "gradient noise: noise over signal at the start",
            "gradient noise: noise over signal at the end",
        ),
        figure="Gradient noise over signal along a training, batches of 8",
        contradicts=("constant-lr-hovers-around-minimum",),
        related=("large-early-small-late",),
    ),
    Claim(
        "bigger-dataset-less-noise",
        TOPIC,
        "Larger data sets make convergence less noisy.",
        rule(below("gradient noise: exponent of the variance against the number of examples", -0.2, n=2)),
        families=("grad-noise",),
        expected="contradicted",
        conditions="Variance of single gradients with 100 to 1400 digits at the same batch size.",
        lesson="Noise per step depends on the batch size, not on how many examples there are.",
        sources=("Bottou et al. 2018: the variance is that of one example over the batch size",),
        places=("001 Q2.9",),
        shows=("gradient noise: variance with 1400 examples over that with 100",),
        contradicts=("minibatch-averaging-cuts-noise",),
        related=("more-data-tolerates-larger-lr",),
    ),
    Claim(
        "sgd-noise-escapes-minima",
        TOPIC,
        "The random part of SGD's steps helps it out of local minima and around the loss surface.",
        rule(
            above("double well: share that escape at noise 3 minus at noise 1", 0.0, n=20),
            below("double well: share that escape, rate 0.25 without noise", 0.05, n=20),
        ),
        families=("double-well",),
        expected="supported",
        conditions="Particles in the shallower of two wells, with gradient noise from none to strong.",
        sources=(
            "Kleinberg, Li & Yuan 2018; Zhu et al. 2019: noise leaves minima",
            "Ge et al. 2015; Jin et al. 2017: and saddles",
            "Geiping et al. 2022: large networks can do without it when tuned",
        ),
        places=("001 Q10.4 Q10.8 Q11.7",),
        shows=("double well: share that escape, rate 0.05 and noise 3",),
        related=("large-lr-escapes-shallow-minima", "lr-adds-randomness"),
    ),
    Claim(
        "sgd-noise-can-speed-training",
        TOPIC,
        "Noisy updates are bearable, because at times they arrive sooner than exact ones.",
        rule(
            above(
                "gradient noise: examples seen to 85% accuracy, full batch over batches of 8",
                1.0,
                when="counted in examples",
            ),
            below(
                "gradient noise: updates to 85% accuracy, batches of 8 over full batch", 1.0, when="counted in updates"
            ),
        ),
        families=("grad-noise",),
        expected="depends",
        conditions="Digits, batches of 8 against all data at once, each at the better of two rates.",
        lesson="Per example seen, small batches are faster; per update they are slower. The gain is cheapness, "
        "not noise.",
        sources=("Bottou et al. 2018; LeCun et al. 1998: cheap updates pay on redundant data",),
        places=("001 Q2.10 Q10.4 Q10.8",),
        shows=("gradient noise: updates to 85% accuracy, single examples over batches of 64",),
        related=("single-example-step-cheaper", "minibatch-averaging-cuts-noise"),
    ),
    Claim(
        "sgd-estimates-gradient-from-samples",
        TOPIC,
        "SGD estimates the whole gradient from examples drawn at random: one at a time, or a small batch.",
        rule(
            between("gradient noise: exponent of the error of a mean of gradients against how many", -0.6, -0.4, n=2),
            between("gradient noise: mean of batch gradients along the full one, over its length", 0.95, 1.05, n=2),
        ),
        families=("grad-noise",),
        expected="supported",
        conditions="Means of many single gradients, and of batches of 8, against the gradient over all digits.",
        lesson="The estimate is unbiased, and its error falls with the root of the number of examples.",
        sources=(
            "Robbins & Monro 1951: unbiased estimates are enough",
            "Gürbüzbalaban, Ozdaglar & Parrilo 2021: reshuffling is biased within an epoch, and mostly better",
        ),
        places=(
            "001 L1412",
            "003 L554",
            "001 Q10.1 Q10.2 Q10.3 Q10.4 Q10.5 Q10.7 Q11.1 Q11.2",
        ),
        related=("minibatch-averaging-cuts-noise",),
    ),
    Claim(
        "single-example-step-cheaper",
        TOPIC,
        "A step on a single example costs less than one on all the data, so each iteration is quicker.",
        rule(
            above("cost: time of an update on all 1024 examples over one on a single example", 1.0, when="per update"),
            below("cost: time of an epoch at batch size 1 over one at batch size 64", 1.0, when="per epoch"),
        ),
        families=("cost",),
        expected="depends",
        conditions="The digits network on one thread of one machine, timed in turns.",
        lesson="A single-example update is cheaper; an epoch of them is many times dearer than one in batches.",
        sources=("Masters & Luschi 2018; Shallue et al. 2019: a moderate batch is fastest by the clock",),
        places=("001 Q10.10 Q11.10",),
        related=("sgd-noise-can-speed-training", "backprop-cost"),
    ),
    Claim(
        "sgd-varies-run-to-run",
        TOPIC,
        "Because examples are drawn at random, trainings with SGD differ from one run to the next.",
        rule(
            above("repeats: spread of the test loss over orders of the batches, relative", 0.005),
            below("repeats: largest difference of the loss at any update between two runs with the same seeds", 1e-9),
        ),
        families=("repeat",),
        expected="supported",
        conditions="The same first weights with other orders of the batches, and twins with all seeds alike.",
        lesson="Different seeds, different runs; the same seeds on the same processor, the same run to the last digit.",
        sources=("Bottou et al. 2018: the iterates are random variables",),
        places=("001 Q10.6 Q10.7",),
        shows=(
            "repeats: spread of the accuracy over orders of the batches",
            "repeats: spread of the test loss over orders with full batches, relative",
        ),
        related=("lr-adds-randomness",),
    ),
    Claim(
        "moderate-lr-handles-noisy-gradients",
        TOPIC,
        "With noisy gradients a moderate rate serves best and progresses most steadily.",
        rule(
            above("noisy bowl, 100 updates, noise 1: height at the better end of the rates over the lowest", 1.5, n=3),
            above("noisy bowl, 100 updates, noise 3: height at the better end of the rates over the lowest", 1.5, n=3),
            below("noisy bowl, 100 updates: exponent of the best rate against the noise", 0.0),
        ),
        families=("noisy-quad",),
        expected="supported",
        conditions="A bowl, 100 updates from far away, twelve rates, four levels of noise.",
        lesson="For a fixed number of steps there is a best rate in between, and it falls as the noise grows.",
        sources=("Bottou et al. 2018: distance still to go against noise taken in",),
        places=("002 L38-40",),
        shows=(
            "noisy bowl, 100 updates, noise 1: best rate",
            "noisy bowl, 100 updates, noise 10: best rate",
        ),
        related=("best-lr-is-intermediate", "constant-lr-hovers-around-minimum"),
    ),
)
