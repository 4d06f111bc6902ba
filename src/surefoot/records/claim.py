"""A claim: a statement about the learning rate, the rule that decides it, and what came out.

A *test* compares one named measurement with a threshold. A *rule* is a set of tests, which decides alone. An
*outcome* is what one experiment measured; a *claim result* is the verdict that the rule gives on outcomes; the
*textbook record* keeps all of them with their origin.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, Literal

from surefoot.errors import RecordError
from surefoot.records.measurement import Measurement
from surefoot.records.panel import Panel
from surefoot.records.provenance import Provenance
from surefoot.records.record import Record

__all__ = [
    "Claim",
    "ClaimCheck",
    "ClaimResult",
    "EarlierRun",
    "Outcome",
    "Printed",
    "Rule",
    "Size",
    "Test",
    "TextbookRecord",
    "Verdict",
    "Verification",
]

Verdict = Literal["supported", "contradicted", "depends", "undecided"]
"""The claim holds in every condition that was measured; in none; in some of them; or the evidence does not decide."""
Size = Literal["quick", "full"]
"""How much an experiment runs: seconds in all, or what the record is made of."""


@dataclasses.dataclass(frozen=True, eq=False)
class Test(Record):
    """One comparison: the measurement called `measurement` lies between `low` and `high`.

    The whole interval of the measurement must lie inside for the test to hold, and outside for it to fail.
    """

    kind: ClassVar[str] = "test"
    __test__: ClassVar[bool] = False
    """No class of tests for pytest."""

    measurement: str
    low: float = -math.inf
    high: float = math.inf
    condition: str = ""
    """The condition in which the claim is tested here; empty where there is only one."""
    n: int = 1
    """Fewest repetitions behind the measurement."""

    def __str__(self) -> str:
        """The comparison in words."""
        if math.isinf(self.high):
            bounds = f"above {self.low:g}"
        elif math.isinf(self.low):
            bounds = f"below {self.high:g}"
        else:
            bounds = f"from {self.low:g} to {self.high:g}"
        often = f" (n ≥ {self.n})" if self.n > 1 else ""
        return f"{self.measurement} is {bounds}{often}"


@dataclasses.dataclass(frozen=True, eq=False)
class Rule(Record):
    """What decides a claim: it holds in a condition when every test of the condition holds.

    In all conditions: supported. In none: contradicted. In some: depends on the condition. Else: undecided.
    """

    kind: ClassVar[str] = "rule"

    tests: tuple[Test, ...]

    def __post_init__(self) -> None:
        """Refuse a rule without a test."""
        if not self.tests:
            raise RecordError("a rule needs at least one test")

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions, in the order in which they first appear."""
        return tuple(dict.fromkeys(one.condition for one in self.tests))

    def __str__(self) -> str:
        """The rule in words."""
        parts = []
        for condition in self.conditions:
            tests = " and ".join(str(one) for one in self.tests if one.condition == condition)
            parts.append(f"{condition}: {tests}" if condition else tests)
        if len(parts) == 1:
            return f"It holds when {parts[0]}."
        return f"It holds in each condition when … {'; '.join(parts)}. Held in some only: it depends."


@dataclasses.dataclass(frozen=True, eq=False)
class Printed(Record):
    """A number that the course notes print, beside the measurement that checks it."""

    kind: ClassVar[str] = "printed"

    says: str
    """What the number is said to be, in words."""
    value: float
    measurement: str
    """Name of the measurement of the same thing."""
    place: str = ""
    """Where it is printed, such as `003 L363-371`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Claim(Record):
    """One statement that courses make, and how it is decided."""

    kind: ClassVar[str] = "claim"

    id: str
    topic: str
    statement: str
    rule: Rule
    families: tuple[str, ...]
    """Experiments that measure what the rule needs."""
    expected: Verdict
    """What the literature leads one to expect; the rule does not know it."""
    conditions: str = ""
    """In which situation the statement is tested."""
    lesson: str = ""
    """What to remember where the verdict is the expected one; empty: the statement itself."""
    sources: tuple[str, ...] = ()
    """Literature: who, when, and what it says."""
    places: tuple[str, ...] = ()
    """Where the course notes say so: `FILE Lfirst-last` for lines of a file of the notes, `FILE Qm.n` for questions."""
    printed: tuple[Printed, ...] = ()
    shows: tuple[str, ...] = ()
    """Further measurements worth showing with the verdict."""
    figure: str = ""
    """Title of the panel that shows it; empty: the first of the first family."""
    contradicts: tuple[str, ...] = ()
    """Ids of claims that state the opposite, or exclude this one."""
    related: tuple[str, ...] = ()
    explanation: str = ""
    """Why the verdict is what it is, where that differs from what was expected or needs words."""
    corrected: str = ""
    """What was wrong in the rule or its numbers in the earlier run, and was set right before the run of the record."""
    changed: str = ""
    """Why the verdict is another one than in the earlier run, where it is."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of all measurements that the claim rests on or shows."""
        named = [one.measurement for one in self.rule.tests] + [one.measurement for one in self.printed]
        return tuple(dict.fromkeys([*named, *self.shows]))

    @property
    def command(self) -> str:
        """The command that measures it again."""
        return f"surefoot verify {self.id}"


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome(Record):
    """What one experiment measured."""

    kind: ClassVar[str] = "outcome"

    family: str
    size: Size = "full"
    seeds: tuple[int, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    panels: tuple[Panel, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know: task, sizes, definitions."""
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse two measurements of one name."""
        names = [one.name for one in self.measurements]
        double = {one for one in names if names.count(one) > 1}
        if double:
            raise RecordError(f"outcome of {self.family}: more than one measurement is called {sorted(double)[0]!r}")

    def measurement(self, name: str) -> Measurement | None:
        """The measurement of a name; None where there is none."""
        return next((one for one in self.measurements if one.name == name), None)


@dataclasses.dataclass(frozen=True, eq=False)
class ClaimResult(Record):
    """The verdict on one claim."""

    kind: ClassVar[str] = "claim_result"

    id: str
    verdict: Verdict
    on: str = ""
    """What it depends on: where it holds and where it does not; or what is missing for a decision."""
    measurements: tuple[Measurement, ...] = ()
    figure: str = ""
    """Title of the panel that shows it, in the outcome of the first family."""
    size: Size = "full"
    seconds: float | None = None
    """Time of the experiments behind it, which other claims may share."""
    rule: str = ""
    """Digest of the rule, the seeds and the experiments it was decided by; see `surefoot.textbook.frozen`."""


@dataclasses.dataclass(frozen=True, eq=False)
class EarlierRun(Record):
    """The verdicts of the run before, from other seeds and with the rules as they were then."""

    kind: ClassVar[str] = "earlier_run"

    verdicts: dict[str, Verdict]
    """Claim -> verdict."""
    first_seed: int = 0
    date: str = ""
    """UTC time of its record, ISO 8601."""


@dataclasses.dataclass(frozen=True, eq=False)
class TextbookRecord(Record):
    """Everything that was measured about the claims, with its origin."""

    kind: ClassVar[str] = "textbook"

    results: tuple[ClaimResult, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    quick: tuple[Outcome, ...] = ()
    """The same experiments at quick size, without pictures, for quick checks."""
    provenance: Provenance = dataclasses.field(default_factory=Provenance)
    seconds: float | None = None
    earlier: EarlierRun | None = None
    """What an earlier run came to; None where there is none to compare with."""

    def result(self, claim: str) -> ClaimResult | None:
        """The result of a claim; None where it was not measured."""
        return next((one for one in self.results if one.id == claim), None)

    def outcome(self, family: str, size: Size = "full") -> Outcome | None:
        """The outcome of an experiment at a size; None where it is not recorded."""
        kept = self.outcomes if size == "full" else self.quick
        return next((one for one in kept if one.family == family), None)


@dataclasses.dataclass(frozen=True, eq=False)
class ClaimCheck(Record):
    """A claim measured again, beside the record."""

    kind: ClassVar[str] = "claim_check"

    id: str
    verdict: Verdict
    on: str = ""
    measurements: tuple[Measurement, ...] = ()
    recorded: Verdict | None = None
    """The verdict in the record; None where the record has none."""
    matches_record: bool = False
    differences: tuple[str, ...] = ()
    """What does not match, in words."""
    seconds: float | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Verification(Record):
    """What `surefoot verify` returns: every claim that was asked for, measured again."""

    kind: ClassVar[str] = "verification"

    size: Size = "full"
    claims: tuple[ClaimCheck, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    """Experiments that broke, and how."""
    interrupted: bool = False
    provenance: Provenance = dataclasses.field(default_factory=Provenance)
    seconds: float | None = None

    @property
    def matching(self) -> int:
        """How many claims match the record."""
        return sum(one.matches_record for one in self.claims)
