"""Figure S1's claims, on made-up crossings that agree with the supplement and on some that contradict it."""

import pandas as pd
import pytest
import xarray as xr
from made_up import NO, ONE, SCALE, YES, verdicts

from dynloss_book import paper
from dynloss_book.analysis.cascades import CROSSINGS
from dynloss_book.figS1_hessian_eigenvalues.claims import judge


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[100, 110, 150, 152, 170, 200]] * 3, [YES, YES, YES]),
        ([[100, 110, 150, 190, None, 200]] * 3, [YES, NO, NO]),
        ([[100, 110, None, None, None, 200]] * 3, [NO, SCALE, NO]),
        ([], [SCALE, SCALE, SCALE]),
    ],
)
def test_figure_s1(rows, expected):
    crossings = pd.DataFrame(rows, columns=list(CROSSINGS)).astype("Int64")
    one = xr.Dataset(attrs={"scale": "1 seed"}), crossings
    found = judge([one] * 2, {})
    assert verdicts(found) == expected and f"Of {2 * len(rows)} cascades" in found.summary
    assert verdicts(judge([one], paper.FIGURE_4)) == [SCALE if each == SCALE else ONE for each in expected]
    assert [each.reduced for each in (found.claims[0], judge([one], paper.FIGURE_4).claims[0])] == [True, False]
