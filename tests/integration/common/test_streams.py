"""Streams: what is forgotten of them."""

from libs.common import streams
from libs.common.bus import Bus


async def test_events_are_forgotten_with_those_nobody_could_handle(server: Bus) -> None:
    await streams.ensure(server.js, streams.EVENTS, streams.DEAD)
    for account in ("acc_gone", "acc_stays"):
        subject = f"events.{account}.bot_1.new_message"
        await server.js.publish(subject, b"said")
        await server.js.publish(f"dead.webhooks.{subject}", b"said")

    await streams.forget(server.js, "events.acc_gone.>")

    for name in (streams.EVENTS, streams.DEAD):
        left = (await server.js.stream_info(name, subjects_filter=">")).state.subjects or {}
        assert not [subject for subject in left if "acc_gone" in subject]
        assert [subject for subject in left if "acc_stays" in subject]


async def test_there_may_be_nothing_to_forget(server: Bus) -> None:
    await streams.ensure(server.js, streams.EVENTS)
    await server.js.delete_stream(streams.DEAD)
    await streams.forget(server.js, "events.acc_nobody.>")
