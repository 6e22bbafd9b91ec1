"""Files that are there whole or not at all, and work that only one process is at.

What cannot be written is said with the file's name: Python leaves it out where the disk is full.
"""

import contextlib
import errno
import os
import secrets
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`

# Called where training has just written a checkpoint; what one of them raises ends the run, which goes on from there.
after_checkpoint: list[Callable[[], None]] = []

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Let errors of the system name this file rather than a part of it, or none."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not the system's
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the name ``path`` once all is on the disk; until then an older one keeps it.

    Its folder is made where there is none. What a kill leaves behind is called ``.<name>.….part``.

    Raises:
        OSError: it cannot be written; with its name.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder, "result")) as file:
    ...         _ = file.write(b"all of it")
    ...     os.listdir(folder)
    ['result']
    """
    with named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        with part.open("xb") as file:  # with the rights that the user's umask leaves
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.replace(part, path)
            except BaseException:
                with contextlib.suppress(OSError):  # of a disk that can no longer be written to at all
                    part.unlink()
                raise


def write(path: Path, content: bytes | str) -> None:
    """Write a file, whole or not at all; see ``atomic_write``."""
    with atomic_write(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def check_writable(folder: Path) -> None:
    """Raise ``OSError`` if no file can be made in a folder, which is made where there is none.

    A full disk passes: it may have room again by the time that there is something to write; if not, that will say so.
    """
    try:
        with named(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        if error.errno not in _FULL:
            raise


@contextmanager
def file_lock(lock: Path, patience: float = 0.0) -> Iterator[bool]:
    """Whether no other living process is in such a block with the same file, which is there as long as one is.

    Waits for the other so many seconds, ``patience``. Where a file system or platform has no locks, or no room for one,
    every process believes itself alone.

    >>> with tempfile.TemporaryDirectory() as folder, file_lock(Path(folder, "lock")) as first:
    ...     with file_lock(Path(folder, "lock")) as second:
    ...         first, second
    (True, False)
    """
    end = time.monotonic() + patience
    try:
        while (file := _locked(lock)) is None and time.monotonic() < end:
            time.sleep(0.1)
    except OSError as error:  # there can be no such file
        say_unlocked(lock, error)
        yield True
        return
    try:
        yield file is not None
    finally:
        if file is not None:
            with contextlib.suppress(OSError):  # what was done in the block must not be lost with the lock
                lock.unlink()
            file.close()


def open_lock(lock: Path, *, to_write: bool = True) -> IO[bytes]:
    """A file to lock, made where there is none; another user's is opened to be read, if it is not ``to_write``.

    Raises:
        OSError: there can be none, or there is a link, which is never followed.
    """

    def opener(name: str, flags: int) -> int:
        plain = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            return os.open(name, flags | plain, 0o666)
        except PermissionError:
            if to_write:
                raise
            return os.open(name, os.O_RDONLY | plain)

    return open(lock, "ab", buffering=0, opener=opener)


def say_unlocked(lock: Path, error: OSError) -> None:
    """Warn where it is another user's file, or a link, that keeps one from being alone."""
    if os.path.lexists(lock):
        warnings.warn(f"{lock} cannot be locked ({error.strerror}): another may do the same work", stacklevel=3)


def _locked(lock: Path) -> IO[bytes] | None:
    """The open file if its lock is now ours, or there is no such thing as a lock; None if another process has it."""
    file = open_lock(lock, to_write=False)
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not lock.exists() or not os.path.samestat(os.fstat(file.fileno()), lock.stat()):
            raise BlockingIOError(errno.EAGAIN, "removed by its last owner")
    except (ImportError, OSError) as error:
        if getattr(error, "errno", None) in (errno.EAGAIN, errno.EACCES, errno.ENOENT):
            file.close()
            return None
    return file
