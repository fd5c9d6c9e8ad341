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
    "patch-accounts-id": {"plan": "enterprise", "status": "active"},
    "post-widget-chatbotId-session": {"userId": "user-42", "userHash": "5d41402abc4b2a76" * 4},
    "patch-knowledge-id": {"refresh": "weekly"},
    "post-conversations-id-escalate": {"reason": "They ask for a person."},
    "post-conversations-id-assign": {"userId": None},
    "post-conversations-id-notes": {"text": "A customer since 2019."},
    "patch-webhooks-id": {"enabled": False},
    "post-webhooks-id-rotate": {"graceHours": 24},
    "post-webhooks-id-test": {"event": "new_message"},
    "post-webhooks-id-replay": {"from": "2026-04-12T00:00:00Z", "to": "2026-04-13T00:00:00Z"},
    "patch-users-id": {"role": "admin"},
    "patch-account": {"name": "Example Ltd"},
    "post-auth-password": {"current": "a long passphrase", "password": "another passphrase"},
    "post-auth-reset": {"email": "owner@example.com"},
    "post-auth-reset-confirm": {"token": "from-the-link", "password": "another passphrase"},
    "post-auth-invitation": {"token": "from-the-link", "password": "a long passphrase"},
    "post-auth-login": {"email": "owner@example.com", "password": "a long passphrase"},
}
