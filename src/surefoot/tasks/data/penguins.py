"""The Palmer penguins: three species told apart by their measurements."""

from __future__ import annotations

import csv
from importlib import resources

import numpy as np
import torch

from surefoot.tasks.data.split import Split, divide, standardise

__all__ = ["penguins"]

MEASUREMENTS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
SPECIES = ("Adelie", "Chinstrap", "Gentoo")
ISLANDS = ("Biscoe", "Dream", "Torgersen")
SEXES = ("female", "male")


def penguins() -> Split:
    """Penguins of the Palmer archipelago: 333 birds, 9 inputs, 3 species (Adelie 0, Chinstrap 1, Gentoo 2).

    The inputs are bill length, bill depth and flipper length in mm, body mass in g, then one column each for the
    islands Biscoe, Dream and Torgersen and for female and male. The file holds 344 birds; the 11 with a missing
    measurement or an unknown sex are left out. The year of the visit is in the file but not among the inputs.

    Source: K. Gorman, T. Williams and W. Fraser (2014), "Ecological sexual dimorphism and environmental variability
    within a community of Antarctic penguins", by way of the `palmerpenguins` package. Licence: CC0.
    """
    text = resources.files("surefoot.tasks.data").joinpath("files/penguins.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if all(row.values())]
    inputs = np.array(
        [
            [float(row[name]) for name in MEASUREMENTS]
            + [float(row["island"] == island) for island in ISLANDS]
            + [float(row["sex"] == sex) for sex in SEXES]
            for row in rows
        ]
    )
    species = torch.tensor([SPECIES.index(row["species"]) for row in rows])
    train, held = divide(len(rows))
    x, xv = standardise(inputs[train], inputs[held])
    return Split(
        x=x,
        y=species[torch.from_numpy(train)],
        xv=xv,
        yv=species[torch.from_numpy(held)],
        kind="classes",
        classes=len(SPECIES),
        source="Gorman, Williams and Fraser 2014, Palmer penguins",
        licence="CC0",
    )
