"""A page made of an executed notebook: pictures at print size, data to explore, nothing private left."""

import base64
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pypdfium2
import pytest
import xarray as xr

from dynloss_book.engine import archive
from dynloss_book.engine.runner import gallery, page
from dynloss_book.plots.interactive import MIME


@pytest.fixture
def pdf():
    figure, ax = plt.subplots(figsize=(10, 4))
    ax.plot([1, 2], rasterized=True)
    written = io.BytesIO()
    figure.savefig(written, format="pdf")
    plt.close(figure)
    return written.getvalue()


def test_a_picture_gets_the_papers_width(pdf):
    before, after = (pypdfium2.PdfDocument(each)[0] for each in (pdf, page.at_width(pdf)))
    assert after.get_size() == pytest.approx([72 * 6.75, 72 * 2.7], abs=0.01)
    (large, *_), (small, *_) = ([each.get_bounds() for each in sheet.get_objects()] for sheet in (before, after))
    assert small == pytest.approx([0.675 * edge for edge in large], abs=0.01)


def notebook(*outputs):
    cell = {"cell_type": "code", "id": "c1", "metadata": {"tags": ["lead"], "mystnb": {"figure": {"name": "fig-x"}}}}
    title = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": "# Title"}
    shown = [{"output_type": "display_data", "metadata": {}, "data": data} for data in outputs]
    return {"metadata": {}, "cells": [title, cell | {"source": "plot()", "outputs": shown}]}


def test_data_to_explore_stand_under_the_picture(pdf, tmp_path):
    picture = {"image/png": "", "application/pdf": base64.b64encode(pdf).decode()}
    record = {"kind": "curves", "name": "</script>", "panels": []}
    made = page.arranged(notebook(picture, {"text/plain": "", MIME: record}), tmp_path, tmp_path)
    _, figure, explore, download, _ = made["cells"]
    assert [output["data"] for output in figure["outputs"]] == [{"image/png": ""}]
    assert '<script type="application/json">{"kind":"curves","name":"\\u003c/script>","panels":[]}' in explore["source"]
    assert explore["source"].startswith("```{raw} html\n<details") and " hidden>" in explore["source"]
    assert "fig-x.pdf" in download["source"] and "6.75 in" in download["source"]
    assert (tmp_path / "fig-x.pdf").read_bytes() == page.at_width(pdf)


def compute(width, steps):
    return xr.Dataset({"x": ("step", width * np.arange(steps))})


@pytest.fixture
def computed():
    return [archive.fetch_or_compute("fig01", compute, {"width": width, "steps": 3}) for width in (5, 20)]


def test_several_results_have_one_line_and_a_menu_of_their_data(computed, tmp_path):
    bundle = archive.provenance(*computed)._repr_mimebundle_()
    made = page.arranged(json.loads(json.dumps(notebook(bundle))), tmp_path, tmp_path)
    _, line, menu, _ = made["cells"]
    assert [*line["outputs"][0]["data"]] == ["text/plain", "text/markdown"]
    assert line["outputs"][0]["data"]["text/markdown"].startswith("Provenance of 2 results: computed in this run · ")
    first, *rows, last = menu["source"].splitlines()
    assert (first, last) == (":::{dropdown} Download: the data of these 2 results", ":::")
    for row, width, result in zip(rows, (5, 20), computed, strict=True):
        name = f"fig01-{Path(result.path).stem}"
        assert row.startswith(f"- width={width}: {{download}}`NetCDF, ")
        assert f"<data/{name}.nc>" in row and f"<data/{name}.csv.zip>" in row
        assert (tmp_path / f"{name}.nc").read_bytes() == Path(result.path).read_bytes()


def test_the_status_page_has_a_row_for_each_notebook(computed):
    records = list(archive.provenance(*computed).records)
    made = records[0]["versions"]["jax"]
    records[0] |= {"date": "2026-11-02 10:00:00 UTC", "commit": "c1, c2"}
    other = records[1] | {"stale": "losses", "origin": "archived", "device": f"H200, {records[0]['device']}"}
    other |= {"date": "2026-11-01 10:00:00 UTC", "commit": "c0"}
    entries = [gallery.Entry("fig01", "Figure 1: x", "quick", None, each, "")
               for each in (records, [records[0], other], [])]  # fmt: skip
    first, second, more, none = (line.split(" | ") for line in gallery.status(entries, "..").splitlines()[2:])
    assert first[0] == "| [Figure 1](../fig01)" and first[3] == made
    scale, device = records[0]["scale"] or "–", records[0]["device"]
    assert second == ["| [Figure 1](../fig01), **stale**: losses changed since", scale, device, made, "c2, c1 |"]
    assert more == ["| ", other["scale"] or "–", f"H200, {device}", made, "c0 |"]
    assert none == ["| [Figure 1](../fig01)", "–", "–", "–", "– |"]


def test_a_caption_for_colab_stands_only_once_on_the_page(pdf, tmp_path):
    given = notebook({"image/png": ""})
    below = {"cell_type": "markdown", "id": "c", "metadata": {"tags": ["caption"]}, "source": "**Figure.** It shows."}
    made = page.arranged(given | {"cells": [*given["cells"], below]}, tmp_path, tmp_path)
    assert [cell["id"] for cell in made["cells"]] == ["t", "c1", "how-it-is-computed"]


def test_links_to_the_published_book_lead_within_the_book(tmp_path):
    """`make sync` makes them absolute, for Colab; the page has what the .py has."""
    site = "https://someone.github.io/tilted"
    text = f"[a]({site}/notebooks/fig04.html#x), [b]({site}/book/theory.html), [c](https://a.github.io/b.html)"
    cells = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": text.splitlines(keepends=True)}]
    (cell,) = page.arranged({"cells": cells, "metadata": {}}, tmp_path, tmp_path)["cells"]
    assert cell["source"] == "[a](fig04.ipynb#x), [b](../book/theory.md), [c](https://a.github.io/b.html)"
