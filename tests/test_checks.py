"""What the checks let through, and what they say of the rest."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from misuse import refused

from dynloss import checks


@pytest.mark.parametrize("value", [1, 1.0, 70, np.float32(2.5), np.int64(3), jnp.array(4.0)])
def test_numbers_in_range_pass(value):
    checks.check_number("period", value, at_least=1)
    checks.check_number("period", value, above=0)


test_other_numbers_are_named = refused(
    functools.partial(checks.check_number, "period"),
    {"at_least": 1},
    ({"value": 0}, "period must be finite and at least 1, got 0"),
    ({"value": -1}, "period.*got -1"),
    ({"value": 0.999}, "period.*got 0.999"),
    ({"value": float("nan")}, "period.*got nan"),
    ({"value": float("inf")}, "period.*got inf"),
    ({"value": None}, "period must be a number, got None"),
    ({"value": "five"}, "period.*got 'five'"),
    ({"value": np.ones(2)}, "period must be a number, got array"),
    ({"value": 1 + 1j}, "period must be a number"),
)


def test_above_excludes_the_bound_itself():
    with pytest.raises(ValueError, match=r"jump must be finite and greater than 0, got 0$"):
        checks.check_number("jump", 0, above=0)


@pytest.mark.parametrize("value", [1, 7, np.int32(2)])
def test_counts_pass(value):
    checks.check_count("steps", value, at_least=1)


test_what_is_no_count_is_named = refused(
    functools.partial(checks.check_count, "steps"),
    {"at_least": 1},
    *[
        ({"value": each}, f"steps must be an integer, at least 1, got {each!r}$")
        for each in (0, -3, 2.0, True, "2", None, float("nan"))
    ],
)


def test_choices():
    checks.check_choice("interpretation", "text", ("text", "code"))
    with pytest.raises(ValueError, match="interpretation must be one of 'text', 'code', got 'Text'"):
        checks.check_choice("interpretation", "Text", ("text", "code"))


def test_traced_values_pass_whatever_they_are():
    def inside(value):
        assert checks.is_traced(value)
        checks.check_number("period", value, at_least=1)
        return value

    assert float(jax.jit(inside)(-1.0)) == -1
    assert not checks.is_traced(jnp.array(1.0))
