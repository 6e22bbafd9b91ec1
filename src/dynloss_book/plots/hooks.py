"""The picture that belongs to no notebook, for the pages that ask for it."""

from pathlib import Path

from dynloss import files


def publish(book: Path, text: str) -> None:
    """Draw the paper's idea."""
    if "images/idea.png" not in text:
        return
    import matplotlib

    matplotlib.use("Agg")
    from dynloss_book.plots import idea

    with files.atomic_write(book / "images" / "idea.png") as file:
        idea.plot().savefig(file, dpi=160)
