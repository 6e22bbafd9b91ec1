"""Fingerprints: what changes them, what does not, and that every Python finds the same."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dynloss import fingerprint as fp

EXAMPLE = textwrap.dedent('''
    """A module."""
    import math

    SIZE = 3  # how many


    def f(x: float, *, name="a") -> str:
        """Say it."""
        if x > 1e-3:
            # nothing to see
            return f"{name!r:>{SIZE}} is {x:.2f} # not a comment" "and more"
        y = (x +
             1)
        return f'{f"{y}"} \\\\ {{}}'


    class A:
        "Only a docstring."
''')


def closed_over(value):
    def compute():
        return value

    return compute


def helper(x):
    return x + OFFSET


OFFSET = 2


def uses_helper(x):
    return helper(x)


def uses_library(x):
    from dynloss.figures import idea

    return idea, fp.normalised, x


def test_same_on_every_python():
    """Stored from 3.11; 3.12 began to cut f-strings into tokens."""
    assert fp._hash(EXAMPLE) == "52d4e029a7b6d1e8"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# how many", "# how many there are"),
        ("  # how many", ""),
        ('"""Say it."""', '"""Says it, at length.\n\n    With an example.\n    """'),
        ("# nothing to see\n", "\n\n"),
        ("(x +\n         1)", "(x + 1)"),
        ('"Only a docstring."', '"Still."'),
        ('"""A module."""\n', ""),
    ],
)
def test_blind_to_comments_docstrings_and_layout(old, new):
    assert old in EXAMPLE
    assert fp._hash(EXAMPLE.replace(old, new)) == fp._hash(EXAMPLE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x > 1e-3", "x > 1e-4"),
        ("SIZE = 3", "SIZE = 4"),
        ("# not a comment", "# no comment"),
        ('name="a"', 'name="b"'),
        (":.2f", ":.3f"),
        ("import math", "import cmath"),
        ("    y = (x +\n", "        y = (x +\n"),
    ],
)
def test_sees_code(old, new):
    assert old in EXAMPLE
    assert fp._hash(EXAMPLE.replace(old, new)) != fp._hash(EXAMPLE)


def test_follows_helpers_constants_and_closures(monkeypatch):
    before = fp.sources(uses_helper)
    assert set(before) == {"compute", "helper()", "value of OFFSET"}
    monkeypatch.setitem(globals(), "OFFSET", 3)
    after = fp.sources(uses_helper)
    assert {name for name in before if before[name] != after[name]} == {"value of OFFSET"}
    assert fp.sources(closed_over(1)) != fp.sources(closed_over(2))


def test_follows_imports_inside_the_function():
    assert "dynloss.figures.idea" in fp.sources(uses_library)


def test_sees_through_jit():
    import jax

    assert fp.sources(jax.jit(uses_helper)) == fp.sources(uses_helper)


def test_closure_over_imports(tmp_path):
    files = {
        "__init__.py": "from . import a, unused",
        "a.py": "import numpy\nfrom dynloss.sub import b",
        "sub/__init__.py": "from .c import thing",
        "sub/b.py": "from ..d import x",
        "sub/c.py": "def f():\n    import dynloss.e",
        "d.py": "",
        "e.py": "",
        "unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = fp.closure(["dynloss.a", "jax"], tmp_path)
    assert found == ["dynloss.a", "dynloss.d", "dynloss.e", "dynloss.sub", "dynloss.sub.b", "dynloss.sub.c"]


@pytest.mark.parametrize("what", [len, 3, __import__("functools").partial(uses_helper, 1)])
def test_refuses_what_has_no_source(what):
    with pytest.raises(ValueError, match="plain function"):
        fp.sources(what)


def test_refuses_a_function_typed_at_a_prompt():
    namespace = {}
    exec("def f(): return 1", namespace)
    with pytest.raises(ValueError, match="cannot read the source of f"):
        fp.sources(namespace["f"])


def test_fingerprint_is_of_the_whole():
    hashes = fp.sources(uses_helper)
    assert fp.fingerprint(hashes) == fp.fingerprint(dict(reversed(hashes.items())))
    assert fp.fingerprint(hashes) != fp.fingerprint(hashes | {"helper()": "0"})


def test_same_in_another_process():
    code = "import json; from test_fingerprint import *; print(json.dumps(fp.sources(uses_helper)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == fp.sources(uses_helper)
