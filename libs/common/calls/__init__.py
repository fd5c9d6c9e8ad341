"""Request/reply shapes of the services, by service. Changes are additive.

Of a public call the request struct holds path parameters, query parameters and body fields
together, and the reply struct is the HTTP body: the gateway translates by table, not by code.
"""

from libs.common.calls.chat import *  # noqa: F403
from libs.common.calls.chatbots import *  # noqa: F403
from libs.common.calls.conversations import *  # noqa: F403
from libs.common.calls.gateway import *  # noqa: F403
from libs.common.calls.knowledge import *  # noqa: F403
from libs.common.calls.ratelimit import *  # noqa: F403
from libs.common.calls.shapes import *  # noqa: F403
from libs.common.calls.webhooks import *  # noqa: F403
