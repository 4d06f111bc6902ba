"""Pieces for batch systems: batch by batch in files of their own, joined into the study of one run; exports."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from small_study import small_plan, small_task

from surefoot.errors import InputError, OutputError
from surefoot.study.exporting import export
from surefoot.study.merging import merge
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import run_plan


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    source = TaskSource(small_task())
    plan = small_plan(source, optimizer="sgd", batch_size="16", prune="race", in_rounds=False)
    for number in range(len(plan.units)):
        run_plan(source, plan, study=folder / f"part-{number}.study", only=number, workers=1)
    return plan, sorted(folder.glob("part-*.study"))


def test_parts_join_into_the_study_of_one_run(tmp_path, pieces):
    plan, parts = pieces
    whole = run_plan(TaskSource(small_task()), plan, workers=1)
    taken, left = merge(tmp_path / "whole.study", parts[:-1])
    assert (taken, left) == (len(parts) - 1, 1)
    assert merge(tmp_path / "whole.study", parts) == (1, 0)
    assert merge(tmp_path / "whole.study", parts) == (0, 0)
    with Store(tmp_path / "whole.study") as store:
        assert store.damage() == []
        assert store.contents() == whole.contents


def test_parts_of_another_plan_and_damaged_ones_are_refused(tmp_path, pieces):
    _, parts = pieces
    source = TaskSource(small_task())
    run_plan(source, small_plan(epochs=5), study=tmp_path / "other.study", only=0, workers=1)
    with pytest.raises(InputError, match="another plan"):
        merge(tmp_path / "whole.study", [parts[0], tmp_path / "other.study"])
    broken = tmp_path / "broken.study"
    broken.write_bytes(parts[0].read_bytes())
    import sqlite3

    connection = sqlite3.connect(broken)
    connection.execute("UPDATE series SET checksum = x'00'")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="damaged"):
        merge(tmp_path / "new.study", [broken])
    with pytest.raises(InputError, match="batches 0 to"):
        run_plan(source, small_plan(), study=tmp_path / "none.study", only=99)
    assert not (tmp_path / "none.study").exists()


def test_parquet_without_pyarrow_is_one_clear_line_and_no_file(tmp_path, pieces, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        InputError, match=r"^Parquet needs pyarrow: pip install 'surefoot\[parquet\]'; or export to \.csv$"
    ):
        export(pieces[1][0], tmp_path / "members.parquet")
    assert not list(tmp_path.iterdir())


def test_exports_hold_what_the_study_holds(tmp_path, pieces):
    parquet = pytest.importorskip("pyarrow.parquet")
    _, parts = pieces
    merge(tmp_path / "whole.study", parts)
    with Store(tmp_path / "whole.study") as store:
        members = store.members()
        series = store.series(0)
    rows = export(tmp_path / "whole.study", tmp_path / "members.csv")
    assert rows == len(members)
    with (tmp_path / "members.csv").open() as stream:
        found = list(csv.DictReader(stream))
    assert [float(row["lr"]) for row in found] == [one.recipe.lr for one in members]
    assert [row["fate"] for row in found] == [one.fate for one in members]
    export(tmp_path / "whole.study", tmp_path / "members.json")
    record = json.loads((tmp_path / "members.json").read_text())
    assert record["kind"] == "study"
    for name in ("series.parquet", "series.csv", "series.json"):
        count = export(tmp_path / "whole.study", tmp_path / name, series=True)
        assert count > len(series["loss"])
    table = parquet.read_table(tmp_path / "series.parquet").to_pylist()
    loss = [row["value"] for row in table if row["member"] == 0 and row["series"] == "loss"]
    assert loss == pytest.approx(series["loss"].tolist())
    assert len(json.loads((tmp_path / "series.json").read_text())) == len(table)
    with pytest.raises(InputError, match="its ending"):
        export(tmp_path / "whole.study", tmp_path / "members.txt")
    for kind in ("csv", "json", "parquet"):
        for series in (False, True):
            for _ in range(2):  # an export may be replaced by a later one
                assert export(tmp_path / "whole.study", tmp_path / f"again-{series}.{kind}", series=series)
        theirs = tmp_path / f"theirs.{kind}"
        theirs.write_text("a,b\n")
        with pytest.raises(InputError, match="was not exported by Surefoot"):
            export(tmp_path / "whole.study", theirs)
        assert theirs.read_text() == "a,b\n"
    with pytest.raises(OutputError, match="cannot be written"):
        export(tmp_path / "whole.study", tmp_path / "nowhere" / "members.csv")


def test_losses_that_json_has_no_number_for_are_exported_as_records_write_them(tmp_path, pieces, monkeypatch):
    _, parts = pieces
    monkeypatch.setattr(Store, "series", lambda _self, _place: {"loss": np.array([1.5, np.inf, -np.inf, np.nan])})
    export(parts[0], tmp_path / "high.json", series=True)
    refused = []
    rows = json.loads((tmp_path / "high.json").read_text(), parse_constant=refused.append)
    assert not refused  # Infinity and NaN are no JSON
    assert [row["value"] for row in rows[:4]] == [1.5, "inf", "-inf", "nan"]
