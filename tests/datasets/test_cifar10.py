"""CIFAR-10 is read as it was published, or refused in one clear line; subsets and made-up images never change."""

import hashlib
import inspect
import io
import lzma
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import browsing
import numpy as np
import pytest
from misuse import refused

from dynloss.datasets import Dataset, cifar10

RECORDS = 20  # images a file
FILES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
PACKED = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar-10-batches-bin"
REAL = os.environ.get(cifar10.ENVIRONMENT)
SUBSET = [118, 178, 202, 282, 342]
GENERATED = "d2aaa02354728f63fc26740b6ad1b33e41820832718e16accb318f9e79f51c63"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Neither the user's own data nor the user's cache; and nothing between the tests and their own server."""
    monkeypatch.delenv(cifar10.ENVIRONMENT, raising=False)
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def batches():
    """Six small files: {name: bytes}; image n of all has the bytes of RandomState(n), its label n mod 10."""
    records = [bytes([n % 10]) + np.random.RandomState(n).bytes(3072) for n in range(6 * RECORDS)]
    return {name: b"".join(records[RECORDS * i : RECORDS * (i + 1)]) for i, name in enumerate(FILES)}


def pack(members):
    """A gzipped tar of (name, content) pairs; a content that is a TarInfo is put there as it is."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def members(batches):
    return [(f"cifar-10-batches-bin/{name}", content) for name, content in batches.items()]


def released(packed, url="http://127.0.0.1:9/cifar-10-binary.tar.gz"):
    """What is expected of this archive; nothing listens on port 9."""
    return cifar10.Release(url, hashlib.sha256(packed).hexdigest(), RECORDS)


@pytest.fixture(scope="module")
def packed(batches):
    return pack([("cifar-10-batches-bin/readme.html", b"<html>"), *members(batches)])


@pytest.fixture
def archive(tmp_path, packed):
    path = tmp_path / "downloads" / "cifar-10-binary.tar.gz"
    path.parent.mkdir()
    path.write_bytes(packed)
    return path


def unpacked(path, batches):
    """A folder of these files."""
    path.mkdir(parents=True)
    for name, content in batches.items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture
def folder(tmp_path, batches):
    return unpacked(tmp_path / "mine" / "cifar-10-batches-bin", batches)


@pytest.fixture
def url(archive):
    """Where the archive is served, as long as it is there."""
    with browsing.serving(archive.parent) as address:
        yield f"{address}/{archive.name}"


def is_whole(sets):
    """These are the images of ``batches``, in their order."""
    training, validation = sets
    assert training.inputs.shape == (5 * RECORDS, 32, 32, 3) and validation.inputs.shape == (RECORDS, 32, 32, 3)
    for first, data in ((0, training), (5 * RECORDS, validation)):
        assert data.inputs.dtype == np.uint8 and data.labels.dtype == np.int32 and data.num_classes == 10
        for n, (image, label) in enumerate(zip(data.inputs, data.labels, strict=True), start=first):
            planes = np.frombuffer(np.random.RandomState(n).bytes(3072), np.uint8).reshape(3, 32, 32)
            assert label == n % 10
            np.testing.assert_array_equal(image, np.stack(list(planes), axis=-1))
    return True


@pytest.mark.parametrize("where", ["itself", "above", "archive"])
@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_folder_of_ones_own_or_the_archive(where, how, folder, archive, packed, monkeypatch):
    path = {"itself": folder, "above": folder.parent, "archive": archive}[where]
    if how == "environment":
        monkeypatch.setenv(cifar10.ENVIRONMENT, str(path))
    sets = cifar10.load(path if how == "argument" else None, release=released(packed))
    assert is_whole(sets)


def test_the_argument_comes_before_the_environment(folder, packed, monkeypatch, tmp_path):
    monkeypatch.setenv(cifar10.ENVIRONMENT, str(tmp_path / "nowhere"))
    assert is_whole(cifar10.load(str(folder), release=released(packed)))


def test_downloaded_once_and_kept(url, archive, packed, tmp_path):
    assert is_whole(cifar10.load(release=released(packed, url)))
    archive.unlink()
    assert is_whole(cifar10.load(release=released(packed, url)))
    assert is_whole(cifar10.load(release=released(packed), download=False))
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["cifar-10-binary.tar.gz"] and kept[0].read_bytes() == packed


def test_without_a_network(packed, archive, tmp_path):
    said = r"cannot download CIFAR-10 to .*cache.*: unpack .*DYNLOSS_.* \(ConnectionError: "
    with pytest.raises(cifar10.Cifar10Error, match=said):
        cifar10.load(release=released(packed))
    kept = tmp_path / "cache" / "dynloss" / archive.name
    kept.write_bytes(packed)
    assert is_whole(cifar10.load(release=released(packed)))
    kept.write_bytes(packed[:-1])
    with pytest.raises(cifar10.Cifar10Error, match="cannot download"):
        cifar10.load(release=released(packed))


def test_a_damaged_copy_is_downloaded_again(url, packed, tmp_path):
    kept = tmp_path / "cache" / "dynloss" / "cifar-10-binary.tar.gz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(cifar10.Cifar10Error, match="damaged or another file"):
        cifar10.load(release=released(packed), download=False)
    assert is_whole(cifar10.load(release=released(packed, url)))
    assert kept.read_bytes() == packed


def test_nothing_is_downloaded_unasked(url, packed, tmp_path):
    with pytest.raises(cifar10.Cifar10Error, match=r"no CIFAR-10 at .*name your cifar-10-batches-bin"):
        cifar10.load(release=released(packed, url), download=False)
    assert not (tmp_path / "cache").exists()


def test_the_server_sends_another_file(url, packed, tmp_path):
    wrong = replace(released(packed, url), sha256="0" * 64)
    with pytest.raises(cifar10.Cifar10Error, match=r"cannot download .* \(ValueError: SHA256 hash .* does not match"):
        cifar10.load(release=wrong)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), r"CIFAR-10 to .*: unpack .*\(OSError: .* No space left on device\)"),
        (PermissionError("a long\nstory"), r"CIFAR-10 to .*: unpack .*\(PermissionError: a long\)"),
    ],
)
def test_a_disk_that_takes_no_more(error, said, packed, monkeypatch):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("pooch.retrieve", fail)
    with pytest.raises(cifar10.Cifar10Error, match=said) as caught:
        cifar10.load(release=released(packed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["truncated", "tampered"])
def test_a_damaged_archive(damage, archive, packed):
    changed = packed[: len(packed) // 2] if damage == "truncated" else packed[:5000] + b"?" + packed[5001:]
    archive.write_bytes(changed)
    with pytest.raises(cifar10.Cifar10Error, match=r"is damaged or another file \(SHA-256 .{8}…\): download it again"):
        cifar10.load(archive, release=released(packed))
    if damage == "truncated":  # and nothing that is not whole is taken, whatever its checksum
        with pytest.raises(cifar10.Cifar10Error, match="cannot read"):
            cifar10.load(archive, release=released(changed))


def link(name, kind, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return name, info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_an_archive_with_a_link_or_a_device(kind, archive, batches):
    secret = archive.parent / "secret"
    secret.write_bytes(batches["test_batch.bin"])
    bad = pack([*members(batches)[:5], link("cifar-10-batches-bin/test_batch.bin", kind, str(secret))])
    archive.write_bytes(bad)
    with pytest.raises(cifar10.Cifar10Error, match=r"lacks test_batch\.bin"):
        cifar10.load(archive, release=released(bad))


@pytest.mark.parametrize("climb", ["../outside", "../../outside", "/{}/outside", "cifar-10-batches-bin/../outside"])
def test_an_archive_with_a_path_that_climbs_out(climb, archive, batches, tmp_path, monkeypatch):
    monkeypatch.chdir(archive.parent)
    bad = pack([(climb.format(tmp_path), b"gotcha"), *members(batches)])
    archive.write_bytes(bad)
    before = sorted(tmp_path.rglob("*"))
    assert is_whole(cifar10.load(archive, release=released(bad)))
    # A batch that climbs out is none.
    worse = pack([*members(batches)[:5], ("../cifar-10-batches-bin/test_batch.bin", batches["test_batch.bin"])])
    archive.write_bytes(worse)
    with pytest.raises(cifar10.Cifar10Error, match=r"lacks test_batch\.bin"):
        cifar10.load(archive, release=released(worse))
    assert sorted(tmp_path.rglob("*")) == before


def wrong_batches(batches):
    """{what the message says: files that are wrong}."""
    short, label, other = (dict(batches) for _ in range(3))
    short["data_batch_3.bin"] = short["data_batch_3.bin"][:-1]
    label["data_batch_2.bin"] = b"\x0a" + label["data_batch_2.bin"][1:]
    other["test_batch.bin"] = b"\x01" + other["test_batch.bin"][1:]
    return {
        "data_batch_3.bin.* has 61459 bytes instead of 61460: unpack the archive again": short,
        r"\(data_batch_1.bin …\) should hold as many .* but holds \[9, .*, 10, 1\]: not CIFAR-10, or damaged": label,
        r"\(test_batch.bin …\) should hold as many .* but holds \[1, 3, 2, 2, 2, 2, 2, 2, 2, 2\]": other,
        "lacks data_batch_4.bin: unpack, or download,": {k: v for k, v in batches.items() if "4" not in k},
    }


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("packing", ["folder", "archive"])
def test_wrong_contents(case, packing, batches, archive, tmp_path):
    said, wrong = list(wrong_batches(batches).items())[case]
    bad = pack(members(wrong))
    archive.write_bytes(bad)
    folder = unpacked(tmp_path / "wrong", wrong)
    with pytest.raises(cifar10.Cifar10Error, match=said) as caught:
        cifar10.load(folder if packing == "folder" else archive, release=released(bad))
    assert "\n" not in str(caught.value)


def test_a_place_with_nothing_in_it(tmp_path, packed):
    with pytest.raises(cifar10.Cifar10Error, match=r"no CIFAR-10 at .*nowhere"):
        cifar10.load(tmp_path / "nowhere", release=released(packed))
    with pytest.raises(cifar10.Cifar10Error, match=r"lacks data_batch_1\.bin, .*, test_batch\.bin"):
        cifar10.load(tmp_path, release=released(packed))


@pytest.fixture(scope="module")
def real(request, tmp_path_factory):
    """The real data: where the environment variable says, or packed beside the checkout and unpacked once."""
    if REAL:
        return cifar10.load(REAL)
    if not PACKED.is_dir():
        pytest.skip(f"CIFAR-10 is not at hand; {cifar10.ENVIRONMENT} names it")
    cache = getattr(request.config, "cache", None)  # pytest's own, which a plain run has and -p no:cacheprovider not
    folder = cache.mkdir("cifar10") if cache else tmp_path_factory.mktemp("cifar10")

    def unpack(name):
        if not (folder / name).exists():
            content = lzma.decompress((PACKED / f"{name}.xz").read_bytes())
            (folder / f"{name}.{os.getpid()}").write_bytes(content)
            (folder / f"{name}.{os.getpid()}").replace(folder / name)

    with ThreadPoolExecutor() as pool:
        list(pool.map(unpack, FILES))
    return cifar10.load(folder)


def test_the_real_images(real):
    training, validation = real
    assert training.inputs.shape == (50_000, 32, 32, 3) and validation.inputs.shape == (10_000, 32, 32, 3)
    assert training.counts.tolist() == [5000] * 10 and validation.counts.tolist() == [1000] * 10
    # The first labels, as every tutorial prints them: a frog and two trucks; a cat and two ships.
    assert training.labels[:3].tolist() == [6, 9, 9] and validation.labels[:3].tolist() == [3, 8, 8]
    # The frog's first pixel, as printed likewise.
    assert training.inputs[0, 0, 0].tolist() == [59, 62, 63]
    mean, deviation = cifar10.channel_statistics(training)
    # The numbers by which the literature normalises.
    np.testing.assert_allclose(mean / 255, [0.4914, 0.4822, 0.4465], atol=5e-5)
    np.testing.assert_allclose(deviation / 255, [0.2470, 0.2435, 0.2616], atol=5e-5)


def test_the_real_images_of_figure_s2(real):
    (data,) = cifar10.normalised(cifar10.subset(real[0], classes=(0, 1, 2), size=3000))
    assert data.counts.tolist() == [1000] * 3 and data.inputs.dtype == np.float32 and data.num_classes == 3
    np.testing.assert_allclose(data.inputs.mean(axis=(0, 1, 2), dtype=np.float64), 0, atol=1e-6)


def images(seed, samples=40, side=4, colours=3):
    random = np.random.RandomState(seed)
    inputs = random.randint(0, 256, (samples, side, side, colours)).astype(np.uint8)
    return Dataset(inputs, np.arange(samples) % 4, 4)


def test_normalised_by_the_training_set():
    training, other = images(0, samples=2500), images(1)
    first, second = cifar10.normalised(training, other)
    exact = training.inputs.astype(np.float64)
    mean, deviation = exact.mean(axis=(0, 1, 2)), exact.std(axis=(0, 1, 2))
    for raw, scaled in ((training, first), (other, second)):
        assert scaled.inputs.dtype == np.float32
        np.testing.assert_allclose(scaled.inputs, (raw.inputs - mean) / deviation, atol=1e-6)
        np.testing.assert_array_equal(scaled.labels, raw.labels)
    found = cifar10.channel_statistics(training)
    np.testing.assert_allclose(found, [mean, deviation], rtol=1e-13)


def test_normalising_what_cannot_be():
    data = images(0)
    with pytest.raises(
        ValueError, match=r"inputs must be images of bytes, \(P, H, W, D\), got float32 \(40, 4, 4, 3\)"
    ):
        cifar10.normalised(*cifar10.normalised(data))
    with pytest.raises(ValueError, match=r"images of bytes.* got uint8 \(40, 4\)"):
        cifar10.normalised(Dataset(data.inputs[:, 0, :, 0], data.labels, 4))
    with pytest.raises(ValueError, match="every set must have the 3 channels of the training set, got 1"):
        cifar10.normalised(data, images(0, colours=1))
    flat = data.inputs.copy()
    flat[..., 1] = 7
    with pytest.raises(ValueError, match="channel 1 is the same in every training pixel"):
        cifar10.normalised(Dataset(flat, data.labels, 4))


def test_subset_is_balanced_relabelled_and_in_order():
    data = Dataset(np.arange(400.0)[:, None], np.random.RandomState(0).randint(0, 4, 400), 4)
    chosen = cifar10.subset(data, classes=(3, 1), size=15)
    assert chosen.counts.tolist() == [8, 7] and chosen.num_classes == 2 and chosen.labels.dtype == np.int32
    places = chosen.inputs[:, 0].astype(int)
    assert (np.diff(places) > 0).all()
    np.testing.assert_array_equal(data.labels[places], np.array([3, 1])[chosen.labels])
    everything = cifar10.subset(data)
    np.testing.assert_array_equal(everything.inputs, data.inputs)
    np.testing.assert_array_equal(everything.labels, data.labels)
    assert len(cifar10.subset(data, classes=range(1, 3))) == data.counts[1:3].sum()


def test_subset_depends_on_class_and_seed_alone_and_grows():
    data = Dataset(np.arange(400)[:, None], np.arange(400) % 4, 4)

    def of_class_two(classes, size, seed=0):
        chosen = cifar10.subset(data, classes=classes, size=size, seed=seed)
        return set(chosen.inputs[chosen.labels == list(classes).index(2), 0].tolist())

    assert of_class_two((2,), 20) == of_class_two((0, 2), 40) == of_class_two((2, 3, 1), 60)
    assert of_class_two((2,), 20) < of_class_two((2,), 50)
    assert of_class_two((2,), 20) != of_class_two((2,), 20, seed=1)
    # For ever: written down once.
    assert sorted(of_class_two((2,), 5)) == SUBSET


test_misuse_of_subset = refused(
    inspect.unwrap(cifar10.subset),
    {"data": images(0)},
    ({"classes": (0, 4)}, r"classes must be different numbers from 0 to 3, got \(0, 4\)"),
    ({"classes": (-1,)}, "from 0 to 3, got"),
    ({"classes": (1, 1)}, "different"),
    ({"classes": ()}, "different"),
    ({"classes": 3}, "different"),
    ({"classes": (0.0, 1.0)}, "different"),
    ({"size": 3}, "size must be an integer, at least 4, got 3"),
    ({"size": 41}, "size 41 asks for 11 samples of class 0, which has 10"),
    ({"size": 10.5}, "size must be an integer"),
    ({"seed": -1}, "seed must be an integer, at least 0, got -1"),
)


def test_generated_images_never_change():
    training, validation = cifar10.generated(24, 12, num_classes=12)
    assert training.inputs.shape == (24, 32, 32, 3) and training.inputs.dtype == np.uint8
    assert training.counts.tolist() == [2] * 12 and validation.counts.tolist() == [1] * 12
    found = hashlib.sha256(training.inputs.tobytes() + validation.inputs.tobytes()).hexdigest()
    assert found == GENERATED
    assert (cifar10.generated(24, 12, num_classes=12, seed=1)[0].inputs != training.inputs).mean() > 0.9
    assert cifar10.generated(3, 2, image_size=8)[1].inputs.shape == (2, 8, 8, 3)


test_misuse_of_generated = refused(
    cifar10.generated,
    {},
    ({"training": 0}, "training must be an integer, at least 1, got 0"),
    ({"validation": 0}, "validation must"),
    ({"num_classes": 13}, "num_classes must be at most 12"),
    ({"noise": -1}, "noise must be an integer, at least 0, got -1"),
    ({"image_size": 0}, "image_size must"),
)
