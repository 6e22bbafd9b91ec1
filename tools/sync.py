"""Carry what is written in one place to where it has to be copied.

- The repository's address, from pyproject.toml, to the pages, the notebooks and the citation; and the version, to the
  first cells of the notebooks, which install its tag where there is no dynloss.
- Each notebooks/NAME.py (percent format, the source) to notebooks/NAME.ipynb, without outputs, for Colab and papermill;
  there the captions of its figures, which the book reads from the cells' metadata, stand below them as text, and
  links to other pages lead to the published book, since in Colab, or beside a single downloaded file, there are none.
- To each notebook's old name in notebooks/renamed.yml, one that leads to the new one: Colab knows no redirection.

    python tools/sync.py           writes what differs
    python tools/sync.py --check   names what differs, and exits 1 if anything does
"""

import argparse
import hashlib
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import jupytext
import nbformat
import yaml

from dynloss_book.engine.parameters import renamed

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = "src/dynloss_book/engine/template/**/*.template"  # of `dynloss new`
CARRIERS = ["README.md", "CITATION.cff", "_config.yml", "book/**/*.md", "book/404.html", "notebooks/*.py", TEMPLATES]
MOVED = "# This notebook is called [{new}]({colab}/{new}.ipynb) now; [its page]({new}.ipynb) has its results."
RELATIVE = re.compile(r"\]\((?:([\w-]+)\.ipynb|\.\./book/([\w-]+)\.md)(#[\w-]+)?\)")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def repository(root: Path) -> tuple[str, str]:
    """The owner/name of the repository, and the version, as pyproject.toml has them."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = project["urls"]["Repository"]
    if not (found := re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)", url)):
        raise SystemExit(f"pyproject.toml: Repository is {url!r}, expected https://github.com/OWNER/NAME")
    return found[1], project["version"]


def carried(root: Path) -> str:
    """The owner/name that was carried last, as _config.yml has it."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"].removeprefix("https://github.com/")


def pages(address: str) -> str:
    """Where the book of the repository owner/name is published, without the scheme."""
    return address.replace("/", ".github.io/")


def readdressed(text: str, old: str, new: str) -> str:
    """The text with every address of the repository, its Colab links and its pages moved from `old` to `new`."""
    text = re.sub(rf"(github\.com/|/github/){re.escape(old)}(?![\w-])", rf"\g<1>{new}", text)
    return re.sub(rf"\b{re.escape(pages(old))}(?![\w-])", pages(new), text)


def captions(cell: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """The caption of a cell's figure, as a cell of its own; the book leaves it out, where the figure has it."""
    if caption := cell.metadata.get("mystnb", {}).get("figure", {}).get("caption"):
        yield nbformat.v4.new_markdown_cell(f"**Figure.** {caption}", metadata={"tags": ["caption"]})


def published(text: str, address: str) -> str:
    """Markdown whose links to other pages lead to the published book; `runner.page` leads them back within the book."""

    def absolute(link: re.Match[str]) -> str:
        page = f"notebooks/{link[1]}" if link[1] else f"book/{link[2]}"
        return f"](https://{pages(address)}/{page}.html{link[3] or ''})"

    return RELATIVE.sub(absolute, text)


def notebook(source: str, address: str) -> str:
    """The .ipynb of a percent script, and of nothing else: not the time, the machine or the last copy."""
    made = jupytext.reads(source, fmt="py:percent")
    made.cells = [each for cell in made.cells for each in (cell, *captions(cell))]
    seen: Counter[str] = Counter()
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = published(cell.source, address)
        # An id follows the cell's text, so that an edit changes one id and an insertion none.
        text = f"{cell.cell_type}\n{cell.source}"
        cell.id = hashlib.sha256(f"{text}\n{seen[text]}".encode()).hexdigest()[:8]
        seen[text] += 1
    made.metadata.pop("jupytext", None)
    made.metadata.setdefault("kernelspec", KERNEL)
    made.metadata.setdefault("language_info", {"name": "python"})
    made.nbformat, made.nbformat_minor = 4, 5
    nbformat.validate(made)
    return nbformat.writes(made, version=4, indent=1, sort_keys=True).rstrip("\n") + "\n"


def wanted(root: Path) -> Iterator[tuple[Path, str]]:
    """Every file that this script looks after, with the text it should have."""
    old, (new, version) = carried(root), repository(root)
    for path in sorted(path for pattern in CARRIERS for path in root.glob(pattern)):
        text = readdressed(path.read_text(encoding="utf-8"), old, new)
        text = re.sub(r"(git\+https://[^\s\"@]+)@v[^\s\"]+", rf"\g<1>@v{version}", text)
        yield path, text
        if path.suffix == ".py":
            yield path.with_suffix(".ipynb"), notebook(text, new)
    colab = f"https://colab.research.google.com/github/{new}/blob/main/notebooks"
    for old_name, new_name in renamed(root, "pages").items():
        moved = MOVED.format(new=new_name, colab=colab)
        yield root / "notebooks" / f"{old_name}.ipynb", notebook(f"# %% [markdown]\n{moved}", new)


def main() -> None:
    parser = argparse.ArgumentParser(description="Carry the repository's address and the notebooks to their copies.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if something differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout (default: this one)")
    options = parser.parse_args()

    everything = dict(wanted(options.root))
    differs = [path for path, text in everything.items() if not path.exists() or path.read_text("utf-8") != text]
    orphans = [path for path in options.root.glob("notebooks/*.ipynb") if path not in everything]
    for path in differs:
        print(f"{'differs' if options.check else 'written'}: {path.relative_to(options.root)}")
        if not options.check:
            path.write_text(everything[path], encoding="utf-8")
    for path in orphans:
        print(f"no source: {path.relative_to(options.root)} has no .py beside it")
    if orphans or (options.check and differs):
        sys.exit("run `make sync`" if differs else 1)


if __name__ == "__main__":
    main()
