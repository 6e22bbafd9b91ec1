"""Run each committed notebook as Google Colab does: its own packages, no papermill, the first cell installs the rest.

    python tools/colab.py [--python PYTHON] [NOTEBOOK ...]

A virtual environment gets what Colab has preinstalled (tools/colab-requirements.txt). Each notebook is opened as it is
committed, with two changes: this checkout stands in place of the repository's address, and a cell after the parameters
holds the values of the `smoke` profile. Before each, dynloss is uninstalled, so that its first cell has to install it;
what else it pulled in stays from the first notebook on. Afterwards the named packages must have the versions that they
had. The wheel alone, in an environment of its own, runs the README's example.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "tools" / "colab-requirements.txt"


def environment(python: str, folder: Path, *arguments: str) -> Path:
    """The Python of a new virtual environment with these packages."""
    made = folder / "bin" / "python"
    subprocess.run([python, "-m", "venv", folder], check=True)
    subprocess.run([made, "-m", "pip", "install", "--quiet", *arguments], check=True)
    return made


def versions(python: Path) -> dict[str, str]:
    """What is installed of the pinned packages, whose versions must stay."""
    pinned = re.findall(r"^([\w-]+)==", REQUIREMENTS.read_text("utf-8"), re.M)
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    found = {each["name"].lower(): each["version"] for each in json.loads(listed.stdout)}
    return {name: found.get(name, "none") for name in pinned}


def as_opened(path: Path, values: dict[str, Any]) -> Any:
    """The notebook with this checkout as its source, and a cell of parameters."""
    import nbformat

    text = re.sub(r"(dynloss\S*) @ git\+https://[^\"\\]+", rf"\1 @ {ROOT.as_uri()}", path.read_text("utf-8"))
    notebook = nbformat.reads(text, as_version=4)
    at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    given = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(given))
    return notebook


def run(path: Path, values: dict[str, Any], python: Path, folder: Path) -> str:
    """Execute a notebook in Colab's environment, in a folder outside the checkout; the error, or nothing.

    Raises:
        SystemExit: a signal to end.
    """
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    variables = {"DYNLOSS_RESULTS": str(folder / "results"), "MPLBACKEND": "module://matplotlib_inline.backend_inline"}

    class Colab(AsyncKernelManager):
        kernel_spec = KernelSpec(argv=command, env=variables, display_name="Colab", language="python")

    work = folder / "content"
    work.mkdir(exist_ok=True)
    client = NotebookClient(
        as_opened(path, values), timeout=900, kernel_manager_class=Colab, resources={"metadata": {"path": str(work)}}
    )
    try:
        client.execute()
    except AssertionError:  # at SIGTERM and Ctrl-C nbclient takes its kernel away, and then misses it, without a word
        sys.exit(f"{path.stem}: ended by a signal")
    except Exception as error:  # a cell's error, a kernel that died
        return f"{type(error).__name__}: {' '.join(str(error).split())[-600:]}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", help="names or parts of them; all unless told otherwise")
    parser.add_argument("--python", default=sys.executable, help="Colab's is a 3.13")
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # and the folder is removed
    os.environ.pop("PYTHONPATH", None)  # the checkout is to be found by its installation only
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(not well(options.notebooks, options.python, Path(folder).absolute()))


def well(notebooks: list[str], python_of_colab: str, folder: Path) -> bool:
    """Run the notebooks, and say of each, of the packages and of the wheel what became of it."""
    from dynloss_book.engine.runner.profiles import load, values

    figures = [each for stem, each in load(ROOT).items() if not notebooks or any(part in stem for part in notebooks)]
    failed = 0
    python = environment(python_of_colab, folder / "colab", "--requirement", str(REQUIREMENTS))
    before = versions(python)
    for figure in figures:
        uninstall(python)
        began = time.monotonic()
        error = run(figure.path, values(figure, "smoke"), python, folder)
        failed += bool(error)
        print(f"{figure.stem}: {time.monotonic() - began:.0f} s {error or 'well'}", flush=True)
    after = versions(python)
    for name, version in before.items():
        print(f"{name}: {version} before, {after[name]} after")
    failed += before != after
    if not notebooks:
        failed += bool(error := library(python_of_colab, folder))
        print(f"the wheel alone, the README's example: {error or 'well'}")
    return not failed


def uninstall(python: Path) -> None:
    """Take dynloss away, with the caches beside it, which Python would take for a package."""
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "dynloss"], check=True)
    (folder,) = python.parents[1].glob("lib/python*/site-packages")
    shutil.rmtree(folder / "dynloss", ignore_errors=True)


def library(python: str, folder: Path) -> str:
    """Build the wheel, install it alone, and run the README's example with it; the error, or nothing."""
    target = str(folder / "wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, str(ROOT)]
    subprocess.run(build, check=True)
    (wheel,) = Path(target).glob("dynloss-*.whl")
    alone = environment(python, folder / "alone", str(wheel))
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)[:1]
    done = subprocess.run([alone, "-c", example], cwd=folder, capture_output=True, text=True)
    return done.stderr.strip()[-600:] if done.returncode else ""


if __name__ == "__main__":
    main()
