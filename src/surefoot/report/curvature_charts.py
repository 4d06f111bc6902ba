"""Charts of a curvature record: sharpness against the limit, the loss beside it, spectrum, noise, layers."""

from __future__ import annotations

import numpy as np

from surefoot.records import Curvature, FloatSeries, NoiseScale
from surefoot.report.charts import Chart, Table
from surefoot.report.colours import BAD, FAINT, LINE, SECOND
from surefoot.report.curvature_words import with_error
from surefoot.report.numbers import brief, count, rate
from surefoot.report.series import is_wide, log_axis, thinned_places

__all__ = ["curvature_charts", "eigenvalue_name", "noise_sentence", "threshold", "track_sentence"]

_POINTS = 400


def eigenvalue_name(found: Curvature) -> str:
    """What the limit follows from: the sharpness, or the largest eigenvalue of P⁻¹H."""
    return "sharpness" if found.preconditioned is None else "largest eigenvalue of P⁻¹H"


def threshold(found: Curvature) -> FloatSeries:
    """The eigenvalue at which the rate of each point would be at its limit, such as 2 / rate."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(found.track_sharpness * found.track_limit / found.track_lr)


def track_sentence(found: Curvature) -> str:
    """Where sharpness stood against what the rate allows, over the second half of the run."""
    share = found.track_sharpness / threshold(found)
    half = share[len(share) // 2 :]
    half = half[np.isfinite(half)]
    if not len(half):
        return "No sharpness could be measured along the run."
    middle = float(np.median(half))
    name = eigenvalue_name(found)
    said = f"In the second half of the run the {name} was {brief(100 * middle, 3)}% of what the rate allows"
    if 0.9 <= middle <= 1.1:
        return f"{said}: it hovers at the edge of stability."
    return f"{said}."


def noise_sentence(noise: NoiseScale) -> str:
    """The noise scale with its interval, and what it means for the batch size."""
    low, high = noise.interval or (float("nan"), float("nan"))
    if noise.value is None:
        return (
            f"The noise scale is unresolved: {count(noise.batches, 'batch').replace('batchs', 'batches')} of "
            f"{noise.batch_size} cannot tell the mean gradient from zero; it is at least {brief(low, 3)}."
        )
    said = (
        f"The noise scale is {brief(noise.value, 3)} examples ({brief(low, 3)} to {brief(high, 3)}): batches much "
        "larger than this buy little."
    )
    if noise.hessian_scale is not None and noise.best_lr is not None:
        said += (
            f" By the curvature along the gradient the batch that halves the best rate has "
            f"{brief(noise.hessian_scale, 3)} examples; one step of plain descent on {noise.recipe_batch} "
            f"examples gains most at {rate(noise.best_lr)} (on all data at {rate(noise.largest_lr)})."
        )
    if noise.floor is not None:
        said += f" Once settled, the loss would stay about {brief(noise.floor, 2)} above its minimum at this rate."
    if noise.floor_measured is not None:
        said += f" Decaying the rate to 0 over one epoch lowered the loss by {brief(noise.floor_measured, 2)}"
        settled = noise.floor is not None and noise.floor_measured <= 2 * noise.floor
        said += "." if settled else ", most of it progress: the training has not settled."
    return said


def curvature_charts(found: Curvature) -> list[Chart]:
    """Every chart there is something for."""
    charts = []
    if len(found.track_step) > 1:
        charts += [_track(found), _loss(found)]
    if len(found.density):
        charts.append(_spectrum(found))
    if found.noise_scale is not None and len(found.noise_scale.variance_batch) > 1:
        charts.append(_noise(found.noise_scale))
    return charts


def _track(found: Curvature) -> Chart:
    steps, bound = found.track_step.tolist(), threshold(found)
    name = eigenvalue_name(found)
    traces = [
        {"type": "scatter", "mode": "lines+markers", "x": steps, "y": _floats(found.track_sharpness), "name": name,
         "line": {"color": LINE, "width": 2}, "marker": {"size": 5}},
        {"type": "scatter", "mode": "lines", "x": steps, "y": _floats(bound), "name": "what the rate allows",
         "line": {"color": BAD, "width": 2, "dash": "dash"}},
    ]  # fmt: skip
    axis: dict[str, object] = {"title": {"text": name}}
    drawn = [*found.track_sharpness.tolist(), *bound.tolist()]
    if is_wide(drawn):
        axis |= log_axis(drawn)
    rows = tuple(
        (str(step), rate(lr), brief(value), brief(limit), brief(limit / lr if lr else float("inf"), 3), brief(loss))
        for step, lr, value, limit, loss in zip(
            steps, found.track_lr.tolist(), found.track_sharpness.tolist(), found.track_limit.tolist(),
            found.track_loss.tolist(), strict=True,
        )
    )  # fmt: skip
    table = Table("Along the short run", ("updates", "rate", name, "limit", "margin", "loss"), rows)
    layout = {"xaxis": {"title": {"text": "updates"}}, "yaxis": axis, "showlegend": True}
    return Chart("track", "Sharpness against the limit", track_sentence(found), traces, layout, table)


def _loss(found: Curvature) -> Chart:
    keep = thinned_places(len(found.loss), _POINTS)
    traces = [
        {"type": "scatter", "mode": "lines", "x": found.loss_step[keep].tolist(), "y": _floats(found.loss[keep]),
         "name": "loss of the batch", "line": {"color": FAINT, "width": 1}},
        {"type": "scatter", "mode": "lines+markers", "x": found.track_step.tolist(), "y": _floats(found.track_loss),
         "name": "loss of all measured examples", "line": {"color": SECOND, "width": 2}, "marker": {"size": 5}},
    ]  # fmt: skip
    axis: dict[str, object] = {"title": {"text": "training loss"}}
    if is_wide(found.track_loss.tolist()):
        axis |= log_axis(found.track_loss.tolist())
    said = f"It went from {brief(float(found.track_loss[0]), 3)} to {brief(float(found.track_loss[-1]), 3)}."
    rows = tuple((str(s), brief(v)) for s, v in zip(found.track_step, found.track_loss.tolist(), strict=True))
    layout = {"xaxis": {"title": {"text": "updates"}}, "yaxis": axis, "showlegend": True}
    return Chart("loss", "Loss along the run", said, traces, layout, Table("Loss", ("updates", "loss"), rows))


def _spectrum(found: Curvature) -> Chart:
    trace = {
        "type": "scatter", "mode": "lines", "x": _floats(found.density_at), "y": _floats(found.density),
        "name": "density", "line": {"color": LINE, "width": 2}, "fill": "tozeroy",
    }  # fmt: skip
    top = max(float(found.density.max()), 1e-12)
    axis = {
        "title": {"text": "share of eigenvalues per unit"},
        "type": "log",
        "dtick": 1,
        "exponentformat": "power",
        "range": [np.log10(top) - 6, np.log10(2 * top)],
    }
    said = (
        f"Eigenvalues reach from {with_error(found.smallest, found.smallest_error, found.smallest_converged, 3)} to "
        f"{brief(found.sharpness, 3)}; their sum, the trace, is {brief(found.trace, 3)} ± "
        f"{brief(found.trace_error, 2)} (standard error)."
    )
    rows = tuple((str(i + 1), brief(v, 6), brief(e, 2)) for i, (v, e) in enumerate(
        zip(found.eigenvalues.tolist(), found.eigenvalue_errors.tolist(), strict=True)))  # fmt: skip
    layout = {"xaxis": {"title": {"text": "eigenvalue"}}, "yaxis": axis, "showlegend": False}
    table = Table("The largest eigenvalues", ("place", "eigenvalue", "error"), rows)
    return Chart("spectrum", "Spectrum of the Hessian", said, [trace], layout, table)


def _noise(noise: NoiseScale) -> Chart:
    sizes, seen = noise.variance_batch.tolist(), noise.variance_measured.tolist()
    line = [noise.variance / size for size in sizes]
    traces = [
        {"type": "scatter", "mode": "markers", "x": sizes, "y": _floats(seen), "name": "measured",
         "marker": {"color": LINE, "size": 9}},
        {"type": "scatter", "mode": "lines", "x": sizes, "y": _floats(line), "name": "variance of one example / size",
         "line": {"color": FAINT, "width": 2, "dash": "dash"}},
    ]  # fmt: skip
    layout = {
        "xaxis": {"title": {"text": "batch size"}} | log_axis(sizes),
        "yaxis": {"title": {"text": "variance of the gradient"}} | log_axis([*seen, *line]),
        "showlegend": True,
    }
    rows = tuple((str(s), brief(v), brief(w)) for s, v, w in zip(sizes, seen, line, strict=True))
    table = Table("Variance of the gradient, summed over the weights", ("batch size", "measured", "1 / size"), rows)
    return Chart("noise", "Gradient noise", noise_sentence(noise), traces, layout, table)


def _floats(values: object) -> list[float]:
    return [float(f"{one:.5g}") for one in np.asarray(values, dtype=np.float64).tolist()]
