"""Who the visitor is, as the site's own server vouches for it; and the same visitor in two tabs."""

import hashlib
import hmac

from playwright.async_api import Page, expect

from tests.browser.shop import Shop, Widget, latest
from tests.browser.visits import Visits
from tests.browser.widget.conftest import OFFICE
from tests.e2e.client import Api

QUESTION = "Where is the office?"


async def proof(api: Api, bot: str, user: str) -> str:
    secret = (await api.get(f"/api/chatbots/{bot}/identity")).body["secret"]
    return hmac.new(secret.encode(), user.encode(), hashlib.sha256).hexdigest()


async def identify(page: Page, user: str, user_hash: str) -> str:
    """What the page's script is told: "" or why not."""
    return await page.evaluate(
        """([userId, userHash]) =>
            Chattery.identify({userId, userHash}).then(() => "", (error) => error.code)""",
        [user, user_hash],
    )


async def test_a_chatbot_for_known_visitors_waits_until_the_site_says_who_it_is(
    visits: Visits, shop: Shop, bot: str, api: Api
) -> None:
    await api.call("PATCH", f"/api/chatbots/{bot}", {"widget": {"requireIdentity": True}})
    page = await visits.page(shop.url)
    await page.wait_for_function("window.Chattery")
    widget = Widget(page)
    assert await identify(page, "ada", "0" * 64) == "identity_invalid"
    await expect(widget.launcher).to_have_count(0)

    assert await identify(page, "ada", await proof(api, bot, "ada")) == ""
    await widget.open()
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    visits.forgive("403")


async def test_a_proof_in_the_tag_does(visits: Visits, shop: Shop, bot: str, api: Api) -> None:
    await api.call("PATCH", f"/api/chatbots/{bot}", {"widget": {"requireIdentity": True}})
    user_hash = await proof(api, bot, "ada")
    shop.attributes = f'data-user-id="ada" data-user-hash="{user_hash}"'
    await Widget(await visits.page(shop.url)).open()


async def test_who_signs_out_leaves_nothing_behind(
    visits: Visits, shop: Shop, bot: str, api: Api
) -> None:
    page = await visits.page(shop.url)
    await page.wait_for_function("window.Chattery")
    assert await identify(page, "ada", await proof(api, bot, "ada")) == ""
    widget = Widget(page)
    await widget.open()
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")

    await page.evaluate("Chattery.identify(null)")
    await expect(widget.message).to_have_count(1)
    await page.reload()
    await widget.open()
    await expect(widget.message).to_have_count(1)

    assert await identify(page, "ada", await proof(api, bot, "ada")) == ""
    await widget.answers("12 Harbour Street")
    assert (await latest(api, bot))["messageCount"] == 2


async def test_two_tabs_are_one_visit(widget: Widget, shop: Shop) -> None:
    other = Widget(await widget.page.context.new_page())
    await other.page.goto(shop.url)
    await other.panel.wait_for()  # as the first one stands open
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")

    await other.answers("12 Harbour Street")
    await other.page.reload()
    await widget.page.reload()
    for tab in (widget, other):
        await tab.answers(OFFICE[:10])


async def test_words_begun_survive_a_reload(widget: Widget) -> None:
    await widget.field.fill("Where is the")
    await widget.page.reload()
    await expect(widget.field).to_have_value("Where is the")


async def test_a_nonce_lets_it_in(visits: Visits, shop: Shop, bot: str) -> None:
    shop.nonce = True
    await Widget(await visits.page(shop.url)).open()


async def test_a_gateway_that_is_away_for_a_moment_is_waited_for(
    visits: Visits, shop: Shop, bot: str
) -> None:
    page = await visits.page("about:blank")
    await page.route("**/session", lambda route: route.abort(), times=1)
    await page.goto(shop.url)
    await Widget(page).open()
    visits.forgive("ERR_FAILED")
