"""Blobs: what goes in comes out, to the bit; damage is told."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.errors import RecordError
from surefoot.study.blobs import PACKED, PLAIN, checksum, decoded, encoded

DRAW = np.random.default_rng(0)
SERIES = [
    np.zeros(0), np.array([1.5]), DRAW.normal(size=63), DRAW.normal(size=5000), np.exp(-np.arange(5000) / 1000),
    np.arange(1000), np.array([np.nan, np.inf, -np.inf, 0.0, -0.0] * 50),
]  # fmt: skip


@pytest.mark.parametrize("values", SERIES, ids=range(len(SERIES)))
def test_series_come_back_to_the_bit(values):
    values = values.astype(np.float32)
    encoding, data = encoded(values)
    assert decoded(encoding, data, len(values)).tobytes() == values.tobytes()
    assert len(data) <= 4 * len(values)


def test_smooth_series_are_packed_and_noise_is_not():
    assert encoded(np.arange(5000))[0] == PACKED
    assert len(encoded(np.arange(5000))[1]) < 0.5 * 4 * 5000
    assert encoded(DRAW.integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32))[0] == PLAIN
    assert encoded(np.zeros(10))[0] == PLAIN


def test_damage_and_unknown_encodings_are_told():
    encoding, data = encoded(np.arange(1000))
    with pytest.raises(RecordError, match="damaged"):
        decoded(encoding, data[:-20], 1000)
    with pytest.raises(RecordError, match="damaged"):
        decoded(PLAIN, b"\0" * 7, 2)
    with pytest.raises(RecordError, match="upgrade"):
        decoded("f16", data, 1000)
    assert checksum("ab", "c") != checksum("a", "bc")
