"""The archive: keys, freshness, and every way in which a disk can fail."""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine import archive
from dynloss_book.engine.archive import ArchiveError, ArchiveWarning, fetch_or_compute, key, provenance
from dynloss_book.engine.provenance import MIME, duration

PARAMETERS = {"steps": 5, "amplitude": 70.0, "stop": None}


def called(steps):
    """A list would be a value of this module, which counts; an attribute of a function does not."""
    called.steps.append(steps)


called.steps = []


def compute(steps, amplitude, stop):
    called(steps)
    noise = np.random.default_rng(0).normal(size=steps)
    return xr.Dataset(
        {"loss": ("step", noise, {"units": "1"}), "count": ("step", np.arange(steps)), "last": amplitude},
        coords={"step": np.arange(steps), "kind": "spiral"},
        attrs={"scale": "1 of 2 seeds"},
    )


def other_code(steps, amplitude, stop):
    return compute(steps, amplitude, stop) + 1


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    called.steps = []
    monkeypatch.setenv("DYNLOSS_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def fetch(function=compute, **options):
    return fetch_or_compute("fig", function, PARAMETERS, **options)


def only_file(results):
    (path,) = (results / "fig").iterdir()
    return path


# Keys


def test_key_ignores_order_and_the_kind_of_number():
    assert key("f", {"a": 1, "b": 2.0}) == key("f", {"b": 2, "a": 1.0})
    assert key("f", {"a": np.float64(0.1)}) == key("f", {"a": 0.1})
    assert key("f", {"a": np.int32(3)}) == key("f", {"a": 3})
    assert key("f", {"a": (1, 2)}) == key("f", {"a": [1.0, 2]})


@pytest.mark.parametrize("other", [{"a": 1.5}, {"a": True}, {"a": "1"}, {"a": None}, {"a": [1]}, {"b": 1}, {}])
def test_key_tells_values_apart(other):
    assert key("f", {"a": 1}) != key("f", other)
    assert key("f", other) != key("g", other)


def test_key_is_stored_in_the_names_of_archived_files():
    assert key("fig04", {"amplitude": 70.0, "steps": 70_000, "stop": None}) == "0933cc02631a2819"


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), np.nan, [1, float("nan")], np.zeros(2), object(), {1: 2}]
)
def test_key_refuses_what_has_no_canonical_form(value):
    with pytest.raises(ValueError, match=r"amplitude.*cannot be archived"):
        key("f", {"amplitude": value})


# The way of a result


def test_computed_once_then_read_and_identical():
    first, second = fetch(), fetch()
    assert called.steps == [5]
    assert (first.origin, second.origin) == ("computed", "archived")
    assert second.stale == ""
    xr.testing.assert_identical(first.drop_attrs(deep=False), second.drop_attrs(deep=False))
    np.testing.assert_array_equal(first.loss, np.random.default_rng(0).normal(size=5))
    assert first.loss.attrs == {"units": "1"}


def test_attributes_say_how_it_was_made():
    import jax

    attributes = fetch().attrs
    assert json.loads(attributes["parameters"]) == PARAMETERS
    assert json.loads(attributes["versions"])["jax"] == jax.__version__
    assert attributes["seconds"] >= 0
    assert all(attributes[name] for name in ("fingerprint", "sources", "device", "dtype", "seed", "commit", "date"))
    assert Path(attributes["path"]).is_file()


def test_other_parameters_are_another_result(results):
    fetch()
    fetch_or_compute("fig", compute, PARAMETERS | {"steps": 6})
    assert called.steps == [5, 6]
    assert len(list((results / "fig").iterdir())) == 2


def test_stale_is_returned_marked_and_warned_of():
    fetch()
    with pytest.warns(ArchiveWarning, match="fig of .* is STALE: compute.* changed since"):
        stale = fetch(other_code)
    assert called.steps == [5]
    assert "compute" in stale.stale
    assert "**STALE**" in provenance(stale)._repr_mimebundle_()["text/markdown"]


def test_fresh_computes_again_and_replaces():
    fetch()
    assert fetch(other_code, fresh=True).origin == "computed"
    again = fetch(other_code)
    assert (again.origin, again.stale) == ("archived", "")
    assert float(again["last"]) == 71.0


def test_records_list_what_is_there(results):
    assert archive.contents(figures=["fig"]).records == []
    fetch()
    (record,) = archive.contents(figures=["fig"]).records
    assert record["parameters"] == {"steps": 5, "amplitude": 70, "stop": None}
    assert record["path"] == str(results / "fig" / f"{key('fig', PARAMETERS)}.nc")


def unreadable(path, how):
    """Make a result's file one that cannot be read."""
    content = path.read_bytes()
    half = content[: len(content) // 2]
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how == "foreign":
        xr.Dataset({"x": 1.0}).to_netcdf(path, engine="h5netcdf")
    else:
        path.write_bytes({"empty": b"", "text": b"no", "half": half, "torn": half + bytes(len(half))}[how])


@pytest.mark.parametrize("how", ["empty", "text", "half", "torn", "foreign", "a folder"])
def test_what_cannot_be_read_is_named_with_the_reason(results, how):
    fetch()
    path = only_file(results)
    fetch_or_compute("fig", compute, PARAMETERS | {"steps": 6})
    unreadable(path, how)
    found = archive.contents(results, figures=["fig"])
    assert [record["parameters"]["steps"] for record in found.records] == [6]
    (error,) = found.unreadable
    assert str(error).startswith(f"{path} cannot be read (") and "\n" not in str(error)
    assert {"a folder": "Is a directory", "foreign": "no result of dynloss"}.get(how, "") in str(error)


def test_numbers_are_looked_at_where_a_verdict_hangs_on_them(results, monkeypatch):
    fetch()
    path, noise = only_file(results), np.random.default_rng(0).normal(size=5000)
    content = archive.encode(xr.Dataset({"loss": ("step", noise)}, attrs=archive.read(path).attrs))
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(1000) + content[middle + 1000 :])
    assert archive.contents(results).unreadable == []
    monkeypatch.setenv("DYNLOSS_ARCHIVE_ONLY", "1")
    with pytest.raises(archive.NotArchived, match=r"cannot be read \("):
        fetch()


def test_a_file_that_another_program_has_locked_is_read(results):
    """Its lock says nothing of a result: HDF5 alone asks for it, and then the archive seemed to lack the file."""
    fcntl = pytest.importorskip("fcntl")
    fetch()
    with only_file(results).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = archive.contents(results)
        assert (len(found.records), found.unreadable) == (1, [])
        assert fetch().origin == "archived"


def test_what_may_not_be_read_is_named(results, monkeypatch):
    fetch()
    path, opened = only_file(results), os.open

    def denied(file, *arguments, **options):
        if file == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return opened(file, *arguments, **options)

    archive._about.cache_clear()
    monkeypatch.setattr(os, "open", denied)
    (error,) = archive.contents(results).unreadable
    assert str(error) == f"{path} cannot be read (Permission denied)"
    monkeypatch.setenv("DYNLOSS_ARCHIVE_ONLY", "1")
    with pytest.raises(archive.NotArchived, match=r"cannot be read \(Permission denied\)"):  # and not: there is none
        fetch()


def test_a_folder_that_cannot_be_looked_into_is_named(results, monkeypatch):
    fetch()
    listed = os.listdir

    def denied(folder):
        if folder == results / "fig":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(os, "listdir", denied)
    (error,) = archive.contents(results).unreadable
    assert str(error).startswith(f"{results / 'fig'} cannot be read (")
    monkeypatch.setenv("DYNLOSS_RESULTS", __file__)
    with pytest.raises(NotADirectoryError, match=__file__):
        archive.contents()


def test_a_long_result_is_small(results):
    """The paper's Figure 4: 70,000 steps of ten series, as float32."""

    def long():
        walk = np.random.default_rng(1).normal(size=(70_000, 10)).cumsum(axis=0)
        return xr.Dataset({f"series_{i}": ("step", walk[:, i].astype("float32")) for i in range(10)})

    fetch_or_compute("fig", long, {})
    assert only_file(results).stat().st_size < 3e6


def test_refuses_a_compute_that_returns_no_dataset():
    def no_dataset():
        return 3

    with pytest.raises(TypeError, match=r"must return an xarray\.Dataset; got int"):
        fetch_or_compute("fig", no_dataset, {})


def test_waits_for_jax_arrays():
    import jax.numpy as jnp

    def on_device():
        return xr.Dataset({"x": ("i", jnp.arange(3.0))})

    assert isinstance(fetch_or_compute("fig", on_device, {}).x.data, np.ndarray)


# Where it is kept


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout that has published one result."""
    root = tmp_path / "checkout"
    root.mkdir()
    (root / "_toc.yml").touch()
    monkeypatch.chdir(root)
    fetch_or_compute("fig", compute, PARAMETERS, results=root / "results")
    monkeypatch.delenv("DYNLOSS_RESULTS")
    return root


def contents_of(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_published_is_read_and_never_written_to(checkout):
    before = contents_of(checkout / "results")
    found = fetch()
    assert (found.origin, found.published) == ("archived", found.path) and "results/fig/" in found.path
    assert str(provenance(found)).startswith("read from published results, fresh · ")
    assert not (checkout / "own_results").exists()
    new = fetch(fresh=True)
    assert new.origin == "computed" and new.published == "" and Path(new.path).parts[-3] == "own_results"
    own = fetch()  # what one has computed oneself goes before
    assert (own.origin, own.path, own.published) == ("archived", new.path, "")
    assert str(provenance(own)).startswith("read from own results, fresh · ")
    assert contents_of(checkout / "results") == before


def test_of_two_layers_the_fresh_one_is_taken(checkout):
    before = contents_of(checkout / "results")
    fetch(other_code, fresh=True)
    assert fetch(other_code).path == fetch(other_code).path != fetch().path  # each code has its own
    assert fetch().published and not fetch(other_code).published
    own = only_file(checkout / "own_results")
    own.write_bytes(b"nonsense")
    with pytest.warns(ArchiveWarning, match=r"own_results.* cannot be read .*; it is left out"):
        assert fetch().published
    own.unlink()
    with pytest.warns(ArchiveWarning, match="STALE"):
        assert fetch(other_code).stale and contents_of(checkout / "results") == before


# What can go wrong


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_a_damaged_file_is_computed_again(results, part):
    whole = fetch()
    path = only_file(results)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.warns(ArchiveWarning, match=r"cannot be read .* computed again") as warned:
        again = fetch()
    assert len(warned) == 1
    assert again.origin == "computed"
    xr.testing.assert_equal(whole, again)
    assert fetch().origin == "archived"


def test_a_file_with_other_parameters_is_not_believed(results):
    fetch()
    other = key("fig", PARAMETERS | {"steps": 6})
    only_file(results).rename(results / "fig" / f"{other}.nc")
    with pytest.warns(ArchiveWarning, match="other parameters"):
        fetch_or_compute("fig", compute, PARAMETERS | {"steps": 6})
    assert called.steps == [5, 6]


def test_no_place_to_write_is_said_before_computing(results):
    results.write_text("a file in the folder's place")
    with pytest.raises(ArchiveError, match=r"nothing was computed\. Set DYNLOSS_RESULTS"):
        fetch()
    assert called.steps == []


def test_a_read_only_folder_is_said_before_computing(results, monkeypatch):
    def denied(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    with pytest.raises(ArchiveError, match=r"\(Permission denied\).*DYNLOSS_RESULTS"):
        fetch()
    assert called.steps == []


def test_a_read_only_archive_can_be_read(monkeypatch):
    fetch()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: pytest.fail("wrote"))
    assert fetch().origin == "archived"


def test_a_full_disk_loses_nothing_that_was_computed(results, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk, pytest.warns(ArchiveWarning, match="computed, not archived.*No space left"):
        disk.setattr(os, "fsync", full)
        dataset = fetch()
    assert list((results / "fig").iterdir()) == []
    assert dataset.path == ""
    assert "not archived" in str(provenance(dataset))
    xr.testing.assert_equal(dataset, fetch())


def test_a_disk_without_room_for_the_file_is_named_and_left_tidy(results, small_disk):
    said = rf"computed, not archived: .*File too large: '{results}/fig/\w+\.nc'"
    with pytest.warns(ArchiveWarning, match=said), small_disk():
        assert fetch().path == ""
    assert list((results / "fig").iterdir()) == []


@pytest.mark.parametrize("step", ["open", "unlink"])
def test_the_lock_is_no_reason_to_lose_a_result(results, monkeypatch, step):
    """A disk may have no room for it, or turn read-only in the hour in between."""
    done = getattr(Path, step)

    def full(path, *arguments, **options):
        if path.suffix == ".lock":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return done(path, *arguments, **options)

    monkeypatch.setattr(Path, step, full)
    assert fetch().origin == "computed" and fetch().origin == "archived"


def test_a_folder_for_which_there_is_no_room_yet(results, monkeypatch):
    made = Path.mkdir

    def full(path, *arguments, **options):
        if not called.steps:  # nothing is computed yet
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        made(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", full)
    assert fetch().origin == "computed" and only_file(results).is_file()


def test_what_cannot_be_stored_is_returned_all_the_same():
    def odd():
        return xr.Dataset({"x": ("i", [1.0])}, attrs={"none": None})

    with pytest.warns(ArchiveWarning, match="computed, not archived"):
        assert float(fetch_or_compute("fig", odd, {}).x[0]) == 1.0


def test_kill_in_the_middle_of_a_write_leaves_the_old_file(results):
    fetch()
    path = only_file(results)
    before = path.read_bytes()
    code = f"""
        import os, signal, sys
        sys.path.insert(0, os.path.dirname({__file__!r}))
        import test_archive
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        test_archive.fetch(fresh=True)
    """
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert fetch().origin == "archived"
    assert len(archive.contents(figures=["fig"]).records) == 1


# Provenance


def test_provenance_shows_one_line_and_keeps_everything(monkeypatch):
    monkeypatch.setenv("DYNLOSS_PROFILE", "paper")
    fetch()
    bundle = provenance(fetch())._repr_mimebundle_()
    line = bundle["text/plain"]
    assert "\n" not in line
    assert line.startswith("read from own results, fresh · ")
    assert line.endswith(" · profile paper · scale 1 of 2 seeds")
    assert json.loads(json.dumps(bundle[MIME])) == bundle[MIME]
    assert {"path", "device", "commit", "date", "seconds", "parameters", "profile"} <= set(bundle[MIME])


def test_provenance_of_several_is_one_line_and_keeps_each():
    def about(**attributes):
        return fetch().assign_attrs(attributes)

    first = about(device="GPU", commit="a1", seconds=60.0, date="2021-07-01 10:00 UTC", scale="3 seeds")
    second = about(device="2 CPU cores, GPU", commit="a1", seconds=65.0, date="2021-06-01 10:00 UTC", scale="2 seeds",
                   stale="losses", origin="archived", path="")  # fmt: skip
    bundle = provenance(first, second)._repr_mimebundle_()
    assert bundle["text/markdown"] == (
        "Provenance of 2 results: computed in this run · read from own results, **STALE** (losses changed since) · "
        "1 not archived · GPU, 2 CPU cores · float32 · 2 min 05 s · commit a1 · "
        "2021-06-01 10:00 UTC to 2021-07-01 10:00 UTC · scale 3 seeds, 2 seeds"
    )
    assert [record["seconds"] for record in bundle[MIME]] == [60.0, 65.0]
    with pytest.raises(ValueError, match="only one from the archive"):
        provenance(first, xr.Dataset())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.7, "1 min 00 s"), (3599.6, "1 h 00 min"), (7380, "2 h 03 min")],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("words", ["false", "true", "perhaps", None])
def test_fresh_is_no_text(words):
    """ "false" is a text that is not empty: it computed anew, and replaced the archived result."""
    with pytest.raises(ValueError, match=f"fresh must be one of False, True, got {words!r}"):
        fetch(fresh=words)
