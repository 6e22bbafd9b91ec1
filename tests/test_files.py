"""Files are written with the rights that the user's umask leaves, and locks are no way to harm anybody."""

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


def test_a_link_in_place_of_a_lock_is_named_and_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    said = r"lock cannot be locked \(.*\): another may do the same work"
    with pytest.warns(UserWarning, match=said), files.file_lock(tmp_path / "lock") as alone:
        assert alone
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "lock").is_symlink()


def test_a_lock_of_another_user(tmp_path, monkeypatch):
    """One that can be read is kept; of one that cannot, it is said that nothing can be told."""
    (tmp_path / "lock").touch()
    (tmp_path / "other").touch()
    given, rights = os.open, {"read": True}

    def other_users(name, flags, mode=0o777):
        if flags & (os.O_WRONLY | os.O_RDWR) or not rights["read"]:
            raise PermissionError(13, "Permission denied", name)
        return given(name, flags, mode)

    monkeypatch.setattr(os, "open", other_users)
    with files.file_lock(tmp_path / "lock") as first, files.file_lock(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    rights["read"] = False
    with pytest.warns(UserWarning, match="cannot be locked"), files.file_lock(tmp_path / "other") as alone:
        assert alone
