"""The page on sweeps: its example runs as it stands, and goes on as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[3] / "book" / "sweeps.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_runs_and_computes_only_once(tmp_path):
    example = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]
    script = tmp_path / "example.py"
    script.write_text(example + "\nprint(result.sizes['seed'], float(result.accuracy.min()) > 0.3, result.origin)\n")
    environment = os.environ | {"DYNLOSS_RESULTS": str(tmp_path / "results")}
    said = []
    for _ in range(2):
        ended = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment)
        assert ended.returncode == 0, ended.stderr
        said.append(ended.stdout)
    assert said == ["5 True computed\n", "5 True archived\n"]
