"""Secrets at rest."""

import base64

import pytest

from libs.common.keyring import BadKeyring, Keyring, SealBroken

ONE, TWO = (
    base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)
)  # of any bytes, the same in every process


def test_a_sealed_secret_opens_for_its_owner_alone() -> None:
    ring = Keyring.parse(f"1:{ONE}")
    sealed = ring.seal("whsec_x", "whk_a")
    assert b"whsec_x" not in sealed
    assert ring.open(sealed, "whk_a") == "whsec_x"
    with pytest.raises(SealBroken):
        ring.open(sealed, "whk_b")


def test_the_highest_number_seals_and_all_open() -> None:
    old, both, new = (Keyring.parse(text) for text in (f"1:{ONE}", f"1:{ONE}, 2:{TWO}", f"2:{TWO}"))
    sealed = old.seal("s", "o")
    assert both.open(sealed, "o") == "s"
    assert not both.is_current(sealed)
    again = both.seal("s", "o")
    assert both.is_current(again)
    assert new.open(again, "o") == "s"
    with pytest.raises(SealBroken):
        new.open(sealed, "o")


def test_a_key_may_only_open() -> None:
    ring = Keyring.parse(f"1:{ONE},2~:{TWO}")
    assert ring.current == 1
    assert ring.open(Keyring.parse(f"2:{TWO}").seal("s", "o"), "o") == "s"


def test_a_changed_or_cut_seal_is_broken() -> None:
    ring = Keyring.parse(f"1:{ONE}")
    sealed = ring.seal("secret", "o")
    for broken in (b"", sealed[:10], sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(SealBroken):
            ring.open(broken, "o")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1:",
        "x:" + ONE,
        "1:short",
        f"1~:{ONE}",
        f"1:{ONE},1:{TWO}",
        f"0:{ONE}",
        f"-1:{ONE}",
    ],
)
def test_what_is_no_keyring_is_refused(text: str) -> None:
    with pytest.raises(BadKeyring):
        Keyring.parse(text)
