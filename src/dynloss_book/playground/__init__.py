"""The playground: the spiral network learns in the page, by the same arithmetic in a browser and in the tests.

`engine/` is the arithmetic, in C; `engine.wasm` what `playground.build` makes of it. `page/` is what a reader
sees. One ES module serves the book, which publishes it with the engine beside it, and notebooks
(`dynloss_book.playground.widget`).
"""

from pathlib import Path

from dynloss import files

_HERE = Path(__file__).parent
# In this order: each part uses the ones before it.
_PARTS = ("worker", "history", "charts", "settings", "words", "page", "entries")


def script() -> str:
    """The ES module: `mount(element, options)`, the book's start, and anywidget's `render` as its default."""
    return "\n".join((_HERE / "page" / f"{part}.js").read_text("utf-8") for part in _PARTS)


def style() -> str:
    """Its style sheet."""
    return (_HERE / "page" / "playground.css").read_text("utf-8")


def engine() -> bytes:
    """The WebAssembly module."""
    return (_HERE / "engine.wasm").read_bytes()


def publish(folder: Path) -> None:
    """Write the three files of a page into a folder: `playground.js`, `playground.css`, `engine.wasm`."""
    files.write(folder / "playground.js", script())
    files.write(folder / "playground.css", style())
    files.write(folder / "engine.wasm", engine())
