"""A chatbot on the shop's page, and its widget as a visitor has it."""

import pytest_asyncio

from tests.browser.shop import Shop, Widget
from tests.browser.visits import Visits
from tests.e2e.client import Api

OFFICE = (
    "The office is at **12 Harbour Street**, on floor two.\n\n1. Take the tram to Harbour\n"
    "2. Cross the bridge\n\nSee [the map](https://example.com/map)."
)


@pytest_asyncio.fixture(loop_scope="session")
async def bot(api: Api, shop: Shop) -> str:
    """A chatbot that knows where the office is."""
    shop.chatbot = await api.chatbot("Harbour Kayaks")
    changes = {"appearance": {"suggestedQuestions": ["Where is the office?"]}}
    await api.call("PATCH", f"/api/chatbots/{shop.chatbot}", changes)
    await api.knows(shop.chatbot, "Where is the office?", OFFICE)
    return shop.chatbot


@pytest_asyncio.fixture(loop_scope="session")
async def widget(visits: Visits, shop: Shop, bot: str) -> Widget:
    """Opened on the shop's page, at desktop width."""
    page = await visits.page(shop.url, viewport={"width": 1100, "height": 800})
    widget = Widget(page)
    await widget.open()
    return widget
