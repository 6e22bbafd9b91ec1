"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


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
