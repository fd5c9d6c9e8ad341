"""Chat: chatbots, visitors, conversations, and answers that arrive.

Takes ``chat.*``. Gives frames on ``answers.<answer>``, live events on
``live.<account>.<conversation>``, and through its outbox ``new_conversation``, ``new_message``,
``escalation``, ``feedback_received``, ``admin_reply`` and ``chatbot_deleted``. Reads passages
from Qdrant through `libs.retrieval`. Its tables are the schema ``chat``: chatbots, visitors,
conversations, messages, answers, unanswered, live_events, jobs, outbox.
"""
