"""A study: a sweep that is kept in a file; its plan before it runs, and what it found.

A *unit* is the piece of work of a study: members that are trained as one fused batch, always the same ones in the same
way, so that a unit that is done again gives the same numbers. Every member belongs to one unit.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

from surefoot.records.provenance import Provenance
from surefoot.records.recipe import Recipe
from surefoot.records.record import Record
from surefoot.records.run import Fate

__all__ = ["MemberFate", "Response", "ResponsePoint", "Setting", "Share", "Study", "StudyMember", "StudyPlan", "Unit"]

MemberFate = Fate | Literal["waiting", "aside"]
"""The fate of a run; `waiting` for a member whose unit is not done; `aside` for one that cannot be trained."""


@dataclasses.dataclass(frozen=True, eq=False)
class Unit(Record):
    """Members that are trained as one fused batch."""

    kind: ClassVar[str] = "study_unit"

    key: str
    """Names the unit and its work: the same key, the same numbers on the same machine."""
    members: tuple[int, ...]
    """Places of the members in the study."""
    form: str
    """How the members are computed together: `stacked`, `vmapped`, or `serial` for one after the other."""
    width: int
    """Members in a chunk at most."""
    horizon: int
    """Updates of each member."""
    validate_at: tuple[int, ...]
    """Updates after which members are validated, beside the end."""
    round: int = 0
    """Units of a round begin when all of the rounds before it are done."""
    shape: dict[str, int] = dataclasses.field(default_factory=dict)
    """Width and depth of the model, where they are varied."""


@dataclasses.dataclass(frozen=True, eq=False)
class StudyPlan(Record):
    """Everything that decides what a study computes: recipes, units, engines."""

    kind: ClassVar[str] = "study_plan"

    key: str
    """SHA-256 of all that follows but the estimate: equal keys, equal studies."""
    task: str
    """Name of the task."""
    spec: str
    """How the command line names the task; empty for a task that was given as an object."""
    data: str
    """SHA-256 of the training and validation examples."""
    prune: Literal["race", "none"]
    axes: dict[str, Any]
    """What is varied: name of each axis and its values."""
    recipes: tuple[Recipe, ...]
    shapes: tuple[dict[str, int], ...]
    """Width and depth of each member's model; empty where they are the task's own."""
    units: tuple[Unit, ...]
    member_steps: int = 0
    """Updates of all members together, if none ends early."""
    seconds: float | None = None
    """Estimated time on one core, if none ends early."""


@dataclasses.dataclass(frozen=True, eq=False)
class StudyMember(Record):
    """One member of a study and how it fared."""

    kind: ClassVar[str] = "study_member"

    recipe: Recipe
    final_loss: float | None
    """Validation loss when it ended; infinity if it diverged; None if it was never validated."""
    spread: float | None
    """Standard error of `final_loss` from the sampling of the validation data."""
    fate: MemberFate
    reason: str = ""
    steps: int = 0
    """Updates made."""
    horizon: int = 0
    """Updates its schedule was laid out for."""
    first_loss: float | None = None
    """Validation loss before any update."""
    shape: dict[str, int] = dataclasses.field(default_factory=dict)
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    """Last value of every metric."""
    seconds: float | None = None
    """Its share of the time of its fused batch."""


@dataclasses.dataclass(frozen=True, eq=False)
class Setting(Record):
    """Members that differ in their seeds alone."""

    kind: ClassVar[str] = "study_setting"

    recipe: Recipe
    """With the first of the seeds."""
    final_loss: float
    """Mean of the members' final losses."""
    spread: float | None
    """Standard deviation of these over the seeds; None for a single one."""
    seeds: int
    """Members that finished."""
    shape: dict[str, int] = dataclasses.field(default_factory=dict)
    tied: int = 0
    """Other settings that the spread over seeds does not tell from it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Share(Record):
    """How much of the variance of the final losses an axis, or two axes together beyond each alone, account for."""

    kind: ClassVar[str] = "study_share"

    axes: tuple[str, ...]
    share: float
    """Between 0 and 1."""
    low: float
    """Lower end of the 95 % interval from a bootstrap over settings."""
    high: float


@dataclasses.dataclass(frozen=True, eq=False)
class ResponsePoint(Record):
    """The best rate at one value of an axis."""

    kind: ClassVar[str] = "study_response_point"

    value: int | float | str
    lr: float | None
    """Rate with the lowest mean final loss, refined between neighbours where the curve allows; None: none learned."""
    low: float | None
    """Lowest and ..."""
    high: float | None
    """... highest tried rate that cannot be told from it."""
    loss: float | None
    """Mean final loss at the best tried rate."""
    edge: bool = False
    """Whether the best rate is the lowest or highest tried, so that the true one may lie beyond."""


@dataclasses.dataclass(frozen=True, eq=False)
class Response(Record):
    """Best rate against one axis, all other axes fixed."""

    kind: ClassVar[str] = "study_response"

    axis: str
    """`batch_size`, `width`, `depth`, `epochs`, `optimizer` or `schedule`."""
    label: str
    """The values of the other axes, in words; empty where there are none."""
    points: tuple[ResponsePoint, ...]
    exponent: float | None = None
    """Slope of log best rate over log value; 1 is the linear rule, 0.5 the square-root rule. None: not to be told."""
    exponent_low: float | None = None
    """95 % interval of the slope."""
    exponent_high: float | None = None
    reason: str = ""
    """Why there is no slope."""


@dataclasses.dataclass(frozen=True, eq=False)
class Study(Record):
    """What a study holds so far."""

    kind: ClassVar[str] = "study"

    study: str
    """Path of the file; empty for a sweep that was not kept."""
    task: str
    members: tuple[StudyMember, ...]
    best: Setting | None
    """The setting with the lowest mean final loss over its seeds; None when none finished."""
    cost: dict[str, float]
    """`member_steps` made, `seconds` of training summed over processes, `planned_member_steps`, and
    `wall_seconds` of the last call."""
    importance: tuple[Share, ...] = ()
    responses: tuple[Response, ...] = ()
    axes: dict[str, Any] = dataclasses.field(default_factory=dict)
    prune: str = "none"
    key: str = ""
    """Key of the plan."""
    contents: str = ""
    """SHA-256 of every committed number but times: equal studies have equal contents."""
    notes: tuple[str, ...] = ()
    provenance: Provenance = dataclasses.field(default_factory=Provenance)

    @property
    def counts(self) -> dict[str, int]:
        """Members by fate."""
        found: dict[str, int] = {}
        for member in self.members:
            found[member.fate] = found.get(member.fate, 0) + 1
        return found

    @property
    def complete(self) -> bool:
        """Whether no member waits."""
        return "waiting" not in self.counts
