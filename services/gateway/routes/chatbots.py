"""Chatbots, their identity secrets, and the jobs that remove them."""

from libs.common import calls
from services.gateway import deletion, guards
from services.gateway.row import Route

CHATBOTS = (
    Route(
        method="GET",
        path="/api/chatbots",
        summary="List your chatbots",
        tag="Chatbots",
        call=calls.CHATBOTS_LIST,
    ),
    Route(
        method="POST",
        path="/api/chatbots",
        summary="Create a chatbot",
        tag="Chatbots",
        call=calls.CHATBOT_CREATE,
        scope="admin",
        status=201,
        guard=guards.plan,
        etag=True,
    ),
    Route(
        method="GET",
        path="/api/chatbots/{id}",
        summary="Read a chatbot",
        tag="Chatbots",
        call=calls.CHATBOT_GET,
        etag=True,
    ),
    Route(
        method="PATCH",
        path="/api/chatbots/{id}",
        summary="Change a chatbot's settings (a JSON merge patch)",
        tag="Chatbots",
        call=calls.CHATBOT_UPDATE,
        scope="admin",
        hidden=("if_match",),
        etag=True,
        errors=(412,),
    ),
    Route(
        method="DELETE",
        path="/api/chatbots/{id}",
        summary="Delete a chatbot and all its data",
        tag="Chatbots",
        call=calls.CHATBOT_DELETE,
        scope="admin",
        status=202,
    ),
    Route(
        method="GET",
        path="/api/chatbots/{id}/identity",
        summary="Read the secret that identifies visitors",
        tag="Chatbots",
        call=calls.CHATBOT_IDENTITY,
        scope="admin",
    ),
    Route(
        method="POST",
        path="/api/chatbots/{id}/identity",
        summary="Replace the secret that identifies visitors",
        tag="Chatbots",
        call=calls.CHATBOT_IDENTITY_ROTATE,
        scope="admin",
    ),
    Route(
        method="GET",
        path="/api/jobs/{id}",
        summary="See how far a deletion is",
        tag="Chatbots",
        handler=deletion.job,
        request=calls.ById,
        reply=calls.Job,
    ),
)
