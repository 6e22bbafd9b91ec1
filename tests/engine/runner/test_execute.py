"""Notebooks run as copies, with this Python, and what failed has failed."""

import contextlib
import errno
import hashlib
import io
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import small_site
from small_site import notebook

from dynloss import files
from dynloss_book.engine.runner import gate
from dynloss_book.engine.runner.execute import Progress, execute
from dynloss_book.engine.runner.profiles import load, values


@pytest.fixture
def run(tmp_path):
    """Execute a notebook with these cells; returns the outcome and the copy."""

    def run(*codes, overrides=(), folder="out", **options):
        root = small_site.make(tmp_path / "a {braced} folder", "fig: {quick: {}}", fig=notebook(*codes, **options))
        source = root / "notebooks" / "fig.ipynb"
        before = hashlib.sha256(source.read_bytes()).hexdigest()
        figure = load(root)["fig"]
        output = root / folder / "fig.ipynb"
        outcome = execute(figure, "quick", values(figure, "quick", overrides), output, io.StringIO())
        assert hashlib.sha256(source.read_bytes()).hexdigest() == before
        return outcome, json.loads(output.read_text())

    return run


def printed(copy):
    return "".join("".join(output.get("text", [])) for cell in copy["cells"] for output in cell.get("outputs", []))


def test_a_copy_with_its_parameters_and_record(run, monkeypatch, tmp_path):
    """Neither an exported backend nor another kernel named python3 gets in the way."""
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "x", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("DYNLOSS_RESULTS", "/here")
    asked = "import os, sys; print(sys.executable, os.getcwd(), amplitude, stop, *map(os.environ.get, {}))"
    asked = asked.format(["DYNLOSS_PROFILE", "DYNLOSS_RESULTS"])
    plotted = "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.show()"
    outcome, copy = run(asked, plotted, overrides=[("amplitude", "30"), ("stop", "5")])
    assert outcome.error == ""
    folder = tmp_path / "a {braced} folder" / "notebooks"
    assert printed(copy).split("\n")[0] == f"{sys.executable} {folder} 30.0 5 quick /here"
    assert "image/png" in copy["cells"][-1]["outputs"][-1]["data"]
    record = copy["metadata"]["dynloss"]
    assert record["complete"] is True
    assert record["seconds"] > 0
    assert (record["figure"], record["profile"]) == ("fig", "quick")


def test_a_progress_bar_leaves_its_last_state(run):
    bar = "import sys\nfor i in range(5):\n    print(f'\\r{i}/5', end='', file=sys.stderr, flush=True)"
    _, copy = run(bar)
    assert printed(copy) == "4/5"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (small_site.BAD, "cell 3: ValueError: amplitude=70.0 is too much"),
        ("import sys; sys.exit(0)", "cell 3: SystemExit: 0"),
        ("import sys; sys.exit(3)", "cell 3: SystemExit: 3"),
        ("import os; os._exit(0)", "cell 3: DeadKernelError: Kernel died (out of memory, or killed from outside?)"),
        ("this is no Python", "cell 3: SyntaxError: invalid syntax"),
    ],
)
def test_a_failure_names_the_cell_and_keeps_the_copy(run, tmp_path, code, said):
    outcome, copy = run(code, "print('not reached')")
    assert outcome.error.startswith(said)
    assert "not reached" not in printed(copy)
    assert copy["metadata"]["dynloss"]["complete"] is False
    source = tmp_path / "a {braced} folder" / "notebooks" / "fig.ipynb"
    assert gate.problems(outcome.path, source, {})


def test_a_kernel_that_dies_in_the_last_cell_has_failed(run, tmp_path):
    """papermill's own metadata show nothing of it."""
    outcome, _ = run("import os; os._exit(0)")
    assert "Kernel died" in outcome.error
    source = tmp_path / "a {braced} folder" / "notebooks" / "fig.ipynb"
    assert "its run did not end well" in gate.problems(outcome.path, source, {})


@pytest.mark.skipif(sys.platform == "win32", reason="files do not serve as sockets there")
def test_a_kernel_asks_for_no_port_that_may_be_taken(run):
    code = "from ipykernel.connect import get_connection_info\nprint(get_connection_info())"
    outcome, copy = run(code)
    assert outcome.error == ""
    said = json.loads(printed(copy))
    assert said["transport"] == "ipc" and not Path(said["ip"]).parent.exists()  # and it is cleared away


def test_cells_are_counted_as_in_the_source(run):
    outcome, _ = run("1", small_site.BAD, overrides=[("steps", "5")])
    assert outcome.error.startswith("cell 4: ValueError")


def test_an_old_copy_does_not_pass_for_a_new_one(run, tmp_path, monkeypatch):
    import papermill

    old = tmp_path / "a {braced} folder" / "out"

    def fails(*_, **__):
        assert not (old / "fig.ipynb").exists()
        (old / "fig.ipynb").write_text(json.dumps(notebook()))
        raise OSError("No space left on device")

    monkeypatch.setattr(papermill, "execute_notebook", fails)
    outcome, _ = run("1")
    assert outcome.error == "before the first cell: OSError: No space left on device"


def test_a_disk_without_room_for_the_copy_is_one_line_with_its_name(small_disk, tmp_path):
    root = small_site.make(tmp_path / "checkout", "fig: {quick: {}}", fig=notebook("print('done')"))
    output = root / "out" / "fig.ipynb"
    with small_disk():
        outcome = execute(load(root)["fig"], "quick", {}, output, io.StringIO())
    assert outcome.error == f"[Errno {errno.EFBIG}] File too large: '{output}'"
    assert list(output.parent.iterdir()) == []  # nothing is left of what was half written


def test_a_disk_that_is_full_for_a_while_stops_no_notebook(run, tmp_path, monkeypatch):
    """What the notebook has computed would be lost; the next cell tries again."""
    full, write = tmp_path / "full", files.write

    def limited(path, content):
        if full.exists():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(files, "write", limited)
    room = f"import pathlib; full = pathlib.Path({str(full)!r})"
    outcome, copy = run(f"{room}; full.touch(); print('first')", "print('second')", "full.unlink(); print('third')")
    assert outcome.error == "" and printed(copy) == "first\nsecond\nthird\n"
    assert copy["metadata"]["dynloss"]["complete"] is True


def test_a_copy_whose_last_cells_found_no_room_is_whole_and_unfit(run, tmp_path, monkeypatch):
    write = files.write

    def limited(path, content):
        if "second" in content:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(files, "write", limited)
    outcome, copy = run("print('first')", "print('sec' 'ond')")
    assert outcome.error == f"[Errno 28] No space left on device: '{outcome.path}'"
    assert printed(copy) == "first\n"
    source = tmp_path / "a {braced} folder" / "notebooks" / "fig.ipynb"
    assert gate.problems(outcome.path, source, {})


def test_a_folder_that_cannot_be_written_to_is_found_out_before_anything_starts(run, tmp_path):
    (tmp_path / "a {braced} folder").mkdir()
    (tmp_path / "a {braced} folder" / "out").touch()
    with pytest.raises(OSError, match=r"out/sub'$"):
        run("1", folder="out/sub")


def test_ctrl_c_keeps_the_partial_copy(run, tmp_path):
    marker = tmp_path / "running"

    def interrupt():
        while not marker.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt, match="fig: interrupted; what was done is kept in"):
        run("print('done')", f"import os, time\nopen({str(marker)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    copy = json.loads((tmp_path / "a {braced} folder" / "out" / "fig.ipynb").read_text())
    assert printed(copy) == "done\n"
    assert copy["metadata"]["dynloss"]["complete"] is False
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)  # no kernel is left behind


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal_is_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    with contextlib.closing(Progress("fig", 7, stream)) as progress:
        progress.cell_starts(None, 2)
        progress.write("\r 10%|#  |")
        progress.write("\r 20%|## |" + "x" * 100)
    frames = [frame for frame in stream.getvalue().split("\r") if frame.strip()]
    assert "\n" not in stream.getvalue()
    assert frames[-1].startswith("fig  cell 3/7  00:00, 20%|## |")
    assert max(map(len, frames)) <= 60


def test_progress_in_a_log_is_one_line():
    stream = io.StringIO()
    with contextlib.closing(Progress("fig", 7, stream)) as progress:
        progress.write("1\n2\n3\n")
    assert stream.getvalue() == "fig: started, 7 cells\n"
