"""Figure S1's claims, on made-up measurements that agree with the supplement and on some that contradict it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from made_up import NO, NOTHING, ONE, OPEN, YES, verdicts

from dynloss_book import paper
from dynloss_book.analysis.cascades import CROSSINGS
from dynloss_book.analysis.learning import lateness
from dynloss_book.figS1_hessian_eigenvalues.claims import judge

NONE = float("nan")


def measured(seeds, second, third, late, breaks=3.0, cascades=3.0):
    """Of so many seeds; a pair is of the first and the rest."""
    given = {"cascades": cascades, "second": second, "third": third, "lateness": late, "breaks": breaks}
    first, rest = ({name: np.ravel(each)[at] for name, each in given.items()} for at in (0, -1))
    return xr.concat([xr.Dataset(each) for each in [first] + [rest] * (seeds - 1)], "seed")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1.0, 1.0, 0.04), [YES, YES, YES]),
        ((1.0, 0.0, 0.8), [YES, NO, NO]),
        ((1.0, 0.0, -0.8), [YES, NO, NO]),
        ((0.0, 0.0, NONE, 0.0), [NO, NOTHING, NO]),
        (([0.2, 0.9], 1.0, [0.05, 0.16]), [OPEN, OPEN, YES]),
        ((NONE, NONE, NONE, 0.0, 0.0), [NOTHING, NOTHING, NOTHING]),
    ],
)
def test_figure_s1(values, expected):
    found = judge(measured(2, *values), paper.FIGURE_4 | {"steps": 9})
    number = 0 if len(values) == 5 else 6
    assert verdicts(found) == expected and f"Of {number} cascades" in found.summary
    alone = judge(measured(1, *values), paper.FIGURE_4)
    assert verdicts(alone) == [NOTHING if each == NOTHING else ONE for each in expected]
    assert [each.reduced for each in (found.claims[0], alone.claims[0])] == [True, False]


def test_lateness_is_over_the_length_of_the_cascade():
    rows = [[100, 110, 150, 170, None, 200], [100, 110, 150, 140, None, 200], [100, 110, None, 140, None, 200]]
    table = pd.DataFrame(rows, columns=list(CROSSINGS)).astype("Int64")
    np.testing.assert_allclose(lateness(table), [0.2, -0.1])
