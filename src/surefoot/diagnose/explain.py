"""Explain: a check in words, for the terminal and for the pages of the documentation."""

from __future__ import annotations

from surefoot.diagnose.check import Check
from surefoot.diagnose.evidence import WANTED
from surefoot.diagnose.fitted import constants
from surefoot.diagnose.verdict import FINDINGS_OF

__all__ = ["explained", "page_of"]


def explained(check: Check) -> list[tuple[str, str]]:
    """Title and text of each part of what there is to say of a check."""
    sections = check.sections
    parts = [(check.id, sections["what"])]
    parts += [(name.capitalize(), sections[name]) for name in ("why", "remedy", "source") if name in sections]
    parts.append(("Evidence", "; ".join(f"{name}: {WANTED[name]}" for name in check.needs) + "."))
    if check.after:
        parts.append(("Asked only if these do not hold", ", ".join(check.after)))
    speaks = [verdict for verdict, names in FINDINGS_OF.items() if check.id in names]
    if speaks:
        parts.append(("Speaks for the verdicts", ", ".join(speaks)))
    fitted = constants()["thresholds"].get(check.id)
    if fitted is not None:
        parts.append(("Threshold", _fitted(fitted)))
    return parts


def _fitted(one: dict[str, float]) -> str:
    return (
        f"{one['value']:g}, fitted: of the calibration runs beyond it, {one['precision']:.0%} have a cause that this "
        f"speaks for; of the runs with such a cause, {one['recall']:.0%} are beyond it."
    )


def page_of(check: Check) -> str:
    """The page of a check, in Markdown."""
    (name, what), *rest = explained(check)
    lines = [f"# {name}", "", what, ""]
    for title, text in rest:
        lines += [f"**{title}.** {text}", ""]
    return "\n".join([*lines, "All findings: [diagnose](../diagnose.md#findings)", ""])
