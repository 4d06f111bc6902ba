"""The claims by topic: statements of courses in our own words, each with the rule that decides it. No torch.

A *place* such as ``003 L463-527`` is lines of a file of the course notes, ``001 Q8.8`` a question of theirs, counted
in the order of the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType

from surefoot.errors import InputError
from surefoot.records.claim import Claim
from surefoot.textbook.claims.history import CHANGED, CORRECTED

__all__ = ["TOPICS", "all_claims", "claims_of_topic", "families_of", "find_claim"]

TOPICS = MappingProxyType(
    {
        "step definition": "step_definition",
        "too large": "too_large",
        "too small": "too_small",
        "speed and stability": "speed_and_stability",
        "decay": "decay",
        "landscape": "landscape",
        "gradient noise": "gradient_noise",
        "choosing the rate": "choosing",
        "optimizers": "optimizers",
        "interactions": "interactions",
        "generalization": "generalization",
        "monitoring": "monitoring",
        "backpropagation": "backpropagation",
        "XOR programs": "xor_programs",
        "MNIST CNN": "mnist_cnn",
        "CNN facts": "cnn_facts",
    }
)
"""Topic and the file of this folder that holds its claims, in the order to show them."""


@functools.cache
def all_claims() -> Mapping[str, Claim]:
    """Every claim by its id, topic after topic."""
    found: dict[str, Claim] = {}
    for module in TOPICS.values():
        for claim in import_module(f"{__name__}.{module}").CLAIMS:
            if claim.id in found:
                raise ValueError(f"two claims are called {claim.id!r}")
            corrected, changed = CORRECTED.get(claim.id, ""), CHANGED.get(claim.id, "")
            found[claim.id] = dataclasses.replace(claim, corrected=corrected, changed=changed)
    return MappingProxyType(found)


def find_claim(claim_id: str) -> Claim:
    """The claim of an id.

    Raises:
        InputError: there is none; the nearest ids are given.
    """
    claims = all_claims()
    found = claims.get(claim_id)
    if found is not None:
        return found
    near = difflib.get_close_matches(claim_id.lower().replace("_", "-"), claims, n=3, cutoff=0.4)
    offer = f"the nearest are {', '.join(near)}" if near else "`surefoot verify` without a name lists them"
    raise InputError(f"no claim {_short(claim_id)}; {offer}")


def claims_of_topic(topic: str) -> tuple[Claim, ...]:
    """The claims of a topic.

    Raises:
        InputError: there is no such topic; all topics are given.
    """
    wanted = topic.strip().lower().replace("-", " ").replace("_", " ")
    known = {one.lower(): one for one in TOPICS}
    if wanted not in known:
        near = difflib.get_close_matches(wanted, known, n=2, cutoff=0.6)
        offer = f"the nearest are {', '.join(near)}" if near else f"topics are {', '.join(TOPICS)}"
        raise InputError(f"`--topic` is {_short(topic)}; {offer}")
    return tuple(one for one in all_claims().values() if one.topic == known[wanted])


def families_of(claims: Iterable[Claim]) -> tuple[str, ...]:
    """The experiments behind some claims, each once."""
    return tuple(dict.fromkeys(family for claim in claims for family in claim.families))


def _short(words: str) -> str:
    return repr(words if len(words) <= 60 else f"{words[:57]}...")
