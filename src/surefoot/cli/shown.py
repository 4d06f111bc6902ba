"""What a verb prints of a result: the recommendation, the curve, the training."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from surefoot.records import Found
from surefoot.report.numbers import rate
from surefoot.report.terminal import response_lines
from surefoot.report.words import headline, recommendation

__all__ = ["show_found"]


def show_found(found: Found, console: Console, *, train: str | None = None) -> None:
    """Print the recommendation, the response curve and the rules of a range test; `train` is the command to go on."""
    width = min(console.width, 100)
    plain = not (console.encoding or "").lower().startswith("utf")
    console.print()
    console.print(headline(found), style="bold green" if found.lr is not None else "bold yellow", markup=False)
    console.print(" ".join(recommendation(found)), markup=False, width=width)
    if found.lr is not None:
        console.print(f"Why: {found.reason}", style="dim", markup=False, width=width)
    console.print()
    *curve, legend = response_lines(found, width=width, plain=plain) or [Text()]
    for line in curve:
        console.print(line, no_wrap=True, overflow="crop")
    if curve:
        console.print(legend, width=width)
    if found.rules:
        console.print("\nWhat published rules suggest from the same range test:")
        for name, suggested in found.rules.items():
            console.print(f"  {name:<12} {rate(suggested)}", markup=False)
    for note in found.notes:
        console.print(f"Note: {note}", style="dim", markup=False, width=width)
    if found.lr is not None and train is not None:
        console.print(f"\nTrain with it: {train}", style="dim", markup=False, soft_wrap=True)
    console.print()
