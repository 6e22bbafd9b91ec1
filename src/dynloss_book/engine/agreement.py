"""Does a re-run agree with the published result? Two datasets in, and in words whether they agree and where not.

Training at the edge of stability is chaotic: two runs that differ in the last digit, on two devices say, are alike
until the first cascade and go apart in it or a later one. So every variable is compared in up to three ways.

- **Point by point**, as far as nothing is chaotic: what no training made, what a room says, and a trajectory until its
  instabilities begin. What is the same everywhere, to the last bit or but for rounding, is done with.
- **By its course**, what is recorded over time: in each tenth of it, and at its end, the median of a run's numbers and
  their changes from one to the next have to be such as the published runs have there.
- **By exchanging runs**, results of several seeds. If chance alone sets two runs apart, they may change places. Of the
  same seed, each pair may (chaos parts them, at each point anew); of other seeds, whole seeds may, since points share
  them. What the results differ by is held against what many such exchanges give: so the level holds whatever the
  distribution. Where no outcome could reach the level, there are too few seeds to tell.
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss_book.engine import fingerprint, hooks
from dynloss_book.engine.provenance import decoded
from dynloss_book.engine.sweeps.grid import FLAGS, SEED

FREE = ("seed", "seeds", "precision")  # parameters in which a re-run may differ; all others make another experiment
ROUNDING = 1e4  # units in the last place, which rounding may grow to on the smooth way to the first cascade
POINTWISE, UNTIL, COURSE, EXCHANGE = "point by point", "until instabilities", "by the course", "by exchanging runs"
MAGNITUDE = "by the course of its size"  # of what rounding leaves: its order of magnitude
RUNS = "runs"  # what a room may say of a dimension: that chance is drawn anew along it
STORED = 16  # units in the last place of what is kept
MOST = 0.99  # of the points: a sample that crosses a kink a step earlier makes λ jump there
CASCADE = "cascade"  # the dimension of what chaos draws anew
SHORT = 12  # places along a dimension whose values are kept apart; a longer one is a course
PARTS = 10  # of a course, of at least as many values each
WIDER, RATIO, FLOOR = 1.5, 8.0, 0.01  # of the range of a part; of two changes; of the whole range
SMALLEST = 1e-12  # an order of magnitude that is told apart
LEVEL = 0.01  # a re-run that is right differs by chance in one of a hundred
EXCHANGES = 2000
RANDOM = functools.partial(np.random.default_rng, 0)


class Quantity(NamedTuple):
    """One thing that was compared; all in words, and whether it agrees, None where there are too few seeds to tell."""

    name: str
    mine: str
    published: str
    allowed: str
    agrees: bool | None


class Incomparable(ValueError):
    """Two results that do not belong together, or of which one is not whole."""


@dataclass(frozen=True)
class Agreement:
    """What `compare` found.

    Attributes:
        figure: whose results they are, or which file's.
        quantities: what was compared.
        notes: how the two runs differ before they start: seeds, precision, device, versions, code.
        how: in what sense they were compared, the end of "agrees with the published one …".
        trouble: why they could not be compared.
    """

    figure: str
    quantities: tuple[Quantity, ...] = ()
    notes: tuple[str, ...] = ()
    how: str = ""
    trouble: str = ""

    @property
    def agrees(self) -> bool | None:
        """False if a quantity differs by more than is allowed; else None if one, or nothing, could be compared."""
        verdicts = {None} if self.trouble else {each.agrees for each in self.quantities}
        return False if False in verdicts else None if None in verdicts else True

    def __str__(self) -> str:
        if self.trouble:
            return f"cannot be compared: {self.trouble}"
        apart, unknown = ([each for each in self.quantities if each.agrees is verdict] for verdict in (False, None))
        if apart:
            where = "; ".join(f"{q.name}: {q.mine}, published {q.published} (allowed: {q.allowed})" for q in apart)
            number = f"{len(apart)} of {len(self.quantities)} quantities"
            return f"This run differs from the published one in {number}. {where}."
        if unknown:
            where = "; ".join(f"{each.name} ({each.mine})" for each in unknown)
            return f"Too few seeds to tell whether this run agrees with the published one: {where}."
        return f"This run agrees with the published one {self.how}."

    @property
    def table(self) -> list[tuple[str, ...]]:
        """A row a quantity, the first holds the headings."""
        words = {True: "yes", False: "NO", None: "too few seeds"}
        rows = [(q.name, q.mine, q.published, q.allowed, words[q.agrees]) for q in self.quantities]
        return [("quantity", "this run", "published", "allowed difference", "agrees"), *rows]


def compare(mine: xr.Dataset, published: xr.Dataset) -> Agreement:
    """A re-run beside the published result of the same experiment.

    Args:
        mine, published: as the archive keeps them, sweeps over their axes and ``seed``.

    Raises:
        Incomparable: another figure, other parameters than `FREE`, or a result that is not whole.
    """
    ours, theirs = _facts(mine, published)
    mine, published = _laid_out(mine, published)
    ways = hooks.told("ways", theirs["figure"])
    moments = [until(published, theirs["parameters"]) for until in hooks.called("predictable_until")]
    first = min((moment for moment in moments if moment is not None), default=None)
    pairs = [_pair(mine, published, str(name), ways) for name in published.data_vars if name not in FLAGS]
    found = [quantity for pair in pairs for quantity in _numbers(pair)]
    if "diverged_at" in published.attrs:
        found.append(_diverged(mine, published))
    chance, how = [], "point by point"
    for pair in pairs:
        quantities, settled = _without_exchange(pair, first)
        found += quantities
        chance += [] if settled else [pair]
    if chance:
        how = "as closely as chance allows"
        if any("before step" in each.name for each in found):
            how = f"point by point until step {first:,}, where instabilities begin, and in its statistics after that"
        found += [each for read in hooks.called("statistics") for each in read(mine, published, theirs["parameters"])]
    if is_sweep(published):
        points = mine.done.any(SEED) & published.done.any(SEED)
        how += f", at {int(points.sum())} of {points.size} points"
    exchanged, more = _exchanged([pair for pair in chance if pair.way == EXCHANGE])
    return Agreement(theirs["figure"], (*found, *exchanged), (*_notes(ours, theirs), *more), how)


def is_sweep(dataset: xr.Dataset) -> bool:
    """Whether it is of `dynloss_book.engine.sweeps`, and no single result, which may hold several seeds too."""
    return "done" in dataset


def different(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """The parameters that make another experiment of it, in words.

    >>> different({"steps": 10, "seed": 1}, {"steps": 20, "seed": 0})
    ['steps=10, published 20']
    """
    names = sorted((ours.keys() | theirs.keys()) - set(FREE))
    a, b = ([each.get(name, "missing") for name in names] for each in (ours, theirs))
    return [f"{name}={x}, published {y}" for name, x, y in zip(names, a, b, strict=True) if x != y]


def _facts(*both: xr.Dataset) -> list[dict[str, Any]]:
    """What the attributes of two results say, which has to be of the same experiment."""
    ours, theirs = (decoded(each.attrs) for each in both)
    if ours["figure"] != theirs["figure"]:
        raise Incomparable(f"it is of {ours['figure']}, not of {theirs['figure']}")
    if differing := different(ours["parameters"], theirs["parameters"]):
        raise Incomparable(f"another experiment: {'; '.join(differing)}")
    return [ours, theirs]


def _laid_out(mine: xr.Dataset, published: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Both over the same points, with numbered seeds, and as many places for cascades.

    Raises:
        Incomparable: variables, sizes or axes are others, or no computed point is shared.
    """
    if lacking := sorted(str(name) for name in set(published.data_vars) - set(mine.data_vars)):
        raise Incomparable(f"it is not whole: it lacks {', '.join(lacking)}")
    if is_sweep(published):
        axes = [", ".join(sorted(set(map(str, each.done.dims)) - {SEED})) for each in (mine, published)]
        if SEED not in mine.dims or axes[0] != axes[1]:
            raise Incomparable(f"its axes are {axes[0]}, published {axes[1]}, and seeds")
        try:
            mine, published = xr.align(mine, published, join="inner", exclude=[SEED])
        except xr.AlignmentError as error:
            raise Incomparable(f"it is not whole: {error}") from error
        mine, published = (each.assign(done=each.done.fillna(0) > 0) for each in (mine, published))
        if not bool((mine.done.any(SEED) & published.done.any(SEED)).any()):
            raise Incomparable("it shares no computed point with the published sweep")
    elif SEED in published.dims:
        places = max(each.sizes.get(CASCADE, 0) for each in (mine, published))
        mine, published = (
            each.pad({CASCADE: (0, places - each.sizes.get(CASCADE, places))} if places else {}, constant_values=np.nan)
            .assign_coords({SEED: range(each.sizes.get(SEED, 0))}) for each in (mine, published)
        )  # fmt: skip
    for name in published.data_vars:
        sizes = [{dim: size for dim, size in each[name].sizes.items() if dim != SEED} for each in (mine, published)]
        if mine[name].dims != published[name].dims or sizes[0] != sizes[1]:
            raise Incomparable(f"it is not whole: {name} is of {sizes[0]}, published {sizes[1]}")
    return mine, published


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


class _Pair(NamedTuple):
    """A variable of both results.

    Attributes:
        mine, published: of the shape (seeds, runs of a seed, places, course): the runs are the points of a sweep,
            cascades, optimisers, whatever chance is drawn anew for; a course, time as a rule, is a dimension that is
            long. NaN where nothing is computed, infinite where what is computed is no number.
        seeds: of both.
        like: the published values of one seed, with what its dimensions are called.
        units: the dimensions of the runs.
        course: its dimension, if there is any.
        way: how it is to be compared.
        trained: whether training made it, so that rounding has grown.
        tolerance: of rounding, relative.
        judged_by_course: neither points of a sweep, which are exchanged, nor what each cascade has its own course of.
    """

    mine: np.ndarray
    published: np.ndarray
    seeds: tuple[np.ndarray, np.ndarray]
    like: xr.DataArray
    label: str
    units: tuple[str, ...]
    course: str | None
    way: str
    trained: bool
    tolerance: float
    judged_by_course: bool

    def at(self, run: int, rest: int, parts: int = 1) -> str:
        """Where a value is, in words; of a course only in which of so many parts, if there are any."""
        sizes = {str(dim): size for dim, size in self.like.sizes.items() if parts == 1 or dim != self.course}
        sizes |= {"part": parts} if parts > 1 else {}
        flat = run * math.prod(size for dim, size in sizes.items() if dim not in self.units) + rest
        places = dict(zip(sizes, np.unravel_index(flat, tuple(sizes.values())), strict=True))
        known = {dim: self.like[dim].values[n] if dim in self.like.coords else n for dim, n in places.items()}
        at = [f"{dim}={value if isinstance(value, str) else f'{value:g}'}" for dim, value in known.items()]
        return f" at {', '.join(at)}" if at else ""


def _pair(mine: xr.Dataset, published: xr.Dataset, name: str, ways: Mapping[str, str]) -> _Pair:
    like, of_seeds, sweep = published[name], SEED in published[name].dims, is_sweep(published)
    words = {dim for dim in like.dims if dim in like.coords and like[dim].dtype.kind in "UO"}
    units = tuple(str(dim) for dim in like.dims if dim in words | {CASCADE} or ways.get(str(dim)) == RUNS)
    if sweep:
        units = tuple(str(dim) for dim in published.done.dims if dim != SEED)
    long = [str(dim) for dim, size in like.sizes.items() if size > SHORT and dim not in (SEED, *units)]
    course = max(long, key=like.sizes.__getitem__, default=None)
    trained = any(str(dim).startswith("step") or dim == SEED for dim in published.dims)
    way = EXCHANGE if of_seeds else COURSE if SEED in published.dims else UNTIL
    way = ways.get(name, way if of_seeds or (course and trained) else POINTWISE)
    order = [*units, *(dim for dim in like.dims if dim not in (SEED, *units, course)), *([course] if course else [])]
    said = [decoded(each.attrs)["parameters"] for each in (mine, published)]
    seeds = [
        dataset[SEED].values if of_seeds else np.array([parameters.get(SEED, 0)])
        for dataset, parameters in zip((mine, published), said, strict=True)
    ]
    if said[0].get("precision") != said[1].get("precision") and way != POINTWISE:  # which draws other networks
        seeds[0] = -1 - seeds[0]
    both = []
    for dataset in (mine, published):
        values = dataset[name].transpose(*([SEED] if of_seeds else []), *order).values.astype(float)
        runs = math.prod(like.sizes[unit] for unit in units)
        values = values.reshape(dataset.sizes[SEED] if of_seeds else 1, runs, -1, like.sizes[course] if course else 1)
        values = np.log10(np.abs(values) + SMALLEST) if way == MAGNITUDE else values
        values = np.where(np.isfinite(values), values, np.inf)
        if sweep:
            values[~dataset.done.transpose(SEED, *units).values.reshape(len(values), runs)] = np.nan
        both.append(values)
    like = (like.isel({SEED: 0}, drop=True) if of_seeds else like).transpose(*order)
    tolerance = _tolerance(mine, published, name, trained)
    by_course = course is not None and not sweep and CASCADE not in units
    label = str(like.attrs.get("long_name", name.replace("_", " ")))
    known = (like, label, units, course, way, trained, tolerance, by_course)
    return _Pair(both[0], both[1], (seeds[0], seeds[1]), *known)


def _tolerance(mine: xr.Dataset, published: xr.Dataset, name: str, trained: bool) -> float:
    """Relative: of the coarser type computed in, grown on the way, and of the coarser type kept."""
    kept = [each[name].dtype for each in (mine, published)]
    computed = [str(each.attrs.get("dtype", "float64")).replace("bfloat16", "float32") for each in (mine, published)]
    stored, grown = (
        max(float(np.finfo(each).eps) if np.dtype(each).kind == "f" else 0.0 for each in types)
        for types in (kept, computed)
    )
    return max(ROUNDING * grown if trained else 0.0, STORED * stored)


# Point by point, and by the course


def _numbers(pair: _Pair) -> list[Quantity]:
    """Runs of which something is no number: none where no published one is such, else about as many."""
    from scipy.stats import fisher_exact

    counts = [
        (int(np.isinf(each).any((2, 3)).sum()), int((~np.isnan(each)).any((2, 3)).sum()))
        for each in (pair.mine, pair.published)
    ]
    if not counts[0][0] + counts[1][0]:
        return []
    agrees: bool | None = bool(fisher_exact([(n, of - n) for n, of in counts]).pvalue >= LEVEL)
    drawn = counts[1][0] > 0 or CASCADE in pair.units  # by chance a run has a cascade less
    if agrees and not drawn:
        agrees = False if np.isin(*pair.seeds).any() else None
    ours, theirs = (f"{n} of {of} runs" for n, of in counts)
    allowed = f"Fisher's exact test, {LEVEL:.0%}" if drawn else "none"
    return [Quantity(f"{pair.label}, no number in", ours, theirs, allowed, agrees)]


def _without_exchange(pair: _Pair, first: int | None) -> tuple[list[Quantity], bool]:
    """What can be said of a variable without exchanging runs; and whether that settles it."""
    shared, ours, theirs = np.intersect1d(*pair.seeds, return_indices=True)
    a, b = pair.mine[ours], pair.published[theirs]
    if len(shared) == len(pair.mine) and _same(pair, a, b).all():
        return [_pointwise(pair, a, b, None)], True
    found: list[Quantity] = []
    if len(shared) and pair.way in (POINTWISE, UNTIL):
        found.append(_pointwise(pair, a, b, first if pair.way == UNTIL else None))
        if pair.way == POINTWISE or first is None:
            return found, True
    if pair.judged_by_course:
        found.append(_by_course(pair, first if pair.way != EXCHANGE else None))
    return found, False


def _same(pair: _Pair, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Which values differ by rounding at most, relative to themselves, and to the largest of a single run."""
    numbers = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(numbers, a, 0.0), np.where(numbers, b, 0.0)
    largest = 0.0 if pair.way == EXCHANGE else np.abs(b).max(initial=float(pair.trained))
    return np.abs(a - b) <= pair.tolerance * (np.abs(b) + largest)


def _pointwise(pair: _Pair, a: np.ndarray, b: np.ndarray, first: int | None) -> Quantity:
    """One variable, before a step if there is one; where one is computed and no number, the other has to be none."""
    label = pair.label
    if first is not None:
        label += f", before step {first:,}"
        early = pair.like[pair.course].values < first
        a, b = a[..., early], b[..., early]
    apart = ~_same(pair, a, b) | (np.isinf(a) & np.isfinite(b)) | (np.isfinite(a) & np.isinf(b))
    allowed = f"{pair.tolerance:.0e} of its value{f', at {MOST:.0%} of the points' if first is not None else ''}"
    if not apart.any():
        words = "the same" if np.array_equal(a, b, equal_nan=True) else "the same but for rounding"
        return Quantity(label, words, f"{a.size:,} values", allowed, True)
    place = np.unravel_index(int(np.argmax(apart)), apart.shape)
    at = pair.at(int(place[1]), int(place[2] * pair.mine.shape[3] + place[3]))
    mine = f"{a[place]:.6g}{at}, and {apart.mean():.1%} of the values apart"
    agrees = bool(apart.mean() <= 1 - MOST) and pair.trained and bool(np.isfinite(a).all())
    return Quantity(label, mine, f"{b[place]:.6g}", allowed, agrees)


@np.errstate(invalid="ignore")  # infinite less infinite
def _diverged(mine: xr.Dataset, published: xr.Dataset) -> Quantity:
    a, b = (int(each.attrs.get("diverged_at", -1)) for each in (mine, published))
    ours, theirs = ("never" if each < 0 else f"at step {each:,}" for each in (a, b))
    return Quantity("the run diverges", ours, theirs, "both or neither", (a < 0) == (b < 0))


def _parts(values: np.ndarray) -> np.ndarray:
    """Quantiles 10, 50 and 90 % and the median change, in each tenth of a course and in its last twentieth.

    Returns:
        of the shape (4, …, parts), where ``values`` is (…, course); NaN where there is no number.
    """
    length = values.shape[-1]
    parts = int(np.clip(length // PARTS, 2, PARTS))
    tenths = values[..., length % parts :].reshape(*values.shape[:-1], parts, -1)
    found = [
        [*(_quantile(each, share) for share in (0.1, 0.5, 0.9)), _quantile(np.abs(np.diff(each)), 0.5)]
        for each in (tenths, values[..., None, -max(2, length // 20) :])
    ]
    return np.concatenate(found, -1)


def _quantile(values: np.ndarray, share: float) -> np.ndarray:
    """Along the last axis, of what is a number; NumPy's own is far slower."""
    ordered, count = np.sort(values, axis=-1), np.isfinite(values).sum(-1)
    place = np.maximum(0, np.rint(share * (count - 1))).astype(int)
    return np.where(count > 0, np.take_along_axis(ordered, place[..., None], -1)[..., 0], np.nan)


@np.errstate(invalid="ignore")
def _by_course(pair: _Pair, first: int | None) -> Quantity:
    """Medians and changes of the parts of a course, against all published runs in that part and beside it."""
    from scipy.ndimage import maximum_filter1d, minimum_filter1d

    a, b, label = pair.mine, pair.published, f"{pair.label}, parts of its course"
    if first is not None:
        label += f", from step {first:,} on"
        late = pair.like[pair.course].values >= first
        a, b = a[..., late], b[..., late]
    ours, theirs = _parts(a), _parts(b)
    nothing, (low, _, high, change) = np.isnan(theirs[1]), theirs
    least = lambda values: minimum_filter1d(np.where(nothing, np.inf, values).min(0), 3, mode="nearest")  # noqa: E731
    most = lambda values: maximum_filter1d(np.where(nothing, -np.inf, values).max(0), 3, mode="nearest")  # noqa: E731
    below, above = least(low), most(high)
    floor = FLOOR * (np.nanmax(high) - np.nanmin(low))
    margin = WIDER * (above - below) + floor
    fine = ours[1] >= below - np.abs(below) / np.where(below > 0, 2, 1) - margin
    fine &= ours[1] <= above + np.abs(above) / np.where(above > 0, 1, 2) + margin
    largest = np.nanmax(change, (0, -1), keepdims=True)[0]  # a cascade may come in another part
    fine &= ours[3] <= np.maximum(RATIO * most(change), WIDER * largest) + floor
    fine &= ours[3] >= least(change) / RATIO**2 - FLOOR * floor  # what is stuck changes no more
    apart = ~(fine | (np.isnan(ours[1]) & nothing.any(0)))
    part = np.unravel_index(int(np.argmax(apart)), apart.shape)[-1]
    shown = [f"{np.median(np.nan_to_num(each[1, ..., part], nan=np.inf)):.4g}" for each in (ours, theirs)]
    mine = f"{apart.sum()} of {apart.size} apart; median {shown[0]} in part {part + 1} of {apart.shape[-1]}"
    allowed = f"half to twice the median and {WIDER:g} times the range; changes up to {RATIO:g} times"
    return Quantity(label, mine, shown[1], allowed, not apart.any())


# By exchanging runs


class _Exchange(NamedTuple):
    """What two results differ by, as they are (first) and if runs that differ by chance alone change places.

    Attributes:
        what: whose runs change places, in words.
        differences: of the means, of the shape (exchanges, runs, columns).
        mine, published: the means as they are.
    """

    what: str
    differences: np.ndarray
    mine: np.ndarray
    published: np.ndarray


def _exchanged(pairs: Sequence[_Pair]) -> tuple[list[Quantity], list[str]]:
    """The tests of all variables, at a level that they share, and notes on what they could not tell."""
    tests = []
    for units in dict.fromkeys(pair.units for pair in pairs):
        members = [pair for pair in pairs if pair.units == units]
        columns = [
            [_parts(each)[1].reshape(*each.shape[:2], -1) if pair.course else each[..., 0] for each in pair[:2]]
            for pair in members
        ]
        owner = np.repeat(range(len(members)), [each[0].shape[-1] for each in columns])
        tolerance = np.array([pair.tolerance for pair in members])[owner]
        x, y = (np.concatenate(side, axis=-1) for side in zip(*columns, strict=True))
        tests.append((members, owner, list(_exchanges(x, y, members[0].seeds, tolerance))))
    level = LEVEL / (3 * max(1, sum(len(each) for _, _, each in tests)))
    found, notes = [], []
    for members, owner, exchanges in tests:
        decided = [_judged(each, members, owner, level) for each in exchanges]
        found += [quantity for quantities in decided for quantity in quantities]
        few = [each.what for each, quantities in zip(exchanges, decided, strict=True) if not quantities]
        if any(decided) or all(pair.judged_by_course for pair in members):
            notes += [f"{words}: too few to tell" for words in few]
        elif few:
            label = ", ".join(pair.label for pair in members)
            found.append(Quantity(label, "; ".join(few), "–", f"more than {level:.2%} by chance", None))
    return found, notes


def _exchanges(
    mine: np.ndarray, published: np.ndarray, seeds: tuple[np.ndarray, np.ndarray], tolerance: np.ndarray
) -> Iterator[_Exchange]:
    """Runs of the same seed with each other, where they differ; and seeds that are new or differ, with all others."""
    shared, ours, theirs = np.intersect1d(*seeds, return_indices=True)
    x, y = mine[ours], published[theirs]
    both = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(both, x, 0.0), np.where(both, y, 0.0)
    apart = np.where(np.abs(x - y) > tolerance * np.abs(y), x - y, 0.0)
    changed = (apart != 0).any(-1)
    if changed.any():
        count = np.maximum(both.sum(0), 1)
        flipped = RANDOM().random((EXCHANGES, changed.sum())) < 0.5
        flipped[0] = False
        flipped = np.unique(flipped, axis=0)  # in order, so that as they are is first
        signs = np.ones((len(flipped), *changed.shape))
        signs[:, changed] -= 2 * flipped
        differences = np.einsum("bsr,src->brc", signs, apart, optimize=True) / count
        what = f"{changed.sum()} of {changed.size} runs of {len(shared)} same seeds"
        yield _Exchange(what, differences, x.sum(0) / count, y.sum(0) / count)
    own = ~np.isin(seeds[0], shared[~changed.any(-1)])
    rest = ~np.isin(seeds[1], seeds[0][own])
    if own.any() and rest.any():
        yield _of_other_seeds(mine[own], published[rest])


def _of_other_seeds(x: np.ndarray, y: np.ndarray) -> _Exchange:
    """Which of so many seeds are the re-run's; a missing value counts as the mean of all."""
    mean = np.ma.masked_invalid(values := np.concatenate([x, y])).mean(0).filled(0.0)
    apart = np.where(np.isfinite(values), values - mean, 0.0)
    apart[:, apart.std(0) <= 1e-12 * np.abs(mean)] = 0.0
    orders = RANDOM().random((EXCHANGES, len(values))).argsort(-1)
    orders[0] = range(len(values))
    chosen = np.unique(orders < len(x), axis=0)[::-1]  # in order, the last first: as they are
    differences = np.tensordot(1.0 * chosen, apart, 1) * (1 / len(x) + 1 / len(y))
    first, second = (mean + part.mean(0) for part in (apart[: len(x)], apart[len(x) :]))
    return _Exchange(f"{len(x)} seed{'s' * (len(x) > 1)} beside {len(y)} others", differences, first, second)


def _judged(exchange: _Exchange, pairs: Sequence[_Pair], owner: np.ndarray, level: float) -> list[Quantity]:
    """The mean of each variable, and all runs and columns together; nothing if no outcome could reach the level."""
    columns = [owner == each for each in range(len(pairs))]
    shifts = np.stack([exchange.differences[..., each].mean((1, 2)) for each in columns], -1)
    chance = np.sqrt((shifts**2).mean(0))
    squares = exchange.differences**2
    squares /= np.maximum(squares.mean(0), np.finfo(float).tiny)  # in units of what chance gives
    largest = np.abs(shifts / np.where(chance > 0, chance, np.inf)).max(-1)
    patterns = np.stack([squares[..., each].mean((1, 2)) for each in columns], -1)
    pattern = ((patterns - patterns.mean(0)) / np.maximum(patterns.std(0), 1e-12)).max(-1)
    if any(_share(each, each.max()) > level for each in (largest, pattern)):
        return []
    allowed = np.sort(largest)[::-1][int(level * len(largest))] * chance
    found = []
    for each, pair, margin, shift in zip(columns, pairs, allowed, shifts[0], strict=True):
        ours, theirs = (f"{side[:, each].mean():.4g}" for side in (exchange.mine, exchange.published))
        label = f"{pair.label}, mean over {exchange.what}"
        found.append(Quantity(label, ours, theirs, f"± {margin:.2g}", bool(abs(shift) <= margin * (1 + 1e-9))))
    run, column = map(int, np.unravel_index(int(np.argmax(squares[0])), squares[0].shape))
    pair, inner = pairs[owner[column]], int((owner[:column] == owner[column]).sum())
    parts = int((owner == owner[column]).sum()) // pair.mine.shape[2] if pair.course else 1
    chances = [_share(pattern, pattern[0]), _share(squares.max((1, 2)), squares[0].max())]
    words = f"so far apart by chance in {chances[0]:.2%} over all, in {chances[1]:.2%} at one"
    mine, published = (f"{side[run, column]:.4g}" for side in (exchange.mine, exchange.published))
    mine = f"{words}; farthest {pair.label}{pair.at(run, inner, parts)}: {mine}"
    label = f"every value of {exchange.what}"
    return [*found, Quantity(label, mine, published, f"more than {level:.2%} by chance", min(chances) > level)]


def _share(values: np.ndarray, least: float) -> float:
    """How often an exchange gives at least so much."""
    return float((values >= least - 1e-9 * abs(least)).mean())
