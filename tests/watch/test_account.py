"""The account thins what it cannot afford, on a clock of the test's own."""

from __future__ import annotations

import pytest

from surefoot.watch.account import Account, Purse


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


def test_what_every_update_costs_is_spent_but_leaves_looks_affordable():
    account, now = Account(0.01, clock=lambda: 0.0), 0.0
    account.pay(1e-3, "look")
    account.update_made(now)
    for _ in range(300):
        now += 1e-3
        account.note(3e-5)
        account.update_made(now)
    assert account.spent == pytest.approx(1e-3 + 300 * 3e-5)
    assert account.affords("look")
    assert account.overhead == pytest.approx(account.spent / (300 * (1e-3 - 3e-5)), rel=1e-6)


def test_a_purse_spends_its_share_of_what_the_account_has_seen():
    account, now, bought = Account(0.01, clock=lambda: 0.0), 0.0, 0
    purse = Purse(account, 0.02)
    account.update_made(now)
    for _ in range(5000):
        now += 1e-3
        account.update_made(now)
        if purse.affords("judgement"):
            purse.pay(2**-7, "judgement")
            bought += 1
    assert purse.elapsed == pytest.approx(5.0)
    assert bought == pytest.approx(0.02 * 5.0 / 2**-7, abs=3)
    assert purse.spent == pytest.approx(bought * 2**-7)
    for _ in range(100_000):  # a long time without a question: at most three are saved up
        now += 1e-3
        account.update_made(now)
    saved = 0
    while purse.affords("judgement"):
        purse.pay(2**-7, "judgement")
        saved += 1
    assert saved == 3
