"""One checkout whose good notebook has been executed once, for the tests that look at the copy."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for small_site, when only these tests are run

import small_site

from dynloss_book.engine.runner.execute import execute
from dynloss_book.engine.runner.profiles import load, values
from dynloss_book.engine.runner.tables import executed_copy


@pytest.fixture(scope="package")
def executed_site(tmp_path_factory):
    """Not to be changed by a test; `site` is a copy that may be."""
    root = small_site.make(tmp_path_factory.mktemp("site") / "checkout")
    figure = load(root)["fig01_good"]
    with small_site.publishing(root):
        outcome = execute(figure, "smoke", values(figure, "smoke"), executed_copy(root, "smoke", figure.stem))
    assert outcome.error == ""
    return root


@pytest.fixture
def site(executed_site, tmp_path):
    return shutil.copytree(executed_site, tmp_path / "checkout")
