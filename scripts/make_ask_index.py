"""Learn from the phrasings of the claims what `surefoot ask` ranks by: src/surefoot/textbook/ask/ranking.npz.

python scripts/make_ask_index.py
"""

from __future__ import annotations

from pathlib import Path

from surefoot.textbook.ask.phrasings import elsewhere, phrasings
from surefoot.textbook.ask.ranking import Ranking

RANKING = Path(__file__).resolve().parent.parent / "src" / "surefoot" / "textbook" / "ask" / "ranking.npz"


def main() -> None:
    """Write the file and say what is in it."""
    pages, others = phrasings(), elsewhere()
    RANKING.write_bytes(Ranking.of(pages, others).dumps())
    print(
        f"{sum(map(len, pages.values()))} phrasings, {len(others)} questions elsewhere, {RANKING.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
