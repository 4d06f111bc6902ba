"""Axes become recipes, recipes become units that fuse and have stable keys."""

from __future__ import annotations

import json
import math

import pytest
from small_study import small_plan, small_task

import surefoot as sf
from surefoot.errors import InputError
from surefoot.records import Recipe
from surefoot.records.study import Study, StudyPlan
from surefoot.study.axes import read_axis
from surefoot.study.planning import halves
from surefoot.study.sources import TaskSource
from surefoot.study.sweep import make_plan, run_plan


def test_axes_are_read_from_text_and_values():
    assert read_axis("lr", "1e-4..1:5").values == (0.0001, 0.001, 0.01, 0.1, 1.0)
    assert read_axis("batch_size", "16..256:5").values == (16, 32, 64, 128, 256)
    assert read_axis("batch_size", "16,full").values == (16, "full")
    assert read_axis("optimizer", "sgd, adamw,sgd").values == ("sgd", "adamw")
    assert read_axis("weight_decay", [0, 0.1]).values == (0.0, 0.1)
    assert read_axis("lr", 0.3).values == (0.3,)
    only = read_axis("lr", "1e-4..1")
    assert (only.low, only.high, only.values) == (1e-4, 1.0, ())


@pytest.mark.parametrize(
    ("name", "given"),
    [("lr", "1..0.1:3"), ("lr", "0..1:3"), ("lr", "nan"), ("lr", "-1"), ("batch_size", "1.5"), ("epochs", "0"),
     ("lr", ","), ("lr", "1e-3..1:1"), ("width", "0"), ("weight_decay", "-0.1")],
)  # fmt: skip
def test_what_no_axis_can_hold_is_refused_by_name(name, given):
    with pytest.raises(InputError, match=f"`{name}`"):
        read_axis(name, given)


def test_a_grid_is_every_combination_once_and_optimizers_take_only_their_options():
    plan = small_plan(lr="0.1,0.2", weight_decay="0,0.1", momentum="0,0.9", seeds=2)
    # SGD: 2 x 2 x 2; AdamW has no momentum: 2 x 2. Schedules 2, batch sizes 2, seeds 2.
    assert len(plan.recipes) == (8 + 4) * 8
    assert len({one.dumps() for one in plan.recipes}) == len(plan.recipes)
    assert {tuple(sorted(one.options)) for one in plan.recipes} == {("momentum", "weight_decay"), ("weight_decay",)}
    assert sorted(place for unit in plan.units for place in unit.members) == list(range(len(plan.recipes)))


def test_members_fuse_whatever_their_recipe_if_they_make_as_many_updates():
    plan = small_plan(lr="1e-2..1:3", weight_decay="0,0.1", schedule="constant,cosine", seeds=1, form="stacked:24")
    assert [len(unit.members) for unit in plan.units] == [24, 24]
    for unit in plan.units:
        own = [plan.recipes[place] for place in unit.members]
        assert len({one.batch_size for one in own}) == 1
        assert {(one.optimizer, one.schedule) for one in own} == {
            (optimizer, schedule) for optimizer in ("sgd", "adamw") for schedule in ("constant", "cosine")
        }


def test_parts_of_a_batch_keep_families_together_and_deal_out_large_ones():
    alike = small_plan(lr="1e-2..1:8", schedule="constant", batch_size="16", seeds=2, form="stacked:8")
    assert [len(unit.members) for unit in alike.units] == [8, 8, 8, 8]
    for unit in alike.units:
        own = [alike.recipes[place] for place in unit.members]
        assert len({(one.optimizer, one.seed) for one in own}) == 1
    large = small_plan(
        lr="1e-2..1:32", optimizer="sgd", schedule="constant", batch_size="16", seeds=1, form="stacked:8"
    )
    assert [len(unit.members) for unit in large.units] == [8, 8, 8, 8]
    for number, unit in enumerate(large.units):
        assert [large.recipes[place].lr for place in unit.members] == [one.lr for one in large.recipes[number::4]]


def test_a_race_looks_at_its_members_in_the_first_round_only():
    plan = small_plan(prune="race", seeds=4, epochs=16)
    seeds = {(unit.round, plan.recipes[place].seed) for unit in plan.units for place in unit.members}
    assert seeds == {(0, 0), (1, 1), (2, 2), (2, 3)}
    assert all(bool(unit.validate_at) == (unit.round == 0) for unit in plan.units)


def test_members_of_one_order_fuse_under_all_seeds():
    together = small_plan(
        lr="1e-2..1:3", optimizer="sgd", schedule="constant", batch_size="16", seeds=3, same_order=True
    )
    assert [len(unit.members) for unit in together.units] == [9]


def test_keys_are_stable_and_follow_what_is_computed():
    plan, again = small_plan(), small_plan()
    assert plan.key == again.key
    assert plan.units == again.units
    assert len({unit.key for unit in plan.units}) == len(plan.units)
    for other in (small_plan(epochs=5), small_plan(form="stacked:8"), small_plan(prune="race"), small_plan(seeds=1)):
        assert other.key != plan.key
    assert StudyPlan.from_json(json.loads(plan.dumps())) == plan
    unit = plan.units[0]
    parts = halves(unit, [plan.recipes[place] for place in unit.members], plan)
    assert sorted(place for part in parts for place in part.members) == sorted(unit.members)
    assert len({unit.key, *(part.key for part in parts)}) == 3


def test_random_settings_lie_in_their_ranges_and_follow_the_seed():
    plan = small_plan(lr="1e-3..1", weight_decay="1e-5..1e-1", draws=40, seeds=1)
    rates = [one.lr for one in plan.recipes]
    assert len(set(rates)) == 40
    assert all(1e-3 <= lr <= 1 for lr in rates)
    # Uniform in the logarithm: the mean of log10 lies within 4 standard errors of the middle of the range.
    mean = sum(math.log10(lr) for lr in rates) / 40
    assert abs(mean + 1.5) < 4 * 3 / math.sqrt(12 * 40)
    assert small_plan(lr="1e-3..1", weight_decay="1e-5..1e-1", draws=40, seeds=1).recipes == plan.recipes
    other = small_plan(lr="1e-3..1", weight_decay="1e-5..1e-1", draws=40, seeds=1, seed=1)
    assert [one.lr for one in other.recipes] != rates


def test_what_cannot_be_planned_is_refused():
    with pytest.raises(InputError, match="range without a count"):
        small_plan(lr="1e-3..1")
    with pytest.raises(InputError, match="follows the validation loss"):
        small_plan(schedule="plateau")
    with pytest.raises(InputError, match="has the option `nonsense`"):
        small_plan(options={"nonsense": 1})
    with pytest.raises(InputError, match="`width` cannot be varied"):
        small_plan(width="8,16")
    with pytest.raises(InputError, match="`form`"):
        small_plan(form="magic")
    with pytest.raises(InputError, match="batch_size"):
        small_plan(batch_size="1000")


def test_measured_engines_are_written_into_the_plan():
    plan = small_plan(form=None, optimizer="sgd", schedule="constant", batch_size="16")
    assert {unit.form for unit in plan.units} <= {"stacked", "vmapped", "serial"}
    assert plan.seconds > 0
    assert plan.member_steps == sum(unit.horizon * len(unit.members) for unit in plan.units)


def test_width_and_depth_of_built_in_tasks_and_of_functions():
    source = TaskSource("iris")
    plan = make_plan(source, lr="0.1", width="4,8", depth="1,2", batch_size=16, epochs=1, optimizer="sgd",
                     schedule="constant", seeds=1, form="stacked:4")  # fmt: skip
    assert [dict(sorted(shape.items())) for shape in plan.shapes] == [
        {"depth": d, "width": w} for w in (4, 8) for d in (1, 2)
    ]
    sizes = [sum(p.numel() for p in source.task(shape).make_model(0).parameters()) for shape in plan.shapes]
    assert sizes == [35, 4 * 4 + 4 + 20 + 15, 67, 40 + 72 + 27]
    study = run_plan(source, plan, workers=1)
    assert {one.fate for one in study.members} == {"finished"}
    assert {one.axis for one in study.responses} == {"width", "depth"}

    def make(width=4):
        task = small_task()
        from torch import nn

        task.model = lambda: nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 2))
        return task

    found = sf.sweep(make, lr="0.1,0.3", width=[2, 4], epochs=1, batch_size=16, form="stacked:4")
    assert sorted(one.shape["width"] for one in found.members) == [2, 2, 4, 4]


def test_a_study_record_travels_as_json():
    study = sf.sweep(small_task(), lr="0.01..10:4", batch_size=[16, 32], seeds=2, epochs=2, form="stacked:4", workers=1)
    assert Study.from_json(json.loads(study.dumps())) == study
    facts = study.to_json()
    assert {"study", "members", "best", "cost", "importance"} <= set(facts)
    assert {"recipe", "final_loss", "spread", "fate"} <= set(facts["members"][0])
    assert facts["cost"]["member_steps"] == sum(one.steps for one in study.members)
    assert isinstance(study.members[0].recipe, Recipe)
