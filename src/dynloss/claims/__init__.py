"""What the paper claims, beside what was measured: one module a figure, each a function of the figure's datasets.

Every such function returns `Findings`, and holds for any scale: what cannot be tested with the data at hand says so.
"""

import importlib

from dynloss.claims.findings import Answer, Claim, Findings, Verdict
from dynloss.claims.verdicts import at_least, exists, none_positive, number, positive

FIGURES = (
    "cifar_opponent",
    "cifar_phase_diagram",
    "cifar_scaling",
    "spiral_dataset",
    "spiral_phase_diagram",
    "spiral_readings",
    "learning_dynamics",
    "curvature_threshold",
    "hessian_eigenvalues",
    "myrtle_bifurcations",
    "stopping_oscillations",
    "wide_resnet",
    "statements",
    "own_data",
    "unequal_classes",
    "cascades_edge",
    "cascades_two_step",
    "cascades_kernel",
    "squared_error",
    "central_flow",
    "useful_cascades",
    "beyond",
)
__all__ = [
    "Answer",
    "Claim",
    "Findings",
    "Verdict",
    "at_least",
    "exists",
    "none_positive",
    "number",
    "positive",
]


def __getattr__(name: str):
    """A figure's module loads when it is asked for."""
    if name in FIGURES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
