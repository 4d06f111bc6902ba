"""Members of a study are diagnosed from what its file keeps, and the findings stay in it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small_study import small_plan, small_task, train_kept

import surefoot as sf
from surefoot.cli.main import main
from surefoot.errors import InputError
from surefoot.study.diagnosing import diagnose_members, run_of
from surefoot.study.store import Store


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "small.study"
    train_kept(path, small_plan(lr="1e-4,1e-1,1e3", optimizer="sgd", schedule="cosine", batch_size="16"), resume=False)
    return path


def test_a_run_from_the_file_is_that_of_the_training(kept):
    with Store(kept) as store:
        member = store.members()[2]
        found = run_of(store, 2, member)
    run = sf.train(small_task(), member.recipe)
    assert found.steps_per_epoch == run.steps_per_epoch
    np.testing.assert_allclose(found.lr, run.lr, rtol=1e-12)
    np.testing.assert_allclose(found.loss, run.loss, rtol=1e-4)
    assert float(found.val_loss[-1]) == pytest.approx(run.final_val_loss, rel=1e-4)


def test_findings_of_the_best_setting_are_kept_and_said(kept, capsys):
    with Store(kept) as store:
        assert store.findings() == []
    found = diagnose_members(kept)
    assert [one.path for one in found.each] == [f"{kept}#2", f"{kept}#3"]
    with Store(kept) as store:
        first = store.findings()
    assert {member for member, _ in first} <= {2, 3}
    assert all(finding.result == "holds" for _, finding in first)
    diagnose_members(kept)
    with Store(kept) as store:
        assert store.findings() == first  # in place of the earlier ones, not beside them
        held = [finding.id for _, finding in first]
    assert main(["study", "show", str(kept)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(name in said for name in held)


def test_all_members_are_compared_and_rates_far_off_are_faults(kept, capsys):
    contents = kept.read_bytes()
    assert main(["study", "diagnose", str(kept), "--all", "--no-keep", "--quiet"]) == 1
    assert kept.read_bytes() == contents
    found = diagnose_members(kept, "all", keep=False)
    verdicts = {one.path.rpartition("#")[2]: one.verdict for one in found.each}
    assert {verdicts["4"], verdicts["5"]} <= {"diverged", "rate_too_high"}
    assert not {verdicts["0"], verdicts["1"]} & {"diverged", "rate_too_high"}


def test_what_cannot_be_diagnosed_is_said_in_a_line(kept, tmp_path, capsys):
    with pytest.raises(InputError, match="best or all"):
        diagnose_members(kept, "some")
    assert main(["study", "diagnose", str(tmp_path / "no.study")]) == 2
    assert main(["diagnose", str(kept)]) == 2
    assert "surefoot study diagnose" in capsys.readouterr().err


def test_members_of_several_optimizers_and_shapes_are_compared_apart(tmp_path, monkeypatch):
    path = tmp_path / "mixed.study"
    train_kept(path, small_plan(lr="1e-3,1e-1,1e3", optimizer="sgd,adam", schedule="constant", batch_size="16"), resume=False)  # fmt: skip # noqa: E501
    with Store(path) as store:
        members = store.members()
    optimizers = [one.recipe.optimizer for one in members]
    for one, optimizer in zip(diagnose_members(path, "all", keep=False).each, optimizers, strict=True):
        said = [note for note in one.notes if "of one sweep" in note]
        assert all(f"among {optimizers.count(optimizer)} runs" in note for note in said)
        assert said or one.verdict == "nan"
    grouped = []
    monkeypatch.setattr("surefoot.study.diagnosing.placed", lambda some: grouped.append(len(list(some))) or tuple(some))
    shaped = [dataclasses.replace(one, shape={"width": 8 + place % 2}) for place, one in enumerate(members)]
    monkeypatch.setattr(Store, "members", lambda _self, **_: shaped)
    diagnose_members(path, "all", keep=False)
    assert grouped == [len(members) // 2] * 2
