"""What happened to the claims between the two runs: rules that were corrected, and verdicts that changed. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CHANGED", "CORRECTED"]

CORRECTED: Mapping[str, str] = MappingProxyType(
    {
        "lr-range-zero-to-one": (
            "The best rates were means over seeds without an interval; that of SGD lay at 0.999, a thousandth below "
            "the threshold."
        ),
        "small-lr-avoids-getting-stuck": (
            "The second test asked that the larger rate leave the saddle a hundred times sooner, the reverse of the "
            "statement; it now asks that the smaller rate need fewer updates."
        ),
        "small-lr-for-fine-tuning": (
            "The rule asked only what is forgotten, so that a rate that learns nothing would have passed; now the "
            "best rate for the new digits counts too, from more seeds."
        ),
        "decay-benefit-across-settings": (
            "Three models from the same seed were counted as independent repetitions; a seed is one."
        ),
        "local-minima-trap-networks": (
            "The rule counted failed trainings and did not ask whether they ended at a local minimum, which is what "
            "the statement says."
        ),
        "sgd-noise-can-speed-training": (
            "The medians rested on three seeds, whose range holds the true median in only three of four cases; now on "
            "six."
        ),
        "sgd-varies-run-to-run": "The spread had no interval.",
        "moderate-lr-handles-noisy-gradients": "The exponent of the best rate had no interval.",
        "best-lr-is-problem-specific": "Pairs of cells were counted as 992 independent repetitions; a cell is one.",
        "choosing-lr-is-hard": "The chance of a blind rate had no interval.",
        "adaptive-reduces-lr-tuning": (
            "Four optimizers on three tasks were counted as independent repetitions; a seed is one."
        ),
        "adaptive-converges-faster": (
            "Arrival was looked for once per epoch and a tie counted as not faster; four optimizers that share a run "
            "of SGD were counted as independent. Now there are two looks per epoch, a tie counts half, and a seed is "
            "one repetition."
        ),
        "adaptive-balances-speed-stability": (
            "Four optimizers on three tasks were counted as independent repetitions; a seed is one."
        ),
        "dynamic-lr-handles-drift": (
            "Adam's rate was the best one for each seed, the constant rate one for all, which flattered Adam."
        ),
        "lr-interacts-with-regularization": (
            "Noise of the seeds counted as interaction, and sizes of differences were averaged, which are above 0 by "
            "noise alone; both now leave noise out."
        ),
        "architecture-changes-best-lr": (
            "A difference of a single step of the grid counted, without an interval; now it has one, over seeds."
        ),
        "large-lr-overfits": (
            "Equal training loss was the highest loss at which any run at the small rate ended; now each pair of runs "
            "has its own, from 42 seeds."
        ),
        "small-lr-generalizes-better": (
            "Equal training loss was the highest loss at which any run at the small rate ended; now each pair of runs "
            "has its own, from 42 seeds."
        ),
    }
)
"""Claim -> what was wrong in its rule or its numbers in the earlier run, and was set right before the next."""

CHANGED: Mapping[str, str] = MappingProxyType(
    {
        "gradient-clipping-tames-large-lr": (
            "The four repetitions of the earlier run shared one order of the batches and all told the same; with an "
            "order each, one of four bears the higher rate without a bound."
        ),
        "lr-interacts-with-momentum": (
            "The repetitions of the earlier run shared one order of the batches, so that their interval was too "
            "narrow; with an order each, the best rates vary too much for six seeds."
        ),
        "small-lr-for-fine-tuning": (
            "The corrected rule also asks for the new digits, and there the best rate is not smaller than from scratch."
        ),
        "decay-improves-generalization": (
            "The four repetitions of the earlier run shared one order of the batches, so that their interval was too "
            "narrow. With an order each, the gain under wrong labels cannot be told from half a point."
        ),
        "local-minima-trap-networks": (
            "The corrected rule asks where failed trainings end, and it was at no local minimum, in the earlier run "
            "too."
        ),
        "lr-interacts-with-initialization": (
            "Eight seeds did not tell whether the result hangs more on the draw of the weights at a rate that is too "
            "large; twenty, as a power calculation asked for, do."
        ),
        "architecture-changes-best-lr": (
            "The earlier run counted one step of the grid, without an interval, as a difference; with an interval "
            "over seeds it is none that can be told."
        ),
        "layers-want-different-lrs": (
            "The five repetitions of the earlier run shared one order of the batches, so that their interval was too "
            "narrow; with an order each, the updates saved cannot be told from none."
        ),
        "large-lr-overfits": (
            "Twelve seeds did not tell no difference from half a point on clean labels at equal training loss; 42 "
            "seeds, as many as a power calculation asked for, do: the small rate gains nothing there."
        ),
        "small-lr-generalizes-better": (
            "Twelve seeds did not tell no difference from half a point on clean labels at equal training loss; 42 "
            "seeds, as many as a power calculation asked for, do."
        ),
        "early-stopping-saves-and-protects": (
            "Three seeds did not decide whether stopping gains accuracy on clean images; six do: it does not."
        ),
        "regularization-prevents-premature-convergence": (
            "The earlier run had 783 stuck nets, too few to tell 6 in a hundred from the line at 5; twenty times as "
            "many do."
        ),
    }
)
"""Claim -> why its verdict is another one than in the earlier run."""
