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


def test_a_cut_reaches_keras():
    callback = SurefootCallback(quiet=True, act={"cut"})
    model, truth = trained(callback, keras.optimizers.SGD(0.9), examples=400, epochs=4)
    action = callback.watch.actions[0]
    assert action.deed == "cut"
    assert truth.rates[action.step] == pytest.approx(0.9 * 0.3)
    assert float(model.optimizer.learning_rate) < 0.9
