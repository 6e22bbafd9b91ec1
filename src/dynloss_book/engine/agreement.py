"""Does a re-run agree with the published result? Two datasets in, and in words whether they agree and where not.

Training at the edge of stability is chaotic: two runs that differ in the last digit, on two devices say, are alike
until the first cascade and go apart in it or a later one. So a trajectory is compared point by point before its first
cascade, and by its statistics after that; a sweep, whose points lie behind all cascades, by its means over seeds, and
so is a result that holds several seeds; and what no training made, point by point.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from dynloss_book.engine import agreement_of_sweeps as sweeps
from dynloss_book.engine import fingerprint, hooks
from dynloss_book.engine.agreement_of_sweeps import Quantity
from dynloss_book.engine.provenance import decoded

FREE = ("seed", "seeds", "precision")  # parameters in which a re-run may differ; all others make another experiment
ROUNDING = 1e4  # units in the last place, which rounding may grow to on the smooth way to the first cascade
STORED = 16  # units in the last place of what is kept
MOST = 0.99  # of the points: a sample that crosses a kink a step earlier makes λ jump there
DIGITS = ("accuracy", "test", "validation", "training")  # variables that count samples


class Incomparable(ValueError):
    """Two results that do not belong together, or of which one is not whole."""


@dataclass(frozen=True)
class Agreement:
    """What `compare` found.

    Attributes:
        figure: whose results they are.
        quantities: what was compared.
        notes: how the two runs differ before they start: seeds, precision, device, versions, code.
        how: in what sense they were compared, the end of "agrees with the published one …".
    """

    figure: str
    quantities: tuple[Quantity, ...]
    notes: tuple[str, ...]
    how: str

    @property
    def agrees(self) -> bool:
        """Whether no quantity differs by more than is allowed."""
        return all(each.agrees for each in self.quantities)

    def __str__(self) -> str:
        apart = [each for each in self.quantities if not each.agrees]
        if not apart:
            return f"This run agrees with the published one {self.how}."
        where = "; ".join(f"{q.name}: {q.mine}, published {q.published} (allowed: {q.allowed})" for q in apart)
        return f"This run differs from the published one in {len(apart)} of {len(self.quantities)} quantities. {where}."

    @property
    def table(self) -> list[tuple[str, ...]]:
        """A row a quantity, the first holds the headings."""
        rows = [(q.name, q.mine, q.published, q.allowed, "yes" if q.agrees else "NO") for q in self.quantities]
        return [("quantity", "this run", "published", "allowed difference", "agrees"), *rows]


def compare(mine: xr.Dataset, published: xr.Dataset) -> Agreement:
    """A re-run beside the published result of the same experiment.

    Args:
        mine, published: as the archive keeps them, sweeps over their axes and ``seed``.

    Raises:
        Incomparable: another figure, other parameters than `FREE`, or a result that is not whole.
    """
    ours, theirs = _facts(mine), _facts(published)
    _check_same(ours, theirs)
    notes = tuple(_notes(ours, theirs))
    same_seed = ours["parameters"].get("seed") == theirs["parameters"].get("seed")
    if is_sweep(published):
        sweeps.check(mine, published, Incomparable)
        quantities, how = sweeps.quantities(mine, published)
    elif "seed" in published.dims:
        mine, published = _of_one_size(mine, published), _of_one_size(published, mine)
        _check_whole(mine, published)
        quantities, how = sweeps.of_seeds(mine, published)
        alone, apart = _without_seeds(mine, published)
        quantities, notes = [*quantities, *alone], (*notes, *apart)
    elif any(str(name).startswith("step") for name in published.dims):
        _check_whole(mine, published)
        quantities, how = _trajectories(mine, published, theirs["parameters"], same_seed)
    else:
        _check_whole(mine, published)
        quantities, how = [_pointwise(mine, published, name) for name in _names(published)], "point by point"
    return Agreement(theirs["figure"], tuple(quantities), notes, how)


def is_sweep(dataset: xr.Dataset) -> bool:
    """Whether it is of `dynloss_book.engine.sweeps`, and no single result, which may hold several seeds too."""
    return "done" in dataset


def _of_one_size(dataset: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Empty places added where the other has more: of cascades, say, of which each run has its own number."""
    more = {
        dim: (0, other.sizes[dim] - size)
        for dim, size in dataset.sizes.items()
        if dim not in dataset.coords and dim != "seed" and other.sizes.get(dim, 0) > size
    }
    return dataset.pad(more, constant_values=np.nan) if more else dataset


def _without_seeds(mine: xr.Dataset, published: xr.Dataset) -> tuple[list[Quantity], list[str]]:
    """What a result of several seeds holds of one of them, or of none; a course that chaos may part is only noted."""
    found, apart = [], []
    for name in _names(published):
        if "seed" in published[name].dims:
            continue
        quantity = _pointwise(mine, published, name, grown=True)
        chaotic = any(str(dim).startswith(("step", "moment")) for dim in published[name].dims)
        if chaotic and not quantity.agrees:
            apart.append(f"{quantity.name} is of one run each, which chaos parts: not judged")
        else:
            found.append(quantity)
    return found, apart


def _trajectories(
    mine: xr.Dataset, published: xr.Dataset, parameters: Mapping[str, Any], same_seed: bool
) -> tuple[list[Quantity], str]:
    moments = [until(published, parameters) for until in hooks.called("predictable_until")]
    first = min((moment for moment in moments if moment is not None), default=None)
    found, how = [], "in its statistics; the seeds differ, so that no point can be compared"
    if same_seed:
        found = [_pointwise(mine, published, name, first) for name in _names(published)]
        how = "point by point over the whole run"
        if first is not None:
            how = f"point by point until step {first:,}, where instabilities begin, and in its statistics after that"
    found.append(_diverged(mine, published))
    if first is not None or not same_seed:
        found += [each for read in hooks.called("statistics") for each in read(mine, published, parameters)]
    return found, how


def _pointwise(
    mine: xr.Dataset, published: xr.Dataset, name: str, until: int | None = None, grown: bool = False
) -> Quantity:
    """One variable, before a step if there is one; allowed is what rounding makes of the coarser type.

    With ``grown`` it has gone through a computation whatever its dimensions, and may be all rounding, below 1.
    """
    ours, theirs = mine[name], published[name]
    step = next((str(dim) for dim in theirs.dims if str(dim).startswith("step")), None)
    before = f", before step {until:,}" if until is not None and step else ""
    if before:
        ours, theirs = (each.isel({step: each[step].values < until}) for each in (ours, theirs))
    a, b = ours.values.astype(float), theirs.values.astype(float)
    tolerance = _tolerance(mine, published, name, grown)
    allowed = tolerance * (np.abs(b) + np.nanmax(np.abs(b), initial=1.0 if grown else 0.0))
    if any(word in name for word in DIGITS):
        allowed = allowed + sweeps.grain(b)  # one sample more or less
    apart = ~((np.abs(a - b) <= allowed) | (np.isnan(a) & np.isnan(b)) | (a == b))
    label = f"{called(theirs, name)}{before}"
    words = f"{tolerance:.0e} of its value, at {MOST:.0%} of the points"
    if not apart.any():
        return Quantity(label, "the same" if np.array_equal(a, b, equal_nan=True) else "the same but for rounding",
                        f"{a.size:,} values", words, True)  # fmt: skip
    place = np.unravel_index(int(np.argmax(apart)), apart.shape)
    where = ", ".join(f"{dim} {int(index)}" for dim, index in zip(theirs.dims, place, strict=True))
    if step:
        where = f"step {int(theirs[step].values[place[theirs.dims.index(step)]]):,}"
    at = f" at {where}" if where else ""
    return Quantity(
        label, f"{a[place]:.6g}{at}, and {apart.mean():.1%} of the values apart", f"{b[place]:.6g}", words,
        bool(apart.mean() <= 1 - MOST),
    )  # fmt: skip


def _diverged(mine: xr.Dataset, published: xr.Dataset) -> Quantity:
    a, b = (int(each.attrs.get("diverged_at", -1)) for each in (mine, published))
    ours, theirs = ("never" if each < 0 else f"at step {each:,}" for each in (a, b))
    return Quantity("the run diverges", ours, theirs, "both or neither", (a < 0) == (b < 0))


def _tolerance(mine: xr.Dataset, published: xr.Dataset, name: str, grown: bool = False) -> float:
    """Relative: of the coarser type computed in, grown on the way, and of the coarser type kept."""

    def eps(dtype: Any) -> float:
        return float(np.finfo(dtype).eps) if np.dtype(dtype).kind == "f" else 0.0

    computed = [str(each.attrs.get("dtype", "float64")) for each in (mine, published)]
    kept = [each[name].dtype for each in (mine, published)]
    trained = grown or any(str(dim).startswith("step") for dim in published[name].dims)
    return max(ROUNDING * max(map(eps, computed)) if trained else 0.0, STORED * max(map(eps, kept)))


def _names(dataset: xr.Dataset) -> list[str]:
    """The variables worth a look: not how exact an eigenvalue is."""
    return [str(name) for name in dataset.data_vars if not str(name).endswith("residuals")]


def called(variable: xr.DataArray, name: str) -> str:
    return str(variable.attrs.get("long_name", name.replace("_", " ")))


def _facts(dataset: xr.Dataset) -> dict[str, Any]:
    if missing := {"figure", "parameters", "sources", "versions"} - set(dataset.attrs):
        raise Incomparable(f"no result of dynloss: it lacks {', '.join(sorted(missing))}")
    try:
        return decoded(dataset.attrs)
    except ValueError as error:
        raise Incomparable(f"its attributes are damaged: {error}") from error


def _check_same(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    if ours["figure"] != theirs["figure"]:
        raise Incomparable(f"it is of {ours['figure']}, not of {theirs['figure']}")
    if differing := different(ours["parameters"], theirs["parameters"]):
        raise Incomparable(f"another experiment: {'; '.join(differing)}")


def different(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The parameters that make another experiment of it, in words.

    >>> different({"steps": 10, "seed": 1}, {"steps": 20, "seed": 0})
    ['steps=10, published 20']
    """
    names = [name for name in sorted(ours.keys() | theirs.keys()) if name not in FREE]
    missing = object()
    return [
        f"{name}={ours.get(name, 'missing')}, published {theirs.get(name, 'without it')}"
        for name in names
        if ours.get(name, missing) != theirs.get(name, missing)
    ]


def _check_whole(mine: xr.Dataset, published: xr.Dataset) -> None:
    if lacking := sorted(str(name) for name in set(published.data_vars) - set(mine.data_vars)):
        raise Incomparable(f"it is not whole: it lacks {', '.join(lacking)}")
    for name in published.data_vars:
        sizes = [{dim: size for dim, size in each[name].sizes.items() if dim != "seed"} for each in (mine, published)]
        if mine[name].dims != published[name].dims or sizes[0] != sizes[1]:
            raise Incomparable(f"it is not whole: {name} is of {sizes[0]}, published {sizes[1]}")


def _notes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """How the two runs differ before they start."""
    for name in FREE:
        a, b = (each["parameters"].get(name) for each in (ours, theirs))
        if a != b:
            yield f"{name} {a}, published {b}"
    if ours.get("device") != theirs.get("device"):
        yield f"on {ours.get('device')}, published on {theirs.get('device')}"
    versions = ours["versions"].items()
    if changed := [
        f"{n} {v} ({theirs['versions'].get(n, 'none')})" for n, v in versions if theirs["versions"].get(n) != v
    ]:
        yield f"with {', '.join(changed)}; in brackets the published run's"
    if ours.get("fingerprint") != theirs.get("fingerprint"):
        code = fingerprint.changed(ours["sources"], theirs["sources"]).split(", ")
        yield f"with other code: {', '.join(code[:4])}{' and more' * (len(code) > 4)} differ"
