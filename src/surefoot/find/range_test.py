"""The range test: one short training whose rate grows exponentially, and the published rules read side by side.

It is here for comparison. One training at a growing rate is cheap, but its loss at a rate carries the history of all
lower rates, and it says nothing about the end of the training that is to follow.
"""

from __future__ import annotations

import numpy as np

from surefoot.find.answer import Answer, unknown
from surefoot.find.search import Search
from surefoot.maths.range_rules import RULES, trimmed
from surefoot.maths.smoothing import debiased_average

__all__ = ["range_test"]

STEPS = 100
RANGE = (1e-7, 10.0)
DECAY = 0.98
STOP = 4.0
"""The test is read up to where the smoothed loss exceeds this many times its lowest."""
LEAST = 20
"""Steps below which no rule has anything to read."""


def range_test(search: Search, lr_range: tuple[float, float] | None) -> Answer:
    """Run the test over at most 100 steps and read every rule; `valley` is what it recommends."""
    low, high = lr_range or RANGE
    steps = min(STEPS, search.left)
    if steps < LEAST:
        return unknown(f"a range test needs {LEAST} steps and `cost` allows {steps}; raise `cost`")
    # The last of the steps, not one after it, has the highest rate; the length is a share and so never scaled.
    growth = {"gamma": high / low, "every": (steps - 1) / steps}
    ramp = search.recipe.replace(schedule="exponential", schedule_options=growth)
    trial = search.train([low], steps, stage="range test", recipe=ramp)[0]
    if search.interrupted:
        return unknown("the range test was interrupted; run it again to the end")
    run = trial.runs[0]
    smooth = debiased_average(run.loss, DECAY)
    lowest = np.minimum.accumulate(np.where(np.isfinite(smooth), smooth, np.inf))
    beyond = np.flatnonzero(smooth > STOP * lowest)
    end = int(beyond[0]) + 1 if len(beyond) else len(smooth)
    lrs, losses = trimmed(np.asarray(run.lr[:end]), smooth[:end], steps)
    rules = {name: rule(lrs, losses) for name, rule in RULES.items()}
    said = [lr for lr in rules.values() if lr is not None]
    shown = ", ".join(f"{name} {lr:.2g}" for name, lr in rules.items() if lr is not None)
    lr = rules["valley"]
    if lr is None:
        why = "the loss never fell while the rate grew" if len(lrs) >= 2 else "the loss ran away at once"
        tried = f"{low:.2g} to {high:.2g}"
        return Answer(None, f"{why} from {tried}: try another `lr_range`, or the method `race`", rules=rules)
    return Answer(
        lr,
        f"rule valley of a range test over {steps} steps. The published rules say {shown}. A range test does not see "
        "the end of the training: the method `race` does.",
        interval=(min(said), max(said)),
        rules=rules,
        notes=("the interval of a range test is the span of the published rules, not an uncertainty",),
    )
