"""Signatures as published, and names that lead where no event may go."""

import base64

import aiohttp
import pytest

from ensemble.store.outbox import Event
from ensemble.webhooks.delivering import Guarded, attempted, signature


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """An example that implementations of the standard test themselves with."""
    secret = base64.b64decode("plJ3nmyCDGBKInavdOK15jsl")
    body = '{"event_type":"ping","data":{"success":true}}'
    signed = signature(secret, "msg_loFOjxBNrRLzqYUf", 1731705121, body)
    assert signed == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


async def test_a_name_of_this_machine_leads_here() -> None:
    found = await Guarded().resolve("localhost", 80)
    assert {one["host"] for one in found} <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "10.1", "169.254.43518"])
async def test_another_name_for_a_private_address_leads_nowhere(host: str) -> None:
    """Ways to write an address that only the look-up understands, as it does a name that somebody points there."""
    with pytest.raises(OSError, match="is no public address"):
        await Guarded().resolve(host, 80)


async def test_a_name_that_is_none_is_an_attempt_that_failed() -> None:
    """Of such names Python raises no OSError."""
    event = Event(id="e", body="{}", attempt=1)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Guarded())) as http:
        assert await attempted(http, "https://hooks..example/", b"secret", event) == "UnicodeError"
