"""What the door's handlers share. Built once in `service.build`, passed to each."""

from dataclasses import dataclass, field
from typing import Any

from libs.common.app import Check
from libs.common.blobs import Blobs
from libs.common.bus import Bus
from libs.common.db import Database
from libs.common.limits import PolicyFile
from services.gateway.audit import Audit
from services.gateway.clientip import Network
from services.gateway.guesses import Guesses
from services.gateway.idempotency import Idempotency
from services.gateway.keys import Keys
from services.gateway.limits import Limits
from services.gateway.mail import Mail
from services.gateway.origins import Origins
from services.gateway.pages import Pages
from services.gateway.passwords import Passwords
from services.gateway.plans import Plans
from services.gateway.secrets import Secrets
from services.gateway.sessions import Sessions
from services.gateway.settings import Settings
from services.gateway.streams import Streams
from services.gateway.tenants import Tenants
from services.gateway.usage import Usage
from services.gateway.visitors import VisitorTokens


@dataclass
class Gateway:
    settings: Settings
    bus: Bus
    db: Database
    redis: Any
    blobs: Blobs
    secrets: Secrets
    plans: Plans
    keys: Keys
    guesses: Guesses
    tenants: Tenants
    sessions: Sessions
    visitors: VisitorTokens
    origins: Origins
    policies: PolicyFile
    limits: Limits
    idempotency: Idempotency
    streams: Streams
    audit: Audit
    usage: Usage
    passwords: Passwords
    mail: Mail
    pages: Pages
    trusted: tuple[Network, ...]
    checks: dict[str, Check] = field(default_factory=dict[str, Check])
    port: int = 0  # where the door is, once it is open
