"""Figure 2's claims, on the spiral and on what straight lines tell apart."""

import numpy as np
import xarray as xr
from made_up import NO, YES, verdicts

from dynloss.datasets import spiral, spiral_validation
from dynloss_book.engine.findings import Kind
from dynloss_book.fig02_spiral_dataset import claims as spiral_dataset


def test_figure_2():
    sets = [spiral(), spiral_validation()]
    data = xr.Dataset(
        {
            "inputs": (("set", "sample", "coordinate"), np.stack([each.inputs for each in sets])),
            "labels": (("set", "sample"), np.stack([each.labels for each in sets])),
        },
        coords={"set": ["training", "validation"]},
    )
    assert verdicts(spiral_dataset.judge(data)) == [YES] * 3
    blobs = data.copy()
    centres = np.array([[0, 5], [5, 0], [-5, -5]])[data.labels.values]
    blobs["inputs"] = data.inputs + xr.DataArray(centres, dims=data.inputs.dims)
    assert verdicts(spiral_dataset.judge(blobs))[1] == NO
    other = data.copy(deep=True)
    other["labels"][0] = (data.labels[0] + 1) % 3
    assert verdicts(spiral_dataset.judge(other))[0] == NO
    assert [claim.kind for claim in spiral_dataset.judge(data).claims] == list(Kind)
