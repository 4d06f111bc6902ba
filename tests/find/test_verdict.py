"""The verdict keeps away from cliffs that another seed may meet."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.find.verdict import _over_seeds

GRID = np.arange(-3.0, 0.0, 0.04)


def test_a_cliff_is_kept_away_from():
    share = np.where(GRID < -1.0, 0.05 * (-1.0 - GRID), 1.0)
    assert GRID[share.argmin()] == pytest.approx(-1.0, abs=0.05)
    assert -1.8 < GRID[_over_seeds(GRID, share).argmin()] < -1.2


def test_where_the_response_is_even_on_both_sides_nothing_moves():
    for share in (np.abs(GRID + 1.5), np.full(len(GRID), 0.3)):
        over = _over_seeds(GRID, share)
        assert len(over) == len(GRID)
        assert over.mean() == pytest.approx(share.mean(), abs=0.03)
    assert GRID[_over_seeds(GRID, np.abs(GRID + 1.5)).argmin()] == pytest.approx(-1.5, abs=0.05)
    assert _over_seeds(GRID[:1], share[:1]).tolist() == share[:1].tolist()
