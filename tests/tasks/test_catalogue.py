from __future__ import annotations

import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from surefoot.errors import InputError
from surefoot.tasks.catalogue import ALIASES, CATALOGUE, SYMBOLS, find_entry
from surefoot.tasks.data import idx
from surefoot.tasks.data.mnist import FILES
from surefoot.tasks.data.tiny_text import alphabet

INSIDE = [name for name, entry in CATALOGUE.items() if not entry.folder]
FROM_FOLDER = [name for name, entry in CATALOGUE.items() if entry.folder]
REGRESSION = {"xor", "diabetes"}
SURFACES = {"quadratic", "rosenbrock"}


def _rows(task, count=256):
    return task.batch(task.train, torch.arange(min(count, task.train.size)))


def test_listing_needs_no_torch():
    code = (
        "import sys; from surefoot.tasks.catalogue import CATALOGUE; "
        "print(*CATALOGUE); assert all(e.summary and e.epochs for e in CATALOGUE.values()); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'sklearn')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(CATALOGUE)


def test_every_promised_name_is_there():
    promised = """xor digits digits-mlp digits-cnn digits-bn digits-linear breast-cancer diabetes iris wine penguins
        spirals quadratic rosenbrock tiny-text tiny-text-rnn tiny-text-transformer mnist mnist-mlp mnist-small
        mnist-small-mlp mnist-small-lenet"""
    assert [find_entry(name).name for name in promised.split() if name not in ALIASES] == list(CATALOGUE)
    assert find_entry("digits-mlp") is CATALOGUE["digits"]
    assert not set(ALIASES) & set(CATALOGUE)
    assert set(ALIASES.values()) <= set(CATALOGUE)


@pytest.mark.parametrize("name", INSIDE)
def test_task_can_be_trained(name):
    entry = CATALOGUE[name]
    before = torch.get_rng_state()
    task = entry.make()
    assert torch.equal(torch.get_rng_state(), before)
    assert task.name == name
    assert task.notes == ()
    model, batch = task.make_model(seed=0), _rows(task)
    if name == "digits-bn":
        model.eval()  # the loss before and after is compared without dropout
    losses, optimizer = [], torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        loss = task.loss_of(model, batch)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    assert losses[2] < losses[1] < losses[0]
    assert set(task.metrics) == (
        set() if name in SURFACES else {"mean_absolute_error"} if name in REGRESSION else {"accuracy"}
    )
    with torch.no_grad():
        values = task.metrics_of(model, batch)
    assert all(math.isfinite(value) for value in values.values())
    assert entry.batch_size == "full" or 0 < entry.batch_size <= task.train.size


@pytest.mark.parametrize("name", [name for name in INSIDE if name not in REGRESSION | SURFACES])
def test_untrained_models_guess(name):
    task = CATALOGUE[name].make()
    model = task.make_model(seed=0).eval()
    with torch.no_grad():
        batch = _rows(task)
        loss, output = task.loss_and_output(model, batch)
    assert loss.item() == pytest.approx(math.log(output.shape[1]), rel=0.25)


@pytest.mark.parametrize("name", INSIDE)
def test_model_factory_travels_to_another_process(name):
    task = CATALOGUE[name].make()
    torch.manual_seed(5)
    first = task.model().state_dict()
    torch.manual_seed(5)
    second = pickle.loads(pickle.dumps(task.model))().state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # by hand, from the sizes in the summaries
        ("xor", 17),
        ("digits", 2_410),
        ("digits-cnn", 9_930),
        ("digits-linear", 650),
        ("quadratic", 7),
        ("rosenbrock", 2),
        ("tiny-text", 63 * 64 + 2 * 3 * 64 * 65 + 63 * 65),
        ("tiny-text-rnn", 63 * 64 + 64 * 65 + 64 * 64 + 63 * 65),
        ("mnist-small", 67_710),
        ("mnist-small-mlp", 203_530),
        ("mnist-small-lenet", 61_706),
    ],
)
def test_model_is_the_one_the_summary_names(name, parameters):
    model = CATALOGUE[name].make().make_model(seed=0)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.mark.parametrize("name", FROM_FOLDER)
def test_folder_reaches_the_data(name, tmp_path):
    random = np.random.default_rng(0)
    for file in FILES:
        count = 8 if file.startswith("train") else 4
        shape, top = ((count, 28, 28), 256) if "images" in file else ((count,), 10)
        (tmp_path / file).write_bytes(idx.pack(random.integers(0, top, shape, dtype=np.uint8)))
    task = CATALOGUE[name].make(directory=tmp_path)
    assert (task.train.size, task.val.size) == (8, 4)
    assert math.isfinite(task.loss_of(task.make_model(seed=0), _rows(task)).item())


def test_folder_for_a_task_that_reads_none_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"'digits' needs no folder; only mnist, mnist-mlp read one"):
        CATALOGUE["digits"].make(directory=tmp_path)


@pytest.mark.parametrize(
    ("name", "offered"), [("digit", "digits"), ("mnist_smal", "mnist-small"), ("Penguin", "penguins"), ("qqq", "xor")]
)
def test_unknown_name_offers_the_nearest(name, offered):
    with pytest.raises(InputError) as caught:
        find_entry(name)
    assert repr(name) in str(caught.value)
    assert offered in str(caught.value)
    assert "\n" not in str(caught.value)


def test_symbols_are_those_of_the_text():
    assert len(alphabet()) == SYMBOLS
