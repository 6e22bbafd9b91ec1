"""The gate: no page is built from a notebook that failed, is incomplete, or does not match its source.

papermill leaves a partial copy of a notebook that failed, and Jupyter Book builds a green page from it, traceback and
all. So each copy is judged here, from what stands in it, before the book is built.
"""

import ast
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dynloss_book.engine.runner.execute import source_cells, source_hash
from dynloss_book.engine.runner.profiles import UsageError, read_parameters


def problems(executed: Path, source: Path, parameters: Mapping[str, Any]) -> list[str]:
    """What is wrong with an executed copy; an empty list if nothing is.

    Args:
        executed: the copy.
        source: the notebook it should be a run of, as it is now.
        parameters: the values it should have been run with; `fresh` does not count, nor do the notebook's own defaults.
    """
    if not executed.is_file():
        return ["it was not executed"]
    try:
        notebook, original = _read(executed), _read(source)
        defaults = {name: parameter.default for name, parameter in read_parameters(source).items()}
        injected = _injected(notebook)
    except (ValueError, SyntaxError, OSError, UsageError) as error:
        return [f"it is no valid notebook: {' '.join(str(error).split())[:200]}"]
    return [
        *_run_problems(notebook),
        *_cell_problems(notebook),
        *_source_problems(notebook, original, source),
        *_parameter_problems(notebook, injected, defaults, parameters),
    ]


def _read(path: Path) -> Any:
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells without ids, which do no harm
            notebook = nbformat.reads(path.read_text("utf-8"), as_version=4)
            nbformat.validate(notebook)
        return notebook
    except Exception as error:  # nbformat has its own kinds, and lets others through
        raise ValueError(f"{path.name}: {type(error).__name__}: {error}") from error


def _run_problems(notebook: Mapping[str, Any]) -> Iterator[str]:
    run = notebook["metadata"].get("papermill", {})
    if run.get("exception"):
        yield "its metadata record an exception"
    if not run.get("end_time"):
        yield "it has no end time"
    if not notebook["metadata"].get("dynloss", {}).get("complete"):
        yield "its run did not end well"  # a kernel that died in the last cell leaves no other trace


def _cell_problems(notebook: Mapping[str, Any]) -> Iterator[str]:
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] != "code":
            continue
        run = cell["metadata"].get("papermill", {})
        empty = not cell["source"].strip()
        if run.get("status") != "completed" or not run.get("end_time") or not (cell["execution_count"] or empty):
            yield f"cell {number} was not completed"
        if run.get("exception"):
            yield f"cell {number} raised an exception"
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                said = f"{output['ename']}: {output['evalue']}"
                yield f"cell {number} called sys.exit" if output["ename"] == "SystemExit" else f"cell {number}: {said}"
        drawn = any("image/png" in output.get("data", {}) for output in cell["outputs"])
        if _has_figure(cell) and not drawn:
            yield f"cell {number} has drawn no figure"


def _has_figure(cell: Mapping[str, Any]) -> bool:
    """What shows a part of the archive has nothing to show where that is empty."""
    about = cell["metadata"]
    return "figure" in about.get("mystnb", {}) and "from-archive" not in about.get("tags", [])


def _source_problems(notebook: Mapping[str, Any], original: Mapping[str, Any], source: Path) -> Iterator[str]:
    if notebook["metadata"].get("dynloss", {}).get("source") != source_hash(source):
        yield "its source has changed since it was executed"
    elif _text(notebook) != _text(original):
        yield "its cells are not those of its source"


def _text(notebook: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(cell["cell_type"], cell["source"]) for cell in source_cells(notebook)]


def _parameter_problems(notebook: Mapping, injected: Mapping, defaults: Mapping, wanted: Mapping) -> Iterator[str]:
    recorded = notebook["metadata"].get("papermill", {}).get("parameters", {})
    expected = {**defaults, **wanted, "fresh": None}
    for given, where in ((recorded, "its metadata say"), (injected, "it ran with")):
        found = {**defaults, **given, "fresh": None}
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name, "nothing") != expected.get(name, "nothing"):
                yield f"{where} {name}={found.get(name)!r} instead of {expected.get(name)!r}"


def _injected(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the cell that papermill added."""
    found: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            for statement in ast.parse(cell["source"]).body:
                if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                    found[statement.targets[0].id] = ast.literal_eval(statement.value)
    return found
