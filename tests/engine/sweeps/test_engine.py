import errno
import functools
import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sweep_points

from dynloss import schedules
from dynloss_book.engine import archive, sweeps
from dynloss_book.engine.fingerprint import Fingerprint
from dynloss_book.engine.sweeps import engine, evaluate, overview
from dynloss_book.engine.sweeps.grid import keys

FIFTY = {"steps": 50}


def run(function, **options):
    options = {"axes": {"x": range(10)}, "seeds": [0, 1], "progress": False} | options
    return sweeps.run("test", function, **options)


def network(**options):
    options = {"axes": sweep_points.AXES, "seeds": range(3), "constants": FIFTY, "progress": False} | options
    return sweeps.run("test", sweep_points.network, **options)


def number(x, seed):
    return {"value": x + seed / 10}


def content(dataset):
    """A hash of all numbers and names, not of how they came about."""
    found = hashlib.sha256()
    for name, each in dataset.variables.items():
        found.update(f"{name} {each.dims} {each.dtype}".encode() + each.values.tobytes())
    return found.hexdigest()


@pytest.fixture
def counted(monkeypatch):
    """Which points are computed, in order."""
    seen: list[bytes] = []
    submit = evaluate.Local.submit

    def counting(self, points):
        seen.extend(keys(points, list(points)))
        return submit(self, points)

    monkeypatch.setattr(evaluate.Local, "submit", counting)
    return seen


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The network's sweep, in one batch."""
    return network(store=tmp_path_factory.mktemp("whole"), chunk=18).load()


# The same numbers, however they are computed


def test_the_result_has_the_axes_the_seed_and_what_computed_it(whole):
    assert dict(whole.sizes) == {"period": 3, "amplitude": 2, "seed": 3, "bias_0": 3}
    assert whole.loss.dtype == "float32" and whole.loss.dims == ("period", "amplitude", "seed")
    assert whole.done.all() and not whole.diverged.any()
    from_files = overview.gathered(Path(whole.attrs["path"]))  # as pages offer it
    for each in (whole, from_files):
        assert each.period.attrs == {"long_name": "period T", "units": "steps"}
    assert len(np.unique(whole.loss.sel(amplitude=10.5))) == 9
    shown = archive.provenance(whole)
    (record,) = shown.records
    assert record["origin"] == "computed" and "scale 3 seeds" in str(shown)
    assert record["parameters"]["period"] == [2, 10, 30] and record["parameters"]["steps"] == 50


@pytest.mark.parametrize("chunk", [1, 7, 10**9])
def test_the_size_of_the_batches_does_not_matter(whole, chunk):
    found = network(chunk=chunk)
    np.testing.assert_allclose(found.loss, whole.loss, rtol=2e-5)
    np.testing.assert_allclose(found.bias, whole.bias, rtol=1e-3, atol=1e-5)


def test_the_order_of_values_does_not_matter(whole):
    found = network(axes={"period": [30, 2, 10], "amplitude": [10.5, 1]}, seeds=[2, 0, 1], chunk=18)
    found = found.sel(period=whole.period, amplitude=whole.amplitude, seed=whole.seed)
    np.testing.assert_allclose(found.loss, whole.loss, rtol=2e-5)


def test_the_same_program_gives_the_same_bits(whole):
    assert content(network(chunk=18)) == content(whole)


def test_points_one_by_one_give_the_same(whole):
    found = network(axes={"period": [2], "amplitude": [10.5]}, seeds=[0, 2], vectorize=False)
    np.testing.assert_allclose(found.loss, whole.loss.sel(found.coords), rtol=2e-5)


def test_each_point_is_what_its_function_gives(whole):
    for point in ({"period": 30, "amplitude": 1, "seed": 2}, {"period": 2, "amplitude": 10.5, "seed": 0}):
        alone = sweep_points.network(**point, **FIFTY)
        np.testing.assert_allclose(whole.loss.sel(point), alone["loss"], rtol=2e-5)


@pytest.mark.slow
def test_one_device_and_eight_give_the_same(whole, processes, tmp_path):
    process = processes.Process(target=sweep_points.on_eight_devices, args=(tmp_path / "store",))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    found = network(store=tmp_path / "store", minutes=0)
    assert found.done.all() and found.origin == "archived"
    np.testing.assert_allclose(found.loss, whole.loss, rtol=2e-5)


def test_a_sweep_that_was_interrupted_goes_on_bit_for_bit(whole, counted):
    for batch in (1, 2, 3):
        found = network(chunk=6, minutes=1e-9)
        assert len(counted) == len(set(counted)) == 6 * batch
    np.testing.assert_allclose(found.loss, whole.loss, rtol=2e-5)
    assert content(found) == content(network(chunk=6, fresh=True))


# Killed


@pytest.mark.slow
def test_killed_ten_times_and_resumed_each_time(processes, tmp_path):
    store, log, points = tmp_path / "store", tmp_path / "log", 1500
    draw = random.Random(2021)

    def held():
        lines = set()
        for path in store.glob("*.nc") if store.is_dir() else []:
            part = archive.decode(path.read_bytes())  # every file is whole
            lines |= {f"{x:g} {seed}" for x, seed in zip(part.x.values, part.seed.values, strict=True)}
        return lines

    before: set[str] = set()
    for kill in range(11):
        log.unlink(missing_ok=True)
        process = processes.Process(target=sweep_points.batchwise, args=(store, log, points, 0.03))
        process.start()
        while kill < 10 and not log.exists():
            assert process.is_alive()
            time.sleep(0.005)
        if kill < 10:
            time.sleep(draw.uniform(0, 0.12))
            process.kill()
        process.join()
        assert process.exitcode == (-signal.SIGKILL if kill < 10 else 0)
        submitted = log.read_text().splitlines()[:-1] if kill < 10 else log.read_text().splitlines()
        assert len(set(submitted)) == len(submitted) and before.isdisjoint(submitted)
        there = held()
        assert before <= there  # nothing is lost
        before = there
    assert len(before) == points

    options = {"axes": {"x": range(points // 10)}, "seeds": range(10), "constants": {"steps": 2000}}
    found = run(sweep_points.drawn, **options, store=store, minutes=0)
    assert found.done.all() and found.scale == "10 seeds" and len(list(store.glob("*.nc"))) == 1
    assert content(found) == content(run(sweep_points.drawn, **options, chunk=7, store=tmp_path / "uninterrupted"))


@pytest.mark.slow
def test_two_processes_on_one_store_share_the_work(processes, tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"
    both = [processes.Process(target=sweep_points.shared, args=(store, str(log), 120)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(60)
    assert [each.exitcode for each in both] == [0, 0]
    by = [line.split()[0] for line in log.read_text().splitlines()]
    assert 120 <= len(by) <= 122
    assert all(by.count(str(each.pid)) > 30 for each in both)
    results = {path.read_bytes() for path in tmp_path.glob("log.*")}
    assert len(results) == 1
    options = {"axes": {"x": range(120)}, "seeds": [0], "constants": {"log": str(log), "pause": 0.02}}
    found = run(sweep_points.logged, **options, vectorize=False, store=store, minutes=0)
    assert results == {found.value.values.tobytes()}


def test_a_process_takes_over_from_one_that_was_killed(processes, tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"
    first = processes.Process(target=sweep_points.shared, args=(store, str(log), 60))
    first.start()
    while not log.exists():
        time.sleep(0.01)
    second = processes.Process(target=sweep_points.shared, args=(store, str(log), 60))
    second.start()
    time.sleep(0.3)
    first.kill()
    second.join(60)
    first.join()
    assert second.exitcode == 0
    assert {line.split()[1] for line in log.read_text().splitlines()} == {str(x) for x in range(60)}


INTERRUPTED = """
import sys, time
sys.path.insert(0, {folder!r})
import jax, sweep_points
from dynloss_book.engine import sweeps
from dynloss_book.engine.sweeps import engine

def plain(x, seed):
    time.sleep(60 if x > 5 else 0)
    return {{"value": x}}

def traced(x, seed):
    ones = x * jax.numpy.ones(200)
    end = jax.lax.fori_loop(0, jax.numpy.where(x > 5, 1_500_000, 1), lambda _, a: jax.numpy.sin(a), ones)
    return {{"value": x + 0 * end.mean()}}

wait, handed = engine.wait, set()
def said(running, *options):
    if handed == {{1, 2, 3, 4, 5}}:  # the engine has them all, and only what takes long is computed
        print("now", flush=True)
    ready, _ = wait(running, *options)
    handed.update(x for each in ready for x in running[each]["x"].tolist())
engine.wait = said

sweeps.run("test", {function}, axes={{"x": range(1, 10)}}, seeds=[0], vectorize={vectorize}, chunk=1, store={store!r},
           progress=False)
"""


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_finished_and_ends_at_once(tmp_path):
    """Threads are left behind; a program of JAX is not, and its process ends with the batch."""
    processes = {}
    for function, vectorize in (("traced", True), ("plain", False)):
        (tmp_path / function).mkdir()
        store = str(tmp_path / function / "store")
        program = tmp_path / function / "program.py"
        folder = str(Path(__file__).parent)
        program.write_text(INTERRUPTED.format(folder=folder, function=function, vectorize=vectorize, store=store))
        command = [sys.executable, program]
        processes[store] = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for process in processes.values():  # the traced one first: what it computes does not take for ever
            assert process.stdout.readline() == "now\n"
            process.send_signal(signal.SIGINT)
        interrupted = time.monotonic()
        for store, process in processes.items():
            _, error = process.communicate(timeout=55)
            assert time.monotonic() - interrupted < 50  # a point sleeps for 60
            assert error.rstrip().endswith("KeyboardInterrupt")
            assert process.returncode in (130, -signal.SIGINT)
            there = np.concatenate([archive.decode(path.read_bytes()).x for path in Path(store).glob("*.nc")])
            # On a busy machine the batch of point 6 may end before the signal is heard; no later one begins.
            assert sorted(there) in ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6])
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


# Growing, and parts of it


def test_more_seeds_and_values_compute_only_what_is_new(counted):
    run(number, axes={"x": [1, 2]}, seeds=range(2), vectorize=False)
    assert len(counted) == 4
    run(number, axes={"x": [1, 2]}, seeds=range(3), vectorize=False)
    assert len(counted) == 6
    more = run(number, axes={"x": [3, 2.0, 1]}, seeds=range(3), vectorize=False)
    assert len(counted) == len(set(counted)) == 9
    fewer = run(number, axes={"x": [3, 1]}, seeds=[2], vectorize=False)
    assert len(counted) == 9 and fewer.origin == "archived" and fewer.done.all()
    assert fewer.value.values.tolist() == [[3.2], [1.2]]
    assert more.value.sel(x=2, seed=1) == 2.1


def test_another_constant_is_another_sweep(counted):
    def offset(x, seed, c, more=0):
        return {"value": x + c + more}

    first = run(offset, constants={"c": 1}, vectorize=False)
    second = run(offset, constants={"c": 2}, vectorize=False)
    third = run(offset, constants={"c": 2, "more": 5}, vectorize=False)
    assert len(counted) == 60 and len({each.path for each in (first, second, third)}) == 3
    np.testing.assert_array_equal(third.value - first.value, 6)
    run(offset, constants={"c": 1.0}, vectorize=False)
    assert len(counted) == 60


def test_little_time_computes_a_batch_at_a_time_and_says_how_much(counted):
    found = run(sweep_points.number, chunk=4, minutes=1e-9)
    assert len(counted) == 4 and int(found.done.sum()) == 4
    assert found.scale == "4 of 10 points, 0 to 1 of 2 seeds"
    np.testing.assert_array_equal(found.value.isnull(), ~found.done)
    assert not found.diverged.any()
    for batches in (2, 3, 4, 5):
        found = run(sweep_points.number, chunk=4, minutes=1e-9)
        assert len(counted) == min(4 * batches, 20)
    assert found.done.all() and found.scale == "2 seeds"


def test_a_diagram_of_half_the_seeds_says_so(counted):
    found = run(sweep_points.number, chunk=10, minutes=1e-9)
    assert found.scale == "1 of 2 seeds" and found.done.sel(seed=0).all() and not found.done.sel(seed=1).any()
    assert archive.provenance(found).records[0]["scale"] == "1 of 2 seeds"


def test_time_that_runs_out_in_the_middle(counted, monkeypatch):
    def slow(x, seed):
        time.sleep(0.02)
        return {"value": x}

    found = run(slow, axes={"x": range(500)}, vectorize=False, minutes=0.4 / 60)
    assert 10 < int(found.done.sum()) == len(counted) < 200


def test_no_time_shows_what_there_is(results, counted):
    with pytest.raises(sweeps.SweepError, match="holds no point of this sweep, and none was finished"):
        run(sweep_points.number, minutes=0)
    assert list(results.rglob("*")) == []
    run(sweep_points.number, seeds=[0])
    found = run(sweep_points.number, minutes=0, fresh=True)
    assert found.scale == "1 of 2 seeds" and found.origin == "archived" and len(counted) == 10


def test_seconds_add_up_over_resumed_runs(monkeypatch):
    def slow(x, seed):
        time.sleep(0.05)
        return {"value": x}

    first = run(slow, axes={"x": [1, 2]}, vectorize=False)
    second = run(slow, axes={"x": [1, 2, 3, 4]}, vectorize=False)
    again = run(slow, axes={"x": [1, 2, 3, 4]}, vectorize=False)
    assert 0.05 < first.seconds < second.seconds == again.seconds
    assert (first.origin, second.origin, again.origin) == ("computed", "computed", "archived")
    assert again.attrs["seed"] == "0 to 1" and again.attrs["dtype"] == "float32"


# Stores that do not fit


def test_a_named_store_of_other_parameters_is_refused(tmp_path, counted):
    run(number, vectorize=False, store=tmp_path)
    with pytest.raises(sweeps.SweepError, match="belongs to another sweep: its function is number, not drawn"):
        run(sweep_points.drawn, store=tmp_path)
    of_two = from_file("number", "def number(x, y, seed):\n    return {'value': x}\n", tmp_path / "code")
    with pytest.raises(sweeps.SweepError, match="belongs to another sweep: its axes is"):
        run(of_two, axes={"x": [1], "y": [2]}, vectorize=False, store=tmp_path)
    assert len(counted) == 20


def from_file(name, source, folder):
    """A function from a file of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / f"m{abs(hash(source))}.py"
    path.write_text(source)
    space: dict = {"__name__": path.stem, "np": np, "jnp": jnp}
    exec(compile(source, path, "exec"), space)
    return space[name]


def test_other_code_is_refused_when_something_must_be_computed_and_else_shown_as_stale(tmp_path, counted):
    old = from_file("f", "def f(x, seed):\n    return {'value': x + 1.0}\n", tmp_path)
    new = from_file("f", "def f(x, seed):\n    return {'value': x + 2.0}\n", tmp_path)
    run(old, seeds=[0], vectorize=False)
    with pytest.raises(sweeps.SweepError, match=r"computed by other code: compute changed since.*fresh=True"):
        run(new, vectorize=False)
    for options in ({"seeds": [0]}, {"minutes": 0}):
        with pytest.warns(archive.ArchiveWarning, match="STALE: compute changed"):
            found = run(new, vectorize=False, **options)
        assert found.stale == "compute" and found.origin == "archived" and "STALE" in str(archive.provenance(found))
        np.testing.assert_array_equal(found.value.sel(seed=0), np.arange(10) + 1)
    assert len(counted) == 10
    found = run(new, seeds=[0], vectorize=False, fresh=True)
    np.testing.assert_array_equal(found.value.sel(seed=0), np.arange(10) + 2)
    assert found.stale == "" and Path(found.path).with_name(Path(found.path).name + ".old").is_dir()
    assert run(new, seeds=[0], vectorize=False).origin == "archived"


def test_anew_with_a_part_of_the_grid_keeps_the_rest(counted):
    everything = run(number, vectorize=False)
    part = run(number, seeds=[0], axes={"x": [1, 2]}, vectorize=False, fresh=True)
    assert part.origin == "computed" and len(counted) == 22
    assert run(number, vectorize=False).identical(everything.assign_attrs(run(number, vectorize=False).attrs))
    assert len(counted) == 22


def test_anew_after_misuse_leaves_the_old_store(tmp_path):
    first = run(number, vectorize=False, store=tmp_path / "store")
    with pytest.raises(ValueError, match="describes nothing"):
        run(number, store=tmp_path / "store", fresh=True, variables={"nothing": ((), {})})
    assert run(number, minutes=0, store=tmp_path / "store").done.all() and first.done.all()


def unfinished(x, seed, checkpoint=None):
    """Counts its calls in its checkpoint; the first call dies."""
    calls = int(checkpoint.read_text()) + 1 if checkpoint.exists() else 1
    checkpoint.write_text(str(calls))
    if calls == 1 and x == 3:
        raise RuntimeError("the machine went down")
    checkpoint.unlink()
    return {"value": calls}


def test_a_point_goes_on_from_its_checkpoint(results):
    with pytest.raises(sweeps.SweepError, match="went down"):
        run(unfinished, axes={"x": [1, 2, 3]}, seeds=[0], vectorize=False)
    (left,) = results.rglob(".*.checkpoint")
    found = run(unfinished, axes={"x": [1, 2, 3]}, seeds=[0], vectorize=False)
    assert found.value.sel(seed=0).values.tolist() == [1, 1, 2] and not left.exists()


def test_what_is_finished_is_written_while_the_next_is_computed(results, monkeypatch):
    """However long a point takes: no other one waits for it in memory."""
    monkeypatch.setattr(engine, "WRITE_EVERY", 0.05)

    def files_seen(x, seed):
        until = time.monotonic() + 20 * x
        while not (seen := len(list(results.rglob("*.nc")))) and time.monotonic() < until:
            time.sleep(0.01)
        return {"value": seen}

    assert run(files_seen, axes={"x": [0, 1]}, seeds=[0], vectorize=False).value.sel(x=1, seed=0) == 1


def test_another_precision_is_not_mixed_into_a_store(x64):
    jax.config.update("jax_enable_x64", False)
    run(sweep_points.drawn, constants={"steps": 1}, seeds=[0])
    jax.config.update("jax_enable_x64", True)
    with pytest.raises(sweeps.SweepError, match="setting jax_enable_x64 changed since"):
        run(sweep_points.drawn, constants={"steps": 1})


def test_damaged_files_are_computed_again(counted):
    first = run(number, seeds=[0], vectorize=False)
    (path,) = Path(first.path).glob("*.nc")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.warns(archive.ArchiveWarning, match="cannot be read"):
        second = run(number, seeds=[0], vectorize=False)
    assert len(counted) == 20 and content(first) == content(second)


def test_a_full_disk_loses_nothing(monkeypatch, results, full_disk):
    with pytest.warns(archive.ArchiveWarning, match="20 points could not be written.*No space left"):
        found = run(number, vectorize=False)
    assert found.done.all() and found.path == "" and "not archived" in str(archive.provenance(found))
    assert list(results.rglob("*.nc")) == []

    def freeing(x, seed):
        full_disk.full = x < 5
        time.sleep(0.02)
        return {"value": x}

    monkeypatch.setattr(engine, "WRITE_EVERY", 0.02)
    with pytest.warns(archive.ArchiveWarning, match="could not be written"):
        found = run(freeing, seeds=[0], vectorize=False)
    assert found.path and run(freeing, seeds=[0], vectorize=False, minutes=0).done.all()


@pytest.mark.parametrize("fresh", [True, False])
def test_a_store_that_cannot_be_written_to_is_found_out_before_anything_is_computed(tmp_path, counted, fresh):
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(archive.ArchiveError, match="nothing was computed"):
        run(number, vectorize=False, store=tmp_path / "store", fresh=fresh)
    assert counted == []


def test_what_is_complete_can_be_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    run(number, vectorize=False, store=tmp_path / "store")

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(archive, "write", refuse)
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert run(number, vectorize=False, store=tmp_path / "store").done.all()
    with pytest.raises(archive.ArchiveError, match="Permission denied"):
        run(number, vectorize=False, store=tmp_path / "store", seeds=range(3))


# UsageError: before anything starts


def takes_more(x, seed, width):
    return {"value": x}


def takes_less(seed):
    return {"value": seed}


def an_array(x, seed):
    return jnp.zeros(3)


def a_taken_name(x, seed):
    return {"value": x, "seed": seed}


def words(x, seed):
    return {"value": "text"}


class Callable:
    def __call__(self, x, seed):
        return {"value": x}


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (number, {"seeds": range(0)}, "axis seed is empty"),
        (number, {"seeds": 5}, r"such as \[1, 2\] or range\(5\), got 5"),
        (number, {"seeds": [-3]}, "got -3"),
        (number, {"axes": {"x": []}}, "axis x is empty"),
        (number, {"axes": {"x": [1, 1]}}, "axis x holds 1 more than once"),
        (number, {"axes": {"x": [float("nan")]}}, "got nan"),
        (number, {"axes": {"x": ["10"]}}, "got '10'"),
        (number, {"axes": {"seed": [1]}}, "cannot be called 'seed'"),
        (number, {"axes": {"done": [1]}}, "cannot be called 'done'"),
        (takes_more, {}, r"takes_more does not take x, seed \(missing a required argument: 'width'\)"),
        (takes_less, {}, r"takes_less does not take x, seed \(got an unexpected keyword argument 'x'\)"),
        (number, {"constants": {"x": 1}}, "x: an axis and a constant at once"),
        (number, {"constants": {"width": 1}}, "does not take x, seed, width"),
        (takes_more, {"constants": {"width": float("nan")}}, "width=nan cannot be archived"),
        (takes_more, {"constants": {"width": np.zeros(2)}}, "width=array.* cannot be archived"),
        (takes_more, {"constants": {"width": len}}, "width=<built-in function len> cannot be archived"),
        (an_array, {}, "an_array must return {name: value}, got ShapeDtypeStruct"),
        (a_taken_name, {}, "a_taken_name returns seed, which the sweep uses itself"),
        (number, {"chunk": 0}, "chunk must be an integer, at least 1, got 0"),
        (number, {"chunk": 2.5}, "chunk must be an integer, at least 1, got 2.5"),
        (number, {"minutes": -1}, "minutes must be .*at least 0, got -1"),
        (number, {"minutes": "5"}, "minutes must be a number, got '5'"),
        (number, {"minutes": float("nan")}, "minutes must be .*got nan"),
        (Callable(), {}, "compute must be a plain function"),
        (eval("lambda x, seed: {'value': x}"), {}, "cannot read the source of <lambda>"),
        (number, {"variables": {"loss": ((), {})}}, "variables describes loss, but the function returns value"),
        (number, {"variables": {"value": (("step",), {})}}, "value has 0 dimensions a point, but 1 names"),
        (number, {"variables": {"value": ((), {"range": {}})}}, "results cannot be kept like this: .*Invalid value"),
    ],
)
def test_misuse_is_refused_before_anything_starts(function, options, message, results, counted):
    if function is number:
        function = sweep_points.number if "variables" in options else number
    with pytest.raises(ValueError, match=message):
        run(function, **options)
    assert counted == [] and list(results.rglob("*.nc")) == []


def test_a_dimension_that_is_an_axis_is_refused():
    def vector(x, seed):
        return {"value": jnp.zeros(3) + x}

    with pytest.raises(ValueError, match=r"the dimensions of value must differ .* got \('x',\)"):
        run(vector, variables={"value": (("x",), {})})


def test_any_function_is_held_to_the_same_by_its_first_point(results):
    for function, message in ((an_array, "must return"), (a_taken_name, "returns seed"), (words, "of type <U4")):
        with pytest.raises(ValueError, match=message):
            run(function, vectorize=False)
    with pytest.raises(ValueError, match="describes loss"):
        run(number, vectorize=False, variables={"loss": ((), {})})
    assert list(results.rglob("*.nc")) == []


def test_a_shape_that_depends_on_the_point_is_refused_and_the_others_kept(counted):
    def ragged(x, seed):
        return {"value": np.zeros(2 if x < 4 else 3)}

    with pytest.raises(sweeps.SweepError, match=r"x=4, seed=0\) holds .* {'value': \(2,\)}, not {'value': \(3,\)}"):
        run(ragged, vectorize=False)
    assert int(run(ragged, vectorize=False, minutes=0).done.sum()) == 4


def test_an_amplitude_that_is_traced_cannot_raise_but_the_values_can():
    """Nothing raises inside a compiled program: who writes the function checks the axes, as a concrete value would."""
    found = network(axes={"period": [10], "amplitude": [0.5, 1]}, seeds=[0])
    assert found.done.all() and np.isfinite(found.loss).all()  # numbers without a meaning
    with pytest.raises(ValueError, match=r"amplitude must be .*at least 1, got 0\.5"):
        schedules.oscillating(10, 0.5, 3)


def test_periods_of_one_step_and_beyond_the_run():
    found = network(axes={"period": [1, 10**6], "amplitude": [1, 10]}, seeds=[0])
    assert found.done.all() and not found.diverged.any()
    # T = 1: the class changes at each step and g(0) = 1, so nothing oscillates.
    np.testing.assert_allclose(found.loss.sel(period=1, amplitude=10), found.loss.sel(period=1, amplitude=1), rtol=1e-5)
    alone = sweep_points.network(10**6, 10, 0, **FIFTY)
    np.testing.assert_allclose(found.loss.sel(period=10**6, amplitude=10), alone["loss"], rtol=2e-5)


# Points that go wrong


def test_diverged_points_are_kept_flagged_and_left_out_of_the_mean(counted):
    def diverging(x, seed):
        return {"value": jnp.where((x > 1) & (seed == 1), jnp.inf, x), "other": jnp.where(x > 2, jnp.nan, 1.0)}

    for _ in range(2):
        found = run(diverging, axes={"x": [1, 2, 3]}, seeds=range(3))
        assert found.done.all()
        assert found.diverged.sum("seed").values.tolist() == [0, 1, 3]
        assert found.value.sel(x=2, seed=1) == np.inf
    assert len(counted) == 9
    mean, error, behind, _ = sweeps.summary(found.value)
    assert mean.values.tolist() == [1, 2, 3] and behind.values.tolist() == [3, 2, 2]
    assert (error == 0).all()
    assert sweeps.summary(found.other).number.values.tolist() == [3, 3, 0]


def test_a_point_that_raises_is_named_the_others_kept_and_the_next_run_goes_on(tmp_path, counted):
    def fragile(x, seed):
        if x == 4 and not (tmp_path / "repaired").exists():
            raise ZeroDivisionError("no such x")
        return {"value": x}

    with pytest.raises(sweeps.SweepError, match="failed at x=4, seed=0: ZeroDivisionError: no such x") as raised:
        run(fragile, vectorize=False)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    there = int(run(fragile, vectorize=False, minutes=0).done.sum())
    assert there >= 4
    (tmp_path / "repaired").touch()
    before = len(counted)
    assert run(fragile, vectorize=False).done.all()
    assert len(counted) - before == 20 - there


# What is shown


def test_the_progress_bar_shows_points_done_and_those_that_were_there(capsys):
    run(sweep_points.number, seeds=[0], progress=True)
    assert "test: 100%" in (shown := capsys.readouterr().err) and "10/10" in shown and "points/s" in shown
    run(sweep_points.number, progress=True)
    shown = capsys.readouterr().err
    assert " 50%" in shown and "10/20" in shown and "20/20" in shown
    run(sweep_points.number, seeds=range(3))
    assert capsys.readouterr() == ("", "")


# What else people do


def test_single_precision_values_arrays_and_defaults(counted):
    def defaults(x, seed, power=2):
        return {"value": x**power}

    found = run(defaults, axes={"x": np.float32([0.1, 2])}, seeds=np.arange(2), vectorize=False)
    assert found.x.dtype == "float32" and found.done.all()
    run(defaults, axes={"x": np.float32([2, 0.1])}, seeds=np.arange(2), vectorize=False)
    assert len(counted) == 4
    found = run(sweep_points.number, axes={"x": jnp.arange(3.0)}, seeds=(s for s in [1]))
    assert found.value.values.tolist() == [[1], [2], [3]]


def test_seeds_alone():
    def only(seed):
        return {"value": seed * 2}

    found = run(only, axes={}, seeds=[5, 3])
    assert found.value.dims == ("seed",) and found.value.values.tolist() == [10, 6]


def test_a_compiled_function():
    found = run(jax.jit(number_compiled), axes={"x": [1, 2]}, seeds=[0])
    assert found.value.values.tolist() == [[2], [4]]


def number_compiled(x, seed):
    return {"value": 2 * x}


def test_large_results():
    def large(x, seed):
        return {"value": jnp.full((300, 400), x)}

    found = run(large, axes={"x": [1, 2, 3]}, variables={"value": (("row", "column"), {"units": "1"})})
    assert found.value.shape == (3, 2, 300, 400) and found.value.dims[-2:] == ("row", "column")
    assert (found.value == found.x).all() and found.value.attrs == {"units": "1"}


def test_two_long_axes(counted):
    found = run(sweep_points.grid_point, axes={"x": np.arange(300), "y": np.arange(300)}, seeds=[0], chunk=9000)
    np.testing.assert_array_equal(found.value.sel(seed=0), np.add.outer(np.arange(300), 1000 * np.arange(300)))
    again = run(sweep_points.grid_point, axes={"x": np.arange(300), "y": np.arange(300)}, seeds=[0], chunk=9000)
    assert len(counted) == 90_000 and content(again) == content(found)


def test_minutes_end_a_point_at_its_checkpoint_and_the_next_call_goes_on(tmp_path):
    function, options = sweep_points.slow_network, {"axes": {"period": [4.0]}, "seeds": [0], "vectorize": False}
    interrupted = functools.partial(run, function, results=tmp_path / "cut", **options)
    with pytest.raises(sweeps.SweepError, match="none was finished in the time given"):
        interrupted(minutes=1e-9)
    assert list((tmp_path / "cut").rglob("*.checkpoint"))
    whole = run(function, results=tmp_path / "whole", **options)
    assert content(interrupted()) == content(whole)
    assert not list((tmp_path / "cut").rglob("*.checkpoint"))


def test_only_the_archive_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("DYNLOSS_ARCHIVE_ONLY", "1")
    with pytest.raises(archive.NotArchived, match="no point of this sweep of test"):
        run(number, vectorize=False, results=tmp_path)
    monkeypatch.delenv("DYNLOSS_ARCHIVE_ONLY")
    run(number, vectorize=False, results=tmp_path, seeds=[0])
    monkeypatch.setenv("DYNLOSS_ARCHIVE_ONLY", "1")
    assert run(number, vectorize=False, results=tmp_path).attrs["scale"] == "1 of 2 seeds"
    monkeypatch.setattr(engine.fingerprint, "take", other_code)
    with pytest.raises(archive.NotArchived, match="stale: "):
        run(number, vectorize=False, results=tmp_path)


def other_code(function):
    return Fingerprint("other", {"compute": "other"})
