"""What the archive says now: each notebook as far as its answer, with the archive alone, and without a kernel.

The verdicts are a function of the archive. A notebook is that function: its cells up to the one tagged `answer` ask the
archive and hand the datasets to its room's `claims`. They are run here as a script, without a kernel, pictures or
asides, so that all together take a few seconds; no second way from archive to verdict can drift from what a page shows.
"""

import contextlib
import itertools
import os
import runpy
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from unittest import mock

from dynloss import files
from dynloss_book.engine import policy
from dynloss_book.engine.archive import ArchiveWarning, DamageWarning, NotArchived
from dynloss_book.engine.runner import tables
from dynloss_book.engine.runner.best import sizes
from dynloss_book.engine.runner.profiles import Figure, values

# Tags of the cell that ends with `findings.answer`, and of those before it that compute what is shown beside it,
# so that no verdict needs them.
ANSWER, ASIDE = "answer", "aside"


# Why something cannot be judged, "missing", "stale", "damaged" or "failed"; and the same in words.
Trouble = tuple[str, str]


@dataclass(frozen=True)
class Judged:
    """What became of a notebook.

    Attributes:
        figure: its name.
        profile: the largest that the archive serves; empty if none.
        found: the record of its findings; None without a profile.
        troubles: of the profiles larger than that, why they could not be judged.
        damaged: files that cannot be read, and why, so that whatever was found may be of a part only; or empty.
    """

    figure: str
    profile: str = ""
    found: Mapping[str, Any] | None = None
    troubles: Mapping[str, Trouble] = field(default_factory=dict)
    damaged: str = ""


def all_judged(figures: Sequence[Figure], folders: Sequence[Path]) -> list[Judged]:
    """The findings of each notebook, several at the same time: they have nothing in common but what they read."""
    from dynloss_book.engine.runner import kernels, together

    if len(figures) == 1:
        return [judged(figures[0], folders)]
    with ProcessPoolExecutor(together.at_once(), kernels.context()) as pool:
        return list(pool.map(judged, figures, itertools.repeat(folders)))


def judged(figure: Figure, folders: Sequence[Path]) -> Judged:
    """The findings of the largest profile of a notebook that these folders for results can serve."""
    troubles: dict[str, Trouble] = {}
    unreadable = "; ".join(map(str, tables.archived(figure, folders).unreadable))
    for profile, there in sizes(figure, folders).items():
        if not there:
            troubles[profile] = ("missing", "the archive has no result of it")
            continue
        try:
            found = answer(figure, values(figure, profile), folders)
        except NotArchived as error:
            kind = "stale" if error.stale else "damaged" if error.damaged else "missing"
            troubles[profile] = (kind, str(error))
        except DamageWarning as error:
            return Judged(figure.stem, troubles=troubles, damaged="; ".join(filter(None, (unreadable, str(error)))))
        except Exception as error:  # whatever a cell raises is news about this figure, and of no other
            troubles[profile] = ("failed", f"{type(error).__name__}: {' '.join(str(error).split())}")
        else:
            return Judged(figure.stem, profile, found, troubles, unreadable)
    return Judged(figure.stem, troubles=troubles, damaged=unreadable)


def answer(figure: Figure, parameters: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """The record of a notebook's findings with these parameters.

    Args:
        figure: the notebook.
        parameters: in place of those in its parameters cell; others keep their defaults.
        folders: for results, all that are looked into.

    Raises:
        NotArchived: the archive has no fresh result of them.
        ValueError: the notebook has no answer.
    """
    names = executed(figure, parameters, of_archive(folders), damage="error")
    if "findings" not in names:
        raise ValueError(f"{figure.stem} has no cell tagged `{ANSWER}` that makes `findings`")
    return names["findings"].record()


def of_archive(folders: Sequence[Path]) -> policy.Policy:
    """To compute nothing, and to read what these folders for results have."""
    return policy.Policy(read_only=True, **policy.asking(folders))


def executed(
    figure: Figure, parameters: Mapping[str, Any], asked: policy.Policy, damage: Literal["ignore", "error"] = "ignore"
) -> dict[str, Any]:
    """A notebook as far as its answer, or to its end; the names that it defines.

    Args:
        figure, parameters: as of ``answer``.
        asked: of it, in place of what the environment asks.
        damage: "error" where a part of a result cannot be read, or "ignore" it and take the others.

    Raises:
        DamageWarning: a part of a result cannot be read, and such ``damage`` is an error.
    """
    with tempfile.TemporaryDirectory() as folder, _alone(figure.path.parent, asked, damage):
        script = Path(folder, f"{figure.stem}.py")  # a file, for `fingerprint` reads the functions' source
        files.write(script, "\n\n".join(sources(figure, parameters)))
        return runpy.run_path(str(script), run_name="__main__")


def sources(figure: Figure, parameters: Mapping[str, Any]) -> list[str]:
    """The cells of a notebook as far as its answer, without pictures and asides, with these parameters."""
    found: list[str] = []
    for cell in tables.code_cells(figure.path):
        if "figure" in cell["metadata"].get("mystnb", {}) or ASIDE in tables.tags(cell):
            continue
        found.append("".join(cell["source"]))
        if "parameters" in tables.tags(cell):
            found += [f"{name} = {value!r}" for name, value in parameters.items()]
        if ANSWER in tables.tags(cell):
            break
    return found


@contextlib.contextmanager
def _alone(folder: Path, asked: policy.Policy, damage: Literal["ignore", "error"]) -> Iterator[None]:
    """In the notebook's folder, with this policy, and with JAX as it was afterwards."""
    import jax

    options = "jax_enable_x64", "jax_default_matmul_precision"
    before = {name: getattr(jax.config, name) for name in options}
    try:
        environment = mock.patch.dict(os.environ, asked.as_environment())
        with contextlib.chdir(folder), environment, warnings.catch_warnings():
            warnings.simplefilter("ignore", ArchiveWarning)
            warnings.simplefilter(damage, DamageWarning)
            yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
