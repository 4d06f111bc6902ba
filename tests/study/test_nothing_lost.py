"""Faults: kills at random moments and within a commit, a full disk, a second writer. What was committed stays."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from small_study import done_units, in_a_child, interrupted_at_commit, kill_after, small_plan, small_task, train_kept

from surefoot.errors import InputError, OutputError, RecordError
from surefoot.study import store as storing
from surefoot.study.driver import drive
from surefoot.study.executors import ThisProcess
from surefoot.study.locking import file_system_of
from surefoot.study.sources import TaskSource
from surefoot.study.store import Store
from surefoot.study.sweep import run_plan


@pytest.fixture(scope="module")
def whole():
    """The plan, and the contents of the study that nothing interrupted."""
    plan = small_plan()
    return plan, run_plan(TaskSource(small_task()), plan, workers=1).contents


def done_or_unmade(path):
    """Units that are done; none of a study that was killed while it was made, which says so."""
    with contextlib.suppress(RecordError):
        return done_units(path)
    with pytest.raises(RecordError, match="cut off"):
        Store(path)
    return set()


def intact(path):
    with Store(path) as store:
        return store.damage() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_random_moments_it_goes_on_and_ends_as_if_nothing_had_been(tmp_path, whole, workers):
    plan, contents = whole
    path = tmp_path / "killed.study"
    moments = random.Random(workers)
    kills, seen = 0, set()
    for _ in range(14):
        process = in_a_child(lambda: train_kept(path, plan, workers=workers))
        if not kill_after(process, moments.uniform(0.0, 0.12)):
            break
        kills += 1
        if path.exists() and path.stat().st_size:
            done = done_or_unmade(path)
            assert done >= seen, "a committed unit is gone"
            assert not done or intact(path)
            seen = done
    assert kills >= 3
    ended = train_kept(path, plan)
    assert ended.complete
    assert ended.contents == contents
    assert intact(path)


def test_killed_within_a_commit_nothing_of_the_unit_is_kept(tmp_path, whole):
    plan, contents = whole
    path = tmp_path / "commit.study"
    for number in (0, 3, 9, 30, 63):
        before = done_units(path) if path.exists() else set()

        def die_at(at=number):
            keep, calls = Store._keep, [0]

            def dying(self, place, unit, result):
                keep(self, place, unit, result)
                if calls[0] == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                calls[0] += 1

            Store._keep = dying
            train_kept(path, plan)

        process = in_a_child(die_at)
        process.join(60)
        code = process.exitcode
        process.close()
        now = done_units(path)
        assert now >= before
        assert intact(path)
        # 8 units of 8 members: the commit that was cut off is no part of what is done.
        assert len(now) == len(before) + (number // 8 if code else len(plan.units) - len(before))
    ended = train_kept(path, plan)
    assert ended.complete
    assert ended.contents == contents


def test_a_full_disk_is_said_and_what_was_committed_goes_on(tmp_path, whole, capfd):
    plan, contents = whole
    path = tmp_path / "full.study"
    with Store.create(path, plan, run_plan(TaskSource(small_task()), plan, workers=1).provenance):
        pass
    made = path.stat().st_size

    def on_a_full_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the system refuses the write instead
        resource.setrlimit(resource.RLIMIT_FSIZE, (made + 30_000, made + 30_000))
        try:
            train_kept(path, plan)
        except OutputError as error:
            sys.stderr.write(str(error))
            sys.stderr.flush()
            os._exit(7)
        os._exit(0)

    process = in_a_child(on_a_full_disk)
    process.join(60)
    assert process.exitcode == 7
    process.close()
    said = capfd.readouterr().err
    assert "what was committed is kept" in said
    assert "--resume" in said
    assert "\n" not in said
    assert intact(path)
    assert 0 < len(done_units(path)) < len(plan.units)
    ended = train_kept(path, plan)
    assert ended.complete
    assert ended.contents == contents


def test_sqlite_without_room_leaves_the_study_as_it_was(tmp_path, whole):
    _plan, _ = whole
    path = tmp_path / "pages.study"
    first = train_kept(path, small_plan(optimizer="sgd"), resume=False)
    with Store(path, write=True) as store:
        before = store.contents()
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        unit = store.units()[0]
        store._connection.execute("UPDATE units SET state = 'waiting' WHERE key = ?", (unit.key,))
        results = [storing.MemberResult("finished", "x" * 500_000, 1.0) for _ in unit.members]
        with pytest.raises(OutputError, match=r"full.*what was committed is kept"):
            store.commit(unit, results, seconds=1.0)
        assert store.contents() == before == first.contents


def test_a_second_writer_is_refused_with_a_clear_line_and_a_reader_is_not(tmp_path, whole):
    plan, _ = whole
    path = tmp_path / "two.study"
    train_kept(path, plan, resume=False)
    with Store(path, write=True):
        with pytest.raises(
            OutputError, match=rf"another process is writing \(process {os.getpid()} since .*study show"
        ):
            Store(path, write=True)
        with Store(path) as reader:
            assert len(reader.units("done")) == len(plan.units)

        def second():
            try:
                Store(path, write=True)
            except OutputError:
                os._exit(5)

        process = in_a_child(second)
        process.join(30)
        assert process.exitcode == 5
        process.close()
    with Store(path, write=True):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["two.study"]


def test_the_lock_goes_with_a_killed_process(tmp_path, whole):
    plan, _ = whole
    path = tmp_path / "held.study"
    train_kept(path, plan, resume=False)

    def hold():
        store = Store(path, write=True)
        (tmp_path / "holding").touch()
        time.sleep(60)
        store.close()

    process = in_a_child(hold)
    while not (tmp_path / "holding").exists():
        time.sleep(0.01)
    with pytest.raises(OutputError, match="another process"):
        Store(path, write=True)
    assert kill_after(process, 0.0)
    with Store(path, write=True):
        pass


def test_processes_of_a_killed_sweep_do_not_live_on(tmp_path, whole):
    _plan, _ = whole
    path = tmp_path / "orphans.study"
    process = in_a_child(lambda: train_kept(path, small_plan(epochs=4000), workers=2))
    children = []
    for _ in range(400):
        time.sleep(0.01)
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as listed:
            children = listed.read().split()
        if len(children) == 2:
            break
    assert len(children) == 2
    assert kill_after(process, 0.05)
    for _ in range(200):
        if not any(os.path.exists(f"/proc/{pid}/stat") and _running(pid) for pid in children):
            return
        time.sleep(0.01)
    pytest.fail("a worker outlived the sweep")


def _running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


NFS = """24 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
31 24 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw
32 31 0:41 / /home/me/local rw - xfs /dev/sdb1 rw
"""


def test_network_file_systems_are_recognised_and_refused(tmp_path, monkeypatch, whole):
    from pathlib import Path

    assert file_system_of(Path("/home/me/a.study"), NFS) == "nfs4"
    assert file_system_of(Path("/home/me/local/a.study"), NFS) == "xfs"
    assert file_system_of(Path("/srv/a.study"), NFS) == "ext4"
    plan, _ = whole
    train_kept(tmp_path / "there.study", plan, resume=False)
    monkeypatch.setattr("surefoot.study.locking.file_system_of", lambda path: "nfs4")
    with pytest.raises(OutputError, match=r"network file system \(nfs4\).*local disk.*merge"):
        train_kept(tmp_path / "new.study", plan, resume=False)
    with pytest.raises(OutputError, match="network file system"):
        Store(tmp_path / "there.study", write=True)
    assert not (tmp_path / "new.study").exists()


def test_where_files_cannot_be_locked_it_says_so(tmp_path, monkeypatch, whole):
    import errno

    def refuse(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("surefoot.study.locking.fcntl.flock", refuse)
    with pytest.raises(OutputError, match=r"cannot be locked .*local disk"):
        train_kept(tmp_path / "new.study", whole[0], resume=False)


def test_an_existing_study_is_not_overwritten_nor_mixed_with_another(tmp_path, whole):
    plan, _ = whole
    path = tmp_path / "mine.study"
    train_kept(path, plan, resume=False)
    with pytest.raises(OutputError, match="exists; continue it with --resume"):
        train_kept(path, plan, resume=False)
    with pytest.raises(InputError, match="holds another sweep"):
        train_kept(path, small_plan(epochs=5))
    (tmp_path / "text").write_text("hello")
    with pytest.raises(RecordError, match="no study"):
        Store(tmp_path / "text")
    with pytest.raises(InputError, match="no such file"):
        Store(tmp_path / "nowhere")


def test_other_data_than_the_study_was_made_with_is_refused(tmp_path, whole):
    task = small_task()
    task.train._leaves[0][0, 0] += 1
    with pytest.raises(InputError, match="other data than the study was made with"):
        run_plan(TaskSource(task), whole[0])


def test_ctrl_c_keeps_what_is_done(tmp_path, whole, monkeypatch):
    plan, contents = whole
    path = tmp_path / "stopped.study"
    with interrupted_at_commit(monkeypatch, 4):
        study = train_kept(path, plan, resume=False)
    assert study.notes == ("interrupted; what was done is kept",)
    assert study.counts["waiting"] == len(plan.recipes) - 3 * 8
    assert train_kept(path, plan).contents == contents


def test_every_damaged_byte_of_a_series_is_found(tmp_path, whole):
    path = tmp_path / "bits.study"
    train_kept(path, small_plan(optimizer="sgd", schedule="constant", batch_size="16", seeds=1), resume=False)
    assert intact(path)
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT rowid, data FROM series").fetchall()
    for rowid, data in rows[::3]:
        broken = bytearray(data)
        broken[len(data) // 2] ^= 1
        connection.execute("UPDATE series SET data = ? WHERE rowid = ?", (bytes(broken), rowid))
        connection.commit()
        with Store(path) as store:
            assert any("series" in line for line in store.damage())
        connection.execute("UPDATE series SET data = ? WHERE rowid = ?", (data, rowid))
        connection.commit()
    assert intact(path)
    for change, said in (
        ("UPDATE members SET loss = loss + 1e-9 WHERE place = 1", "member 1"),
        ("DELETE FROM series WHERE member = 2 AND name = 'loss'", "series `loss` is missing"),
        ("UPDATE units SET state = 'waiting'", "is waiting and its member"),
        ("DELETE FROM units", "every member exactly once"),
    ):
        connection.execute("SAVEPOINT before")
        connection.execute(change)
        from surefoot.study.verifying import damage_of

        assert any(said in line for line in damage_of(connection)), said
        connection.execute("ROLLBACK TO before")
    connection.close()


def test_a_damaged_page_of_the_file_is_found(tmp_path, whole):
    path = tmp_path / "page.study"
    train_kept(path, whole[0], resume=False)
    data = bytearray(path.read_bytes())
    for place in range(8192, len(data), 4096):
        data[place : place + 64] = b"\xff" * 64
    path.write_bytes(data)
    found = []
    try:
        with Store(path) as store:
            found = store.damage()
    except RecordError as error:
        found = [str(error)]
    assert found


def test_a_file_of_the_first_schema_becomes_a_current_one(tmp_path, whole, monkeypatch):
    from surefoot.records import Finding
    from surefoot.study import schema

    plan, contents = whole
    path = tmp_path / "old.study"
    with monkeypatch.context() as old:
        old.setattr(schema, "CURRENT", 1)
        train_kept(path, plan, resume=False)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()
    with Store(path, write=True) as store:
        assert store._connection.execute("PRAGMA user_version").fetchone() == (schema.CURRENT,)
        assert store.contents() == contents
        assert store.damage() == []
        finding = Finding("rate-too-high", "holds", text="seen")
        store.keep_findings(3, [finding])
        assert store.findings() == [(3, finding)]
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.CURRENT + 1}")
    connection.commit()
    connection.close()
    with pytest.raises(RecordError, match="upgrade Surefoot"):
        Store(path, write=True)


def test_a_unit_is_committed_once(tmp_path, whole):
    plan, contents = whole
    path = tmp_path / "twice.study"
    with Store.create(path, plan, train_kept(tmp_path / "other.study", plan).provenance) as store:
        drive(store, ThisProcess(TaskSource(small_task())))
        unit = store.units()[0]
        other = [storing.MemberResult("finished", "another attempt", 0.0) for _ in unit.members]
        assert store.commit(unit, other, seconds=1.0) is False
        assert store.contents() == contents


def test_verify_in_a_new_process_exits_by_what_it_finds(tmp_path, whole):
    path = tmp_path / "checked.study"
    train_kept(path, whole[0], resume=False)
    command = [
        sys.executable,
        "-c",
        "import sys; from surefoot.cli.main import main; sys.exit(main())",
        "study",
        "verify",
    ]
    fine = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=60)
    assert fine.returncode == 0
    assert "intact" in fine.stdout
