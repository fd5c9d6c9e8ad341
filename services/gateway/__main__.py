"""``python -m services.gateway``"""

from pathlib import Path

from libs.common.app import run
from services.gateway.service import Settings, build

run(Settings, build, migrations=Path(__file__).with_name("migrations"))
