"""The criteria by which this book detects the onset of a cascade, as a table for the glossary."""

import inspect

from dynloss import dynamics
from dynloss_book.analysis import cascades, onsets, period_doubling


def table() -> str:
    """Each criterion with its threshold, as the code has it, and the pages that use it; in Markdown."""
    jump = inspect.signature(dynamics.instabilities).parameters["jump"].default
    rows = [
        ("Jump of λ_max", f"{jump:g} or more from one step to the next, as in the paper", "Figures 4, 5 and S1"),
        ("Jump in proportion", f"{jump:g}/η or more across one step, with the class weights held", "Figure 5"),
        ("Jump relative to the edge",
         f"{onsets.MARKS[0]:.0%} of the edge of stability or more across one step, {onsets.LASTING} times in a row",
         "Why the cascades happen, 1 and 3"),
        ("Alternating loss", f"two values {cascades.BOUNCE:g} nats or more apart, four steps in a row", "Figure S2"),
        ("Alternating squared error", f"two values {cascades.SQUARED:g} or more apart, four steps in a row",
         "The squared error"),
        ("Returning weights", f"a distance over two steps below {period_doubling.BOUNCING:g} of that over one step",
         "Why the cascades happen, 2"),
    ]  # fmt: skip
    lines = ["| criterion | threshold | page |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines).replace("%", " %")
