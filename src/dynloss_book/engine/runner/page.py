"""From an executed notebook to a page of the book: answer and picture first, code folded, data to take along.

A notebook reads from top to bottom: parameters, physics, picture. A page shows the cells tagged `lead` right after the
title, and then how they came about. Its code is folded, but for the cell tagged `physics`.
"""

import base64
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dynloss import files
from dynloss_book.engine import archive, untrusted
from dynloss_book.engine.mime import EXPLORE, FINDINGS, PROVENANCE
from dynloss_book.engine.runner import tables
from dynloss_book.engine.sweeps.overview import gathered

WIDTH = 6.75  # inches, of the paper's two columns: so wide ours are laid beside its own
LEAD, PHYSICS = "lead", "physics"
CAPTION = "caption"  # for Colab and Jupyter; on a page the figure itself has it
HEADING = "## How it is computed\n\n[The glossary](../book/glossary.md) lists the symbols."
EXPLORABLE = """```{raw} html
<details class="dynloss-explore" hidden><summary>Explore this picture: values under the pointer, zoom</summary>
<div></div>
<script type="application/json">RECORD</script></details>
<script defer src="../_static/explore.js"></script>
```"""
# `make sync` leads links to other pages to the published book, for Colab; on a page they lead there within the book.
PUBLISHED = re.compile(r"\]\(https://[\w.-]+\.github\.io/[\w.-]+/(notebooks|book)/([\w-]+)\.html(#[\w-]+)?\)")
MISSING = re.compile(r"<td>(&lt;NA&gt;|NaN|nan|None)</td>")  # as pandas shows a value that is not there

Cell = dict[str, Any]


def arranged(notebook: Mapping[str, Any], folder: Path, data: Path) -> dict[str, Any]:
    """The page of an executed notebook.

    Args:
        notebook: as JSON.
        folder: where it ran, from which the paths of its results count.
        data: the folder beside the page for what readers may download; filled here.
    """
    cells = [
        each
        for cell in _led(notebook["cells"])
        for each in (_folded(cell), *_explorable(cell), *_downloads(cell, folder, data))
    ]
    run, private = notebook["metadata"].get("papermill", {}), ("input_path", "output_path")  # paths on this machine
    metadata = {**notebook["metadata"], "papermill": {name: run[name] for name in run if name not in private}}
    return {**notebook, "metadata": metadata, "cells": [_tidy(cell) for cell in cells]}


def findings(notebook: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the notebook found, the record of `findings.Answer`; None where it says nothing.

    Raises:
        ValueError: it is no such record.
    """
    found = next(iter(tables.records_of(notebook["cells"], FINDINGS)), None)
    if found is not None:
        untrusted.check_findings(found)
    return found


def picture(notebook: Mapping[str, Any]) -> tuple[bytes, str] | None:
    """The first picture of the page, as PNG, and its text for those who cannot see it."""
    pictures = (
        (base64.b64decode(found), cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", ""))
        for cell in _led(notebook["cells"])
        for found in tables.records_of([cell], "image/png")
    )
    return next(pictures, None)


def heading(notebook: Mapping[str, Any]) -> str:
    """The page's title."""
    lines = "".join(notebook["cells"][0]["source"]).splitlines()
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), "")


def apart(records: list[dict[str, Any]]) -> list[str]:
    """What sets each of several results apart from the others, in Markdown: plain parameters that not all have alike.

    >>> apart([{"parameters": {"width": 100, "steps": 5}}, {"parameters": {"width": 9, "steps": 5, "stops": False}}])
    ['width=100', 'width=9, stops=False']
    """
    said = [
        [f"{name}={value}" for name, value in record["parameters"].items() if not isinstance(value, list | dict)]
        for record in records
    ]
    differing = [[word for word in words if not all(word in others for others in said)] for words in said]
    return [untrusted.as_markdown(", ".join(words)) for words in differing]


def _led(cells: list[Cell]) -> list[Cell]:
    """The title, the leading cells, and then the others."""
    cells = [cell for cell in cells if CAPTION not in tables.tags(cell)]
    lead = [cell for cell in cells if LEAD in tables.tags(cell)]
    if not lead:
        return cells
    title, *others = [cell for cell in cells if LEAD not in tables.tags(cell)]
    return [title, *lead, _markdown("how-it-is-computed", HEADING), *others]


def _folded(cell: Cell) -> Cell:
    if cell["cell_type"] != "code" or PHYSICS in tables.tags(cell):
        return cell
    # What leads is read for what it says; the picture's code is there to open.
    hidden = ["remove-input"] if LEAD in tables.tags(cell) and not _is_figure(cell) else ["hide-input"]
    made_of = tables.records_of([cell], PROVENANCE)
    if made_of and not any(record["stale"] for record in made_of):
        hidden = ["remove-input", "hide-output"]
        prompts = {f"code_prompt_{do}": "Provenance" for do in ("show", "hide")}
        cell = {**cell, "metadata": {**cell["metadata"], "mystnb": prompts}}
    return {**cell, "metadata": {**cell["metadata"], "tags": [*dict.fromkeys([*tables.tags(cell), *hidden])]}}


def _explorable(cell: Cell) -> Iterator[Cell]:
    """After a picture its data for the book's script, which opens them; without the script nothing is seen of them."""
    for number, record in enumerate(tables.records_of([cell], EXPLORE)):
        content = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        yield _markdown(f"{cell.get('id', 'cell')}-explore-{number}", EXPLORABLE.replace("RECORD", content))


def at_width(pdf: bytes) -> bytes:
    """A PDF of one page, scaled as a whole to the width of the paper's two columns: its type and lines with it."""
    from pypdf import PdfWriter

    writer, written = PdfWriter(clone_from=io.BytesIO(pdf)), io.BytesIO()
    writer.pages[0].scale_by(72 * WIDTH / float(writer.pages[0].mediabox.width))
    writer.write(written)
    return written.getvalue()


def _downloads(cell: Cell, folder: Path, data: Path) -> Iterator[Cell]:
    """After a picture its vector graphics, after a provenance its data."""
    identifier, links = cell.get("id", "cell"), []
    for number, pdf in enumerate(tables.records_of([cell], "application/pdf")):
        name = cell["metadata"].get("mystnb", {}).get("figure", {}).get("name", f"picture-{identifier}-{number}")
        path = data / f"{name}.pdf"
        files.write(path, at_width(base64.b64decode(pdf)))
        links.append((path.name, f"this picture as vector graphics, PDF of the paper's width ({WIDTH} in)"))
    made_of = [record for record in tables.records_of([cell], PROVENANCE) if record["path"]]
    there = [record for record in made_of if (folder / record["path"]).exists()]
    kept = {f"{record['figure']}-{Path(record['path']).stem}": record for record in there}
    records = list(kept.values())
    lines = [linked(links)] * bool(links)
    for words, (name, record) in zip(apart(records), kept.items(), strict=True):
        both = dict.fromkeys(folder / each for each in (record["path"], record.get("published")) if each)
        lines.append(f"- {words or record['figure']}: {linked(_written(list(both), data, name))}")
    if lines:
        several = f"the data of these {len(records)} results" if len(records) > 1 else "the data"
        what = "the picture" if links else several
        yield _markdown(f"{identifier}-download", "\n".join([f":::{{dropdown}} Download: {what}", *lines, ":::"]))


def linked(links: list[tuple[str, str]]) -> str:
    """Downloads, in Markdown."""
    return " · ".join(f"{{download}}`{what} <data/{name}>`" for name, what in links)


def _written(sources: list[Path], data: Path, name: str) -> list[tuple[str, str]]:
    """NetCDF, and the same as CSV, as links; a sweep is a folder of files, or two, of which readers get one."""
    netcdf, csv = data / f"{name}.nc", data / f"{name}.csv.zip"
    if not netcdf.exists():
        single = sources[0].is_file()
        content = sources[0].read_bytes() if single else archive.encode(gathered(*sources))
        dataset = archive.read(sources[0]) if single else archive.decode(content)
        files.write(csv, as_csv(dataset))
        files.write(netcdf, content)  # the last one, as another page may be at the same
    kinds = ((netcdf, "NetCDF"), (csv, "CSV"))
    return [(path.name, f"{what}, {path.stat().st_size / 1e6:.2g} MB") for path, what in kinds]


def as_csv(dataset: Any) -> bytes:
    """A zip of one table for each set of dimensions: their coordinates, and the variables over them."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for dims in dict.fromkeys(variable.dims for variable in dataset.data_vars.values()):
            part = dataset[[name for name, variable in dataset.data_vars.items() if variable.dims == dims]]
            table = part.to_dataframe() if dims else part.to_pandas().to_frame("value")
            entry = zipfile.ZipInfo(f"{'_'.join(dims) or 'scalars'}.csv")  # of no date: the same data, the same bytes
            file.writestr(entry, table.dropna(how="all").to_csv(float_format="%.7g"), zipfile.ZIP_DEFLATED)
    return written.getvalue()


def _within(link: re.Match[str]) -> str:
    return f"]({f'../book/{link[2]}.md' if link[1] == 'book' else f'{link[2]}.ipynb'}{link[3] or ''})"


def _tidy(cell: Cell) -> Cell:
    """The cell with links within the book, and without records, which are outputs unknown to it."""
    if cell["cell_type"] == "markdown":
        return {**cell, "source": PUBLISHED.sub(_within, "".join(cell["source"]))}
    if not cell.get("outputs"):
        return cell

    def shown(mime: str, content: Any) -> Any:
        return MISSING.sub("<td>–</td>", "".join(content)) if mime == "text/html" else content

    private = {PROVENANCE, FINDINGS, "application/pdf"}
    outputs = [
        {**each, "data": {mime: shown(mime, content) for mime, content in each["data"].items() if mime not in private}}
        if "data" in each
        else each
        for each in cell["outputs"]
        if EXPLORE not in each.get("data", {})
    ]
    return {**cell, "outputs": outputs}


def _is_figure(cell: Cell) -> bool:
    return "figure" in cell["metadata"].get("mystnb", {})


def _markdown(identifier: str, text: str) -> Cell:
    return {"cell_type": "markdown", "id": identifier[-64:], "metadata": {}, "source": text}
