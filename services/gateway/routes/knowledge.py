"""Knowledge: items, uploads, crawls, search."""

from libs.common import calls
from services.gateway import guards, uploads
from services.gateway.row import Route

KNOWLEDGE = (
    Route(
        method="GET",
        path="/api/knowledge",
        summary="List knowledge items",
        tag="Knowledge",
        call=calls.KNOWLEDGE_LIST,
        scope="knowledge",
    ),
    Route(
        method="POST",
        path="/api/knowledge",
        summary="Add a page, a question and answer, a text or an uploaded document",
        tag="Knowledge",
        call=calls.KNOWLEDGE_CREATE,
        scope="knowledge",
        status=202,
        guard=guards.plan,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/api/knowledge/upload",
        summary="Upload PDF, DOCX, TXT or MD files",
        tag="Knowledge",
        handler=uploads.upload,
        reply=calls.Items,
        kind="upload",
        scope="knowledge",
        limits=("upload",),
        status=202,
        errors=(400, 404, 413, 415),
    ),
    Route(
        method="POST",
        path="/api/knowledge/scrape",
        summary="Crawl a site or a sitemap",
        tag="Knowledge",
        call=calls.KNOWLEDGE_SCRAPE,
        scope="knowledge",
        limits=("scrape",),
        status=202,
        guard=guards.plan,
        errors=(404,),
    ),
    Route(
        method="POST",
        path="/api/knowledge/search",
        summary="Find passages by words and by meaning",
        tag="Knowledge",
        call=calls.KNOWLEDGE_SEARCH,
        scope="knowledge",
        audit=False,
        timeout=20.0,
        errors=(404,),
    ),
    Route(
        method="GET",
        path="/api/knowledge/{id}",
        summary="Read a knowledge item",
        tag="Knowledge",
        call=calls.KNOWLEDGE_GET,
        scope="knowledge",
    ),
    Route(
        method="PATCH",
        path="/api/knowledge/{id}",
        summary="Change a knowledge item",
        tag="Knowledge",
        call=calls.KNOWLEDGE_UPDATE,
        scope="knowledge",
    ),
    Route(
        method="DELETE",
        path="/api/knowledge/{id}",
        summary="Delete a knowledge item",
        tag="Knowledge",
        call=calls.KNOWLEDGE_DELETE,
        scope="knowledge",
        status=204,
    ),
    *(
        Route(
            method="POST",
            path=f"/api/knowledge/{{id}}/{verb}",
            summary=summary,
            tag="Knowledge",
            call=call,
            scope="knowledge",
            status=202,
            errors=(409,),
        )
        for verb, summary, call in (
            ("retry", "Try a failed item again", calls.KNOWLEDGE_RETRY),
            ("resync", "Fetch and index an item anew", calls.KNOWLEDGE_RESYNC),
            ("cancel", "Stop the work on an item", calls.KNOWLEDGE_CANCEL),
        )
    ),
    Route(
        method="GET",
        path="/api/knowledge/{id}/chunks",
        summary="List the passages of an item",
        tag="Knowledge",
        call=calls.KNOWLEDGE_CHUNKS,
        scope="knowledge",
    ),
)
