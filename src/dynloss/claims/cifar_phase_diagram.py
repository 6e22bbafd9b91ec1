"""Figure 1: does the oscillating loss generalise better on CIFAR-10, and where?"""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from dynloss.claims.findings import Claim, Findings, Verdict
from dynloss.claims.verdicts import SIGN, number, positive, within
from dynloss.figures.phase_diagram import Region
from dynloss.sweeps.statistics import interval

PAPER = {
    "images": "cifar10",
    "image_size": 32,
    "channels": 64,
    "training_images": 50_000,
    "validation_images": 10_000,
    "epochs": 700,
    "stop_epoch": 600,
    "batch_size": 512,
    "peak_rate": 0.02,
    "period": 100,
    "amplitude": 50,
}
NEAR = 0.01  # the paper gives its accuracies to one hundredth


def judge(plane: xr.Dataset, point: Mapping[str, float], region: Region, settings: Mapping[str, Any]) -> Findings:
    """The claims of Figure 1.

    Args:
        plane: ``accuracy`` and ``validation_accuracy`` over period, amplitude, seed and epoch, A = 1 among them.
        point: ``period`` and ``amplitude`` of the best point.
        region: where the paper finds the gain.
        settings: of the experiment; the numbers are tested where they are the paper's.
    """
    final = plane.isel(epoch=-1)
    gain = final.validation_accuracy - final.validation_accuracy.sel(amplitude=1)
    best, static = final.validation_accuracy.sel(point), final.sel(amplitude=1, period=point["period"])
    inside = region.holds(gain.period, gain.amplitude)
    whole = gain.where(inside, drop=True).mean(["period", "amplitude"], skipna=False)  # of seeds with all its points
    testable = all({**settings, **point}.get(name) == value for name, value in PAPER.items())
    at, where = f"T = {point['period']:g}, A = {point['amplitude']:g}", "Section II, Figure 1"
    near = within(NEAR, "the paper gives two digits")
    at_point, framed = gain.sel(point), whole
    claims = (
        Claim(f"Oscillations improve the validation accuracy at {at}", where, "> 0",
              interval(at_point, signed=True), positive(at_point), SIGN),
        Claim("They improve it on average over the region", where, "> 0",
              interval(framed, signed=True), positive(framed), SIGN),
        Claim("The static loss fits the training images", where, "≈ 1",
              interval(static.accuracy), number(static.accuracy, 1, NEAR, testable=testable), near),
        Claim("Its validation accuracy is modest", where, "≈ 0.73",
              interval(static.validation_accuracy), number(static.validation_accuracy, 0.73, NEAR, testable=testable),
              near),
        Claim(f"The validation accuracy at {at}", where, "≈ 0.79",
              interval(best), number(best, 0.79, NEAR, testable=testable), near),
        Claim(f"It gains about 6 % at {at}", where, "≈ 0.06",
              interval(at_point, signed=True), number(at_point, 0.06, NEAR, testable=testable), near),
    )  # fmt: skip
    verdict = claims[0].verdict
    said = {
        Verdict.REPRODUCED: "Yes:",
        Verdict.NOT_REPRODUCED: "No:",
        Verdict.UNDECIDED: "Undecided:",
    }.get(verdict, "Not computed yet:")
    return Findings(
        "fig01_cifar_phase_diagram",
        "Does a network generalise better when its loss oscillates?",
        f"{said} at $T = {point['period']:g}$, $A = {point['amplitude']:g}$ the validation accuracy changes by "
        f"{interval(at_point, signed=True)}.",
        scale(plane, settings),
        claims,
    )


def scale(plane: xr.Dataset, settings: Mapping[str, Any]) -> str:
    """The size of the experiment, in words."""
    size = settings["image_size"]
    return (
        f"{settings['training_images']:,} {'images' if settings['images'] == 'cifar10' else 'generated images'} of "
        f"{size} × {size} pixels, {settings['channels']} channels, {settings['epochs']} epochs; "
        f"{plane.attrs.get('scale', '')}; the paper: 50,000 of 32 × 32, 64 channels, 700 epochs, 30 seeds"
    )
