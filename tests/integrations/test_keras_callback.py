"""The Keras callback against real Keras on torch: true rates, losses batch by batch."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
import torch

os.environ.setdefault("KERAS_BACKEND", "torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras")
    from surefoot.integrations.keras import SurefootCallback

pytestmark = pytest.mark.filterwarnings("ignore")


class Truth(keras.callbacks.Callback):
    """Works out loss and gradient of every batch by itself, before the batch is trained on."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.losses, self.rates = x, y, [], []

    def on_train_batch_begin(self, batch, logs=None):
        part = slice(batch * 8, batch * 8 + 8)
        with torch.no_grad():
            out = self.model(torch.tensor(self.x[part]))
            self.losses.append(float(((out - torch.tensor(self.y[part])) ** 2).mean()))
        self.rates.append(float(self.model.optimizer.learning_rate))


def trained(callback, optimizer, *, examples=44, epochs=2):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, 4)).astype("float32")
    y = x.sum(1, keepdims=True)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizer=optimizer, loss="mse")
    truth = Truth(x, y)
    callbacks = [truth, callback] if callback else [truth]
    model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, validation_data=(x, y), callbacks=callbacks)
    return model, truth


def test_rates_and_losses_are_what_keras_used():
    """Also of the last batch of an epoch, which is smaller, where a plain running mean would be wrong."""
    callback = SurefootCallback(quiet=True, overhead=1.0)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.9)
    _, truth = trained(callback, keras.optimizers.SGD(schedule, momentum=0.9))
    run = callback.watch.run()
    assert run.lr.tolist() == truth.rates
    assert len(set(truth.rates)) == 12
    assert np.allclose(run.loss, truth.losses, rtol=1e-4)
    assert run.val_step.tolist() == [6, 12]
    assert callback.watch.inspection().layers[0].update[0] > 0


def test_the_model_is_the_same_with_and_without():
    one, _ = trained(SurefootCallback(quiet=True), keras.optimizers.Adam(0.01))
    other, _ = trained(None, keras.optimizers.Adam(0.01))
    for mine, plain in zip(one.weights, other.weights, strict=True):
        assert torch.equal(mine.value, plain.value)


def test_accumulated_batches_are_one_update():
    """Six batches an epoch by fours: what is left over goes into the next epoch's first update."""
    callback = SurefootCallback(quiet=True)
    optimizer = keras.optimizers.SGD(0.05, gradient_accumulation_steps=4)
    model, truth = trained(callback, optimizer, epochs=2)
    run, batches = callback.watch.run(), len(truth.losses)
    assert run.steps == int(model.optimizer.iterations) == batches // 4
    parts = np.array(truth.losses[: run.steps * 4]).reshape(-1, 4)
    assert np.allclose(run.loss, parts.mean(1), rtol=1e-4)
    assert run.lr.tolist() == pytest.approx([0.05] * run.steps)
    assert not run.notes


def test_a_cut_reaches_keras():
    callback = SurefootCallback(quiet=True, act={"cut"})
    model, truth = trained(callback, keras.optimizers.SGD(0.9), examples=400, epochs=4)
    action = callback.watch.actions[0]
    assert action.deed == "cut"
    assert truth.rates[action.step] == pytest.approx(0.9 * 0.3)
    assert float(model.optimizer.learning_rate) < 0.9


@pytest.mark.parametrize("scheduled", [False, True])
def test_a_lost_training_goes_on_with_the_optimizers_state_put_back(scheduled):
    """One NaN gets into Adam's averages: weights alone would be lost again with the next update."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 1))

    def batches():
        for batch in range(240):
            x = rng.normal(size=(16, 4)).astype("float32")
            y = (x @ weights + 0.1 * rng.normal(size=(16, 1))).astype("float32")
            yield x, y * np.float32("nan" if batch == 110 else 1)

    class Seen(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.iterations.append(int(self.model.optimizer.iterations.numpy()))

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    rate = keras.optimizers.schedules.ExponentialDecay(0.02, 1000, 0.9) if scheduled else 0.02
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
    callback, seen = SurefootCallback(quiet=True, act={"restore"}, overhead=1.0), Seen()
    seen.iterations = []
    model.fit(batches(), steps_per_epoch=120, epochs=2, verbose=0, callbacks=[callback, seen])
    (action,) = callback.watch.actions
    assert (action.deed, action.step) == ("restore", 111)
    run = callback.watch.run()
    assert np.flatnonzero(~np.isfinite(run.loss)).tolist() == [110]
    assert run.loss[-20:].mean() < run.loss[:20].mean()
    for variable in model.optimizer.variables:
        assert torch.isfinite(variable.value.float()).all()
    expected = 111 if scheduled else action.restored
    assert seen.iterations[110] == expected
    assert seen.iterations[111] == expected + 1
