"""Does a re-run agree with the published result? Two datasets in, and in words whether they agree and where not.

Training at the edge of stability is chaotic: two runs that differ in the last digit, on two devices say, are alike
until the first cascade and go apart in it or a later one. So a trajectory is compared point by point before its first
cascade, and by its statistics after that; a sweep, whose points lie behind all cascades, by its means over seeds, and
so is a result that holds several seeds; and what no training made, point by point. The means have to agree within
what the seeds scatter: over all shared points together, seed by seed, and at each point.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from dynloss_book.engine import fingerprint, hooks
from dynloss_book.engine.provenance import decoded
from dynloss_book.engine.sweeps.grid import FLAGS, SEED
from dynloss_book.engine.sweeps.statistics import Summary, summary

FREE = ("seed", "seeds", "precision")  # parameters in which a re-run may differ; all others make another experiment
ROUNDING = 1e4  # units in the last place, which rounding may grow to on the smooth way to the first cascade
STORED = 16  # units in the last place of what is kept
MOST = 0.99  # of the points: a sample that crosses a kink a step earlier makes λ jump there
FEWEST = 3  # values for an interval
SMALL = 1e-3  # of a mean: a difference that does not matter
NUMBER = 1 / 3  # of the values that a run of several seeds has, such as its cascades
CASCADE = "cascade"  # the dimension of what chaos draws anew
SHORT = 12  # places along a dimension of several seeds' results that are kept apart; a longer one, time, is averaged
CONFIDENCE = 0.99  # a re-run that is right differs by chance in one of a hundred quantities, not in one of twenty
DIGITS = ("accuracy", "test", "validation", "training")  # variables that count samples


class Quantity(NamedTuple):
    """One thing that was compared; all in words, and whether it agrees."""

    name: str
    mine: str
    published: str
    allowed: str
    agrees: bool


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
    of_seeds = SEED in published.dims and not is_sweep(published)
    if of_seeds:
        mine, published = _of_one_size(mine, published), _of_one_size(published, mine)
    _check_whole(mine, published)
    if is_sweep(published):
        quantities, how = _of_sweeps(mine, published)
    elif of_seeds:
        quantities, how = _of_seeds(mine, published)
        alone, apart = _without_seeds(mine, published)
        quantities, notes = [*quantities, *alone], (*notes, *apart)
    elif any(str(name).startswith("step") for name in published.dims):
        same_seed = ours["parameters"].get("seed") == theirs["parameters"].get("seed")
        quantities, how = _trajectories(mine, published, theirs["parameters"], same_seed)
    else:
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
        allowed = allowed + _grain(b)  # one sample more or less
    apart = ~((np.abs(a - b) <= allowed) | (np.isnan(a) & np.isnan(b)) | (a == b))
    label = f"{in_words(theirs, name)}{before}"
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


def in_words(variable: xr.DataArray, name: str) -> str:
    """What a variable is called."""
    return str(variable.attrs.get("long_name", name.replace("_", " ")))


def _facts(dataset: xr.Dataset) -> dict[str, Any]:
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
    """Raise unless it has the variables and sizes of the published result; of a sweep, its axes and a point of it."""
    if lacking := sorted(str(name) for name in set(published.data_vars) - set(mine.data_vars)):
        raise Incomparable(f"it is not whole: it lacks {', '.join(lacking)}")
    if is_sweep(published):
        if SEED not in mine.dims:
            raise Incomparable("it is no sweep, the published result is one")
        if set(_axes(mine)) != set(_axes(published)):
            raise Incomparable(f"its axes are {', '.join(_axes(mine))}, published {', '.join(_axes(published))}")
        shared, _ = xr.align(mine, published, join="inner", exclude=[SEED])
        if 0 in shared.sizes.values() or not bool(shared.done.any()):
            raise Incomparable("it shares no computed point with the published sweep")
        return
    for name in published.data_vars:
        sizes = [{dim: size for dim, size in each[name].sizes.items() if dim != SEED} for each in (mine, published)]
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


# Sweeps, and results of several seeds


def _of_sweeps(mine: xr.Dataset, published: xr.Dataset) -> tuple[list[Quantity], str]:
    """What was compared, and how."""
    ours, theirs = xr.align(mine, published, join="inner", exclude=[SEED])
    computed = ours.done.any(SEED) & theirs.done.any(SEED)
    ours, theirs = ours.where(computed), theirs.where(computed)
    names = [str(name) for name in theirs.data_vars if name not in FLAGS and theirs[name].dtype.kind == "f"]
    tests = 2 * len(names)
    found, exact = [], True
    for name in names:
        a, b = _ends(ours[name]), _ends(theirs[name])
        label = in_words(theirs[name], name)
        same = _same(a, b)
        exact &= same[0] == same[1] > 0
        found += [_everywhere(a, b, label, same, tests), _each_point(a, b, label, tests)]
    found.append(_divergences(ours, theirs, computed))
    points = f"{int(computed.sum())} of {computed.size} points"
    how = f"to the last digits, at {points}" if exact else f"in its means over seeds, at {points}"
    return found, how


def _of_seeds(mine: xr.Dataset, published: xr.Dataset) -> tuple[list[Quantity], str]:
    """Results that hold a few seeds beside each other: the means over the places that both have, and how many they are.

    Two or three seeds alone would give no interval worth the name. But what sets a re-run apart from a published run of
    the same seed is chaos, which is drawn anew in each cascade; so each place of each shared seed is a value. Places
    are cascades where there are any: what is measured along one, or at several marks of its beginning, goes together.
    """
    names = [str(name) for name, each in published.data_vars.items() if SEED in each.dims and each.dtype.kind == "f"]
    called = Counter(published[name].attrs.get("long_name") for name in names)
    pairs = []
    for name in names:
        label = in_words(published[name], name)
        label += f" ({name})" if called[label] > 1 else ""
        pairs += _by_word(label, _averaged(mine[name]), _averaged(published[name]))
    found, exact = [], True
    for label, a, b in pairs:
        a, b = xr.align(a, b, join="inner")
        exact &= bool((np.isfinite(a) == np.isfinite(b)).all()) and len(set(_same(a, b))) == 1
        found += [_at_all_places(a, b, label, len(pairs)), *_how_many(a, b, label)]
    seeds = f"{mine.sizes[SEED]} seeds beside {published.sizes[SEED]}"
    return found, f"to the last digits, {seeds}" if exact else f"in its means over places and seeds, {seeds}"


def _grain(values: np.ndarray) -> float:
    """The smallest step between two different values: one sample, for an accuracy; 0 if all are alike.

    >>> _grain(np.array([0.25, 0.5, 0.25]))
    0.25
    """
    steps = np.diff(np.unique(values[np.isfinite(values)]))
    steps = steps[steps > 1e-6]
    return float(steps.min(initial=np.inf)) if len(steps) else 0.0


def _axes(sweep: xr.Dataset) -> list[str]:
    return [str(name) for name in sweep.done.dims if name != SEED]


def _ends(values: xr.DataArray) -> xr.DataArray:
    """A curve at its end, and the mean over whatever else is not an axis of the sweep."""
    if "epoch" in values.dims:
        values = values.isel(epoch=-1)
    rest = [name for name in values.dims if name == "digit"]
    return values.mean(rest) if rest else values


def _averaged(values: xr.DataArray) -> xr.DataArray:
    """Over its places alone, and with its seeds numbered."""

    def kept(name) -> bool:
        if name in (SEED, CASCADE) or (name in values.coords and values[name].dtype.kind in "UO"):
            return True
        return CASCADE not in values.dims and values.sizes[name] <= SHORT

    rest = [name for name in values.dims if not kept(name)]
    return values.mean(rest).assign_coords({SEED: range(values.sizes[SEED])})


def _by_word(label: str, a: xr.DataArray, b: xr.DataArray) -> list[tuple[str, xr.DataArray, xr.DataArray]]:
    """Apart for each value of a dimension that has words for its places, such as optimisers."""
    words = [str(name) for name, each in b.coords.items() if name in b.dims and each.dtype.kind in "UO"]
    if not words:
        return [(label, a, b)]
    places = b[words[0]].values
    each = (_by_word(f"{label}, {at}", a.sel({words[0]: at}), b.sel({words[0]: at})) for at in places)
    return [pair for pairs in each for pair in pairs]


def _at_all_places(a: xr.DataArray, b: xr.DataArray, label: str, tests: int) -> Quantity:
    """The mean difference between the same places of the same seeds."""
    both = np.isfinite(a.values) & np.isfinite(b.values)
    ours, theirs = a.values[both], b.values[both]
    if not len(ours):
        here, there = (f"{int(np.isfinite(each).sum())} values" for each in (a, b))
        return Quantity(label, here, there, "values at the same places", here == there)
    mine = f"{ours.mean():.4f} ({_same(a, b)[0]} of {len(ours)} values the same)"
    if len(ours) < FEWEST:
        return Quantity(label, mine, f"{theirs.mean():.4f}", "too few values for an interval", True)
    scatter = float(summary(xr.DataArray(ours - theirs, dims=SEED), _each(tests)).margin)
    margin = max(scatter, SMALL * float(np.abs(theirs).mean()))
    allowed = f"± {margin:.2g}, 99 % interval over the places of shared seeds"
    return Quantity(label, mine, f"{theirs.mean():.4f}", allowed, bool(abs((ours - theirs).mean()) <= margin))


def _how_many(a: xr.DataArray, b: xr.DataArray, label: str) -> list[Quantity]:
    """Where some places are empty, such as those of cascades that a run has not: their numbers."""
    ours, theirs = (int(np.isfinite(each).sum()) for each in (a, b))
    if ours == a.size and theirs == b.size:
        return []
    allowed = max(NUMBER * theirs, b.sizes[SEED])
    return [Quantity(f"{label}, how many", f"{ours}", f"{theirs}", f"± {allowed:.0f}: {NUMBER:.0%}, or one in each run",
                     abs(ours - theirs) <= allowed)]  # fmt: skip


def _same(a: xr.DataArray, b: xr.DataArray) -> tuple[int, int]:
    """How many values of the same seeds are equal to the last digits, and of how many."""
    a, b = xr.align(a, b, join="inner")
    both = np.isfinite(a) & np.isfinite(b)
    equal = np.isclose(a, b, rtol=16 * float(np.finfo(b.dtype).eps), atol=0) & both
    return int(equal.sum()), int(both.sum())


def _everywhere(a: xr.DataArray, b: xr.DataArray, label: str, same: tuple[int, int], tests: int) -> Quantity:
    """The mean over all points; the same seeds compared where there are two of them."""
    points = [name for name in a.dims if name != SEED]
    both = np.isfinite(a.mean(SEED)) & np.isfinite(b.mean(SEED))
    ours, theirs = (each.where(both).mean(points) for each in (a, b))
    paired, twin = xr.align(a, b, join="inner")
    if paired.sizes[SEED] > 1:
        difference = summary((paired - twin).mean(points), _each(tests))
        apart, margin, how = difference.mean, float(difference.margin), "99 % interval, the same seeds compared"
    else:
        apart = ours.mean() - theirs.mean()
        margin, how = float(_margin_of_two(summary(ours), summary(theirs), tests)), "99 % interval over seeds"
    mine = f"{float(ours.mean()):.4f} ({same[0]} of {same[1]} values the same)"
    if not np.isfinite(margin):
        there = bool(both.any()) or not (np.isfinite(a.values).any() or np.isfinite(b.values).any())
        return Quantity(f"{label}, mean over the points", mine, f"{float(theirs.mean()):.4f}",
                        "one seed each: no interval" if there else "values at the same points", there)  # fmt: skip
    allowed = max(margin, _grain(b.values) / max(1, int(both.sum())))
    return Quantity(f"{label}, mean over the points", mine, f"{float(theirs.mean()):.4f}",
                    f"± {allowed:.2g}, {how}", bool(abs(apart) <= allowed))  # fmt: skip


def _each_point(a: xr.DataArray, b: xr.DataArray, label: str, tests: int) -> Quantity:
    """Each point's mean against the other's, at 1 % shared among the points (Bonferroni)."""
    ours, theirs = summary(a), summary(b)
    margin = _margin_of_two(ours, theirs, tests * ours.mean.size)
    apart = abs(ours.mean - theirs.mean).where(np.isfinite(margin))
    judged, outside = int(apart.count()), int((apart > np.maximum(margin, _grain(b.values))).sum())
    mine = f"{outside} of {judged} points apart"
    if apart.max() > 0:
        worst = apart.argmax(apart.dims)
        here, there = (float(each.mean.isel(worst)) for each in (ours, theirs))
        values = {str(name): apart[name].values[place] for name, place in worst.items()}
        at = ", ".join(f"{name}={value if isinstance(value, str) else f'{value:g}'}" for name, value in values.items())
        mine += f"; the farthest {here:.4f} at {at}, published {there:.4f}"
    if not judged:
        mine = "one seed each: no interval"
    return Quantity(f"{label}, point by point", mine, f"{judged} points with an interval",
                    "none apart, at 1 % shared among all (Bonferroni)", outside == 0)  # fmt: skip


def _divergences(ours: xr.Dataset, theirs: xr.Dataset, computed: xr.DataArray) -> Quantity:
    """Runs that diverged, by Fisher's exact test."""
    from scipy.stats import fisher_exact

    counts = []
    for each in (ours, theirs):
        done = (each.done.fillna(0) > 0) & computed
        counts.append((int(((each.diverged.fillna(0) > 0) & done).sum()), int(done.sum())))
    table = [[bad, total - bad] for bad, total in counts]
    likely = float(fisher_exact(table).pvalue) >= 1 - CONFIDENCE
    mine, published = (f"{bad} of {total}" for bad, total in counts)
    return Quantity("runs that diverge", mine, published, "Fisher's exact test, 1 %", likely)


def _each(tests: int) -> float:
    """The confidence of one interval among so many (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / tests


def _margin_of_two(a: Summary, b: Summary, tests: int) -> xr.DataArray:
    """Half the width of the interval of the difference of two means, shared among so many tests (Welch).

    Where one side has a single seed it scatters as the other; NaN where neither has two.
    """
    from scipy.stats import t as student

    numbers = a.number, b.number
    variances = [each.error**2 * each.number for each in (a, b)]
    parts = [mine.fillna(other) / n for n, mine, other in zip(numbers, variances, variances[::-1], strict=True)]
    degrees = [xr.where(n > 1, n, other) - 1 for n, other in zip(numbers, numbers[::-1], strict=True)]
    total = parts[0] + parts[1]
    freedom = total**2 / (parts[0] ** 2 / degrees[0] + parts[1] ** 2 / degrees[1])
    margin = student.ppf((1 + _each(tests)) / 2, freedom) * total**0.5
    return xr.where(total == 0, 0.0, margin)
