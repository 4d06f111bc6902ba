"""`surefoot explain [FINDING]`: what a check looks for, why, and what to do about it."""

from __future__ import annotations

import difflib
from typing import get_args

import click
from rich.text import Text

from surefoot.cli.console import result_console
from surefoot.errors import InputError
from surefoot.records.diagnosis import Verdict

__all__ = ["explain"]


@click.command()
@click.argument("finding", required=False)
def explain(finding: str | None) -> None:
    """Tell what a finding or a verdict of `surefoot diagnose` means; without FINDING, list all findings."""
    from surefoot.diagnose import checks as registered  # noqa: F401 - registers the checks
    from surefoot.diagnose.check import CHECKS
    from surefoot.diagnose.explain import explained

    console = result_console()
    if finding is None:
        width = max(map(len, CHECKS)) + 2
        for name, one in CHECKS.items():
            console.print(Text.assemble((name.ljust(width), "bold"), one.sections["what"].split(".")[0] + "."))
        return
    name = "-".join(finding.lower().replace("_", "-").split())
    if name not in CHECKS and name.replace("-", "_") in get_args(Verdict):
        _explain_verdict(name.replace("-", "_"))
        return
    if name not in CHECKS:
        verdicts = [one.replace("_", "-") for one in get_args(Verdict)]
        near = difflib.get_close_matches(name, dict.fromkeys([*CHECKS, *verdicts]), n=3, cutoff=0.4)
        offer = f"did you mean {' or '.join(near)}?" if near else "`surefoot explain` lists them"
        raise InputError(f"no finding {finding!r}; {offer}")
    for title, text in explained(CHECKS[name]):
        console.print(Text(title, "bold"))
        console.print(Text(text), soft_wrap=False)
        console.print()


def _explain_verdict(verdict: str) -> None:
    """Print what is said with a verdict, and the findings that speak for it."""
    from surefoot.diagnose.verdict import FINDINGS_OF, SAID

    console = result_console()
    said, remedy = SAID[verdict]
    console.print(Text(f"{verdict}, a verdict", "bold"))
    console.print(Text(f"{said}."))
    console.print()
    console.print(Text("Remedy", "bold"))
    console.print(Text(f"{remedy}."))
    console.print()
    findings = FINDINGS_OF.get(verdict, ())
    console.print(Text("Findings that speak for it", "bold"))
    console.print(Text(f"{', '.join(findings)}." if findings else "None: no cause is sure enough."))
