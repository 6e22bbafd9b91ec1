"""Runs notebooks through papermill: copies, never the sources, with this Python; and what failed has failed."""

import json
import logging
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from dynloss import files
from dynloss_book.engine.policy import Policy
from dynloss_book.engine.provenance import commit
from dynloss_book.engine.runner import gate, tables
from dynloss_book.engine.runner.profiles import Figure, UsageError


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        error: empty, or one line that names the cell.
        raised: the class of the error that the cell raised; empty if none did.
        stale: which results are shown although their code has changed since, and what of it; empty if none are.
    """

    figure: str
    profile: str
    path: Path
    seconds: float
    error: str
    raised: str
    stale: str = ""


class Copy:
    """The executed copy of a notebook, as papermill writes it after each cell: on the disk it is whole at any moment.

    Where it cannot be written, the notebook goes on, and the next cell tries again.

    Attributes:
        trouble: why the file is not as the notebook is; empty if it is.
    """

    def __init__(self, path: Path):
        self.path, self.trouble, self._content = path, "", '{"cells": []}'

    @property
    def notebook(self) -> dict[str, Any]:
        """The notebook as it was written last, or should have been."""
        return json.loads(self._content)

    def write(self, content: str, path: object = None) -> None:
        """papermill's hook."""
        self._content, self.trouble = content, ""
        try:
            files.write(self.path, content)
        except OSError as error:
            self.trouble = str(error)

    def pretty_path(self, path: str) -> str:
        """papermill's hook."""
        return path

    def annotate(self, record: Mapping[str, Any]) -> None:
        """Write the `dynloss` entry of the metadata, if there is a notebook."""
        if (notebook := self.notebook)["cells"]:
            notebook["metadata"]["dynloss"] = dict(record)
            self.write(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


class Progress:
    """A bar for a notebook: its cells, the time, and the last thing that it said (a bar of its own, as a rule).

    In a log only the beginning is written.
    """

    def __init__(self, name: str, cells: int, stream: TextIO):
        line = "{desc}  cell {n_fmt}/{total_fmt}  {elapsed}{postfix}"
        width = shutil.get_terminal_size().columns - 1
        self._bar = tqdm(total=cells, desc=name, file=stream, disable=None, leave=False, ncols=width, bar_format=line)
        self.close = self._bar.close
        if self._bar.disable:
            print(f"{name}: started, {cells} cells", file=stream, flush=True)

    def cell_starts(self, cell: Any, cell_index: int) -> None:
        """papermill's hook."""
        self._bar.set_postfix_str("", refresh=False)
        self._bar.update(cell_index + 1 - self._bar.n)

    def write(self, text: str) -> None:
        """What the notebook writes to its stdout and stderr."""
        if lines := text.replace("\r", "\n").strip().splitlines():
            self._bar.set_postfix_str(lines[-1].strip())

    def flush(self) -> None:
        """Nothing is held back."""


def execute(
    figure: Figure,
    profile: str,
    parameters: Mapping[str, Any],
    output: Path,
    stream: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run one notebook with these parameters into `output`, a copy that is kept whether or not the run succeeds.

    The copy's metadata say under `dynloss` which profile, source and commit it is of, and whether it is complete.

    Args:
        figure: the notebook.
        profile: the name under which it runs.
        parameters: in place of those in its parameters cell; others keep their defaults.
        output: the file of the copy.
        stream: for the progress, by default stderr.
        environment: further variables of the notebook's process; see `engine.policy` for those that it reads.

    Raises:
        KeyboardInterrupt: Ctrl-C; says in which notebook, and where the partial copy is.
        OSError: there can be no copy; before anything starts.
    """
    import papermill
    from papermill.iorw import papermill_io

    from dynloss_book.engine.runner import kernels

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it does not see `x: float | None`, and warns
    cells = len(json.loads(figure.path.read_text("utf-8"))["cells"]) + bool(parameters)
    record = {"figure": figure.stem, "profile": profile, "source": gate.source_hash(figure.path), "commit": commit()}
    files.check_writable(output.parent)
    output.unlink(missing_ok=True)  # what an earlier run left must not pass for this one's
    papermill_io.register(str(output.absolute()), copy := Copy(output))
    variables = Policy(profile=profile).as_environment() | dict(environment or {})
    started, error = time.monotonic(), ""
    progress = Progress(f"{figure.stem} [{profile}]", cells, stream or sys.stderr)
    with kernels.folder_of_sockets() as sockets, closing(progress):
        try:
            papermill.execute_notebook(
                _literal(figure.path),
                _literal(output),
                parameters=dict(parameters),
                kernel_name="python3",
                language="python",
                kernel_manager_class=kernels.manager(variables, figure.path.parent, sockets),
                shutdown_kernel="immediate",
                progress_bar=False,
                coalesce_streams=True,  # of a progress bar, its last state
                on_cell_start=progress.cell_starts,
                stdout_file=progress,
                stderr_file=progress,
            )
        except KeyboardInterrupt:
            kernels.kill_all()  # also one that was just starting: Python waits for it when we end
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # the kernel's client was cut off, which is no news
            copy.annotate(record | {"complete": False})
            kept = copy.trouble or f"what was done is kept in {output}"
            raise KeyboardInterrupt(f"{figure.stem}: interrupted; {kept}") from None
        except Exception as reason:  # a cell's error, a kernel that died or did not start, a full disk
            hint = " (out of memory, or killed from outside?)" if "DeadKernel" in type(reason).__name__ else ""
            error = f"{type(reason).__name__}: {' '.join(str(reason).split())}{hint}"
    seconds = round(time.monotonic() - started, 1)
    notebook = copy.notebook
    raised, error = _ended(notebook, error)
    copy.annotate(record | {"complete": not error, "seconds": seconds})
    error, stale = error or copy.trouble or _not_kept(notebook), "" if error else _stale(notebook)
    return Outcome(figure.stem, profile, output, seconds, error, raised, stale)


def check_synced(figure: Figure) -> None:
    """Raise ``UsageError`` if the code of a notebook is not that of the percent script beside it, its source."""
    import jupytext

    source = figure.path.with_suffix(".py")
    if not source.is_file():
        return
    written = [cell.source for cell in jupytext.read(source).cells if cell.cell_type == "code"]
    if written != ["".join(cell["source"]) for cell in tables.code_cells(figure.path)]:
        raise UsageError(f"{figure.path.name} was not made of {source.name} as it is now: make sync makes it anew")


def _ended(notebook: Mapping[str, Any], error: str) -> tuple[str, str]:
    """The class of the error that a cell raised, if one did; and what went wrong and where: that, or else this one.

    `sys.exit(0)`, which papermill lets pass, is an error too.
    """
    place = "before the first cell"
    for number, cell in enumerate(gate.source_cells(notebook), 1):
        if cell["metadata"].get("papermill", {}).get("start_time"):
            place = f"cell {number}"
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                said = " ".join(f"{output['ename']}: {output['evalue']}".split())
                return output["ename"], f"{place}: {said}"
    return "", f"{place}: {error}" if error else ""


def _not_kept(notebook: Mapping[str, Any]) -> str:
    """Which results were computed but could not be kept, in words; empty if none."""
    lost = dict.fromkeys(record["figure"] for record in tables.provenances(notebook) if not record["path"])
    return f"results of {', '.join(lost)} were computed, but could not be kept; the copy says why" if lost else ""


def _stale(notebook: Mapping[str, Any]) -> str:
    """Which results are shown although their code has changed since, in words; empty if none."""
    changed = {record["figure"]: record["stale"] for record in tables.provenances(notebook) if record["stale"]}
    return "; ".join(f"{figure} ({parts} changed)" for figure, parts in changed.items())


def _literal(path: Path) -> str:
    """papermill reads {braces} in paths as fields to fill in."""
    return str(path.absolute()).replace("{", "{{").replace("}", "}}")
