"""Calls of the gateway, which knows an account's people."""

from libs.common.calls.shapes import Reply, Request
from libs.common.envelope import Endpoint


class Owners(Request, frozen=True, kw_only=True):
    """Who owns the account of the context."""


class OwnerAddresses(Reply, frozen=True, kw_only=True):
    emails: list[str]


ACCOUNT_OWNERS = Endpoint("gateway.accounts.owners", Owners, OwnerAddresses)
