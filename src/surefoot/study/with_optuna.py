"""Optuna and studies: Optuna proposes whole members, and results travel both ways.

Optuna is asked for a round of settings (see `sampling`), these are trained side by side as fused batches, and it is
told the mean final loss of each. It never sees single steps: its storages are orders of magnitude too slow for that.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from surefoot.errors import InputError
from surefoot.records.study import Study, StudyMember
from surefoot.study.analysis import settings, value_of
from surefoot.study.axes import WHOLE, Axis

__all__ = ["Asker", "distributions", "optuna", "to_optuna", "trials_of"]


def optuna() -> Any:
    """The module.

    Raises:
        InputError: it is not installed.
    """
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise InputError("Optuna is not installed: pip install 'surefoot[optuna]'") from None


class Asker:
    """A search of Optuna's: asked for rounds of settings, and told what became of them.

    Args:
        space: distribution of every parameter.
        seed: of the sampler.
        into: an `optuna.Study` to ask and tell; None makes one with the TPE sampler.
        key: of the search; trials of `into` carry it, so that a search that goes on finds them again.
    """

    def __init__(self, space: Mapping[str, Any], seed: int, into: Any, key: str) -> None:
        self._module, self._space, self._seed, self._mark = optuna(), dict(space), seed, key[:12]
        self._given, self._asked = into is not None, 0
        self._into = into if into is not None else self._new(seed)
        self._open: list[Any] = []

    def ask(self, count: int) -> list[dict[str, Any]]:
        """The parameters of `count` new trials."""
        self._open = [self._into.ask(self._space) for _ in range(count)]
        if self._given:
            for trial in self._open:
                trial.set_user_attr("surefoot", f"{self._mark}/{self._asked}")
                self._asked += 1
        return [dict(trial.params) for trial in self._open]

    def ask_again(self, params: Sequence[Mapping[str, Any]]) -> bool:
        """Ask for a round that was asked for before; whether it is the same again."""
        return not self._given and self.ask(len(params)) == [dict(one) for one in params]

    def tell(self, groups: Sequence[Sequence[StudyMember]]) -> None:
        """Tell what became of the members of each trial that `ask` returned last."""
        for trial, group in zip(self._open, groups, strict=True):
            self._tell(trial, group)

    def learn(self, params: Sequence[Mapping[str, Any]], groups: Sequence[Sequence[StudyMember]]) -> None:
        """Take over all trials of an earlier session instead of asking for them again."""
        if not self._given:
            self._into = self._new(self._seed + len(params))
        known = {trial.user_attrs.get("surefoot"): trial for trial in self._into.get_trials(deepcopy=False)}
        for number, (values, group) in enumerate(zip(params, groups, strict=True)):
            mark = f"{self._mark}/{number}"
            if mark not in known:
                self._into.add_trial(self._finished(values, group, mark))
            elif not known[mark].state.is_finished():
                self._tell(known[mark].number, group)
        self._asked = len(params)

    def _new(self, seed: int) -> Any:
        self._module.logging.set_verbosity(self._module.logging.WARNING)
        return self._module.create_study(sampler=self._module.samplers.TPESampler(seed=seed))

    def _tell(self, trial: Any, group: Sequence[StudyMember]) -> None:
        state, value = _state(self._module, group)
        if state is None or value is None or not math.isfinite(value):
            self._into.tell(trial, state=self._module.trial.TrialState.FAIL)
        else:
            self._into.tell(trial, value)

    def _finished(self, values: Mapping[str, Any], group: Sequence[StudyMember], mark: str) -> Any:
        state, value = _state(self._module, group)
        if state is None or value is None or not math.isfinite(value):
            state, value = self._module.trial.TrialState.FAIL, None
        space = {name: self._space[name] for name in values}
        return self._module.trial.create_trial(
            params=dict(values), distributions=space, value=value, state=state, user_attrs={"surefoot": mark}
        )


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


def _values(member: StudyMember, axes: Mapping[str, Axis]) -> dict[str, Any]:
    return {name: value for name in axes if (value := value_of(member, name)) is not None}
