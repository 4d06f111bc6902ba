"""Locking: one writer per study file, and none on file systems that cannot lock.

The lock is held on ``FILE.lock`` by the operating system and vanishes with the process that holds it, however that
ends; what the file says is only for people. SQLite's write-ahead log needs memory that all openers of a file share, so
a study on a network file system could be damaged by an opener on another machine: it is refused.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import os
import weakref
from pathlib import Path

from surefoot.errors import OutputError

__all__ = ["WriterLock", "check_file_system", "file_system_of"]

_NETWORK = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p", "ceph", "lustre", "gpfs", "beegfs",
    "glusterfs", "orangefs", "pvfs2", "panfs", "wekafs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs",
    "fuse.gcsfuse", "fuse.rclone", "fuse.goofys", "fuse.mount-s3", "fuse.lustre", "fuse.juicefs", "fuse.cvmfs2",
})  # fmt: skip
_MOUNTS = Path("/proc/self/mountinfo")


def file_system_of(path: Path, mounts: str | None = None) -> str:
    """Type of the file system that holds `path`, such as ``ext4``; empty where the system does not tell.

    Args:
        path: a file that may be missing; its folder decides.
        mounts: text in the form of Linux's ``/proc/self/mountinfo``; None reads that.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    place = path.resolve()
    found, longest = "", -1
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5 or not after.split():
            continue
        point = Path(fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        # Of two mounts on the same point the later one covers the earlier.
        if (place == point or point in place.parents) and len(point.parts) >= longest:
            found, longest = after.split()[0], len(point.parts)
    return found


def check_file_system(path: Path) -> None:
    """Refuse a study on a network file system.

    Raises:
        OutputError: `path` lies on one.
    """
    kind = file_system_of(path)
    if kind in _NETWORK:
        raise OutputError(
            f"`study` is {str(path)!r} on a network file system ({kind}), where a study's file cannot be locked; keep "
            "it on a local disk such as /tmp and copy it when it is done, or let each machine write a part with "
            "--plan and --run-batch and join them with `surefoot study merge`"
        )


_HELD: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """In a forked process: close its copies of the locks, which would otherwise outlive the process that holds them."""
    for lock in list(_HELD):
        lock.leave()


os.register_at_fork(after_in_child=_leave_to_parent)


class WriterLock:
    """The right to write a study file; given up by `release` or with the process.

    Raises:
        OutputError: another process holds it, or the file system cannot lock.
    """

    def __init__(self, path: Path) -> None:
        check_file_system(path)
        self._path = path.with_name(path.name + ".lock")
        while True:
            try:
                self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise OutputError(
                    f"`study` is {str(path)!r}, and its folder cannot be written to: {error.strerror}; name another"
                ) from None
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                holder = self._holder()
                os.close(self._handle)
                if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                    raise OutputError(
                        f"`study` is {str(path)!r}, which another process is writing ({holder}); wait for it or stop "
                        "it; `surefoot study show` reads a study while it is written"
                    ) from None
                raise OutputError(
                    f"`study` is {str(path)!r}, where files cannot be locked ({error.strerror}); keep it on a local "
                    "disk"
                ) from None
            # Whoever released the lock may have removed the file between our opening and our locking it.
            with contextlib.suppress(OSError):
                if os.stat(self._path).st_ino == os.fstat(self._handle).st_ino:
                    break
            os.close(self._handle)
        os.ftruncate(self._handle, 0)
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with contextlib.suppress(OSError):  # a full disk must not keep anybody from locking
            os.write(self._handle, f"process {os.getpid()} since {since}".encode())
        _HELD.add(self)

    def _holder(self) -> str:
        try:
            return os.pread(self._handle, 200, 0).decode(errors="replace").strip() or "it does not say which"
        except OSError:
            return "it does not say which"

    def leave(self) -> None:
        """Close the handle without giving up the lock, which is that of the process this one was forked from."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def release(self) -> None:
        """Give up the lock; a second call does nothing."""
        if self._handle >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._handle)
            self._handle = -1
