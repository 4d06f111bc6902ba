"""MNIST: handwritten digits of 28 x 28 pixels, whole from a folder, the cache or a mirror; an excerpt ships inside."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surefoot.errors import DataError
from surefoot.tasks.data import idx
from surefoot.tasks.data.download import Progress, cache_folder, fetch, keep, proved
from surefoot.tasks.data.split import Split

__all__ = ["mnist", "mnist_small"]

MIRRORS: tuple[str, ...] = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
FILES = {  # name: (bytes unzipped, SHA-256 of the unzipped file); the order is images, labels, then the same to test
    "train-images-idx3-ubyte": (47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
PIXEL_MEAN = 0.1307  # of all pixels of the training images, on a scale from 0 to 1
PIXEL_DEVIATION = 0.3081  # of the same
SOURCE = "LeCun, Cortes and Burges 1998, The MNIST database of handwritten digits"
LICENCE = "CC BY-SA 3.0"


def mnist(directory: str | Path | None = None, *, flat: bool = False, progress: Progress | None = None) -> Split:
    """The whole of MNIST: 60,000 images to train on, and the 10,000 published test images as the validation part.

    It is looked for in `directory` (or the folder that the environment variable SUREFOOT_DATA names), as the four IDX
    files, plain or gzipped, there or in its subfolder MNIST/raw; where neither is given, in the user's cache; and
    else downloaded from a public mirror (11 MB), proved by checksum and kept in the cache. Files in a folder of the
    user's own are read as they are, so that another set of the same form can take MNIST's place.

    A rate that was chosen on this validation part has seen the published test images: report test results from others.

    Args:
        directory: folder with the four files.
        flat: inputs of shape (n, 784) instead of (n, 1, 28, 28).
        progress: called during a download as progress(file name, bytes done, bytes in all or None).

    Raises:
        DataError: if a file is missing, damaged, or does not fit the others, or no mirror can be reached.

    Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998).
    Licence: CC BY-SA 3.0.
    """
    chosen = directory if directory is not None else os.environ.get("SUREFOOT_DATA") or None
    if chosen is not None:
        said = "directory" if directory is not None else "SUREFOOT_DATA"
        arrays = [idx.read(path) for path in _in_folder(Path(chosen), said)]
    else:
        arrays = [idx.unpack(_cached(name, progress), name) for name in FILES]
    return _split(arrays, flat=flat, source=SOURCE)


def mnist_small(*, flat: bool = False) -> Split:
    """An excerpt of MNIST that needs no download: its first 10,000 training and first 2,000 test images.

    The validation part is the excerpt of the test images.

    Args:
        flat: inputs of shape (n, 784) instead of (n, 1, 28, 28).

    Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits" (1998).
    Licence: CC BY-SA 3.0.
    """
    folder = resources.files("surefoot.tasks.data").joinpath("files/mnist_small")
    names = [f"{name}.gz" for name in FILES]
    arrays = [idx.unpack(idx.unzip(folder.joinpath(name).read_bytes(), name), name) for name in names]
    return _split(arrays, flat=flat, source=f"{SOURCE}; the first 10,000 training and 2,000 test images")


def _in_folder(folder: Path, said: str) -> list[Path]:
    found = []
    for name in FILES:
        dotted = name.replace("-idx", ".idx")
        places = [
            place / f"{spelling}{ending}"
            for place in (folder, folder / "MNIST" / "raw")
            for spelling in (name, dotted)
            for ending in (".gz", "")
        ]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise DataError(
                f"`{said}` is {str(folder)!r}, which holds no {name} (plain or .gz); give the folder of the four MNIST "
                "files with --data DIR or SUREFOOT_DATA, or take `mnist-small`, which needs no files"
            )
        found.append(path)
    return found


def _cached(name: str, progress: Progress | None) -> bytes:
    size, checksum = FILES[name]
    kept = cache_folder() / "mnist" / f"{name}.gz"
    try:
        return proved(kept.read_bytes(), checksum, size, str(kept))
    except (OSError, DataError):  # not there yet, or damaged: fetched anew and written over
        pass
    try:
        sent, plain = fetch(f"{name}.gz", MIRRORS, checksum=checksum, size=size, progress=progress)
    except DataError as error:
        raise DataError(
            f"MNIST could not be downloaded ({error}); give a folder that holds it with --data DIR or SUREFOOT_DATA, "
            "or take `mnist-small`, which needs no download"
        ) from None
    keep(sent, kept)
    return plain


def _split(arrays: list[NDArray[Any]], *, flat: bool, source: str) -> Split:
    images, labels, held_images, held_labels = arrays
    x, y = _tensors(images, labels, "training", flat=flat)
    xv, yv = _tensors(held_images, held_labels, "test", flat=flat)
    return Split(x, y, xv, yv, "classes", 10, source, LICENCE)


def _tensors(images: NDArray[Any], labels: NDArray[Any], part: str, *, flat: bool) -> tuple[Tensor, Tensor]:
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
        raise DataError(
            f"the {part} images have shape {images.shape} of {images.dtype}; MNIST has (images, 28, 28) of uint8"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DataError(
            f"the {part} labels have shape {labels.shape} of {labels.dtype}; the {len(images)} images need "
            f"({len(images)},) of uint8"
        )
    if labels.size and labels.max() > 9:
        place = int(labels.argmax())
        raise DataError(f"the {part} labels hold {labels[place]} at position {place}; allowed is 0 to 9")
    x = torch.from_numpy(images).float().div_(255).sub_(PIXEL_MEAN).div_(PIXEL_DEVIATION)
    return x.reshape(len(images), 784) if flat else x.unsqueeze(1), torch.from_numpy(labels).long()
