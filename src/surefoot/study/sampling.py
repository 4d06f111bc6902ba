"""Sampling: a search in rounds, in which Optuna proposes the settings, and which is kept and resumed like any sweep.

A *trial* is a setting that Optuna was asked for; its members are that setting under every seed. A round of trials is
kept in the study's file before its members are trained, and Optuna is told their mean final losses after all of them
are. So what Optuna knows at every asking follows from the file: a search that goes on later asks and tells again what
is kept, which brings the sampler, seeded as before, to where it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import inspect
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from surefoot.engines.optimizers import class_of, name_of
from surefoot.engines.update_rules import RULES
from surefoot.errors import InputError, SurefootError
from surefoot.records import Provenance
from surefoot.records.study import Study, StudyMember, StudyPlan
from surefoot.study.analysis import value_of
from surefoot.study.axes import OPTIONS, SHAPE, Axis, read_axis
from surefoot.study.connecting import is_begun_only
from surefoot.study.driver import Watch, drive
from surefoot.study.executors import Executor
from surefoot.study.planning import unit_key
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.summary import study_of
from surefoot.study.sweep import executor_for, make_plan, opened
from surefoot.study.with_optuna import Asker, distributions

__all__ = ["sample"]

Tick = Callable[[int, int], None]
Begin = Callable[[StudyPlan], None]
Name = tuple[Any, ...]

ROUND = 24
"""Settings in a round: enough to fuse, few enough to learn from."""
_DECIDING = ("batch_size", *SHAPE)
_AHEAD = 8
"""Kinds of settings whose fastest form is measured before the first round, at most."""


def sample(
    source: TaskSource,
    axes: Mapping[str, Any],
    *,
    draws: int,
    seeds: int = 1,
    seed: int = 0,
    same_order: bool = False,
    clip: float | None = None,
    form: str | None = None,
    options: Mapping[str, Any] | None = None,
    study: str | os.PathLike[str] | None = None,
    resume: bool = False,
    workers: int | None = None,
    on: str | None = None,
    into: Any = None,
    command: str = "",
    begin: Begin | None = None,
    watch: Watch | None = None,
    tick: Tick | None = None,
) -> Study:
    """Train `draws` settings that Optuna proposes, in rounds.

    Args:
        source: of the tasks.
        axes: name of each axis and its values or range, as for `sweep`.
        draws: settings in all; a kept search may be resumed with more.
        seeds: seeds of each.
        seed: the first of them; it also seeds Optuna's sampler.
        same_order: whether all seeds see the examples in the same order.
        clip: largest gradient norm.
        form: how members are computed together, as for `sweep`.
        options: of the optimizers.
        study: file that keeps the search; None keeps nothing.
        resume: whether to go on with that file.
        workers: processes; None chooses.
        on: a Ray cluster; None means this machine.
        into: an `optuna.Study` to ask and tell, which may know trials already; None makes one with the TPE sampler.
        command: the command line, for the record.
        begin: told the plan of every round.
        watch: told the progress.
        tick: told of updates as they are made.

    Returns:
        The study. Resumed, it equals an uninterrupted one, to the bit, where the sampler is the seeded one of Optuna's
        version that began it; otherwise a note says from where on it may differ.

    Raises:
        InputError: Optuna is missing, an argument that cannot be used, or a file that holds another sweep.
        OutputError: the file cannot be kept.
    """
    if draws < 1:
        raise InputError(f"`draws` is {draws}; it is a whole number from 1")
    if seeds < 1 or seed < 0:
        raise InputError(f"`seeds` is {seeds} and `seed` {seed}; there is at least one seed, and none is below 0")
    if workers is not None and workers < 1:
        raise InputError(f"`workers` is {workers}; it is a whole number from 1")
    began = time.perf_counter()
    fixed = {"seeds": seeds, "seed": seed, "same_order": same_order, "clip": clip, "form": form}
    space = _Space(source, axes, fixed, dict(options or {}))
    question = space.question()
    empty = StudyPlan(
        key=_hash(question), task=space.task.name, spec=source.spec, data=question["data"], prune="none",
        axes={name: axis.shown() for name, axis in space.axes.items() if len(axis.values) != 1}, recipes=(), shapes=(),
        units=(), seconds=0.0,
    )  # fmt: skip
    asker = Asker(distributions(space.axes), seed, into, empty.key)
    if study is not None and resume:
        _check_same(Path(study), empty.key, question)
    device = str(space.task.device)
    provenance = Provenance.here(
        seeds={f"seed {number}": number for number in range(seed, seed + seeds)}, device=device, data=empty.data,
        command=command,
    )  # fmt: skip
    with _nothing_left(study), opened(study, empty, provenance, resume=resume) as store:
        kept = sum(len(one) for one in store.trials())
        if kept > draws:
            raise InputError(f"`draws` is {draws}, and the study has {kept} settings already; give {kept} or more")
        store.note("question", question)
        store.begin_session(provenance)
        search = _Search(space, store, asker, lambda: executor_for(source, store, workers, on, device, tick))
        try:
            search.run(draws, begin, watch)
            notes = search.left_out()
        except KeyboardInterrupt:
            notes = [f"interrupted{'; what was done is kept' if study is not None else ''}"]
        finally:
            search.close()
        wall = time.perf_counter() - began
        return study_of(store, provenance, notes=notes, wall=wall, kept=study is not None)


@contextlib.contextmanager
def _nothing_left(study: str | os.PathLike[str] | None) -> Iterator[None]:
    """Remove a file that was made inside for a search of which no round could be planned."""
    made = study is not None and not Path(study).exists()
    try:
        yield
    except SurefootError:
        if made and study is not None and Path(study).exists():
            with Store(Path(study)) as store:
                empty = not store.trials()
            if empty:
                Path(study).unlink()
        raise


def _check_same(path: Path, key: str, question: Mapping[str, Any]) -> None:
    """Refuse to go on with another search, and say in what it differs."""
    if not path.exists() or is_begun_only(path):
        return
    with Store(path) as store:
        if store.plan().key == key:
            return
        was = store.noted("question")
    if was is None:
        differs = "no sampler proposed its settings"
    else:
        name = next((one for one in question if was.get(one) != question[one]), "sampler")
        differs = f"its `{name}` is {was.get(name)!r} and not {question[name]!r}"
    raise InputError(f"`study` is {str(path)!r}, which holds another sweep: {differs}; name another file")


class _Space:
    """The settings that can be proposed, and what is the same for all."""

    def __init__(
        self, source: TaskSource, axes: Mapping[str, Any], fixed: Mapping[str, Any], options: dict[str, Any]
    ) -> None:
        given = dict(axes) | {name: options.pop(name) for name in OPTIONS if options.get(name) is not None}
        self.axes = {name: read_axis(name, one) for name, one in given.items() if one is not None}
        names = tuple(name_of(one) for one in self.axes.get("optimizer", Axis("optimizer", ("sgd",))).values)
        self.axes["optimizer"] = Axis("optimizer", names)
        self._options = {name: frozenset(inspect.signature(class_of(name)).parameters) for name in names}
        self._source, self._fixed = source, {"options": options, **fixed}
        shape = {name: self.axes[name] for name in SHAPE if name in self.axes}
        self.task = source.task(
            {name: int(one.values[0] if one.values else one.low or 1) for name, one in shape.items()}
        )

    def question(self) -> dict[str, Any]:
        """All that decides what is asked and trained, but for how many."""
        return {
            "task": self.task.name, "data": self.task.checksum(), "sampler": "optuna", "round": ROUND,
            **{name: axis.shown() for name, axis in self.axes.items()}, **self._fixed,
        }  # fmt: skip

    def setting(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A value of every axis."""
        return {name: params[name] if name in params else axis.values[0] for name, axis in self.axes.items()}

    def name(self, setting: Mapping[str, Any]) -> Name:
        """Names the setting; settings that differ only in options that the optimizer lacks are one."""
        known = self._options[setting["optimizer"]]
        return tuple(None if axis in OPTIONS and axis not in known else setting[axis] for axis in self.axes)

    def name_of(self, member: StudyMember) -> Name:
        """The same for a member."""
        return tuple(value_of(member, axis) for axis in self.axes)

    def plan(self, settings: Sequence[Mapping[str, Any]], form: str | None) -> StudyPlan:
        """The plan for these settings alone; without a `form`, it is measured which is fastest."""
        given: dict[str, Any] = {**self._fixed, **self.axes, "form": form or self._fixed["form"]}
        return make_plan(self._source, chosen=settings, **given)

    def kind(self, setting: Mapping[str, Any]) -> str:
        """Names what decides which form is the fastest."""
        return json.dumps([[setting.get(name) for name in _DECIDING], setting["optimizer"] in RULES])

    def kinds(self) -> list[dict[str, Any]]:
        """Settings of all kinds, by what decides; none where these are ranges, or too many to be measured ahead."""
        able = {name in RULES: name for name in self.axes["optimizer"].values}
        listed = {name: self.axes[name].values for name in _DECIDING if name in self.axes} | {
            "optimizer": able.values()
        }
        found = [dict(zip(listed, some, strict=True)) for some in itertools.product(*listed.values())]
        return found if len(found) <= _AHEAD else []


class _Search:
    """The rounds of a search."""

    def __init__(self, space: _Space, store: Store, asker: Asker, make_executor: Callable[[], Executor]) -> None:
        self._space, self._store, self._asker, self._make_executor = space, store, asker, make_executor
        self._executor: Executor | None = None
        self._failure: SurefootError | None = None
        self._forms: dict[str, str] = store.noted("forms") or {}

    def run(self, draws: int, begin: Begin | None, watch: Watch | None) -> None:
        """Ask, keep, train and tell until there are `draws` trials."""
        done = 0
        for params in self._store.trials():
            asked = self._asker.ask_again(params)
            self._train(begin, watch)
            if not asked:
                break
            self._asker.tell(self._results(params))
            done += len(params)
        kept = [params for one in self._store.trials() for params in one]
        if done < len(kept):
            self._asker.learn(kept, self._results(kept))
            note = (
                f"settings from number {len(kept)} on were asked of a sampler that was told of the earlier ones, but "
                "was not where it had been: they may be others than those of an uninterrupted search"
            )
            self._store.note("notes", [*(self._store.noted("notes") or []), note])
        for first in range(len(kept), draws, ROUND):
            params = self._asker.ask(min(ROUND, draws - first))
            self._keep(params)
            self._train(begin, watch)
            self._asker.tell(self._results(params))

    def left_out(self) -> list[str]:
        """What is to be said of settings that could not be planned."""
        params = [one for some in self._store.trials() for one in some]
        empty = sum(not members for members in self._results(params))
        why = f": {self._failure}" if self._failure is not None else ""
        return [f"{empty} of {len(params)} settings could not be planned and count as failed{why}"] if empty else []

    def close(self) -> None:
        """Give back all processes."""
        if self._executor is not None:
            self._executor.close()

    def _train(self, begin: Begin | None, watch: Watch | None) -> None:
        if not self._store.units("waiting"):
            return
        if begin is not None:
            begin(self._store.plan())
        if self._executor is None:
            self._executor = self._make_executor()
        drive(self._store, self._executor, watch)

    def _results(self, params: Sequence[Mapping[str, Any]]) -> list[list[StudyMember]]:
        """The members of each trial; none of one that could not be planned."""
        named: dict[Name, list[StudyMember]] = {}
        for member in self._store.members():
            named.setdefault(self._space.name_of(member), []).append(member)
        return [named.get(self._space.name(self._space.setting(one)), []) for one in params]

    def _keep(self, params: Sequence[Mapping[str, Any]]) -> None:
        """Put a round into the file: its trials, and the members that no earlier round has."""
        plan = self._store.plan()
        known = {self._space.name_of(member) for member in self._store.members()}
        chosen = {self._space.name(one): one for one in map(self._space.setting, params)}
        by_kind: dict[str, list[dict[str, Any]]] = {}
        for name, setting in chosen.items():
            if name not in known:
                by_kind.setdefault(self._space.kind(setting), []).append(setting)
        if not plan.recipes:
            # Once for the whole search: which form is fastest follows the clock, and a form has last bits of its own.
            for deciding in self._space.kinds():
                self._planned([setting | deciding for setting in chosen.values()])
        for some in by_kind.values():
            part = self._planned(some)
            plan = plan if part is None else _joined(plan, part)
        if not plan.recipes:
            raise self._failure or InputError("none of the settings that Optuna proposed can be trained")
        self._store.note("forms", self._forms)
        self._store.grow(plan, params)

    def _planned(self, settings: Sequence[Mapping[str, Any]]) -> StudyPlan | None:
        """The plan for settings of one kind, without those that cannot be planned; None for none."""
        kind = self._space.kind(settings[0])
        try:
            plan = self._space.plan(settings, self._forms.get(kind))
        except SurefootError as error:
            self._failure = error
            able = [one for one in settings if self._can_be_planned(one)] if len(settings) > 1 else []
            return self._planned(able) if 0 < len(able) < len(settings) else None
        self._forms.setdefault(kind, _form_of(plan))
        return plan

    def _can_be_planned(self, setting: Mapping[str, Any]) -> bool:
        """Whether it can; its trial has failed otherwise, and the search goes on."""
        try:
            self._space.plan([setting], "serial")
        except SurefootError:
            return False
        return True


def _joined(plan: StudyPlan, part: StudyPlan) -> StudyPlan:
    """The plan with the members and units of `part` behind its own."""
    first = len(plan.recipes)
    units = []
    for unit in part.units:
        moved = dataclasses.replace(unit, members=tuple(first + place for place in unit.members))
        recipes = [part.recipes[place] for place in unit.members]
        units.append(dataclasses.replace(moved, key=unit_key(moved, recipes, plan.data, plan.prune)))
    return dataclasses.replace(
        plan, recipes=(*plan.recipes, *part.recipes), shapes=(*plan.shapes, *part.shapes), units=(*plan.units, *units),
        member_steps=plan.member_steps + part.member_steps, seconds=(plan.seconds or 0.0) + (part.seconds or 0.0),
    )  # fmt: skip


def _form_of(plan: StudyPlan) -> str:
    unit = plan.units[0]
    return unit.form if unit.form == "serial" else f"{unit.form}:{unit.width}"


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
