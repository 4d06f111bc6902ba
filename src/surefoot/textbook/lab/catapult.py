"""`catapult`: what becomes of a training whose first rate is above 2 / sharpness: it may jump to a flatter place.

A network of two linear layers on one example, f = v·u / sqrt(n) with loss f²/2, has the sharpness λ = (|u|² + |v|²) / n
of its tangent kernel, and obeys a closed recursion for f and λ (Lewkowycz et al. 2020, arXiv 2003.02218). With the rate
eta and λ₀ at the start: below eta λ₀ = 1 the error shrinks without changing sign, up to 2 it changes sign and shrinks,
up to 4 it first grows until λ has fallen below 2 / eta (the catapult), and above 4 it grows without end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from surefoot.curvature.hvp import Hvp, batches_of
from surefoot.curvature.top import top_eigenvector
from surefoot.curvature.track import ShortRun
from surefoot.maths.quadratics import catapult_path
from surefoot.records import Provenance, Recipe, float_series
from surefoot.tasks.borrowing import borrowed_rng
from surefoot.tasks.task import Task
from surefoot.textbook.lab.catalogue import Setting
from surefoot.textbook.lab.record import Curve, LabResult, LabTable, Panel
from surefoot.textbook.lab.verdicts import Verdicts

__all__ = ["REGIMES", "TwoLayers", "regime_of", "run"]

Floats = npt.NDArray[np.float64]

WIDTH, STEPS = 512, 60
PRODUCTS = (0.5, 1.0, 1.9, 2.5, 3.5, 4.2)
"""Rate times the first sharpness."""
REGIMES = ("smooth", "smooth", "oscillating", "catapult", "catapult", "divergence")


class TwoLayers(nn.Module):
    """The scalar f = v·u / sqrt(n) of one example, in double precision; called with ones (rows, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.u = nn.Parameter(torch.randn(width, dtype=torch.float64))
        self.v = nn.Parameter(torch.randn(width, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """The same f for every row."""
        return torch.mul(x, (self.v @ self.u) / len(self.u) ** 0.5)

    def error_and_sharpness(self) -> tuple[float, float]:
        """The error f and λ of its tangent kernel."""
        with torch.no_grad():
            n = len(self.u)
            return float(self.v @ self.u) / n**0.5, float(self.u @ self.u + self.v @ self.v) / n


def run(setting: Setting, *, width: int = WIDTH, steps: int = STEPS, seeds: int = 3) -> LabResult:
    """Train at six rates from every seed, and put every step beside the recursion."""
    chosen = setting.seed_list(seeds)
    with borrowed_rng(chosen[0]), torch.enable_grad():
        walks = {
            (product, seed): _walk(width, product, seed, steps) for product in PRODUCTS for seed in chosen
        }  # fmt: skip
    worst, ends, regimes, sharp = 0.0, [], [], []
    for product in PRODUCTS:
        own = [walks[product, seed] for seed in chosen]
        for errors, lambdas, lr, _ in own:
            exact_f, exact_l = catapult_path(errors[0], lambdas[0], lr, width, len(errors) - 1)
            known = min(len(exact_f), len(errors))
            size = np.maximum(np.abs(exact_f[:known]), 1e-3)
            worst = max(worst, float((np.abs(errors[:known] - exact_f[:known]) / size).max()))
            worst = max(worst, float((np.abs(lambdas[:known] - exact_l[:known]) / exact_l[:known]).max()))
        ends.append(float(np.median([lr * lambdas[-1] for _, lambdas, lr, _ in own])))
        seen = [regime_of(errors, lr * lambdas) for errors, lambdas, lr, _ in own]
        regimes.append(max(set(seen), key=seen.count))
        sharp += [top for *_, top in own if top is not None]
    verdicts = Verdicts()
    verdicts.compare(
        "largest_error_to_recursion",
        0.0,
        worst,
        within=1e-6,
        what="largest relative distance of error and sharpness of the trained network from the recursion, any step",
    )
    verdicts.compare(
        "regimes",
        [1.0] * len(PRODUCTS),
        [float(one == other) for one, other in zip(regimes, REGIMES, strict=True)],
        what=f"whether the trainings at rate x sharpness {', '.join(map(str, PRODUCTS))} are {', '.join(REGIMES)}",
    )
    verdicts.compare(
        "sharpness_at_the_end",
        [1.0] * len(sharp),
        sharp,
        share=1e-3,
        what="largest eigenvalue of the Hessian over the λ of the recursion, once the error is gone",
    )
    first = chosen[0]
    return LabResult(
        name="catapult",
        title="The catapult",
        **verdicts.fields(),
        facts={
            "products": list(PRODUCTS),
            "products_at_the_end": ends,
            "regimes": regimes,
            "width": width,
            "largest_error_to_recursion": worst,
        },
        sentences=(
            "Rate times sharpness goes from "
            + ", ".join(f"{a:g} to {_shown(b)} ({name})" for a, b, name in zip(PRODUCTS, ends, regimes, strict=True))
            + ".",
            f"Every step of the trained networks lies within {worst:.0e} of the closed recursion (relative).",
        ),
        tables=(
            LabTable(
                "Regimes",
                ("rate x first sharpness", "at the end", "regime", "expected"),
                tuple(
                    (f"{a:g}", _shown(b), one, other)
                    for a, b, one, other in zip(PRODUCTS, ends, regimes, REGIMES, strict=True)
                ),
            ),
        ),
        panels=(
            Panel(
                "Size of the error by step",
                x_label="step",
                y_label="|f|",
                y_log=True,
                curves=tuple(_line(product, np.abs(walks[product, first][0]) + 1e-12) for product in PRODUCTS),
            ),
            Panel(
                "Rate times sharpness by step",
                x_label="step",
                y_label="rate x sharpness",
                curves=tuple(
                    _line(product, walks[product, first][2] * walks[product, first][1]) for product in PRODUCTS[:-1]
                ),
                marks={"2: the limit": 2.0},
            ),
        ),
        notes=(
            f"two linear layers of width {width}, one example, double precision, full-batch gradient descent",
            "the initial second layer is turned so that the first error is 1",
        ),
        provenance=Provenance.here(seeds={"first": chosen[0]}, data="none: one example"),
    )


def regime_of(errors: Floats, products: Floats) -> str:
    """Which of the four regimes a series of errors, and of rate times sharpness, shows."""
    sizes = np.abs(errors)
    if not np.all(np.isfinite(sizes)) or sizes[-1] > 1e3 * sizes[0]:
        return "divergence"
    if products[0] >= 2 and sizes.max() > 1.01 * sizes[0]:
        return "catapult"
    live = sizes[:-1] > 1e-9 * sizes[0]
    turns = int(np.sum(live & (errors[1:] * errors[:-1] < 0)))
    return "oscillating" if turns > 2 else "smooth"


def _walk(width: int, product: float, seed: int, steps: int) -> tuple[Floats, Floats, float, float | None]:
    """Errors, sharpnesses, the rate, and the Hessian's largest eigenvalue over λ where the error is gone."""

    def make() -> TwoLayers:
        model = TwoLayers(width)
        with torch.no_grad():
            # Turn v towards u until the error is 1: the recursion does not care, and zero would stay zero.
            model.v.add_((1.0 - model.error_and_sharpness()[0]) * width**0.5 * model.u / (model.u @ model.u))
        return model

    rows = (torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
    task = Task(make, rows, rows, loss=_half_square, name="catapult", device="cpu")
    start = task.make_model(seed)
    assert isinstance(start, TwoLayers)
    lr = product / start.error_and_sharpness()[1]
    training = ShortRun(task, Recipe(lr=lr, batch_size="full", epochs=float(steps), seed=seed))
    model = training.single.model
    assert isinstance(model, TwoLayers)
    seen = [model.error_and_sharpness()]
    while training.done < steps and abs(seen[-1][0]) < 1e6:
        training.single.update(training.done, lr)
        training.done += 1
        seen.append(model.error_and_sharpness())
    errors, lambdas = (np.array(one) for one in zip(*seen, strict=True))
    top = None
    if abs(errors[-1]) < 1e-6:
        top = top_eigenvector(Hvp(task, model, batches_of(task), method="reverse")).value / lambdas[-1]
    return errors, lambdas, lr, top


def _half_square(output: Tensor, target: Tensor) -> Tensor:
    return 0.5 * (output - target).square().mean()


def _line(product: float, values: Floats) -> Curve:
    return Curve(f"{product:g}", float_series(range(len(values))), float_series(values))


def _shown(value: float) -> str:
    return f"{value:.3g}" if value < 1e3 else "∞"
