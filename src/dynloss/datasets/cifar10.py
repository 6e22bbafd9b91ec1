"""CIFAR-10 (Krizhevsky 2009): small images in ten classes, as bytes; and generated images for smoke runs.

    training, validation = cifar10.load()
    training, validation = cifar10.normalised(training, validation)

The official archive is downloaded once (162 MiB) and read where it lies, its checksum tested at every load. Nothing is
unpacked, and no pickle is read. Without a network, unpack the archive elsewhere and name the folder: see `load`.
"""

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from dynloss.checks import check_count
from dynloss.datasets.base import Dataset

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ENVIRONMENT = "DYNLOSS_CIFAR10"

_FOLDER = "cifar-10-batches-bin"
_TRAINING = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_VALIDATION = ("test_batch.bin",)
_RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the red, the green and the blue plane, each row by row


class Cifar10Error(OSError):
    """CIFAR-10 is missing, damaged, or cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Release:
    """An archive in the format of CIFAR-10: where it is, its checksum, and the images in each of its six files."""

    url: str
    sha256: str
    records: int = 10_000


# The authors publish an MD5; by this SHA-256 other libraries have long checked the same file.
OFFICIAL = Release(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)


def load(
    folder: str | os.PathLike[str] | None = None, *, download: bool = True, release: Release = OFFICIAL
) -> tuple[Dataset, Dataset]:
    """CIFAR-10 as it was published: 50,000 images for training, 10,000 for validation.

    Args:
        folder: your own ``cifar-10-batches-bin/``, a folder that holds it, or the archive itself. Default: what the
            environment variable ``DYNLOSS_CIFAR10`` names; else the archive in the user's cache.
        download: whether to download the archive where it is in none of these places, or damaged in the cache.
        release: what to download and to expect.

    Returns:
        Training and validation: inputs (P, 32, 32, 3), bytes, rows from the top, red, green, blue; labels (P,).

    Raises:
        Cifar10Error: an ``OSError``: files that are missing, short or damaged; no network; no space.
        OSError: a file that the system does not let us read.
    """
    given = folder or os.environ.get(ENVIRONMENT)
    path = Path(given).expanduser() if given else _cached(download, release)
    contents = _from_folder(path) if path.is_dir() else _from_archive(path, release)
    _check_files(contents, path, release)
    return _dataset(contents, _TRAINING, path), _dataset(contents, _VALIDATION, path)


def channel_statistics(data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over all pixels of all images of bytes, two of (D,) in float64."""
    pixels, channels = _flat(data)
    sums = np.zeros((2, pixels.shape[1]), np.int64)
    for start in range(0, len(pixels), 1000):  # never all the pixels in four bytes each
        some = pixels[start : start + 1000].astype(np.int32)
        sums += [some.sum(axis=0), (some * some).sum(axis=0)]
    # Exact, in Python's own integers: a channel that never changes has a deviation of zero.
    total, square = sums.reshape(2, -1, channels).sum(axis=1).tolist()
    count = pixels.size // channels
    variances = [(count * s - t * t) / count**2 for t, s in zip(total, square, strict=True)]
    return np.array(total) / count, np.sqrt(variances)


def normalised(training: Dataset, *others: Dataset) -> tuple[Dataset, ...]:
    r"""Images of bytes as float32, each channel k shifted and scaled: :math:`(x_k - \mu_k) / \sigma_k`.

    The mean μ and the standard deviation σ are those of the training set, over all its pixels, for all the sets.

    Args:
        training: images of bytes, (P, H, W, D).
        others: more of them, a validation set for example; the sets come back in the same order.

    Raises:
        ValueError: inputs that are no bytes (normalised before?); a channel that is the same in every training pixel.

    >>> training, validation = normalised(*generated(200, 100))
    >>> float(training.inputs.mean().round(3)), float(training.inputs.std().round(3))
    (0.0, 1.0)
    """
    mean, deviation = channel_statistics(training)
    if not (deviation > 0).all():
        raise ValueError(f"channel {np.argmin(deviation)} is the same in every training pixel: nothing to scale")
    return tuple(_scaled(data, mean, 1 / deviation) for data in (training, *others))


def subset(data: Dataset, *, classes: Sequence[int] | None = None, size: int | None = None, seed: int = 0) -> Dataset:
    """Some classes, and of these as many samples as asked for; the same choice for ever.

    Every class gets the same number of samples; where ``size`` does not divide, the first ones get one more. Which
    samples of a class are taken depends on the seed, that class and how many, and on nothing else; a larger subset
    contains the smaller ones. They stay in the order of the data.

    Args:
        classes: their numbers in ``data``; they become 0, 1, …, in this order. Default: all.
        size: samples altogether, at least one a class. Default: all of these classes.
        seed: of the choice, from 0 to 2³² - 1.

    Raises:
        ValueError: a class that is not there, or named twice; more samples than a class has.

    >>> training, _ = generated(100, 10)
    >>> subset(training, classes=(0, 1, 2), size=20).counts.tolist()  # of Fig. S2: size=3000
    [7, 7, 6]
    """
    chosen = np.arange(data.num_classes) if classes is None else np.asarray(classes)
    fits = chosen.ndim == 1 and len(chosen) and chosen.dtype.kind in "iu" and len(np.unique(chosen)) == len(chosen)
    if not fits or chosen.min() < 0 or chosen.max() >= data.num_classes:
        raise ValueError(f"classes must be different numbers from 0 to {data.num_classes - 1}, got {classes!r}")
    check_count("seed", seed, at_least=0)
    if size is not None:
        check_count("size", size, at_least=len(chosen))
    relabelled = np.full(len(data), -1, np.int32)
    for new, old in enumerate(chosen):
        members = np.flatnonzero(np.asarray(data.labels) == old)
        if size is not None:
            wanted = size // len(chosen) + (new < size % len(chosen))
            if wanted > len(members):
                raise ValueError(f"size {size} asks for {wanted} samples of class {old}, which has {len(members)}")
            # RandomState is the generator whose numbers NumPy promises never to change.
            members = np.random.RandomState([seed, old]).permutation(members)[:wanted]
        relabelled[members] = new
    kept = np.flatnonzero(relabelled >= 0)
    return Dataset(np.asarray(data.inputs)[kept], relabelled[kept], len(chosen))


def generated(
    training: int = 512,
    validation: int = 256,
    *,
    num_classes: int = 10,
    image_size: int = 32,
    noise: int = 40,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """Images made up, in the shape of CIFAR-10: coloured stripes under noise, for smoke runs.

    A class has its own direction, colour and brightness of stripes, shifted at random in every image. Only whole
    numbers are used: every machine makes the same images.

    Args:
        training, validation: numbers of images; the classes take turns.
        num_classes: C, from 1 to 12.
        image_size: pixels a side.
        noise: the largest change of a pixel by noise, in grey levels; the stripes go 20 up and down.
        seed: of shifts and noise, from 0 to 2³² - 1.

    >>> [images.inputs.shape for images in generated(20, 10)]
    [(20, 32, 32, 3), (10, 32, 32, 3)]
    """
    counts = {"training": training, "validation": validation, "num_classes": num_classes, "image_size": image_size}
    for name, count in (counts | {"noise": noise, "seed": seed}).items():
        check_count(name, count, at_least=int(name in counts))
    if num_classes > 12:
        raise ValueError(f"num_classes must be at most 12, the kinds of stripes there are, got {num_classes}")
    random = np.random.RandomState(seed)
    first, second = (_stripes(random, size, num_classes, image_size, noise) for size in (training, validation))
    return first, second


def _stripes(random: np.random.RandomState, size: int, num_classes: int, image_size: int, noise: int) -> Dataset:
    labels = np.arange(size, dtype=np.int32) % num_classes
    # Four directions and three colours have no common factor: twelve classes before a pair comes again.
    across, down = np.array([(1, 0), (0, 1), (1, 1), (1, -1)])[labels % 4].T[:, :, None, None]
    shift = random.randint(0, 8, size)[:, None, None]
    row, column = np.indices((image_size, image_size))[:, None]
    wave = 5 * (np.abs(2 * ((across * column + down * row + shift) % 8) - 8) - 4) + 24
    signs = np.where(np.arange(3)[None] == labels[:, None] % 3, 1, -1)
    images = 104 + 16 * (labels[:, None, None, None] % 4) + signs[:, None, None, :] * wave[..., None]
    images += random.randint(-noise, noise + 1, images.shape)
    return Dataset(np.clip(images, 0, 255).astype(np.uint8), labels, num_classes)


def _flat(data: Dataset) -> tuple[np.ndarray, int]:
    """The images as rows of bytes, (P, H·W·D), and their number of channels, D."""
    inputs = np.asarray(data.inputs)
    if inputs.dtype != np.uint8 or inputs.ndim != 4:
        raise ValueError(f"inputs must be images of bytes, (P, H, W, D), got {inputs.dtype} {inputs.shape}")
    return inputs.reshape(len(inputs), -1), inputs.shape[-1]


def _scaled(data: Dataset, mean: np.ndarray, factor: np.ndarray) -> Dataset:
    pixels, channels = _flat(data)
    if channels != len(mean):
        raise ValueError(f"every set must have the {len(mean)} channels of the training set, got {channels}")
    inputs = pixels.astype(np.float32)
    # In place, for half the memory; and a row at a time, since NumPy is slow where the last axis is short.
    inputs -= np.tile(mean, pixels.shape[1] // channels).astype(np.float32)[None]
    inputs *= np.tile(factor, pixels.shape[1] // channels).astype(np.float32)[None]
    return Dataset(inputs.reshape(np.shape(data.inputs)), data.labels, data.num_classes)


def _cached(download: bool, release: Release) -> Path:
    """The archive in the user's cache, downloaded where it is not there, or damaged."""
    import pooch  # only where it is needed: who has the data needs no downloader

    path = Path(pooch.os_cache("dynloss"), PurePosixPath(release.url).name)
    if download:
        try:
            pooch.retrieve(release.url, f"sha256:{release.sha256}", path.name, path.parent, progressbar=True)
        except (OSError, ValueError) as error:  # of the network or the disk; another file than expected
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            elsewhere = f"unpack {release.url} elsewhere and name its folder in {ENVIRONMENT}"
            raise Cifar10Error(f"cannot download CIFAR-10 to {path.parent}: {elsewhere} ({reason})") from error
    return path


def _from_archive(path: Path, release: Release) -> dict[str, bytes]:
    """The files, by name and into memory: nothing is written, so that no path or link in it leads anywhere."""
    if not path.is_file():
        raise Cifar10Error(f"no CIFAR-10 at {path}: name your {_FOLDER} (argument, or {ENVIRONMENT}), or download it")
    packed = path.read_bytes()
    if (found := hashlib.sha256(packed).hexdigest()) != release.sha256:
        raise Cifar10Error(f"{path} is damaged or another file (SHA-256 {found[:8]}…): download it again")
    contents = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r|gz") as archive:
            for member in archive:
                if member.isreg() and (file := archive.extractfile(member)):
                    contents[member.name.removeprefix(f"{_FOLDER}/")] = file.read()
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise Cifar10Error(f"cannot read {path} ({error}): download the archive again") from error
    return contents


def _from_folder(path: Path) -> dict[str, bytes]:
    path = path / _FOLDER if (path / _FOLDER).is_dir() else path
    return {name: (path / name).read_bytes() for name in _TRAINING + _VALIDATION if (path / name).is_file()}


def _check_files(contents: dict[str, bytes], path: Path, release: Release) -> None:
    """Raise ``Cifar10Error`` unless all six files are there, and of the right size."""
    names, size = _TRAINING + _VALIDATION, release.records * _RECORD
    if missing := [name for name in names if name not in contents]:
        raise Cifar10Error(f"{path} lacks {', '.join(missing)}: unpack, or download, the archive again")
    if wrong := [name for name in names if len(contents[name]) != size]:
        found = f"{wrong[0]} in {path} has {len(contents[wrong[0]])} bytes"
        raise Cifar10Error(f"{found} instead of {size}: unpack the archive again")


def _dataset(contents: dict[str, bytes], names: tuple[str, ...], path: Path) -> Dataset:
    records = [np.frombuffer(contents[name], np.uint8).reshape(-1, _RECORD) for name in names]
    labels = np.concatenate([each[:, 0] for each in records]).astype(np.int32)
    counts = np.bincount(labels, minlength=len(CLASSES))
    if len(counts) > len(CLASSES) or (counts * len(CLASSES) != len(labels)).any():
        raise Cifar10Error(
            f"{path} ({names[0]} …) should hold as many images of each class, but holds {counts.tolist()}: "
            "not CIFAR-10, or damaged: unpack the archive again"
        )
    pixels = np.concatenate([each[:, 1:].reshape(-1, 3, 32 * 32).swapaxes(1, 2) for each in records])
    return Dataset(pixels.reshape(-1, 32, 32, 3), labels, len(CLASSES))
