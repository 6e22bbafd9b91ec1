"""The examples in the docstrings do what they say."""

import doctest
import importlib
import inspect
from pathlib import Path

import jax
import pytest

SOURCES = Path(__file__).resolve().parents[1] / "src"
WITH_EXAMPLES = sorted(path.relative_to(SOURCES) for path in SOURCES.rglob("*.py") if ">>>" in path.read_text("utf-8"))
MODULES = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in WITH_EXAMPLES]


class Finder(doctest.DocTestFinder):
    """Sees through decorators: doctest takes a function wrapped by jit or by the type checker for an imported one."""

    def _from_module(self, module, object):
        home = getattr(inspect.unwrap(object), "__module__", None) if callable(object) else None
        return home == module.__name__ if home else super()._from_module(module, object)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    # A reader's code may promote; that the library does not is for the other tests.
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        for example in Finder().find(module, name):
            runner.run(example)
    assert runner.tries > 0 == runner.failures, "see the output above"
