"""The figures' notebooks: what they share is the same, and each runs in the smoke profile and passes the gate.

What these runs compile is lowered for a GPU too.
"""

import ast
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace

import jupytext
import lowered
import pytest

import dynloss
from dynloss_book.engine.runner import answers, compare, gate, kernels
from dynloss_book.engine.runner.execute import execute
from dynloss_book.engine.runner.profiles import load, values
from dynloss_book.engine.runner.tables import provenances

ROOT = Path(__file__).resolve().parents[2]
FIGURES = load(ROOT)


def cells(stem):
    return [cell for cell in jupytext.read(ROOT / "notebooks" / f"{stem}.py").cells if cell.cell_type == "code"]


@pytest.fixture(scope="session")  # of a process; other modules may come between
def archive(tmp_path_factory):
    return tmp_path_factory.mktemp("archive")


@pytest.fixture(scope="session")
def other_server():
    """A second server of forks, for kernels that lower for a GPU what they compile; see `lowered`."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lowered.HOOKED.items():
            patch.setenv(name, value)
        server = forkserver.ForkServer()
        server.set_forkserver_preload(kernels.PRELOADED)
        server.ensure_running()
        return server, kernels.read_early(os.environ)


@pytest.fixture
def lowering(other_server, monkeypatch):
    """Kernels of this test come from there; the pictures as PDF are left to the book, which draws each anyway."""
    server, early = other_server
    monkeypatch.setattr(kernels, "PICTURES", {"png"})
    monkeypatch.setattr(forkserver, "connect_to_new_process", server.connect_to_new_process)
    monkeypatch.setattr(kernels, "read_early_by_server", lambda: early)


SHARED = {
    "figS1_hessian_eigenvalues": "fig04_learning_dynamics",
    "figS3_stopping_oscillations": "fig01_cifar_phase_diagram",
}


# Figure 2 compiles nothing; Figures S1 and S3 read what Figures 4 and 1 have computed.
COMPUTING = FIGURES.keys() - {"fig02_spiral_dataset", *SHARED}


def together(stem):
    """Notebooks that share their runs are executed by one process, one after the other."""
    return pytest.mark.xdist_group(SHARED.get(stem, stem))


# Two at each change: nothing trained, and a sweep. The golden runs hold what the others compute, and the book
# executes their other cells.
ALWAYS = {"fig02_spiral_dataset", "fig03_spiral_phase_diagram"}


@pytest.mark.parametrize(
    "stem",
    [pytest.param(stem, marks=[together(stem)] if stem in ALWAYS else [together(stem), pytest.mark.slow])
     for stem in sorted(FIGURES)],
)
def test_runs_in_smoke_and_passes_the_gate(stem, archive, lowering, tmp_path, monkeypatch):
    folder = archive / SHARED.get(stem, stem)
    monkeypatch.setenv("DYNLOSS_RESULTS", str(folder))
    figure = FIGURES[stem]
    wanted = values(figure, "smoke")
    record = tmp_path / "lowered.jsonl"
    outcome = execute(figure, "smoke", wanted, tmp_path / f"{stem}.ipynb", io.StringIO(), lowered.environment(record))
    assert outcome.error == ""
    names, problems = lowered.found(record)
    assert problems == [] and (names or stem not in COMPUTING)
    assert gate.problems(outcome.path, figure.path, wanted) == []
    outputs = [o for cell in json.loads(outcome.path.read_text())["cells"] for o in cell.get("outputs", [])]
    drawn = [cell for cell in cells(stem) if "mystnb" in cell.metadata]
    drawn = [cell for cell in drawn if "from-archive" not in cell.metadata.get("tags", [])]  # which is empty here
    assert sum("image/png" in output.get("data", {}) for output in outputs) == len(drawn) >= 1
    records = provenances(json.loads(outcome.path.read_text()))
    assert {record["stale"] for record in records} == {""}
    assert len(list(folder.rglob("*.nc"))) >= 1
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert {each.trouble or str(each.agrees) for each in compare.outcomes(folder, copy)} == {"True"}


def imports(stem):
    """The statements that import, of the cells that `dynloss claims` runs."""
    sources = answers.sources(FIGURES[stem], {})
    return [ast.unparse(each) for source in sources for each in ast.parse(source).body
            if isinstance(each, (ast.Import, ast.ImportFrom))]  # fmt: skip


def test_verdicts_need_no_library_that_draws():
    rooms = sorted(path.parent.name for path in (ROOT / "src" / "dynloss_book").glob("*/claims.py"))
    needed = [f"import dynloss_book.{room}.claims" for room in rooms]
    needed += ["from dynloss_book.engine import cli", *(line for stem in sorted(FIGURES) for line in imports(stem))]
    code = "\n".join([*dict.fromkeys(needed), "import sys; print({'matplotlib', 'seaborn'} & set(sys.modules))"])
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stdout == "set()\n", ended.stderr


def physics(stem):
    (cell,) = [cell for cell in cells(stem) if "physics" in cell.metadata.get("tags", [])]
    return cell.source


@pytest.mark.parametrize("stem", sorted(FIGURES))
def test_is_short_and_shows_its_physics(stem):
    """At most 212 lines before the last cell, 88 columns of code, and one cell of at most 15 lines with the physics."""
    lines = (ROOT / "notebooks" / f"{stem}.py").read_text("utf-8").splitlines()
    assert len(lines) - len(cells(stem)[-1].source.splitlines()) <= 216  # with its line and the blank ones
    assert cells(stem)[-1].source.splitlines()[-1].startswith("with_published(")
    assert [line for cell in cells(stem) for line in cell.source.splitlines() if len(line) > 88] == []
    assert len([line for line in physics(stem).splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("stem", sorted(FIGURES))
def test_tags_its_answer(stem):
    """By this tag `dynloss claims` knows how far to run it."""
    (answer,) = (cell for cell in cells(stem) if answers.ANSWER in cell.metadata.get("tags", []))
    assert answer.source.splitlines()[-1] == "findings.answer"


@pytest.mark.parametrize("stem", sorted(FIGURES))
def test_asks_the_archive_before_its_answer(stem):
    """A campaign looks no further, nor at cells with a picture or asides, to see what is missing."""
    looked_at = answers.sources(FIGURES[stem], {})
    asking = re.compile(r"fetch_or_compute|sweeps\.(run|in_turn)|run_plan|elsewhere\(")
    others = [cell.source for cell in cells(stem) if cell.cell_type == "code" and cell.source not in looked_at]
    assert [source for source in others if asking.search(source)] == []


@pytest.mark.parametrize("stem", sorted(FIGURES))
def test_its_page_begins_with_answer_and_picture(stem):
    """The leading cells: the answer, then the picture or two, and where it comes from."""
    lead = [cell for cell in cells(stem) if "lead" in cell.metadata.get("tags", [])]
    assert lead[0].source.splitlines()[-1] == "findings.answer"
    assert "mystnb" in lead[1].metadata
    behind = next(cell for cell in lead[2:] if "mystnb" not in cell.metadata)
    assert behind.source.startswith("archive.provenance(")


def test_links_to_other_pages_lead_there():
    """By the file's name, so that they hold in the book, in Jupyter and on GitHub."""
    links = {
        (stem, link)
        for stem in FIGURES
        for cell in jupytext.read(ROOT / "notebooks" / f"{stem}.py").cells
        if cell.cell_type == "markdown"
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", cell.source)
    }
    assert ("figS1_hessian_eigenvalues", "cascades_two_step.ipynb") in links
    pages = {f"../book/{path.name}" for path in (ROOT / "book").glob("*.md")}
    assert {link for _, link in links} <= pages | {f"{stem}.ipynb" for stem in FIGURES}


@pytest.mark.slow
@pytest.mark.parametrize(("second", "first"), [pytest.param(*both, marks=together(both[0])) for both in SHARED.items()])
def test_two_figures_share_their_runs(second, first, archive):
    """The same simulation with the same parameters, so that the second reads what the first computed."""
    assert physics(first) == physics(second)
    measuring = [[cell.source for cell in cells(stem) if "def measured(" in cell.source] for stem in (first, second)]
    assert measuring[0] == measuring[1]
    whole, part = FIGURES[first], FIGURES[second]
    shared = {name: whole.parameters[name] for name in part.parameters}
    assert shared == part.parameters
    for name, profile in whole.profiles.items():
        assert {k: v for k, v in profile.parameters.items() if k in shared} == part.profiles[name].parameters
    there = [path for path in (archive / first / first).iterdir() if not path.name.startswith(".")]
    assert len(there) == {"fig04_learning_dynamics": 3}.get(first, 1)  # a run and two sweeps
    assert not (archive / first / second).exists()


def test_the_ladders_go_on_with_the_runs_of_figure_1():
    """Their middle rung is a sweep of Figure 1's, so the simulation has to be the same."""
    assert physics("cifar_scaling") == physics("fig01_cifar_phase_diagram")


def first_cell():
    (source,) = {cells(stem)[0].source for stem in FIGURES}
    return source


def test_the_first_cell_leaves_what_is_installed_alone(monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    exec(first_cell(), {})
    assert "jax" not in first_cell().replace("JAX is left", "").lower()


@pytest.mark.parametrize(("codes", "installed"), [([0], 1), ([1, 0], 2)])
def test_the_first_cell_installs_the_notebook_s_version_or_else_the_newest(codes, installed, monkeypatch):
    commands, left = [], iter(codes)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    ended = lambda each: commands.append(each[-1]) or SimpleNamespace(returncode=next(left))  # noqa: E731
    monkeypatch.setattr(subprocess, "run", ended)
    exec(first_cell(), {})
    newest = "dynloss[figures] @ git+https://github.com/dynloss/dynloss"
    assert commands == [f"{newest}@v{dynloss.__version__}", newest][:installed]


def test_the_first_cell_says_offline_what_to_do(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command: SimpleNamespace(returncode=1))
    with pytest.raises(ImportError, match="offline"):
        exec(first_cell(), {})


def test_plain_papermill(tmp_path, monkeypatch):
    """Without our runner, from another folder."""
    monkeypatch.chdir(tmp_path)
    notebook = ROOT / "notebooks" / "fig02_spiral_dataset.ipynb"
    command = [sys.executable, "-m", "papermill", notebook, "out.ipynb", "-p", "points_per_class", "10"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    outputs = [o for cell in json.loads((tmp_path / "out.ipynb").read_text())["cells"] for o in cell.get("outputs", [])]
    shown = "".join("".join(output.get("data", {}).get("text/plain", "")) for output in outputs)
    assert "scale 3 × 10 points a set" in shown


def test_plain_papermill_fails_for_a_mistyped_name(tmp_path):
    notebook = ROOT / "notebooks" / "fig02_spiral_dataset.ipynb"
    command = [sys.executable, "-m", "papermill", notebook, tmp_path / "out.ipynb", "-p", "point_per_class", "10"]
    ended = subprocess.run(command, capture_output=True, text=True)
    said = "UsageError: fig02_spiral_dataset: unknown parameter 'point_per_class'; there are points_per_class, "
    assert ended.returncode == 1 and said in ended.stderr


@pytest.mark.parametrize(("name", "value"), [("amplitude", 0.5), ("period", -1), ("precision", "half")])
def test_misuse_fails_in_one_line_before_training(name, value, lowering, tmp_path):
    figure, record = FIGURES["fig04_learning_dynamics"], lowered.environment(tmp_path / "lowered.jsonl")
    given = values(figure, "smoke") | {name: value}
    outcome = execute(figure, "smoke", given, tmp_path / "out.ipynb", io.StringIO(), record)
    assert "ValueError" in outcome.error and repr(value) in outcome.error and "\n" not in outcome.error
