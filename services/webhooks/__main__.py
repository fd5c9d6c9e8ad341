"""``python -m services.webhooks``.

``migrate`` brings the schema up to date, ``reseal`` puts every secret under the newest key.
"""

from pathlib import Path

from libs.common.app import run

if __name__ == "__main__":
    run("services.webhooks.service", migrations=Path(__file__).with_name("migrations"))
