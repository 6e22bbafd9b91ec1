"""A campaign: what the archive lacks, computed by itself, item after item of a list in the repository.

`notebooks/campaign.yml` names notebooks and profiles, those of most value for their cost first. Each is run with a
deadline for its kernel (`engine.deadline`) and adds to one's own results as it always does, so that a campaign can be
killed at any moment and goes on from there. While it runs, the notebook writes down what it asks the archive for
(`engine.ledger`): that, and nothing else, says what is left. The same is found without computing by a run whose
deadline is over from the start; it is remembered until notebook, code or archive change.

Several campaigns may share an archive: they divide sweeps among them by the stores' locks, and of two that want the
same single result one takes the next item.
"""

import hashlib
import io
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dynloss import files
from dynloss_book.engine import ledger, policy
from dynloss_book.engine.archive import InProgress
from dynloss_book.engine.deadline import OutOfTime
from dynloss_book.engine.provenance import duration
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
    for item in items:
        if time.time() >= end:
            return
        state = _remembered(root, item)
        if state is None or not state.complete:
            state = _look(root, item, end, renew)
        yield item, state


def plan(root: Path, items: Sequence[Item]) -> Iterator[tuple[Item, State]]:
    """What is left of each item; nothing is computed but the notebooks' pictures."""
    for number, item in enumerate(items, 1):
        state = _remembered(root, item)
        if state is None:
            print(f"item {number} of {len(items)}: looking at {item.label}", file=sys.stderr, flush=True)
        yield item, state or _look(root, item, 0.0)


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


def _look(root: Path, item: Item, end: float, renew: bool = False) -> State:
    """Run an item's notebook, which computes until ``end`` (seconds since 1970), and read its ledger."""
    copy = _memory(root, item).with_suffix(".ipynb")
    stream = sys.stderr if end else io.StringIO()
    with tempfile.TemporaryDirectory() as folder:  # another campaign may be at the same item
        notes = Path(folder, "ledger.jsonl")
        asked = policy.Policy(deadline=end, ledger=str(notes), renew=renew).as_environment()
        outcome = execute(item.figure, item.profile, item.values, copy, stream, asked)
        state = State(tuple(ledger.read(notes)), outcome.error, outcome.raised)
    if not state.failed:
        requests = [each._asdict() for each in state.requests]
        content = {"stamp": _stamp(item, state.requests), **state._asdict(), "requests": requests}
        files.write(_memory(root, item), json.dumps(content))
    return state


def _remembered(root: Path, item: Item) -> State | None:
    try:
        found = json.loads(_memory(root, item).read_text("utf-8"))
        requests = tuple(ledger.decoded(each) for each in found["requests"])
        return State(requests, found["error"], found["raised"]) if found["stamp"] == _stamp(item, requests) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _memory(root: Path, item: Item) -> Path:
    name = re.sub(r"\W+", "-", item.label)
    return root.absolute() / "_build" / "campaign" / f"{name}.json"


def _stamp(item: Item, requests: Sequence[ledger.Request]) -> str:
    """What the state of an item depends on: its notebook and values, the library, and the files of its results."""
    ours = Path(ledger.__file__).parents[2]
    code = [(str(path.relative_to(ours)), path.read_bytes()) for path in sorted(ours.glob("dynloss*/**/*.py"))]
    own, roots = [Path(each.place) for each in requests], policy.folders(root=item.figure.path.parents[1])
    places = own + [root.joinpath(*place.parts[-2:]) for place in own for root in roots[1:]]
    found = sorted({path for place in places for path in (place, *place.glob("*.nc")) if path.suffix == ".nc"})
    written = [(str(path), path.stat().st_mtime_ns) for path in found if path.is_file()]
    everything = (item.figure.path.read_bytes(), sorted(item.values.items()), code, written)
    return hashlib.sha256(repr(everything).encode()).hexdigest()
