"""The paper in one place: what its figures were made with, where it sees effects, and what it says."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dynloss_book.engine.findings import Sentence

SECTIONS = {
    "Abstract": "",
    "Section I": "Introduction",
    "Section II": "Myrtle5 and CIFAR-10",
    "Section III": "Understanding the dynamical loss in a simpler model",
    "Section III.A": "Phase diagrams for the spiral",
    "Section III.B": "The dynamics of learning and the curvature of the landscape",
    "Section III.C": "The threshold and the learning rate",
    "Section III.D": "The bifurcations and the neural tangent kernel",
    "Section IV": "Discussion",
    "Supplement I": "Further eigenvalues and further bifurcations",
    "Supplement II": "Bifurcations of Myrtle5 on CIFAR-10",
    "Supplement III": "Stopping the oscillations",
    "Supplement IV": "Wide residual networks",
}

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
FIGURE_1_SEEDS, FIGURE_1_STOP = 30, 600
FIGURE_1_FIT, FIGURE_1_STATIC, FIGURE_1_BEST, FIGURE_1_GAIN = 1.0, 0.73, 0.79, 0.06
FIGURE_1_SCALE = {"steps": 68_600, "images": 50_000, "channels": 64}  # as the rungs of a ladder count it

FIGURE_3 = {"steps": 35_000, "learning_rate": 1.0, "narrow": 100, "wide": 1000}
FIGURE_3_STATIC, FIGURE_3_REACHED = 0.65, 0.9
FIGURE_3_SCALE = "the paper: 50 seeds, 35,000 steps"

FIGURE_4 = {"width": 100, "period": 5000, "amplitude": 70.0, "learning_rate": 1.0, "steps": 70_000}
FIGURE_4_SEED = "the paper: 1 seed of 70,000 steps, T = 5000"  # beside several of ours

FIGURE_5 = {"period": 5000, "steps": 70_000, "static_steps": 70_000}  # at η = 1
EXPONENT = -0.9  # of the threshold over the learning rate, Sec. III.C

FIGURE_S2 = {"size": 3000, "channels": 64}

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

# What it says, as far as something tests it, by what it is about.
SAYS = {
    "wider minima": Sentence(
        "Section I",
        "networks trained using dynamical loss functions to move towards wider minima",
    ),
    "decreasing": Sentence(
        "Abstract",
        "This process ultimately pushes the system into deeper and wider regions of the loss landscape and is "
        "characterized by decreasing eigenvalues of the Hessian.",
    ),
    "barriers": Sentence(
        "Section I",
        "although the system is always descending in the instantaneous landscape, it can cross loss-barriers in "
        "the static version of the loss function",
    ),
    "minima": Sentence(
        "Section II, eq. (1)",
        "the loss function will still vanish at the same global minima, which are unaffected by the value of Γ_i.",
    ),
    "cycle": Sentence("Section II, eq. (4)", "the total duration of a cycle that passes through all classes is CT."),
    "static myrtle": Sentence(
        "Section II, Figure 1",
        "In the standard case without oscillations (A = 1 in Figure 1) this model fits all the training data "
        "essentially perfectly (training accuracy ∼ 1) and achieves a modest ∼ 0.73 validation accuracy.",
    ),
    "gain region": Sentence(
        "Section II, Figure 1",
        "We find a region at 25 ≲ A ≲ 70, T ≲ 250 where validation accuracy increases by ∼ 6% to ∼ 0.79",
    ),
    "gain point": Sentence(
        "Section II, Figure 1",
        "the validation accuracy improved up to 6% thanks to the oscillations for A ∼ 50 and T ∼ 100.",
    ),
    "untangle": Sentence("Section II", "It is an interesting avenue for future work to disentangle these effects."),
    "spiral": Sentence("Section III.A, Figure 2", "Each class follows a different spiral arm plus a small noise."),
    "samples": Sentence("Section III.D", "our spiral dataset (300 samples and three classes)"),
    "narrow static": Sentence(
        "Section III.A, Figure 3",
        "the model is unable to fit the training data, leading to very poor training and validation accuracies (∼ "
        "0.65)",
    ),
    "narrow region": Sentence(
        "Section III.A, Figure 3",
        "there is a region in the phase diagram (5 ≲ A ≲ 20, T ≲ 300), where the training accuracy is nearly "
        "perfect and the validation accuracy reaches ∼ 0.9.",
    ),
    "wide region": Sentence(
        "Section III.A, Figure 3",
        "the training accuracy is already ∼ 1 for the standard (static) loss function (A = 1), there is a regime "
        "(5 ≲ A ≲ 25, T ≲ 700) in which the dynamical loss function improves generalization.",
    ),
    "higher training": Sentence(
        "Section IV",
        "the dynamical loss function can lead to higher training accuracy in the underparametrized region",
    ),
    "optimum": Sentence(
        "Section IV, of Figure 3",
        "Figure 3 shows that there is an optimum amplitude of the dynamical weighting of the loss function (A ≈ "
        "30), and that larger values lead to worse performance",
    ),
    "wide convex": Sentence(
        "Section III.A",
        "the network is wide enough so that the standard loss landscape is convex (at least in the subspace where "
        "training occurs)",
    ),
    "one above": Sentence("Section III.B", "During each period T, Γ_i > 1 for one class i and Γ_j≠i < 1."),
    "simplest": Sentence(
        "Section III.B",
        "the simplest solution is for the network to output the chosen class regardless of input",
    ),
    "convex": Sentence("Section III.B", "without making any uphill moves, and therefore the landscape is convex."),
    "transition": Sentence(
        "Section III.B",
        "right at the transition all Γ_i are 1 and we recover the standard loss function",
    ),
    "spectrum": Sentence(
        "Section III.B",
        "most of the eigenvalues of the Hessian are very small in modulus (even negative) and only a few of the "
        "outliers seem to control learning",
    ),
    "bounded": Sentence(
        "Section III.B, eq. (5)",
        "due to the normalization (5) these values are bounded between 0 and 3 (the number of classes C).",
    ),
    "first half": Sentence(
        "Section III.B, Figure 4 (b)-(d)",
        "in the first half of each period T, the loss function decreases as the system descends in a valley, the "
        "change of the loss function in each step is small (panel (c)) and the training accuracy is roughly "
        "constant (panel (d)).",
    ),
    "widens": Sentence(
        "Section III.B, Figure 4 (e)",
        "the largest eigenvalue decreases (the valley widens) as that class is increasingly emphasized.",
    ),
    "chosen class": Sentence(
        "Section III.B",
        "the system will move towards a region of parameter space where many (or all) samples belonging to the "
        "chosen class are correctly classified.",
    ),
    "other valleys": Sentence(
        "Section III.B",
        "other valleys that correctly classify less samples belonging to the chosen class move upwards and shrink "
        "… other valleys that correctly classify samples belonging to other classes grow and sink",
    ),
    "second half": Sentence(
        "Section III.B, Figure 4 (b), (e)",
        "The valley narrows (the largest eigenvalue λ_max of the Hessian increases; see panel (e)) and rises (the "
        "loss function increases even though the system is undergoing gradient descent; see panel (b)).",
    ),
    "crosses": Sentence(
        "Section III.B, Figure 4 (e)",
        "during the second part of each period something remarkable happens when Hessian λ_max crosses a "
        "threshold value",
    ),
    "falls below": Sentence(
        "Section III.B, Figure 4",
        "the valley widens (Hessian λ_max decreases) and falls below the learning-rate dependent threshold, so "
        "the system no longer bounces",
    ),
    "ten": Sentence(
        "Section III.B, Figure 4",
        "the system manages after 10 oscillations to find a valley that is wide enough so that λ_max never "
        "exceeds threshold during subsequent oscillations.",
    ),
    "threshold": Sentence(
        "Section III.B, Figure 4, caption",
        "Averaging λ_max at these times we get the horizontal dashed line in panel (e), the threshold above which "
        "instabilities occur.",
    ),
    "exponent 09": Sentence(
        "Section III.C, Figure 5 (a)",
        "λ_max^Th does not depend on the network width and it scales as ∼ η^0.9, remarkably close to our "
        "prediction (7).",
    ),
    "always above": Sentence(
        "Section III.C, Figure 5 (b)",
        "a NN of width 100 cannot learn with η = 1 because its loss function valleys are too narrow (λ_max is "
        "always above threshold).",
    ),
    "soon below": Sentence("Section III.C, Figure 5 (c)", "after a transitory λ_max decays below threshold"),
    "wider learns": Sentence(
        "Section III.C, Figure 5 (c)",
        "a wider network produce wider valleys in the loss function what enables learning with higher learning "
        "rates.",
    ),
    "too narrow": Sentence(
        "Section III.C",
        "the underparametrized regime prevents learning because the valleys are too narrow for the learning rate.",
    ),
    "unreasonable": Sentence(
        "Section III.C",
        "Even if no bad local minima existed, one may be unable to train the network because an unreasonably "
        "small learning rate is necessary.",
    ),
    "branches": Sentence(
        "Section III.C, Figure 4 (c)",
        "bifurcate into two branches that the system visits alternatively in each minimization step.",
    ),
    "kernel rises": Sentence(
        "Section III.D, Figure 4 (f)",
        "During each of the first 10 oscillations, it increases until the system undergoes a bifurcation "
        "instability. It then decreases during the bifurcation cascade.",
    ),
    "exponential": Sentence(
        "Section III.D, eq. (13)",
        "equation (13) leads to exponential learning of the data, with a rate that is fastest in the directions "
        "of the eigenvectors of the NTK associated with the largest eigenvalues.",
    ),
    "discrete": Sentence(
        "Section III.D, eq. (14)",
        "it is more useful to rewrite equation (13) making explicit our discrete dynamics",
    ),
    "flips": Sentence("Section III.D, eq. (14)", "there is still convergence although g̃_j flips sign with each step."),
    "diverges": Sentence(
        "Section III.D, eq. (14)",
        "learning is unstable and the magnitude of g̃_j diverges while the sign flips in each step, creating two "
        "branches.",
    ),
    "kernel falls": Sentence(
        "Section III.D",
        "after the first bifurcation starts, the largest eigenvalue of the NTK decreases (Fig. 4 (e)) to try to "
        "prevent the divergence.",
    ),
    "kernel differs": Sentence(
        "Section III.D, Figure 4 (e), (f)",
        "the values of the NTK largest eigenvalue (Fig. 4 (e)) are not the same every time that a bifurcation "
        "starts (as is the case for the largest eigenvalue of the Hessian)",
    ),
    "find wider": Sentence(
        "Section IV",
        "bifurcation cascades that allow the system to find wider valleys in the dynamical loss function "
        "landscape.",
    ),
    "in part": Sentence(
        "Section IV",
        "the improvement in learning comes in part from using a learning rate that is too fast for the narrowing "
        "valley, so that the system bounces instead of descending smoothly within the valley.",
    ),
    "forgetting": Sentence(
        "Section IV",
        "an oscillating emphasis on one task after another not only avoids catastrophic forgetting but also "
        "achieves better results.",
    ),
    "other losses": Sentence(
        "Section IV",
        "how to optimize the choice of static loss function that forms the basis of the dynamical one (e.g. MSE "
        "vs. cross entropy) as well as the time-dependence and form of the weighting in the dynamical loss "
        "function.",
    ),
    "downhill": Sentence(
        "Section IV",
        "in the limit A → ∞, the loss function can achieve arbitrarily small values without any uphill moves, "
        "starting from any initial weights.",
    ),
    "complexity": Sentence(
        "Section IV",
        "it could be interesting to carry out a detailed study of the complexity (number of local minima and "
        "saddles of different indices) of the landscape as one varies A.",
    ),
    "further": Sentence(
        "Supplement I, Figure S1",
        "second and third bifurcations seem to correspond to the second and third largest eigenvalues crossing "
        "the same threshold.",
    ),
    "myrtle bifurcates": Sentence(
        "Supplement II, Figure S2",
        "Bifurcations are clearly present in the Accuracy and they occur when the largest eigenvalue of the "
        "Hessian crosses a threshold marked with a dashed line.",
    ),
    "stopping": Sentence(
        "Supplement III, Figure S3",
        "stopping the oscillations in the last part of learning had a positive effect, helping the model to "
        "achieve a higher validation accuracy.",
    ),
    "slower": Sentence(
        "Supplement III, Figure S3",
        "Learning with oscillations is slower in this case but it reaches a higher validation accuracy.",
    ),
    "overfits": Sentence(
        "Supplement III, Figure S3",
        "The lines that rise very fast followed by a moderate over-fitting correspond to learning without "
        "oscillations.",
    ),
    "dotted": Sentence(
        "Supplement III, Figure S3",
        "the final accuracy of the simulations with the oscillations is higher than any point belonging to the "
        "simulations without oscillations.",
    ),
    "not reduced": Sentence(
        "Supplement III, Figure S3",
        "the oscillations did not reduce appreciably in size at the end of training.",
    ),
    "no gain": Sentence(
        "Supplement IV, Figure S4",
        "For this architecture we do not observe a statistically significant improvement to the test performance "
        "by using an oscillatory loss.",
    ),
    "batches": Sentence(
        "Supplement IV",
        "This model gets slightly lower accuracy than the version in the literature (95.5% vs 95.8%) due to the "
        "larger batch size employed here.",
    ),
}
