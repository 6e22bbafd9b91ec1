"""The archive: results as xarray datasets on disk, keyed by their parameters, with what computed them.

A notebook asks for a result; the archive reads it or has it computed:

    dataset = fetch_or_compute("fig04_learning_dynamics", simulate, {"amplitude": 70.0, "steps": 70_000})
    provenance(dataset)  # a cell's last line: where the numbers come from

`<figure>/<key>.nc` is a NetCDF file, compressed without loss; its key is the hash of the figure and the parameters. It
is looked for among one's own results and the published ones (`policy.folders`), and written to one's own. A
single-precision copy is half as long: where that is enough, return `dataset.astype("float32")`.
A result whose code has changed since (see `fingerprint`) is returned, marked as stale, with a warning.
"""

import contextlib
import functools
import hashlib
import inspect
import json
import math
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss import files
from dynloss_book.engine import deadline, fingerprint, ledger, policy, review, untrusted
from dynloss_book.engine.provenance import Provenance, decoded, execution, provenance

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`

__all__ = [
    "ArchiveError",
    "ArchiveWarning",
    "NotArchived",
    "NotArchivedAtAll",
    "Provenance",
    "Unreadable",
    "canonical",
    "fetch_or_compute",
    "key",
    "provenance",
]


MANY = 1000  # files, which are read by a process a core


class ArchiveWarning(UserWarning):
    """A result is stale, damaged, or could not be kept."""


class DamageWarning(ArchiveWarning):
    """A file cannot be read, and does not count."""


class NotArchived(LookupError):
    """The archive has no fresh result, and only it was to be asked.

    Attributes:
        stale: what changed since it was computed, if anything did.
        damaged: whether there are files that cannot be read.
    """

    def __init__(self, message: str, stale: str = "", damaged: bool = False):
        super().__init__(message)
        self.stale, self.damaged = stale, damaged


class NotArchivedAtAll(NotArchived):
    """Not even a part of the result is there."""


class InProgress(RuntimeError):
    """Another process is computing this result; raised where there is a deadline: there may be other work to do."""


class ArchiveError(OSError):
    """The folder for results cannot be written to."""


class Unreadable(OSError):
    """A file of the archive cannot be read; the message says which, and why."""


class Contents(NamedTuple):
    """What the archive has.

    Attributes:
        records: the attributes of the files that can be read, newest first, and `path`. A sweep's files, in a folder of
            their own, each hold some of its points.
        unreadable: the other files, and why.
    """

    records: list[dict[str, Any]]
    unreadable: list[Unreadable]


def fetch_or_compute(
    figure: str,
    compute: Callable[..., xr.Dataset],
    parameters: Mapping[str, Any],
    *,
    fresh: bool = False,
    results: str | os.PathLike | None = None,
) -> xr.Dataset:
    """The archived result of `compute(**parameters)`, or a new one, which is archived.

    Args:
        figure: the folder of the result, as a rule the notebook's name.
        compute: a plain function that returns a dataset. Its attributes `dtype`, `seed` and `scale` ("5 of 50 seeds")
            are kept as they are. If it takes an argument `checkpoint`, it is given a file of its own in which to keep
            an unfinished run, the same one the next time that the same code computes the same parameters.
        parameters: None, booleans, finite numbers, strings, and lists and mappings of these.
        fresh: compute although there is an archived result, and replace it.
        results: the only folder to look in and to write to; see `policy.folders`.
    Returns:
        the dataset as it was read back from the file, so that a computed result equals an archived one. Its attributes
        also say `origin` ("computed" or "archived"), `stale` (what changed since; empty if nothing), `path`, and
        `published` (the same, if it is a published one; else empty).
    Raises:
        ValueError: parameters without a key (NaN, arrays); a `compute` whose source cannot be read.
        ArchiveError: the folder cannot be written to; raised before anything is computed.
        NotArchived: only the archive is to be asked (`read_only`), and has no fresh result.
        deadline.OutOfTime: the time of this process is over, before it was begun or at a checkpoint.
        InProgress: the process has a deadline, and another process is computing the same.
    """
    import h5py  # noqa: F401  (h5netcdf writes with it, but does not ask for it: miss it now rather than after an hour)

    from dynloss.checks import check_choice  # imports JAX, which takes a second

    check_choice("fresh", fresh, (False, True))  # not the text "false", which is true
    paths = [folder / figure / f"{key(figure, parameters)}.nc" for folder in policy.folders(results)]
    code = fingerprint.take(compute)
    path, dataset, unreadable = (paths[0], None, []) if fresh else _found(paths, parameters, code)
    lacks = "; ".join(unreadable) or f"the archive has no {figure} with these parameters"
    if unreadable and not read_only():
        warn(f"{lacks}; it is {'left out' if dataset else 'computed again'}.", DamageWarning)
    if dataset is not None:
        stale = code.changed_since(dataset.attrs)
        if stale and review.reviewer is not None:
            again = functools.partial(_result, figure, compute, parameters, {}, code)
            dataset = review.reviewer.result(path, dataset, code, again)
            stale = code.changed_since(dataset.attrs)
        elif stale and read_only():
            raise NotArchived(f"the archived {figure} is stale: {stale} changed since", stale)
        elif stale and not policy.Policy.current().renew:
            own = "" if policy.is_published(path) else " --own"
            warn(
                f"the archived {figure} of {dataset.attrs['date']} is STALE: {stale} changed since. With the profile "
                f"of this result, `dynloss verify {figure}{own} --profile …` computes it again and says whether it "
                f"comes out the same; `dynloss run {figure} --profile … --fresh` (fresh=True) computes it anew."
            )
        _note(paths[0], dataset, stale)
        if not stale or not policy.Policy.current().renew or review.reviewer is not None:
            published = str(path) if policy.is_published(path) else ""
            return dataset.assign_attrs(origin="archived", stale=stale, path=str(path), published=published)
    else:
        _note(paths[0])
    if read_only():
        if review.reviewer is not None:
            review.reviewer.lacks(path, lacks)
        raise NotArchived(lacks, damaged=bool(unreadable))

    return _computed(figure, compute, parameters, paths[0], code)


def _found(
    paths: list[Path], parameters: Mapping[str, Any], code: fingerprint.Fingerprint
) -> tuple[Path, xr.Dataset | None, list[str]]:
    """The first result that is fresh, else the first; None if there is none; and why some cannot be read."""
    stale, unreadable = [], []
    for path in paths:
        try:
            with _readable(path):
                if not path.exists():
                    continue
                dataset = read(path)
                if decoded(dataset.attrs)["parameters"] != json.loads(canonical(parameters)):
                    raise ValueError("it holds other parameters than its name says")
        except Unreadable as error:
            unreadable.append(str(error))
            continue
        if not code.changed_since(dataset.attrs):
            return path, dataset, unreadable
        stale.append((path, dataset))
    return *(stale[0] if stale else (paths[0], None)), unreadable


def _computed(
    figure: str, compute: Callable[..., xr.Dataset], parameters, path: Path, code: fingerprint.Fingerprint
) -> xr.Dataset:
    """A new result, which is kept if it can be."""
    deadline.check()
    check_writable(path.parent)
    # The kernel of a notebook that was killed lives on for about a second.
    with files.file_lock(path.with_name(f".{path.stem}.lock"), patience=5.0 if deadline.given() else 0.0) as alone:
        if not alone and deadline.given():
            raise InProgress(f"another process is computing {path}")
        checkpoint = path.with_name(f".{path.stem}-{code.whole[:8]}.checkpoint")
        takes_one = "checkpoint" in inspect.signature(compute).parameters
        dataset = _result(figure, compute, parameters, {"checkpoint": checkpoint} if takes_one else {}, code)
        kept = str(path)
        try:
            content = encode(dataset)
            dataset = decode(content)
            write(path, content)
        except (OSError, TypeError, ValueError) as error:  # what was computed must not be lost with the file
            warn(f"{figure}: computed, not archived: {error}. DYNLOSS_RESULTS names another folder.")
            kept = ""
        else:
            _note(path, dataset)
    return dataset.assign_attrs(origin="computed", stale="", path=kept, published="")


def _result(figure: str, compute: Callable, parameters, checkpoint, code: fingerprint.Fingerprint) -> xr.Dataset:
    """A new result, with what is to be known of its making."""
    started = time.perf_counter()
    dataset = compute(**parameters, **checkpoint)
    if not isinstance(dataset, xr.Dataset):
        raise TypeError(f"compute must return an xarray.Dataset; got {type(dataset).__name__}")
    dataset = dataset.as_numpy()  # waits for devices, so that the time is the whole time
    seconds = time.perf_counter() - started
    return dataset.assign_attrs(
        figure=figure,
        parameters=canonical(parameters),
        **code.attributes(),
        **execution(parameters, dataset.attrs, seconds),
    )


def _note(path: Path, dataset: xr.Dataset | None = None, stale: str = "") -> None:
    """Tell the ledger whether the result is there."""
    missing: tuple = ((),) if dataset is None or stale else ()
    made = () if dataset is None else (float(dataset.attrs["seconds"]), str(dataset.attrs["device"]), stale)
    ledger.note(ledger.Request(str(path), 1, missing, *made))


def parameters_of(compute: Callable, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `compute`, its keyword-only arguments but `checkpoint`, from a notebook's parameters.

    >>> def simulate(seed, *, width, steps, checkpoint=None): ...
    >>> parameters_of(simulate, {"width": 100, "steps": 10, "fresh": False})
    {'width': 100, 'steps': 10}
    """
    arguments = inspect.signature(compute).parameters.values()
    names = [each.name for each in arguments if each.kind is each.KEYWORD_ONLY and each.name != "checkpoint"]
    if missing := [name for name in names if name not in namespace]:
        raise ValueError(f"{compute.__name__} needs {', '.join(missing)}, which the notebook does not set")
    return {name: namespace[name] for name in names}


def key(figure: str, parameters: Mapping[str, Any]) -> str:
    """The name of a result: a hash of its figure and parameters, whatever their order. 1 and 1.0 are the same number.

    >>> key("fig04", {"steps": 10, "amplitude": 70.0}) == key("fig04", {"amplitude": 70, "steps": 10})
    True
    >>> key("fig04", {"amplitude": float("nan")})
    Traceback (most recent call last):
    ValueError: amplitude=nan cannot be archived: only finite numbers can
    """
    return hashlib.sha256(f"{figure} {canonical(parameters)}".encode()).hexdigest()[:16]


def canonical(parameters: Mapping[str, Any]) -> str:
    """Parameters as JSON, with sorted names and integers without a point."""
    return json.dumps({name: _plain(name, value) for name, value in parameters.items()}, sort_keys=True)


def _plain(name: str, value: Any) -> Any:
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()  # a NumPy or JAX scalar
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{name}={value} cannot be archived: only finite numbers can")
        return int(value) if value.is_integer() else value
    if isinstance(value, list | tuple):
        return [_plain(name, each) for each in value]
    if isinstance(value, Mapping) and all(isinstance(each, str) for each in value):
        return {each: _plain(f"{name}.{each}", inner) for each, inner in value.items()}
    raise ValueError(f"{name}={value!r} cannot be archived: a {type(value).__name__} is no plain value")


def read_only() -> bool:
    """Whether nothing is to be computed: the environment variable DYNLOSS_ARCHIVE_ONLY is set."""
    return policy.Policy.current().read_only


def contents(*folders: Path, figures: Collection[str] = (), only: tuple[str, ...] = ()) -> Contents:
    """What the archive has, of some figures or of all, and what of it cannot be read.

    Args:
        folders: where to look; by default wherever results are looked for.
        only: the attributes that are asked for, `date` among them; by default all, which takes longer.

    Raises:
        OSError: the archive itself cannot be looked into.
    """
    looked = [place for root in folders or policy.folders() for place in places(root, figures)]
    there = [*paths(*looked), *(place / "request.json" for place in looked)]
    told: Iterable = map(functools.partial(_told, only), there)
    if len(there) > MANY and sys.platform == "linux" and "jax" not in sys.modules:  # whose threads a fork would lack
        with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
            told = pool.map(functools.partial(_told, only), there, chunksize=50)
    told = list(told)
    records = [one for one in told if isinstance(one, dict)]
    records.sort(key=lambda record: record["date"], reverse=True)
    return Contents(records, [one for one in told if isinstance(one, Unreadable)])


def _told(only: tuple[str, ...], path: Path) -> dict[str, Any] | Unreadable | None:
    """What the file of a result says of itself, or why it cannot be read; None of a request that can be."""
    with contextlib.suppress(FileNotFoundError):  # another process has just merged it into another
        try:
            with _readable(path):
                if path.suffix == ".nc":
                    return about(path, only) | {"path": str(path)}
                untrusted.request(path)
        except Unreadable as error:
            return error
    return None


def places(root: Path, figures: Collection[str] = ()) -> list[Path]:
    """The folders below one for results in which there may be any: of figures, some or all, and of their sweeps.

    Raises:
        OSError: it cannot be looked into.
    """
    names = [name for name in (os.listdir(root) if root.exists() else []) if not figures or name in figures]
    own = [root / name for name in names if (root / name).is_dir()]
    return sorted(own + [each for folder in own for each in folder.glob("*/") if each.suffix != ".old"])


def paths(*folders: Path) -> Iterator[Path]:
    """The results' files in folders; for a folder that cannot be looked into itself, and reading it will say why."""
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            continue
        except OSError:
            yield folder
        else:
            yield from (folder / name for name in names if name.endswith(".nc") and name[0] != ".")


def about(path: Path, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a result's file says of itself, without its numbers; ``only`` these attributes where some are named.

    Raises:
        FileNotFoundError: it is not there.
        Unreadable: it cannot be read, or is no result of dynloss.
    """
    with _readable(path):
        return dict(_about(path, path.stat().st_mtime_ns, only))


@functools.cache  # a page of twelve results looks through its figure's archive twelve times
def _about(path: Path, changed: int, only: tuple[str, ...]) -> dict[str, Any]:
    return untrusted.about(untrusted.content(path), only)


def read(path: Path) -> xr.Dataset:
    """All that is in a result's file.

    Raises:
        FileNotFoundError: it is not there.
        Unreadable: it cannot be read.
    """
    with _readable(path):
        content = untrusted.content(path)
        untrusted.check_result(content)
        return decode(content)


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """One kind of error for a file that cannot be read: the readers have half a dozen.

    They are handed the bytes, for HDF5 itself refuses a file that another program has locked; which says nothing of a
    result, since its file is never changed.
    """
    try:
        yield
    except (FileNotFoundError, ImportError, Unreadable):
        raise
    except Exception as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Unreadable(untrusted.printable(f"{path} cannot be read ({' '.join(said.split())[:300]})")) from error


def encode(dataset: xr.Dataset) -> bytes:
    """As a NetCDF file in memory, so that a full disk shows in one place: the plain write of `write`."""
    compressed = {
        name: {"zlib": True, "complevel": 9, "shuffle": True}
        for name, variable in dataset.variables.items()
        if variable.size > 1 and variable.ndim and variable.dtype.kind in "biuf"
    }
    return bytes(dataset.to_netcdf(engine="h5netcdf", encoding=compressed))


def decode(content: bytes) -> xr.Dataset:
    """What ``encode`` made, by h5py: xarray's own way takes four times as long, most of it to look up dimensions."""
    import h5py

    with h5py.File(h5py.h5f.open_file_image(content)) as file:
        variables = {}
        for name, each in file.items():
            if untrusted.is_variable(each):
                dims = [name] if each.is_scale else [length[0].name.strip("/") for length in each.dims]
                values = np.array(each.asstr()[()], str) if h5py.check_string_dtype(each.dtype) else each[()]
                variables[name] = (dims, values, untrusted.attributes(each.id))
        return xr.decode_cf(xr.Dataset(variables, attrs=untrusted.attributes(file.id)))


def write(path: Path, content: bytes) -> None:
    """The one place that writes results, all or nothing."""
    files.write(path, content)


def check_writable(folder: Path) -> None:
    """Raise ``ArchiveError`` if results cannot be written to a folder."""
    try:
        files.check_writable(folder)
    except OSError as error:
        raise ArchiveError(
            f"results cannot be written to {folder} ({error.strerror}); nothing was computed. "
            "Set DYNLOSS_RESULTS to a folder that can be written to."
        ) from error


def warn(message: str, kind: type[ArchiveWarning] = ArchiveWarning) -> None:
    warnings.warn(message, kind, stacklevel=3)
