"""Files as somebody else could have made them: mutations of results, requests, records and executed notebooks.

    python tests/fuzzing.py NUMBER [FIRST]

makes so many mutated files, each from its own seed, and asks the command line and the gate about them: each has to give
an answer or clear lines, without a traceback, within 10 s and 1 GB. `test_untrusted.py` does so with a few.
"""

import contextlib
import io
import json
import random
import re
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import small_site

ROOT = Path(__file__).resolve().parents[1]
PAYLOADS = (
    "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "{download}`x <../../_config.yml>`",
    "```{include} /etc/passwd\n```", "../../../etc/passwd", "/dev/zero", "\x1b[2J\x1b]0;mine\x07", "\u202egnp.exe",
    "..", "a" * 200_000, "", "[x](javascript:alert(1))", "$\\href{javascript:alert(1)}{x}$", "{{ config }}", "\x00",
    "NaN",
)  # fmt: skip
DEEP = [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]
VALUES = (*PAYLOADS, None, -1, 10**30, 10**400, 1e308, float("nan"), [], {}, DEEP, True, {"a": {"b": [1]}})
FIGURE = """
from dynloss_book.engine.archive import fetch_or_compute, provenance
from dynloss_book.engine.findings import Claim, Findings, Sentence, Verdict
import numpy as np, xarray as xr

def compute(steps, amplitude):
    return xr.Dataset({"x": ("step", amplitude * np.arange(steps))})

dataset = fetch_or_compute("fig01_good", compute, {"steps": steps, "amplitude": amplitude}, fresh=fresh)
said = Sentence("Section I", "It grows.")
claim = Claim("x grows", said, "yes", f"{float(dataset.x[-1])}", Verdict.REPRODUCED)
findings = Findings("fig01_good", "Does x grow?", "It does.", "Twice.", f"{dataset.sizes['step']} steps", (claim,))
"""
CODES = (0, 1, 2, 74)
CONTROL = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def site(root: Path) -> Path:
    """A checkout with a result, two sweeps, a record of verdicts, and an executed notebook."""
    from dynloss_book.engine import archive
    from dynloss_book.engine.runner import answers, gate, profiles, recorded, tables

    small_site.make(root, fig01_good=small_site.notebook(FIGURE, ("findings.answer", "answer")))
    figure = profiles.load(root)["fig01_good"]
    with contextlib.chdir(root), small_site.publishing(root):
        values = {"steps": 10, "amplitude": 70.0}
        names: dict[str, Any] = {**values, "fresh": False}
        code = "".join(answers.sources(figure, {})[1:2])
        script = root / "compute.py"
        script.write_text(code)
        exec(compile(code, str(script), "exec"), names)
        script.unlink()
    for name in ("spiral_interpretations/6bf59feea5cc0e25", "own_data/ef8fb371198c2609"):
        shutil.copytree(ROOT / "results" / name, root / "results" / name)
    dataset, findings = names["dataset"], names["findings"]
    recorded.write(root / "results", {"fig01_good": findings.record() | {"profile": "quick", "devices": ""}})
    notebook = json.loads(figure.path.read_text())
    done = {"status": "completed", "end_time": "2026-11-29T12:00:00.000000", "exception": None}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            cell |= {"execution_count": number}
            cell["metadata"] |= {"papermill": dict(done)}
    shown = [archive.provenance(dataset), findings.answer, findings]
    notebook["cells"][-1]["outputs"] = [
        {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": each._repr_mimebundle_()}
        for each in shown
    ]
    notebook["metadata"]["papermill"] = done | {"parameters": {}}
    about = {"figure": "fig01_good", "profile": "quick", "commit": "0123456789", "complete": True, "seconds": 1.0}
    notebook["metadata"]["dynloss"] = about | {"source": gate.source_hash(figure.path)}
    copy = tables.executed_copy(root, "quick", "fig01_good")
    copy.parent.mkdir(parents=True)
    copy.write_text(json.dumps(notebook))
    return root


def mutate(path: Path, chance: random.Random) -> str:
    """Change a file as the next number of `chance` says; returns how."""
    ways: list[Callable[[Path, random.Random], None]] = [_flipped, _cut, _blanked]
    ways += [_attribute, _attribute, _variable] if path.suffix == ".nc" else [_value, _value, _value]
    way = chance.choice(ways)
    way(path, chance)
    return way.__name__.lstrip("_")


def _flipped(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def _cut(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: chance.randrange(len(content))])


def _blanked(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start, length = chance.randrange(len(content)), chance.choice((1, 4, 8, 100, 1000))
    content[start : start + length] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
    path.write_bytes(content)


def _attribute(path: Path, chance: random.Random) -> None:
    """One attribute, of the file or of a variable, is something else."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        place = chance.choice([file, file, *file.values()])
        name = chance.choice([each for each in place.attrs if not each.endswith("_LIST")] or ["units"])
        others = (7, -1.5, np.arange(20_000), np.bool_(True), h5py.Empty("f"), b"\xff\xfe", ["a", "b"])
        value = chance.choice((*PAYLOADS, *others))
        if chance.random() < 0.3 and isinstance(place.attrs.get(name), str) and isinstance(value, str):
            inside, count = json.dumps(value)[1:-1], chance.randrange(1, 4)
            value = re.sub(r"(?<=\")[^\":]+(?=\")", lambda _: inside, str(place.attrs[name]), count=count)
        del place.attrs[name]
        if chance.random() < 0.9:
            with contextlib.suppress(ValueError, OSError, TypeError):  # what HDF5 itself does not write
                place.attrs[name] = value


def _variable(path: Path, chance: random.Random) -> None:
    """One variable is a link, lies elsewhere, asks for more than there is, or is of another kind."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        name = chance.choice(list(file))
        match chance.randrange(9):
            case 0:
                del file[name]
                file[name] = h5py.ExternalLink("/etc/passwd", "/x")
            case 1:
                file[chance.choice(("../evil", "a b", "<b>", "x" * 300, "\x1b[2J"))] = h5py.SoftLink("/nothing")
            case 2:
                file.create_dataset("elsewhere", (100,), "u1", external=[("/etc/passwd", 0, 100)])
            case 3:
                file.create_dataset("huge", (2_000_000_000,), "f8", chunks=(10_000,), compression="gzip")
            case 4:
                del file[name]
            case 5:
                shape = file[name].shape
                del file[name]
                file[name] = np.full(shape, chance.choice((np.nan, np.inf, -1e300, 0.0)))
            case 6:
                del file[name]
                file[name] = np.array([PAYLOADS[0], "a" * 10_000], dtype=object)
            case 7:
                for number in range(300):
                    file[f"many_{number}"] = number
            case _:
                file.create_group("inside")["x"] = np.zeros((3, 3), np.complex128)


def _value(path: Path, chance: random.Random) -> None:
    """One value of a file of JSON is something else, or one name is."""
    found = json.loads(path.read_text("utf-8"))
    places = list(_places(found))
    for _ in range(chance.choice((1, 1, 3))):
        within, key = chance.choice(places)
        value = chance.choice(VALUES)
        if isinstance(within, dict) and isinstance(value, str) and chance.random() < 0.1:
            within[value] = within.pop(key, None)
        else:
            within[key] = value
    path.write_text(json.dumps(found))


def _places(found: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in list(found.items()) if isinstance(found, dict) else list(enumerate(found)):
        yield found, key
        if isinstance(value, dict | list):
            yield from _places(value)


def asked(arguments: list[str]) -> tuple[int, str]:
    """The exit code of the command, and all that it wrote."""
    from dynloss_book.engine import cli

    code, written = 0, io.StringIO()
    with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written), warnings.catch_warnings():
        warnings.simplefilter("always")
        try:
            cli.main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, written.getvalue()


def tried(root: Path, clean: Path, seed: int) -> str:
    """One mutated file in a checkout, which is as before afterwards: what is wrong with what is said of it."""
    from dynloss_book.engine.runner import gate

    chance = random.Random(seed)
    targets = sorted(path for path in root.rglob("*") if path.suffix in (".nc", ".json", ".ipynb"))
    path = chance.choice([each for each in targets if each.parent.name != "notebooks"])
    how = f"seed {seed}: {path.relative_to(root)} {mutate(path, chance)}"
    other = path.with_name(f"other{path.suffix}")
    if chance.random() < 0.1:
        shutil.copyfile(path, other)
    commands = [["list"], ["status"], ["sweep", "status"], ["claims"]]
    mine = [["compare", str(path), str(clean / "results")], ["compare", str(path.parent)]] * 6
    wrong = []
    for arguments in [chance.choice(commands), chance.choice([*mine, ["compare", str(clean / "results")]])]:
        started = time.process_time()  # of this process alone, whatever else the machine does
        code, text = asked(arguments)
        if code not in CODES or "Traceback" in text or CONTROL.search(text):
            wrong.append(f"{how}: {' '.join(arguments)}: code {code}: {text[-2000:]}")
        if (took := time.process_time() - started) > 10:
            wrong.append(f"{how}: {' '.join(arguments)} took {took:.0f} s")
    if path.suffix == ".ipynb":
        gate.problems(path, root / "notebooks" / path.name, {})
    for each in (path, other):
        each.unlink(missing_ok=True)
    shutil.copyfile(clean / path.relative_to(root), path)
    return "\n".join(wrong)


def main(number: int, first: int = 0) -> int:
    """Try so many; 1 if anything is wrong with any."""
    import resource

    from dynloss_book.engine import archive

    with tempfile.TemporaryDirectory() as folder:
        clean = site(Path(folder, "clean"))
        root = Path(shutil.copytree(clean, Path(folder, "site")))
        failed = 0
        with contextlib.chdir(root):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for seed in range(first, first + number):
                archive._about.cache_clear()
                if wrong := tried(root, clean, seed):
                    failed += 1
                    print(wrong, flush=True)
        taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
        print(f"{number} mutated files from seed {first} on: {failed} with something wrong; {taken:.2f} GB more memory")
    return int(failed > 0 or taken > 1)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
