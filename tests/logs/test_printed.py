"""What tools print: every dialect gives the training back, and what is near to one does not mislead."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from printed_dialects import DIALECTS, LOSS, LR, VAL, N
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier

from surefoot.errors import InputError
from surefoot.logs import read_logs


def read(folder, text, name="printed.log"):
    path = folder / name
    path.write_bytes(text.encode())
    return read_logs(path)


@pytest.mark.parametrize("name", list(DIALECTS))
def test_every_dialect_gives_the_training_back(tmp_path, name):
    told = DIALECTS[name]
    (one,) = read(tmp_path, told.text)
    run = one.run
    np.testing.assert_allclose(run.loss, LOSS if told.loss is None else told.loss, atol=6e-4)
    assert list(run.step) == told.steps
    assert run.unit == told.unit
    assert one.stopped == ""
    if told.lr:
        np.testing.assert_allclose(run.lr, LR, rtol=1e-3, atol=2e-7)
    if told.val:
        places = np.searchsorted(run.val_step, [told.steps[at] for at in told.val])
        np.testing.assert_allclose(run.val_loss[places], VAL[told.val], atol=6e-4)
        assert len(run.val_step) == len(told.val)


@pytest.mark.parametrize("name", list(DIALECTS))
def test_windows_line_ends_and_a_lost_end_change_nothing_before_it(tmp_path, name):
    told = DIALECTS[name]
    (whole,) = read(tmp_path, told.text)
    (windows,) = read(tmp_path, told.text.replace("\n", "\r\n"), "windows.log")
    assert np.array_equal(windows.run.loss, whole.run.loss)
    cut = read(tmp_path, told.text[: len(told.text) * 2 // 3], "cut.log")[0]
    few = len(cut.run.loss) - 1
    assert few > N // 3
    if "llama-factory-lines" not in name:
        assert np.array_equal(cut.run.loss[:few], whole.run.loss[:few])


def test_validation_of_nanogpt_stands_beside_its_training(tmp_path):
    (one,) = read(tmp_path, DIALECTS["nanogpt"].text)
    assert one.names == {"loss": "loss", "val_loss": "val_loss"}
    assert list(one.run.val_step) == [0, 100, 200, 300]
    assert list(one.run.val_loss) == [2.5, *VAL[[9, 19, 29]]]


def printed(fit):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), np.errstate(all="ignore"):
        fit()
    return out.getvalue()


class TestScikitLearn:
    x = np.random.default_rng(0).normal(size=(200, 5))
    y = (x[:, 0] + 0.3 * x[:, 1] > 0).astype(int)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_perceptron(self, tmp_path):
        model = MLPClassifier((8,), max_iter=15, verbose=True, random_state=0)
        (one,) = read(tmp_path, printed(lambda: model.fit(self.x, self.y)))
        np.testing.assert_allclose(one.run.loss, model.loss_curve_, atol=1e-7)
        assert list(one.run.step) == list(range(1, 16))

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_linear_model(self, tmp_path):
        model = SGDClassifier(loss="log_loss", max_iter=12, tol=None, verbose=1, random_state=0)
        (one,) = read(tmp_path, printed(lambda: model.fit(self.x, self.y)))
        assert (len(one.run.loss), one.run.unit) == (12, "epoch")
        assert one.run.loss[-1] < one.run.loss[0]

    def test_boosting(self, tmp_path):
        model = GradientBoostingClassifier(n_estimators=9, verbose=2, random_state=0)
        (one,) = read(tmp_path, printed(lambda: model.fit(self.x, self.y)))
        np.testing.assert_allclose(one.run.loss, model.train_score_, atol=1e-4)

    def test_the_warning_that_is_ignored_exists(self):
        assert issubclass(ConvergenceWarning, UserWarning)


@pytest.mark.parametrize(
    "text",
    [
        "[12:00:01] INFO starting\n[12:00:02] INFO done\n",
        "[LightGBM] [Info] Total Bins 4542\n[LightGBM] [Warning] No further splits\n",
        "Total optimization steps = 400\nNum Epochs = 3\nInstantaneous batch size = 8\n",
        "copied 10/20 files\ncopied 20/20 files\n",
    ],
)
def test_text_without_a_loss_is_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"no log|no numbers|no series"):
        read(tmp_path, text)


def test_announcements_of_steps_are_no_steps(tmp_path):
    text = "***** Running training *****\n  Total optimization steps = 400\n" + DIALECTS["huggingface-text-values"].text
    (one,) = read(tmp_path, text)
    assert len(one.run.loss) == N


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_crashes_nothing(tmp_path_factory, data):
    text = DIALECTS[data.draw(st.sampled_from(list(DIALECTS)))].text
    first = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 80))
    filler = data.draw(st.text(max_size=40))
    folder = tmp_path_factory.mktemp("damage", numbered=True)
    with contextlib.suppress(InputError):
        for one in read(folder, text[:first] + filler.encode("utf-8", "replace").decode() + text[first + length :]):
            assert len(one.run.loss) == len(one.run.step)
            assert np.all(np.diff(one.run.step) > 0)
