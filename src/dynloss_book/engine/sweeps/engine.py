"""Run a sweep: what is missing in the store is computed in batches, kept as it comes, and shown as one dataset."""

import contextlib
import functools
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from dynloss_book.engine import archive, deadline, fingerprint, hooks, ledger, policy, review, untrusted
from dynloss_book.engine.provenance import date, execution
from dynloss_book.engine.sweeps import contract
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.store import NothingYet, Store, SweepError, combined, rows

if TYPE_CHECKING:
    from dynloss_book.engine.sweeps import evaluate

WRITE_EVERY = 10.0  # seconds: what a killed sweep may lose, beside the batches in flight
_POLL = 0.2  # seconds between looks at what another process is computing


def run(
    figure: str,
    function: Callable[..., Mapping[str, Any]],
    *,
    axes: Mapping[str, Iterable[float]],
    seeds: Iterable[int],
    constants: Mapping[str, Any] | None = None,
    variables: grids.Variables | None = None,
    vectorize: bool = True,
    chunk: int | None = None,
    minutes: float | None = None,
    fresh: bool = False,
    progress: bool = True,
    store: str | Path | None = None,
    results: str | Path | None = None,
) -> xr.Dataset:
    """The results of ``function`` at every point of a grid and for every seed, from the store or computed now.

    A point's result depends on the point and its seed alone: all the randomness of ``function`` has to come from
    ``seed``, as in ``jax.random.key(seed)``.

    Args:
        figure: the folder of the results, as a rule the notebook's name.
        function: of one point: ``function(seed=…, <axis>=…, <constant>=…) -> {name: array}``, a plain function whose
            source can be read. The shapes of its arrays must not depend on the point.
        axes: {name: values}. Numbers; arrays can grow from call to call.
        seeds: integers from 0 on, such as ``range(50)``.
        constants: what else the function takes; None, booleans, finite numbers, strings, lists and mappings of these.
            Other constants are another sweep, with a store of its own.
        variables: {name: (dimensions after the point, attributes such as long_name and units)}.
        vectorize: ``function`` is traceable by JAX: it is vmapped over batches, and these are sharded over all local
            devices. If False it is any Python function, called point by point with plain numbers, one thread a core.
            One that takes ``checkpoint=None`` is given a file of its own in which to keep an unfinished run, the same
            one the next time that the same code computes the same point.
        chunk: points in a batch. By default as many as keep the device busy and fit its memory.
        minutes: compute for so long, then return what there is; 0 computes nothing. ``None`` has no limit. A point that
            takes a ``checkpoint`` ends at its first one after that, and goes on from there next time; a batch of a
            vectorised function, and a point without a checkpoint, is computed to its end.
        fresh: compute all these points again. The store as it was stays beside, as ``<store>.old`` (then
            ``<store>.2.old``, …); what it holds of other points stays in the store too, if the code is the same. A
            published store stays as it is, and is not read.
        progress: show a bar with the points done, the rate and the time left.
        store: the folder of the store, instead of one named by the figure, the function and the constants.
        results: the only folder to look in and to write to. By default the points of the published store are read, and
            those computed are added to a store of one's own; see ``policy.folders``.

    Returns:
        the variables over (axes…, seed, …), NaN where nothing is computed yet, with ``done`` and ``diverged`` (a result
        that is not finite) for each point. The attributes say what an archived result's say (`archive.provenance`
        shows them); ``scale`` says how much of the sweep is there.

    Raises:
        deadline.OutOfTime: there is nothing to show, and the time of this process as a whole is over.
        ValueError: axes, seeds, constants or a function that do not fit; before anything is computed.
        SweepError: the store belongs to another sweep, or was computed by other code and is not complete; a point
            raised an error; there is nothing to show.
        archive.ArchiveError: the store cannot be written to; before anything is computed.
        archive.NotArchived: only the archive is to be asked (``archive.read_only``), and the store is stale or empty.
    """
    # They import JAX, for which those who only look at sweeps do not wait.
    from dynloss.checks import check_choice, check_count, check_number
    from dynloss_book.engine.sweeps import evaluate

    check_choice("fresh", fresh, (False, True))
    wanted, fixed = grids.grid(axes, seeds), dict(constants or {})
    names, code = list(wanted.axes), fingerprint.take(function)
    contract.check_function(function, names, fixed)
    check_count("chunk", 1 if chunk is None else chunk, at_least=1)
    check_number("minutes", 0 if minutes is None else minutes, at_least=0)
    asked, minutes = minutes != 0, deadline.left(minutes)  # with none the notebook only looks at what there is
    called = function.__name__
    key = archive.key(figure, {"function": called, "axes": names, "constants": fixed})
    places = [Path(store)] if store is not None else [each / figure / key for each in policy.folders(results)]
    identity = {"figure": figure, "function": called, "parameters": archive.canonical(fixed)}
    kept = Store(places[0].expanduser().absolute(), identity, code, names, places[1:])
    if asked:
        _note(kept, wanted)
    begin = functools.partial(evaluate.pointwise, function, fixed, kept.checkpoint)
    if vectorize:
        begin = functools.partial(evaluate.vectorised, function, fixed, names, chunk, wanted.size)
    if archive.read_only():
        minutes = 0
        _look(kept, begin)
    fresh = fresh or (policy.Policy.current().renew and bool(kept.stale()))
    points, anew = wanted.points(), fresh and minutes != 0
    missing = points if anew else grids.select(points, ~kept.holds(points))
    compute = bool(len(missing[grids.SEED])) and minutes != 0
    if compute:
        if not anew and (stale := kept.stale()):
            own = "" if policy.is_published(found := (kept.folder if kept.own else kept.beside[0])) else " --own"
            raise SweepError(
                f"the store {found} was computed by other code: {stale} changed since. With the profile of this "
                f"sweep, `dynloss verify {figure}{own} --profile …` computes some points again and affirms the others "
                f"where these are equal; `dynloss run {figure} --profile … --fresh` (fresh=True) computes it anew, "
                "beside the old store."
            )
        archive.check_writable(kept.folder)
        how = begin()
        if how.layout:
            contract.check_layout(how.layout, variables or {}, names)
            if kept.parts and not anew:
                contract.check_same(how.layout, kept.layout(), f"the store {kept.folder}")
        if anew:
            kept.set_aside(points)
        kept.note_request({name: values.tolist() for name, values in wanted.axes.items()}, wanted.size)
        facts = {"seed": _span(wanted)} | ({"dtype": fixed["precision"]} if "precision" in fixed else {})
        queue = [grids.select(missing, slice(at, at + how.size)) for at in range(0, len(missing[grids.SEED]), how.size)]
        work = _Work(kept, how, queue, variables or {}, execution({}, facts, 0))
        work.compute(minutes, wanted.size, figure if progress else None)
        kept.merge()
        _note(kept, wanted)
    return _result(kept, wanted, computed=compute)


def _look(kept: Store, begin: Callable[[], Any]) -> None:
    """Where only the archive is asked: the reviewer sees what is there; without one it has to be fresh."""
    stale, figure, reviewer = kept.stale(), kept.identity["figure"], review.reviewer
    if reviewer is None:
        if stale:
            raise archive.NotArchived(f"the archived {figure} is stale: {stale} changed since", stale)
        return
    if stale:
        reviewer.sweep(kept, begin)
    for name, why in kept.left_out.items():
        reviewer.lacks(kept.folder / name, why)
    if not kept.parts and not kept.left_out:
        reviewer.lacks(kept.folder, f"the archive has no point of this sweep of {figure}")


def _note(kept: Store, wanted: grids.Grid) -> None:
    """Tell the ledger which of the wanted points are there."""
    if not policy.Policy.current().ledger:
        return
    points, stale = wanted.points(), kept.stale()
    left = grids.select(points, slice(None) if stale else ~kept.holds(points))
    missing = tuple(zip(*(left[name].tolist() for name in wanted.axes), strict=True))
    pace, device = None, ""
    if kept.parts:
        told = combined(kept.parts)
        pace, device = told["seconds"] / sum(len(part.point) for part in kept.parts), told["device"]
    request = ledger.Request(str(kept.folder), wanted.size, missing, pace, device, stale)
    ledger.note(request, archive.canonical({name: values.tolist() for name, values in wanted.axes.items()}))


class _Work:
    """What is missing, computed batch by batch and kept as it comes.

    Args:
        store: where the results go.
        how: they are computed; see ``evaluate``.
        queue: the batches.
        variables: as ``run`` takes them.
        facts: of the execution, the same for all batches.
    """

    def __init__(
        self, store: Store, how: Any, queue: list[grids.Points], variables: grids.Variables, facts: dict[str, Any]
    ):
        self.store, self.how, self.variables, self.facts = store, how, variables, facts
        self.queue = deque(queue)
        self.running: dict[Future[evaluate.Outputs], grids.Points] = {}
        self.finished: list[tuple[grids.Points, evaluate.Outputs]] = []
        self.layout = how.layout
        self.since = time.monotonic()

    def compute(self, minutes: float | None, total: int, label: str | None) -> None:
        """Compute for so long, of so many points, with a bar of this label if there is one."""
        from tqdm import tqdm

        there = total - sum(len(batch[grids.SEED]) for batch in self.queue)
        end = math.inf if minutes is None else time.monotonic() + 60 * minutes
        shown = tqdm(total=total, initial=there, desc=label, unit=" points", disable=not label, mininterval=1)
        with deadline.until(end), shown as self.bar:
            try:
                self._until(end)
            finally:
                self._close()
        self.store.save()

    def _until(self, end: float) -> None:
        begun = False
        while self.queue or self.running:
            # However little time there is, one batch is begun; if it keeps a checkpoint, it ends there.
            while len(self.running) < self.how.limit and (not begun or time.monotonic() < end):
                if (batch := self._next()) is None:
                    break
                self.running[self.how.submit(batch)] = batch
                begun = True
            if self.running:
                wait(self.running, WRITE_EVERY if self.finished else None, FIRST_COMPLETED)
                for future in [each for each in self.running if each.done()]:
                    self._accept(future, self.running.pop(future))
                if time.monotonic() - self.since > WRITE_EVERY:
                    self._flush()
            elif time.monotonic() >= end:
                return
            elif self.queue:
                self._flush()
                self.bar.set_postfix_str("waiting for another process")
                time.sleep(_POLL)

    def _next(self) -> grids.Points | None:
        """The next batch that nobody else computes, less what others have computed; None if there is none now."""
        untried = len(self.queue)
        while self.queue and untried:
            batch = self.queue.popleft()
            if not self.store.locks.take(batch):
                self.queue.append(batch)
                untried -= 1
                continue
            self.store.refresh()
            there = self.store.holds(batch)
            if not there.any():
                return batch
            self.store.locks.release(batch)
            self.bar.update(int(np.count_nonzero(there)))
            if not there.all():
                self.queue.appendleft(grids.select(batch, ~there))
        return None

    def _accept(self, future: "Future[evaluate.Outputs]", points: grids.Points) -> None:
        """Take over the results of a batch, which have to be like those of all others."""
        try:
            outputs = future.result()
        except deadline.OutOfTime:
            self.store.locks.release(points)
            return
        found = grids.layout(outputs)
        if self.layout is None:
            contract.check_layout(found, self.variables, self.store.names)
            self.layout = self.store.layout() or found
        contract.check_same(found, self.layout, f"the store {self.store.folder} ({contract.place(points)})")
        self.finished.append((points, outputs))
        self.bar.update(len(points[grids.SEED]))

    def _flush(self) -> None:
        """Everything finished goes to the disk, and its locks are given up."""
        if self.finished:
            points, outputs = (grids.joined(each) for each in zip(*self.finished, strict=True))
            now = {"seconds": round(time.monotonic() - self.since, 3), "date": date()}
            self.store.add(grids.rows(points, outputs, self.variables), self.facts | now)
            for batch, _ in self.finished:
                self.store.locks.release(batch)
            self.finished.clear()
        self.since = time.monotonic()

    def _close(self) -> None:
        """Keep what has finished, also after an error or Ctrl-C."""
        for future, points in self.running.items():
            if not future.cancel() and future.done():
                with contextlib.suppress(Exception):
                    self._accept(future, points)
        try:
            self._flush()
        finally:
            self.store.locks.close()


def _result(store: Store, wanted: grids.Grid, computed: bool) -> xr.Dataset:
    if not store.holds(wanted.points()).any():
        if archive.read_only():
            lacks = f"the archive has no point of this sweep of {store.identity['figure']}"
            why = store.left_out.values()
            raise archive.NotArchivedAtAll("; ".join([lacks, *why]), damaged=bool(why))
        kind = deadline.OutOfTime if deadline.over() else NothingYet
        raise kind(
            f"{store.folder} holds no point of this sweep, and none was finished in the time given; an unfinished "
            "run that keeps a checkpoint goes on next time. To compute, give it time: -p minutes 10, or none: no limit"
        )
    result = grids.assemble(wanted, rows(store.parts, store.names), hooks.told("axes"))
    told, stale = combined(store.parts), store.stale()
    path, published = store.read_from(wanted.points())
    if stale:
        archive.warn(f"the archived {store.identity['figure']} of {told['date']} is STALE: {stale} changed since.")
    else:
        told |= store.code.attributes()
    own = ("sources", "fingerprint", "versions", "device", "commit", "dtype", "seconds", "date")
    ranges = {name: values.tolist() for name, values in wanted.axes.items()}
    seeds = ranges.pop(grids.SEED)
    return result.assign_attrs(
        {name: told[name] for name in own} | {name: told.get(name, "") for name in untrusted.KEPT},
        figure=store.identity["figure"],
        parameters=archive.canonical(json.loads(store.identity["parameters"]) | ranges | {"seeds": seeds}),
        seed=_span(wanted),
        scale=grids.scale(result),
        origin="computed" if computed else "archived",
        stale=stale,
        path=path,
        published=published or path * policy.is_published(store.folder),
    )


def _span(wanted: grids.Grid) -> str:
    """Its seeds in words.

    >>> _span(grids.grid({}, range(50))), _span(grids.grid({}, [3]))
    ('0 to 49', '3')
    """
    first, last = int(wanted.axes[grids.SEED].min()), int(wanted.axes[grids.SEED].max())
    return f"{first} to {last}" if last > first else str(first)
