"""The deposit: what is published, described, and read back."""

import zipfile

import pytest

from dynloss_book.engine import archive
from tools import deposit


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deposit")
    (folder / "report.pdf").write_bytes(b"%PDF-1.7")
    deposit.crate(deposit.ROOT, folder / "report.pdf").write_zip(folder / "deposit.zip")
    return folder / "deposit.zip"


def without(written, changed, name, content=None):
    """The same zip, with a file left out or with other bytes."""
    with zipfile.ZipFile(written) as packed, zipfile.ZipFile(changed, "w") as out:
        for each in packed.namelist():
            if each != name or content is not None:
                out.writestr(each, packed.read(each) if each != name else content)
    return changed


def test_every_published_result_is_in_it_with_what_made_it(written):
    number = deposit.check(written)
    published = archive.contents(deposit.ROOT / "results").records
    with zipfile.ZipFile(written) as packed:
        names = packed.namelist()
    assert sum(name.endswith(".nc") for name in names) == len(published) > 100
    assert number == len(names) - 1 and {"report.pdf", "CITATION.cff", "results/claims.json"} < set(names)


def test_the_action_says_from_what_a_result_was_made(written):
    found = deposit.ROCrate(written)
    record = archive.contents(deposit.ROOT / "results", figures=["fig02_spiral_dataset"]).records[0]
    name = str(deposit.Path(record["path"]).relative_to(deposit.ROOT))
    action = found.get(f"#made-{name}")
    assert action["result"][0].id == name and action["instrument"]["version"] == record["commit"]
    values = {each["name"]: each["value"] for each in action["object"]}
    assert values["device"] == record["device"] and '"noise": 0.2' in values["parameters"]


def test_what_is_changed_or_missing_is_noticed(written, tmp_path):
    for content in (None, b"{}"):
        changed = without(written, tmp_path / "changed.zip", "results/claims.json", content)
        with pytest.raises(ValueError, match=r"claims\.json is missing or not the file that is described"):
            deposit.check(changed)


def test_without_results_there_is_no_deposit(tmp_path):
    for name in ("CITATION.cff", "requirements.lock"):
        (tmp_path / name).write_bytes((deposit.ROOT / name).read_bytes())
    (tmp_path / "report.pdf").write_bytes(b"")
    with pytest.raises(ValueError, match="no results in"):
        deposit.crate(tmp_path, tmp_path / "report.pdf")
