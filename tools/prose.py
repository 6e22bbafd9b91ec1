"""Holds the book's sentences against `prose.yml`: python tools/prose.py [FILE ...]

It reads the pages, the README, CONTRIBUTING, the notebooks' text, captions and alternative texts, and in the code the
strings and the first lines of docstrings. Each finding is a line FILE:LINE: WORDS → PROPOSAL; any is exit code 1.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
QUOTED = ROOT / "src/dynloss_book/paper.py"  # the paper's own sentences
READ = ("book/*.md", "README.md", "CONTRIBUTING.md", "notebooks/*.py", "src/**/*.py", "src/**/*.template")
ASIDE = (
    r"```.*?```|``[^`]+``|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|https?://\S+|\]\([^)\s]*\)|<!--.*?-->"  # code, TeX, links
)


class Finding(NamedTuple):
    """A place to mend: `line` of the text, its `words`, and what to `say` instead."""

    line: int
    words: str
    say: str

    def __str__(self) -> str:
        return f"{self.line}: {self.words} → {self.say}"


def patterns(path: Path = ROOT / "tools/prose.yml") -> dict[str, dict[str, str]]:
    """The committed list: {pattern: {say, wrong: an example, right: one that must pass}}."""
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    words = {
        rf"(?<![-\w]){wrong}(?!\w*=)": {"say": right, "wrong": wrong.removesuffix(r"\b"), "right": right}
        for wrong, right in listed["spelling"].items()
    }
    return listed["sentences"] | words


RULES = [(re.compile(rule, re.IGNORECASE), each["say"]) for rule, each in patterns().items()]


def found(text: str, first: int = 1) -> list[Finding]:
    """What the patterns find in a text that begins on line ``first``; code, formulas and addresses are passed over."""
    lines = "\n".join(line.strip() for line in text.split("\n"))
    plain = re.sub(ASIDE, lambda part: re.sub(r"[^\n]", "~", part[0]), lines, flags=re.DOTALL)
    hits = ((match, say) for rule, say in RULES for match in rule.finditer(plain.replace("\n", " ")))
    return [Finding(first + plain[: match.start()].count("\n"), match[0], say) for match, say in hits]


def strings(code: str) -> Iterator[tuple[int, str]]:
    """The line and the text of each string of a module, with {} for its values; of docstrings the first line.

    Single words are passed over: most are names.
    """
    tree = ast.parse(code)
    docstrings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and " " in str(node.value) and node not in inner:
            yield node.lineno, str(node.value).split("\n")[0] if node in docstrings else str(node.value)


def cells(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a notebook: its markdown cells, and each caption and alternative text."""
    for cell in re.finditer(r"^# %%([^\n]*)\n(.*?)(?=^# %%|\Z)", source, re.MULTILINE | re.DOTALL):
        line = source[: cell.start()].count("\n") + 1
        if "[markdown]" in cell[1]:
            yield line + 1, re.sub(r"^# ?", "", cell[2], flags=re.MULTILINE)
        if "mystnb=" in cell[1]:
            shown = json.JSONDecoder().raw_decode(cell[1].split("mystnb=")[1])[0]
            yield from ((line, text) for text in (shown["figure"]["caption"], shown.get("image", {}).get("alt", "")))


def texts(path: Path) -> list[tuple[int, str]]:
    """Where in a file there are sentences, and which."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return [(1, source)]
    return [*strings(source), *(cells(source) if path.parent.name == "notebooks" else ())]


def findings(path: Path) -> list[Finding]:
    """Of a file, in order."""
    return sorted({finding for first, text in texts(path) for finding in found(text, first)})


def main(chosen: list[str]) -> int:
    """Prints the findings of the files, by default of all; 1 if there are any."""
    every = [path for pattern in READ for path in sorted(ROOT.glob(pattern)) if path != QUOTED]
    files = [Path(name).resolve() for name in chosen] or every
    said = [f"{path.relative_to(ROOT) if ROOT in path.parents else path}:{each}"
            for path in files for each in findings(path)]  # fmt: skip
    print("\n".join([*said, f"{len(said)} findings in {len(files)} files"]))
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
