import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dynloss_book.engine import archive
from dynloss_book.engine.fingerprint import Fingerprint
from dynloss_book.engine.provenance import execution
from dynloss_book.engine.sweeps import grid as grids
from dynloss_book.engine.sweeps.overview import gathered, overview
from dynloss_book.engine.sweeps.store import MANY, Store, SweepError

NAMES = ["x", "seed"]
FACTS = execution({}, {}, 1.0)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fig").mkdir()
    return tmp_path / "fig" / "store"


def opened(folder, code="one", parameters="{}", beside=()):
    identity = {"figure": "test", "function": "f", "parameters": parameters}
    return Store(folder, identity, Fingerprint(code, {"compute": code}), NAMES, beside)


def points(*xs):
    return {"x": np.array(xs, float), "seed": np.zeros(len(xs), int)}


def add(store, *xs, times=10.0, **facts):
    store.add(grids.rows(points(*xs), {"value": np.array(xs) * times}, {}), FACTS | facts)


def files(folder):
    return sorted(path.name for path in folder.glob("*.nc"))


def check(folder, *xs):
    """The store holds exactly these points, each once, with its value."""
    rows = opened(folder).rows()
    assert sorted(rows.x.values) == sorted(xs)
    np.testing.assert_array_equal(rows.value, rows.x * 10)


def seconds(store):
    return sum(float(part.attrs["seconds"]) for part in store.parts)


def test_what_is_added_is_there_when_it_is_opened_again(folder):
    store = opened(folder)
    assert store.rows() is None and store.layout() == {}
    add(store, 1, 2)
    add(store, 3)
    assert store.holds(points(3, 4, 1)).tolist() == [True, False, True]
    assert opened(folder).holds(points(3, 4, 1)).tolist() == [True, False, True]
    assert opened(folder).layout() == {"value": ((), np.dtype(float))}
    check(folder, 1, 2, 3)


@pytest.mark.parametrize("damage", [b"", b"\x89HDF\r\n", b"nonsense" * 100, "truncated"])
def test_damaged_files_are_left_out_with_one_warning(folder, damage):
    store = opened(folder)
    add(store, 1)
    add(store, 2, 3)
    broken = next(path for path in folder.glob("*.nc") if len(archive.decode(path.read_bytes()).point) == 1)
    broken.write_bytes(broken.read_bytes()[:-100] if damage == "truncated" else damage)
    with pytest.warns(archive.ArchiveWarning, match=f"{broken.name} cannot be read .* computed again") as warned:
        again = opened(folder)
        again.refresh()
        again.refresh()
    assert len(warned) == 1
    assert again.holds(points(1, 2, 3)).tolist() == [False, True, True]
    add(again, 1)  # the same points, so the same name: the damaged file is replaced
    check(folder, 1, 2, 3)


def test_stray_and_foreign_files_are_ignored(folder):
    add(opened(folder), 1)
    whole = next(folder.glob("*.nc")).read_bytes()
    (folder / ".abc.xyz.part").write_bytes(whole[:50])
    (folder / ".hidden.nc").write_bytes(whole)
    (folder / "notes.txt").write_text("mine")
    check(folder, 1)


def test_other_parameters_are_refused(folder):
    add(opened(folder), 1)
    with pytest.raises(SweepError, match=r'belongs to another sweep: its parameters is {}, not {"width": 7}'):
        opened(folder, parameters='{"width": 7}')


def test_a_file_that_is_no_sweeps_is_refused(folder):
    folder.mkdir()
    (folder / "other.nc").write_bytes(archive.encode(opened(folder).rows() or grids.rows(points(1), {}, {})))
    with pytest.warns(archive.ArchiveWarning, match=r"other.nc cannot be read \(no result of dynloss"):
        assert opened(folder).rows() is None


def test_other_code_is_stale_and_named(folder):
    add(opened(folder), 1)
    assert opened(folder).stale() == ""
    assert opened(folder, code="two").stale() == "compute"


def test_what_another_process_adds_with_other_code_is_left_out(folder):
    store = opened(folder)
    add(store, 1)
    add(opened(folder, code="two"), 2)
    with pytest.warns(archive.ArchiveWarning, match="other code"):
        store.refresh()
    assert store.holds(points(1, 2)).tolist() == [True, False]


def test_a_full_disk_keeps_results_in_memory_and_writes_them_later(folder, full_disk):
    store = opened(folder)
    for x in (1, 2):
        with pytest.warns(archive.ArchiveWarning, match=f"{x} points could not be .*No space left .* kept in memory"):
            add(store, x)
    assert store.holds(points(1, 2)).all() and store._unsaved and files(folder) == []
    store.merge()
    assert sorted(store.rows().x.values) == [1, 2]
    full_disk.full = False
    add(store, 3)
    assert not store._unsaved
    check(folder, 1, 2, 3)


def test_a_full_disk_while_merging_leaves_the_files(folder, full_disk):
    full_disk.full = False
    store = opened(folder)
    add(store, 1)
    add(store, 2)
    full_disk.full = True
    store.merge()
    assert len(files(folder)) == 2
    check(folder, 1, 2)


def test_a_full_disk_while_beginning_anew_loses_neither_the_old_nor_the_others(folder, full_disk, monkeypatch):
    full_disk.full = False
    store = opened(folder)
    add(store, 1, 2)
    full_disk.full = True

    def full(path, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as disk, pytest.warns(archive.ArchiveWarning, match="kept in memory"):
        disk.setattr(Path, "mkdir", full)
        store.set_aside(points(2))
    check(folder.with_name("store.old"), 1, 2)
    assert store.holds(points(1, 2)).tolist() == [True, False]
    full_disk.full = False
    store.save()
    check(folder, 1)


def test_the_overview_counts_what_it_cannot_read(folder):
    store = opened(folder)
    add(store, 1)
    add(store, 2, 3)
    for broken in folder.glob("*.nc"):
        whole = broken.read_bytes()
        broken.write_bytes(whole[:-100])
        (found,) = overview(folder.parent.parent)
        assert len(found.unreadable) == 1 and found.done in (1, 2)
        broken.write_bytes(whole)
    for broken in folder.glob("*.nc"):
        broken.write_bytes(b"no")
    (found,) = overview(folder.parent.parent)  # nobody has noted what was asked for
    assert (found.figure, found.done, len(found.unreadable)) == (folder.parent.name, 0, 2)
    with pytest.raises(archive.Unreadable, match=r"holds no results .* cannot be read"):
        gathered(folder)


def test_a_file_of_something_else_in_a_store_is_named(folder):
    add(opened(folder), 1)
    (folder / "other.nc").write_bytes(archive.encode(grids.rows(points(1), {}, {})))
    (found,) = overview(folder.parent.parent)
    assert (found.done, len(found.unreadable)) == (1, 1)
    with pytest.warns(archive.ArchiveWarning, match=r"other.nc cannot be read \(no result of .*\): it is left"):
        assert gathered(folder).x == 1


def test_merging_keeps_every_point_once_and_adds_the_seconds(folder):
    store = opened(folder)
    add(store, 1, 2)
    add(store, 2, 3)
    add(store, 4)
    store.merge()
    assert len(files(folder)) == 1
    check(folder, 1, 2, 3, 4)
    assert seconds(store) == seconds(opened(folder)) == 3
    store.merge()
    assert len(files(folder)) == 1


def test_a_merger_that_dies_before_it_removes_the_old_files(folder, monkeypatch):
    store = opened(folder)
    add(store, 1, 2)
    add(store, 3)

    def die(path, missing_ok=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            store.merge()
    assert len(files(folder)) == 3
    check(folder, 1, 2, 3)
    again = opened(folder)
    assert seconds(again) == 2  # not 4
    again.merge()
    assert len(files(folder)) == 1
    check(folder, 1, 2, 3)


@pytest.mark.parametrize("moment", ["before writing", "before removing"])
@pytest.mark.parametrize("news", [(), (4,)])
def test_two_mergers_at_once_lose_nothing(folder, monkeypatch, moment, news):
    first = opened(folder)
    add(first, 1, 2)
    add(first, 3)
    second = opened(folder)
    if news:
        add(second, *news)
    write, unlink = archive.write, Path.unlink

    def interrupted(original):
        def call(*arguments, **options):
            monkeypatch.setattr(archive, "write", write)
            monkeypatch.setattr(Path, "unlink", unlink)
            second.merge()
            return original(*arguments, **options)

        return call

    if moment == "before writing":
        monkeypatch.setattr(archive, "write", interrupted(write))
    else:
        monkeypatch.setattr(Path, "unlink", interrupted(unlink))
    first.merge()
    check(folder, 1, 2, 3, *news)
    for store in (first, second):
        store.refresh()
        store.save()
        store.merge()
    check(folder, 1, 2, 3, *news)
    assert len(files(folder)) == 1


def test_files_that_are_merged_while_they_are_listed(folder, monkeypatch):
    add(opened(folder), 1, 2)
    other = opened(folder)
    add(other, 3)
    read = Store._read

    def late(store, path):
        monkeypatch.setattr(Store, "_read", read)
        other.merge()
        return read(store, path)

    monkeypatch.setattr(Store, "_read", late)
    assert opened(folder).holds(points(1, 2, 3)).all()


def test_files_that_another_process_merges_are_not_written_again(folder):
    store = opened(folder)
    add(store, 1)
    add(store, 2)
    opened(folder).merge()
    store.refresh()
    assert not store._unsaved and store.holds(points(1, 2)).all() and len(store.parts) == 1


def test_a_store_that_is_deleted_while_it_is_used_is_written_again(folder):
    store = opened(folder)
    add(store, 1)
    shutil.rmtree(folder)
    store.refresh()
    assert store.holds(points(1)).all()
    add(store, 2)
    check(folder, 1, 2)


def test_a_link_that_leads_nowhere_is_passed_over(folder):
    add(opened(folder), 1)
    os.symlink(folder / "unpacked elsewhere.nc", folder / "0.nc")
    assert opened(folder).holds(points(1)).all()


def test_there_are_never_many_files(folder, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    store = opened(folder)
    for x in range(2 * MANY + 5):
        add(store, x)
    assert len(files(folder)) < MANY
    check(folder, *range(2 * MANY + 5))
    assert seconds(opened(folder)) == 2 * MANY + 5


def test_beginning_anew_keeps_every_older_store_beside(folder):
    for x, beside in ((1, []), (2, ["store.old"]), (3, ["store.2.old", "store.old"])):
        store = opened(folder)
        store.set_aside(points(1, 2))
        assert not store.holds(points(1, 2)).any()
        add(store, x)
        assert sorted(path.name for path in folder.parent.glob("*.old")) == beside
    check(folder, 3)
    check(folder.with_name("store.old"), 1)
    check(folder.with_name("store.2.old"), 2)


def test_beginning_anew_with_some_points_keeps_the_others(folder):
    store = opened(folder)
    add(store, 1, 2, 3, 4)
    add(store, 5)
    store.set_aside(points(2, 5))
    assert store.holds(points(1, 2, 3, 4, 5)).tolist() == [True, False, True, True, False]
    check(folder, 1, 3, 4)
    check(folder.with_name("store.old"), 1, 2, 3, 4, 5)
    assert seconds(opened(folder)) == 0.75
    store.set_aside(points(7))  # nothing of it is there: nothing to put aside
    assert not folder.with_name("store.2.old").exists()


def test_beginning_anew_with_other_code_keeps_nothing_of_the_old(folder):
    add(opened(folder), 1, 2)
    store = opened(folder, code="two")
    store.set_aside(points(2))
    assert not store.holds(points(1, 2)).any() and files(folder) == []
    check(folder.with_name("store.old"), 1, 2)


def test_a_points_checkpoint_is_its_own_and_that_of_the_code(folder):
    store = opened(folder)
    path = store.checkpoint(points(1))
    assert path.parent == folder and path == opened(folder).checkpoint(points(1))
    assert path not in (store.checkpoint(points(2)), opened(folder, code="two").checkpoint(points(1)))


def test_claims_hold_back_other_processes_until_they_are_given_up_or_die(folder, child):
    folder.mkdir()
    store = opened(folder)
    assert store.locks.take(points(1, 2)) and store.locks.take(points(5))
    with child("claimed", folder, [[1, 2], [5], [3, 4]]) as (_, said):
        assert said() == "no no yes"
        assert not store.locks.take(points(3, 4))
    assert store.locks.take(points(3, 4))  # the child was killed
    store.locks.release(points(5))
    with child("claimed", folder, [[1, 2], [5]]) as (_, said):
        assert said() == "no yes"
    store.locks.close()
    with child("claimed", folder, [[1, 2], [5]]) as (_, said):
        assert said() == "yes yes"


def test_without_locks_everything_can_be_claimed(folder, monkeypatch):
    store = opened(folder)  # the folder is not there, so neither is the file of the locks
    assert store.locks.take(points(1))
    folder.mkdir()
    monkeypatch.setitem(__import__("sys").modules, "fcntl", None)
    assert store.locks.take(points(1))


def test_why_rows_were_kept_outlives_a_merge(folder):
    store = opened(folder)
    add(store, 1, 2)
    reasons = json.dumps([{"commit": "aaaa", "because": "no number moved", "evidence": "the golden runs"}])
    opened(folder, code="two").keep({"affirmed": reasons, "fresh_at": "aaaa"})
    later = opened(folder, code="two")
    add(later, 3)
    later.merge()
    (name,) = files(folder)
    attributes = archive.decode((folder / name).read_bytes()).attrs
    assert attributes["affirmed"] == reasons and attributes["fresh_at"] in ("aaaa", FACTS["commit"])
    assert opened(folder, code="two").stale() == ""


# Who computed which row

GPU = {
    "device": "NVIDIA H200", "versions": '{"jax": "0.12", "flax": "0.10"}', "commit": "bbbb",
    "date": "2999-01-01 00:00 UTC",
}  # fmt: skip


def makers(part):
    """The device that computed each point of a file, by what the file itself says."""
    told = json.loads(part.attrs["parts"])
    return {float(x): told[place]["device"] for x, place in zip(part.x.values, part.part.values, strict=True)}


def test_each_row_keeps_what_computed_it_through_every_merge(folder):
    store = opened(folder)
    add(store, 1, 2)
    add(store, 3, **GPU)
    store.merge()
    cpu = FACTS["device"]
    assert makers(opened(folder).parts[0]) == {1: cpu, 2: cpu, 3: "NVIDIA H200"}
    again = opened(folder)
    add(again, 4)
    add(again, 5, **GPU)
    again.merge()
    (part,) = opened(folder).parts
    assert makers(part) == {1: cpu, 2: cpu, 3: "NVIDIA H200", 4: cpu, 5: "NVIDIA H200"}
    told = json.loads(part.attrs["parts"])
    assert [(each["device"], each["seconds"]) for each in told] == [(cpu, 2.0), ("NVIDIA H200", 2.0)]
    assert json.loads(part.attrs["versions"])["jax"] == f"0.12, {json.loads(FACTS['versions'])['jax']}"
    assert part.attrs["commit"] == f"{FACTS['commit']}, bbbb" and part.attrs["seconds"] == 4
    assert opened(folder).layout() == {"value": ((), np.dtype(float))}
    assert "part" not in gathered(folder).variables


def test_a_part_keeps_its_share_of_the_time_and_why_it_is_fresh(folder):
    store = opened(folder)
    add(store, 1, 2)
    add(store, 3, 4, **GPU)
    store.merge()
    reasons = json.dumps([{"commit": "cccc", "because": "no number moved", "evidence": "the golden runs"}])
    opened(folder, code="two").keep({"affirmed": reasons, "fresh_at": "cccc"})
    later = opened(folder, code="two")
    later.set_aside(points(1))
    (part,) = opened(folder, code="two").parts
    assert {each["fresh_at"] for each in json.loads(part.attrs["parts"])} == {"cccc"}
    assert sum(each["seconds"] for each in json.loads(part.attrs["parts"])) == part.attrs["seconds"] == 1.5


def test_alike_parts_are_one_and_need_no_index(folder):
    store = opened(folder)
    for x in range(3):
        add(store, x)
        store.merge()
    (part,) = opened(folder).parts
    assert "parts" not in part.attrs and "part" not in part.coords and part.attrs["seconds"] == 3


# One's own store on the published one


@pytest.fixture
def published(tmp_path):
    place = tmp_path / "published" / "fig" / "store"
    add(opened(place), 1, 2)
    return place


def whole(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_published_points_are_read_and_own_ones_go_beside(folder, published):
    before = whole(published)
    store = opened(folder, beside=[published])
    assert store.holds(points(1, 2, 3)).tolist() == [True, True, False] and store.rows().x.values.tolist() == [1, 2]
    assert store.read_from(points(1)) == (str(published), str(published))
    add(store, 3)
    add(store, 4)
    store.merge()
    check(folder, 3, 4)
    again = opened(folder, beside=[published])
    assert sorted(again.rows().x.values) == [1, 2, 3, 4]
    assert again.read_from(points(1, 3)) == (str(folder), str(published)) and again.read_from(points(4))[1] == ""
    assert whole(published) == before
    (found,) = overview(folder.parent.parent, published.parent.parent)
    assert (found.done, found.folders) == (4, (folder, published))
    assert sorted(gathered(folder, published).x.values) == [1, 2, 3, 4]


def test_own_points_go_before_published_ones(folder, published):
    store = opened(folder, beside=[published])
    store.set_aside(points(1))
    assert not store.holds(points(1, 2)).any()  # anew, nothing of the published counts
    add(store, 1, times=70.0)
    again = opened(folder, beside=[published])
    assert dict(zip(again.rows().x.values, again.rows().value.values, strict=True)) == {1: 70, 2: 20}
    assert not again._unsaved and len(again.own) == 1


def test_stale_points_never_stand_beside_fresh_ones(folder, published):
    other = opened(folder, code="two", beside=[published])
    assert other.stale() == "compute"  # nothing else is there
    other.set_aside(points(3))
    add(other, 3)
    assert opened(folder, code="two", beside=[published]).rows().x.values.tolist() == [3]
    with pytest.warns(archive.ArchiveWarning, match="other code"):
        back = opened(folder, beside=[published])
    assert back.stale() == "" and back.rows().x.values.tolist() == [1, 2]


def test_a_damaged_published_file_is_left_out(folder, published):
    (path,) = published.glob("*.nc")
    path.write_bytes(b"nonsense")
    with pytest.warns(archive.ArchiveWarning, match=f"{path} cannot be read"):
        store = opened(folder, beside=[published])
    add(store, 1)
    check(folder, 1)
