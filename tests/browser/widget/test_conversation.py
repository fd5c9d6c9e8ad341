"""A visitor of a shop asks, is answered, loses the network, wants a person."""

from playwright.async_api import expect

from tests.browser.proxy import Network
from tests.browser.shop import Shop, Widget, latest
from tests.browser.visits import Visits
from tests.browser.widget.conftest import OFFICE
from tests.e2e.client import Api

QUESTION = "Where is the office?"


async def test_a_visitor_on_a_strict_page_gets_an_answer_with_its_source(widget: Widget) -> None:
    await widget.chip.first.click()

    await widget.answers("12 Harbour Street")
    await expect(widget.bubble.locator("strong")).to_have_text("12 Harbour Street")
    await expect(widget.bubble.locator("li")).to_have_count(2)
    link = widget.bubble.locator("a")
    await expect(link).to_have_attribute("href", "https://example.com/map")
    await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    await expect(widget.sources).to_contain_text("(1)")
    await expect(widget.page.locator("chattery-widget .panel [role=status]")).to_contain_text(
        "12 Harbour"
    )


async def test_an_answer_is_whole_though_the_network_broke_twice(
    widget: Widget, network: Network, visits: Visits
) -> None:
    network.cuts = 2
    await widget.ask(QUESTION)

    await widget.answers("the map")
    assert network.broken == 2
    said = await widget.bubble.last.inner_text()
    assert said.count("12 Harbour Street") == 1
    assert said.count("Cross the bridge") == 1
    await expect(widget.message.locator(".bubble", has_text=QUESTION)).to_have_count(1)
    visits.forgive("ERR_INCOMPLETE_CHUNKED_ENCODING")


async def test_a_reload_in_the_middle_of_an_answer_loses_nothing(
    widget: Widget, network: Network
) -> None:
    network.hold = True
    await widget.ask(QUESTION)
    await widget.dots.wait_for()
    await widget.page.reload()
    network.released.set()

    await widget.answers("the map")
    await expect(widget.page.locator("chattery-widget .visitor")).to_have_count(1)


async def test_an_answer_can_be_stopped(widget: Widget, network: Network) -> None:
    network.hold = True
    await widget.ask(QUESTION)
    stop = widget.page.get_by_role("button", name="Stop answering")
    await stop.click()
    network.released.set()

    await expect(widget.page.get_by_role("button", name="Send")).to_be_visible()


async def test_a_person_replies_and_the_visitor_sees_it(
    widget: Widget, api: Api, bot: str, visits: Visits
) -> None:
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    await widget.page.get_by_role("button", name="More options").click()
    await widget.page.get_by_role("button", name="Talk to a person").click()
    await expect(widget.system).to_contain_text("person")

    talk = await latest(api, bot)
    assert talk["status"] == "escalated"
    path = f"/api/conversations/{talk['id']}"
    await api.post(f"{path}/reply", {"message": "Hello, I am here for you."})
    await expect(widget.admin).to_contain_text("I am here for you")
    await widget.ask("Thank you!")
    await expect(widget.page.locator("chattery-widget .visitor")).to_have_count(2)

    await widget.page.get_by_role("button", name="Close chat").click()
    await api.post(f"{path}/reply", {"message": "Anything else?"})
    await expect(widget.badge).to_have_text("1")
    await widget.page.reload()
    await expect(widget.badge).to_have_text("1")
    await widget.open()
    await expect(widget.badge).to_be_hidden()
    await expect(widget.admin).to_have_count(2)


async def test_a_thumb_and_a_word_about_it_reach_the_owner(
    widget: Widget, api: Api, bot: str
) -> None:
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    await widget.page.get_by_role("button", name="Not helpful").click()
    await widget.page.get_by_role("textbox", name="What was missing").fill("Opening hours")
    await widget.page.keyboard.press("Enter")
    await expect(widget.why).to_contain_text("Thanks")

    talk = await latest(api, bot)
    messages = (await api.get(f"/api/conversations/{talk['id']}/messages")).body["data"]
    assert messages[-1]["feedback"] == {"rating": "down", "comment": "Opening hours"}


async def test_a_new_conversation_begins_empty_and_stays_so(
    widget: Widget, api: Api, bot: str
) -> None:
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    before = await latest(api, bot)
    await widget.page.get_by_role("button", name="More options").click()
    await widget.page.get_by_role("button", name="New conversation").click()
    await expect(widget.message).to_have_count(1)
    await widget.page.reload()
    await expect(widget.message).to_have_count(1)
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    assert (await latest(api, bot))["id"] != before["id"]


async def test_the_transcript_is_a_file_with_all_that_was_said(widget: Widget) -> None:
    await widget.ask(QUESTION)
    await widget.answers("12 Harbour Street")
    await widget.page.get_by_role("button", name="More options").click()
    async with widget.page.expect_download() as download:
        await widget.page.get_by_role("button", name="Download transcript").click()
    file = await download.value
    assert file.suggested_filename == "Harbour Kayaks.txt"
    text = (await file.path()).read_text()
    assert QUESTION in text
    assert "12 Harbour Street" in text


async def test_what_is_written_offline_goes_out_later(widget: Widget, visits: Visits) -> None:
    context = widget.page.context
    await context.set_offline(True)
    await expect(widget.notice).to_contain_text("offline")
    await widget.ask(QUESTION)
    await expect(widget.sending).to_have_count(1)
    await context.set_offline(False)

    await widget.answers("12 Harbour Street")
    await expect(widget.sending).to_have_count(0)
    visits.forgive("ERR_INTERNET_DISCONNECTED")


async def test_a_limit_is_counted_down_and_the_words_are_kept(
    widget: Widget, api: Api, bot: str, network: Network, visits: Visits
) -> None:
    beside = Api(api.session, network.url, api.token)  # from the visitor's own address
    for n in range(10):
        await beside.ask(bot, f"Question {n}?")
    await widget.ask(QUESTION)

    await expect(widget.notice).to_contain_text("You can write again in")
    await expect(widget.field).to_have_value(QUESTION)
    await expect(widget.page.get_by_role("button", name="Send")).to_be_disabled()
    visits.forgive("429")


async def test_markup_in_knowledge_stays_text(
    visits: Visits, shop: Shop, bot: str, api: Api
) -> None:
    await api.knows(
        bot,
        "What about the parcel?",
        "The parcel <img src=x onerror=alert(1)> is [here](javascript:alert(2)) and <b>safe</b>.",
    )
    widget = Widget(await visits.page(shop.url))
    await widget.open()
    await widget.ask("What about the parcel?")
    await widget.answers("parcel")

    await expect(widget.bubble.locator("img, b, a")).to_have_count(0)


async def test_scripts_of_the_page_open_it_ask_and_listen(
    visits: Visits, shop: Shop, bot: str
) -> None:
    page = await visits.page(shop.url)
    await page.wait_for_function("window.Chattery")
    await page.evaluate(
        """async (question) => {
            window.heard = [];
            await Chattery.on("open", () => heard.push("open"));
            await Chattery.on("message", (message) => heard.push(message.text));
            await Chattery.send(question);
            await Chattery.close();
        }""",
        QUESTION,
    )
    assert await page.evaluate("heard") == ["open", OFFICE]
    await expect(Widget(page).panel).to_be_hidden()


async def test_an_unlisted_site_shows_nothing(
    visits: Visits, shop: Shop, bot: str, api: Api
) -> None:
    only = {"widget": {"allowedOrigins": ["https://elsewhere.example"]}}
    await api.call("PATCH", f"/api/chatbots/{bot}", only)
    page = await visits.page(shop.url)
    await expect(page.locator("chattery-widget")).to_have_count(0)
    while not any("Chattery:" in said for said in visits.complaints):
        await page.wait_for_timeout(20)
    await expect(page.locator("chattery-widget")).to_have_count(0)
    visits.complaints.clear()
