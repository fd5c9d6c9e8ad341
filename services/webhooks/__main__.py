"""``python -m services.webhooks``; ``migrate`` brings the schema up to date."""

from pathlib import Path

from libs.common.app import run
from services.webhooks.service import Settings, build

run(Settings, build, migrations=Path(__file__).parent / "migrations")
