"""What the book's pages ask for of the playground."""

from pathlib import Path

from dynloss_book import playground


def publish(book: Path) -> None:
    """Write script, style and engine, where a page asks for them."""
    if any("_static/playground/" in path.read_text("utf-8") for path in book.rglob("*.md")):
        playground.publish(book / "_static" / "playground")
