"""The picture that belongs to no notebook, for the pages that ask for it."""

from pathlib import Path

from dynloss import files


def publish(book: Path) -> None:
    """Draw the paper's idea."""
    if not any("images/idea.png" in path.read_text("utf-8") for path in book.rglob("*.md")):
        return
    import matplotlib

    matplotlib.use("Agg")
    from dynloss_book.plots import idea

    with files.whole(book / "images" / "idea.png") as file:
        idea.plot().savefig(file, dpi=160)
