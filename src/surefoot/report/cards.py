"""Cards: how a record shows itself in a notebook: the answer, a picture and a table, in a few kilobytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from surefoot.records import Found, Run, Sweep
from surefoot.report.escaping import Markup, tag
from surefoot.report.figures import Picture, found_figure, run_figure, sweep_figure
from surefoot.report.numbers import brief, count, rate
from surefoot.report.words import headline, recipe_phrase, recommendation, run_sentence

__all__ = ["card", "card_table", "found_card", "run_card", "sweep_card"]


def found_card(found: Found) -> str:
    """The recommendation in sentences, the response curve and the members' table."""
    rows = [
        (rate(one.lr), brief(one.loss), f"{one.steps} of {one.horizon}", one.fate, str(one.seed))
        for one in sorted(found.curve, key=lambda one: (-one.horizon, one.loss))
    ]
    return card(
        headline(found),
        [*recommendation(found), recipe_phrase(found.recipe)],
        found_figure(found),
        card_table(("rate", "validation loss", "steps", "fate", "seed"), rows),
    )


def run_card(run: Run) -> str:
    """What the training reached, and its curves."""
    phrase = [] if run.recipe is None else [recipe_phrase(run.recipe)]
    rows = [(str(step), brief(loss)) for step, loss in zip(run.val_step, run.val_loss.tolist(), strict=True)]
    name = "Training" if run.recipe is None or run.recipe.lr is None else f"Training at rate {rate(run.recipe.lr)}"
    return card(name, [run_sentence(run), *phrase], run_figure(run), card_table((run.unit, "validation loss"), rows))


def sweep_card(sweep: Sweep) -> str:
    """Every run of a sweep."""
    rows = [
        ("–" if run.recipe is None else rate(run.recipe.lr), str(run.steps), brief(run.final_val_loss), run.fate)
        for run in sweep.runs
    ]
    said = [f"{count(len(sweep.runs), 'run')}, {sweep.cost:,} steps in all."]
    table = card_table(("rate", "steps", "validation loss", "fate"), rows)
    return card(f"Sweep of {sweep.task}", said, sweep_figure(sweep), table)


def card(title: str, sentences: list[str], picture: Picture, table: Markup) -> str:
    """A title, sentences, a picture and, folded, a table, as one piece of HTML."""
    stream = io.BytesIO()
    picture.savefig(stream, format="png", dpi=90)
    source = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
    image = Markup(f'<img src="{source}" alt="{tag("i", " ".join(sentences))[3:-4]}" style="max-width:100%">')
    numbers = tag("details", tag("summary", "Table"), table)
    said = [tag("p", sentence, style="margin:.2em 0") for sentence in sentences]
    return tag("div", tag("strong", title), *said, image, numbers, style="max-width:60em")


def card_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Markup:
    """A plain table of text."""
    head = tag("tr", *(tag("th", name, scope="col") for name in columns))
    return tag("table", tag("thead", head), tag("tbody", *(tag("tr", *(tag("td", c) for c in row)) for row in rows)))
