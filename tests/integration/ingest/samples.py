"""Documents made for the tests."""

import io
import random
import zipfile
from xml.sax.saxutils import escape

import docx as python_docx
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate


def pdf(sections: list[tuple[str, str]]) -> bytes:
    """A page a section, with its heading in larger type."""
    styles = getSampleStyleSheet()
    story: list[object] = []
    for heading, text in sections:
        story += [
            Paragraph(escape(heading), styles["Heading1"]),
            Paragraph(escape(text), styles["BodyText"]),
            PageBreak(),
        ]
    out = io.BytesIO()
    SimpleDocTemplate(out).build(story)
    return out.getvalue()


def docx(sections: list[tuple[str, str]]) -> bytes:
    document = python_docx.Document()
    for heading, text in sections:
        document.add_heading(heading, 1)
        document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def encrypted_pdf() -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, encrypt="secret")
    canvas.drawString(72, 720, "Nobody should read this.")
    canvas.save()
    return out.getvalue()


def scanned_pdf() -> bytes:
    """Pages that are drawings alone, as a scanner makes them."""
    out = io.BytesIO()
    canvas = Canvas(out)
    for _ in range(3):
        canvas.rect(72, 72, 300, 500, fill=1)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def long_pdf(pages: int, lines: int = 45, *, ballast: int = 0) -> bytes:
    """Written by hand, since libraries take minutes for it; ``ballast`` bytes of an image a page."""
    parts: list[bytes] = [b"%PDF-1.4\n"]
    offsets: list[int] = []
    size = len(parts[0])

    def add(body: bytes) -> int:
        nonlocal size
        offsets.append(size)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), body))
        size += len(parts[-1])
        return len(offsets)

    add(b"<< /Type /Catalog /Pages 2 0 R >>")
    kids = b" ".join(b"%d 0 R" % (4 + 3 * number + 2) for number in range(pages))
    add(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (pages, kids))
    add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for page in range(pages):
        text = b"".join(
            b"(Clause %d.%d says that part %d is kept in hall %d of the store.) Tj T*\n"
            % (page + 1, line, page * lines + line, (page * 7 + line) % 97)
            for line in range(lines)
        )
        stream = b"BT /F1 10 Tf 72 760 Td 14 TL\n" + text + b"ET"
        content = add(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        noise = random.Random(page).randbytes(ballast)
        side = b"/Subtype /Image /Width %d /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
        image = add(
            b"<< /Type /XObject %s /Length %d >>\nstream\n%s\nendstream"
            % (side % max(1, ballast), len(noise), noise)
        )
        add(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> /XObject << /I %d 0 R >> >> >>"
            % (content, image)
        )
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    parts.append(
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (len(offsets) + 1, table, len(offsets) + 1, size)
    )
    return b"".join(parts)


def archive(**parts: bytes) -> bytes:
    """A DOCX from the given parts, or what claims to be one; ``__`` in a name stands for ``/``."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            file.writestr(name.replace("__", "/") + ".xml", data)
    return out.getvalue()


def zip_bomb() -> bytes:
    return archive(word__document=b" " * (100 << 20))


def billion_laughs() -> bytes:
    entities = b"".join(
        b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol") for n in range(10)
    )
    head = b'<?xml version="1.0"?><!DOCTYPE d [' + entities + b"]>"
    return archive(word__document=head + b"<d>&l9;</d>")
