"""Fig. S3: each seed's curve, their mean, the dotted line and the stop are where the data say."""


import numpy as np
import xarray as xr
from made_up import MIXED, NO, ONE, SCALE, YES, scattered, verdicts

from dynloss_book import paper
from dynloss_book.figS3_stopping_oscillations import claims
from dynloss_book.figS3_stopping_oscillations import figure as stopping_oscillations


def runs(seeds=3):
    epoch = np.array([0, 5, 10])
    rising = np.linspace(0.1, 0.5, 3) + 0.01 * np.arange(seeds)[:, None]
    both = {"accuracy": (("seed", "epoch"), rising + 0.2), "validation_accuracy": (("seed", "epoch"), rising)}
    return xr.Dataset(both, coords={"seed": np.arange(seeds), "epoch": epoch})


def test_every_seed_has_a_line_and_the_mean_a_thick_one():
    figure = stopping_oscillations.plot({"A = 1": runs()}, stop_epoch=5, dotted=0.47)
    left, right = figure.axes
    *seeds, mean, stop, dotted = left.get_lines()
    assert len(seeds) == 3
    for line, seed in zip(seeds, runs().validation_accuracy, strict=True):
        np.testing.assert_allclose(line.get_ydata(), seed)
    np.testing.assert_allclose(mean.get_ydata(), runs().validation_accuracy.mean("seed"))
    assert mean.get_linewidth() > seeds[0].get_linewidth()
    assert stop.get_xdata()[0] == 5 and dotted.get_ydata()[0] == 0.47 and dotted.get_linestyle() == ":"
    np.testing.assert_allclose(right.get_lines()[3].get_ydata(), runs().accuracy.mean("seed"))
    assert (left.get_ylabel(), right.get_ylabel()) == ("validation accuracy", "training accuracy")


def test_seeds_that_are_not_computed_are_left_out_of_lines_and_means():
    missing = runs().where(runs().seed < 2)
    figure = stopping_oscillations.plot({"A = 1": runs(), "A = 50": missing}, stop_epoch=5, dotted=0.47)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "A = 1: mean of 3 seeds", "A = 50: mean of 2 seeds", "oscillations stop", "best of the static loss"
    ]  # fmt: skip
    means = [line for line in figure.axes[0].get_lines() if line.get_linewidth() == 2]
    np.testing.assert_allclose(means[1].get_ydata(), runs(2).validation_accuracy.mean("seed"))


def test_nothing_computed_is_drawn_as_nothing():
    nothing = runs() * np.nan
    figure = stopping_oscillations.plot({"A = 1": nothing}, stop_epoch=5, dotted=np.nan)
    figure.canvas.draw()
    assert figure.legends[0].get_texts()[0].get_text() == "A = 1: mean of 0 seeds"


EPOCHS = np.array([0, 40, 60, 100, 110, 120])
STATIC, TILTED, CALM = ([0.1, 0.53, 0.52, 0.50, 0.50, 0.50], [0.1, 0.2, 0.3, 0.45, 0.53, 0.54],
                        [0.1, 0.2, 0.3, 0.31, 0.32, 0.33])  # fmt: skip


def two(first, second, epochs=EPOCHS, spread=0.001):
    values = scattered(np.array([first, second]), ("amplitude", "epoch"), spread=spread)
    data = {"validation_accuracy": values, "accuracy": values}
    coords = {"amplitude": [1.0, 50.0], "epoch": epochs, "seed": range(6)}
    return xr.Dataset(data, coords=coords, attrs={"scale": "6 seeds"})


REDUCED = paper.FIGURE_1 | {"channels": 16}


def test_figure_s3():
    judge = claims.judge
    agreeing = judge(two(STATIC, TILTED), 50.0, 100, paper.FIGURE_1)
    assert verdicts(agreeing) == [YES] * 7 and not any(claim.reduced for claim in agreeing.claims)
    assert verdicts(judge(two(STATIC, CALM), 50.0, 100, paper.FIGURE_1))[6] == NO
    contrary = two([*TILTED[:-1], 0.6], [0.1, 0.5, 0.6, 0.55, 0.5, 0.45])
    assert verdicts(judge(contrary, 50.0, 100, paper.FIGURE_1))[:6] == [NO, NO, NO, MIXED, NO, NO]
    assert set(verdicts(judge(contrary, 50.0, 100, paper.FIGURE_1 | {"image_size": 8}))) == {SCALE}
    one = judge(two(STATIC, TILTED).isel(seed=[0]), 50.0, 100, paper.FIGURE_1)
    assert set(verdicts(one)) == {ONE} and "One run" in one.plain


def test_the_papers_scale_decides_where_there_is_some_of_it():
    contrary, theirs = two(TILTED, CALM), two(STATIC, TILTED, epochs=5 * EPOCHS + 100)
    found = claims.judge(contrary, 50.0, 100, REDUCED, theirs)
    assert verdicts(found)[5] == YES and not found.claims[5].reduced and "Training breaks down" in found.summary
    assert "at the paper's scale; at reduced scale 0 of 6" in found.claims[5].here
    alone = claims.judge(contrary, 50.0, 100, REDUCED)
    assert verdicts(alone)[5] == NO and alone.claims[5].reduced
    some = theirs.copy(deep=True)
    some.validation_accuracy[dict(amplitude=1, epoch=-1, seed=0)] = 0.52  # of one network
    found = claims.judge(contrary, 50.0, 100, REDUCED, some)
    assert verdicts(found)[5] == MIXED
    assert "5 of 6 oscillating networks are above the best static" in found.claims[5].here


def test_training_that_loses_half_of_its_accuracy_breaks_down():
    falls, dips, ends = [0.1, 0.8, 0.39, 0.7], [0.1, 0.8, 0.41, 0.7], [0.1, 0.8, np.nan, np.nan]
    both = xr.Dataset(
        {"accuracy": (("amplitude", "seed", "epoch"), [[falls, dips, ends], [dips, dips, dips]])},
        coords={"amplitude": [1.0, 50.0], "epoch": [0, 5, 10, 15]},
    )
    assert claims.breakdowns(both).startswith(
        "Training breaks down with the static loss in 2 of 3 networks, after epoch 5, 5 (1 diverged); "
        "with $A = 50$ in 0 of 3 networks. "
    )
