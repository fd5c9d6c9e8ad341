"""Documents made for the tests."""

import io
from xml.sax.saxutils import escape

import docx as python_docx
from reportlab.lib.styles import getSampleStyleSheet
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
