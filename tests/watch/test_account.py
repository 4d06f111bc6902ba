"""The account thins what it cannot afford, on a clock of the test's own."""

from __future__ import annotations

import pytest

from surefoot.watch.account import Account


def looks(*, update, price, hidden=0.0, share=0.02, updates=2000):
    account, now, made, spent = Account(share, clock=lambda: 0.0), 0.0, 0, 0.0
    account.update_made(now)
    for _ in range(updates):
        looked = account.affords("look")
        now += update
        if looked:
            now += price + hidden
            account.pay(price)
            made, spent = made + 1, spent + price + hidden
        account.update_made(now, "look" if looked else "")
    return made, spent / (updates * update), account


@pytest.mark.parametrize("update", [1e-3, 1e-2, 1.0])
def test_the_share_is_kept_whatever_an_update_takes(update):
    made, share, account = looks(update=update, price=4e-4)
    assert share <= 0.02 + 2 * 4e-4 / (2000 * update)
    assert share == pytest.approx(account.overhead, rel=0.05)
    assert made >= min(2000, 0.6 * 0.02 * 2000 * update / 4e-4)


def test_what_no_clock_of_the_hooks_sees_is_found_in_the_length_of_the_update():
    _, share, _ = looks(update=1e-3, price=2e-4, hidden=3e-4)
    assert share <= 0.025


def test_a_pause_earns_no_more_than_a_usual_update():
    account = Account(0.5, clock=lambda: 0.0)
    account.pay(1.0, "look")
    account.update_made(0.0)
    for step in range(1, 4):
        account.update_made(step * 0.1)
    before = account.balance
    account.update_made(1000.0)
    assert account.balance - before == pytest.approx(0.5 * 0.1)


def test_updates_that_have_become_slow_for_good_are_usual_soon():
    account, now = Account(0.5, clock=lambda: 0.0), 0.0
    account.pay(1e6, "look")
    for length in [0.1] * 20 + [10.0] * 100:
        now += length
        account.update_made(now)
    before = account.balance
    account.update_made(now + 10.0)
    assert account.balance - before == pytest.approx(5.0)
