"""A campaign computes what is missing, in its order and its time; killed, shared or stale, it stays right."""

import itertools
import json
import linecache
import os
import random
import subprocess
import sys
import time

import pytest
import small_site
import xarray as xr

from dynloss_book.engine import cli, ledger
from dynloss_book.engine.archive import ArchiveWarning
from dynloss_book.engine.runner import campaign, kernels
from dynloss_book.engine.runner.campaign import State
from dynloss_book.engine.runner.execute import Outcome
from dynloss_book.engine.runner.profiles import UsageError, load
from dynloss_book.engine.sweeps import overview

KILLS = int(os.environ.get("DYNLOSS_TEST_KILLS", "2"))
PARAMETERS = '''points: int = 4
pause: float = 0.0
pieces: int = 3
minutes: "Optional[float]" = 1.0
fresh: bool = False'''
SWEEP = """
import os, time
from pathlib import Path
import numpy as np
from dynloss_book.engine import sweeps

def point(x, seed, *, pause):
    with Path(os.environ["LOG"]).open("a") as file:
        file.write(f"{os.getppid()} {x:g} {seed}\\n")
    time.sleep(pause)
    return {"value": np.random.default_rng([int(x), seed]).normal(size=2)}

found = sweeps.run("fig01_sweep", point, axes={"x": range(points)}, seeds=range(2), constants={"pause": pause},
                   vectorize=False, progress=False, minutes=minutes, fresh=fresh)
"""
SINGLE = """
import time
import numpy as np, xarray as xr
from dynloss_book.engine import archive, deadline
from dynloss.files import atomic_write

def compute(pieces, pause, checkpoint=None):
    done = len(checkpoint.read_bytes()) if checkpoint.exists() else 0
    for piece in range(done, pieces):
        time.sleep(pause)
        with atomic_write(checkpoint) as file:
            file.write(b"x" * (piece + 1))
        deadline.check()
    return xr.Dataset({"x": ("piece", np.arange(pieces))})

run = archive.fetch_or_compute("fig02_single", compute, {"pieces": pieces, "pause": pause})
"""
PROFILES = """
fig01_sweep:
  quick: {parameters: {}, cost: {2 CPU cores: {seconds: 100, memory_gb: 0.2}}}
  paper: {parameters: {points: 12, pause: 0.05, minutes: 20}, cost: {2 CPU cores: {seconds: 900}}}
fig02_single:
  quick: {parameters: {}, cost: {2 CPU cores: {seconds: 7, memory_gb: 0.2}}}
  paper: {parameters: {pieces: 20, pause: 0.05, minutes: null}, cost: {2 CPU cores: {seconds: 7}}}
"""
LIST = """
campaign:
- {notebook: fig01_sweep, profile: quick, devices: [CPU], why: cheap, parameters: {points: 2}}
- {notebook: fig02_single, profile: paper, devices: [CPU], why: next}
- {notebook: fig01_sweep, profile: paper, devices: [CPU, GPU], why: last}
- {notebook: fig01_sweep, profile: quick, devices: [GPU], why: elsewhere}
"""
SHORT = """
campaign:
- {notebook: fig02_single, profile: paper, devices: [CPU], why: first}
- {notebook: fig01_sweep, profile: paper, devices: [CPU, GPU], why: last}
"""
COMMAND = [sys.executable, "-c", "from dynloss_book.engine.cli import main; main()", "campaign", "--nice", "0"]


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.delenv("DYNLOSS_RESULTS", raising=False)
    monkeypatch.setenv("LOG", str(tmp_path / "log"))

    def make(name="checkout", listed=LIST):
        sweep = small_site.notebook(SWEEP, parameters=PARAMETERS)
        single = small_site.notebook(SINGLE, parameters=PARAMETERS)
        root = small_site.make(tmp_path / name, PROFILES, fig01_sweep=sweep, fig02_single=single)
        (root / "notebooks" / "campaign.yml").write_text(listed)
        return root

    return make


@pytest.fixture
def here(monkeypatch):
    """Notebooks run in this process, without a kernel, which takes seconds to start; the list of what was run."""
    return run_here(monkeypatch)


def run_here(monkeypatch):
    ran = []

    def execute(figure, profile, parameters, output, stream, environment):
        cells = json.loads(figure.path.read_text())["cells"]
        codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        codes.insert(1, "\n".join(f"{name} = {value!r}" for name, value in parameters.items()))
        ran.append(figure.stem)
        name, code, error, raised = f"<{figure.stem} {len(ran)}>", "\n".join(codes), "", ""
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # where inspect finds it
        with monkeypatch.context() as patch:
            patch.chdir(figure.path.parent)
            for variable, value in environment.items():
                patch.setenv(variable, value)
            try:
                exec(compile(code, name, "exec"), {"__name__": name})
            except Exception as reason:
                raised = type(reason).__name__
                error = f"cell 1: {raised}: {reason}"
        return Outcome(figure.stem, profile, output, 0.0, error, raised)

    monkeypatch.setattr(campaign, "execute", execute)
    return ran


@pytest.fixture
def child():
    """A campaign in a checkout by a process of its own, forked from one that has imported everything."""
    return lambda root: kernels.context().Process(target=work, args=(root, os.environ["LOG"]))


def work(root, log):
    """In that process, whose notebooks run in it."""
    os.chdir(root)
    os.environ.pop("DYNLOSS_RESULTS", None)
    os.environ["LOG"] = log
    run_here(pytest.MonkeyPatch())
    cli.main(["campaign", "--nice", "0"])


def items(root, here="CPU"):
    return [item for item in campaign.load(root, load(root)) if here in item.devices]


def results(root):
    """What the archive holds, by figure and parameters; without what tells of the computing."""
    stores = {(each.figure, str(each.parameters)): overview.gathered(*each.folders)
              for each in overview.overview(root / "own_results")}  # fmt: skip
    singles = {str(path.relative_to(root)): xr.load_dataset(path) for path in root.glob("own_results/*/*.nc")}
    return {key: found.drop_attrs() for key, found in {**stores, **singles}.items()}


def equal(first, second):
    return first.keys() == second.keys() and all(first[key].equals(second[key]) for key in first)


def test_the_list_is_worked_down_and_its_end_is_complete(make, here, tmp_path, capsys):
    root = make()
    before = [(item.label, state.left) for item, state in campaign.plan(root, items(root))]
    assert before == [
        ("fig01_sweep quick, points=2", "4 points or more"),
        ("fig02_single paper", "1 point or more"),
        ("fig01_sweep paper", "24 points or more"),
    ]
    assert capsys.readouterr().err == "looking at what is left of 3 items\n"
    assert here == []  # no kernel was needed to look
    assert not list((root / "own_results").rglob("*.nc"))  # to look computes nothing
    done = list(campaign.run(root, items(root), None))
    assert [(item.label, state.left) for item, state in done] == [(label, "nothing") for label, _ in before]
    log = (tmp_path / "log").read_text().splitlines()
    assert len(log) == 4 + 24
    # What is complete is not run again.
    here.clear()
    assert all(state.complete for _, state in campaign.run(root, items(root), None))
    assert here == []
    listed = root / "notebooks" / "campaign.yml"
    listed.write_text(listed.read_text().replace("points: 2", "points: 3"))
    ((item, state), *_) = campaign.plan(root, items(root)[:1])
    assert state.left == "2 points"
    assert campaign.row(item, state, "CPU")[:3] == (item.label, "CPU", "2 points")


def test_what_other_code_computed_is_left_and_only_renewed_on_demand(make, here):
    root = make()
    first, single = items(root)[:2]
    list(campaign.run(root, [first, single], None))
    before = {path: path.read_bytes() for path in root.glob("own_results/**/*.nc")}
    for name, old, new in (("fig01_sweep", "normal(", "uniform("), ("fig02_single", "np.arange", "1 + np.arange")):
        path = root / "notebooks" / f"{name}.ipynb"
        path.write_text(path.read_text().replace(old, new))
    stale = ["4 points, stale", "1 point, stale"]
    assert [state.left for _, state in campaign.plan(root, [first, single])] == stale
    with pytest.warns(ArchiveWarning, match="STALE"):
        assert [state.left for _, state in campaign.run(root, [first, single], None)] == stale
    assert {path: path.read_bytes() for path in root.glob("own_results/**/*.nc")} == before
    done = campaign.run(root, [first, single], None, renew=True)
    assert [state.left for _, state in done] == ["nothing", "nothing"]
    assert list(root.glob("own_results/fig01_sweep/*.old/*.nc"))
    (renewed,) = root.glob("own_results/fig02_single/*.nc")
    assert xr.load_dataset(renewed).x.values.tolist() == list(range(1, 21))


def test_a_campaign_publishes_what_it_computed_on_demand(make, here, dynloss, monkeypatch):
    root = make()
    monkeypatch.chdir(root)
    monkeypatch.setattr(campaign, "device", lambda: "CPU")
    code, out, err = dynloss("campaign", "--nice", 0, "--publish")
    assert code == 0 and "fig01_sweep paper: nothing left" in err
    assert [line.split(": ")[1].split(", ")[0] for line in out.splitlines()] == [
        "adds 4 points to 0", "new", "adds 24 points to 0",
    ]  # fmt: skip
    assert not list((root / "own_results").rglob("*.nc")) and len(list((root / "results").rglob("*.nc"))) == 3
    assert all(state.complete for _, state in campaign.run(root, items(root), None))  # from the published ones
    assert not list((root / "own_results").rglob("*.nc"))


@pytest.mark.parametrize("minutes", [0, 0.05, 0.1])
def test_minutes_bound_all_and_none_computes_nothing(make, here, minutes):
    root = make(listed=SHORT.replace("why: first", "why: first, parameters: {pieces: 1000, pause: 0.01}"))
    began = time.monotonic()
    done = list(campaign.run(root, items(root), minutes))
    assert time.monotonic() - began < 60 * minutes + 2  # which is what a slow machine may take for one piece
    assert [(state.left, state.failed) for _, state in done] == [("1 point or more", False)] * (minutes > 0)
    assert here == ["fig02_single"] * (minutes > 0)  # there is no time for the next
    assert not list((root / "own_results").rglob("*.nc"))
    assert len(list((root / "own_results").rglob("*.checkpoint"))) == (minutes > 0)


def test_the_list_of_another_device_is_planned_and_worked_down_on_demand(make, here, dynloss, monkeypatch):
    monkeypatch.chdir(make(listed=SHORT.replace("[CPU]", "[GPU]")))
    monkeypatch.setattr(campaign, "device", lambda: "CPU")
    assert "needs a GPU" in dynloss("campaign", "--nice", 0, "--plan")[1]
    assert "needs a GPU" not in dynloss("campaign", "--nice", 0, "--plan", "--device", "gpu")[1]
    here_alone, theirs = (dynloss("campaign", "--nice", 0, *given)[2] for given in ([], ["--device", "gpu"]))
    assert "fig02_single" not in here_alone and "fig02_single paper: nothing left" in theirs


def test_a_notebook_that_fails_does_not_stop_the_others(make, here):
    root = make()
    path = root / "notebooks" / "fig02_single.ipynb"
    path.write_text(path.read_text().replace("np.arange(pieces)", "nothing"))
    for _ in range(2):  # a failure is not remembered
        done = [(state.failed, state.left) for _, state in campaign.run(root, items(root), None)]
        assert [failed for failed, _ in done] == [False, True, False]
        assert done[1][1] == "failed: cell 1: NameError: name 'nothing' is not defined"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "its process died (out of memory, or killed from outside?)"),
        ("import sys; print('aloud'); sys.exit(0)", "SystemExit: 0"),
        (r"raise ValueError('one\nand two')", "ValueError: one and two"),
    ],
)
def test_a_look_that_fails_is_news_of_its_item_alone(make, capfd, cell, said):
    root = make()
    path = root / "notebooks" / "fig02_single.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][2]["source"] = cell
    path.write_text(json.dumps(notebook))
    states = [state.left for _, state in campaign.plan(root, items(root))]
    assert states == ["4 points or more", f"failed: {said}", "24 points or more"]
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_killed_at_any_time_it_ends_with_the_same_results(make, here, child):
    """DYNLOSS_TEST_KILLS=10 kills it so often."""
    alone, killed = make("alone", SHORT), make("killed", SHORT)
    assert all(state.complete for _, state in campaign.run(alone, items(alone), None))
    chance = random.Random(0)
    for _ in range(KILLS):
        process = child(killed)
        process.start()
        time.sleep(chance.uniform(0.5, 3))
        process.kill()
        process.join()
    ended = subprocess.run(COMMAND, cwd=killed, check=True, capture_output=True, text=True)
    assert "fig01_sweep paper: nothing left" in ended.stderr
    assert equal(results(killed), results(alone))
    here.clear()
    assert all(state.complete for _, state in campaign.run(killed, items(killed), None)) and here == []


@pytest.mark.slow
def test_two_at_once_share_the_work(make, here, child, tmp_path):
    alone, shared = make("alone", SHORT), make("shared", SHORT)
    assert all(state.complete for _, state in campaign.run(alone, items(alone), None))
    (tmp_path / "log").unlink()
    both = [child(shared) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    # Of a single result that one is at, the other lets go; the next call finds all of it.
    assert all(state.complete for _, state in campaign.run(shared, items(shared), None))
    assert equal(results(shared), results(alone))
    computed = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert {(x, seed) for _, x, seed in computed} == {
        (str(x), str(seed)) for x, seed in itertools.product(range(12), range(2))
    }
    assert len(computed) <= 24 + 2  # a point that is computed twice does no harm, but should be rare


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("campaign: []", r"campaign.yml: campaign: \[\] should be non-empty"),
        ("campaign: [{notebook: fig01_sweep}]", r"campaign\[0\]: 'devices' is a required property"),
        (LIST.replace("profile: quick, devices: [GPU]", "profile: huge, devices: [GPU]"),
         r"campaign\[3\]: fig01_sweep has no profile 'huge'"),
        (LIST.replace("[CPU, GPU]", "[TPU]"), r"campaign\[2\].devices\[0\]: 'TPU' is not one of \['CPU', 'GPU'\]"),
        (LIST.replace("points: 2", "dots: 2"), r"campaign\[0\]: fig01_sweep: unknown parameter 'dots'"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_fit(make, listed, said):
    root = make(listed=listed)
    with pytest.raises(UsageError, match=said):
        campaign.load(root, load(root))


def test_costs_are_measured_where_they_can_be(make):
    root = make()
    sweep, single, long = items(root)
    missing = ledger.Request("store", 10, ((1.0,), (2.0,)), 30.0, "2 CPU cores")
    assert campaign.cost(sweep, State((missing,)), "CPU") == "1 min 00 s, 0.2 GB"
    assert campaign.cost(sweep, State((missing,)), "GPU") == "not measured yet"
    nothing = State((ledger.Request("file", 1, ((),)),), "cell 1", "OutOfTime")
    assert campaign.cost(sweep, nothing, "CPU") == "not measured yet, 0.2 GB"  # minutes bound what the profile costs
    assert campaign.cost(single, nothing, "CPU") == "at most 7.0 s"
    assert campaign.cost(long, State(()), "CPU") == "–"
    assert campaign.row(long, State((missing,)), "TPU")[2:4] == ("2 points", "needs a CPU/GPU")
    assert campaign.row(long, State(()), "TPU")[2:4] == ("nothing", "–")


def test_the_repository_has_a_list_that_fits():
    root = small_site.Path(__file__).parents[3]
    listed = campaign.load(root, load(root))
    assert len({item.label for item in listed}) == len(listed)
    assert {"CPU", "GPU"} == {device for item in listed for device in item.devices}
