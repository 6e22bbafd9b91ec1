"""The playground on pages of its own, without a book around it: for its tests, its benchmark and its picture."""

from pathlib import Path

from dynloss_book import playground

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Playground</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="playground.css"></head>
<body><main><h1>Playground</h1><div class="dl-room"><div class="dl-playground" data-dynloss-playground="{kind}"
data-instead="#picture"></div></div><p id="after">What follows it.</p></main>
<script type="module" src="playground.js"></script></body></html>
"""


def make(folder: Path) -> Path:
    """`full.html`, `small.html` and what they load."""
    playground.publish(folder)
    for kind in ("full", "small"):
        (folder / f"{kind}.html").write_text(PAGE.format(kind=kind), encoding="utf-8")
    return folder
