"""Two sweeps, or two results of several seeds: their means over the points that they share, and each point by itself.

The end of a chaotic run differs between devices even for the same seed, so no value is held against its twin. What has
to agree are means, within what the seeds scatter: over all shared points together, seed by seed, and at each point.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
import xarray as xr

from dynloss_book.engine.sweeps.grid import FLAGS, SEED

FEWEST = 3  # values for an interval
SMALL = 1e-3  # of a mean: a difference that does not matter
NUMBER = 1 / 3  # of the values that a run of several seeds has, such as its cascades
CASCADE = "cascade"  # the dimension of what chaos draws anew
SHORT = 12  # places along a dimension of several seeds' results that are kept apart; a longer one, time, is averaged
CONFIDENCE = 0.99  # a re-run that is right differs by chance in one of a hundred quantities, not in one of twenty


class Quantity(NamedTuple):
    """One thing that was compared; all in words, and whether it agrees."""

    name: str
    mine: str
    published: str
    allowed: str
    agrees: bool


def check(mine: xr.Dataset, published: xr.Dataset, error: type[Exception]) -> None:
    """Raise unless both have the same axes and variables, and points in common."""
    if SEED not in mine.dims:
        raise error("it is no sweep, the published result is one")
    if lacking := sorted(str(name) for name in set(published.data_vars) - set(mine.data_vars)):
        raise error(f"it is not whole: it lacks {', '.join(lacking)}")
    if set(_axes(mine)) != set(_axes(published)):
        raise error(f"its axes are {', '.join(_axes(mine))}, published {', '.join(_axes(published))}")
    shared, _ = xr.align(mine, published, join="inner", exclude=[SEED])
    if 0 in shared.sizes.values() or not bool(shared.done.any()):
        raise error("it shares no computed point with the published sweep")


def quantities(mine: xr.Dataset, published: xr.Dataset) -> tuple[list[Quantity], str]:
    """What was compared, and how."""
    ours, theirs = xr.align(mine, published, join="inner", exclude=[SEED])
    computed = ours.done.any(SEED) & theirs.done.any(SEED)
    ours, theirs = ours.where(computed), theirs.where(computed)
    names = [str(name) for name in theirs.data_vars if name not in FLAGS and theirs[name].dtype.kind == "f"]
    tests = 2 * len(names)
    found, exact = [], True
    for name in names:
        a, b = _ends(ours[name]), _ends(theirs[name])
        label = str(theirs[name].attrs.get("long_name", name.replace("_", " ")))
        same = _same(a, b)
        exact &= same[0] == same[1] > 0
        found += [_everywhere(a, b, label, same, tests), _each_point(a, b, label, tests)]
    found.append(_diverged(ours, theirs, computed))
    points = f"{int(computed.sum())} of {computed.size} points"
    how = f"to the last digits, at {points}" if exact else f"in its means over seeds, at {points}"
    return found, how


def of_seeds(mine: xr.Dataset, published: xr.Dataset) -> tuple[list[Quantity], str]:
    """Results that hold a few seeds beside each other: the means over the places that both have, and how many they are.

    Two or three seeds alone would give no interval worth the name. But what sets a re-run apart from a published run of
    the same seed is chaos, which is drawn anew in each cascade; so each place of each shared seed is a value. Places
    are cascades where there are any: what is measured along one, or at several marks of its beginning, goes together.
    """
    names = [str(name) for name, each in published.data_vars.items() if SEED in each.dims and each.dtype.kind == "f"]
    called = Counter(published[name].attrs.get("long_name") for name in names)
    pairs = []
    for name in names:
        label = str(published[name].attrs.get("long_name", name.replace("_", " ")))
        label += f" ({name})" if called[label] > 1 else ""
        pairs += _by_word(label, _averaged(mine[name]), _averaged(published[name]))
    found, exact = [], True
    for label, a, b in pairs:
        a, b = xr.align(a, b, join="inner")
        exact &= bool((np.isfinite(a) == np.isfinite(b)).all()) and len(set(_same(a, b))) == 1
        found += [_at_all_places(a, b, label, len(pairs)), *_how_many(a, b, label)]
    seeds = f"{mine.sizes[SEED]} seeds beside {published.sizes[SEED]}"
    return found, f"to the last digits, {seeds}" if exact else f"in its means over places and seeds, {seeds}"


def grain(values: np.ndarray) -> float:
    """The smallest step between two different values: one sample, for an accuracy; 0 if all are alike.

    >>> grain(np.array([0.25, 0.5, 0.25]))
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
    margin = max(_margin(ours - theirs, tests), SMALL * float(np.abs(theirs).mean()))
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
        margin = _margin((paired - twin).mean(points).values, tests)
        difference = float((paired - twin).mean(points).mean())
        how = "99 % interval, the same seeds compared"
    else:
        difference = float(ours.mean() - theirs.mean())
        margin, how = _margin_of_two(ours.values, theirs.values, tests), "99 % interval over seeds"
    mine = f"{float(ours.mean()):.4f} ({same[0]} of {same[1]} values the same)"
    if not np.isfinite(margin):
        there = bool(both.any()) or not (np.isfinite(a.values).any() or np.isfinite(b.values).any())
        return Quantity(f"{label}, mean over the points", mine, f"{float(theirs.mean()):.4f}",
                        "one seed each: no interval" if there else "values at the same points", there)  # fmt: skip
    allowed = max(margin, grain(b.values) / max(1, int(both.sum())))
    return Quantity(f"{label}, mean over the points", mine, f"{float(theirs.mean()):.4f}",
                    f"± {allowed:.2g}, {how}", bool(abs(difference) <= allowed))  # fmt: skip


def _each_point(a: xr.DataArray, b: xr.DataArray, label: str, tests: int) -> Quantity:
    """Each point's mean against the other's, at 1 % shared among the points (Bonferroni)."""
    points = [str(name) for name in a.dims if name != SEED]
    a, b = (each.stack(place=points).transpose("place", SEED) for each in (a, b))
    least = grain(b.values)
    worst, outside, judged = (0.0, ""), 0, 0
    for ours, theirs, at in zip(a.values, b.values, b.place.values, strict=True):
        margin = _margin_of_two(ours, theirs, tests * len(b.place))
        if not np.isfinite(margin):
            continue
        judged += 1
        difference = abs(np.nanmean(ours) - np.nanmean(theirs))
        outside += bool(difference > max(margin, least))
        if difference > worst[0]:
            values = [f"{each}" if isinstance(each, str) else f"{each:g}" for each in np.atleast_1d(at)]
            place = ", ".join(f"{name}={value}" for name, value in zip(points, values, strict=True))
            worst = (difference, f"{np.nanmean(ours):.4f} at {place}, published {np.nanmean(theirs):.4f}")
    mine = f"{outside} of {judged} points apart" + f"; the farthest {worst[1]}" * bool(worst[1])
    if not judged:
        mine = "one seed each: no interval"
    return Quantity(f"{label}, point by point", mine, f"{judged} points with an interval",
                    "none apart, at 1 % shared among all (Bonferroni)", outside == 0)  # fmt: skip


def _diverged(ours: xr.Dataset, theirs: xr.Dataset, computed: xr.DataArray) -> Quantity:
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


def _margin(differences: np.ndarray, tests: int) -> float:
    """Half the width of the interval of a mean, shared among so many tests; infinite for fewer than two values."""
    from scipy.stats import t as student

    values = differences[np.isfinite(differences)]
    if len(values) < 2:
        return float("inf")
    error = values.std(ddof=1) / len(values) ** 0.5
    return float(student.ppf(1 - (1 - CONFIDENCE) / 2 / tests, len(values) - 1) * error)


def _margin_of_two(a: np.ndarray, b: np.ndarray, tests: int) -> float:
    """The same for the difference of two means (Welch); where one side has a single seed it scatters as the other."""
    from scipy.stats import t as student

    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if len(a) + len(b) < 3 or not len(a) or not len(b):
        return float("nan")
    variances = [each.var(ddof=1) if len(each) > 1 else other.var(ddof=1) for each, other in ((a, b), (b, a))]
    parts = [variance / len(each) for variance, each in zip(variances, (a, b), strict=True)]
    if sum(parts) == 0:
        return 0.0
    degrees = [max(1, len(each) - 1) if len(each) > 1 else max(len(a), len(b)) - 1 for each in (a, b)]
    freedom = sum(parts) ** 2 / sum(part**2 / degree for part, degree in zip(parts, degrees, strict=True))
    return float(student.ppf(1 - (1 - CONFIDENCE) / 2 / tests, freedom) * sum(parts) ** 0.5)
