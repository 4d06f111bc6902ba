"""A watched training, a probe and a deed in words, the same on the page and in a notebook."""

from __future__ import annotations

import numpy as np

from surefoot.records import Action, Probe, Watched
from surefoot.report.diagnosis_card import harmless
from surefoot.report.numbers import brief, count, rate
from surefoot.report.words import run_sentence

__all__ = ["action_words", "probe_answer", "probe_words", "watched_words"]


def watched_words(watched: Watched) -> list[str]:
    """What the training reached, what was found, what was done, and what watching it took."""
    said = [run_sentence(watched.run)]
    if watched.findings:
        said.append(f"Found: {', '.join(harmless(one.id) for one in watched.findings)}.")
    else:
        said.append("Nothing was found.")
    done = sum(one.done and not one.undone for one in watched.actions)
    if watched.actions:
        only = len(watched.actions) - done
        rest = f"; {only} only said or taken back" if only else ""
        said.append(f"{count(done, 'deed')} changed the training{rest}.")
    looks = len(watched.inspection.step)
    took = "" if watched.overhead is None else f"; watching took {watched.overhead:.1%} of the training's time"
    said.append(f"The layers were looked at {count(looks, 'time')}{took}.")
    return said


def action_words(action: Action) -> str:
    """A deed in a few words: what, when, and whether it stands."""
    state = " (only said)" if not action.done else " (taken back)" if action.undone else ""
    return f"{action.deed} after {count(action.step, 'step')}{state}"


def probe_answer(probe: Probe) -> str:
    """The rate that is best now, with its interval."""
    if probe.lr is None or probe.interval is None:
        return "Unknown which rate is best now"
    low, high = probe.interval
    return f"Best rate now {rate(probe.lr)} ({rate(low)} to {rate(high)})"


def probe_words(probe: Probe) -> list[str]:
    """What was tried and seen."""
    lost = int(np.sum(~np.isfinite(probe.losses)))
    copies = "1 copy" if len(probe.lrs) == 1 else f"{len(probe.lrs)} copies"
    until = f"After {count(probe.step, 'step')} at rate {rate(probe.lr_now)}"
    said = f"{until}, {copies} went on for {count(probe.steps, 'step')}"
    diverged = f"; {lost} diverged" if lost else ""
    return [f"{said}, {probe.cost:,} updates in all{diverged}. Before: loss {brief(probe.start_loss)}.", probe.reason]
