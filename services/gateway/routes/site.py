"""Routes that are not under ``/api``: health, the contract, pages."""

from typing import Any

from libs.common.calls import NoParameters
from services.gateway import site
from services.gateway.row import Handler, Route


def _page(path: str, summary: str, handler: Handler, request: type[Any] | None = None) -> Route:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        tag="Site",
        handler=handler,
        request=request,
        auth="none",
        kind="file",
        limits=(),
    )


SITE = (
    _page("/livez", "Whether the process is alive", site.live),
    _page("/readyz", "Whether it can take requests", site.ready),
    _page("/openapi.json", "This API as OpenAPI 3.1", site.openapi, NoParameters),
    _page("/docs", "This API as a page", site.docs),
    _page("/", "The project's page", site.home),
    Route(
        method="GET",
        path="/demo.json",
        summary="The chatbot to try on the project's page",
        tag="Site",
        handler=site.demo,
        reply=site.DemoChatbot,
        auth="none",
        limits=(),
    ),
    _page("/dashboard", "The dashboard", site.dashboard),
    _page("/dashboard/{screen...}", "A screen of the dashboard", site.dashboard),
    _page("/widget.js", "The widget's script", site.widget),
    _page("/widget.mjs", "The widget as a module", site.widget),
    _page(
        "/assets/{area}/{version}/{name...}",
        "A file of a page, by its version",
        site.versioned,
        site.VersionedName,
    ),
    _page("/assets/{area}/{name}", "A file of a page", site.asset, site.AssetName),
)
