"""The command `dynloss`: exit codes, and one clear line on stderr."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import small_site
from small_site import notebook

from dynloss import files
from dynloss_book.engine import cli
from dynloss_book.engine.runner import campaign, profiles

COMMAND = [sys.executable, "-c", "from dynloss_book.engine.cli import main; main()"]


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    listed = "{fig01_bad: {quick: {}, paper: {}}, fig02_good: {quick: {}, smoke: {parameters: {steps: 3}}}}"
    good = notebook(small_site.GOOD.replace("fig01", "fig02"))
    bad, root = notebook(small_site.BAD), tmp_path / "checkout"
    return small_site.enter(monkeypatch, root, listed, fig01_bad=bad, fig02_good=good)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "fig9"], "unknown figure 'fig9'; there are fig01_bad, fig02_good"),
        (["run", "fig02", "fig9"], "unknown figure 'fig9'; there are fig01_bad, fig02_good"),
        (["run", "fig0"], "'fig0' could be fig01_bad or fig02_good"),
        (["run"], "name a figure, or --all; there are fig01_bad, fig02_good"),
        (["run", "fig02", "--profile", "huge"], "fig02_good has no profile 'huge'; there are quick, smoke"),
        (["run", "--all", "--profile", "huge"], "fig01_bad has no profile 'huge'; there are quick, paper"),
        (["run", "fig02", "-p", "amplitude", "abc"], "fig02_good: amplitude='abc' is not a finite number"),
        (["run", "fig02", "-p", "steps", "1.5"], "fig02_good: steps='1.5' is not an integer"),
        (["run", "fig02", "-p", "amplitude", "nan"], "fig02_good: amplitude='nan' is not a finite number"),
        (["run", "fig02", "-p", "period", "1"],
         "fig02_good: unknown parameter 'period'; there are steps, amplitude, stop, fresh"),
        (["run", "fig02", "--out", "notebooks"],
         "--out notebooks is the folder of the sources, which are never overwritten"),
        (["run", "fig02", "-p", "steps"], "Option '-p' requires 2 arguments."),
        (["book", "--profile", "smoke"], "fig01_bad has no profile 'smoke'; there are quick, paper"),
        (["book", "--no-run", "--fresh"], "--fresh needs a run: leave out --no-run"),
        (["book", "--fresh"], "best reads the archive: to compute, name a profile"),
        (["run", "fig02", "--profile", "best", "--fresh"], "best reads the archive: to compute, name a profile"),
        (["status", "--profile", "x"], "unknown profile 'x'; there are best, quick, paper, smoke"),
        (["frob"], "No such command 'frob'."),
    ],
)  # fmt: skip
def test_misuse_is_one_line_and_2_before_anything_starts(checkout, dynloss, monkeypatch, arguments, said):
    monkeypatch.setattr(files, "check_writable", lambda _: pytest.fail("something started"))
    assert dynloss(*arguments) == (2, "", f"dynloss: {said}\n")
    assert not (checkout / "_build").exists()


@pytest.mark.parametrize("command", [["list"], ["run", "fig04"], ["book"], ["status"]])
def test_outside_a_checkout(tmp_path, monkeypatch, dynloss, command):
    monkeypatch.chdir(tmp_path)
    code, out, err = dynloss(*command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "run dynloss in a checkout" in err


@pytest.mark.parametrize(
    "command",
    [
        ["run", "fig02"],
        ["run", "--all", "--jobs", "2"],
        ["run", "--all", "--profile", "best"],
        ["run", "fig02", "--profile", "best"],
    ],
)
def test_a_folder_for_copies_that_there_cannot_be_is_one_line_before_anything_starts(
    checkout, dynloss, tmp_path, command
):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "x"
    said = f"dynloss: [Errno {errno.ENOTDIR}] Not a directory: '{folder}'\n"
    assert dynloss(*command, "--out", folder) == (74, "", said)


@pytest.mark.parametrize("command", [["run", "fig02"], ["book"], ["campaign"], ["campaign", "--plan"]])
def test_a_checkout_that_cannot_be_written_to_is_one_line_before_anything_starts(checkout, dynloss, command):
    (checkout / "_build").touch()
    item = "{notebook: fig02_good, profile: quick, devices: [CPU], why: it}"
    (checkout / "notebooks" / "campaign.yml").write_text(f"campaign: [{item}]")
    code, out, said = dynloss(*command)
    assert (code, out, said.count("\n")) == (74, "", 1)
    assert f"Not a directory: '{checkout}/_build/" in said


def test_an_archive_that_cannot_be_written_to_is_one_line_before_anything_starts(checkout, dynloss, monkeypatch):
    item = "{notebook: fig02_good, profile: quick, devices: [CPU], why: it}"
    (checkout / "notebooks" / "campaign.yml").write_text(f"campaign: [{item}]")
    monkeypatch.setenv("DYNLOSS_RESULTS", str(checkout / "_toc.yml" / "results"))
    code, out, said = dynloss("campaign")
    assert (code, out, said.count("\n")) == (74, "", 1)
    assert "Not a directory" in said and str(checkout / "_toc.yml" / "results") in said
    assert not list((checkout / "_build").rglob("*.ipynb"))


def test_a_notebook_that_was_not_made_of_its_script_is_one_line_before_anything_starts(checkout, dynloss):
    script = checkout / "notebooks" / "fig02_good.py"
    script.write_text("# %%\nsteps = 11\n")
    said = "fig02_good.ipynb was not made of fig02_good.py as it is now: make sync makes it anew"
    assert dynloss("run", "fig02") == (2, "", f"dynloss: {said}\n") and not (checkout / "_build").exists()


def test_negative_values_are_values(checkout, dynloss, monkeypatch):
    jobs = []
    monkeypatch.setattr(cli, "_execute", lambda *given, own: jobs.append(given))
    assert dynloss("run", "fig02", "-p", "steps", "-1", "-p", "stop", "none") == (0, "", "")
    (_, (figure,), profile, folder, overrides, *_) = jobs[0]
    assert (figure.stem, profile) == ("fig02_good", "quick")
    assert profiles.values(figure, profile, overrides) == {"steps": -1, "stop": None}
    assert folder == checkout / "_build" / "executed" / "custom"  # not in the place of the book's copies


def test_list_and_status(checkout, dynloss):
    code, out, _ = dynloss("list")
    assert code == 2  # nothing is there
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["fig01_bad", "quick"], ["fig01_bad", "paper"], ["fig02_good", "quick"], ["fig02_good", "smoke"],
    ]  # fmt: skip
    code, out, _ = dynloss("status", "--profile", "smoke")
    assert code == 0
    assert out.count("not run") == 2


def test_help_is_quick():
    slow = {"jax", "xarray", "papermill", "nbformat", "yaml", "numpy", "matplotlib"}
    code = f"import sys, dynloss_book.engine.cli; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_failure_does_not_stop_the_others(checkout, dynloss, tmp_path):
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in (checkout / "notebooks").iterdir()}
    code, out, err = dynloss("run", "--all", "--out", str(tmp_path / "out"))
    assert (code, out) == (1, "")
    lines = [line for line in err.splitlines() if line.startswith("dynloss: ")]
    assert lines[0].startswith("dynloss: fig01_bad failed after ")
    assert f"cell 3: ValueError: amplitude=70.0 is too much (partial copy: {tmp_path}/out/fig01_bad.ipynb)" in lines[0]
    assert lines[1:] == ["dynloss: 1 of 2 notebooks failed"]
    good = json.loads((tmp_path / "out" / "fig02_good.ipynb").read_text())
    assert good["metadata"]["dynloss"]["complete"] is True
    assert "so far so good" in (tmp_path / "out" / "fig01_bad.ipynb").read_text()
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in (checkout / "notebooks").iterdir()} == before


def test_no_time_and_an_empty_archive_is_one_line_that_says_what_to_do(tmp_path, monkeypatch, dynloss):
    point = "def point(x, seed):\n    return {'y': x + seed}"
    call = "sweeps.run('fig01', point, axes={'x': [1, 2]}, seeds=[0], vectorize=False, minutes=minutes)"
    code = f"from dynloss_book.engine import sweeps\n\n{point}\n\n{call}"
    sweep = notebook(code, parameters='minutes: "Optional[float]" = None')
    root = small_site.enter(monkeypatch, tmp_path / "checkout", "fig01: {quick: {}}", fig01=sweep)
    code, out, err = dynloss("run", "fig01", "-p", "minutes", "0")
    assert (code, out) == (1, "")
    started, failed, number = err.splitlines()
    assert "started" in started and number == "dynloss: 1 of 1 notebooks failed"
    assert failed.startswith("dynloss: fig01 failed after ")
    assert "holds no point of this sweep" in failed and "give it time: -p minutes 10" in failed
    assert not (root / "results" / "fig01").exists()
    assert dynloss("run", "fig01", "-p", "minutes", "none")[0] == 0  # as the line says
    assert dynloss("run", "fig01", "-p", "minutes", "0")[0] == 0  # now there is something to show


def test_no_book_from_a_failed_notebook(checkout, dynloss):
    code, out, err = dynloss("book")
    assert (code, out) == (1, "")
    assert "fig01_bad failed" in err
    assert not (checkout / "_build" / "html").exists()
    code, out, err = dynloss("book", "--no-run")
    assert (code, out) == (1, "")
    assert "fig01_bad [quick]: cell" in err
    assert err.endswith("dynloss: no book was published\n")
    assert {path.name for path in (checkout / "_build").iterdir()} == {"executed", "results"}


def test_the_last_line_is_the_first_page(checkout, dynloss, monkeypatch):
    from dynloss_book.engine.runner import book

    monkeypatch.setattr(book, "build", lambda root, figures, profile: root / "_build" / "html" / "index.html")
    code, out, _ = dynloss("book", "--no-run")
    assert (code, out) == (0, f"{checkout}/_build/html/index.html\n")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGKILL", -signal.SIGKILL)])
def test_interrupted_in_the_middle(checkout, name, code):
    """What was finished stays, what was not is kept but unfit for the book, and no kernel is left behind."""
    marker = checkout / "running"
    wait = f"import os, time\nopen({str(marker)!r}, 'w').write(str(os.getpid()))\ntime.sleep(120)"
    (checkout / "notebooks" / "fig01_bad.ipynb").write_text(json.dumps(notebook("print('begun')", wait)))
    process = subprocess.Popen([*COMMAND, "run", "fig02", "fig01"], stderr=subprocess.PIPE, text=True)
    while not (marker.exists() and marker.read_text()):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    executed = checkout / "_build" / "executed" / "quick"
    assert json.loads((executed / "fig02_good.ipynb").read_text())["metadata"]["dynloss"]["complete"] is True
    partial = json.loads((executed / "fig01_bad.ipynb").read_text())
    assert not partial["metadata"].get("dynloss", {}).get("complete")
    assert "begun" in json.dumps(partial)
    if name == "SIGINT":
        assert err.splitlines()[-1].startswith("dynloss: fig01_bad: interrupted; what was done is kept in ")
    assert small_site.gone(int(marker.read_text()), within=20)  # a kernel looks for its parent about once a second


def test_doctor_and_the_gpu(dynloss, monkeypatch):
    from dynloss_book.engine.runner import doctor

    code, out, err = dynloss("doctor")
    assert (code, err) == (0, "")
    assert "canary    well" in out
    for found, expected in ((True, (0, "")), (False, (1, "dynloss: no GPU: JAX does not compute on one here\n"))):
        monkeypatch.setattr(doctor, "has_gpu", lambda found=found: found)
        code, _, err = dynloss("doctor", "--require-gpu")
        assert (code, err) == expected
    monkeypatch.setattr(doctor, "canary", lambda: 7)
    assert dynloss("doctor")[0] == 1


def test_a_missing_library_is_named(checkout, dynloss, monkeypatch):
    monkeypatch.setitem(sys.modules, "papermill", None)
    code, out, err = dynloss("run", "fig02")
    assert (code, out) == (1, "")
    assert "papermill" in err and "`dynloss doctor` tells what is missing and how to get it" in err


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "gbk", "ascii", "utf-8"])
def test_output_can_be_read_in_every_encoding(encoding):
    """It ended with exit code 1, which means that a verdict no longer follows."""
    said = "import sys; from dynloss_book.engine import cli; cli.main(['--help'])"
    code = "import click; from dynloss_book.engine import cli; cli.cli.commands['list'].callback = "
    code += "lambda: click.echo('✓ η ± 1 ✗ 漢'); cli.main(['list'])"
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    for each in (said, code):
        ended = subprocess.run([sys.executable, "-c", each], env=environment, capture_output=True)
        assert ended.returncode == 0, ended.stderr
    words = ended.stdout.decode("utf-8" if encoding == "ascii" else encoding)  # click knows better than ASCII
    assert words.startswith(("✓", r"\u2713")) and words.rstrip().endswith(("漢", r"\u6f22"))


def test_a_fault_has_an_exit_code_of_its_own(dynloss, monkeypatch):
    monkeypatch.setattr(cli.cli.commands["list"], "callback", lambda: 1 / 0)
    code, _, said = dynloss("list")
    assert code == 70 and "ZeroDivisionError" in said and "a fault of dynloss itself" in said


def test_a_file_that_cannot_be_written_is_one_line_and_no_verdict(dynloss, monkeypatch):
    def full():
        raise OSError(28, "No space left on device", "x.nc")

    monkeypatch.setattr(cli.cli.commands["list"], "callback", full)
    code, _, said = dynloss("list")
    assert code == 74 and said.count("\n") == 1 and "No space left on device: 'x.nc'" in said


def test_paths_are_made_absolute_where_they_enter(dynloss, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("DYNLOSS_CIFAR10", "DYNLOSS_RESULTS"):
        monkeypatch.setenv(name, "data")
    dynloss("--version")
    assert os.environ["DYNLOSS_CIFAR10"] == os.environ["DYNLOSS_RESULTS"] == str(tmp_path / "data")


def test_an_old_name_of_a_parameter_is_taken_for_the_new_with_a_warning(checkout, dynloss):
    (checkout / "notebooks" / "renamed.yml").write_text("parameters: {fig02_good: {length: steps}}")
    (checkout / "notebooks" / "campaign.yml").write_text(
        "campaign: [{notebook: fig02_good, profile: quick, devices: [CPU], why: w, parameters: {length: 7}}]"
    )
    path = checkout / "notebooks" / "profiles.yml"
    path.write_text(path.read_text().replace("steps:", "length:"))
    code, _, said = dynloss("run", "fig02", "--profile", "huge", "-p", "length", "5")
    assert code == 2 and "dynloss: profiles.yml: fig02_good, smoke: length is now called steps" in said
    figure = profiles.load(checkout)["fig02_good"]
    assert figure.profiles["smoke"].parameters["steps"] == profiles.values(figure, "smoke")["steps"]
    assert profiles.values(figure, "smoke", [("length", "5")])["steps"] == 5
    (item,) = campaign.load(checkout, {"fig02_good": figure})
    assert item.values["steps"] == 7
    with pytest.raises(profiles.UsageError, match="fig02_good: steps is given twice, once by its old name"):
        profiles.values(figure, "smoke", [("length", "5"), ("steps", "6")])
