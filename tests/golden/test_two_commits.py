"""Golden runs at two commits: what is equal to the last bit, and which runs tell anything of a change."""

import contextlib
import json

import compare
import numpy as np
import pytest


def test_differences_are_seen_to_the_last_bit():
    then = {"a": np.array([1.0, np.nan]), "b": np.zeros(2), "c": np.zeros(2), "d": np.zeros(1)}
    now = {"a": np.array([1.0, np.nan]), "b": np.array([0.0, -0.0]), "c": np.zeros(3), "e": np.zeros(1)}
    assert [line.split(":")[0] for line in compare.differences(then, now)] == ["b", "c"]


def test_a_run_that_is_defined_otherwise_is_no_change_of_a_number():
    then = {"run:x": np.zeros(2), "run:its definition": np.zeros(8, np.uint8), "other:x": np.zeros(1)}
    now = {"run:x": np.ones(3), "run:its definition": np.ones(8, np.uint8), "other:x": np.zeros(1)}
    assert compare.differences(then, now) == ["run: defined differently now, so that its numbers tell nothing"]
    assert compare.compared(then, now) == (["other:x"], ["run"])


def test_runs_that_reach_other_changes_too_tell_nothing():
    then = {"one": {"f": "1", "g": "1"}, "two": {"f": "1", "h": "1"}, "three": {"g": "1"}}
    now = {"one": {"f": "2", "g": "1"}, "two": {"f": "2", "h": "2"}, "three": {"g": "1"}}
    assert compare.reaching(then, now, ["f"]) == (["one"], [])
    assert compare.reaching(then, now, ["h"]) == ([], ["h"])


@pytest.mark.parametrize(
    ("alike", "told"),
    [
        (["one", "two"], {"runs": ["one", "two"], "missing": [], "apart": []}),
        (["one"], {"runs": ["one"], "missing": [], "apart": []}),
        ([], {"runs": [], "missing": ["f"], "apart": []}),
    ],
)
def test_what_is_defined_otherwise_is_no_evidence(monkeypatch, alike, told):
    """Of two runs that reach a change, those that are defined alike have to tell."""
    reach = {"then": {"one": {"f": "1"}, "two": {"f": "1"}}, "now": {"one": {"f": "2"}, "two": {"f": "2"}}}

    def measured(root, runs):
        changed = {name: np.full(1, float(root == "now" and name not in alike)) for name in runs}
        return {f"{name}{part}": array for name, array in changed.items() for part in (":x", compare.DEFINITION)}

    monkeypatch.setattr(compare, "ROOT", "now")
    monkeypatch.setattr(compare, "checkout", lambda root, base: contextlib.nullcontext("then"))
    monkeypatch.setattr(compare, "said", lambda root, asked: json.dumps(reach[root]))
    monkeypatch.setattr(compare, "measured", measured)
    assert compare.evidence("a commit", ["f"]) == told


def test_a_commit_without_golden_runs(tmp_path):
    with pytest.raises(SystemExit, match="cannot check out"), compare.checkout(tmp_path, "HEAD"):
        pass
