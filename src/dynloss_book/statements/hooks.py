"""How a re-run's statements are to be compared with the published ones."""

from dynloss_book.engine.agreement import POINTWISE, RUNS

SMOOTH = (
    "weights", "margin_loss", "along", "mode_residual", "mode_expected", "mode_eigenvalue", "residual", "predicted",
    "one_class_loss", "chosen", "least_curvature",
)  # fmt: skip


def ways(figure: str) -> dict[str, str]:
    """What no chaos reaches is compared point by point; each rate and each valley is a run of its own."""
    return dict.fromkeys(SMOOTH, POINTWISE) | dict.fromkeys(("rate", "valley"), RUNS) if figure == "statements" else {}
