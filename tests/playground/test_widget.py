"""The playground as a widget: its settings, and the trajectory that it hands to Python."""

import numpy as np
import pytest

from dynloss_book.playground.widget import CHOICES, RANGES, Playground

QUANTITIES = 7


def test_is_the_page_of_the_book():
    from dynloss_book import playground

    widget = Playground()
    assert "export default {render}" in widget._esm and widget._esm == playground.script()
    assert widget._engine == playground.engine()
    assert ".dl-playground" in widget._css


@pytest.mark.parametrize(("name", "low", "high"), [(name, *bounds) for name, bounds in RANGES.items()])
def test_settings_outside_their_range_are_refused(name, low, high):
    kind = type(getattr(Playground(), name))
    for value in (kind(low), kind(high)):
        assert getattr(Playground(**{name: value}), name) == value
    with pytest.raises(ValueError, match=name):
        Playground(**{name: kind(high) + 1})
    with pytest.raises(ValueError, match=name):
        Playground(**{name: kind(low) - 1})


@pytest.mark.parametrize("name", CHOICES)
def test_choices(name):
    for value in CHOICES[name]:
        assert getattr(Playground(**{name: value}), name) == value
    with pytest.raises(ValueError, match=name):
        Playground(**{name: "sideways"})


def test_trajectory_of_what_the_page_sends():
    widget = Playground(amplitude=30.0, width=50)
    rows = np.arange(3 * (1 + 2 * QUANTITIES), dtype="<f8").reshape(3, -1)
    rows[1, -1] = np.nan
    widget.set_state({"_record": memoryview(rows.tobytes()), "_cascades": [[10, 20], [30, None]], "step": 48})
    found = widget.trajectory
    assert found.step.values.tolist() == rows[:, 0].tolist() and found.step.units == "steps"
    assert found.class_weights.dims == ("step", "class", "bound") and found.class_weights.sizes["class"] == 3
    assert found.loss.sel(bound="smallest").values.tolist() == rows[:, 7].tolist()
    assert found.loss.sel(bound="largest").values.tolist() == rows[:, 8].tolist()
    assert found.accuracy.sel(bound="largest").values.tolist() == rows[:, 12].tolist()
    assert np.isnan(found.hessian_eigenvalue.values[1, 1])
    assert found.cascade_start.values.tolist() == [10, 30] and found.cascade_end.values.tolist() == [20, -1]
    settings = {"amplitude": 30.0, "period": 5000, "learning_rate": 1.0, "width": 50, "seed": 0, "shape": "triangular"}
    assert found.attrs == {**settings, "steps": 48}


def test_trajectory_before_the_start_is_empty():
    found = Playground().trajectory
    assert found.sizes["step"] == 0 and found.sizes["cascade"] == 0 and found.attrs["steps"] == 0
