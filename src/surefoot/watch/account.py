"""The account of what watching costs: it may only spend a share of the time that the training itself takes.

Every update earns that share of its own time; a look at the layers or a judgement is only begun when its price, as
measured the last time, is there. So watching thins itself: often where updates are long, seldom where they are short.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Account", "Purse"]

_REST = 8.0
"""An update that took this many times the usual time waited for something else and earns as much as a usual one."""
_HIDDEN = 4.0
"""Most that is taken for the hidden price of a purchase, as a multiple of what was seen of it."""
_SAVED = 3.0
"""So many of the dearest purchases may be saved up; more would be spent in one burst."""


class _Prices:
    """What purchases took the last times."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}
        self.limit = 0.0
        """Seconds that may be saved up."""

    def __getitem__(self, purchase: str) -> float | None:
        return self._known.get(purchase)

    def note(self, purchase: str, seconds: float) -> None:
        """A purchase took so long."""
        before = self._known.get(purchase)
        self._known[purchase] = seconds if before is None else 0.5 * (before + seconds)
        self.limit = _SAVED * max(self._known.values())


class Account:
    """What may be spent on watching.

    Args:
        share: of the time of the training; above 0. From 1 on nothing is thinned.
        clock: seconds.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.share, self.clock = share, clock
        self.balance = 0.0
        """Seconds; below 0 where more was spent than earned."""
        self.spent = 0.0
        self.elapsed = 0.0
        """Seconds of the training itself."""
        self._usual = 0.0
        self._last: float | None = None
        self._pending = 0.0
        self._prices = _Prices()

    def update_made(self, now: float, purchase: str = "") -> None:
        """Earn for one update that ended at `now`; call it once an update, after paying what it cost.

        With `purchase` the update held one, and whatever it took longer than usual is the price: hooks that run
        inside of the forward pass slow it down where no clock of theirs can see it.
        """
        last, usual = self._last, self._usual
        if last is not None:
            own = now - last - self._pending
            if not purchase and 0 < own <= 2 * usual:
                # Nearly all updates; each line here is run from a cold cache.
                self._usual = usual + 0.1 * (own - usual)
                self.elapsed += own
                if self.balance < self._prices.limit:
                    self.balance += self.share * own
                self._last, self._pending = now, 0.0
                return
            own = max(0.0, own)
            if purchase and self._usual:
                hidden = min(max(0.0, own - self._usual), _HIDDEN * self._pending)
                self.pay(hidden)
                self._prices.note(purchase, self._pending)
                own = self._usual
            elif purchase and self._prices[purchase] is None:
                self._prices.note(purchase, self._pending)
            usual = self._usual or own
            # A pause moves what is usual a little too: updates may have become that slow for good.
            self._usual = usual + 0.1 * (min(own, 2 * usual) - usual)
            own = usual if own > _REST * usual else own
            self.elapsed += own
            if self.balance < self._prices.limit:
                self.balance += self.share * own
        self._last, self._pending = now, 0.0

    def pay(self, seconds: float, purchase: str = "") -> None:
        """Note what was spent; with `purchase`, as the price of what a later `affords` asks for."""
        self.balance -= seconds
        self.spent += seconds
        self._pending += seconds
        if purchase:
            self._prices.note(purchase, seconds)

    def note(self, seconds: float) -> None:
        """Note what every update costs, bought or not: it is spent, but nothing could be saved by buying less."""
        self.spent += seconds
        self._pending += seconds

    def affords(self, purchase: str) -> bool:
        """Whether the price of the last `purchase` is there; the first is always affordable."""
        price = self._prices[purchase]
        return self.share >= 1 or price is None or self.balance >= price

    @property
    def overhead(self) -> float | None:
        """What was spent, as a share of the time of the training; None before two updates."""
        return self.spent / self.elapsed if self.elapsed > 0 else None


class Purse:
    """What else may be spent of the time that an account has seen pass; it costs nothing between two questions.

    Args:
        account: of the training.
        share: of its time; above 0. From 1 on nothing is thinned.
    """

    def __init__(self, account: Account, share: float) -> None:
        self._account, self.share = account, share
        self.spent = 0.0
        self._seen = self._balance = 0.0
        self._prices = _Prices()

    @property
    def elapsed(self) -> float:
        """Seconds of the training itself."""
        return self._account.elapsed

    def pay(self, seconds: float, purchase: str = "") -> None:
        """As `Account.pay`."""
        self._balance -= seconds
        self.spent += seconds
        if purchase:
            self._prices.note(purchase, seconds)

    def affords(self, purchase: str) -> bool:
        """As `Account.affords`."""
        earned = self.share * (self._account.elapsed - self._seen)
        self._seen = self._account.elapsed
        self._balance = min(self._balance + earned, max(self._prices.limit, self._balance))
        price = self._prices[purchase]
        return self.share >= 1 or price is None or self._balance >= price
