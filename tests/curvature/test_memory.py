"""The bound on memory: what a measurement takes at its peak, and what it says where that is little."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import surefoot as sf
from surefoot.curvature.hvp import Hvp, batches_of
from surefoot.curvature.limits import Reading
from surefoot.curvature.plan import Plan, make_plan
from surefoot.curvature.sharpness import largest
from surefoot.curvature.top import top_eigenvector
from surefoot.errors import MemoryBoundError

PEAK = """
import resource, sys
import torch
from torch import nn
import surefoot as sf

def task(width, hidden):
    x, y = torch.randn(200, width), torch.arange(200) % 5
    return sf.Task(lambda: nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 5)), (x, y), (x, y),
                   loss=nn.CrossEntropyLoss(), device="cpu")

def measure(task, **given):
    return sf.curvature(task, lr=0.001, steps=4, optimizer=sys.argv[1], batch_size=12, noise=True, density=True,
                        layers=True, **given)

torch.manual_seed(0)
measure(task(5, 4))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
measure(task(500, 1000), memory=int(sys.argv[2]) * 10**6)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are told in kilobytes on Linux")
@pytest.mark.parametrize(("optimizer", "allowed"), [("sgd", 120), ("adam", 120), ("adam", 450)])
def test_the_peak_stays_within_the_bound(optimizer, allowed):
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PEAK, optimizer, str(allowed)],
        capture_output=True,
        text=True,
        check=True,
    )
    # What else a process grows by in that time does not depend on the model.
    assert float(told.stdout) < allowed + 15


def wide():
    x, y = torch.randn(60, 50, generator=torch.Generator().manual_seed(0)), torch.arange(60) % 3
    return sf.Task(lambda: nn.Sequential(nn.Linear(50, 200), nn.Tanh(), nn.Linear(200, 3)), (x, y), (x, y),
                   loss=nn.CrossEntropyLoss(), device="cpu")  # fmt: skip


BYTES = 4 * (51 * 200 + 201 * 3)
"""Of all weights of the wide one."""


def planned(vectors: int) -> Plan:
    return make_plan(wide(), wide().make_model(0), memory=vectors * BYTES)


def test_more_memory_means_more_products_and_then_warm_starts():
    plans = [planned(vectors) for vectors in (80, 120, 300, 1200, 4000)]
    for less, more in itertools.pairwise(plans):
        assert less.most <= more.most
        assert less.rows < more.rows
        assert less.warm <= more.warm
    assert plans[0].most < 100
    assert plans[-1].most == plans[-1].warm == 100
    assert planned(plans[0].enough // BYTES + 1).most == 100


def test_too_little_is_told_with_what_is_needed():
    with pytest.raises(MemoryBoundError, match=r"needs about .* of memory"):
        planned(30)


def test_a_search_begins_with_what_memory_has_room_for():
    task = wide()
    model = task.make_model(0)
    hvp = Hvp(task, model, batches_of(task))
    known = largest(hvp, Reading("plain"), tolerance=1e-3)
    known = largest(hvp, Reading("plain"), warm=known, tolerance=1e-6)
    roomy, middling, tight = planned(4000), planned(600), planned(80)
    assert roomy.begin(known, rough=False) == (known, 100)
    assert middling.begin(None, rough=False) == (None, middling.most)
    fewer, most = middling.begin(known, rough=True)
    assert len(fewer.plain.space) == len(fewer.plain.known) == most // 2 == middling.warm // 2
    for plan, rough in ((middling, False), (tight, True)):
        bare, most = plan.begin(known, rough=rough)
        assert most == plan.most
        assert len(bare.plain.space) == 0
        assert bare.plain.older is None
        # Its vectors are their own: not a part of all that was known.
        assert bare.plain.vectors.untyped_storage().nbytes() == BYTES
        found = top_eigenvector(hvp, warm=bare.plain, most=100)
        assert found.converged
        assert found.value == pytest.approx(known.plain.value, rel=1e-5)


def test_where_memory_cut_a_search_short_it_is_said_and_what_to_raise():
    found = sf.curvature(wide(), memory=70 * BYTES, density=True, layers=True)
    assert False in (found.converged, found.smallest_converged, *(one.converged for one in found.layers))
    assert any("memory allowed" in note and "of `memory` allow 100" in note for note in found.notes)
    assert not any("memory" in note for note in sf.curvature(wide(), density=True, layers=True).notes)
