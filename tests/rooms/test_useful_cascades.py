"""What cascades are good for, on made-up runs of either outcome."""

import numpy as np
import xarray as xr
from made_up import NO, YES, seeds, verdicts

from dynloss_book import paper
from dynloss_book.engine.findings import Verdict
from dynloss_book.useful_cascades import claims as useful_cascades


def cascades(ends, wider=0.0, calm=-3.0):
    """Whole runs, and branches whose accuracy grows with the bounces.

    λ_max falls by ``wider`` in a period in large steps, and by ``calm`` in small ones.
    """
    sharpness = [2, 9, 2, 9]
    runs = xr.Dataset(
        {"validation_accuracy": (("seed", "run"), seeds(ends)), "sharpness": (("seed", "run"), seeds(sharpness))},
        coords={"run": ["oscillating", "oscillating, calm", "static", "static, calm"]},
        attrs={"scale": "4 seeds"},
    )
    gain = np.linspace(0, 0.2, 5)
    scores = np.stack([np.full(5, 0.5), 0.5 + gain, np.full(5, 0.5)], axis=-1)
    values = np.tile(scores, (4, 1, 1)) * (1 + 0.001 * np.arange(4))[:, None, None]
    names = ("validation_accuracy", "accuracy", "loss", "alignment", "sharpness")
    branches = xr.Dataset(
        {name: (("seed", "turn", "way"), values) for name in names}
        | {"bounces": (("seed", "turn", "way"), np.tile(np.arange(5)[:, None] * [0, 1, 0], (4, 1, 1))),
           "curvature": (("seed", "turn", "moment", "rank"), np.full((4, 5, 2, 3), 2.5)),
           "cosine": (("seed", "turn", "moment", "class"), np.full((4, 5, 2, 3), 0.5)),
           "share": (("seed", "turn", "moment", "class"), np.full((4, 5, 2, 3), 0.3))},
        coords={"way": ["before", "bouncing", "calm"]},
    )  # fmt: skip
    wobble = 0.1 * np.array([-1, 1, -1, 1])
    branches["sharpness"] = xr.DataArray(
        np.stack([np.full(4, 9.0), 9 - wider + wobble, 9 - calm + wobble])[None] * np.ones((5, 1, 1)),
        dims=("turn", "way", "seed"), coords={"way": ["before", "bouncing", "calm"]},
    ).transpose("seed", "turn", "way")  # fmt: skip
    return branches, runs


def test_useful_cascades():
    def judge(branches, runs):
        return useful_cascades.judge(branches, runs, paper.FIGURE_4)

    branches, runs = cascades([0.7, 0.5, 0.4, 0.5], wider=3.0)
    ends = dict.fromkeys(runs.run.values, runs.sharpness.sel(run="static", drop=True))
    apart = {run: ends[run] * (0.5 if run == "oscillating" else 1.0) for run in ends}
    flatter = runs.assign(sharpness=xr.concat(apart.values(), "run"))
    assert verdicts(judge(branches, flatter)) == [YES, YES, YES]
    sharper = runs.assign(sharpness=1 / flatter.sharpness)
    branches, _ = cascades([0.5, 0.7, 0.4, 0.5], wider=-2.0)
    assert verdicts(judge(branches, sharper))[1:] == [NO, NO]
    assert useful_cascades.judge(branches, runs, paper.FIGURE_4 | {"period": 1000}).claims[0].reduced
    assert verdicts(judge(*cascades([0.5, 0.7, 0.4, 0.5], wider=-2.0)))[:2] == [NO, NO]
    for small, verdict in ((2.0, YES), (4.0, NO)):  # small steps widen the valley too, less or more
        assert verdicts(judge(*cascades([0.7, 0.5, 0.4, 0.5], wider=3.0, calm=small)))[1] == verdict
    kept = judge(*cascades([0.7, 0.5, 0.4, 0.5]))  # narrower than before only in small steps: no wider valley
    assert verdicts(kept)[:2] == [YES, Verdict.UNDECIDED] and "keeps the valley from narrowing" in kept.summary
    for narrowing in (-5.0, -2.0):
        assert "keeps" not in judge(*cascades([0.7, 0.5, 0.4, 0.5], wider=narrowing)).summary
    assert verdicts(judge(*cascades([0.7, 0.5, 0.9, 0.5])))[0] == NO  # the static loss gains more by large steps
    branches, runs = cascades([0.7, 0.5, 0.4, 0.5])
    large, small, *_ = useful_cascades.edges(runs, 1.0, 8)
    assert (large["its edge, 2 over the step"], small["its edge, 2 over the step"]) == ("2", "16")
    assert large["over the edge"].startswith("1.00") and small["over the edge"].startswith("0.56")
    rows = useful_cascades.correlations(branches, 1.0)
    assert rows[0]["rank correlation with what it adds"].startswith("+1")
    assert rows[1]["rank correlation with what it adds"] == "–"  # what does not vary tells nothing
    assert useful_cascades.table(branches)[0]["what the large steps add"].startswith("+0.100")
