"""What the checks let through, and what they say of the rest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dynloss import checks


@pytest.mark.parametrize("value", [1, 1.0, 70, np.float32(2.5), np.int64(3), jnp.array(4.0)])
def test_numbers_in_range_pass(value):
    checks.check_number("period", value, at_least=1)
    checks.check_number("period", value, above=0)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "period must be finite and at least 1, got 0"),
        (-1, "got -1"),
        (0.999, "got 0.999"),
        (float("nan"), "got nan"),
        (float("inf"), "got inf"),
        (None, "period must be a number, got None"),
        ("five", "got 'five'"),
        (np.ones(2), "must be a number, got array"),
        (1 + 1j, "must be a number"),
    ],
)
def test_other_numbers_are_named(value, said):
    with pytest.raises(ValueError, match="period") as error:
        checks.check_number("period", value, at_least=1)
    assert said in str(error.value)


def test_above_excludes_the_bound_itself():
    with pytest.raises(ValueError, match=r"jump must be finite and greater than 0, got 0$"):
        checks.check_number("jump", 0, above=0)


@pytest.mark.parametrize("value", [1, 7, np.int32(2)])
def test_counts_pass(value):
    checks.check_count("steps", value, at_least=1)


@pytest.mark.parametrize("value", [0, -3, 2.0, True, "2", None, float("nan")])
def test_what_is_no_count_is_named(value):
    with pytest.raises(ValueError, match="steps must be an integer, at least 1, got ") as error:
        checks.check_count("steps", value, at_least=1)
    assert str(error.value).endswith(repr(value))


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
