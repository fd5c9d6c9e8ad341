"""What a chatbot is given to know, and how far it is, as its owner sees it."""

import asyncio

from playwright.async_api import Page, expect

from tests.browser.owner import Owner, Site

RETURNS = b"# Returns\n\nYou may return a kayak within 45 days, dry and complete."
PRICES = b"A tent costs 12 euros a day, a kayak 30."
SLOW = 60_000  # ms for something small to be read


async def _adds(page: Page, way: str) -> None:
    await page.get_by_role("button", name="Add knowledge").click()
    await page.get_by_role("button", name=way, exact=True).click()


async def _drop(page: Page, name: str, content: bytes) -> None:
    """A file let go over the dialog, as from a folder beside it."""
    dropped = await page.evaluate_handle(
        """([name, text]) => {
            const carried = new DataTransfer();
            carried.items.add(new File([text], name, {type: "text/markdown"}));
            return carried;
        }""",
        [name, content.decode()],
    )
    await page.dispatch_event(".drop", "drop", {"dataTransfer": dropped})


async def test_files_that_are_dropped_and_chosen_are_read_and_found(owner: Owner) -> None:
    bot = await owner.api.chatbot("Kayak help")
    page = await owner.enters(f"/chatbots/{bot}/knowledge")
    await page.get_by_role("button", name="Upload files").click()
    await _drop(page, "returns.md", RETURNS)
    chosen = [
        {"name": "prices.txt", "mimeType": "text/plain", "buffer": PRICES},
        {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 no more"},
        {"name": "tool.exe", "mimeType": "application/octet-stream", "buffer": b"MZ\x00\x01"},
    ]
    await page.locator("input[type=file]").set_input_files(chosen)  # pyright: ignore[reportArgumentType]
    await page.get_by_role("button", name="Leave out broken.pdf").click()
    await page.get_by_role("button", name="Upload 3 files").click()

    refused = page.locator(".source", has_text="tool.exe")
    await expect(refused).to_contain_text("Failed", timeout=SLOW)
    await expect(refused.locator(".holds")).to_contain_text("PDF")  # what would be taken
    for name in ("returns", "prices"):
        row = page.locator(".source", has_text=name)
        await expect(row.locator(".badge").first).to_have_text("Ready", timeout=SLOW)

    await page.locator(".source", has_text="returns").locator("a").click()
    await expect(page.locator(".passage")).to_contain_text("within 45 days")
    await page.get_by_role("link", name="Knowledge").first.click()
    await page.get_by_role("link", name="Search playground").click()
    await page.get_by_role("searchbox", name="Question").fill("What does a tent cost?")
    await page.get_by_role("button", name="Search").click()
    await expect(page.locator(".passage").first).to_contain_text("12 euros")
    assert float(await page.locator(".score .mono").first.inner_text()) > 0
    await expect(page.get_by_text("The bot would answer from these.")).to_be_visible()


async def test_a_crawl_is_watched_page_by_page_and_a_failed_page_tried_again(
    owner: Owner, site: Site
) -> None:
    bot = await owner.api.chatbot("Kayak help")
    site.slow = asyncio.Event()
    page = await owner.enters(f"/chatbots/{bot}/knowledge")
    await _adds(page, "A site")
    await page.get_by_label("Address", exact=True).fill(site.url)
    await page.get_by_role("button", name="Add", exact=True).click()
    row = page.locator(".source", has_text=site.url)
    await expect(row.get_by_role("status")).to_contain_text("1 of 3 pages", timeout=SLOW)
    await row.locator("a").click()
    await expect(page.locator(".source", has_text="Harbour Kayaks")).to_contain_text("Ready")
    site.slow.set()

    gone = page.locator(".source", has_text="/prices")
    await expect(gone).to_contain_text("answered with status 404", timeout=SLOW)
    await expect(page.locator(".facts")).to_contain_text("2 of 3 pages indexed, 1 failed")
    site.pages["/prices"] = f"<title>Prices</title><main>{PRICES.decode()}</main>"
    await gone.get_by_role("button", name="Actions for").click()
    await gone.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("It is tried again.")).to_be_visible()
    await expect(page.locator(".source", has_text="/prices")).to_contain_text("Ready", timeout=SLOW)
