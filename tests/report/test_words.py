from __future__ import annotations

from surefoot.records import Recipe, Run
from surefoot.report.words import (
    curve_sentence,
    headline,
    loss_sentence,
    members_sentence,
    recipe_phrase,
    recommendation,
    run_sentence,
)


def test_a_recommendation_is_three_sentences(make_found):
    rate, divergence, cost = recommendation(make_found())
    assert rate == (
        "Train toy at a peak rate of 0.1; rates from 0.05 to 0.2 cannot be told from the best one at this budget."
    )
    assert divergence == "Above about 3 training diverges, 30 times the recommended rate."
    assert cost == (
        "Expect a validation loss of 0.5 after 2 epochs (before training 2.3); "
        "the search cost 2.8 full trainings and took 12 s."
    )


def test_unknown_says_why_and_what_to_do(make_found):
    found = make_found(status="unknown", divergence_lr=None)
    assert headline(found) == "No rate can be recommended for toy"
    rate, divergence, cost = recommendation(found)
    assert rate == "No rate learns; check the data."
    assert divergence == "No rate diverged, up to the highest tried, 10."
    assert cost == "The search cost 2.8 full trainings and took 12 s."


def test_findings_beside_the_charts(make_found):
    found = make_found()
    assert curve_sentence(found) == (
        "Of 3 rates trained for 40 steps, 0.1 reached the lowest validation loss, 0.5; the interval spans 0.6 decades."
    )
    said = "Of 10 members, 6 finished, 3 were retired because others were better and 1 diverged."
    assert members_sentence(found) == said
    ended = [point for point in found.curve if point.fate != "retired"]
    one = next(point for point in found.curve if point.fate == "retired")
    said = "Of 8 members, 6 finished, 1 was retired because others were better and 1 diverged."
    assert members_sentence(make_found(curve=(*ended, one))) == said
    assert curve_sentence(make_found(curve=())) == "No member was trained."


def test_a_recipe_in_one_phrase():
    recipe = Recipe(
        optimizer="adam", options={"betas": (0.9, 0.99)}, schedule="one-cycle", schedule_options={"pct_start": 0.25},
        epochs=0.5, batch_size="full", clip=1.0, accumulate=2, changes={"label_smoothing": 0.1},
    )  # fmt: skip
    assert recipe_phrase(recipe) == (
        "adam (betas (0.9, 0.99)), one-cycle schedule (pct_start 0.25), 0.5 epochs, batch size full, "
        "gradients clipped at 1, 2 batches accumulated, label smoothing 0.1"
    )


def test_a_training_in_sentences(make_run):
    assert run_sentence(make_run()) == (
        "The training of toy finished after 40 steps (1.5 s). It reached validation loss 0.5 and accuracy 0.75."
    )
    assert "diverged after 40 steps (1.5 s): said here." in run_sentence(make_run(fate="diverged"))
    assert loss_sentence(make_run()).endswith("the lowest validation loss was 0.5 after 40 steps.")
    empty = Run(task="toy")
    assert loss_sentence(empty) == "No loss was recorded."
    assert run_sentence(empty).startswith("The training of toy finished after 0 steps")
