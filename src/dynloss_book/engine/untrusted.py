"""Files of others: checked as they are read, shown as text, and never the name of another file.

Trusted are the code, and by review the published results. Whatever is read (results, requests, records and notebooks,
one's own, published, or handed to `dynloss compare`) goes through this module: it is held against the one schema below
before memory is taken for it. A text that passes has no control characters, and none with a meaning to HTML, MyST or
formulas where it is a plain word; what is shown is escaped nevertheless.
"""

import contextlib
import itertools
import json
import math
import os
import re
import stat
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynloss_book.engine.findings import Kind, Verdict

if TYPE_CHECKING:
    import h5py

CHANGES_NO_NUMBER = True  # see `dynloss_book.engine.fingerprint`

RESULT = 128 * 2**20  # bytes of a result's file, and of all its numbers
DEFLATED = 1100  # times: zlib packs no closer
NOTEBOOK = 32 * 2**20
RECORD = 4 * 2**20  # requests and verdicts
VARIABLES = 200
NUMBERS = 10_000  # in a variable's attribute, and words in a variable
HUGE = 1e300  # no number is as large
NESTED = 100_000  # lists and tables in a file of JSON
WORD, PROSE = 500, 1_000_000  # characters
DEPTH = 12  # of JSON within a result's attribute

_NAME = re.compile(r"\w(?:[\w.-]{0,98}\w)?")
_WORDS = re.compile(r"[^<>`{}$\\|]*")
_FILTERS = {1, 2, 3}  # deflate, shuffle, fletcher32: others are programs that HDF5 would look for and load
_NETCDF = {"DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS", "CLASS", "NAME", "_Netcdf4Dimid",
           "_Netcdf4Coordinates", "_NCProperties"}  # how dimensions belong to variables
_HEAP, _OBJECT = re.compile(rb"GCOL\x01\0\0\0(.{8})", re.DOTALL), struct.Struct("<H6xQ")  # HDF5's global heaps
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable"
_DATE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
KEPT = ("verified", "affirmed")  # why a result holds although its code has changed
PROVENANCE = ("figure", "origin", "stale", "path", "parameters", "device", "seconds", "commit", "date", "scale")
REQUIRED = ("figure", "parameters", "sources", "versions", "device", "seconds", "commit", "date")


def _check(fits: bool, why: str) -> None:
    if not fits:
        raise ValueError(why)


# Files


def content(path: Path, most: int = RESULT) -> bytes:
    """All of a regular file of at most so many bytes.

    Raises:
        FileNotFoundError: it is not there.
        OSError: it cannot be read.
        ValueError: it is a folder, pipe or device, or too large.
    """
    # Not to wait for the other end of a pipe.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb", 0) as file:
        about = os.fstat(file.fileno())
        _check(stat.S_ISREG(about.st_mode), "it is no regular file")
        _check(about.st_size <= most, f"it has {about.st_size:,} bytes, of at most {most:,}")
        return file.readall()


def parsed(path: Path, most: int = RECORD) -> Any:
    """What a file of JSON holds.

    Raises:
        FileNotFoundError, OSError, ValueError: as of ``content``; or it is no JSON.
    """
    try:
        return json.loads(text_of_json(path, most))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def text_of_json(path: Path, most: int) -> str:
    """A file of JSON before it is read as such, which takes much memory where there is much in it.

    Raises:
        FileNotFoundError, OSError, ValueError: as of ``content``; or it is no text, or holds too many lists and tables.
    """
    text = content(path, most).decode("utf-8")
    _check(text.count("{") + text.count("[") <= NESTED, f"it holds more than {NESTED:,} lists and tables")
    return text


# Text


def printable(text: str) -> str:
    r"""The text for a terminal, line by line, without what would move its cursor or change the output.

    >>> printable("a\x1b[2Jb\u202ec\nd")
    'a\\x1b[2Jb\\u202ec\nd'
    """
    shown = "\n\u00a0\u202f\u2009"
    return "".join(sign if sign.isprintable() or sign in shown else ascii(sign)[1:-1] for sign in text)


def as_markdown(text: str) -> str:
    r"""The text escaped, so that Markdown, MyST and HTML show it literally.

    >>> as_markdown("<b> {download}`x <../y>` *a*")
    '\\<b\\> \\{download\\}\\`x \\<../y\\>\\` \\*a\\*'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~$&!^])", r"\\\1", " ".join(printable(text).split("\n")))


def is_name(found: Any) -> bool:
    """Whether it can be the name of a figure, variable or folder: no separator, no `..`, no sign with a meaning.

    >>> [name for name in ("fig04", "..", "a/b", ".hidden", "λ_1", "") if is_name(name)]
    ['fig04', 'λ_1']
    """
    return isinstance(found, str) and bool(_NAME.fullmatch(found)) and ".." not in found


def is_text(found: Any, most: int = PROSE) -> bool:
    """Whether it is a text of one line without control characters."""
    one_line = isinstance(found, str) and len(found) <= most and "\n" not in found
    return one_line and (found.isprintable() or printable(found) == found)


def is_plain(found: Any, most: int = WORD) -> bool:
    """Whether it is such a text without signs that mean something to HTML, MyST or formulas."""
    return is_text(found, most) and bool(_WORDS.fullmatch(found)) and "](" not in found


# What JSON and attributes have to be: a check is a function that says whether a value fits


_Check = Callable[[Any], bool]


def _table(values: Mapping[str, _Check], may_lack: Collection[str] = ()) -> _Check:
    """A table with such values under these names."""
    return lambda found: isinstance(found, dict) and all(
        fits(found[name]) if name in found else name in may_lack for name, fits in values.items()
    )


def _named(names: _Check, values: _Check) -> _Check:
    """A table of whatever names."""
    return lambda found: isinstance(found, dict) and all(map(names, found)) and all(map(values, found.values()))


def _list(values: _Check) -> _Check:
    return lambda found: isinstance(found, list) and all(map(values, found))


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < HUGE


def _is_small(found: Any, is_word: _Check = is_text, depth: int = DEPTH) -> bool:
    """Plain values not nested deeply, whose texts, and names of values, are such."""
    if isinstance(found, dict | list) and depth:
        within = [*found, *found.values()] if isinstance(found, dict) else found
        return all(_is_small(each, is_word, depth - 1) for each in within)
    return found is None or isinstance(found, bool) or _is_number(found) or is_word(found)


def _is_axis(found: Any) -> bool:
    return _list(_is_number)(found) and 0 < len(found) == len(set(found))


def _is_reason(found: Any) -> bool:
    """Why a result holds, with the commit at which it was found to; see `provenance.Provenance.kept`."""
    whole = ({"commit", "what"}, {"commit", "because", "evidence"})
    return _named(is_text, is_text)(found) and any(names <= found.keys() for names in whole)


def _of_json(text: Any, fits: _Check) -> bool:
    """Whether a text is JSON that fits."""
    try:
        return is_text(text) and fits(json.loads(text))
    except (ValueError, RecursionError):
        return False


# Attributes of a result that are JSON, and others. What a notebook may add are numbers or plain words.
_JSON: dict[str, _Check] = {
    "parameters": _named(is_name, partial(_is_small, is_word=is_plain)),
    "sources": _named(is_text, is_text),
    "versions": _named(is_plain, partial(is_plain, most=PROSE)),  # of several parts, as one
    "axes": lambda found: _list(is_name)(found) and found != [],
    "parts": _list(_named(is_text, _is_small)),
    "verified": _is_reason,
    "affirmed": _list(_is_reason),
}
_OTHERS: dict[str, _Check] = {
    **dict.fromkeys(
        ("device", "commit", "fresh_at", "fingerprint", "dtype", "seed", "scale"), partial(is_plain, most=PROSE)
    ),
    "figure": is_name,
    "function": is_name,
    "date": lambda found: isinstance(found, str) and bool(_DATE.fullmatch(found)),
    "seconds": lambda found: isinstance(found, int | float) and 0 <= found < 1e12,
}
_is_request = _table(
    {
        "axes": lambda found: _named(is_name, _is_axis)(found) and found != {},
        "figure": is_name,
        "parameters": lambda text: _of_json(text, _JSON["parameters"]),
        "points": _is_number,
    }
)
_outputs = _list(_table({"data": _table({})}, may_lack=("data",)))
_cells = _list(_table({"metadata": _table({}), "outputs": _outputs}, may_lack=("outputs",)))
_is_notebook = _table({"metadata": _table({}), "cells": _cells})
is_claim = _table(  # the record of a claim with its verdict: see `findings.Claim`
    {
        **dict.fromkeys(("statement", "where", "quotation", "paper", "here", "tolerance"), is_text),
        "verdict": list(Verdict).__contains__,
        "kind": list(Kind).__contains__,
        "reduced": lambda found: isinstance(found, bool),
    }
)
_are_findings = _table(
    dict.fromkeys(("question", "plain", "summary", "scale"), is_text) | {"figure": is_name, "claims": _list(is_claim)}
)


# Results


def _image(content: bytes) -> Any:
    """A file of HDF5 in memory. Where the heap of texts has, by damage, free space of no size, HDF5 never ends."""
    import h5py

    _check(content.startswith(_HDF5), "it is no NetCDF file")
    room = len(content) // _OBJECT.size  # for objects, whatever its heaps claim
    for heap in _HEAP.finditer(content):
        place, end = heap.end(), min(heap.start() + int.from_bytes(heap[1], "little"), len(content))
        while place + _OBJECT.size <= end:
            number, size = _OBJECT.unpack_from(content, place)
            room -= 1
            _check((number or size) and room >= 0, "its heap of texts is damaged")
            place += _OBJECT.size * bool(number) + -(-size // 8) * 8
    return h5py.h5f.open_file_image(content)


def about(content: bytes, only: Iterable[str] = ()) -> dict[str, Any]:
    """The attributes of a result, those of JSON decoded; ``only`` these where some are named, which is quicker.

    Raises:
        ValueError: it is no result of dynloss, or its attributes are not those of one.
        OSError: it is damaged.
    """
    with contextlib.closing(_image(content)) as file:
        found = attributes(file, only)
    _check_attributes(found, set(REQUIRED) & set(only) if only else REQUIRED)
    return found | {name: json.loads(found[name]) for name in ("parameters", "sources", "versions") if name in found}


def _check_attributes(found: Mapping[str, Any], required: Iterable[str]) -> None:
    missing = ", ".join(name for name in required if name not in found)
    _check(not missing, f"no result of dynloss: it has no {missing}")
    for name, value in found.items():
        other = _OTHERS.get(name, lambda value: not isinstance(value, str) or is_plain(value, PROSE))
        _check(_of_json(value, _JSON[name]) if name in _JSON else other(value), f"its {name} is not that of a result")


def check_result(content: bytes) -> None:
    """Look at the attributes and variables of a result before memory is taken for them.

    Raises:
        ValueError: it is no result of dynloss, there is more than plain variables, or more than memory is taken for.
        OSError: it is damaged.
    """
    import h5py

    with h5py.File(_image(content)) as file:
        _check_attributes(attributes(file.id), REQUIRED)
        names = list(file)
        _check(len(names) <= VARIABLES, f"it has {len(names)} variables, of at most {VARIABLES}")
        taken = sum(_bytes(_variable(file, name)) for name in names)
        _check(taken <= RESULT, f"its numbers take {taken:,} bytes, of at most {RESULT:,}")


def _variable(file: "h5py.File", name: str) -> "h5py.Dataset":
    """A variable of this file and of no other."""
    import h5py

    _check(is_name(name), "a variable has a name that is none")
    here = type(file.get(name, getlink=True)) is h5py.HardLink  # looked at before it is followed
    _check(here and file.get(name, getclass=True) is h5py.Dataset, f"{name} is no variable, but a link or a group")
    return file[name]


def _bytes(variable: "h5py.Dataset") -> int:
    """What the numbers or words of a variable take in memory."""
    import h5py

    name, made, dtype = variable.name, variable.id.get_create_plist(), variable.dtype
    attributes(variable.id)  # each is looked at
    if not is_variable(variable):
        return 0
    _check(not variable.external and not variable.is_virtual, f"{name} lies in another file")
    filters = {made.get_filter(number)[0] for number in range(made.get_nfilters())}
    _check(filters <= _FILTERS, f"{name} is compressed in a way of its own")
    if dtype.kind in "biuf":
        held = DEFLATED * variable.id.get_storage_size() + 2**12
        _check(variable.nbytes <= held, f"{name} asks for {variable.nbytes:,} bytes, and holds less")
        return variable.nbytes
    _check(h5py.check_string_dtype(dtype) is not None, f"{name} has neither numbers nor words")
    taken = variable.size * max(dtype.itemsize, WORD)
    _check(variable.size <= NUMBERS, f"{name} holds {variable.size:,} words, of at most {NUMBERS:,}")
    places = itertools.product(*map(range, variable.shape)) if taken <= RESULT else ()
    _check(all(is_plain(variable.asstr()[place]) for place in places), f"{name} holds what is no word")
    return taken


def is_variable(variable: "h5py.Dataset") -> bool:
    """Whether it is more than a dimension's length, which nobody reads numbers of."""
    import h5py

    named = h5py.h5a.exists(variable.id, b"NAME")
    return not (named and str(_value("NAME", h5py.h5a.open(variable.id, b"NAME"))).startswith(_NO_VARIABLE))


def attributes(of: Any, only: Iterable[str] = ()) -> dict[str, Any]:
    """The attributes of an HDF5 file or variable, by its identifier, each looked at before it is read."""
    import h5py

    if only:
        there = [h5py.h5a.open(of, name.encode()) for name in only if h5py.h5a.exists(of, name.encode())]
    else:
        there = [h5py.h5a.open(of, index=at) for at in range(min(h5py.h5a.get_num_attrs(of), VARIABLES + 1))]
    found = {each.name.decode("utf-8"): each for each in there}
    _check(len(found) <= VARIABLES and all(map(is_name, found)), "it has too many attributes, or some without names")
    return {name: _value(name, each) for name, each in found.items() if name not in _NETCDF}


def _value(name: str, attribute: Any) -> Any:
    import h5py
    import numpy as np

    shape, kind = attribute.shape, attribute.get_type()
    words = isinstance(kind, h5py.h5t.TypeStringID)
    many = NUMBERS if isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID) else int(words)
    fits = shape is not None and math.prod(shape) <= many and kind.get_size() <= PROSE
    _check(fits, f"its attribute {name} is neither a line of text nor a few numbers")
    held = np.zeros(shape, kind.dtype)
    attribute.read(held)
    value = held.item() if held.size == 1 else held
    value = value.decode("utf-8") if isinstance(value, bytes) else value
    _check(not isinstance(value, str) or is_text(value), f"its attribute {name} is no line of text")
    return value


# Requests and records


def request(path: Path) -> dict[str, Any]:
    """What was asked of a sweep last, the file `request.json` beside its results.

    Raises:
        FileNotFoundError: it is not there.
        OSError, ValueError: it cannot be read, or is no request, or one of more points than there can be.
    """
    found = parsed(path)
    _check(_is_request(found), "it is no request of a sweep")
    check_size(math.prod(map(len, found["axes"].values())), 2)  # whether each is done, and diverged
    return found


def notebook(path: Path) -> dict[str, Any]:
    """An executed notebook, of which no more is sure than that it has cells with outputs.

    Raises:
        FileNotFoundError, OSError, ValueError: it cannot be read, or is none.
    """
    found = parsed(path, NOTEBOOK)
    _check(_is_notebook(found), "it is no notebook")
    return found


def check_provenance(record: Any, required: Iterable[str] = ("path",)) -> None:
    """Raise ``ValueError`` unless it is the record of a result's provenance: see `provenance.Provenance`.

    The only file that it may name is called as a result is, in a folder called as its figure is.
    """
    _check(isinstance(record, dict) and set(required) <= set(record), "it holds what is no provenance of a result")
    for name, value in record.items():
        if name in KEPT:
            fits = value == "" or _of_json(value, _JSON[name])
        elif name in ("path", "published"):
            fits = value == "" or (is_text(value, WORD) and _is_place(Path(value), record.get("figure")))
        else:
            fits = (_JSON | _OTHERS).get(name, is_plain)(value)
        _check(fits, f"the {name} of its provenance is not that of a result")


def _is_place(path: Path, figure: Any) -> bool:
    """Whether it is the place of a result or sweep of this figure, or of some figure where none is told."""
    *above, folder, name = ("", "", *path.parts)
    return is_name(name) and is_name(folder) and figure in (folder, None) and ".." not in above


def check_findings(record: Any) -> None:
    """Raise ``ValueError`` unless it is the record of what a notebook found: see `findings.Findings`."""
    _check(_are_findings(record), "it holds what are no findings")


def check_size(points: int, each: int = 1) -> None:
    """Raise ``ValueError`` if there cannot be so many points, each of so many bytes."""
    _check(points * each <= RESULT, f"a grid of {points:,} points takes more than {RESULT:,} bytes")
