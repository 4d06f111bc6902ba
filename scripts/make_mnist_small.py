"""Write the excerpt of MNIST that ships in the package, from a folder with the four IDX files.

Usage: python scripts/make_mnist_small.py FOLDER

The same files give the same bytes: no time is written into the gzip headers.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from surefoot.tasks.data import idx
from surefoot.tasks.data.mnist import FILES

TARGET = Path(__file__).parents[1] / "src" / "surefoot" / "tasks" / "data" / "files" / "mnist_small"
FIRST = {"train": 10_000, "t10k": 2_000}


def main(folder: Path) -> None:
    """Cut the first images and labels out of each file."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        source = next(path for path in (folder / name, folder / f"{name}.gz") if path.is_file())
        excerpt = idx.read(source)[: FIRST[name.split("-")[0]]]
        packed = gzip.compress(idx.pack(excerpt), compresslevel=9, mtime=0)
        (TARGET / f"{name}.gz").write_bytes(packed)
        print(f"{name}.gz: {excerpt.shape}, {len(packed):,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
