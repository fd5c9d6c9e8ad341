"""``python -m services.webhooks``.

``migrate`` brings the schema up to date, ``reseal`` puts every secret under the newest key.
"""

from pathlib import Path

from libs.common.app import run
from services.webhooks.service import Settings, build, reseal

run(
    Settings,
    build,
    migrations=Path(__file__).parent / "migrations",
    jobs={"reseal": reseal},
)
