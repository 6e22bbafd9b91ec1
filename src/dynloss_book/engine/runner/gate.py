"""The gate: no page is built from a notebook that failed, is incomplete, does not match its source, or runs scripts.

papermill leaves a partial copy of a notebook that failed, and Jupyter Book builds a green page from it, traceback and
all. So each copy is judged here, from what stands in it, before the book is built. What a copy shows comes from
results, which others may have made: it may hold text, pictures, tables and formulas, but nothing that runs, and it
names no file.
"""

import ast
import base64
import binascii
import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dynloss_book.engine import mime, untrusted
from dynloss_book.engine.runner import scripts
from dynloss_book.engine.runner.profiles import read_parameters

_TAGS = {"table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption", "colgroup", "col", "br", "small", "q", "div",
         "span", "p", "style", "details", "summary", "ul", "ol", "li", "strong", "em", "b", "i", "code", "pre", "sub",
         "sup", "hr"}  # fmt: skip
_ATTRIBUTES = {"class", "scope", "border", "rowspan", "colspan", "valign", "style", "scoped", "title"}
# In Markdown: roles, directives and substitutions of MyST, TeX that is more than a formula, and what leads to files.
_MEANING = re.compile(
    r"\{[^}\s`]*\}`|^\s*(?:`{3,}|~{3,}|:{3,})\s*\{|\{\{|\\(?:href|require|unicode|style|class|cssId|url|input)\b"
    r"|!\[|^\s*\[[^\]]*\]:|\]\((?!https?://|#|\w+\.(?:ipynb|html|md)\b)|\]\(\s*<|^---\s*$",
    re.M,
)
# In HTML: what browsers and our reader could read differently (comments, tags that do not end); styles that ask others.
_ELSEWHERE = re.compile(r"<[!?]|<[a-zA-Z/][^>]*\Z|@import|\burl\s*\(")


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
        return [
            *_run_problems(notebook),
            *_cell_problems(notebook),
            *_source_problems(notebook, original, source),
            *_output_problems(notebook),
            *_parameter_problems(_injected(notebook), defaults, parameters),
        ]
    except Exception as error:  # nbformat has its own kinds, and lets others through
        return [f"it is no valid notebook: {type(error).__name__}: {' '.join(str(error).split())[:200]}"]


def _read(path: Path) -> Any:
    import nbformat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cells without ids, which do no harm
        notebook = nbformat.reads(untrusted.text_of_json(path, untrusted.NOTEBOOK), as_version=4)
        nbformat.validate(notebook)
    return notebook


def _run_problems(notebook: Mapping[str, Any]) -> Iterator[str]:
    about = notebook["metadata"].get("dynloss", {})
    if not about.get("complete"):
        yield "its run did not end well"  # a kernel that died in the last cell leaves no other trace
    words = (about.get("commit"), about.get("profile"), notebook["metadata"].get("papermill", {}).get("end_time"))
    if not all(map(untrusted.is_plain, words)) or not isinstance(about.get("seconds"), int | float):
        yield "its metadata are not those of a run"


def _cell_problems(notebook: Mapping[str, Any]) -> Iterator[str]:
    for number, cell in [each for each in enumerate(notebook["cells"], 1) if each[1]["cell_type"] == "code"]:
        run = cell["metadata"].get("papermill", {})
        empty = not cell["source"].strip()
        if run.get("status") != "completed" or not run.get("end_time") or not (cell["execution_count"] or empty):
            yield f"cell {number} was not completed"
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                said = f"{output['ename']}: {output['evalue']}"
                yield f"cell {number} called sys.exit" if output["ename"] == "SystemExit" else f"cell {number}: {said}"
        drawn = any("image/png" in output.get("data", {}) for output in cell["outputs"])
        figure = "figure" in cell["metadata"].get("mystnb", {})
        # What shows a part of the archive has nothing to show where that is empty.
        if figure and not drawn and "from-archive" not in cell["metadata"].get("tags", []):
            yield f"cell {number} has drawn no figure"


def _source_problems(notebook: Mapping[str, Any], original: Mapping[str, Any], source: Path) -> Iterator[str]:
    if notebook["metadata"].get("dynloss", {}).get("source") != source_hash(source):
        yield "its source has changed since it was executed"
    elif _text(notebook) != _text(original) or _own(notebook["metadata"]) != _own(original["metadata"]):
        yield "its cells are not those of its source"


def source_hash(path: Path) -> str:
    """The hash of a notebook's file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def source_cells(notebook: Mapping[str, Any]) -> list[dict]:
    """The cells that are in the source, too: without those that papermill adds."""
    added = {"injected-parameters", "papermill-error-cell-tag"}
    return [cell for cell in notebook["cells"] if not added & set(cell["metadata"].get("tags", []))]


def _text(notebook: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """What each cell has from its source: its metadata say what its picture is called, and what of it is shown."""
    return [
        (cell["cell_type"], cell.get("id", ""), cell["source"], f"{_own(cell['metadata'])} {cell.get('attachments')}")
        for cell in source_cells(notebook)
    ]


def _own(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Without what papermill, the kernel and the runner add."""
    added = ("papermill", "execution", "dynloss", "kernelspec", "language_info")
    return {name: metadata[name] for name in sorted(metadata) if name not in added and metadata[name] != []}


def _output_problems(notebook: Mapping[str, Any]) -> Iterator[str]:
    """What no page of ours shows; see `untrusted`."""
    for number, cell in enumerate(notebook["cells"], 1):
        for output in cell.get("outputs", []):
            if output.get("metadata"):
                yield f"cell {number}: an output has metadata"
            for kind, shown in output.get("data", {}).items():
                if wrong := _shown(kind, shown):
                    yield f"cell {number}: {kind}: {untrusted.printable(wrong)}"


def _shown(kind: str, shown: Any) -> str:
    """What is wrong with an output; empty if nothing."""
    try:
        match kind:
            case "text/plain" | "text/html" | "text/markdown" if isinstance(shown, str):
                return _markup(kind, shown)
            case mime.FINDINGS:
                untrusted.check_findings(shown)
                return _markup("text/markdown", f"{shown['question']} {shown['summary']}")
            case mime.PROVENANCE:
                for record in shown if isinstance(shown, list) else [shown]:
                    untrusted.check_provenance(record, untrusted.PROVENANCE)
            case "image/png" | "application/pdf":
                beginning = base64.b64decode(shown, validate=False)[:4]
                return "" if beginning == (b"\x89PNG" if kind == "image/png" else b"%PDF") else "it is no such file"
            case _ if kind != mime.EXPLORE:
                return "no page shows such"
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        return str(error)
    return ""


def _markup(kind: str, text: str) -> str:
    found = _MEANING.search(text) if kind == "text/markdown" else None
    found = found or (_ELSEWHERE.search(text) if kind != "text/plain" else None)
    wrong = scripts.problems(text, _allowed) if kind != "text/plain" else []
    return f"it holds {found[0].strip()!r}" if found else "; ".join(wrong)


def _allowed(tag: str, attributes: Mapping[str, str]) -> bool:
    """Whether a tag may be in an output: tables and text, whose style asks for nothing from elsewhere."""
    return tag in _TAGS and set(attributes) <= _ATTRIBUTES and "\\" not in attributes.get("style", "")


def _parameter_problems(injected: Mapping, defaults: Mapping, wanted: Mapping) -> Iterator[str]:
    expected, found = ({**defaults, **given, "fresh": None} for given in (wanted, injected))
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name, "nothing") != expected.get(name, "nothing"):
            yield f"it ran with {name}={found.get(name)!r} instead of {expected.get(name)!r}"


def _injected(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The values in the cell that papermill added."""
    cells = [cell for cell in notebook["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])]
    code = ast.parse("\n".join(cell["source"] for cell in cells)).body
    return {ast.unparse(e.targets[0]): ast.literal_eval(e.value) for e in code if isinstance(e, ast.Assign)}
