"""The floor of the door: one aiohttp handler that answers from memory. ``python -m bench.bare PORT``"""

import sys

from aiohttp import web

BODY = b'{"data": "' + b"x" * 900 + b'"}'  # about as long as a chatbot


async def answer(_: web.BaseRequest) -> web.Response:
    return web.Response(body=BODY, content_type="application/json")


def main(port: int) -> None:
    import uvloop

    uvloop.install()
    app = web.Application()
    app.router.add_get("/", answer)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
