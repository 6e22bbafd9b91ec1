"""What the engine is told of the paper: its sections, and what its sweeps vary."""

from dynloss_book import paper


def sections() -> dict[str, str]:
    """The sections in their order, each with its title."""
    return paper.SECTIONS


def axes() -> dict[str, dict[str, str]]:
    """Names and units of a sweep's axes."""
    return {
        "period": {"long_name": "period T", "units": "steps"},
        "amplitude": {"long_name": "amplitude A", "units": "1"},
        "learning_rate": {"long_name": "learning rate η", "units": "1"},
        "width": {"long_name": "hidden units", "units": "1"},
    }
