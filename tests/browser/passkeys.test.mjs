// Where browsers have no passkeys, pages say so and offer none.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { invited, launch, SITE, Visitor } from "./support.mjs";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

test("without https no passkey is offered, and the page says why", async () => {
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    await visitor.toDevice(await invited("keyless"));
    await page.goto(`${SITE}/sign-in`);
    assert.equal(await page.locator('form[action="/sign-in/passkey"]').count(), 0);
    await page.locator("#username").fill("keyless");
    await page.locator("#password").fill("otter-lampshade-quartz");
    await page.locator('form[action="/sign-in"] button[type=submit]').click();
    await page.waitForURL("**/me");
    await page.goto(`${SITE}/me/passkeys`);
    assert.equal(await page.locator('form[action="/me/passkeys"]').count(), 0);
    await page.locator("p.notice").waitFor();
    await visitor.look("passkeys-0-not-here");
    await visitor.leave();
});
