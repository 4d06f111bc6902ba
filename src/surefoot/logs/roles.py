"""Roles: which of a log's named series is the loss, the rate, the gradient norm, the validation loss.

A name is cut into lower-case words (`train/totalLoss_step` → train, total, loss, step) and judged by them, so that
the same rules serve every tool. A format that knows its own names says so and overrules.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from surefoot.errors import InputError
from surefoot.logs.limits import clean

__all__ = ["ROLES", "Roles", "assign_roles", "checked_mapping", "is_loss", "is_validation", "words"]

ROLES = ("step", "loss", "lr", "grad_norm", "val_loss")
"""What `--map ROLE=NAME` may name."""

_VALIDATION = {"val", "valid", "validation", "eval", "evaluation", "dev", "heldout", "holdout"}
_TEST = {"test", "testing"}
_TRAIN = {"train", "training", "trn", "tr"}
_LOSS = {"loss", "losses", "cost", "nll", "objective", "logloss", "xent", "crossentropy"}
_PLAIN = {*_TRAIN, *_VALIDATION, *_LOSS, "total", "step", "batch", "iter", "epoch", "mean", "avg", "average", "running"}
_NO_LOSS = {
    *("scale", "scaler", "weight", "ratio", "best", "min", "max", "std", "var", "delta", "coef", "spike", "spikes"),
    *("lr", "time", "grad", "norm", "count", "patience", "drop", "improvement"),
}
_NO_RATE = {"scale", "mult", "multiplier", "min", "max", "best", "decay", "suggested", "ratio", "momentum", "steps"}
_NO_METRIC = {"runtime", "second", "seconds", "time", "samples", "examples", "epoch", "step", "steps", "speed"}
_COARSE = {"epoch"}
_SELDOM = 3
"""A loss that stands in the log so many times less often than another of as plain a name is a summary of it."""


@dataclasses.dataclass
class Roles:
    """The names that were chosen; `loss_parts` when the training loss is the sum of several."""

    loss: str | None = None
    loss_parts: tuple[str, ...] = ()
    lr: str | None = None
    grad_norm: str | None = None
    val_loss: str | None = None
    val_parts: tuple[str, ...] = ()
    val_metrics: tuple[str, ...] = ()
    guessed: bool = False
    """Whether the loss was taken from a name that does not plainly say so."""
    several_rates: bool = False
    from_test: bool = False
    """Whether test numbers stand in for validation."""

    @property
    def nothing(self) -> bool:
        """Whether no curve of a training was found."""
        return not (self.loss or self.loss_parts or self.val_loss or self.val_parts or self.val_metrics)


def words(name: str) -> list[str]:
    """The lower-case words of a series name."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name[:200])
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def is_validation(name: str) -> bool:
    """Whether a name says that it was measured on held-out data."""
    return bool((_VALIDATION | _TEST) & set(words(name)))


def checked_mapping(mapping: Mapping[str, str] | None) -> dict[str, str]:
    """`mapping` with its roles checked.

    Raises:
        InputError: a role that does not exist, or a name that is no text.
    """
    for role, name in (mapping or {}).items():
        if role not in ROLES:
            raise InputError(f"`map` names the role {clean(role)!r}; roles are {', '.join(ROLES)}")
        if not isinstance(name, str) or not name:
            raise InputError(f"`map` gives no name for {role}; write it as {role}=NAME with a name from the log")
    return dict(mapping or {})


def assign_roles(
    counts: Mapping[str, int], given: Mapping[str, str], mapping: Mapping[str, str], validation: frozenset[str]
) -> Roles:
    """Choose the series for every role.

    Args:
        counts: series name to how many finite or non-finite values it holds.
        given: role to name where the format tells.
        mapping: role to name where the user tells; a name that the log lacks is passed over.
        validation: names that the format says are validation metrics though their words do not.
    """
    roles = Roles()
    kinds = {name: words(name) for name in counts}
    losses = {name: kind for name, kind in kinds.items() if is_loss(kind)}
    train = {n: k for n, k in losses.items() if not ((_VALIDATION | _TEST) & set(k)) and n not in validation}
    held = {n: k for n, k in losses.items() if _VALIDATION & set(k)}
    if not held:
        held = {n: k for n, k in losses.items() if _TEST & set(k)}
        roles.from_test = bool(held)
    roles.loss, roles.loss_parts = _best_loss(train, counts)
    roles.val_loss, roles.val_parts = _best_loss(held, counts)
    roles.guessed = bool(roles.loss) and _extra(train[roles.loss or ""]) > 0
    rates = [name for name, kind in kinds.items() if _is_rate(kind)]
    roles.lr = min(rates, key=lambda n: (len(kinds[n]), -counts[n] // 2)) if rates else None
    roles.several_rates = len(rates) > 1
    roles.grad_norm = _best_norm(kinds)
    for source in (given, mapping):
        for role, wanted in source.items():
            found = _named(wanted, counts)
            if found is None or role == "step":
                continue
            setattr(roles, role, found)
            if role == "loss":
                roles.loss_parts, roles.guessed = (), False
            elif role == "val_loss":
                roles.val_parts, roles.from_test = (), False
            elif role == "lr":
                roles.several_rates = False
    if roles.loss and roles.loss == roles.val_loss:
        roles.val_loss = None
    taken = {roles.loss, roles.lr, roles.grad_norm, roles.val_loss, *roles.loss_parts, *roles.val_parts}
    roles.val_metrics = tuple(
        name
        for name, kind in kinds.items()
        if name not in taken
        and counts[name]
        and (name in validation or ((_VALIDATION & set(kind)) and not (_NO_METRIC & set(kind))))
    )
    return roles


def is_loss(kind: list[str]) -> bool:
    """Whether the words of a name say loss, and not something about a loss."""
    return any(word in _LOSS or word.endswith("loss") for word in kind) and not (_NO_LOSS & set(kind))


def _is_rate(kind: list[str]) -> bool:
    joined = "_".join(kind)
    named = (
        any(re.fullmatch(r"lr\d{0,2}", word) for word in kind) or "learning_rate" in joined or "learningrate" in kind
    )
    return named and not (_NO_RATE & set(kind))


def _extra(kind: list[str]) -> int:
    return sum(word not in _PLAIN and not word.isdigit() for word in kind)


def _best_loss(found: Mapping[str, list[str]], counts: Mapping[str, int]) -> tuple[str | None, tuple[str, ...]]:
    """The plainest name, or several parts of equal length to be summed when no name is plain."""
    named = {name: kind for name, kind in found.items() if counts[name] > 0}
    if not named:
        return None, ()

    plain = min(_extra(kind) for kind in named.values())
    most = max(counts[name] for name, kind in named.items() if _extra(kind) == plain)

    def badness(name: str) -> tuple[int, bool, bool, bool, bool, int]:
        kind = set(named[name])
        return (
            _extra(named[name]),
            counts[name] * _SELDOM < most,
            bool(_COARSE & kind) and counts[name] < 3 * max(counts[n] for n in named),
            "total" not in kind and not ({"step", *_TRAIN} & kind),
            not (_TRAIN & kind),
            -counts[name],
        )

    best = min(named, key=badness)
    rivals = [name for name in named if name != best and badness(name)[0] == badness(best)[0]]
    if _extra(named[best]) and rivals:
        parts = tuple(name for name in named if counts[name] == counts[best] and not _COARSE & set(named[name]))
        if len(parts) > 1:
            return None, parts
    return best, ()


def _best_norm(kinds: Mapping[str, list[str]]) -> str | None:
    """The norm of the whole gradient: named so, or the only short name; never one of many layers'."""
    found = [
        name
        for name, kind in kinds.items()
        if "gnorm" in kind
        or "gradnorm" in kind
        or ("norm" in kind and {"grad", "grads", "gradient", "gradients"} & set(kind))
    ]
    whole = [name for name in found if {"total", "global"} & set(kinds[name])]
    pool = (
        whole or [name for name in found if len(set(kinds[name]) - _TRAIN) <= 2] or (found if len(found) == 1 else [])
    )
    return min(pool, key=lambda name: len(kinds[name])) if pool else None


def _named(wanted: str, counts: Mapping[str, int]) -> str | None:
    if wanted in counts:
        return wanted
    alike = [name for name in counts if name.lower() == wanted.lower()]
    return alike[0] if len(alike) == 1 else None
