"""A study in sentences and tables."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table as TerminalTable

from surefoot.records.study import Response, Setting, Share, Study, StudyMember
from surefoot.report.charts import Table
from surefoot.report.numbers import brief, count, duration, figures_that_tell, rate

__all__ = [
    "axis_name", "best_sentence", "cost_sentence", "importance_table", "member_table", "response_sentence",
    "response_table", "share_name", "study_tables",
]  # fmt: skip

_SHOWN = 60
"""Rows of a table of members on a page."""


def axis_name(axis: str) -> str:
    """`batch size` for `batch_size`, `rate` for `lr`."""
    return "rate" if axis == "lr" else axis.replace("_", " ")


def setting_words(setting: Setting | StudyMember, study: Study, figures: int) -> str:
    """The values of the varied axes, in words, the rate with so many significant figures."""
    recipe = setting.recipe
    known: dict[str, Any] = {
        "optimizer": recipe.optimizer, "schedule": recipe.schedule, "batch_size": recipe.batch_size,
        "epochs": f"{recipe.epochs:g}", **setting.shape,
        **{name: f"{value:g}" for name, value in recipe.options.items() if _plain(value)},
    }  # fmt: skip
    parts = [f"rate {brief(recipe.lr, figures)}"]
    for name in study.axes:
        if name in known:
            value = known[name]
            parts.append(str(value) if name in ("optimizer", "schedule") else f"{axis_name(name)} {value}")
    return ", ".join(parts)


def _figures(study: Study) -> int:
    """Significant figures that tell the rates of the study apart."""
    return figures_that_tell(one.recipe.lr for one in study.members)


def best_sentence(study: Study) -> str:
    """Which setting ended best, and how sure that is."""
    best = study.best
    if best is None:
        waiting = study.counts.get("waiting", 0)
        why = f"; {count(waiting, 'member')} still wait" if waiting else ""
        return f"No member of the sweep of {study.task} finished{why}."
    setting = setting_words(best, study, _figures(study))
    said = f"The lowest validation loss of {study.task} was {brief(best.final_loss, 3)}, at {setting}"
    if best.spread is not None:
        said += f" (mean over {count(best.seeds, 'seed')}, which spread by {brief(best.spread, 2)})"
    if best.tied:
        said += f"; {count(best.tied, 'other setting')} cannot be told from it"
    elif best.seeds == 1:
        said += "; from one seed it is not known how sure that is"
    return said + "."


def cost_sentence(study: Study) -> str:
    """What it cost, and how the members fared."""
    made, planned = study.cost["member_steps"], study.cost.get("planned_member_steps", 0.0)
    fates = ", ".join(f"{number} {fate}" for fate, number in sorted(study.counts.items()))
    share = f" of {planned:,.0f}" if planned and made < planned else ""
    return (
        f"{count(len(study.members), 'member')} ({fates}); {made:,.0f}{share} member-steps in "
        f"{duration(study.cost['seconds'])} of training."
    )


def response_sentence(response: Response) -> str:
    """How the best rate moves along an axis."""
    where = f" ({response.label})" if response.label else ""
    name = axis_name(response.axis)
    if response.exponent is None:
        return f"Best rate against {name}{where}: {response.reason}."
    low, high = response.exponent_low or 0.0, response.exponent_high or 0.0
    said = f"The best rate goes as {name} to the power {response.exponent:.2f} ({low:.2f} to {high:.2f}){where}"
    rules = {"linear": 1.0, "square-root": 0.5, "no change": 0.0} if response.axis == "batch_size" else {}
    fits = [rule for rule, power in rules.items() if low <= power <= high]
    if rules:
        said += f"; {' and '.join(fits)} fit" if len(fits) > 1 else f"; {fits[0]} fits" if fits else "; no rule fits"
    return said + "."


def share_name(share: Share) -> str:
    """`rate`, or `rate × optimizer` for an interaction."""
    return " × ".join(axis_name(axis) for axis in share.axes)


def importance_table(study: Study) -> Table:
    """Shares of the variance with their intervals."""
    rows = tuple((share_name(one), f"{one.share:.0%}", f"{one.low:.0%} to {one.high:.0%}") for one in study.importance)
    return Table("Share of the variance of the final loss; 95 % intervals", ("axis", "share", "interval"), rows)


def response_table(response: Response) -> Table:
    """Best rate at every value of an axis."""
    rows = tuple(
        (
            str(point.value), rate(point.lr), "–" if point.low is None else f"{rate(point.low)} to {rate(point.high)}",
            brief(point.loss, 3), "at the edge of the tried rates" if point.edge else "",
        )
        for point in response.points
    )  # fmt: skip
    caption = f"Best rate against {axis_name(response.axis)}" + (f", {response.label}" if response.label else "")
    return Table(caption, (axis_name(response.axis), "best rate", "not told from it", "loss", ""), rows)


def member_table(study: Study, rows: int = _SHOWN) -> Table:
    """The members with the lowest losses."""

    def order(member: StudyMember) -> tuple[bool, float]:
        loss = member.final_loss
        return (member.fate != "finished", math.inf if loss is None or math.isnan(loss) else loss)

    best, figures = sorted(study.members, key=order), _figures(study)
    found = tuple(
        (
            setting_words(one, study, figures), str(one.recipe.seed), brief(one.final_loss, 4), brief(one.spread, 2),
            f"{one.steps} of {one.horizon}", one.fate,
        )
        for one in best[:rows]
    )  # fmt: skip
    more = f" (the best {rows} of {len(best)})" if len(best) > rows else ""
    columns = ("setting", "seed", "validation loss", "standard error", "steps", "fate")
    return Table(f"Members by validation loss{more}", columns, found)


def study_tables(study: Study, rows: int = 10) -> list[TerminalTable]:
    """The tables that a terminal shows: the best members, best rates, importance."""
    shown = [member_table(study, rows), *(response_table(one) for one in study.responses[:6])]
    if study.importance:
        shown.append(importance_table(study))
    return [_for_terminal(one) for one in shown]


def _for_terminal(table: Table) -> TerminalTable:
    made = TerminalTable(box=None, pad_edge=False, header_style="bold", title=table.caption, title_justify="left")
    for place, name in enumerate(table.columns):
        made.add_column(name, justify="left" if place == 0 else "right")
    for row in table.rows:
        made.add_row(*row)
    return made


def _plain(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
