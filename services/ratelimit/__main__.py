"""``python -m services.ratelimit``"""

from libs.common.app import run
from services.ratelimit.service import Settings, build

run(Settings, build)
