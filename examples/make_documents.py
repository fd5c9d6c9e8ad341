"""Makes the example PDF and DOCX anew: ``python -m examples.make_documents``."""

from pathlib import Path

from docx import Document
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Table

FOLDER = Path(__file__).parent / "documents"


def manual() -> None:
    """Three pages of an owner's manual."""
    style = getSampleStyleSheet()
    title, heading, body = style["Title"], style["Heading2"], style["BodyText"]
    pages: list[list[Flowable]] = [
        [
            Paragraph("E-City owner's manual", title),
            Paragraph("Before the first ride", heading),
            Paragraph(
                "Charge the battery fully before the first ride. Tighten the pedals with 35 Nm and "
                "the handlebar screws with 6 Nm. Inflate the tyres to 4 bar.",
                body,
            ),
            Paragraph(
                "The bike carries at most 130 kg, rider and luggage together; the rear rack at "
                "most 25 kg.",
                body,
            ),
        ],
        [
            Paragraph("The display", heading),
            Paragraph(
                "Hold the M button for two seconds to switch the bike on. Press it twice to see "
                "the range that is left. Walk assistance: keep the minus button pressed.",
                body,
            ),
            Paragraph("Assistance levels", heading),
            Table(
                [
                    ["Level", "Assistance", "Range"],
                    ["Eco", "40 %", "110 km"],
                    ["Tour", "100 %", "80 km"],
                    ["Sport", "200 %", "60 km"],
                ]
            ),
        ],
        [
            Paragraph("Maintenance", heading),
            Paragraph(
                "Oil the chain every 200 kilometres. Replace the brake pads when they are thinner "
                "than 1 mm. Update the motor's software in the app once a year: connect by "
                "Bluetooth and choose Bike, Update. Do not ride during the update, which takes "
                "about eight minutes.",
                body,
            ),
        ],
    ]
    story: list[Flowable] = []
    for page in pages:
        story += [*page, PageBreak()]
    document = SimpleDocTemplate(
        str(FOLDER / "e-city-manual.pdf"), pagesize=A4, title="E-City owner's manual", invariant=1
    )
    document.build(story[:-1])


def guide() -> None:
    """A guide with headings and a table."""
    document = Document()
    document.add_heading("Cargo bike guide", 0)
    document.add_heading("Children", 1)
    document.add_paragraph(
        "The box of the Hauler takes three children up to seven years of age, 80 kg in all. "
        "Children under one year ride in a baby seat only, which is sold for 129 euros."
    )
    document.add_heading("Accessories", 1)
    table = document.add_table(rows=0, cols=2)
    for name, price in (
        ("Accessory", "Price"),
        ("Rain canopy", "189 euros"),
        ("Dog ramp", "95 euros"),
        ("Bench with belts", "149 euros"),
    ):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = name, price
    document.add_heading("Parking", 1)
    document.add_paragraph("The kickstand locks by itself. The Hauler is 2.51 metres long.")
    document.save(str(FOLDER / "cargo-bike-guide.docx"))


if __name__ == "__main__":
    manual()
    guide()
