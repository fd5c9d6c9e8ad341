"""The table of HTTP routes: one row each, by area."""

from services.gateway.routes.account import ACCOUNT
from services.gateway.routes.chat import CHAT
from services.gateway.routes.chatbots import CHATBOTS
from services.gateway.routes.conversations import CONVERSATIONS
from services.gateway.routes.knowledge import KNOWLEDGE
from services.gateway.routes.site import SITE
from services.gateway.routes.webhooks import WEBHOOKS
from services.gateway.row import Route, Table

ROUTES: tuple[Route, ...] = (
    *CHAT,
    *CHATBOTS,
    *KNOWLEDGE,
    *CONVERSATIONS,
    *WEBHOOKS,
    *ACCOUNT,
    *SITE,
)
TABLE = Table(ROUTES)
