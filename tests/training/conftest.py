"""Runs that are killed."""

import pytest


@pytest.fixture
def killed(monkeypatch):
    """A function that makes a run and kills it once its checkpoint is written for so many times: where, each time."""
    from dynloss.training import checkpoints  # only now: whatever imports dynloss comes after the import hook

    save = checkpoints.save

    def killed(after, run, *arguments, **options):
        written = []

        def save_and_die(*args):
            save(*args)
            written.append(args[2])
            if len(written) == after:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(checkpoints, "save", save_and_die)
            run(*arguments, **options)
        return written

    return killed
