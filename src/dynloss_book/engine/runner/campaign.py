"""A campaign: what the archive lacks, computed by itself, item after item of a list in the repository.

`notebooks/campaign.yml` names notebooks and profiles, those of most value for their cost first. Each is run with a
deadline for its kernel (`engine.deadline`) and adds to one's own results as it always does, so that a campaign can be
killed at any moment and goes on from there. While it runs, the notebook writes down what it asks the archive for
(`engine.ledger`): that, and nothing else, says what is left. The same is found without computing by a run as far as
its answer, whose deadline is over from the start.

Several campaigns may share an archive: they divide sweeps among them by the stores' locks, and of two that want the
same single result one takes the next item.
"""

import contextlib
import io
import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dynloss import files
from dynloss_book.engine import ledger, policy
from dynloss_book.engine.archive import InProgress
from dynloss_book.engine.deadline import OutOfTime
from dynloss_book.engine.provenance import duration
from dynloss_book.engine.runner import answers, kernels, together
from dynloss_book.engine.runner.execute import execute
from dynloss_book.engine.runner.profiles import Figure, UsageError, find, refuse, settings, values

DEVICES = ("CPU", "GPU")
PLAN = ("item", "devices", "left", "takes here", "why")
_ITEM = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("notebook", "profile", "why")},
        "devices": {"type": "array", "minItems": 1, "items": {"enum": list(DEVICES)}},
        "parameters": {"type": "object"},
    },
    "required": ["notebook", "profile", "devices", "why"],
    "additionalProperties": False,
}
_LIST = {
    "type": "object",
    "properties": {"campaign": {"type": "array", "minItems": 1, "items": _ITEM}},
    "required": ["campaign"],
}
_EXCUSES = (OutOfTime.__name__, InProgress.__name__)  # errors that are no failure


@dataclass(frozen=True)
class Item:
    """One line of the list: a notebook with a profile, and values that differ from the profile's."""

    figure: Figure
    profile: str
    parameters: Mapping[str, Any]
    devices: tuple[str, ...]
    why: str

    @property
    def label(self) -> str:
        """
        >>> Item(Figure("fig01", Path(), {}, {}), "paper", {"stages": 1}, ("GPU",), "").label
        'fig01 paper, stages=1'
        """
        return ", ".join([f"{self.figure.stem} {self.profile}", *(f"{n}={v}" for n, v in self.parameters.items())])

    @property
    def values(self) -> dict[str, Any]:
        """What the notebook is given; the time is kept by its kernel's deadline, not by its own `minutes`."""
        limit = self.figure.parameters.get("minutes")
        own = {"minutes": None} if limit and limit.optional else {}
        return values(self.figure, self.profile, ((name, str(value)) for name, value in self.parameters.items())) | own


class State(NamedTuple):
    """What a run of an item's notebook found.

    Attributes:
        requests: what it asked the archive for.
        error: that ended its run, in words; where there is none, these are all its requests.
        raised: its class, if a cell raised it.
    """

    requests: tuple[ledger.Request, ...]
    error: str = ""
    raised: str = ""

    @property
    def complete(self) -> bool:
        return not (self.error or ledger.missing(self.requests))

    @property
    def failed(self) -> bool:
        return bool(self.error) and self.raised not in _EXCUSES

    @property
    def left(self) -> str:
        """
        >>> State((ledger.Request("store", 10, ((1.0,), (2.0,))),)).left
        '2 points'
        """
        if self.failed:
            return f"failed: {self.error}"
        if self.complete:
            return "nothing"
        count = len(ledger.missing(self.requests))
        parts = [f"{count} point{'s' * (count != 1)}{' or more' * bool(self.error)}"]
        parts += ["stale"] if any(each.stale for each in self.requests) else []
        return ", ".join(parts + ["another process is at it"] * (self.raised == InProgress.__name__))


def load(root: Path, figures: Mapping[str, Figure]) -> list[Item]:
    """The list of a checkout, in its order. Everything that is wrong with it is said at once."""
    items, problems = [], []
    for number, entry in enumerate(settings(root / "notebooks" / "campaign.yml", _LIST)["campaign"]):
        try:
            figure, parameters = find(figures, entry["notebook"]), entry.get("parameters", {})
            item = Item(figure, entry["profile"], parameters, tuple(entry["devices"]), entry["why"])
            item.values  # noqa: B018  (raises UsageError where they do not fit)
            items.append(item)
        except UsageError as error:
            problems += [f"campaign.yml: campaign[{number}]: {line}" for line in str(error).splitlines()]
    refuse(problems)
    return items


def device() -> str:
    """What notebooks compute on here; asked in a process of its own, since JAX takes a GPU's memory for itself."""
    ask = [sys.executable, "-c", "import jax; print(jax.default_backend())"]
    found = subprocess.run(ask, capture_output=True, text=True).stdout.split()
    return "GPU" if found[-1:] == ["gpu"] else "CPU"


def run(root: Path, items: Sequence[Item], minutes: float | None, renew: bool = False) -> Iterator[tuple[Item, State]]:
    """Compute what is left of one item after the other, as far as the time allows; what became of each.

    Args:
        root: the checkout.
        items: those that are worth computing here.
        minutes: for all together; 0 computes nothing, None has no limit.
        renew: also compute anew what other code computed. The old store is kept beside.
    """
    end = float("inf") if minutes is None else time.time() + 60 * minutes
    for item, state in plan(root, items) if items and minutes != 0 else ():
        if time.time() >= end:
            print("the time is over", file=sys.stderr)
            return
        yield item, state if state.complete else _computed(root, item, end, renew)


def plan(root: Path, items: Sequence[Item]) -> list[tuple[Item, State]]:
    """What is left of each item; several are looked at at the same time, and nothing is computed."""
    print(f"looking at what is left of {len(items)} item{'s' * (len(items) != 1)}", file=sys.stderr, flush=True)
    with ThreadPoolExecutor(together.at_once()) as pool:
        states = pool.map(_looked_at, items, itertools.repeat(policy.folders(root=root)))
        return list(zip(items, states, strict=True))


def row(item: Item, state: State, here: str) -> tuple[str, ...]:
    """A line of the plan.

    Args:
        item, state, here: as of ``cost``.
    """
    devices = "/".join(item.devices)
    takes = cost(item, state, here) if here in item.devices or state.complete else f"needs a {devices}"
    return item.label, devices, state.left, takes, item.why


def cost(item: Item, state: State, here: str) -> str:
    """What is left costs on this device: at the pace of the points that it has computed, else what the profile says.

    Args:
        item: of the list.
        state: what its notebook found.
        here: the device, "CPU" or "GPU".
    """
    profile = item.figure.profiles[item.profile]
    needs = [need for name, need in profile.cost.items() if ("GPU" in name) == (here == "GPU")]
    memory = "".join(f", {need['memory_gb']:g} GB" for need in needs[:1] if "memory_gb" in need)
    if state.complete:
        return "–"
    measured = all(("CPU" in each.device) == (here == "CPU") for each in state.requests if each.device)
    if not state.error and measured and (pace := ledger.seconds(state.requests)) is not None:
        return duration(pace) + memory
    # A profile with `minutes` says what these cost, not all of it.
    own = item.figure.parameters.get("minutes")
    bounded = profile.parameters.get("minutes", own.default if own else None) is not None
    whole_cost = [need["seconds"] for need in needs if "seconds" in need and not bounded]
    return (f"at most {duration(whole_cost[0])}" if whole_cost else "not measured yet") + memory


def _computed(root: Path, item: Item, end: float, renew: bool) -> State:
    """Run an item's notebook, which computes until ``end`` (seconds since 1970), and read its ledger."""
    name = re.sub(r"\W+", "-", item.label)
    with tempfile.TemporaryDirectory() as folder:  # another campaign may be at the same item
        notes = Path(folder, "ledger.jsonl")
        asked = policy.Policy(deadline=end, ledger=str(notes), renew=renew).as_environment()
        copy = root.absolute() / "_build" / "campaign" / f"{name}.ipynb"
        outcome = execute(item.figure, item.profile, item.values, copy, sys.stderr, asked)
        return State(tuple(ledger.read(notes)), outcome.error, outcome.raised)


def _looked_at(item: Item, folders: Sequence[Path]) -> State:
    """Run an item's notebook as far as its answer, without time to compute, and read its ledger."""
    with tempfile.TemporaryDirectory() as folder:
        notes, ended = Path(folder, "ledger.jsonl"), Path(folder, "ended")
        asked = policy.Policy(deadline=0.0, ledger=str(notes), **policy.asking(folders))
        process = kernels.context().Process(target=_look, args=(item, asked, ended), daemon=True)
        process.start()
        process.join()
        died = "its process died (out of memory, or killed from outside?)"
        said = ended.read_text("utf-8") if ended.exists() else died
        return State(tuple(ledger.read(notes)), said, said.partition(":")[0])


def _look(item: Item, asked: policy.Policy, ended: Path) -> None:
    """In a process of its own, for whatever a cell does is news about this item, and of no other."""
    os.setsid()  # Ctrl-C reaches it through its runner
    threading.Thread(target=kernels.end_with_runner, daemon=True).start()
    said = ""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            answers.executed(item.figure, item.values, asked)
        except BaseException as error:  # `sys.exit` too
            said = f"{type(error).__name__}: {' '.join(str(error).split())}"
    files.write(ended, said)
