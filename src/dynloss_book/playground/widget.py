"""The playground as a widget for Jupyter and Colab; needs the extra `dynloss[widget]`."""

from typing import Any

import anywidget
import numpy as np
import traitlets

from dynloss.checks import check_choice, check_number
from dynloss_book import playground

# The quantities of a row of the record, in the order of the page's NAMES, each with a smallest and a largest value.
_CLASSES = 3
_SCALARS = {
    "loss": {"long_name": "dynamical loss, eq. (1)", "units": "nats"},
    "loss_change": {"long_name": "change of the loss from one step to the next", "units": "nats"},
    "accuracy": {"long_name": "training accuracy", "units": "1"},
    "hessian_eigenvalue": {"long_name": "largest eigenvalue of the Hessian", "units": "1"},
}
# What the page allows, too: the tests hold both alike.
RANGES = {
    "amplitude": (1, 1000),
    "period": (2, 20_000),
    "learning_rate": (0.01, 10),
    "width": (1, 1000),
    "seed": (0, 2**32 - 1),
}
CHOICES = {
    "shape": ("triangular", "static"),
    "speed": ("1", "10", "100", "500", "1500", "5000", "full"),
    "view": ("close", "cycle", "run"),
}


class Playground(anywidget.AnyWidget):
    """The spiral network of Figures 3-5, training in the notebook's page.

    Attributes:
        amplitude: A, 1 to 1000.
        period: T, in steps, 2 to 20 000.
        learning_rate: η, 0.01 to 10.
        width: hidden units, 1 to 1000; another one begins anew.
        seed: of the initial weights, those of ``MLP.init(jax.random.key(seed))`` in float64; another one begins anew.
        shape: ``"triangular"`` or ``"static"`` (Γ = 1).
        speed: steps a second, as a word: ``"1"``, ``"10"``, ``"100"``, ``"500"``, ``"1500"``, ``"5000"`` or ``"full"``.
        view: what the curves show: ``"close"`` (200 steps), ``"cycle"`` (three periods) or ``"run"``.
        step: t, how far it is; read only.

    Raises:
        ValueError: for a value outside its range.

    >>> playground = Playground(amplitude=30, period=1000)
    >>> playground.step, playground.trajectory.sizes["step"]
    (0, 0)
    """

    _esm = playground.script()
    _css = playground.style()
    _engine = traitlets.Bytes(playground.engine()).tag(sync=True)
    _record = traitlets.CBytes(b"").tag(sync=True)  # what comes from the page is a memoryview
    _cascades: Any = traitlets.List().tag(sync=True)

    amplitude = traitlets.Float(70.0).tag(sync=True)
    period = traitlets.Int(5000).tag(sync=True)
    learning_rate = traitlets.Float(1.0).tag(sync=True)
    width = traitlets.Int(100).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    shape = traitlets.Unicode("triangular").tag(sync=True)
    speed = traitlets.Unicode("1500").tag(sync=True)
    view = traitlets.Unicode("cycle").tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)

    @traitlets.validate(*RANGES, *CHOICES)
    def _check(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name in CHOICES:
            check_choice(name, value, CHOICES[name])
            return value
        low, high = RANGES[name]
        check_number(name, value, at_least=low)
        if value > high:
            raise ValueError(f"{name} must be at most {high}, got {value!r}")
        return value

    @property
    def trajectory(self) -> Any:
        """What the page has recorded of the whole run, as an ``xarray.Dataset``; empty before it starts.

        Bins of equal numbers of steps, at most 1024, cover the run: ``step`` is a bin's middle, and along ``bound``
        stand the smallest and the largest value that each quantity had in it. λ_max is measured once a picture, and NaN
        in bins without a measurement. ``cascade_start`` and ``cascade_end`` are steps too (-1: not ended).
        """
        import xarray as xr

        quantities = _CLASSES + len(_SCALARS)
        rows = np.frombuffer(self._record, "<f8").reshape(-1, 1 + 2 * quantities)
        values = rows[:, 1:].reshape(len(rows), quantities, 2)
        tilt = {"long_name": "class weight Γ_i", "units": "1"}
        variables: dict[str, Any] = {"class_weights": (("step", "class", "bound"), values[:, :_CLASSES], tilt)}
        for place, (name, attributes) in enumerate(_SCALARS.items()):
            variables[name] = (("step", "bound"), values[:, _CLASSES + place], attributes)
        ended = [[start, -1 if end is None else end] for start, end in self._cascades]
        marks = np.array(ended, int).reshape(-1, 2)
        for place, name in enumerate(("cascade_start", "cascade_end")):
            variables[name] = ("cascade", marks[:, place], {"units": "steps"})
        steps = ("step", rows[:, 0], {"long_name": "minimisation step, a bin's middle", "units": "steps"})
        coordinates = {"step": steps, "bound": ["smallest", "largest"]}
        settings = {name: getattr(self, name) for name in (*RANGES, "shape")}
        return xr.Dataset(variables, coordinates, {**settings, "steps": self.step})
