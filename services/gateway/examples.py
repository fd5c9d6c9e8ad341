"""Examples of request bodies, by the name of their route."""

from typing import Any

EXAMPLES: dict[str, Any] = {
    "post-chat-chatbotId": {
        "message": "How do I reset my password?",
        "visitorId": "vis_abc123",
        "language": "en",
    },
    "post-chatbots": {"name": "Support Bot", "website": "https://example.com"},
    "patch-chatbots-id": {
        "personality": {"tone": "friendly", "greeting": "Hi! How can I help?"},
        "appearance": {"primaryColor": "#2563eb"},
    },
    "post-knowledge": {
        "chatbotId": "bot_abc123",
        "type": "url",
        "source": "https://example.com/faq",
        "content": None,
    },
    "post-knowledge-scrape": {
        "chatbotId": "bot_abc123",
        "sitemap": "https://example.com/sitemap.xml",
        "maxPages": 200,
    },
    "post-knowledge-search": {"chatbotId": "bot_abc123", "query": "reset password"},
    "post-conversations-id-reply": {"message": "I have reset it for you."},
    "post-conversations-id-tags": {"tags": ["billing", "urgent"], "mode": "add"},
    "post-conversations-id-feedback": {"messageId": "msg_abc123", "rating": "up"},
    "post-webhooks": {
        "url": "https://example.com/hooks/chattery",
        "events": ["new_message", "escalation"],
    },
    "post-keys": {"name": "Server", "scopes": ["chat", "knowledge"]},
    "post-users": {"email": "agent@example.com", "name": "Ada", "role": "agent"},
    "post-accounts": {
        "name": "Example Ltd",
        "plan": "business",
        "email": "owner@example.com",
        "password": "a long passphrase",
    },
    "post-auth-login": {"email": "owner@example.com", "password": "a long passphrase"},
}
