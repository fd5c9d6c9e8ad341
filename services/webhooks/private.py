"""Custom headers as they are stored: names to be read, values sealed, as some of them are tokens."""

import base64
from collections.abc import Mapping

from libs.common.keyring import Keyring

SEALED = "sealed:"  # begins a stored value; what does not was stored before values were sealed


def seal(keyring: Keyring, headers: Mapping[str, str], endpoint: str) -> dict[str, str]:
    return {
        name: SEALED + base64.b64encode(keyring.seal(value, endpoint)).decode()
        for name, value in headers.items()
    }


def unseal(keyring: Keyring, stored: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Raises `SealBroken` where a key is missing."""
    return {
        name: keyring.open(_bytes(value), endpoint) if value.startswith(SEALED) else value
        for name, value in stored.items()
    }


def is_current(keyring: Keyring, stored: Mapping[str, str]) -> bool:
    """Whether all values are under the newest key."""
    return all(
        value.startswith(SEALED) and keyring.is_current(_bytes(value)) for value in stored.values()
    )


def _bytes(value: str) -> bytes:
    return base64.b64decode(value.removeprefix(SEALED))
