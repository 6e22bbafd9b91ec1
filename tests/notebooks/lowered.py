"""A proof for the GPU without a GPU: whether what a Python process compiles can be lowered for CUDA."""

import json
import os
from pathlib import Path

HERE = Path(__file__).parent
HOOK = [str(HERE / "lowering"), str(HERE.parent)]  # it takes `lean` from beside the other tests
# Of a Python that shall lower.
HOOKED = {"PYTHONPATH": os.pathsep.join(filter(None, [*HOOK, os.environ.get("PYTHONPATH", "")]))}


def environment(record: Path) -> dict[str, str]:
    """Variables for a process that shall write down in ``record`` what it lowers; see `lowering/sitecustomize.py`."""
    return HOOKED | {"DYNLOSS_LOWERED": str(record)}


def found(record: Path) -> tuple[list[str], list[str]]:
    """The names of what was lowered, and what of it a GPU could not run."""
    lines = [json.loads(line) for line in record.read_text("utf-8").splitlines()] if record.exists() else []
    return [each["name"] for each in lines], [f"{each['name']}: {what}" for each in lines for what in each["problems"]]
