"""Every example log, made by the tool it is of, gives the numbers of the training that was logged."""

import json

import numpy as np
import pytest
from example_logs import EXAMPLES, epochs, files, training

from surefoot.logs import FORMATS, read_logs

STEPS = training()
EPOCHS = epochs()


def column(rows, name):
    return np.array([row[name] for row in rows if name in row])


@pytest.mark.parametrize(
    ("path", "form", "has", "lack"),
    [
        ("plain/log.csv", "csv", "lr grad_norm val_loss", ""),
        ("plain/log.jsonl", "jsonl", "lr grad_norm val_loss", ""),
        ("wandb/run-example.wandb", "wandb", "lr grad_norm val_loss", "nan"),
        ("trackio/example.db.xz", "trackio", "lr grad_norm val_loss", ""),
        ("mlflow/mlflow.db.xz", "mlflow", "val_loss", "nan"),
        ("mlflow/store", "mlflow", "val_loss", "nan"),
        ("algoperf/measurements.csv", "algoperf", "grad_norm val_loss", ""),
        ("wandb_export/history.json", "wandb-export", "lr", ""),
        ("tensorboard", "tensorboard", "lr val_loss", ""),
        ("accelerate", "tensorboard", "lr", ""),
        ("ignite", "tensorboard", "lr", ""),
    ],
)
def test_a_log_of_steps_gives_the_training_back(path, form, has, lack):
    (one,) = read_logs(EXAMPLES / path)
    run = one.run
    finite = np.isfinite(run.loss)
    assert one.format == form in FORMATS
    assert run.source == f"log:{form}"
    assert run.unit == "step"
    assert one.stopped == ""
    assert list(run.step - run.step[0]) == list(range(60))
    np.testing.assert_allclose(run.loss[finite], column(STEPS, "loss")[finite], rtol=1e-6)
    assert bool(np.all(finite)) == (lack != "nan")
    if "lr" in has.split():
        np.testing.assert_allclose(run.lr, column(STEPS, "lr"), rtol=1e-6)
    if "grad_norm" in has:
        np.testing.assert_allclose(run.grad_norm, column(STEPS, "grad_norm"), rtol=1e-6)
    if "val_loss" in has:
        assert list(run.val_step) == [9, 19, 29, 39, 49, 59]
        np.testing.assert_allclose(run.val_loss, column(STEPS, "val_loss"), rtol=1e-6)
    else:
        assert one.noted("no-validation")


@pytest.mark.parametrize(
    ("path", "form", "kind"),
    [
        ("tensorboard_tensors", "tensorboard", "epoch"),
        ("ultralytics/results.csv", "ultralytics", "epoch"),
        ("plain/epochs.log", "text", "epoch"),
    ],
)
def test_a_log_of_epochs_gives_the_training_back(path, form, kind):
    (one,) = read_logs(EXAMPLES / path)
    assert (one.format, one.run.unit, one.loss_kind) == (form, "epoch", kind)
    np.testing.assert_allclose(one.run.loss, column(EPOCHS, "loss"), rtol=1e-4)
    np.testing.assert_allclose(one.run.val_loss, column(EPOCHS, "val_loss"), rtol=2e-4)
    if one.lr_known:
        np.testing.assert_allclose(one.run.lr, column(EPOCHS, "lr"), rtol=1e-4)
    assert one.noted("epoch-loss")


def test_lightning_joins_the_rows_of_training_and_validation():
    (one,) = read_logs(EXAMPLES / "lightning")
    assert (one.format, one.loss_kind, one.lr_of) == ("lightning", "step", "this")
    assert one.names["loss"] == "train_loss_step"
    assert list(one.run.step) == list(range(1, 60, 2))
    assert list(one.run.val_step) == [9, 19, 29, 39, 49, 59]
    assert np.all(np.isfinite(one.run.val_loss))
    assert list(one.run.val_metrics) == ["val_acc"]
    assert one.run.steps_per_epoch == 10
    np.testing.assert_allclose(one.run.lr, 0.25 * (1 + np.cos(np.pi * one.run.step / 60)), rtol=1e-6)
    assert one.noted("separate-rows")


def test_hugging_face_losses_are_means_and_the_rate_is_this_updates():
    (one,) = read_logs(EXAMPLES / "huggingface/trainer_state.json")
    assert (one.format, one.loss_kind, one.averaged_over, one.lr_of) == ("huggingface", "mean", 5, "this")
    assert list(one.run.step) == list(range(5, 61, 5))
    # a linear decay from 0.5 whose rate at update k (from 0) is 0.5 (1 - k / 60); the entry of step s is update s - 1
    np.testing.assert_allclose(one.run.lr, 0.5 * (1 - (one.run.step - 1) / 60), rtol=1e-6)
    assert len(one.run.grad_norm) == 12
    assert list(one.run.val_step) == [10, 20, 30, 40, 50, 60]
    assert one.noted("averaged-loss")
    assert "train_loss" not in one.series


def test_a_nan_that_hugging_face_hid_is_found():
    (one,) = read_logs(EXAMPLES / "huggingface_nan")
    stored = [
        entry["loss"]
        for entry in json.loads((EXAMPLES / "huggingface_nan/trainer_state.json").read_text())["log_history"]
        if "loss" in entry
    ]
    assert np.all(np.isfinite(stored))
    assert list(one.run.step[np.isnan(one.run.loss)]) == [35, 40, 45, 50, 55, 60]
    assert list(one.run.loss[:6]) == stored[:6]
    assert one.run.fate == "diverged"
    (note,) = (note for note in one.notes if note.id == "nan-hidden")
    assert "step 35" in note.text


@pytest.mark.parametrize(("name", "form"), [("training.csv", "keras"), ("history.json", "keras-history")])
def test_keras_epochs_are_means_over_an_epoch(name, form):
    (one,) = read_logs(EXAMPLES / "keras" / name)
    assert (one.format, one.run.unit, one.loss_kind) == (form, "epoch", "epoch")
    assert len(one.run.loss) == len(one.run.val_loss) == 8
    assert list(one.run.val_metrics) == ["val_accuracy"]
    assert list(one.run.train_metrics) == ["accuracy"]
    assert one.lr_known == (name == "history.json")


def test_both_keras_logs_tell_the_same_training():
    (table,), (history,) = (read_logs(EXAMPLES / "keras" / name) for name in ("training.csv", "history.json"))
    np.testing.assert_allclose(table.run.loss, history.run.loss, rtol=1e-6)
    np.testing.assert_allclose(table.run.val_loss, history.run.val_loss, rtol=1e-6)


@pytest.mark.parametrize("path", ["mlflow/mlflow.db.xz", "mlflow/store"])
def test_mlflows_coded_nan_and_infinity_are_turned_back(path):
    (one,) = read_logs(EXAMPLES / path)
    assert np.isnan(one.run.loss[58])
    assert np.isposinf(one.run.loss[59])
    assert one.run.fate == "diverged"
    assert set(one.run.lr) == {0.5}
    assert one.noted("rate-from-settings")


def test_an_export_of_wandb_holds_several_runs():
    calm, bold = read_logs(EXAMPLES / "wandb_export/panel.csv")
    assert (calm.name, bold.name) == ("calm-sun-1", "bold-sea-2")
    np.testing.assert_allclose(calm.run.loss, column(training(rate=0.1), "loss"))
    np.testing.assert_allclose(bold.run.loss, column(training(rate=2.0), "loss"))


def test_fastai_appends_a_second_training_with_a_second_header():
    first, second = read_logs(EXAMPLES / "fastai/history.csv")
    assert (first.name, second.name) == ("#1", "#2")
    assert first.loss_kind == "running"
    assert len(first.run.loss) == len(second.run.loss) == 4
    assert second.run.loss[0] < first.run.loss[-1]
    assert list(first.run.val_metrics) == ["accuracy"]
    assert first.noted("repeated-header")
    assert first.noted("appended-runs")


def test_a_resumed_event_file_replaces_what_it_repeats():
    (one,) = read_logs(EXAMPLES / "tensorboard")
    assert one.resumed == (40,)
    assert one.noted("rewound-steps")


def test_detectron_losses_are_medians():
    (one,) = read_logs(EXAMPLES / "detectron2/metrics.json")
    assert (one.format, one.loss_kind, one.averaged_over, one.names["loss"]) == (
        "detectron2",
        "filtered",
        20,
        "total_loss",
    )
    losses = column(STEPS, "loss")
    np.testing.assert_allclose(one.run.loss[-1], np.median(losses[-20:]))
    np.testing.assert_allclose(one.run.lr, column(STEPS, "lr")[one.run.step])


def test_ultralytics_parts_are_added_up_and_the_clock_tells_a_resume():
    (one,) = read_logs(EXAMPLES / "ultralytics")
    assert one.noted("loss-summed")
    assert one.noted("time-reset")
    assert list(one.run.val_metrics) == ["metrics/mAP50(B)"]


def test_a_boosters_evaluation_is_read_by_round():
    (one,) = read_logs(EXAMPLES / "lightgbm")
    assert (one.format, one.run.unit, len(one.run.loss), len(one.run.val_loss)) == ("boosting", "round", 30, 30)
    assert one.names == {"loss": "training/binary_logloss", "val_loss": "valid/binary_logloss"}


@pytest.mark.parametrize("name", ["pairs.log", "batches.log"])
def test_printed_text_gives_the_training_as_printed(name):
    (one,) = read_logs(EXAMPLES / "plain" / name)
    np.testing.assert_allclose(one.run.loss, column(STEPS, "loss"), atol=5.1e-5)
    assert list(one.run.step - one.run.step[0]) == list(range(60))


def test_the_folder_of_all_examples_is_read_at_once():
    runs = read_logs(EXAMPLES)
    assert {run.format for run in runs} == set(FORMATS) - {"tensorboard-export", "surefoot", "json"}
    assert [run.path for run in runs] == sorted(run.path for run in runs)


@pytest.mark.parametrize("path", files(), ids=lambda path: "-".join(path.parts[-2:]))
def test_no_example_names_the_machine_it_was_made_on(path):
    data = path.read_bytes()
    assert not [word for word in (b"/tmp", b"/home", b"/root", b"/Users") if word in data]
    assert len(data) < 20_000
