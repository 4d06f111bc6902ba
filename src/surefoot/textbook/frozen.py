"""What decided a claim, as one digest: its rule, its seeds, and the text of its experiments.

A record keeps the digest of every claim it decides. When a threshold, a seed, a size or a statistic is changed
afterwards, the digest of the claim is another one, and `surefoot verify` says so: such a record has to be measured
anew. No torch.
"""

from __future__ import annotations

import functools
import hashlib
import json
from importlib import resources

from surefoot.records.claim import Claim
from surefoot.textbook.seeds import FIRST_SEED

__all__ = ["digest"]


def digest(claim: Claim) -> str:
    """SHA-256, in hexadecimal, of the rule of a claim, the first seed and its experiments; white space does not count.

    Statement, lesson, literature and explanation are no part of it: they decide nothing.
    """
    content = {
        "rule": claim.rule.to_json(),
        "first seed": FIRST_SEED,
        "experiments": {family: _text(family) for family in claim.families},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@functools.cache
def _text(family: str) -> str:
    source = resources.files("surefoot.textbook.experiments") / f"{family.replace('-', '_')}.py"
    return "".join(source.read_text(encoding="utf-8").split())
