"""Write docs/measured.md from the committed records of the benchmarks; nothing in it is typed by hand.

python scripts/make_measured.py
"""

from __future__ import annotations

from pathlib import Path

from measured_curvature import curvature, warm_starts
from measured_find import first_look, hopeless, load, measured_on, moves, quality, reach, usual

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "measured.md"


def _fused() -> str:
    record = load("fused")
    lines = [measured_on(record), ""]
    lines += [
        "| Network | members | over the loop, default threads | goal | over the loop in two processes | goal |"
        " share of matrix-product peak |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, case in record["cases"].items():
        goals = case["goals"]
        lines.append(
            f"| {name} | {case['members']} | {case['ratio_threads']:.2f} | {goals[0]} | "
            f"{case['ratio_processes']:.2f} | {goals[1]} | {case['share_of_peak']:.1%} |"
        )
    return "\n".join(lines)


def _training() -> str:
    record = load("training")
    lines = [f"{measured_on(record)} Load {record['load']:.1f}, {record['threads']} thread.", ""]
    lines += ["| Training | ratio | standard error | allowed |", "|---|--:|--:|--:|"]
    for case in record["cases"]:
        lines.append(
            f"| {case['case']} | {case['ratio']:.3f} | {case['ratio_standard_error']:.3f} | {case['allowed']} |"
        )
    return "\n".join(lines)


def _ask() -> str:
    record = load("ask")
    lines = [measured_on(record), "", "| Questions | share | aim |", "|---|--:|--:|"]
    lines += [
        f"| a right claim first ({record['questions']} questions) | {record['first']:.1%} | 80% |",
        f"| a right claim among three | {record['among_three']:.1%} | 93% |",
        f"| about something else, declined ({record['others']} questions) | {record['others_declined']:.1%} | 90% |",
    ]
    return "\n".join([*lines, "", f"An answer took {record['seconds']:.2f} s, start-up included (median of five)."])


def _diagnosis() -> str:
    record = load("diagnosis")
    away, goals, origin = record["left_out"], record["goals"], record["provenance"]
    fresh = record["fresh"]
    lines = [
        measured_on(origin),
        "",
        "| | calibration tasks left out | tasks made afterwards | goal |",
        "|---|--:|--:|--:|",
    ]
    rows = {
        "right": "cause right, of the runs that were given a verdict",
        "abstained": "given none",
        "false_alarms": "good runs called faulty",
        "direction": "direction of a wrong rate right",
        "size_to_middle": "size of the correction within half a decade",
        "calibration_error": "calibration error of the stated probability",
    }
    lines += [f"| {words} | {away[key]:.1%} | {fresh[key]:.1%} | {goals[key]:.0%} |" for key, words in rows.items()]
    more = {
        "sized": "wrong rates that were given a size",
        "size_on_good": "rate itself near-best after the correction",
        "size": "rate within half a decade of a near-best one after the correction",
        "size_inside": "middle of the good rates inside the interval, made to hold it in 80%",
    }
    lines += [f"| {words} | {away[key]:.1%} | {fresh[key]:.1%} | |" for key, words in more.items()]
    one = fresh["one_factor"]["size"]
    lines.append(f"| near-best within half a decade, with the best single factor in hindsight | | {one:.1%} | |")
    lines += ["", "| Tool, same logs | cause right, of all runs | good runs called faulty |", "|---|--:|--:|"]
    tools = {"**Surefoot** (no verdict counts as wrong)": fresh} | record["peers"]
    lines += [f"| {name} | {one['right_of_all']:.1%} | {one['false_alarms']:.1%} |" for name, one in tools.items()]
    return "\n".join(lines)


def _landscape() -> str:
    record = load("landscape")
    lines = [measured_on(record), "", "| Figure | goal | found | reached |", "|---|--:|--:|---|"]
    words = {
        "plane_seconds": "51 x 51 plane of a tiny MLP over 256 examples, seconds: at most",
        "cnn_over_forward": "digits CNN plane, over bare forward passes: at most",
    }
    for key, one in record["goals"].items():
        name = words.get(key, key.replace("_", " ") + ": at least")
        lines.append(f"| {name} | {one['goal']:g} | {one['found']:.3g} | {'yes' if one['reached'] else 'no'} |")
    ways = {name: one for name, one in record["mlp"].items() if isinstance(one, dict)}
    lines += ["", "| Plane of the tiny MLP | losses | evaluated | µs per loss |", "|---|--:|--:|--:|"]
    for name, one in ways.items():
        evaluated = one.get("evaluated", one["points"])
        lines.append(f"| {name} | {one['points']:,} | {evaluated:,} | {1e6 * one['per_point']:.1f} |")
    own = ways["surefoot"]
    if "error" in own:
        found = f"{own['error']:.1e}, which is {own['error_of_range']:.1e} of the range of losses"
        lines += [
            "",
            f"Largest error of what was filled in, over the whole grid: {found}; {own['stated_error']:.1e} stated.",
        ]
    return "\n".join(lines)


def _watch() -> str:
    record = load("watch")
    lines = [measured_on(record), "", "| Model | watcher | time of an update, ratio | standard error | allowed |"]
    lines.append("|---|---|--:|--:|--:|")
    for one in record["cases"]:
        allowed = "" if one["allowed"] is None else f"{one['allowed']}"
        error = f"{one['ratio_standard_error']:.3f}"
        lines.append(f"| {one['model']} | {one['watcher']} | {one['ratio']:.3f} | {error} | {allowed} |")
    return "\n".join(lines)


def _autopilot() -> str:
    record = load("autopilot")
    lines = [measured_on(record), "", "| Method | median | worst | cases |", "|---|--:|--:|--:|"]
    for name, one in record["summary"]["last"].items():
        lines.append(f"| {name} | {one['median']:.2%} | {one['worst']:.2%} | {one['cases']} |")
    unseen = record["summary_unseen"]["last"]["autopilot"]
    return "\n".join(
        [
            *lines,
            "",
            f"On the tasks that its rules were not mended on, the autopilot's median is {unseen['median']:.2%} and its",
            f"worst {unseen['worst']:.2%}.",
        ]
    )


def _store() -> str:
    record = load("store")
    lines = [measured_on(record), "", "| Store | seconds for a million points | bytes a point |", "|---|--:|--:|"]
    for name, one in record["ways"].items():
        lines.append(f"| {name} | {one['seconds_per_million']:.2f} | {one['bytes_per_point']:.1f} |")
    return "\n".join(lines)


def _sweep() -> str:
    record = load("sweep")
    lines = [measured_on(record)]
    for name, case in record["cases"].items():
        lines += [
            "",
            f"**{name}**, {case['members']} members; goal: {case['goal']:g} times as fast as the fastest other.",
            "",
        ]
        lines += ["| Way | seconds | updates | times as fast | winner loses |", "|---|--:|--:|--:|--:|"]
        for way, one in case["ways"].items():
            lost = one.get("share_lost")
            lines.append(
                f"| {way} | {one['seconds']:.1f} | {one['updates']:,} | "
                f"{one.get('times_as_fast_as_the_fastest_other', float('nan')):.1f} | "
                f"{'not trained again' if lost is None else f'{lost:.2%}'} |"
            )
    return "\n".join(lines)


def _logs() -> str:
    record = load("logs")
    lines = [
        measured_on(record),
        "",
        "| Format, a million points | reader | seconds | peak memory, MB |",
        "|---|---|--:|--:|",
    ]
    for one in record["rows"]:
        reader = "**Surefoot**" if one["reader"] == "surefoot" else one["reader"]
        lines.append(f"| {one['format']} | {reader} | {one['seconds']:.2f} | {one['peak_mb']:.0f} |")
    return "\n".join(lines)


def page() -> str:
    """The page as Markdown."""
    apart = (
        "Six ordinary trainings, five of them on real data, written without a look at the search. One of them, 300 "
        "patients seen twenty times, is memorised long before its end, and a fifth was lost on it with all three "
        "optimizers. That improvements shrink where training memorises had been looked at on other tasks; after this "
        f"look it was made evidence. {first_look('apart_first')} {hopeless('apart')}"
    )
    sealed = (
        "Six ordinary trainings, five of them on real data, written without a look at the search, which was judged on "
        "them once; nothing was chosen by them. With the first look at the panel above: what to expect. "
        f"{hopeless('sealed')}"
    )
    blind = (
        "Six ordinary trainings, four of them on real data, written without a look at the search. They were looked at "
        "once when what is held of usual rates had been fitted; after it that was held less firmly of SGD, for losses "
        f"of other scales, and not for anything seen here. {first_look('blind_first')} "
        f"{hopeless('blind')}"
    )
    kept = (
        "Ordinary trainings on real data. Two searches were judged on them before: the one before this, and one that "
        "knows of the numbers below, of how the best rate falls; over all panels that was no better. "
        f"{hopeless('kept')}"
    )
    held = (
        "Ordinary trainings on real data, made for one look at an earlier search. What is held of usual rates was "
        "fitted on other tasks, but that it helps was also seen on these."
    )
    wide = (
        "Eight ordinary trainings on real data with large validation sets, made for one look. After it one thing was "
        "added to the search, chosen on other tasks: the gap between validation and training loss. "
        f"{first_look('wide_first')}"
    )
    last = "Ordinary trainings on real data, made for one look at an earlier search; nothing was chosen on them since."
    fresh = (
        "Ordinary trainings on real data, made for one look at the search before this one. Two of its four tasks were "
        "developed on since."
    )
    report = (
        "Tasks that the method was not developed on. But intervals were widened once after a look at how often they "
        "held here, and five later searches were judged here too, of which the last three were taken for their "
        "figures on other panels: these figures are no first look."
    )
    design = "Tasks that the method was developed and calibrated on: expect these figures to flatter it."
    ordinary = "Ordinary trainings on real data that the method was developed on: expect these figures to flatter it."
    confirm = "Tiny networks, many of which learn late or from few steps. The method was developed on a part of them."
    return f"""# Measured

Made by `scripts/make_measured.py` from the records in `benchmarks/records`; the commands remake the records.

## How good a found rate is

`python benchmarks/find_quality.py report`. An *oracle* trains 25 rates from 3 seeds to the end. With L0 the validation
loss at initialisation and L* the lowest mean over the seeds, a rate whose training ends at L has lost the share
(L - L*) / (L0 - L*) of the achievable improvement; in percent below. A method without a suggestion, or with one that
diverges, has lost all. Other tools run from their own packages with their own defaults. *25 runs, 1 seed* takes the
best rate of a whole sweep with one seed, which costs 25 trainings, and judges it with the other seeds: what is lost
there is lost to chance. A search also says which loss to expect at its rate; how far off that is, is told as a share
of the achievable improvement, too. All panels are of one search; the rows of the other tools stand from the first look
at each panel (`--no-peers` keeps them). Panels were last looked at after each trial came to be
compared with its own start, and what training longer can still gain to be bounded by the loss that is left; both were
chosen on none of them.

{quality("apart", "Apart panel", apart)}

{quality("sealed", "Sealed panel", sealed)}

{quality("blind", "Blind panel", blind)}

{quality("held", "Held panel", held)}

{quality("kept", "Kept panel", kept)}

{quality("wide", "Wide panel", wide)}

{quality("last", "Last panel", last)}

{quality("report", "Report panel", report)}

{quality("ordinary", "Ordinary panel", ordinary)}

{quality("fresh", "Fresh panel", fresh)}

{quality("design", "Design panel", design)}

{quality("confirm", "Confirm panel", confirm)}

### How narrow an interval can be

{reach()}

### What short trainings can tell

`python benchmarks/find_moves.py`, from banks of trainings on the panels that the search may be developed on.

{moves()}

### Which rate is usual

`python benchmarks/usual_rates.py`, from trainings on tasks of the diagnosis corpus, which no search is judged on. A
line through the best mean rates, which the search holds likely before anything is tried.

{usual()}

## How fast many members train side by side

`python benchmarks/fused.py`. Ratios of wall time for the same member-steps, against the stock PyTorch loop.

{_fused()}

## What training costs

`python benchmarks/training.py --json benchmarks/records/training.json`. Time of an epoch of `surefoot train` over that
of a loop by hand that notes loss and rate of every step and validates alike.

{_training()}

## Diagnoses

`python benchmarks/diagnosis_report.py`. Trainings on tasks made for one look, after everything was chosen, and other
tools on the same logs; beside them the calibration tasks, each judged by trees that had not seen its family. A rate is
near-best where the final loss is at most 5% of the improvement above the best of its sweep; the size of a correction is
counted from the middle of these rates. A single factor for every rate too low, and one for every rate too high, is what
any size has to surpass.

{_diagnosis()}

## Curvature

`python benchmarks/curvature.py`. Hessian-vector products until the largest eigenvalue is right.

{curvature()}

`python benchmarks/warm_starts.py`. The same to a millionth along a training of a digits MLP, from what earlier searches
learned, by updates between them; *off after 6* is how far off it is when six products must do after 30 updates.

{warm_starts()}

## Landscapes

`python benchmarks/landscape.py`.

{_landscape()}

## Watching

`python benchmarks/watch.py`. Time of an update with a watcher over that without, in turns.

{_watch()}

## Autopilot

`python benchmarks/autopilot.py`. Share of the achievable improvement lost at the end of a training, against methods
whose rate was tuned by a sweep that is not counted.

{_autopilot()}

## Reading logs

`python benchmarks/logs.py`.

{_logs()}

## Keeping studies

`python benchmarks/store.py`.

{_store()}

## Sweeps

`python benchmarks/sweep.py`.

{_sweep()}

## Asking

`python benchmarks/ask.py report`. Questions written from the claims alone, which words, phrasings and weights were not
chosen on; of their results only these totals were looked at, once. Their writer wrote none of the phrasings, but
writers of one kind resemble each other: expect less from other hands.

{_ask()}
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
