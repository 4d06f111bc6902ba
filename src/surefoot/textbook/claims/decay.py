"""Claims about rates that fall during the training."""

from __future__ import annotations

from surefoot.records.claim import Claim
from surefoot.textbook.rules import above, below, between, rule

__all__ = ["CLAIMS"]

TOPIC = "decay"

CLAIMS = (
    Claim(
        "decay-damps-oscillation",
        TOPIC,
        "A falling rate shortens the steps and calms the swinging about the minimum that a fixed rate keeps up.",
        rule(
            below("noisy bowl: final height with inverse-time decay over that at the constant rate", 0.5, n=3),
            below("noisy bowl: final height with step decay over that at the constant rate", 0.5, n=3),
            below("noisy bowl: final height with cosine decay over that at the constant rate", 0.5, n=3),
            below("height of an oscillation after decay over that at the constant rate", 0.5, n=3),
        ),
        families=("noisy-quad", "quad-sweep"),
        expected="supported",
        conditions="A bowl with noisy gradients, and one without noise at a rate just below the limit.",
        lesson="A constant rate leaves a floor of noise; any sensible decay goes far below it.",
        sources=(
            "Robbins & Monro 1951; Bottou et al. 2018: falling rates converge under noise",
            "Smith et al. 2018: growing batches do the same; Polyak & Juditsky 1992: so does averaging",
        ),
        places=(
            "001 L1409",
            "004 L54",
            "001 Q2.7 Q5.1 Q5.2 Q5.3 Q5.4 Q5.5 Q5.6 Q5.7 Q5.8 Q5.9 Q5.10 Q6.1 Q6.10 Q7.1 Q7.5 Q7.6 Q7.8",
            "001 Q8.8 Q8.9 Q11.6 Q25.5 Q25.6 Q32.4 Q41.9 Q42.1 Q42.2 Q42.4 Q42.7 Q42.9",
        ),
        shows=("noisy bowl: final height with exponential decay over that at the constant rate",),
        figure="Height at which a decaying rate ends on a noisy bowl, start rate 0.1",
        related=("constant-lr-hovers-around-minimum", "decay-improves-optimization", "large-early-small-late"),
    ),
    Claim(
        "decay-improves-optimization",
        TOPIC,
        "A falling rate reaches a lower loss, and more reliably, than a rate that stays as it is.",
        rule(
            below(
                "noisy bowl: final height with cosine decay over that at the constant rate", 1.0, when="noisy bowl", n=3
            ),
            below(
                "schedules, right labels: log10 of the training loss, cosine over constant, best starts",
                0.0,
                when="digits with right labels, each at its best start",
            ),
            below(
                "schedules, 20% wrong labels: log10 of the training loss, cosine over constant, both from 1",
                0.0,
                when="20% wrong labels from a start that is too high",
            ),
        ),
        families=("schedule-race", "noisy-quad"),
        expected="depends",
        conditions="Training loss at the end against that of a constant rate, over seeds.",
        lesson="Decay wins where noise or an unstable start binds; it costs where the steps were what was missing.",
        sources=(
            "He et al. 2016 (steps), Loshchilov & Hutter 2017 (cosine), Ge et al. 2019: gains on noisy problems",
            "Ma et al. 2018: no floor of noise where all examples can be fitted",
            "Defazio et al. 2024: averaging without a schedule does as well",
        ),
        places=(
            "001 L1410",
            "002 L16",
            "001 Q6.2 Q6.3 Q6.4 Q6.5 Q6.6 Q6.7 Q6.8 Q6.9 Q6.10 Q7.1 Q7.2 Q7.3 Q7.7 Q7.9 Q8.1 Q8.5 Q8.7",
            "001 Q11.8 Q14.2 Q14.4 Q14.8 Q16.3 Q23.4 Q25.5 Q30.4 Q30.7 Q30.10 Q31.1 Q31.2 Q31.3 Q31.10",
            "001 Q38.10 Q40.9 Q41.5 Q42.9",
        ),
        shows=(
            "schedules, 20% wrong labels: log10 of the training loss, cosine over constant, best starts",
            "schedules, right labels: log10 of the training loss, step over constant, best starts",
        ),
        related=("decay-improves-generalization", "decay-damps-oscillation", "decay-benefit-across-settings"),
    ),
    Claim(
        "decay-improves-generalization",
        TOPIC,
        "A falling rate gives better results on unseen data and keeps the model from overfitting.",
        rule(
            above(
                "schedules, 20% wrong labels: accuracy, cosine minus constant, best starts",
                0.005,
                when="20% wrong labels",
            ),
            above(
                "schedules, right labels: accuracy, cosine minus constant, best starts",
                0.005,
                when="right labels, cosine",
            ),
            above(
                "schedules, right labels: accuracy, inverse-time minus constant, both from 0.5",
                0.005,
                when="right labels, inverse-time",
            ),
        ),
        families=("schedule-race",),
        expected="depends",
        conditions="Test accuracy after the same number of epochs, paired over seeds; a gain of half a point counts.",
        lesson="With wrong labels decay helps, since it fits them less; with right labels there was nothing to gain.",
        sources=(
            "You et al. 2019; Li, Wei & Ma 2019: the credit goes to the large rate at first",
            "He et al. 2016: steps down raise accuracy on image data",
        ),
        places=(
            "001 L1410",
            "001 Q6.2 Q6.3 Q6.4 Q6.5 Q6.6 Q6.7 Q6.8 Q6.9 Q6.10 Q7.3 Q7.7 Q8.2 Q8.5 Q8.7 Q31.1 Q31.2",
            "001 Q31.3",
        ),
        shows=(
            "schedules, 20% wrong labels: accuracy, inverse-time minus constant, both from 0.5",
            "schedules, 20% wrong labels: test loss over training loss, log10, cosine minus constant, both from 0.5",
        ),
        figure="Digits, 20% wrong labels: training loss by epoch and schedule",
        related=("decay-improves-optimization", "small-lr-for-noisy-or-complex-data"),
        explanation=(
            "With right labels nothing was gained. With a fifth of the labels wrong the gain was four "
            "points in the mean but went from none to nearly eight over seeds: five repetitions do not tell "
            "it from the half point that counts."
        ),
    ),
    Claim(
        "decay-escapes-local-minima",
        TOPIC,
        "Lower the rate as you go, and training gets free of local minima that would hold it at a fixed rate.",
        rule(
            above("double well: share that escape with cosine from 0.1 minus at constant 0.1", 0.0, n=20),
            above(
                "double well: share that escape with slow inverse-time decay from 0.1 minus at constant 0.1", 0.0, n=20
            ),
            above("double well: share that escape with cosine from 0.01 minus at constant 0.01", 0.0, n=20),
        ),
        families=("double-well",),
        expected="contradicted",
        conditions="Particles in the shallower of two wells; the same noise with a fixed and with falling rates.",
        lesson="Large steps and noise get out of a minimum; decay lowers both and only keeps what was reached.",
        sources=("Geman & Geman 1984: annealing needs its hot phase, and a slow fall",),
        places=("001 Q8.10 Q32.1 Q32.2 Q32.7 Q32.8",),
        shows=("double well: share that escape with fast exponential decay from 0.1 minus at constant 0.1",),
        figure="Share of particles that reach the deeper well, by schedule",
        contradicts=("large-lr-escapes-shallow-minima", "small-lr-trapped-in-local-minima"),
        related=("decay-prevents-premature-convergence", "tuned-lr-or-decay-finds-global-minimum"),
    ),
    Claim(
        "decay-prevents-premature-convergence",
        TOPIC,
        "Decay slows things down and explores more widely, so training does not settle too early on something poor.",
        rule(
            above(
                "double well: share that escape with slow inverse-time decay from 0.1 minus at constant 0.1", 0.0, n=20
            ),
            above(
                "double well: share that escape with fast exponential decay from 0.1 minus at constant 0.1", 0.0, n=20
            ),
            below("schedules: log10 of the training loss with k = 1 over that with k = 0.01", 0.0),
        ),
        families=("double-well", "schedule-race"),
        expected="contradicted",
        conditions="Faster decay against slower: chance of the better well, and training loss on the digits.",
        lesson="Decaying too early is what makes training settle too early.",
        sources=("Goodfellow et al. 2016; Bengio 2012: a rate that falls too soon stops the training short",),
        places=("001 Q8.3 Q32.3 Q32.9 Q39.5",),
        figure="Share of particles that reach the deeper well, by schedule",
        contradicts=("decay-speed-tradeoff", "lr-trades-exploration-exploitation"),
        related=("decay-escapes-local-minima",),
    ),
    Claim(
        "decay-schedule-needs-tuning",
        TOPIC,
        "Decay brings settings of its own, to be fitted to the task and the network at hand.",
        rule(
            above("schedules: decades of training loss between the best and the worst k", 0.5),
            above("noisy bowl: final height with inverse-time k = 10 over the best k", 3.0, n=3),
        ),
        families=("schedule-race", "noisy-quad"),
        expected="supported",
        conditions="The speed k of inverse-time decay over four decades, on the digits and on a noisy bowl.",
        sources=(
            "Bengio 2012; Goodfellow et al. 2016: schedules are tuned",
            "Loshchilov & Hutter 2017: a cosine only asks for the length of the training",
        ),
        places=("001 Q7.10 Q8.6 Q31.4 Q31.5 Q31.6 Q32.10 Q42.6",),
        shows=("noisy bowl: final height with inverse-time k = 0.001 over the best k",),
        figure="Final height by speed of decay on a noisy bowl",
        related=("decay-speed-tradeoff", "schedules-find-best-lr"),
    ),
    Claim(
        "decay-speed-tradeoff",
        TOPIC,
        "Decay that is too quick, or comes at a bad time, brings training to a halt; too slow, and the swinging stays.",
        rule(
            above("noisy bowl: final height with the fastest exponential decay over the best", 3.0, n=3),
            above("noisy bowl: final height without decay over the best exponential decay", 3.0, n=3),
            above("noisy bowl: final height with inverse-time k = 10 over the best k", 3.0, n=3),
        ),
        families=("noisy-quad",),
        expected="supported",
        conditions="Exponential and inverse-time decay from far away, on a noisy bowl.",
        lesson="The rates must add up to enough to get there, and still end small.",
        sources=("Robbins & Monro 1951: the sum of the rates must be infinite, that of their squares finite",),
        places=("001 Q8.4 Q31.5 Q42.5",),
        shows=(
            "noisy bowl: best factor per update of an exponential decay",
            "noisy bowl: best k of an inverse-time decay",
        ),
        figure="Final height by speed of decay on a noisy bowl",
        contradicts=("decay-prevents-premature-convergence",),
        related=("decay-schedule-needs-tuning",),
    ),
    Claim(
        "inverse-time-decay-formula",
        TOPIC,
        "Dividing the first rate by 1 + k t makes steps shrink with time t: quick at first, exact at the end.",
        rule(
            between("inverse-time decay: rate after 1/k updates over the first", 0.499, 0.501),
            between("inverse-time decay: rate after 9/k updates over the first", 0.0999, 0.1001),
            between("inverse-time decay: sum of 100000 rates over lr0 ln(1 + k t) / k", 0.98, 1.02),
            below(
                "noisy bowl: final height of inverse-time decay 0.5 / (1 + t / 4) over that of the constant rate 0.003",
                1.0,
                n=3,
            ),
        ),
        families=("schedule-race", "noisy-quad"),
        expected="supported",
        conditions="The schedule's own rates, and a noisy bowl against the smallest constant rate that arrives.",
        lesson="It halves the rate after 1/k steps; whether t counts updates or epochs must be said with k.",
        sources=(
            "Robbins & Monro 1951: such rates converge",
            "Bach & Moulines 2011: the first rate over k must exceed 1/(2 λ)",
        ),
        places=("004 L45-54",),
        figure="Final height by speed of decay on a noisy bowl",
        related=("decay-speed-tradeoff",),
    ),
    Claim(
        "step-and-exponential-decay",
        TOPIC,
        "Lowering the rate in steps or exponentially is the remedy for trouble with local minima.",
        rule(
            below(
                "noisy bowl: final height with step decay over that at the constant rate",
                0.5,
                when="calming noise",
                n=3,
            ),
            below(
                "noisy bowl: final height with exponential decay over that at the constant rate",
                0.5,
                when="calming noise",
                n=3,
            ),
            above(
                "double well: share that escape with step decay from 0.1 minus at constant 0.1",
                0.0,
                when="leaving a local minimum",
                n=20,
            ),
            above(
                "double well: share that escape with fast exponential decay from 0.1 minus at constant 0.1",
                0.0,
                when="leaving a local minimum",
                n=20,
            ),
        ),
        families=("noisy-quad", "double-well"),
        expected="depends",
        conditions="A noisy bowl and two wells, each against the constant rate they start from.",
        lesson="Both calm noise well; neither helps out of a local minimum.",
        sources=("Ge et al. 2019: step decay is nearly the best that can be done for least squares",),
        places=("001 Q32.8",),
        contradicts=("large-lr-escapes-shallow-minima",),
        related=("decay-damps-oscillation", "decay-escapes-local-minima"),
    ),
    Claim(
        "cyclical-lr-explores-minima",
        TOPIC,
        "Where a loss surface has many local minima, a rate that goes up and down in cycles is the one to prefer.",
        rule(
            above(
                "double well: share that escape with triangular cycles up to 0.1 minus at constant 0.01",
                0.0,
                when="against a small constant rate",
                n=20,
            ),
            above(
                "double well: share that escape with triangular cycles up to 0.1 minus at constant 0.1",
                0.0,
                when="against a large constant rate",
                n=20,
            ),
            below(
                "schedules, right labels: log10 of the training loss, cycles over constant, best starts",
                0.0,
                when="digits, against the best constant rate",
            ),
        ),
        families=("double-well", "schedule-race"),
        expected="depends",
        conditions="Triangular cycles against constant rates in two wells and on the digits, at equal numbers "
        "of steps.",
        lesson="Cycles explore because they reach high rates; against a well-chosen rate no gain was measured.",
        sources=(
            "Smith 2017; Loshchilov & Hutter 2017: cycles and restarts",
            "Huang et al. 2017: cycles visit different solutions",
        ),
        places=("001 Q32.8 Q32.10 Q38.10",),
        shows=(
            "rugged bowl: share that end in the best basin, cycles up to 0.2",
            "rugged bowl: share that end in the best basin, cosine from 0.2",
            "rugged bowl: share that end in the best basin, constant 0.2",
        ),
        figure="Share of particles that reach the deeper well, by schedule",
        related=("decay-escapes-local-minima", "large-lr-escapes-shallow-minima"),
    ),
    Claim(
        "decay-benefit-across-settings",
        TOPIC,
        "Decay helps every architecture, and most of all deep ones and complicated, noisy or scarce data.",
        rule(
            above("schedules: accuracy gained by cosine over three models, 20% wrong labels", 0.0, when="wrong labels"),
            above("schedules: accuracy gained by cosine over three models, right labels", 0.01, when="right labels"),
        ),
        families=("schedule-race",),
        expected="depends",
        conditions="A linear model and networks of one and three hidden layers, constant against cosine.",
        lesson="The gain came with wrong labels; on right labels it stayed below a point.",
        sources=("He et al. 2016; Loshchilov & Hutter 2017: gains on image benchmarks",),
        places=("001 Q8.6 Q31.4 Q31.7 Q31.8 Q31.9 Q32.9",),
        shows=("schedules: accuracy gained by cosine over three models, 80 digits",),
        related=("decay-improves-generalization", "decay-improves-optimization"),
        explanation=(
            "With wrong labels decay gained four to five points. With right labels it gained about one, "
            "which is just where the line was drawn beforehand, and eight seeds do not say on which side."
        ),
    ),
    Claim(
        "decay-combines-with-other-techniques",
        TOPIC,
        "Together with regularisation or an adaptive optimizer decay makes training more robust.",
        rule(
            above("combination: accuracy gained by decay, mean over the rest", 0.0, n=2),
            above("combination: accuracy of decay with weight decay minus plain SGD", 0.0, n=2),
            above("combination: accuracy of decay with Adam minus Adam alone", 0.0, n=2),
        ),
        families=("combo",),
        expected="supported",
        conditions="Digits with a fifth of the labels wrong: decay, weight decay and Adam in all eight combinations.",
        sources=("Loshchilov & Hutter 2019: AdamW with a cosine",),
        places=("001 Q8.7 Q42.10",),
        shows=(
            "combination: accuracy of decay with weight decay minus the better of the two alone, SGD",
            "combination: accuracy gained by weight decay, mean over the rest",
        ),
        related=("lr-interacts-with-regularization",),
    ),
    Claim(
        "abrupt-lr-changes-harm",
        TOPIC,
        "When the rate is adapted during training, sudden changes are to be avoided.",
        rule(
            above(
                "schedules: log10 of the loss after a tenfold drop over before, SGD", 0.3, when="a tenfold drop, SGD"
            ),
            above(
                "schedules: log10 of the loss after a tenfold rise over before, SGD", 0.3, when="a tenfold rise, SGD"
            ),
            above(
                "schedules: log10 of the loss after a tenfold rise over before, Adam", 0.3, when="a tenfold rise, Adam"
            ),
            above(
                "schedules: log10 of the loss after a tenfold rise over before, momentum",
                0.3,
                when="a tenfold rise, momentum",
            ),
        ),
        families=("schedule-race",),
        expected="depends",
        conditions="Half way through a training on digits; the loss within 20 updates after against the 20 before.",
        lesson="A sudden drop does no harm; a sudden rise can throw the training off.",
        sources=(
            "He et al. 2016: sudden tenfold drops are common",
            "Loshchilov & Hutter 2017: restarts jump up on purpose",
        ),
        places=("001 Q37.9",),
        shows=(
            "schedules: log10 of the loss after a tenfold drop over before, Adam",
            "schedules: log10 of the training loss, one tenfold drop over a smooth fall",
        ),
        related=("decay-speed-tradeoff", "initial-lr-governs-early-training"),
    ),
)
