"""What holds for every test: one thread a worker, and nothing global is left changed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal

import numpy as np
import pytest
import torch

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a shell, where Ctrl-C is ignored, which tests of Ctrl-C would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    """Threads, default dtype and device, gradient mode, determinism and child processes are as before the test."""
    before = _global_state()
    yield
    assert _global_state() == before
    for child in multiprocessing.active_children():
        child.join(timeout=5)
    assert multiprocessing.active_children() == []


@pytest.fixture
def borrowed():
    """``with borrowed(module, tensor, …)``: Surefoot works inside; afterwards all is as before, to the bit."""
    return _borrowed


@contextlib.contextmanager
def _borrowed(*objects):
    before = [_snapshot(one) for one in objects]
    rng = _rng_state()
    yield
    for place, (one, was) in enumerate(zip(objects, before, strict=True)):
        now = _snapshot(one)
        assert now.keys() == was.keys(), f"object {place} has other parts than before: {now.keys() ^ was.keys()}"
        changed = [name for name in was if now[name] != was[name]]
        assert not changed, f"{changed} of object {place} changed"
    now_rng = _rng_state()
    assert [name for name in rng if now_rng[name] != rng[name]] == []


def _global_state():
    return {
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "gradients on": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "anomaly mode": torch.is_anomaly_enabled(),
        "numpy errors": np.geterr(),
    }


def _rng_state():
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the user's legacy generator is what is borrowed
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": (name, keys.tobytes(), *rest),
        "python": random.getstate(),
    }


def _snapshot(one):
    if isinstance(one, torch.Tensor):
        return {"tensor": (one.requires_grad, _bytes(one), None if one.grad is None else _bytes(one.grad))}
    if isinstance(one, np.ndarray):
        return {"array": (str(one.dtype), one.shape, one.tobytes())}
    state = {}
    for name, parameter in one.named_parameters():
        state[f"parameter {name}"] = (id(parameter), *_snapshot(parameter)["tensor"])
    for name, buffer in one.named_buffers():
        state[f"buffer {name}"] = (id(buffer), _bytes(buffer))
    for name, module in one.named_modules():
        hooks = [vars(module)[key] for key in sorted(vars(module)) if key.endswith("_hooks")]
        state[f"module {name}"] = (module.training, [list(one) for one in hooks])
    return state


def _bytes(tensor):
    return (
        str(tensor.dtype),
        tuple(tensor.shape),
        tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes(),
    )
