"""``python -m deploy.local.vectors FOLDER PORT``: serve until SIGTERM."""

import sys
from pathlib import Path

from aiohttp import web

from deploy.local.vectors.app import make_app

if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    web.run_app(
        make_app(folder), host="127.0.0.1", port=port, access_log=None, print=None,
        shutdown_timeout=2,
    )  # fmt: skip
