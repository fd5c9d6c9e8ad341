"""A real example of each event, for trying an endpoint."""

from libs.common import events

_CONVERSATION = "conv_example"
_VISITOR = "vis_example"


def sample(name: str, account: str, chatbot: str) -> events.Event:
    """An event as it would come, of an invented conversation."""
    data: dict[str, events.AnyEvent] = {
        "new_conversation": events.NewConversation(
            conversation_id=_CONVERSATION, chatbot_id=chatbot, visitor_id=_VISITOR, language="en"
        ),
        "new_message": events.NewMessage(
            conversation_id=_CONVERSATION,
            chatbot_id=chatbot,
            message_id="msg_example",
            message="How do I cancel my plan?",
            sender="visitor",
            visitor_id=_VISITOR,
        ),
        "escalation": events.Escalation(
            conversation_id=_CONVERSATION,
            chatbot_id=chatbot,
            visitor_id=_VISITOR,
            reason="The visitor asked for a person.",
            by="visitor",
            summary="visitor: How do I cancel my plan?",
        ),
        "feedback_received": events.FeedbackReceived(
            conversation_id=_CONVERSATION,
            chatbot_id=chatbot,
            message_id="msg_example",
            rating="up",
            comment="That helped.",
            visitor_id=_VISITOR,
        ),
        "admin_reply": events.AdminReply(
            conversation_id=_CONVERSATION,
            chatbot_id=chatbot,
            message_id="msg_example",
            message="I have cancelled it for you.",
            admin_id="usr_example",
            visitor_id=_VISITOR,
        ),
    }
    return events.make(data[name], account=account, chatbot=chatbot, key="")
