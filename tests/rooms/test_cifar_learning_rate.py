"""The claims of cifar_learning_rate with made-up results: one that has to pass, and one that must not."""

import numpy as np
import pytest
import xarray as xr

from dynloss_book.engine.findings import Verdict
from dynloss_book.cifar_learning_rate import claims


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [(0.99, Verdict.REPRODUCED), (0.6, Verdict.NOT_REPRODUCED), (np.nan, Verdict.NOT_REPRODUCED)],
)
def test_the_network_has_to_learn(accuracy, verdict):
    run = xr.Dataset({"accuracy": ("step", [1 / 3, accuracy])}, attrs={"scale": "1 seed, 2 steps"})
    assert [claim.verdict for claim in claims.judge(run).claims] == [verdict]
