"""The idea in one picture: a ball that rolls down a landscape of one dimension while the landscape tilts.

The landscape is a toy, but nothing in the picture is drawn by hand: the weights are the real Γ_i(t) of
`dynloss.schedules`, and both balls take plain gradient-descent steps on Σ_i Γ_i(t) f_i(w).

The loss of class i, f_i(w), steps down where the model learns that class (w = 1, 2 and 3), and has a bump where it
learns each other class: learning one thing first disturbs the rest. With equal weights the bumps add up to barriers,
and the ball stays behind the first. While one class counts more, the others' bumps shrink and its own step grows.
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from dynloss import schedules
from dynloss_book.plots.style import CLASSES

INK, PALE = "#222222", "#8A8A8A"
NUMBER: dict[str, Any] = {  # a view's number in a white disc
    "ha": "center", "va": "center", "fontsize": 13, "fontweight": "bold", "color": INK,
    "bbox": {"boxstyle": "circle,pad=0.2", "fc": "white", "ec": INK},
}  # fmt: skip

LEARNT_AT = np.array([1.0, 2.0, 3.0])  # the w at which each class is learnt
STEP_WIDTH, BUMP_WIDTH, BUMP_HEIGHT = 0.25, 0.17, 0.36
START, LEFT_WALL, RIGHT_WALL = 0.35, 0.25, 3.75
PERIOD, AMPLITUDE, LEARNING_RATE = 200, 8.0, 0.02
STEPS = 4 * PERIOD  # one cycle through three classes, then one period with equal weights


def class_losses(w) -> np.ndarray:
    """The toy's f_i(w), with the three classes along a new last axis."""
    w = np.asarray(w)[..., None]
    step = 1 / (1 + np.exp((w - LEARNT_AT) / STEP_WIDTH))
    bumps = BUMP_HEIGHT * np.exp(-(((w - LEARNT_AT) / BUMP_WIDTH) ** 2) / 2)
    walls = 3 * np.maximum(0, LEFT_WALL - w) ** 2 + 3 * np.maximum(0, w - RIGHT_WALL) ** 2
    return step + bumps.sum(-1, keepdims=True) - bumps + walls


def landscape(w, weights) -> np.ndarray:
    """The toy's loss Σ_i Γ_i f_i(w) / C."""
    return (class_losses(w) * weights).mean(-1)


def descend(weights: np.ndarray) -> np.ndarray:
    """Where the ball is that rolls from `START`, one step of gradient descent for each row of `weights`."""
    h = 1e-5  # central differences are exact enough for a picture, and need no second formula
    positions = [START]
    for now in weights[:-1]:
        w = positions[-1]
        slope = (landscape(w + h, now) - landscape(w - h, now)) / (2 * h)
        positions.append(w - LEARNING_RATE * slope)
    return np.array(positions)


def plot() -> Figure:
    """Four views of the tilting landscape; below them the weights, and the loss of both balls."""
    schedule = schedules.oscillating(PERIOD, AMPLITUDE, num_classes=3, stop=3 * PERIOD)
    weights = np.asarray(schedules.weights_over(schedule, np.arange(STEPS)))
    still, tilted = descend(np.ones_like(weights)), descend(weights)  # the balls' places, (steps,)
    with plt.rc_context({"font.size": 14, "axes.spines.top": False, "axes.spines.right": False}):
        figure = plt.figure(figsize=(6.4, 9), facecolor="white", layout="constrained")
        axes = figure.subplot_mosaic(
            [["still", "0"], ["1", "2"], ["weights", "weights"], ["losses", "losses"]], height_ratios=[1, 1, 0.5, 0.9]
        )
        _snapshot(axes["still"], np.ones(3), still, "All classes count the\nsame: the ball is stuck", INK)
        for i, title in enumerate(["Class 0 counts more:\nthe barrier melts", "Then class 1:\nthe next one melts",
                                   "Then class 2: down\ninto the deep valley"]):  # fmt: skip
            peak = i * PERIOD + PERIOD // 2  # where class i counts most
            _snapshot(axes[str(i)], weights[peak], tilted[i * PERIOD : peak + 1], title, CLASSES[i])
            axes[str(i)].text(3.95, 1.45, str(i), **NUMBER)
            axes["weights"].plot(weights[:, i], color=CLASSES[i], lw=3)
            axes["weights"].text(peak, weights[peak, i], str(i), **NUMBER)
        axes["still"].set(ylabel="loss")
        axes["1"].set(ylabel="loss", xlabel="parameter $w$")
        axes["2"].set(xlabel="parameter $w$")
        axes["weights"].text(3.5 * PERIOD, 1.15, "all the same", color=INK, ha="center", va="bottom")
        axes["weights"].set(ylabel="weight\nof a class", xlim=(0, STEPS), ylim=(0, 3.2), yticks=[0, 1, 2, 3],
                            xticklabels=[])  # fmt: skip
        _losses(axes["losses"], still, tilted)
        figure.align_ylabels()
    plt.close(figure)  # the figure lives on; pyplot need not keep it
    return figure


def _snapshot(axis, now: np.ndarray, way: np.ndarray, title: str, colour: str) -> None:
    """The landscape of these weights, the ball on it at the end of its way, and where the ball came from."""
    w = np.linspace(0, 4.1, 500)
    before, *_, ball = way

    def above(w):
        return landscape(w, now) + 0.09  # the centre of a ball that rests on the line

    axis.plot(w, landscape(w, 1.0), color=PALE, lw=1.5, ls=(0, (4, 2)))
    axis.plot(w, landscape(w, now), color=colour, lw=3)
    axis.fill_between(w, landscape(w, now), -0.15, color=colour, alpha=0.12, lw=0)
    if ball - before > 0.3:
        path = np.linspace(before, ball, 50)
        axis.plot(path, above(path), color=INK, lw=1.5, ls=":")
        axis.plot(before, above(before), "o", ms=11, mfc="white", mec=INK, mew=1.5)
    axis.plot(ball, above(ball), "o", ms=13, color=INK)
    axis.set(xticks=[], yticks=[], ylim=(-0.15, 1.6), xlim=(0, 4.1))
    axis.set_title(title, fontsize=14)


def _losses(axis, still: np.ndarray, tilted: np.ndarray) -> None:
    """The loss at equal weights along both descents."""
    axis.plot(landscape(still, 1.0), color=PALE, lw=2.5, ls=(0, (4, 2)))
    axis.plot(landscape(tilted, 1.0), color=INK, lw=3)
    axis.text(STEPS - 8, 1.0, "equal weights", color="#6A6A6A", ha="right", va="bottom")
    axis.text(STEPS - 8, 0.07, "oscillating weights", color=INK, ha="right", va="bottom")
    axis.set(xlabel="training step", ylabel="loss at\nequal weights", xlim=(0, STEPS), ylim=(0, 1.3),
             yticks=[0, 0.5, 1])  # fmt: skip
