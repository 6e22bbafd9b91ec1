"""The deposit: what is published, described, and read back."""

import hashlib
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


def test_every_published_result_is_in_it_as_described_with_what_made_it(written):
    found = deposit.ROCrate(written)
    actions = [each for each in found.contextual_entities if each.type == "CreateAction"]
    made = {file.id for action in actions for file in action["result"]}
    published = archive.contents(deposit.ROOT / "results").records
    with zipfile.ZipFile(written) as packed:
        names = packed.namelist()
        assert [file.id for file in found.data_entities
                if hashlib.sha256(packed.read(file.id)).hexdigest() != file["sha256"]] == []  # fmt: skip
    assert made == {name for name in names if name.endswith(".nc")} and len(made) == len(published) > 100
    assert len(found.data_entities) == len(names) - 1
    assert {"report.pdf", "CITATION.cff", "results/claims.json"} < set(names)


def test_the_action_says_from_what_a_result_was_made(written):
    found = deposit.ROCrate(written)
    record = archive.contents(deposit.ROOT / "results", figures=["fig02_spiral_dataset"]).records[0]
    name = str(deposit.Path(record["path"]).relative_to(deposit.ROOT))
    action = found.get(f"#made-{name}")
    assert action["result"][0].id == name and action["instrument"]["version"] == record["commit"]
    values = {each["name"]: each["value"] for each in action["object"]}
    assert values["device"] == record["device"] and '"noise": 0.2' in values["parameters"]


def test_without_results_there_is_no_deposit(tmp_path):
    for name in ("CITATION.cff", "requirements.lock"):
        (tmp_path / name).write_bytes((deposit.ROOT / name).read_bytes())
    (tmp_path / "report.pdf").write_bytes(b"")
    with pytest.raises(ValueError, match="no results in"):
        deposit.crate(tmp_path, tmp_path / "report.pdf")
