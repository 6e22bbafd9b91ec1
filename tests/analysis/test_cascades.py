"""Cascades are read where they are."""

import numpy as np
import pytest
import xarray as xr

from dynloss_book.analysis import cascades, hooks


def bouncing_run(steps=400, start=200, end=260, width=0.05):
    """A loss that alternates between two values for a while, and λ₁ that rises to it and falls after."""
    step = np.arange(steps)
    loss = 1 - step / 1000 + np.where((step >= start) & (step <= end), width * (-1.0) ** step, 0)
    curvature = np.interp(step, [0, start, end, steps], [1, 3, 3, 1])
    eigenvalues = np.stack([curvature, curvature - 0.5, curvature - 1.5], axis=1)
    data = {"loss": ("step", loss), "hessian_eigenvalues": (("step", "rank"), eigenvalues)}
    return xr.Dataset(data, coords={"step": step}, attrs={"steps": steps})


def test_cascades_are_read_from_the_loss_alone():
    run = bouncing_run()
    (found,) = cascades.by_loss(run, period=100)
    assert abs(found.start - 200) <= 4 and abs(found.end - 260) <= 4
    assert 2.9 < found.curvature_at_start < 3.1
    assert cascades.by_loss(bouncing_run(width=0.0005), period=100) == []
    assert cascades.threshold(run, [found], 100) == pytest.approx(3.0, abs=0.1)
    assert np.isnan(cascades.threshold(run, [], 100)) and len(cascades.marks(run, [], 100)) == 0
    both = [found.curvature_at_start, found.curvature_at_end]
    assert cascades.marks(run, [found], 100).values.tolist() == both
    assert cascades.marks(run, [found._replace(end=run.attrs["steps"] - 1)], 100).values.tolist() == both[:1]


def test_crossings_come_in_order_and_no_cascade_gives_an_empty_table():
    run = bouncing_run()
    found = cascades.by_loss(run, period=100)
    row = cascades.crossings(run, found, 2.2, period=800).loc[1]
    assert row["first"] < row["second"] and row.isna()["third"]
    assert len(cascades.crossings(run, [], 2.2, 100)) == 0
    table = cascades.beside_the_edge(run, found, learning_rate=1.0)
    assert table.loc[1, "λ₁ exceeds 2/η"] == 101 and table.loc[1, "ηλ₁ before the start"] == pytest.approx(3, abs=0.1)
    assert len(cascades.beside_the_edge(run, [], 1.0)) == 0


def test_zoom_stays_in_the_run():
    found = cascades.by_loss(bouncing_run(), period=100)
    assert cascades.zoom(found, 7, 400, margin=50)[1] <= 399
    assert cascades.zoom(found, 1, 400, margin=10**6) == (0, 399)
    assert cascades.zoom([], 1, 400, margin=50) == (0, 399)


def test_the_glossary_gets_the_criteria_of_an_onset_from_the_code(tmp_path, monkeypatch):
    page = tmp_path / "glossary.md"
    page.write_text("before\n\n<!-- onsets -->\n", "utf-8")
    hooks.publish(tmp_path, "another page")
    assert "onsets" in page.read_text("utf-8")
    monkeypatch.setattr(cascades, "BOUNCE", 0.5)
    hooks.publish(tmp_path, page.read_text("utf-8"))
    table = page.read_text("utf-8")
    assert table.startswith("before\n\n| criterion |") and "<!--" not in table and len(table.splitlines()) == 10
    for threshold in ("| 0.1 or more", "| 0.1/η or more", "| 5 % of the edge", "3 times", " 0.5 nats", " 0.0001 "):
        assert threshold in table
