"""Scripts of the built pages: each in a file of the book's own, so that a server can forbid all others.

The theme writes some into each page, and handlers into its buttons. Here they move to files; what is not the theme's is
no script of ours, and no page with it is published. So the book works under `CSP`, in which tests read it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from html.parser import HTMLParser
from pathlib import Path

from dynloss import files

CSP = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:"
)
MADE_BY_THEME = ("genindex", "search")  # pages of no text of ours: whatever scripts stand there are the theme's
HANDLERS = {"window.print()": "print", "toggleFullScreen()": "fullscreen"}  # what book/_static/buttons.js calls
_DATA = r"application/json|text/x-[\w-]+"  # types of script that no browser runs
_ATTRIBUTE = rf"\s+(?!src\b|type=\"(?:{_DATA})\")[\w-]+(?:=\"[^\"]*\")?"
_INLINE = re.compile(rf"<script(?P<attributes>(?:{_ATTRIBUTE})*)\s*>(?P<text>.*?)</script>", re.S)
_BUTTON = re.compile(f' onclick="({"|".join(map(re.escape, HANDLERS))})"')
_SETTING = re.compile(r"(DOCUMENTATION_OPTIONS\.\w+|kernelName) = '[\w /.-]*';?")
_FORBIDDEN = {"iframe", "object", "embed", "base", "applet", "frame"}


def moved(site: Path) -> list[str]:
    """Move the scripts of all pages in a folder to files; returns what is wrong with pages, a line each.

    A page with anything wrong is left as it is.
    """
    pages = sorted(site.rglob("*.html"))
    theme = {text for name in MADE_BY_THEME for text in _inline(site / f"{name}.html")}
    return [f"{path.relative_to(site)}: {wrong}" for path in pages for wrong in _moved(path, site, theme)]


def _inline(path: Path) -> Iterator[str]:
    """The scripts in a page, if there is such a page."""
    for found in _INLINE.finditer(path.read_text("utf-8")) if path.is_file() else ():
        yield found["text"].strip()


def _moved(path: Path, site: Path, theme: Collection[str]) -> list[str]:
    name = str(path.relative_to(site).with_suffix("").as_posix())
    unknown = [text for text in _inline(path) if not (text in theme or _is_setting(text))]
    up = "../" * name.count("/")

    def to_file(found: re.Match) -> str:
        text = found["text"].strip()
        target = site / "_static" / "inline" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.js"
        if not unknown and not target.exists():
            files.write(target, text + "\n")
        return f'<script{found["attributes"]} src="{up}_static/inline/{target.name}"></script>'

    before = path.read_text("utf-8")
    html = _BUTTON.sub(lambda found: f' data-dynloss-click="{HANDLERS[found[1]]}"', _INLINE.sub(to_file, before))
    wrong = [f"a script that is none of ours: {text[:80]!r}" for text in unknown] or problems(html)
    if not wrong and html != before:
        files.write(path, html)
    return wrong


def _is_setting(text: str) -> bool:
    """Whether a script does no more than to keep a plain word, as the page's name is one, or MathJax's settings."""
    try:
        return bool(_SETTING.fullmatch(text)) or isinstance(json.loads(text.removeprefix("window.MathJax = ")), dict)
    except (ValueError, RecursionError):
        return False


def problems(html: str, allowed: Callable[[str, dict[str, str]], bool] = lambda tag, attributes: True) -> list[str]:
    """What may run in a piece of HTML without being a script in a file beside it, and tags that are not ``allowed``.

    >>> problems('<p onclick="x()">a</p><a href=" java\\nscript:x()">b</a>')
    ['a handler: onclick', 'a link that runs: a']
    """
    reader = _Reader(allowed)
    reader.feed(html)
    reader.close()
    return list(dict.fromkeys(reader.wrong))


class _Reader(HTMLParser):
    def __init__(self, allowed: Callable[[str, dict[str, str]], bool]):
        super().__init__()
        self.allowed, self.wrong = allowed, list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.wrong += [f"a handler: {name}" for name in attributes if name.startswith("on") or name == "srcdoc"]
        if any(re.match(r"(javascript|vbscript|data:text)", re.sub(r"[\x00-\x20]", "", value).lower())
               for value in attributes.values()):  # fmt: skip
            self.wrong.append(f"a link that runs: {tag}")
        if tag == "script" and not re.fullmatch(_DATA, attributes.get("type", "")):
            source = attributes.get("src")
            if source is None or re.match(r"\w+:|//", source.strip()):
                self.wrong.append("a script that is no file of the book")
        if tag in _FORBIDDEN or not self.allowed(tag, attributes):
            self.wrong.append(f"a tag that is none of ours: {tag}")

    handle_startendtag = handle_starttag
