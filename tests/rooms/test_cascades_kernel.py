"""Which kernel has a threshold, on made-up onsets, and how they are drawn."""

import numpy as np
import pytest
import xarray as xr
from made_up import NO, SCALE, SETTINGS, YES, labelled, verdicts

from dynloss_book.cascades_kernel import claims as cascades_kernel
from dynloss_book.engine.findings import Verdict
from dynloss_book.plots import why_cascades as figure


def kernels(hessian, weighted, plain):
    """Onsets of three seeds with four cascades each."""
    def values(row):
        return np.tile(np.asarray(row, dtype=float), (3, 2, 1))

    data = {f"onset_{name}": (("seed", "mark", "cascade"), values(row)) for name, row in
            (("hessian", hessian), ("weighted_kernel", weighted), ("ntk", plain), ("residual_share", [1e-4] * 4))}
    data["onset_step"] = (("seed", "mark", "cascade"), values([10, 20, 30, 40]))
    for name in ("hessian", "weighted_kernel", "ntk", "residual_share"):
        data[name] = (("seed", "step", "side"), np.full((3, 6, 2), 0.5))
    return xr.Dataset(data, coords={"step": np.arange(0, 60, 10), "mark": [0.05, 0.1]})


def test_which_kernel_has_a_threshold():
    near, far = [1.8, 1.9, 2.0, 1.9], [9.0, 12.0, 16.0, 21.0]
    judge = cascades_kernel.judge
    assert verdicts(judge(kernels(near, near, far), SETTINGS)) == [YES, YES]
    assert verdicts(judge(kernels(far, far, near), SETTINGS)) == [NO, NO]
    wide = kernels(near, near, far)
    wide["onset_hessian"][:, :, 3] = 20.0  # a late cascade explodes
    assert verdicts(judge(wide, SETTINGS))[1] == YES
    wide["onset_hessian"][0] = 8 * wide.onset_hessian[0] ** 3  # one network scatters: its interval decides
    assert verdicts(judge(wide, SETTINGS))[1] == Verdict.UNDECIDED
    assert "is a matrix" in judge(kernels(near, near, far), SETTINGS).summary
    assert "is a matrix" not in judge(kernels(near, far, far), SETTINGS).summary
    late = kernels(near, near, far)
    late["onset_hessian"][:, :, 3] = 20.0
    assert "is 0.950 (3 seeds, all the same) for the Gauss-Newton kernel, 0.975 " in judge(late, SETTINGS).summary
    none = judge(kernels([np.nan] * 4, [np.nan] * 4, [np.nan] * 4), SETTINGS)
    assert verdicts(none) == [SCALE] * 2 and none.summary == "No cascade in these runs."
    assert cascades_kernel.deviation(kernels([2.0] * 4, [1.9] * 4, far)) == pytest.approx(0.05)
    assert cascades_kernel.table(kernels(near, near, far))[2]["relative spread"].startswith("37.1")


def test_the_picture_is_drawn_with_and_without_a_cascade():
    assert all(labelled(figure.plot_kernels(kernels([1.9] * 4, [1.9] * 4, [9.0, 12, 16, 21]))))
    assert figure.plot_kernels(kernels([np.nan] * 4, [np.nan] * 4, [np.nan] * 4)).axes
