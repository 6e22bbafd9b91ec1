"""Figure S4: a wide residual network, which gains nothing from oscillations."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss_book import paper
from dynloss_book.engine.findings import Claim, Findings, Kind, Verdict
from dynloss_book.engine.sweeps.statistics import SHARE, best_point, interval, simultaneous
from dynloss_book.engine.verdicts import none_positive, number, told, within

LEARNT = 0.9  # of the static loss: what helps or harms a network that hardly learns says nothing of the paper's 95 %
GAIN, WHY = 0.02, "a third of what the paper reports for Myrtle5"
NEAR = 0.002  # the paper gives its accuracy to a tenth of a percent


def judge(plane: xr.Dataset, period: float, settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure S4.

    Args:
        plane: ``test_accuracy`` over period, amplitude and seed, A = 1 among them.
        period: T of the curve along A.
        settings: of the experiment.
    """
    accuracy = plane.test_accuracy
    gain = (accuracy - accuracy.sel(amplitude=1)).drop_sel(amplitude=1)
    static = accuracy.sel(amplitude=1, period=period)
    testable = all(settings.get(name) == value for name, value in paper.FIGURE_S4.items())
    learnt = settings["images"] == "cifar10" and bool(static.mean() >= LEARNT)
    shared = (
        f"no significant gain at 5 % for all points together (Bonferroni), a gain of {GAIN:g}, {WHY}, excluded, and a "
        f"static accuracy of {LEARNT:g} or more"
    )
    along = gain.sel(period=[period])
    claims = (
        Claim(f"No amplitude gains at T = {period:g}", paper.SAYS["no gain"], "none significant",
              largest(along), none_positive(along, GAIN, testable=learnt), shared),
        Claim("No point of the plane gains", paper.SAYS["no gain"], "none significant",
              largest(gain), none_positive(gain, GAIN, testable=learnt), shared),
        Claim("The test accuracy with the static loss", paper.SAYS["batches"], "95.5 %",
              interval(static, bounds=SHARE), number(static, 0.955, NEAR, testable=testable),
              within(NEAR, "the paper gives a tenth of a percent")),
        Claim("It is below the literature's 95.8 % because of the larger batches", paper.SAYS["batches"],
              "95.5 % against 95.8 %", "no run with batches of 128", Verdict.NOT_TESTABLE, "needs the paper's scale"),
        Claim("Are oscillations unhelpful here because of batch normalisation, good conditioning, or too few steps?",
              paper.SAYS["untangle"], "left open", "no run without batch normalisation", Verdict.NOT_COMPUTED,
              "the paper leaves it to future work; so does this book", Kind.QUESTION),
    )  # fmt: skip
    size = settings["image_size"]
    return Findings(
        "figS4_wide_resnet",
        "Does a wide residual network gain from oscillations?",
        told(
            claims[1].verdict,
            "No, as in the paper: oscillations bring no significant gain.",
            "Yes, contrary to the paper.",
            f"No amplitude gains at T = {period:g}, as in the paper{', though in a smaller network' * (not testable)}; "
            "the rest of the plane has too few seeds to tell."
            if claims[0].verdict == Verdict.REPRODUCED
            else "No computed point gains significantly, with too few seeds to exclude a gain.",
        ),
        f"The gain in test accuracy: {claims[1].here}.",
        f"WRN-{settings['depth']}-{settings['widening']}, {settings['training_images']:,} images of {size} × {size} "
        f"pixels, {settings['epochs']} epochs; {plane.attrs.get('scale', '')}; the paper: WRN-28-10, 50,000 of "
        "32 × 32, 200 epochs, 50 seeds",
        tuple(claim._replace(reduced=not testable) for claim in claims),
    )


def largest(gain: xr.DataArray) -> str:
    """The gain at the point that every other seed finds best, on the rest of them, and what no point exceeds."""
    found = simultaneous(gain)
    if not bool((found.number > 1).any()):
        return "fewer than two seeds"
    several = found.number.where(found.number > 1)
    seeds = " to ".join(dict.fromkeys(f"{float(each):g}" for each in (several.min(), several.max())))
    excluded = float((found.mean + found.margin).max())
    said = f"a gain above {excluded:+.3f} is excluded at each of the {int(several.count())} points with {seeds} seeds"
    best = best_point(gain)
    if int(best.count()) > 1:
        where = f"T = {float(best.period):g}, A = {float(best.amplitude):g}"
        said += f"; the point best for half of the seeds, {where}, gains {interval(best, signed=True)} for the others"
    return said
