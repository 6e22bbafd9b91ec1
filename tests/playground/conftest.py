"""Where the playground is served for its tests."""

from collections.abc import Iterator

import browsing
import pytest


@pytest.fixture(scope="session")
def address(tmp_path_factory) -> Iterator[str]:
    import playground_site  # only now: whatever imports dynloss comes after the import hook

    with browsing.serving(playground_site.make(tmp_path_factory.mktemp("playground"))) as where:
        yield where
