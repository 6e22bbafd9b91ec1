"""What the book's pages ask for of the playground."""

from pathlib import Path

from dynloss_book import playground


def publish(book: Path, text: str) -> None:
    """Write script, style and engine, where a page asks for them."""
    if "_static/playground/" in text:
        playground.publish(book / "_static" / "playground")
