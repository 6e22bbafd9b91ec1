"""Files are written with the rights that the user's umask leaves, and locks are no way to harm anybody."""

import contextlib
import multiprocessing
import os
import stat

import pytest

from dynloss import files


@pytest.fixture
def umask():
    """A function that sets this process's; it is put back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_the_umask_decides_who_may_read(tmp_path, umask, mask, mode):
    umask(mask)
    files.write(tmp_path / "result", b"all of it")
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["result"]


def test_what_fails_leaves_the_older_file_and_nothing_else(tmp_path):
    files.write(tmp_path / "result", b"old")
    with pytest.raises(KeyError), files.atomic_write(tmp_path / "result") as file:
        file.write(b"half")
        raise KeyError
    assert (tmp_path / "result").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["result"]


def taken(path):
    with contextlib.closing(files.Locks(path)) as locks:
        return locks.take(b"one")


def test_a_lock_holds_back_other_processes_as_long_as_it_is_held(tmp_path):
    with multiprocessing.get_context("spawn").Pool(1) as other, contextlib.closing(files.Locks(tmp_path / "x")) as ours:
        assert ours.take(b"one")
        assert not other.apply(taken, [tmp_path / "x"])
        ours.release(b"one")
        assert other.apply(taken, [tmp_path / "x"])
        assert ours.take(b"one")


def test_a_link_in_place_of_a_lock_is_named_and_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.warns(UserWarning, match=r"lock cannot be locked \(.*\): another may do the same work"):
        assert taken(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "lock").is_symlink()


def test_of_a_lock_of_another_user_it_is_said_that_nothing_can_be_told(tmp_path, monkeypatch):
    (tmp_path / "lock").touch()

    def other_users(name, flags, mode=0o777):
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(os, "open", other_users)
    with pytest.warns(UserWarning, match="cannot be locked"):
        assert taken(tmp_path / "lock")
