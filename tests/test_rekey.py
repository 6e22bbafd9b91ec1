"""The script that renames archived results."""

import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine import archive, sweeps
from tools.rekey import rekey


def single(steps):
    return xr.Dataset({"x": ("step", np.arange(steps) / 3)})


def point(rate, seed, width):
    return {"value": rate * width + seed}


def better(learning_rate, seed, units):
    return {"value": learning_rate * units + seed}


def swept(figure, function, **constants):
    axis = "rate" if "width" in constants else "learning_rate"
    return sweeps.run(figure, function, axes={axis: [1, 2]}, seeds=range(2), constants=constants, vectorize=False,
                      progress=False, minutes=0 if function is better else None)  # fmt: skip


def test_renamed_results_are_found_by_their_new_names_with_the_same_numbers(results, monkeypatch):
    before, sweep = archive.fetch_or_compute("old", single, {"steps": 5}), swept("old", point, width=3)
    kept = archive.fetch_or_compute("other", single, {"steps": 5})
    names = {"rate": "learning_rate", "width": "units"}
    table = {"figures": {"old": "new"}, "functions": {"point": "better"}, "parameters": names, "only": ["old"]}
    moved = rekey(results, table)
    assert len(moved) == 3 and not (results / "old").exists()
    monkeypatch.setenv("DYNLOSS_ARCHIVE_ONLY", "1")
    assert archive.fetch_or_compute("new", single, {"steps": 5}).drop_attrs().identical(before.drop_attrs())
    assert archive.fetch_or_compute("other", single, {"steps": 5}).identical(kept.assign_attrs(origin="archived"))
    with pytest.raises(archive.NotArchived, match="stale"):  # found, and of other code: a keyword was renamed
        swept("new", better, units=3)
    monkeypatch.delenv("DYNLOSS_ARCHIVE_ONLY")
    with pytest.warns(archive.ArchiveWarning, match="STALE"):
        again = swept("new", better, units=3)
    np.testing.assert_array_equal(again.value.values, sweep.value.values)
    assert rekey(results, table) == {}


def test_two_results_never_meet(results):
    archive.fetch_or_compute("one", single, {"steps": 5})
    archive.fetch_or_compute("two", single, {"steps": 5})
    with pytest.raises(SystemExit, match="would have one name"):
        rekey(results, {"figures": {"one": "two"}})
    assert len(list(results.glob("*/*.nc"))) == 2
