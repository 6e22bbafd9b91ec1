"""Golden runs of the notebooks: each computation that one asks the archive for, once and in small.

Of a notebook's cells only imports, definitions, parameters and settings of JAX are run, and then the function itself,
as the archive would call it: a sweep's over a batch of two points, where it is vectorised.
"""

import ast
import contextlib
import json
import linecache
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import xarray as xr

from dynloss_book.engine.runner.profiles import renamed

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
_SETTINGS = "jax_enable_x64", "jax_default_matmul_precision"
_SETS = ("spiral.use_precision(", "jax.config.update(")  # how statements begin that set them


class Call(NamedTuple):
    """One computation.

    Attributes:
        notebook: its name.
        function: as its cells call it.
        arguments: of the function, each by its name.
        points: of a sweep that is vectorised, two for each axis.
    """

    notebook: str
    function: str
    arguments: dict[str, Any]
    points: dict[str, tuple] = {}  # noqa: RUF012


SPIRAL = {"width": 8, "precision": "float32"}
CIFAR = {
    "images": "generated", "image_size": 8, "channels": 2, "training_images": 20, "epochs": 3, "stop_epoch": 2,
    "batch_size": 10, "evaluate_every": 1, "peak_rate": 0.02, "period": 2.0, "amplitude": 3.0, "seed": 0,
}  # fmt: skip
CASCADES = {"width": 8, "period": 20, "amplitude": 70.0, "steps": 40, "num_matvecs": 4, "precision": "float64"}
BRANCHES = {"period": 8, "amplitude": 70.0, "parts": 2, "num_matvecs": 4}
RATES = {"gradient_descent": 1.0, "heavy_ball": 0.3, "nesterov": 0.3, "adam": 0.01, "momentum": 0.9}
TWO = {"seed": (0, 1)}

CALLS = [
    Call("beyond_the_paper", "train", SPIRAL | {"shape": "sine", "learning_rate": 0.5, "steps": 12},
         {"period": (4.0, 5.0), "amplitude": (3.0, 5.0)} | TWO),
    Call("beyond_the_paper", "beyond.by_optimiser",
         SPIRAL | {"loss": "squared error", "optimiser": "Adam", "period": 4, "steps": 12},
         {"learning_rate": (0.01, 0.03), "amplitude": (1.0, 5.0)} | TWO),
    Call("cascades_edge", "simulate", CASCADES | {"seeds": 1, "rates": RATES, "every": 10}),
    Call("cascades_kernel", "simulate", CASCADES | {"seeds": 1, "every": 10, "learning_rate": 1.0}),
    Call("cascades_two_step", "simulate",
         CASCADES | {"seeds": 1, "points": 2, "learning_rate": 1.0, "period": 60, "steps": 150}),
    Call("central_flow", "central_flow.follow",
         {"width": 4, "period": 20, "amplitude": 70.0, "steps": 4, "every": 2, "num_matvecs": 4, "precision": "float64",
          "first": 10}, {"learning_rate": (0.5, 1.0)} | TWO),
    Call("cifar_tuned_baseline", "regularised_run",
         CIFAR | {"weight_decay": 0.01, "held_out": "tuning", "held_out_images": 10}),
    Call("cifar_learning_rate", "run_at", CIFAR | {"validation_images": 10, "precision": "float32"}),
    Call("fig01_cifar_phase_diagram", "myrtle_run", CIFAR | {"validation_images": 10}),
    Call("fig02_spiral_dataset", "draw", {"points_per_class": 20, "num_classes": 3, "turns": 2.0, "noise": 0.2}),
    Call("fig03_spiral_phase_diagram", "final_accuracy", SPIRAL | {"steps": 20, "learning_rate": 0.5},
         {"period": (4.0, 5.0), "amplitude": (1.0, 5.0)} | TWO),
    Call("fig04_learning_dynamics", "simulate", CASCADES | {"learning_rate": 1.0, "seed": 0}),
    Call("fig04_learning_dynamics", "measured", CASCADES | {"steps": 160, "learning_rate": 1.0, "seed": 0}),
    Call("fig04_learning_dynamics", "experiment.static_end",
         SPIRAL | {"steps": 140, "num_matvecs": 4, "learning_rate": 1.0, "seed": 0, "precision": "float64"}),
    Call("fig05_curvature_threshold", "thresholds_of_run",
         SPIRAL | {"period": 40, "amplitude": 70.0, "steps": 90, "cadence": 10, "num_matvecs": 5,
                   "learning_rate": 1.0, "seed": 0}),
    Call("fig05_curvature_threshold", "without_oscillations",
         SPIRAL | {"static_steps": 40, "learning_rate": 1.0, "num_matvecs": 4, "seed": 0, "every": 7}),
    Call("fig05_curvature_threshold", "second_half",
         SPIRAL | {"static_steps": 40, "learning_rate": 1.0, "num_matvecs": 4, "seed": 0, "every": 7}),
    Call("figS2_myrtle_bifurcations", "simulate",
         {"images": "generated", "size": 9, "channels": 2, "period": 4, "amplitude": 10.0, "learning_rate": 0.05,
          "steps": 12, "batch_size": 9, "eigenvalues": 2, "every": 5, "num_matvecs": 3, "seed": 0}),
    Call("figS4_wide_resnet", "wide_resnet_run",
         {"images": "generated", "image_size": 8, "depth": 10, "widening": 1, "training_images": 20, "test_images": 10,
          "epochs": 1, "batch_size": 10, "learning_rate": 0.1, "precision": "float32", "period": 2.0, "amplitude": 3.0,
          "seed": 0}),
    Call("own_data", "digits.accuracies", {"samples": 50, "rare": [], "steps": 10, "width": 4},
         {"learning_rate": (0.05, 0.1), "period": (3.0, 4.0), "amplitude": (1.0, 5.0)} | TWO),
    Call("registered_test", "experiment.network",
         {"width": 3, "search": [[0.1, 0.001, 0.1, 1, 8, 3, 5], [0.2, 0, 0, 0, 10, 3, 5]], "steps": 10},
         {"task": (1, 2), "trial": (0, 1), "oscillating": (1, 0)} | TWO),
    Call("registered_test", "experiment.tested",
         {"width": 3, "search": [[0.1, 0.001, 0.1, 1, 8, 3, 5]], "steps": 10, "picks": [[0, 0], [0, 0], [0, 0]]},
         {"task": (0, 2), "oscillating": (1, 0)} | TWO),
    Call("spiral_interpretations", "accuracies", SPIRAL | {"steps": 20, "learning_rate": 0.5},
         {"period": (4.0, 5.0), "amplitude": (1.0, 5.0)} | TWO),
    Call("squared_error", "squared_error.probe",
         {"width": 4, "precision": "float64", "rates": [0.01, 0.1], "ratios": [0.5, 1.5], "num_matvecs": 4},
         {"moment": (2, 3)} | TWO),
    Call("squared_error", "squared_error.regime", {"width": 4, "precision": "float64", "steps": 4, "num_matvecs": 4},
         {"ratio": (0.5, 1.5)} | TWO),
    Call("squared_error", "squared_error.oscillating",
         {"width": 4, "precision": "float64", "period": 4, "amplitude": 5.0, "steps": 12, "every": 5, "num_matvecs": 4},
         {"learning_rate": (0.2, 0.3)} | TWO),
    Call("squared_error", "squared_error.convergence", {"widths": [4, 8], "seeds": 1, "points": 5}),
    Call("statements", "measure", {"width": 8, "wide": 8, "steps": 40, "period": 10, "turns": 3, "seeds": 1}),
    Call("unequal_classes", "four_ways", {"width": 4, "rare": [2, 5, 8], "steps": 10},
         {"learning_rate": (0.1, 0.2), "period": (3.0, 4.0), "amplitude": (1.0, 5.0), "balanced": (0, 1)} | TWO),
    Call("useful_cascades", "useful_cascades.branches", SPIRAL | BRANCHES | {"turns": 3, "every": 4, "bounce": 0.002},
         {"learning_rate": (0.5, 1.0)} | TWO),
    Call("useful_cascades", "useful_cascades.whole_runs", SPIRAL | BRANCHES | {"turns": 3},
         {"learning_rate": (0.5, 1.0)} | TWO),
]  # fmt: skip


@contextlib.contextmanager
def loaded(notebook: str) -> Iterator[dict[str, Any]]:
    """The names of a notebook that has just been opened, with JAX set as it sets it."""
    before = {name: getattr(jax.config, name) for name in _SETTINGS}
    names: dict[str, Any] = {"__name__": "__main__"}
    content = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))
    try:
        for number, cell in enumerate(each for each in content["cells"] if each["cell_type"] == "code"):
            source, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
            if "remove-cell" in tags:  # installs
                continue
            place = f"<cell {number} of {notebook}>"
            linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
            for statement in ast.parse(source).body:
                if _counts(statement, "parameters" in tags):
                    exec(compile(ast.Module([statement], []), place, "exec"), names)
        yield names
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _counts(statement: ast.stmt, is_parameter: bool) -> bool:
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef
    return is_parameter or isinstance(statement, kinds) or ast.unparse(statement).startswith(_SETS)


def function(call: Call, names: dict[str, Any]) -> Any:
    """What a call calls, in the notebook that has these names."""
    return eval(call.function, names)


def result(call: Call) -> dict[str, Any]:
    """The arrays that it computes."""
    with loaded(call.notebook) as names:
        compute = function(call, names)
        if call.points:
            points = {name: jnp.asarray(values) for name, values in call.points.items()}
            return jax.jit(jax.vmap(lambda point: compute(**point, **call.arguments)))(points)
        found = compute(**call.arguments)
        return {str(name): found[name].values for name in found.data_vars} if isinstance(found, xr.Dataset) else found


FIRST_CALLED = {new: old for old, new in renamed(NOTEBOOKS.parent, "pages").items()}


def name_of(call: Call) -> str:
    """The run's name: of the notebook as it was called first, so that commits before a renaming are compared with."""
    return f"notebooks/{FIRST_CALLED.get(call.notebook, call.notebook)}.{call.function.rpartition('.')[2]}"


RUNS = {name_of(call): lambda call=call: result(call) for call in CALLS}
