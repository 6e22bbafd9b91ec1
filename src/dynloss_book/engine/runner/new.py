"""A new figure: notebook, room, profiles, test and place in the book, as `engine/template` has them."""

import keyword
import re
from pathlib import Path

from dynloss import files
from dynloss_book.engine.runner.profiles import UsageError

TEMPLATE = Path(__file__).parents[1] / "template"
NAME = "new_figure"  # in the template's files, and in their names


def lay_out(root: Path, name: str) -> list[Path]:
    """Write the files of a new figure; returns them, and those to which its lines were added.

    Raises:
        UsageError: the name cannot be that of a module, or is taken; before anything is written.
    """
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name) or name.startswith("_"):
        raise UsageError(f"{name!r} is no name for a figure: letters, digits, underscores, as in fig06_wider_networks")
    wanted = {}
    for path in sorted(TEMPLATE.glob("*/**/*.template")):
        place = str(path.relative_to(TEMPLATE)).removesuffix(".template").replace(NAME, name)
        wanted[root / place] = path.read_text("utf-8").replace(NAME, name)
    room = root / "src" / "dynloss_book" / name
    for path in (room, room.with_suffix(".py"), *wanted):
        if path.exists():
            raise UsageError(f"there is a {path.relative_to(root)} already")
    toc, profiles = root / "_toc.yml", root / "notebooks" / "profiles.yml"
    own = (TEMPLATE / "profiles.yml.template").read_text("utf-8").replace(NAME, name)
    wanted[profiles] = f"{profiles.read_text('utf-8').rstrip()}\n{own}"
    wanted[toc] = _with_page(toc.read_text("utf-8"), name)
    for path, text in wanted.items():
        files.write(path, text)
    return list(wanted)


def _with_page(toc: str, name: str) -> str:
    """The book's contents with a page more, behind the last notebook."""
    if not (notebooks := list(re.finditer(r"^( *- file: notebooks/).*\n?", toc, re.M))):
        raise UsageError("_toc.yml has no notebook behind which the new one could come")
    last = notebooks[-1]
    return f"{toc[: last.end()].rstrip()}\n{last[1]}{name}\n{toc[last.end() :]}"
