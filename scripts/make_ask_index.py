"""Split the phrasings of the claims into terms, for `surefoot ask` to read: src/surefoot/textbook/ask/split.json.

python scripts/make_ask_index.py
"""

from __future__ import annotations

from pathlib import Path

from surefoot.textbook.ask.index import Split, elsewhere, phrasings

SPLIT = Path(__file__).resolve().parent.parent / "src" / "surefoot" / "textbook" / "ask" / "split.json"


def main() -> None:
    """Write the file and say what is in it."""
    split = Split.of(phrasings(), elsewhere())
    SPLIT.write_text(split.dumps(), encoding="utf-8")
    print(f"{len(split.phrasings)} phrasings, {len(split.elsewhere)} questions elsewhere")


if __name__ == "__main__":
    main()
