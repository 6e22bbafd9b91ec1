"""What holds for every test: strict JAX, checked shapes and types, and no file outside the test's own folders."""

import contextlib
import os
import signal
import sys
from pathlib import Path

# Here and in what the tests start. Their programs run for less time than they compile, many of them more than once.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).resolve().parents[1] / "_build" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import lean  # noqa: F401
import pytest
from browsing import chromium, opened  # noqa: F401
from jaxtyping import install_import_hook
from reference import double
from small_site import dynloss  # noqa: F401

# The physics is checked; what works on files and streams takes whatever behaves like one.
SOURCES = Path(__file__).resolve().parents[1] / "src"
PARTS = {f"{path.parent.name}.{path.stem}" for path in SOURCES.glob("dynloss*/*") if path.suffix in {".py", ""}}
VERDICTS = {f"dynloss_book.engine.{name}" for name in ("agreement", "findings", "verdicts")}
UNCHECKED = {"dynloss.__init__", "dynloss_book.__init__", "dynloss_book.engine"}
CHECKED = sorted((PARTS | VERDICTS) - UNCHECKED)
# Only modules imported from here on are checked.
assert "dynloss" not in sys.modules, "dynloss was imported before its import hook was in place"
install_import_hook(CHECKED, "type_checker.checked")

# A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# An axis or a precision that appears unasked is the commonest silent error in JAX.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items):
    """A file's tests stay in one process, with what they share, unless they say which ones belong together."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(item.config.rootpath))))


@pytest.fixture(autouse=True)
def results(tmp_path_factory, monkeypatch):
    """The archive of this test, empty: no test reads or writes the repository's results."""
    folder = tmp_path_factory.mktemp("results")
    monkeypatch.setenv("DYNLOSS_RESULTS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def closed():
    """No picture that a test draws stays open."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def small_disk():
    """A context in which no file of this process grows beyond 1,000 bytes: a full disk that needs no rights."""
    resource = pytest.importorskip("resource")

    @contextlib.contextmanager
    def limited():
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture
def x64():
    """float64 for this test. Before any array is made: the fixture has to come first among the arguments."""
    with double():
        yield


@pytest.fixture
def standard_promotion():
    """JAX's own dtype promotion, for what leans on it inside: optax's schedules and Adam, flax's average pooling."""
    with jax.numpy_dtype_promotion("standard"):
        yield
