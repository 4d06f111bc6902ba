"""Tables of `docs/measured.md` on products with the Hessian."""

from __future__ import annotations

from measured_find import load, measured_on

__all__ = ["curvature", "warm_starts"]


def curvature() -> str:
    """Products that the largest eigenvalue takes, beside other tools."""
    record = load("curvature")
    tasks = record["tasks"]
    lines = [measured_on(record["provenance"]), ""]
    heads = {
        "every_seed": "Products until no seed's error is larger",
        "to_same_error": "The same until the median is no larger",
    }
    for goal, head in heads.items():
        lines += [f"| {head} | " + " | ".join(tasks) + " |", "|---|" + "--:|" * len(tasks)]
        for tool in next(iter(tasks.values()))["tools"]:
            if tool == "with hindsight":
                continue
            found = [one["tools"][tool] for one in tasks.values()]
            shown = [one if tool == "Surefoot" else one.get(goal) for one in found]
            label = f"**{tool}**, which stops by itself" if tool == "Surefoot" else f"{tool}, best budget in hindsight"
            cells = [f"{one['products']:g} ({one['worst_error']:.0e})" if one else "never" for one in shown]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        lines.append("")
    said = (
        f"In brackets the worst relative error over {record['seeds']} seeds. A product over a share of the examples "
        "counts as that share; Surefoot takes one gradient over all of them besides. *Never*: not with any budget that "
        "was tried."
    )
    return "\n".join([*lines, said])


def warm_starts() -> str:
    """Products along a training, from what earlier searches learned."""
    record = load("warm_starts")
    rows = record["rows"]
    cadences = sorted({row["cadence"] for row in rows})
    lines = [measured_on(record.get("provenance", record)), ""]
    after = " | ".join(f"after {one}" for one in cadences)
    lines += [f"| Products, median (most) | cold | cold, off after 25 at worst | {after} | off after 6 |"]
    lines += ["|---|" + "--:|" * (len(cadences) + 3)]
    for regime in dict.fromkeys(row["regime"] for row in rows):
        own = {row["cadence"]: row for row in rows if row["regime"] == regime}
        first = next(iter(own.values()))
        cells = [f"{own[one]['warm']:g} ({own[one]['most']})" for one in cadences]
        cells.append(f"{own[cadences[-1]]['error_after_six']:.0e}")
        cold = f"{first['cold']:g} | {first['cold_error_after_25']:.0e}"
        lines.append(f"| {regime}, rate {first['lr']:g} | {cold} | " + " | ".join(cells) + " |")
    searches = record["points"] * record["seeds"] * len(rows)
    worst, held = max(row["worst_error"] for row in rows), sum(row["held"] for row in rows) / len(rows)
    lines += ["", f"Of {searches} warm searches the worst is off by {worst:.1e}; the error told holds in {held:.1%}."]
    return "\n".join(lines)
