"""``python -m services.chat [migrate]``"""

from pathlib import Path

from libs.common.app import run
from services.chat.service import Settings, build

if __name__ == "__main__":
    run(Settings, build, migrations=Path(__file__).parent / "migrations")
