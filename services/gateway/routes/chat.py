"""Chat: the main endpoint, its answers, and the widget's session."""

from libs.common.calls import Ask, GetAnswer, StopAnswer
from services.gateway import answers, guards, widget
from services.gateway.row import Route

CHAT = (
    Route(
        method="POST",
        path="/api/chat/{chatbotId}",
        summary="Send a message and receive a streamed answer",
        tag="Chat",
        handler=answers.ask,
        request=Ask,
        reply=answers.WholeAnswer,
        kind="stream",
        scope="chat",
        visitor=True,
        limits=("chat",),
        hidden=("answer_id",),
        guard=guards.plan,
        audit=False,
    ),
    Route(
        method="GET",
        path="/api/chat/{chatbotId}/answers/{answerId}",
        summary="Receive an answer's stream again, from where it was left",
        tag="Chat",
        handler=answers.resume,
        request=GetAnswer,
        reply=answers.WholeAnswer,
        kind="stream",
        scope="chat",
        visitor=True,
    ),
    Route(
        method="POST",
        path="/api/chat/{chatbotId}/answers/{answerId}/stop",
        summary="Stop an answer that is being written",
        tag="Chat",
        handler=answers.stop,
        request=StopAnswer,
        reply=answers.Stopping,
        scope="chat",
        visitor=True,
        status=202,
        audit=False,
    ),
    Route(
        method="POST",
        path="/api/widget/{chatbotId}/session",
        summary="Open a visitor's session on a page of an allowed origin",
        tag="Widget",
        handler=widget.open_session,
        request=widget.OpenSession,
        reply=widget.WidgetSession,
        auth="none",
        limits=("session",),
        audit=False,
        errors=(403, 404),
    ),
)
