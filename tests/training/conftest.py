"""Runs that are killed."""

import contextlib

import pytest


@pytest.fixture
def killed(monkeypatch):
    """A context in which a run is killed once its checkpoint is written for so many times: where it was, each time."""
    from dynloss.training import checkpoints  # only now: whatever imports dynloss comes after the import hook

    save = checkpoints.save

    @contextlib.contextmanager
    def context(after):
        written = []

        def save_and_die(*args):
            save(*args)
            written.append(args[2])
            if len(written) == after:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(checkpoints, "save", save_and_die)
            yield written

    return context
