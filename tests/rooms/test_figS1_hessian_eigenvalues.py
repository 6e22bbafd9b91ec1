"""Figure S1's claims, on made-up crossings that agree with the supplement and on some that contradict it."""

import pandas as pd
import pytest
import xarray as xr
from made_up import NO, SCALE, YES, verdicts

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
    found = judge(xr.Dataset(attrs={"scale": "1 seed"}), crossings, {})
    assert verdicts(found) == expected and f"Of {len(rows)} cascades" in found.summary
