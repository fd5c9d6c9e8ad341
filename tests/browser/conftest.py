"""A real browser on real pages. Screenshots stay in ``artifacts/browser`` for a person to look at."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from libs.common.ids import new_id
from tests.browser.owner import PASSWORD, Owner, Site
from tests.browser.proxy import Network
from tests.browser.shop import Shop
from tests.browser.visits import Visits
from tests.conftest import RunningStack
from tests.e2e.client import PATIENCE, Api, PatientApi


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All on one event loop, as they share the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def api(stack: RunningStack) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield PatientApi(session, stack.base_url, stack.api_key)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("The browser tests need Chromium: run `apt install chromium`.", pytrace=False)
    async with async_playwright() as playwright:
        expect.set_options(timeout=PATIENCE * 1000)
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visits(browser: Browser, api: Api) -> AsyncIterator[Visits]:
    """Fails the test when a page logged an error."""
    visits = Visits(browser, api)
    yield visits
    for context in visits.contexts:
        await context.close()
    assert visits.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def owner(stack: RunningStack, visits: Visits, api: Api) -> Owner:
    email = f"{new_id('usr')}@example.com"
    account = {"name": "Harbour", "plan": "enterprise", "email": email, "password": PASSWORD}
    operator = PatientApi(api.session, stack.base_url, stack.dev["operatorToken"])
    made = await operator.post("/api/accounts", account)
    assert made.status == 201, made.body
    own = PatientApi(api.session, stack.base_url, made.body["apiKey"])
    return Owner(stack.base_url, email, own, visits)


@pytest_asyncio.fixture(loop_scope="session")
async def site() -> AsyncIterator[Site]:
    async with Site().served() as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def network(stack: RunningStack) -> AsyncIterator[Network]:
    async with Network.open(stack.base_url) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="session")
async def shop(network: Network) -> AsyncIterator[Shop]:
    async with Shop(network.url).served() as shop:
        yield shop
