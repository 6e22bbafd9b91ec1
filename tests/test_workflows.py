"""What GitHub runs: actions by their hash, programs that are there, a book from main, figures that go on."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FILES = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
WORKFLOWS = {name: yaml.safe_load(path.read_text("utf-8")) for name, path in FILES.items()}
JOBS = {f"{name}/{job}": each for name, workflow in WORKFLOWS.items() for job, each in workflow["jobs"].items()}
# What a job's commands start beyond what `setup-python` brings.
NEEDED = {"make check": "google-chrome", "-m pytest": "google-chrome", "make": "make", "jax[cuda12]": "nvidia-smi"}


def test_zizmor_finds_nothing():
    """As `make lint` runs it."""
    found = shutil.which("zizmor", path=str(Path(sys.executable).parent)) or shutil.which("zizmor")
    if not found:
        pytest.skip("no zizmor here (pip install 'dynloss[tests]')")
    (command,) = re.findall(r"^\t\$\(BIN\)/zizmor (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
    ended = subprocess.run([found, *command.split()], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", FILES)
def test_every_action_is_a_commit_and_says_its_version(name):
    used = re.findall(r"uses: (.*)", FILES[name].read_text("utf-8"))
    assert [line for line in used if not re.fullmatch(r"actions/[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("name", sorted(JOBS.keys() - {"book/publish"}))
def test_programs_are_asked_for_before_anything_long(name):
    commands = [step["run"] for step in JOBS[name]["steps"] if "run" in step]
    (asked,) = re.findall(r"^for each in (.*); do command -v \"\$each\"; done$", commands[0])
    later = "\n".join(commands[1:])
    assert {program for word, program in NEEDED.items() if word in later} | {"git"} == set(asked.split())


def test_the_book_is_published_from_main_only():
    assert JOBS["book/publish"]["if"] == "github.ref == 'refs/heads/main'"


def test_figures_go_on_where_the_last_dispatch_stopped():
    job = JOBS["figures/figures"]
    steps = {step.get("uses", "").split("@")[0]: step for step in job["steps"]}
    saved, restored = steps["actions/cache/save"], steps["actions/cache/restore"]["with"]
    artifact = steps["actions/upload-artifact"]
    assert saved["with"]["path"] == restored["path"] and job["env"]["DYNLOSS_RESULTS"].endswith(restored["path"])
    assert saved["with"]["key"] == restored["key"] != restored["restore-keys"]
    assert restored["key"].startswith(restored["restore-keys"])
    assert saved["if"] == artifact["if"] == "always()" and artifact["with"]["include-hidden-files"]
    (run,) = [step for step in job["steps"] if "run --all" in step.get("run", "")]
    assert run["timeout-minutes"] < job["timeout-minutes"]
    assert job["steps"].index(steps["actions/cache/restore"]) < job["steps"].index(run) < job["steps"].index(saved)
