"""What logs do to the numbers: repeats, resumes, appended runs, means, hidden NaN, the next update's rate."""

import json
import math

import numpy as np
import pytest

from surefoot.errors import InputError
from surefoot.logs import read_logs
from surefoot.logs.quirks import looks_smoothed
from surefoot.logs.rewinds import restarts, settled
from surefoot.logs.roles import assign_roles, words


def table(tmp_path, text, **keywords):
    (tmp_path / "log").write_text(text)
    return read_logs(tmp_path / "log", **keywords)


def ids(one):
    return {note.id for note in one.notes}


class TestOrder:
    def test_a_rewind_replaces_and_a_repeat_keeps_the_last(self):
        one = settled(np.array([0.0, 1, 2, 3, 2, 3, 3, 4]), np.arange(8.0))
        assert list(one.step) == [0, 1, 2, 3, 4]
        assert list(one.value) == [0, 1, 4, 6, 7]
        assert one.resumed == (2,)
        assert (one.repeated, one.replaced) == (1, 2)

    def test_steps_in_no_order_are_sorted(self):
        step = np.random.default_rng(0).permutation(100).astype(float)
        one = settled(step, step * 2)
        assert one.shuffled
        assert list(one.step) == list(range(100))
        assert list(one.value) == list(range(0, 200, 2))

    def test_a_summary_with_step_zero_at_the_end_is_left_out(self):
        one = settled(np.array([1.0, 2, 3, 4, 0]), np.arange(5.0))
        assert list(one.step) == [1, 2, 3, 4]
        assert one.odd

    def test_steps_that_fall_back_very_often_are_settled_without_end(self):
        rng = np.random.default_rng(0)
        step = np.arange(200_000.0)
        step[rng.integers(1, 200_000, 4000)] = 0
        one = settled(step, step)
        assert restarts(step, step) == []
        assert bool(np.all(np.diff(one.step) > 0))
        step = np.concatenate([np.arange(100_000.0), np.arange(4000.0)[::-1] - 4000])
        assert bool(np.all(np.diff(settled(step, step).step) > 0))

    def test_one_entry_that_falls_back_alone_is_a_slip(self):
        step = np.array([0.0, 1, 2, 3, 0, 4, 5, 6])
        assert restarts(np.arange(8.0), step) == []
        one = settled(step, np.arange(8.0))
        assert list(one.step) == [0, 1, 2, 3, 4, 5, 6]
        assert list(one.value) == [0, 1, 2, 3, 5, 6, 7]
        assert one.odd

    @pytest.mark.parametrize("tail", [[0], [0, 0]])
    def test_a_summary_at_the_end_may_have_two_entries(self, tail):
        one = settled(np.array([1.0, 2, 3, 4, *tail]), np.arange(4.0 + len(tail)))
        assert list(one.step) == [1, 2, 3, 4]
        assert one.odd

    @pytest.mark.parametrize(
        ("step", "cuts"),
        [
            ([0, 1, 2, 3, 0, 1, 2, 3], [4]),
            ([0, 1, 2, 3, 2, 3, 4], []),
            ([10, 20, 30, 10, 20, 30, 10, 20], [3, 6]),
            ([0, 1, 2, 3, 0], []),
            ([0, 5, 10, 1, 5, 10], [3]),
        ],
    )
    def test_a_training_begins_again_where_the_steps_fall_to_the_start(self, step, cuts):
        assert restarts(np.arange(len(step), dtype=float), np.array(step, dtype=float)) == cuts

    def test_appended_runs_are_read_apart_with_their_validation(self, tmp_path):
        first, second = table(
            tmp_path,
            "step,loss,val_loss\n" + "".join(f"{s},{part + s / 10},{5 + part}\n" for part in (1, 2) for s in range(4)),
        )
        assert list(first.run.loss) == [1, 1.1, 1.2, 1.3]
        assert list(second.run.loss) == [2, 2.1, 2.2, 2.3]
        assert set(first.run.val_loss) == {6}
        assert set(second.run.val_loss) == {7}
        assert "appended-runs" in ids(second)

    def test_a_counter_that_starts_again_each_epoch_is_counted_on(self, tmp_path):
        text = "epoch,batch,loss\n" + "".join(f"{e},{b},{10 * e + b}\n" for e in range(3) for b in range(5))
        (one,) = table(tmp_path, text)
        assert list(one.run.step) == list(range(15))
        assert one.run.steps_per_epoch == 5
        assert "steps-by-epoch" in ids(one)

    def test_rows_are_counted_when_nothing_else_counts(self, tmp_path):
        (one,) = table(tmp_path, "loss,lr\n3,0.1\n2,0.1\n1,0.1\n")
        assert one.run.unit == "row"
        assert list(one.run.step) == [0, 1, 2]
        assert "steps-from-rows" in ids(one)


class TestCells:
    def test_a_blank_is_no_number_and_nan_is_one(self, tmp_path):
        (one,) = table(tmp_path, "step,loss,val_loss\n0,1,\n1,nan,NA\n2,inf,0.5\n3,-inf,nan\n")
        np.testing.assert_equal(one.run.loss, [1, math.nan, math.inf, -math.inf])
        assert list(one.run.val_step) == [2, 3]
        assert one.run.fate == "diverged"

    def test_semicolons_and_decimal_commas(self, tmp_path):
        (one,) = table(tmp_path, "epoch;loss;val_loss\n0;1,5;2,5\n1;1,25;2\n2;1;1,5\n")
        assert list(one.run.loss) == [1.5, 1.25, 1]
        assert list(one.run.val_loss) == [2.5, 2, 1.5]

    @pytest.mark.parametrize(
        "cell", ["tensor(0.5)", "tensor(0.5, device='cuda:0')", "[0.5]", "np.float32(0.5)", "50e-2"]
    )
    def test_numbers_in_wrappings(self, tmp_path, cell):
        text = f'step,loss\n0,"{cell}"\n1,0.25\n2,0.125\n'
        (one,) = table(tmp_path, text)
        assert list(one.run.loss) == [0.5, 0.25, 0.125]

    def test_a_repeated_header_with_another_column_goes_on_with_it(self, tmp_path):
        (one,) = table(tmp_path, "step,loss\n0,5\n1,4\n2,3\n3,2\nstep,loss,lr\n4,1,0.1\n5,0,0.1\n")
        assert list(one.run.loss) == [5, 4, 3, 2, 1, 0]
        assert "lr" in one.names

    def test_other_encodings_and_line_ends(self, tmp_path):
        text = "step,loss\r\n0,2\r\n1,1\r\n"
        for encoding in ("utf-8-sig", "utf-16"):
            (tmp_path / "log").write_bytes(text.encode(encoding))
            (one,) = read_logs(tmp_path / "log")
            assert list(one.run.loss) == [2, 1]


class TestRoles:
    @pytest.mark.parametrize(
        ("names", "loss", "val", "lr"),
        [
            ("train/loss val/loss lr", "train/loss", "val/loss", "lr"),
            ("trainLoss valLoss learningRate", "trainLoss", "valLoss", "learningRate"),
            ("loss eval_loss learning_rate loss_scale", "loss", "eval_loss", "learning_rate"),
            ("train_loss_step train_loss_epoch val_loss", "train_loss_step", "val_loss", None),
            ("total_loss loss_cls loss_box lr", "total_loss", None, "lr"),
            ("Loss/train Loss/test LR", "Loss/train", "Loss/test", "LR"),
            ("train_loss train_loss_min best_val_loss val_loss lr_scale", "train_loss", "val_loss", None),
            ("optimizer/lr aux_loss loss grad_norm", "loss", None, "optimizer/lr"),
        ],
    )
    def test_names_that_tools_use(self, names, loss, val, lr):
        roles = assign_roles(dict.fromkeys(names.split(), 100), {}, {}, frozenset())
        assert (roles.loss, roles.val_loss, roles.lr) == (loss, val, lr)

    def test_parts_without_a_total_are_added(self):
        counts = {"train/box_loss": 9, "train/cls_loss": 9, "val/box_loss": 9, "val/cls_loss": 9}
        roles = assign_roles(counts, {}, {}, frozenset())
        assert roles.loss_parts == ("train/box_loss", "train/cls_loss")
        assert roles.val_parts == ("val/box_loss", "val/cls_loss")

    def test_words(self):
        assert words("train/totalLoss_step(0)") == ["train", "total", "loss", "step", "0"]

    def test_a_mapping_overrules(self, tmp_path):
        text = "n,a,b,loss\n0,5,0.1,1\n1,4,0.1,1\n2,3,0.1,1\n"
        (one,) = table(tmp_path, text, mapping={"loss": "a", "lr": "b", "step": "n"})
        assert list(one.run.loss) == [5, 4, 3]
        assert list(one.run.lr) == [0.1] * 3
        assert one.run.unit == "step"

    def test_a_mapping_that_names_nothing_is_refused(self, tmp_path):
        with pytest.raises(InputError, match=r"`map` gives 'nll' for loss"):
            table(tmp_path, "step,loss\n0,1\n1,2\n", mapping={"loss": "nll"})
        with pytest.raises(InputError, match="roles are step, loss, lr, grad_norm, val_loss"):
            table(tmp_path, "step,loss\n0,1\n1,2\n", mapping={"rate": "loss"})

    def test_a_table_without_a_loss_names_its_columns(self, tmp_path):
        with pytest.raises(InputError, match=r"\(id, price, weight\); name it with --map loss=NAME"):
            table(tmp_path, "id,price,weight\n1,2,3\n2,3,4\n")


class TestMeanings:
    def test_a_moving_average_looks_smoothed_and_noise_does_not(self):
        noise = np.random.default_rng(0).normal(size=2000)
        trend = np.exp(-np.arange(2000) / 500)
        mean = np.copy(noise)
        for place in range(1, len(mean)):
            mean[place] = 0.98 * mean[place - 1] + 0.02 * noise[place]
        assert not looks_smoothed(trend + 0.1 * noise)
        assert not looks_smoothed(trend)
        assert looks_smoothed(trend + mean)

    @pytest.mark.parametrize("shift", [0, 1])
    def test_the_end_of_a_linear_decay_tells_whose_rate_is_logged(self, tmp_path, shift):
        history = [
            {"step": s, "epoch": s / 10, "loss": 1.0 / s, "learning_rate": 0.1 * (41 - shift - s) / 40}
            for s in range(5, 41, 5)
        ]
        (tmp_path / "log").write_text(json.dumps({"log_history": history, "max_steps": 40, "logging_steps": 5}))
        (one,) = read_logs(tmp_path / "log")
        assert one.lr_of == ("next" if shift else "this")
        if shift:
            assert "next-rate" in ids(one)
            assert list(one.run.lr[1:]) == [entry["learning_rate"] for entry in history[:-1]]

    def test_a_loss_that_turns_to_zero_at_once_is_a_hidden_nan(self, tmp_path):
        text = "step,loss\n" + "".join(f"{s},{2 if s < 10 else 0}\n" for s in range(20))
        (one,) = table(tmp_path, text)
        (note,) = (note for note in one.notes if note.id == "nan-hidden")
        assert "step 10" in note.text
        (fine,) = table(tmp_path, "step,loss\n" + "".join(f"{s},{10.0**-s if s < 12 else 0}\n" for s in range(20)))
        assert "nan-hidden" not in ids(fine)

    def test_gradients_that_are_not_finite_now_and_then_change_no_loss(self, tmp_path):
        rows = "".join(f"{s},{3 - s / 10},{'inf' if s == 4 else 'nan' if s == 9 else 1}\n" for s in range(20))
        (one,) = table(tmp_path, "step,loss,grad_norm\n" + rows)
        assert "nan-hidden" in ids(one)
        assert np.all(np.isfinite(one.run.loss))
        rows = "".join(f"{s},{3 - s / 10},{'nan' if s > 14 else 1}\n" for s in range(20))
        (one,) = table(tmp_path, "step,loss,grad_norm\n" + rows)
        assert list(np.flatnonzero(np.isnan(one.run.loss))) == [15, 16, 17, 18, 19]
        rows = "".join(f"{s},{3 - s / 10},{'' if s > 14 else 1}\n" for s in range(20))
        (one,) = table(tmp_path, "step,loss,grad_norm\n" + rows)
        assert np.all(np.isfinite(one.run.loss))
        assert "nan-hidden" not in ids(one)

    def test_lists_of_unequal_length_are_laid_beside_each_other_by_their_ratio(self, tmp_path):
        (tmp_path / "log").write_text('{"loss": [6.0, 5.0, 4.0, 3.0, 2.0, 1.0], "val_loss": [5.5, 3.5, 1.5]}')
        (one,) = read_logs(tmp_path / "log")
        assert list(one.run.val_step) == [1, 3, 5]
        assert "seldom-validated" in ids(one)

    @pytest.mark.parametrize(("every", "kind"), [(2, "step"), (10, "epoch")])
    def test_lightning_without_a_suffix_is_of_a_batch_unless_there_is_one_an_epoch(self, tmp_path, every, kind):
        rows = "".join(f"{s // 10},{s},{3 - s / 50},\n" for s in range(every - 1, 50, every))
        rows += "".join(f"{e},{e * 10 + 9},,{3 - e / 5}\n" for e in range(5))
        (one,) = table(tmp_path, "epoch,step,train_loss,val_acc\n" + rows)
        assert (one.format, one.loss_kind) == ("lightning", kind)

    def test_the_trainers_step_counts_before_the_call_counter_of_wandb(self, tmp_path):
        rows = [{"_step": s, "train/global_step": 10 * (s + 1), "train/loss": 1.0 / (s + 1)} for s in range(5)]
        (tmp_path / "log").write_text(json.dumps(rows))
        (one,) = read_logs(tmp_path / "log")
        assert list(one.run.step) == [10, 20, 30, 40, 50]

    def test_bare_nan_tokens_are_numbers(self, tmp_path):
        (tmp_path / "log").write_text('{"log_history": [{"step": 1, "loss": 1.0}, {"step": 2, "loss": NaN}]}')
        (one,) = read_logs(tmp_path / "log")
        np.testing.assert_equal(one.run.loss, [1.0, math.nan])

    def test_what_is_missing_is_said(self, tmp_path):
        (one,) = table(tmp_path, "step,loss\n0,1\n1,2\n2,1\n")
        assert {"rate-unknown", "no-validation"} <= ids(one)
        assert not one.lr_known
        assert np.all(np.isnan(one.run.lr))
        (one,) = table(tmp_path, "step,val_acc\n0,1\n1,2\n2,1\n")
        assert {"no-loss", "no-val-loss"} <= ids(one)
        assert not one.has_loss
        assert not one.has_val_loss

    def test_a_rate_logged_seldom_is_held(self, tmp_path):
        rows = "".join(f"{s},{1 + s % 3},{0.1 / (1 + s // 10) if s % 10 == 0 else ''}\n" for s in range(40))
        (one,) = table(tmp_path, "step,loss,lr\n" + rows)
        np.testing.assert_allclose(one.run.lr, [0.1 / (1 + s // 10) for s in range(40)])
        assert "rate-held" in ids(one)


class TestText:
    @pytest.mark.parametrize(
        ("line", "name"),
        [
            ("iter {i}: loss {v:.4f}, time 12.5ms", "loss"),
            ("Train Epoch: 1 [{i}/60000 (1%)]\tLoss: {v:.6f}", "Loss"),
            ("[12:00:0{i}] step: {i}, train_loss: {v}", "train_loss"),
            ("{{'loss': {v}, 'learning_rate': 0.1, 'epoch': 0.{i}, 'step': {i}}}", "loss"),
            ("\x1b[32mINFO\x1b[0m step={i} loss={v}", "loss"),
            ("Epoch {i}/9 - loss: {v} - val_loss: 1.5", "loss"),
        ],
    )
    def test_manners_of_printing(self, tmp_path, line, name):
        values = [2.5, 1.5, 1.25, 1.0]
        lines = [line.format(i=place + 1, v=value) for place, value in enumerate(values)]
        (one,) = table(tmp_path, "starting 3 workers: seed=1\n" + "\n".join(lines) + "\n")
        assert one.format == "text"
        assert one.names["loss"] == name
        assert list(one.run.loss) == values
        assert list(one.run.step) == [1, 2, 3, 4]

    def test_validation_on_lines_of_its_own(self, tmp_path):
        text = "".join(f"step {s}: train loss {3 - s}, val loss {4 - s}\n" for s in range(3))
        (one,) = table(tmp_path, text)
        assert list(one.run.loss) == [3, 2, 1]
        assert list(one.run.val_loss) == [4, 3, 2]


class TestValidationByEpoch:
    """TensorBoard and the like: the loss of every update, and `val_loss` at the number of the epoch."""

    def log(self, tmp_path, first, epochs=10, per=20, every=1, **more):
        lines = [json.dumps({"step": step, "loss": 2.0 - step / 1000}) for step in range(0, epochs * per, every)]
        for epoch in range(epochs):
            place = (epoch + 1) * per if more.get("by_update") else first + epoch
            lines.append(json.dumps({"step": place, "val_loss": 1.0 + epoch}))
        (one,) = table(tmp_path, "\n".join(lines) + "\n")
        return one

    @pytest.mark.parametrize("first", [0, 1])
    @pytest.mark.parametrize("every", [1, 5])
    def test_it_is_laid_out_over_the_updates(self, tmp_path, first, every):
        one = self.log(tmp_path, first, every=every)
        assert one.run.val_step.tolist() == [20 * epoch for epoch in range(1, 11)]
        assert one.run.val_loss.tolist() == [1.0 + epoch for epoch in range(10)]
        assert one.noted("validation-by-epoch")

    def test_what_is_counted_in_updates_stays(self, tmp_path):
        one = self.log(tmp_path, 0, by_update=True)
        assert one.run.val_step.tolist() == [20 * epoch for epoch in range(1, 11)]
        assert not one.noted("validation-by-epoch")

    def test_a_validation_at_every_update_stays(self, tmp_path):
        one = self.log(tmp_path, 0, per=1)
        assert one.run.val_step.tolist() == list(range(10))
        assert not one.noted("validation-by-epoch")


class TestWrittenNumbers:
    def test_numbers_as_text_in_json_are_numbers(self, tmp_path):
        rows = [{"step": k, "loss": f"{2.0 - k / 10:.3f}", "lr": "1.5e-03", "host": "node-7"} for k in range(12)]
        (one,) = table(tmp_path, "".join(json.dumps(row) + "\n" for row in rows))
        assert one.run.loss.tolist() == pytest.approx([2.0 - k / 10 for k in range(12)])
        assert set(one.run.lr.tolist()) == {0.0015}
        assert not any("host" in name for name in one.series)

    def test_a_table_by_epoch_and_batch_holds_losses_of_batches(self, tmp_path):
        lines = [f"{k // 10},{k % 10},{2.0 - k / 100}" for k in range(60)]
        (one,) = table(tmp_path, "epoch,batch,loss\n" + "\n".join(lines) + "\n")
        assert one.format == "csv"
        assert one.loss_kind != "epoch"
        assert one.run.steps_per_epoch == 10
        assert not one.noted("epoch-loss")
        (keras,) = table(tmp_path, "epoch,accuracy,loss\n" + "".join(f"{k},0.5,{2 - k / 10}\n" for k in range(9)))
        assert keras.format == "keras"

    def test_counters_beyond_every_number_are_read_without_a_warning(self, tmp_path):
        rows = [{"step": 10**312, "time": 10**312, "loss": 2.0 - k / 10} for k in range(4)]
        (one,) = table(tmp_path, json.dumps({"log_history": rows}))
        assert one.run.loss.tolist() == pytest.approx([2.0, 1.9, 1.8, 1.7])  # by rows
