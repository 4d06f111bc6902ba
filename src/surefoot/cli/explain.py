"""`surefoot explain [FINDING]`: what a check looks for, why, and what to do about it."""

from __future__ import annotations

import difflib

import click
from rich.text import Text

from surefoot.cli.console import result_console
from surefoot.errors import InputError

__all__ = ["explain"]


@click.command()
@click.argument("finding", required=False)
def explain(finding: str | None) -> None:
    """Tell what a finding of `surefoot diagnose` means; without FINDING, list all of them."""
    from surefoot.diagnose import checks as registered  # noqa: F401 - registers the checks
    from surefoot.diagnose.check import CHECKS
    from surefoot.diagnose.explain import explained

    console = result_console()
    if finding is None:
        width = max(map(len, CHECKS)) + 2
        for name, one in CHECKS.items():
            console.print(Text.assemble((name.ljust(width), "bold"), one.sections["what"].split(".")[0] + "."))
        return
    name = finding.strip().lower().replace("_", "-")
    if name not in CHECKS:
        near = difflib.get_close_matches(name, CHECKS, n=3, cutoff=0.4)
        offer = f"did you mean {' or '.join(near)}?" if near else "`surefoot explain` lists them"
        raise InputError(f"no finding {finding!r}; {offer}")
    for title, text in explained(CHECKS[name]):
        console.print(Text(title, "bold"))
        console.print(Text(text), soft_wrap=False)
        console.print()
