"""Optuna and studies: Optuna proposes whole members, and results travel both ways.

Optuna is asked for a round of settings, these are trained side by side as fused batches, and it is told the mean final
loss of each. It never sees single steps: its storages are orders of magnitude too slow for that.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.errors import InputError
from surefoot.records.study import Study, StudyMember
from surefoot.study.analysis import best_setting, importance, responses, settings, value_of
from surefoot.study.axes import WHOLE, Axis, read_axis
from surefoot.study.sources import TaskSource
from surefoot.study.sweep import make_plan, run_plan

__all__ = ["distributions", "sample", "to_optuna", "trials_of"]

SETTING = ("lr", "optimizer", "schedule", "batch_size", "epochs", "width", "depth")
"""Axes that every member has, whatever its optimizer."""
_ROUND = 24
"""Settings in a round: enough to fuse, few enough to learn from."""


def optuna() -> Any:
    """The module.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise InputError("Optuna is not installed: pip install 'surefoot[optuna]'") from None


def sample(
    source: TaskSource,
    axes: Mapping[str, Any],
    *,
    draws: int,
    seeds: int = 1,
    seed: int = 0,
    clip: float | None = None,
    options: Mapping[str, Any] | None = None,
    study: str | os.PathLike[str] | None = None,
    resume: bool = False,
    workers: int | None = None,
    into: Any = None,
) -> Study:
    """Train `draws` settings that Optuna proposes, in rounds.

    Args:
        source: of the tasks.
        axes: name of each axis and its values or range, as for `sweep`.
        draws: settings in all.
        seeds: seeds of each.
        seed: the first of them; it also seeds Optuna's sampler.
        clip: largest gradient norm.
        options: of the optimizers.
        study: not kept yet: a plan that grows cannot be followed by others.
        resume: likewise.
        workers: processes; None chooses.
        into: an `optuna.Study` to ask and tell, which may know trials already; None makes one with the TPE sampler.

    Raises:
        InputError: Optuna is missing, or `study` is given.
    """
    if study is not None or resume:
        raise InputError("`--study` cannot keep what Optuna samples; give --random N without --sampler, or export it")
    module = optuna()
    read = {name: read_axis(name, given) for name, given in axes.items()}
    space = distributions(read)
    if into is None:
        module.logging.set_verbosity(module.logging.WARNING)
        into = module.create_study(sampler=module.samplers.TPESampler(seed=seed))
    members: list[StudyMember] = []
    cost: dict[str, float] = {}
    record: Study | None = None
    done = 0
    while done < draws:
        trials = [into.ask(space) for _ in range(min(_ROUND, draws - done))]
        chosen = [_setting(trial.params, read) for trial in trials]
        varied: dict[str, Any] = dict(read)
        plan = make_plan(source, chosen=chosen, seeds=seeds, seed=seed, clip=clip, options=options, **varied)
        record = run_plan(source, plan, workers=workers)
        members += record.members
        for name, value in record.cost.items():
            cost[name] = cost.get(name, 0.0) + value
        by_setting = {_named(_values(group[0], read)): group for group in settings(record.members)}
        for trial, values in zip(trials, chosen, strict=True):
            _tell(module, into, trial, by_setting.get(_named(values), []))
        done += len(trials)
        if any(note.startswith("interrupted") for note in record.notes):
            break
    if record is None:
        raise InputError(f"`draws` is {draws}; it is a whole number from 1")
    kept = [one for group in settings(members) for one in {member.recipe.seed: member for member in group}.values()]
    return dataclasses.replace(
        record, members=tuple(kept), best=best_setting(kept), cost=cost, importance=tuple(importance(kept)),
        responses=tuple(responses(kept)), contents="", key="",
        axes={name: axis.shown() for name, axis in read.items() if len(axis.values) != 1},
    )  # fmt: skip


def distributions(axes: Mapping[str, Axis]) -> dict[str, Any]:
    """The axes that are varied as Optuna's distributions, under the same names; a range is logarithmic."""
    module = optuna()
    found: dict[str, Any] = {}
    for name, axis in axes.items():
        if axis.low is not None and axis.high is not None:
            if name in WHOLE:
                found[name] = module.distributions.IntDistribution(round(axis.low), round(axis.high), log=True)
            else:
                found[name] = module.distributions.FloatDistribution(axis.low, axis.high, log=True)
        elif len(axis.values) > 1:
            found[name] = module.distributions.CategoricalDistribution(axis.values)
    return found


def trials_of(study: Study, axes: Mapping[str, Axis] | None = None) -> list[Any]:
    """The settings of a study as Optuna's trials: parameters named as the axes, the value is the mean final loss.

    A setting that diverged is a failed trial, one that a race gave up is a pruned one; settings that wait are left out.

    Args:
        study: a record.
        axes: the space of the trials; None takes the values that occur in the study.
    """
    module = optuna()
    if axes is None:
        axes = {}
        for name in study.axes:
            seen = dict.fromkeys(value_of(one, name) for one in study.members)
            axes[name] = Axis(name, tuple(value for value in seen if value is not None))
    rates = [one.recipe.lr for one in study.members if one.recipe.lr is not None]
    space = distributions(axes)
    if "lr" in space and min(rates) < max(rates):
        # As a range, so that samplers may go between the rates of a grid.
        space["lr"] = module.distributions.FloatDistribution(min(rates), max(rates), log=True)
    found = []
    for group in settings(study.members):
        state, value = _state(module, group)
        if state is not None:
            values = _values(group[0], axes)
            params = {name: values[name] for name in space if name in values}
            found.append(
                module.trial.create_trial(
                    params=params, distributions={name: space[name] for name in params}, value=value, state=state
                )
            )
    return found


def to_optuna(study: Study, into: Any) -> int:
    """Add the settings of a study to an `optuna.Study` as finished trials; how many."""
    trials = trials_of(study)
    into.add_trials(trials)
    return len(trials)


def _state(module: Any, group: Sequence[StudyMember]) -> tuple[Any, float | None]:
    """State of a trial and its value; None for a setting that is not done."""
    states = module.trial.TrialState
    fates = {one.fate for one in group}
    if fates & {"diverged", "aside"}:
        return states.FAIL, None
    losses = [one.final_loss for one in group if one.fate == "finished" and one.final_loss is not None]
    if "waiting" in fates or "interrupted" in fates or not (losses or "retired" in fates):
        return None, None
    if "retired" in fates:
        return states.PRUNED, None
    return states.COMPLETE, sum(losses) / len(losses)


def _tell(module: Any, into: Any, trial: Any, group: Sequence[StudyMember]) -> None:
    state, value = _state(module, group) if group else (None, None)
    if state is None or value is None or not math.isfinite(value):
        into.tell(trial, state=module.trial.TrialState.FAIL)
    else:
        into.tell(trial, value)


def _setting(params: Mapping[str, Any], axes: Mapping[str, Axis]) -> dict[str, Any]:
    return {name: params[name] if name in params else axis.values[0] for name, axis in axes.items()}


def _values(member: StudyMember, axes: Mapping[str, Axis]) -> dict[str, Any]:
    return {name: value for name in axes if (value := value_of(member, name)) is not None}


def _named(values: Mapping[str, Any]) -> str:
    return repr(sorted((name, value) for name, value in values.items() if name in SETTING))
