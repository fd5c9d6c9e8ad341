"""``python -m services.ingest``; ``migrate`` brings the schema up to date."""

from pathlib import Path

from libs.common.app import run

if __name__ == "__main__":
    run("services.ingest.service", migrations=Path(__file__).with_name("migrations"))
