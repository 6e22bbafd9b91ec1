"""Pictures at the size at which the paper prints them, so that ours can be laid beside its own."""

import re

WIDTH = 6.75  # inches, of the paper's two columns
_PAGE = re.compile(
    rb"(?P<number>\d+) 0 obj\n(?P<head><< /Type /Page\b(?:(?!endobj).)*?)/MediaBox \[ 0 0 (?P<width>[\d.]+) "
    rb"(?P<height>[\d.]+) \](?P<middle>(?:(?!endobj).)*?)/Contents (?P<contents>\d+ 0 R)(?P<tail>.*?)\nendobj",
    re.DOTALL,
)
_END = re.compile(rb"trailer\n<< /Size (?P<size>\d+) (?P<rest>.*?)>>\nstartxref\n(?P<table>\d+)\n%%EOF\s*\Z", re.DOTALL)


def at_width(pdf: bytes, inches: float = WIDTH) -> bytes:
    """A PDF of one page by Matplotlib, scaled as a whole: type, lines and dots keep their proportions.

    The page is written anew behind the file, as PDF allows: a smaller sheet, and a scale before its drawing.

    Raises:
        ValueError: not a PDF as Matplotlib writes it.
    """
    page, end = _PAGE.search(pdf), _END.search(pdf)
    if not page or not end:
        raise ValueError("not a PDF as Matplotlib writes it: no page with a size, or no table of objects at its end")
    scale = 72 * inches / float(page["width"])
    added = int(end["size"])
    drawing = b"%.6f 0 0 %.6f 0 0 cm\n" % (scale, scale)
    sheet = b"/MediaBox [ 0 0 %.3f %.3f ]" % (scale * float(page["width"]), scale * float(page["height"]))
    contents = b"/Contents [ %d 0 R %s ]" % (added, page["contents"])
    objects = {
        int(page["number"]): page["head"] + sheet + page["middle"] + contents + page["tail"],
        added: b"<< /Length %d >>\nstream\n%sendstream" % (len(drawing), drawing),
    }
    written, table = pdf.rstrip() + b"\n", b"xref\n"
    for number, text in objects.items():
        table += b"%d 1\n%010d 00000 n \n" % (number, len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    trailer = b"trailer\n<< /Size %d %s/Prev %s >>\n" % (added + 1, end["rest"], end["table"])
    return written + table + trailer + b"startxref\n%d\n%%%%EOF\n" % len(written)
