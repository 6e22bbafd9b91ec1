"""The paper in one place: what its figures were made with, where it sees effects, and how its words are taken."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

FIGURE_1 = {
    "images": "cifar10",
    "image_size": 32,
    "channels": 64,
    "training_images": 50_000,
    "validation_images": 10_000,
    "epochs": 700,
    "stop_epoch": 600,
    "batch_size": 512,
    "peak_rate": 0.02,
}
FIGURE_1_POINT = {"period": 100.0, "amplitude": 50.0}  # of its largest gain
FIGURE_1_SEEDS = 30
# Sec. II: "training accuracy ∼ 1", "a modest ∼ 0.73 validation accuracy", which "increases by ∼ 6% to ∼ 0.79".
FIGURE_1_FIT, FIGURE_1_STATIC, FIGURE_1_BEST, FIGURE_1_GAIN = 1.0, 0.73, 0.79, 0.06
FIGURE_1_WHERE = "Section II, Figure 1"
FIGURE_1_SCALE = {"steps": 68_600, "images": 50_000, "channels": 64}  # as the rungs of a ladder count it

FIGURE_3 = {"steps": 35_000, "learning_rate": 1.0, "narrow": 100, "wide": 1000}
# Sec. III.A, of the narrow network: "very poor training and validation accuracies (∼ 0.65)" with the static loss; in
# its region "the validation accuracy reaches ∼ 0.9".
FIGURE_3_STATIC, FIGURE_3_REACHED = 0.65, 0.9
FIGURE_3_WHERE = "Section III.A, Figure 3"
FIGURE_3_SCALE = "the paper: 50 seeds, 35,000 steps"

FIGURE_4 = {"width": 100, "period": 5000, "amplitude": 70.0, "learning_rate": 1.0, "steps": 70_000}
FIGURE_4_SCALE = "the paper: 70,000 steps, T = 5000"
FIGURE_4_SEED = "the paper: 1 seed of 70,000 steps, T = 5000"  # beside several of ours

FIGURE_5 = {"period": 5000, "steps": 70_000, "static_steps": 70_000}  # at η = 1
EXPONENT = -0.9  # of the threshold over the learning rate, Sec. III.C

FIGURE_S1_WHERE = "Supplement I, Figure S1"

FIGURE_S4 = {
    "images": "cifar10",
    "image_size": 32,
    "depth": 28,
    "widening": 10,
    "training_images": 50_000,
    "test_images": 10_000,
    "epochs": 200,
    "batch_size": 1024,
    "learning_rate": 0.1,
}

TEXT = {"width": 100, "wide": 1000, "steps": 35_000, "period": 5000, "turns": 14}  # of statements without a figure

NEARLY_PERFECT = 0.95  # how "nearly perfect" is taken
VAGUE = 0.05  # a number read off a colour scale, "≈ 0.65" or "≈ 0.9"


class Region(NamedTuple):
    """A rectangle of the (T, A) plane in which the paper claims an effect: T to ``longest``, A between two values."""

    longest: float
    weakest: float
    strongest: float

    def holds(self, period, amplitude):
        """Whether points lie in it."""
        return (period <= self.longest) & (amplitude >= self.weakest) & (amplitude <= self.strongest)

    def part_of(self, axes: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        """The values of ``period`` and ``amplitude`` that lie in it."""
        return {
            "period": [each for each in axes["period"] if each <= self.longest],
            "amplitude": [each for each in axes["amplitude"] if self.weakest <= each <= self.strongest],
        }

    def corners_of(self, axes: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        """The first and the last of these values: a product of four points, as a rule.

        >>> Region(250, 25, 70).corners_of({"period": [10, 50, 250, 500], "amplitude": [1, 25, 50, 70]})
        {'period': [10, 250], 'amplitude': [25, 70]}
        """
        return {name: sorted({min(values), max(values)}) for name, values in self.part_of(axes).items()}


FIGURE_3_REGIONS = {
    "narrow": Region(longest=300, weakest=5, strongest=20),
    "wide": Region(longest=700, weakest=5, strongest=25),
}
