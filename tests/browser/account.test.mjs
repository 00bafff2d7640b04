// Signing in with the password that was chosen when enrolling, what is one's own, and out again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { connect, invited, launch, postern, until, Visitor } from "./support.mjs";

const PASSWORD = "otter-lampshade-quartz";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

for (const [language, size] of [
    ["en", "desktop"],
    ["de", "phone"],
    ["pl", "phone"],
]) {
    test(`somebody signs in, sees what is theirs and signs out: ${language}, ${size}`, async () => {
        const username = `account-${language}-${size}`;
        const config = await enroll(username, size);
        const visitor = await Visitor.come(browser, { size, language });
        const { page } = visitor;
        await page.goto(`${new URL(await firstPage(visitor)).origin}/sign-in`);
        await visitor.look("account-1-sign-in");
        await signIn(visitor, username, "wrong-password");
        await page.locator("[role=alert]").waitFor();
        assert.equal(await page.inputValue("#username"), username);
        await visitor.look("account-2-refused");
        await signIn(visitor, username, PASSWORD);
        await page.waitForURL("**/me");
        await page.locator(".lamp.ready").first().waitFor();
        await handshake(visitor, config);
        await visitor.look("account-3-me");
        await page.locator(".entries a").click();
        await page.waitForURL("**/me/device?id=*");
        await visitor.look("account-4-device");
        await page.locator("#name").fill("Ann’s other machine");
        await visitor.click('form[action="/me/device"] button');
        await page.waitForURL("**/me?done=renamed");
        await visitor.look("account-5-renamed");
        await page.goto(page.url().replace("/me?done=renamed", "/me/password"));
        await visitor.look("account-6-password");
        await page.locator("#present").fill(PASSWORD);
        await page.locator("#password").fill(`${PASSWORD}-too`);
        await visitor.click('form[action="/me/password"] button[type=submit]');
        await page.waitForURL("**/me?done=password");
        await removes(visitor, username);
        await visitor.click('form[action="/sign-out"] button');
        await page.waitForURL("**/sign-in");
        await page.goto(page.url().replace("/sign-in", "/me"));
        assert.ok(page.url().endsWith("/sign-in"), page.url());
        await visitor.leave();
    });
}

test("without scripts, too, somebody signs in and out, and ends the other session", async () => {
    const username = "account-plain";
    await enroll(username, "desktop");
    const other = await Visitor.come(browser);
    await other.page.goto(`${new URL(await firstPage(other)).origin}/sign-in`);
    await signIn(other, username, PASSWORD);
    await other.page.waitForURL("**/me");
    const visitor = await Visitor.come(browser, { scripts: false });
    const { page } = visitor;
    await page.goto(other.page.url().replace("/me", "/sign-in"));
    await signIn(visitor, username, PASSWORD);
    await page.waitForURL("**/me");
    assert.equal(await page.locator('form[action="/me/sessions"]').count(), 2);
    await other.page.reload();
    await other.look("account-9-two-sessions");
    await page.locator('form[action="/me/sessions"] button').last().click();
    await page.waitForURL("**/me?done=ended");
    assert.equal(await page.locator('form[action="/me/sessions"]').count(), 0);
    await other.page.reload();
    assert.ok(other.page.url().endsWith("/sign-in"), other.page.url());
    await page.locator('form[action="/sign-out"] button').click();
    await page.waitForURL("**/sign-in");
    await visitor.leave();
    await other.leave();
});

/** From the invitation to a device; its first configuration. */
async function enroll(username, size) {
    const visitor = await Visitor.come(browser, { size });
    await visitor.toDevice(await invited(username));
    await visitor.register();
    const config = await visitor.page.locator('#device-result [data-slot="config"]').first().textContent();
    await visitor.leave();
    return config;
}

/** Where the site is: its start. */
async function firstPage({ page }) {
    await page.goto(process.env.POSTERN_SITE);
    await page.locator('a[href="/sign-in"]').waitFor();
    return page.url();
}

async function signIn({ page }, username, password) {
    await page.locator("#username").fill(username);
    await page.locator("#password").fill(password);
    await page.locator('form[action="/sign-in"] button[type=submit]').click();
}

/** The page tells that the device connected. */
async function handshake({ page }, config) {
    const disconnect = connect("account.conf", config);
    try {
        await until("a handshake on the page", async () => {
            await page.reload();
            return (await page.locator(".lamp.connected").count()) > 0;
        });
    } finally {
        disconnect();
    }
}

async function removes(visitor, username) {
    const { page } = visitor;
    await page.locator(".entries a").click();
    await page.waitForURL("**/me/device?id=*");
    await page.locator('a[href^="/me/device/remove"]').click();
    await page.waitForURL("**/me/device/remove?id=*");
    await visitor.look("account-7-remove");
    await visitor.click('form[action="/me/device/remove"] button');
    await page.waitForURL("**/me?done=removed");
    await visitor.look("account-8-removed");
    assert.equal(JSON.parse(postern("user", "show", username, "--json")).devices.length, 0);
}
