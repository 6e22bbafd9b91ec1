"""Files that are there whole or not at all, and work that only one process is at.

What cannot be written is said with the file's name: Python leaves it out where the disk is full.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

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


class Locks:
    """This process's locks on names, which vanish with it: on ranges of one file, which stays.

    Where a file system or platform has no locks, or no room for the file, every process believes itself alone.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file: Any = None

    def take(self, name: bytes, patience: float = 0.0) -> bool:
        """Whether no other living process has the lock on this name; waits for it so many seconds, ``patience``."""
        end = time.monotonic() + patience
        while not (alone := self._lock(name, "LOCK_EX", "LOCK_NB")) and time.monotonic() < end:
            time.sleep(0.1)
        return alone

    def release(self, name: bytes) -> None:
        """Whoever asks next may have it."""
        self._lock(name, "LOCK_UN")

    def close(self) -> None:
        """Release all."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lock(self, name: bytes, *operations: str) -> bool:
        try:
            import fcntl

            if self._file is None:
                self._file = _opened(self.path)
        except ImportError:  # no such locks: two processes may compute the same
            return True
        except OSError as error:
            if os.path.lexists(self.path):  # another user's, or a link
                said = f"{self.path} cannot be locked ({error.strerror}): another may do the same work"
                warnings.warn(said, stacklevel=3)
            return True
        place = int.from_bytes(hashlib.sha256(name).digest()[:6], "big")
        try:
            fcntl.lockf(self._file, sum(getattr(fcntl, each) for each in operations), 1, place)
        except OSError as error:  # others are a file system without locks
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True


def _opened(lock: Path) -> IO[bytes]:
    """A file to lock, made where there is none; a link is not followed, and for no other end of a pipe waited."""
    plain = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return open(lock, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags | plain, 0o666))
