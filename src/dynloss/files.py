"""Files that are there whole or not at all, and work that only one process is at."""

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

CHANGES_NO_NUMBER = True  # see `dynloss.fingerprint`


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the name ``path`` once all is on the disk; until then an older one keeps it.

    What a kill leaves behind is called ``.<name>.….part``.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole(Path(folder, "result")) as file:
    ...         _ = file.write(b"all of it")
    ...     os.listdir(folder)
    ['result']
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


@contextmanager
def sole(lock: Path, patience: float = 0.0) -> Iterator[bool]:
    """Whether no other living process is in such a block with the same file, which is there as long as one is.

    Waits for the other so many seconds, ``patience``. Where a file system or platform has no locks, every process
    believes itself alone.

    >>> with tempfile.TemporaryDirectory() as folder, sole(Path(folder, "lock")) as first:
    ...     with sole(Path(folder, "lock")) as second:
    ...         first, second
    (True, False)
    """
    end = time.monotonic() + patience
    while (file := _locked(lock)) is None and time.monotonic() < end:
        time.sleep(0.1)
    try:
        yield file is not None
    finally:
        if file is not None:
            lock.unlink(missing_ok=True)
            file.close()


def _locked(lock: Path) -> IO[bytes] | None:
    """The open file if its lock is now ours, or there is no such thing as a lock; None if another process has it."""
    file = lock.open("a+b")
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
