"""Which points of a store a living process computes: locks on ranges of one file, which vanish with their process."""

import errno
import hashlib
from pathlib import Path
from typing import Any

from dynloss import files
from dynloss_book.engine.sweeps import grid as grids

_FILE = ".locks"


class Locks:
    """This process's locks on points of the store in ``folder``.

    One lock stands for a batch, that of its first point. Processes with batches of other sizes may therefore compute a
    few points twice; that does no harm.
    """

    def __init__(self, folder: Path, names: list[str]):
        self.folder, self.names = folder, names
        self._file: Any = None

    def take(self, points: grids.Points) -> bool:
        """Whether these points are now ours to compute: no other living process is at them."""
        return self._lock(points, "LOCK_EX", "LOCK_NB")

    def release(self, points: grids.Points) -> None:
        """The points are written, or will not be computed."""
        self._lock(points, "LOCK_UN")

    def close(self) -> None:
        """Release all."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _lock(self, points: grids.Points, *operations: str) -> bool:
        try:
            import fcntl

            if self._file is None:
                self._file = files.open_lock(self.folder / _FILE)
        except ImportError:  # no such locks: two processes may compute the same
            return True
        except OSError as error:
            files.say_unlocked(self.folder / _FILE, error)
            return True
        first = grids.keys({name: points[name][:1] for name in self.names}, self.names)[0]
        place = int.from_bytes(hashlib.sha256(first).digest()[:6], "big")
        try:
            fcntl.lockf(self._file, sum(getattr(fcntl, each) for each in operations), 1, place)
        except OSError as error:  # others are a file system without locks
            return error.errno not in (errno.EAGAIN, errno.EACCES)
        return True
