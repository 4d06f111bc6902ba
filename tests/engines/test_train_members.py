"""Many recipes in one call: batches of members, validation points, monitors, progress and interrupts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from surefoot.engines.serial import Serial
from surefoot.engines.train import train_members
from surefoot.errors import MemoryBoundError, RecipeError
from surefoot.records import Recipe
from surefoot.tasks.task import Task

N = 12
X = torch.randn(N, 4, generator=torch.Generator().manual_seed(1))
Y = torch.arange(N) % 3


@pytest.fixture
def task():
    return Task(lambda: nn.Linear(4, 3), train=(X, Y), val=(X[:5], Y[:5]), loss=nn.CrossEntropyLoss(), name="tiny")


def recipes(*lrs, **more):
    return [Recipe(lr=lr, batch_size=4, epochs=4, **more) for lr in lrs]


class Recorded:
    """Makes serial engines and remembers which recipes each was given."""

    def __init__(self):
        self.batches = []
        self.closed = 0

    def __call__(self, task, chosen):
        self.batches.append([recipe.lr for recipe in chosen])
        engine = Serial(task, chosen)
        close = engine.close

        def note():
            self.closed += 1
            close()

        engine.close = note
        return engine


class TestBatches:
    def test_members_that_differ_in_numbers_share_an_engine(self, task):
        made = Recorded()
        mixed = [
            *recipes(0.1, 0.2, options={"momentum": 0.9}),
            *recipes(0.3, options={"momentum": 0.5}, seed=3, data_seed=0),
            *recipes(0.4, schedule="cosine"),
            *recipes(0.5, options={"momentum": 0.9, "nesterov": True}),
            *recipes(0.6, optimizer="adam"),
            *recipes(0.7, schedule="cosine"),
            *recipes(0.8, data_seed=4),
        ]
        runs = train_members(task, mixed, make_engine=made)
        assert [run.recipe for run in runs] == mixed
        assert made.batches == [[0.1, 0.2, 0.3], [0.4, 0.7], [0.5], [0.6], [0.8]]
        assert made.closed == 5
        alone = [train_members(task, [recipe], make_engine=Serial)[0] for recipe in mixed]
        assert [run.loss.tolist() for run in runs] == [run.loss.tolist() for run in alone]

    def test_no_recipes_no_runs(self, task):
        assert train_members(task, []) == []

    def test_a_horizon_lays_out_the_schedule(self, task):
        run = train_members(task, recipes(0.1, schedule="linear"), horizon=5)[0]
        np.testing.assert_allclose(run.lr, 0.1 * np.array([1, 0.8, 0.6, 0.4, 0.2]), rtol=1e-12)
        assert run.fate == "finished"

    def test_a_recipe_without_a_rate_is_refused(self, task):
        with pytest.raises(RecipeError, match="`lr` of a recipe is None"):
            train_members(task, [Recipe(batch_size=4)])


class TestValidation:
    @pytest.mark.parametrize(
        ("points", "expected"),
        [(None, [0, 12]), ((), [12]), ((3, 6), [3, 6, 12]), ((6, 3, 3, 99, -1), [3, 6, 12]), ((12,), [12])],
    )
    def test_points(self, task, points, expected):
        run = train_members(task, recipes(0.1), validate_at=points)[0]
        assert run.val_step.tolist() == expected
        assert np.isfinite(run.val_loss).all()

    def test_the_end_is_validated_even_if_the_last_step_kills(self, task):
        """All members die in the step before a validation point: there is nobody left to validate."""
        dying = Recipe(lr=1e38, batch_size="full", epochs=50)
        for make_engine in (Serial, None):
            full = train_members(task, [dying], make_engine=make_engine)[0]
            assert full.fate == "diverged"
            again = train_members(task, [dying], horizon=full.steps, monitor=lambda _: {}, make_engine=make_engine)[0]
            assert (again.fate, again.steps) == ("diverged", full.steps)


class TestMonitor:
    def test_it_sees_places_among_all_recipes_and_ends_members(self, task):
        seen = []

        def monitor(validation):
            seen.append((validation.step, validation.members))
            assert validation.loss.shape == (len(validation.members),)
            assert validation.groups.shape == (len(validation.members), 5)
            if validation.step == 3:
                return {member: ("retired", "enough") for member in validation.members if member in (1, 2)}
            return {}

        mixed = [*recipes(0.1), *recipes(0.2, schedule="cosine"), *recipes(0.3), *recipes(0.4, schedule="cosine")]
        runs = train_members(task, mixed, validate_at=(0, 3, 6), monitor=monitor)
        assert seen == [
            *[(0, (0, 2)), (3, (0, 2)), (6, (0,)), (12, (0,))],
            *[(0, (1, 3)), (3, (1, 3)), (6, (3,)), (12, (3,))],
        ]
        assert [run.fate for run in runs] == ["finished", "retired", "retired", "finished"]
        assert [run.steps for run in runs] == [12, 3, 3, 12]

    def test_when_all_are_ended_nothing_more_is_done(self, task):
        runs = train_members(
            task,
            recipes(0.1, 0.2),
            validate_at=(2, 4),
            monitor=lambda validation: dict.fromkeys(validation.members, ("stopped", "enough")),
        )
        assert [(run.fate, run.steps, run.val_step.tolist()) for run in runs] == [("stopped", 2, [2])] * 2


class TestProgress:
    def test_ticks_add_up_to_the_member_steps(self, task):
        ticks = []
        train_members(task, recipes(0.1, 0.2, 0.3), tick=lambda made, alive: ticks.append((made, alive)))
        assert sum(made for made, _ in ticks) == 3 * 12
        assert {alive for _, alive in ticks} <= {0, 3}


class TestInterrupt:
    def interrupted(self, task, mixed, at):
        made = Recorded()
        count = 0

        def tick(steps, alive):
            nonlocal count
            count += 1
            if count == at:
                raise KeyboardInterrupt

        runs = train_members(task, mixed, validate_at=(0, 3, 6), tick=tick, make_engine=made)
        assert made.closed == len(made.batches)
        return runs

    def test_what_is_done_is_kept(self, task):
        mixed = [*recipes(0.1, 0.2), *recipes(0.3, schedule="cosine"), *recipes(0.4, optimizer="adam")]
        whole = train_members(task, mixed, validate_at=(0, 3, 6), make_engine=Serial)
        runs = self.interrupted(task, mixed, at=5)
        assert [run.fate for run in runs] == ["finished", "finished", "interrupted", "interrupted"]
        assert [run.steps for run in runs] == [12, 12, 6, 0]
        assert runs[:2] == [
            type(run)(**{**vars(run), "seconds": other.seconds}) for run, other in zip(whole[:2], runs[:2], strict=True)
        ]
        assert runs[2].loss.tolist() == whole[2].loss.tolist()[:6]
        assert runs[2].val_step.tolist() == [0, 3]
        assert "before this training began" in runs[3].reason

    def test_also_while_an_engine_is_built(self, task):
        def make_engine(task, chosen):
            if chosen[0].schedule == "cosine":
                raise KeyboardInterrupt
            return Serial(task, chosen)

        runs = train_members(task, [*recipes(0.1), *recipes(0.2, schedule="cosine")], make_engine=make_engine)
        assert [(run.fate, run.steps) for run in runs] == [("finished", 12), ("interrupted", 0)]

    def test_engines_are_closed_when_something_fails(self, task):
        made = Recorded()
        with pytest.raises(ZeroDivisionError):
            train_members(task, recipes(0.1), monitor=lambda validation: 1 / 0, make_engine=made)
        assert made.closed == 1


class TestMemory:
    def test_members_that_do_not_fit_together_train_in_halves_and_end_alike(self, task):
        sizes = []

        def bounded(some_task, chosen):
            sizes.append(len(chosen))
            if len(chosen) > 2:
                raise MemoryBoundError("too many at once")
            return Serial(some_task, chosen)

        mixed = recipes(0.1, 0.2, 0.3, 0.4, 0.5)
        together = train_members(task, mixed, make_engine=Serial)
        runs = train_members(task, mixed, make_engine=bounded)
        assert sizes == [5, 2, 3, 1, 2]
        assert [run.loss.tolist() for run in runs] == [run.loss.tolist() for run in together]

    def test_memory_that_runs_out_on_the_way_counts_too(self, task):
        class Short(Serial):
            def advance(self, steps):
                if len(self.recipes) > 1:
                    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
                super().advance(steps)

        runs = train_members(task, recipes(0.1, 0.2), make_engine=Short)
        assert [run.fate for run in runs] == ["finished", "finished"]

    def test_one_member_that_does_not_fit_is_refused(self, task):
        def never(some_task, chosen):
            raise MemoryError

        with pytest.raises(MemoryBoundError, match="one member alone needs more memory"):
            train_members(task, recipes(0.1, 0.2), make_engine=never)

    def test_other_faults_are_not_taken_for_it(self, task):
        def broken(some_task, chosen):
            raise RuntimeError("shapes cannot be multiplied")

        with pytest.raises(RuntimeError, match="shapes"):
            train_members(task, recipes(0.1, 0.2), make_engine=broken)


def test_nothing_is_validated_where_the_last_member_has_just_died(task):
    """A death at the very update of a validation: every update is one here."""
    seen = []

    def monitor(validation):
        seen.append((validation.step, validation.members))
        return {}

    runs = train_members(
        task, recipes(3e38, 2e38), horizon=12, validate_at=range(13), monitor=monitor, make_engine=Recorded()
    )
    assert [run.fate for run in runs] == ["diverged", "diverged"]
    assert seen
    assert all(members for _, members in seen)
