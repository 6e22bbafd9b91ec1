"""The edge of each optimiser, on made-up onsets, and how they are drawn."""

import numpy as np
import xarray as xr
from made_up import SETTINGS, labelled

from dynloss_book.cascades_edge import claims as cascades_edge
from dynloss_book.plots import why_cascades as figure


def edges(onset, cascades=2):
    """Two optimisers, three seeds; ``onset`` in units of each one's edge."""
    scatter = np.linspace(-0.02, 0.02, 3)[None, :, None, None]
    values = np.full((2, 3, 2, cascades), np.asarray(onset)[:, None, None, None]) + scatter
    level = np.ones((2, 3, 4, 2))
    return xr.Dataset(
        {
            "level": (("optimiser", "seed", "step", "side"), level),
            "onset": (("optimiser", "seed", "mark", "cascade"), values),
            "onset_step": (("optimiser", "seed", "mark", "cascade"), np.full(values.shape, 10.0)),
            "edge": ("optimiser", [2.0, 12.0]),
            "learning_rate": ("optimiser", [1.0, 0.3]),
        },
        coords={"optimiser": ["gradient descent", "heavy ball"], "mark": [0.05, 0.1], "step": [0, 10, 20, 30]},
    )


def test_the_edge_of_each_optimiser():
    assert "for 2 of 2 optimisers" in cascades_edge.judge(edges([0.95, 1.0]), SETTINGS).summary
    assert "for 1 of 2 optimisers" in cascades_edge.judge(edges([0.95, 0.5]), SETTINGS).summary
    empty = cascades_edge.judge(edges([np.nan, np.nan]), SETTINGS)
    assert "for 0 of 2 optimisers" in empty.summary and "–" in empty.summary
    rows = cascades_edge.table(edges([0.95, 1.0]))
    assert rows[1]["λη / 2"].startswith("1.8") and rows[1]["within 15% of its edge"] == "yes"
    assert "for 1 of 2 optimisers" in cascades_edge.judge(edges([0.95, 1.14]), SETTINGS).summary  # it reaches too far


def test_a_run_that_bounces_already_has_no_onset():
    """The search begins at step 10: who jumps just before it and has an onset just after it never began."""
    running = edges([0.95, 1.0]).assign_coords(step=[7, 9, 10, 30])
    running["level"][1, 0, 1, 1] = 1.07  # a jump by the first mark, and not by the second
    running["onset_step"][:, :, :, 1] = 15  # not within T/10 of the search's beginning
    found = cascades_edge.begun(running, 20)
    assert np.argwhere(found.onset.isnull().values).tolist() == [[1, 0, 0, 0]]
    assert np.isnan(found.onset_step[1, 0, 0, 0]) and int(found.onset_step.isnull().sum()) == 1
    assert "before the search for them begins: 1." in cascades_edge.judge(found, SETTINGS).summary
    early = running.assign_coords(step=[5, 7, 10, 30])  # long before
    assert not cascades_edge.begun(early, 20).onset.isnull().any()


def test_the_picture_shows_what_it_is_given():
    drawn = figure.plot_edges(edges([0.95, 1.0]))
    assert all(labelled(drawn)) and len(drawn.axes) == 3
    (side,) = (ax for ax in drawn.axes if ax.get_yscale() == "log")
    points = np.concatenate([line.get_ydata() for line in side.get_lines()])
    assert np.isclose(points, 1.0 * 12 * 0.3 / 2 + 0.02 * 1.8).any()  # open: in units of 2/η
    assert figure.plot_edges(edges([np.nan, np.nan])).axes
