"""What programs need, set up by hand: keys and webhooks."""

from playwright.async_api import expect

from tests.browser.owner import Owner
from tests.e2e.client import Api, Receiver


async def test_a_key_is_shown_once_works_and_is_revoked(owner: Owner) -> None:
    page = await owner.enters("/settings/keys")
    await page.get_by_role("button", name="New key").first.click()
    await page.get_by_label("Name").fill("CRM sync")
    await page.get_by_role("button", name="Make the key").click()
    key = await page.get_by_role("dialog").locator("code").inner_text()
    program = Api(owner.api.session, owner.base, key)
    assert (await program.get("/api/conversations")).status == 200
    await page.get_by_role("button", name="I have stored it").click()

    await page.get_by_role("button", name="Revoke CRM sync").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("The key is revoked.")).to_be_visible()
    assert (await program.get("/api/conversations")).status == 401
    assert key not in await page.content()


async def test_a_webhook_is_tried_and_a_delivery_sent_again(owner: Owner) -> None:
    async with Receiver.open() as receiver:
        made = await owner.api.post("/api/webhooks", {"url": receiver.url})
        page = await owner.enters(f"/settings/webhooks/{made.body['id']}")
        await page.get_by_role("button", name="Send a sample").click()
        await page.locator(".menu .list button").first.click()
        delivery = page.locator("button.item")
        await expect(delivery).to_contain_text("Taken")

        await delivery.click()
        await page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        await expect(page.get_by_text("It is sent again.")).to_be_visible()
        await page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
        await expect(page.locator(".badge.good", has_text="Taken")).to_have_count(1)
        await expect(delivery.first).to_contain_text("2 attempts")
        assert len(receiver.requests) == 2
