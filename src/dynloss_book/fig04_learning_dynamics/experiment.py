"""Figure 4: static training beside its run."""

import dataclasses

from dynloss import schedules
from dynloss.training import recorders
from dynloss_book.analysis import learning
from dynloss_book.tasks import spiral


def static_end(learning_rate, seed, *, width, steps, num_matvecs, precision):
    """How training with the static loss ends: a few steps after as many as above.

    Args:
        learning_rate: η.
        seed: of the initial weights.
        width: hidden units.
        steps: before those over which ``learning.end`` averages.
        num_matvecs: products with the Hessian for each λ_max.
        precision: "float32" or "float64".
    """
    task, static = spiral.task(width, precision, seed), schedules.static(3)
    start = task.descend(static, learning_rate, steps)
    task = dataclasses.replace(task, start=start)
    landscape = [
        recorders.training_state(task.model.apply, task.training),
        recorders.hessian(num_matvecs=num_matvecs),
    ]
    return learning.end(task.record(static, learning_rate, learning.LAST, landscape))
