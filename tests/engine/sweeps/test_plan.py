import functools
import time

import pytest

from dynloss_book.engine import archive, deadline, ledger, sweeps

PLAN = [
    sweeps.Stage("one", {"x": [1.0]}, range(1)),
    sweeps.Stage("more points", {"x": [1.0, 2.0]}, range(1)),
    sweeps.Stage("more seeds", {"x": [1.0, 2.0]}, range(3)),
]


@pytest.fixture
def counted():
    def counted(x, seed, pause=0.0):
        counted.calls.append((x, seed))
        time.sleep(pause)
        return {"value": x + seed}

    counted.calls = []
    return counted


@pytest.fixture
def calls(counted):
    return counted.calls


@pytest.fixture
def sweep(counted, tmp_path):
    return functools.partial(sweeps.run, "plan", counted, vectorize=False, progress=False, results=tmp_path)


def test_each_stage_computes_what_the_earlier_ones_have_not(sweep, calls):
    assert sweeps.run_plan(sweep, PLAN[:2]) == "computed"
    assert sorted(calls) == [(1, 0), (2, 0)]
    assert sweeps.run_plan(sweep, PLAN) == "computed"
    assert sorted(calls) == [(x, seed) for x in (1, 2) for seed in range(3)]
    assert sweeps.run_plan(sweep, PLAN) == "archived"
    assert len(calls) == 6


def test_of_the_archive_alone_a_plan_is_shown_from_its_first_stage_on(monkeypatch, sweep, calls):
    plan = [sweeps.Stage("both", {"x": [1.0, 2.0]}, range(2)), PLAN[-1]]
    sweeps.run_plan(sweep, PLAN[:2])
    monkeypatch.setenv("DYNLOSS_ARCHIVE_ONLY", "1")
    with pytest.raises(archive.NotArchived, match="has 2 of the 4 points of 'both'"):
        sweeps.run_plan(sweep, plan)
    assert sweeps.run_plan(sweep, PLAN) == "archived" and len(calls) == 2
    assert sweeps.run_plan(sweep, PLAN, needed=PLAN[:2]) == "archived"
    with pytest.raises(archive.NotArchived, match="has 2 of the 6 points of 'more seeds'"):
        sweeps.run_plan(sweep, PLAN, needed=PLAN)


def test_anew_computes_the_first_stage_again(sweep, calls):
    sweeps.run_plan(sweep, PLAN)
    calls.clear()
    assert sweeps.run_plan(sweep, PLAN, fresh=True) == "computed"
    assert calls == [(1, 0)]


def test_the_time_is_shared_among_the_stages(monkeypatch):
    given = []

    def slow(minutes, **_):
        given.append(minutes)
        clock[0] += 90
        return sweeps_result

    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    sweeps_result = type("Result", (), {"attrs": {"origin": "computed"}})()
    sweeps.run_plan(slow, PLAN, minutes=2)
    assert given == [2, 0.5, 0]  # the last one is only read


def test_progress_counts_points_and_hours(sweep):
    sweeps.run_plan(sweep, PLAN[:2])
    computed = sweep(axes=PLAN[-1].axes, seeds=PLAN[-1].seeds, minutes=0).assign_attrs(seconds=3600.0)
    table = sweeps.progress_of(PLAN, computed)
    assert table["x"].tolist() == ["1", "1, 2", "1, 2"]
    assert table["points"].tolist() == [1, 2, 6] and table["computed"].tolist() == [1, 2, 2]
    assert table["hours, at the pace so far"].tolist() == [0.5, 1.0, 3.0]


def test_sweeps_in_turn_share_their_minutes(sweep, calls):
    """The second is begun although the time is over, and only read once it has something."""
    jobs = {
        name: functools.partial(sweep, axes={"x": [x]}, seeds=range(count), constants={"pause": pause})
        for name, x, count, pause in (("slow", 1.0, 300, 0.05), ("late", 2.0, 300, 0.0))
    }
    assert list(sweeps.in_turn(jobs, minutes=0.2 / 60)) == ["slow", "late"]
    first = list(calls)
    assert {x for x, _ in first} == {1, 2} and len(first) < 600
    assert not sweeps.in_turn(jobs, minutes=0)["slow"].done.all()
    assert calls == first
    jobs["slow"] = functools.partial(jobs["slow"], seeds=range(1))
    found = sweeps.in_turn(jobs)
    assert bool(found["late"].done.all()) and len(set(calls)) == len(calls)


def test_sweeps_in_turn_without_any_point(sweep, monkeypatch):
    job = functools.partial(sweep, axes={"x": [1.0]}, seeds=range(1))
    with pytest.raises(sweeps.SweepError, match="holds no point"):
        sweeps.in_turn({"one": job, "two": job}, minutes=0)
    there = functools.partial(sweep, axes={"x": [2.0]}, seeds=range(1))
    there()
    jobs = {"there": there, "missing": job}
    assert list(sweeps.in_turn(jobs, minutes=0)) == ["there"] == list(sweeps.in_turn(jobs, minutes=0, needed=["there"]))
    with pytest.raises(sweeps.SweepError, match="holds no point"):
        sweeps.in_turn(jobs, minutes=0, needed=jobs)


def test_a_ledger_knows_every_stage_before_anything_is_computed(monkeypatch, sweep, calls, tmp_path):
    """So that what a campaign says is left does not grow with the work."""
    monkeypatch.setenv("DYNLOSS_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.setenv("DYNLOSS_DEADLINE", "0")
    with pytest.raises(deadline.OutOfTime):
        sweeps.run_plan(sweep, PLAN)
    assert len(ledger.missing(ledger.read(tmp_path / "ledger"))) == 6 and not calls
