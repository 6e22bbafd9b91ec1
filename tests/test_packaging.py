"""pyproject.toml, environment.yml and the lock agree; the repository's address stands in one place."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
PYTHONS = ["3.11.0", "3.11.9", "3.12.0", "3.13.0"]

EXTRAS = PROJECT["project"]["optional-dependencies"]
RUNTIME = [
    wanted
    for texts in (PROJECT["project"]["dependencies"], EXTRAS["models"], EXTRAS["fast"], EXTRAS["figures"])
    for wanted in map(Requirement, texts)
    if wanted.name != "dynloss"
]
LOCKED_EXTRAS = ["models", "fast", "figures", "neural-tangents", "notebooks", "book", "widget", "tests"]
LOCKED_TEXTS = [
    *PROJECT["project"]["dependencies"],
    *(text for extra in LOCKED_EXTRAS for text in PROJECT["project"]["optional-dependencies"][extra]),
    *PROJECT["dependency-groups"]["build"],
    *PROJECT["build-system"]["requires"],
]
WANTED = [wanted for wanted in map(Requirement, LOCKED_TEXTS) if wanted.name != "dynloss"]
# One entry: the requirement, then its hashes on continued lines.
ENTRIES = re.findall(r"^([a-z0-9][^\n]*?) \\\n((?:    --hash=\S+(?: \\)?\n)+)", LOCK, re.M)


def locked(python: str) -> dict[str, str]:
    """{name: version} of what the lock installs on Linux with this Python."""
    environment = default_environment() | {
        "python_version": python.rsplit(".", 1)[0],
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    chosen = {}
    for text, _ in ENTRIES:
        entry = Requirement(text)
        if entry.marker is None or entry.marker.evaluate(environment):
            (pin,) = entry.specifier
            assert pin.operator == "==" and entry.name not in chosen, text
            chosen[entry.name] = pin.version
    return chosen


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_has_what_pyproject_asks_for(python):
    have = locked(python)
    for wanted in WANTED:
        name = canonicalize_name(wanted.name)
        assert name in have, f"{wanted} is not in requirements.lock: run `make lock`"
        assert wanted.specifier.contains(have[name], prereleases=True), f"{wanted}, but the lock has {have[name]}"


def test_what_installs_is_pinned_by_the_lock_too():
    """`make env` cuts uv out of the lock, and gives it to pip."""
    (expression,) = re.findall(r"sed -n '(.*)' requirements\.lock", (ROOT / "Makefile").read_text(encoding="utf-8"))
    cut = subprocess.check_output(["sed", "-n", expression, "requirements.lock"], cwd=ROOT, text=True)
    (entry,) = [each for each in ENTRIES if each[0].startswith("uv==")]
    assert cut.startswith(f"{entry[0]} \\\n{entry[1]}") and cut.count("==") == 1


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_leaves_out_bad_versions_and_tensorflow(python):
    have = locked(python)
    assert have["jax"] == have["jaxlib"]
    assert have["jax"] not in {"0.10.2", "0.11.1"}
    assert not [name for name in have if re.match("tensorflow|tf2jax|tf-", name)]


def test_bad_versions_are_outside_the_range():
    jax = next(wanted for wanted in RUNTIME if wanted.name == "jax").specifier
    assert [v for v in ("0.7.1", "0.7.2", "0.10.1", "0.10.2", "0.11.1", "0.12.0.1") if v in jax] == [
        "0.7.2",
        "0.10.1",
        "0.12.0.1",
    ]


def test_every_line_of_the_lock_is_a_pin_with_hashes():
    pins = [line for line in LOCK.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins == [f"{text} \\" for text, _ in ENTRIES]
    for text, hashes in ENTRIES:
        assert re.fullmatch(r"(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+", hashes), text


def test_lock_names_no_place():
    assert not re.search(r"://|/tmp|@ ", LOCK)
    # No option of an installer either: the only words that begin with a dash are hashes.
    assert {word.split(":")[0] for word in re.findall(r"(?<!\S)-\S*", LOCK)} == {"--hash=sha256"}


def test_environment_has_the_same_ranges():
    conda = dict(line.split(" ", 1) for line in CONDA["dependencies"] if isinstance(line, str) and " " in line)
    python = SpecifierSet(conda.pop("python"))
    assert SpecifierSet(PROJECT["project"]["requires-python"]) == SpecifierSet(">=3.11")
    assert all(v in python for v in PYTHONS) and "3.10.9" not in python
    # conda-forge's packages without the Qt windows are called -base
    ranges = {name.removesuffix("-base"): SpecifierSet(text) for name, text in conda.items()}
    assert ranges == {wanted.name: wanted.specifier for wanted in RUNTIME}


def test_environment_installs_the_extras():
    (pip,) = [line["pip"] for line in CONDA["dependencies"] if isinstance(line, dict)]
    ((_, extras),) = [re.fullmatch(r"(--editable \.)\[([\w,-]+)\]", line).groups() for line in pip]
    assert extras == "tests"
    for name, parts in {"tests": "book,widget", "book": "notebooks", "notebooks": "figures"}.items():
        assert f"dynloss[{parts}]" in EXTRAS[name]


def test_version_is_the_same_everywhere():
    import dynloss

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert PROJECT["project"]["version"] == dynloss.__version__ == citation["version"] == version("dynloss")


def tracked() -> list[Path]:
    """Files that git tracks or would, or all in the tree of an unpacked archive without git."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True
    )
    paths = [ROOT / name for name in names.stdout.split("\0") if name]
    return [path for path in (paths or ROOT.rglob("*")) if path.is_file()]


def test_repository_address_is_in_one_place():
    address = PROJECT["project"]["urls"]["Repository"]
    owner, name = address.removeprefix("https://github.com/").split("/")
    pattern = re.compile(rf"(?:github\.com|colab\.research\.google\.com/github)/([\w.-]+/{re.escape(name)})(?![\w-])")
    pages = re.compile(rf"([\w-]+)\.github\.io/{re.escape(name)}(?![\w-])")
    strangers, seen = [], set()
    for path in tracked():
        if path.suffix in {".png", ".nc"} or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found = {*pattern.findall(text), *(f"{who}/{name}" for who in pages.findall(text))}
        seen |= {path.name} if found else set()
        strangers += [f"{path.relative_to(ROOT)}: {where}" for where in found if where != f"{owner}/{name}"]
    assert not strangers
    assert {"pyproject.toml", "README.md", "_config.yml"} <= seen


def sync(*arguments, root=ROOT):
    command = [sys.executable, str(ROOT / "tools" / "sync.py"), "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_hooks_run_what_the_lock_has(hook):
    python, *arguments = hook["entry"].split()
    assert (python, hook["language"]) == (".venv/bin/python", "system")
    ended = subprocess.run([sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_nothing_is_out_of_sync():
    checked = sync("--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture
def checkout(tmp_path):
    """A small checkout with another address in pyproject.toml than in the rest."""
    (tmp_path / "notebooks").mkdir()
    urls = '[project.urls]\nRepository = "https://github.com/someone/tilted"\n'
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "0.2.0"\n{urls}')
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://github.com/dynloss/dynloss  # why\n")
    (tmp_path / "README.md").write_text(
        "https://dynloss.github.io/dynloss https://github.com/dynloss/dynloss-data "
        "https://colab.research.google.com/github/dynloss/dynloss/blob/main/a.ipynb\n"
    )
    (tmp_path / "notebooks" / "a.py").write_text(
        "# ---\n# jupyter:\n#   accelerator: GPU\n# ---\n\n# %%\n# !pip install git+https://github.com/dynloss/dynloss@v0.1.0\n\n"
        '# %% tags=["parameters"]\nsteps: int = 3  # how many\n\n# %%\n1\n\n# %%\n1\n'
        '\n# %% mystnb={"figure": {"caption": "Accuracy $a$.", "name": "fig-a"}}\nplot()\n'
        "\n# %% [markdown]\n# See [the\n# next](b.ipynb#more), [there](../book/theory.md) and [this](https://a.org/b.ipynb).\n"
    )
    (tmp_path / "notebooks" / "renamed.yml").write_text("pages: {first: a}\n")
    return tmp_path


def test_sync_carries_the_address_and_the_notebooks(checkout):
    assert sync("--check", root=checkout).returncode == 1
    assert "dynloss/dynloss" in (checkout / "README.md").read_text(), "--check writes nothing"
    assert sync(root=checkout).returncode == 0
    assert (checkout / "README.md").read_text() == (
        "https://someone.github.io/tilted https://github.com/dynloss/dynloss-data "
        "https://colab.research.google.com/github/someone/tilted/blob/main/a.ipynb\n"
    )
    notebook = yaml.safe_load((checkout / "notebooks" / "a.ipynb").read_text())
    assert notebook["metadata"]["accelerator"] == "GPU"
    assert notebook["cells"][1]["metadata"] == {"tags": ["parameters"]}
    assert "github.com/someone/tilted@v0.2.0" in "".join(notebook["cells"][0]["source"])
    *code, caption, text = notebook["cells"]
    assert len({cell["id"] for cell in code}) == len(code) == 5, "equal cells have different ids"
    assert all(cell["outputs"] == [] for cell in code)
    assert "".join(caption["source"]) == "**Figure.** Accuracy $a$." and caption["metadata"]["tags"] == ["caption"]
    pages = "https://someone.github.io/tilted"
    assert "".join(text["source"]) == (
        f"See [the\nnext]({pages}/notebooks/b.html#more), [there]({pages}/book/theory.html) and [this](https://a.org/b.ipynb)."
    )


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_links_in_a_notebook_lead_somewhere_in_colab(path):
    """There, and beside a single downloaded file, no other page of the book lies."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    book = re.search(r"https://[\w.-]+\.github\.io/[\w.-]+", (ROOT / "README.md").read_text(encoding="utf-8"))[0]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in (each for each in cells if each["cell_type"] == "markdown"):
        for link in re.findall(r"\]\(([^)\s]+)|(?:href|src)=\"([^\"]+)", "".join(cell["source"])):
            address = "".join(link)
            assert address.startswith(("https://", "#")), address
            if address.startswith(book):
                page = address.removeprefix(f"{book}/").split("#")[0].removesuffix(".html")
                assert re.search(rf": {page}$", toc, re.M), f"{address} is no page of the book"


def test_a_notebook_at_an_old_address_leads_to_the_new_one(checkout):
    sync(root=checkout)
    (cell,) = json.loads((checkout / "notebooks" / "first.ipynb").read_text())["cells"]
    colab = "https://colab.research.google.com/github/someone/tilted/blob/main/notebooks/a.ipynb"
    page = "https://someone.github.io/tilted/notebooks/a.html"
    said = f"This notebook is called [a]({colab}) now; [its page]({page}) has its results."
    assert cell["cell_type"] == "markdown" and "".join(cell["source"]) == said


def test_sync_again_changes_nothing(checkout):
    sync(root=checkout)
    before = {path: path.read_bytes() for path in checkout.rglob("*.*")}
    assert sync("--check", root=checkout).returncode == 0
    assert sync(root=checkout).stdout == ""
    assert before == {path: path.read_bytes() for path in checkout.rglob("*.*")}


def test_sync_reports_a_notebook_without_source(checkout):
    sync(root=checkout)
    (checkout / "notebooks" / "b.ipynb").write_text("{}")
    assert "b.ipynb has no .py" in sync("--check", root=checkout).stdout
    assert sync("--check", root=checkout).returncode == 1


def test_import_is_light():
    """And modules load when they are asked for: numba not before a run needs it."""
    heavy = ["xarray", "flax", "optax", "matplotlib", "pandas", "papermill", "jupytext", "h5netcdf", "neural_tangents"]
    code = f"import sys, dynloss; print({{*{heavy}}} & {{*sys.modules}}, dynloss.training.compiled.descend.__name__)"
    code += "; print('numba' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["set()", "descend", "False"]


WITHOUT_EXTRAS = """
import sys

for name in ("flax", "numba", "matplotlib", "seaborn", "h5netcdf", "h5py", "pooch", "click", "papermill", "sklearn"):
    sys.modules[name] = None  # as if it were not there
"""
ONE_NETWORK = """
import numpy as np
from dynloss import datasets, schedules
from dynloss.training import compiled

sizes = {"hidden": {"kernel": (2, 3), "bias": (3,)}, "output": {"kernel": (3, 3), "bias": (3,)}}
layers = {layer: {name: np.ones(size, np.float32) for name, size in parts.items()} for layer, parts in sizes.items()}
compiled.descend({"params": layers}, datasets.spiral(5).astype("float32"), schedules.static(3), 0.1, 0, 2)
"""


def run_without_extras(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS + code], capture_output=True, text=True)


def test_readmes_first_example_needs_no_extra():
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)[1]
    ended = run_without_extras(example.replace("steps=1000", "steps=10"))
    assert ended.returncode == 0 and "class_weights" in ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from dynloss.models import MLP", "needs flax: pip install 'dynloss[models]'"),
        ("from dynloss_book import command; command.main()", "needs click: pip install 'dynloss[notebooks]'"),
        (ONE_NETWORK, "pip install 'dynloss[fast]'"),
    ],
    ids=["models", "command", "fast"],
)
def test_what_is_missing_is_named_with_its_extra(code, said):
    assert said in run_without_extras(code).stderr
