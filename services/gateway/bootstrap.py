"""The first account, owner and key of an installation. Several replicas may try at once."""

import hashlib
import secrets

from libs.common.apikeys import is_key
from libs.common.db import Tx
from libs.common.errors import AppError
from libs.common.ids import new_id
from libs.common.telemetry import log
from services.gateway.gateway import Gateway
from services.gateway.principal import SCOPES
from services.gateway.store import accounts, users

BOOTSTRAP_LOCK = 0x426F6F74  # one replica at a time
DEFAULT_EMAIL = "owner@localhost"


class BadBootstrapKey(AppError):
    """CHATTERY_BOOTSTRAP_API_KEY is not a whole key; make one with libs.common.apikeys.new_key."""

    code = "bad_bootstrap_key"


async def run(gateway: Gateway) -> None:
    """Make what is missing; does nothing on any later start."""
    settings = gateway.settings
    key = settings.bootstrap_api_key.get_secret_value() if settings.bootstrap_api_key else ""
    if key and not is_key(key):
        raise BadBootstrapKey
    email = (settings.admin_email or DEFAULT_EMAIL).strip().lower()
    given = settings.admin_password.get_secret_value() if settings.admin_password else ""
    async with gateway.db.system() as tx:
        await tx.execute("select pg_advisory_xact_lock(%s)", (BOOTSTRAP_LOCK,))
        if not await users.anyone(tx):
            await _first_owner(gateway, tx, email, given)
        if key:
            await _key(gateway, tx, email, key)


async def _first_owner(gateway: Gateway, tx: Tx, email: str, given: str) -> None:
    password = given or secrets.token_urlsafe(18)
    account = new_id("acc")
    await accounts.insert(tx, account, name="Chattery", plan=gateway.settings.default_plan)
    await users.insert(
        tx,
        account,
        new_id("usr"),
        email=email,
        name="Owner",
        role="owner",
        status="active",
        password_hash=await gateway.passwords.hash(password),
    )
    log.info("first_account_made", account=account, email=email)
    if not given:  # for the eyes of whoever starts it; never logged again
        print(f"First owner's login, shown once: {email}  {password}", flush=True)  # noqa: T201


async def _key(gateway: Gateway, tx: Tx, email: str, key: str) -> None:
    owner = await users.by_email(tx, email)
    if owner is None:
        log.warning("bootstrap_key_without_owner", email=email)
        return
    made = await gateway.keys.insert(
        tx, owner["account_id"], owner["id"], key, name="bootstrap", scopes=list(SCOPES)
    )
    if made is not None:
        log.info("bootstrap_key_made", fingerprint=hashlib.sha256(key.encode()).hexdigest()[:12])
