"""Classes of unequal size: what balance and oscillations bring, on made-up accuracies."""

import numpy as np
from made_up import scattered

from dynloss_book.unequal_classes import claims


def test_balance_and_oscillations_are_told_apart():
    def of(rare, other):
        mean = np.where(np.isin(np.arange(10), [2, 5]), rare, other)
        return scattered(mean, ("digit",)).assign_coords(digit=range(10))

    ways = {
        "static": of(0.5, 0.9), "dynamical": of(0.6, 0.9), "static and balanced": of(0.8, 0.9),
        "dynamical and balanced": of(0.8, 0.9),
    }  # fmt: skip
    found = claims.judge({"4 units": ways}, [2, 5])
    said = found.summary
    assert found.plain.endswith("once the weights are balanced, oscillations bring no significant improvement.")
    assert "lower this accuracy" not in said
    worse = claims.judge({"4 units": ways | {"dynamical": of(0.4, 0.9)}, "9 units": ways}, [2, 5]).summary
    assert worse.endswith(" Alone, oscillations lower this accuracy significantly with 4 units.")
    better = ways | {"dynamical and balanced": of(0.85, 0.9)}
    assert claims.judge({"4 units": better}, [2, 5]).plain.endswith("oscillations add to them for 4 units.")
    alike = ways | {"dynamical": of(0.8, 0.9)}
    assert claims.judge({"4 units": alike}, [2, 5]).plain.startswith("For some networks: oscillations alone")
    assert "balance +0.3" in said and "oscillations alone +0.1" in said and "oscillations after balance +0.0" in said
    rows = claims.table({"4 units": ways}, [2, 5])
    assert rows[0]["rare digits"].startswith("0.500") and rows[0]["other digits"].startswith("0.900")
    assert rows[0]["gain over static and balanced"].startswith("−0.060")
