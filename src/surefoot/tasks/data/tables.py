"""Small classic tables that come with scikit-learn: no download, a few hundred rows each."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from sklearn import datasets

from surefoot.tasks.data.split import Split, divide, standardise

__all__ = ["breast_cancer", "diabetes", "digits", "iris", "wine"]

UCI = "CC BY 4.0 (UCI Machine Learning Repository)"


def digits(*, flat: bool = True) -> Split:
    """Handwritten digits of 8 x 8 pixels: 1,797 images, 10 classes; 1,438 to train on and 359 held back.

    One mean and one deviation for all pixels. Inputs have shape (n, 64), or (n, 1, 8, 8) with `flat=False`.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits" (1998), the test part of it, as
    shipped with scikit-learn. Licence: CC BY 4.0.
    """
    table = datasets.load_digits()
    split = _classes(
        table.data,
        table.target,
        source="Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, by way of scikit-learn",
        by_column=False,
    )
    if flat:
        return split
    return Split(
        split.x.reshape(-1, 1, 8, 8),
        split.y,
        split.xv.reshape(-1, 1, 8, 8),
        split.yv,
        split.kind,
        split.classes,
        split.source,
        split.licence,
    )


def breast_cancer() -> Split:
    """Wisconsin diagnostic breast cancer: 569 tumours, 30 measurements, 2 classes (0 malignant, 1 benign).

    Source: W. Wolberg, O. Mangasarian, N. Street and W. Street (1993), as shipped with scikit-learn.
    Licence: CC BY 4.0.
    """
    table = datasets.load_breast_cancer()
    return _classes(
        table.data,
        table.target,
        source="Wolberg, Mangasarian, Street and Street 1993, Breast Cancer Wisconsin, by way of scikit-learn",
    )


def iris() -> Split:
    """Iris flowers: 150 flowers, 4 lengths in centimetres, 3 species.

    Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems" (1936), as shipped with
    scikit-learn. Licence: CC BY 4.0.
    """
    table = datasets.load_iris()
    return _classes(table.data, table.target, source="Fisher 1936, Iris, by way of scikit-learn")


def wine() -> Split:
    """Wines of three growers: 178 wines, 13 chemical measurements, 3 classes.

    Source: S. Aeberhard and M. Forina, "Wine" (1991), as shipped with scikit-learn. Licence: CC BY 4.0.
    """
    table = datasets.load_wine()
    return _classes(table.data, table.target, source="Aeberhard and Forina 1991, Wine, by way of scikit-learn")


def diabetes() -> Split:
    """Progress of diabetes after one year: 442 patients, 10 measurements, 1 target (regression).

    The target is standardised too, so that a mean squared error of 1 is that of always guessing the mean.

    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least angle regression" (2004), as shipped with
    scikit-learn. Licence: published with the paper without terms; scikit-learn ships it under BSD-3-Clause.
    """
    table = datasets.load_diabetes(scaled=False)
    train, held = divide(len(table.data))
    x, xv = standardise(table.data[train], table.data[held])
    target = table.target.reshape(-1, 1)
    y, yv = standardise(target[train], target[held])
    return Split(
        x=x,
        y=y,
        xv=xv,
        yv=yv,
        kind="regression",
        classes=0,
        source="Efron, Hastie, Johnstone and Tibshirani 2004, Least angle regression, by way of scikit-learn",
        licence="published without terms; shipped by scikit-learn under BSD-3-Clause",
    )


def _classes(data: NDArray[Any], target: NDArray[Any], *, source: str, by_column: bool = True) -> Split:
    train, held = divide(len(data))
    x, xv = standardise(data[train], data[held], by_column=by_column)
    return Split(
        x=x,
        y=torch.from_numpy(target[train]).long(),
        xv=xv,
        yv=torch.from_numpy(target[held]).long(),
        kind="classes",
        classes=int(target.max()) + 1,
        source=source,
        licence=UCI,
    )
