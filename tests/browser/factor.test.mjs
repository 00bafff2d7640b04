// A second factor: an app set up at /me and asked for when signing in, recovery codes, and the wizard that asks everybody.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, afterEach, before, test } from "node:test";
import { invited, launch, mailsTo, postern, SITE, settings, until, Visitor } from "./support.mjs";

const PASSWORD = "otter-lampshade-quartz";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());
afterEach(() => settings());

for (const [language, size] of [
    ["en", "desktop"],
    ["de", "phone"],
    ["pl", "phone"],
]) {
    test(`somebody sets an app up and signs in with it: ${language}, ${size}`, async () => {
        const username = `factor-${language}-${size}`;
        await account(username);
        const visitor = await Visitor.come(browser, { size, language });
        const { page } = visitor;
        await signIn(visitor, username);
        await page.waitForURL("**/me");
        await page.locator('a[href="/me/second-factor"]').click();
        await page.waitForURL("**/me/second-factor");
        await visitor.look("factor-1-none");
        await visitor.click('section:has(#app) button[type="submit"]');
        await page.waitForURL("**/set-up?by=app");
        const uri = await visitor.scan(page.locator(".set-up-qr svg"));
        const secret = (await page.locator("#secret").textContent()).replaceAll(" ", "");
        assert.equal(new URL(uri).searchParams.get("secret"), secret, uri);
        assert.ok(decodeURIComponent(uri).includes(`:${username}?`), uri);
        await visitor.look("factor-2-set-up");
        await give(page, "000000");
        await page.locator("[role=alert]").waitFor();
        await visitor.look("factor-3-refused");
        await page.locator("#mailed").fill(await mailedTo(username));
        await give(page, codeOf(secret));
        const codes = (await page.locator("#recovery-codes").textContent()).trim().split(/\s+/);
        assert.equal(codes.length, 10);
        await visitor.look("factor-4-codes");
        await page.locator("main a.button").click();
        await page.waitForURL("**/me");
        await visitor.look("factor-5-me");
        await page.locator('form[action="/sign-out"] button').click();
        await signIn(visitor, username);
        await page.waitForURL("**/sign-in/code");
        await visitor.look("factor-6-code");
        await give(page, "123");
        await page.locator("[role=alert]").waitFor();
        await visitor.look("factor-7-code-refused");
        await give(page, codeOf(secret, 30));
        await page.waitForURL("**/me");
        await page.locator('a[href="/me/second-factor"]').click();
        await visitor.look("factor-8-on");
        await page.locator('a[href$="remove?factor=totp"]').click();
        await visitor.look("factor-9-remove");
        await page.goto(`${SITE}/me/confirm?to=second-factor`);
        await visitor.look("factor-10-confirm");
        await page.locator("#password").fill(PASSWORD);
        await page.locator('form[action="/me/confirm"] button').click();
        await page.waitForURL("**/me/second-factor");
        await visitor.leave();
        await byRecoveryCode(username, codes[0]);
    });

    test(`the wizard asks everybody where the company does: ${language}, ${size}`, async () => {
        settings('[security]\nsecond_factor = "required"');
        const username = `factor-all-${language}-${size}`;
        const visitor = await Visitor.come(browser, { size, language });
        const { page } = visitor;
        await toFactor(visitor, await invited(username));
        await visitor.look("factor-11-wizard");
        await visitor.click('section:has(#email) button[type="submit"]');
        await page.waitForURL("**/second-factor?by=email");
        await visitor.look("factor-12-wizard-email");
        await give(page, await mailedTo(username));
        await page.locator("#recovery-codes").waitFor();
        await visitor.look("factor-13-wizard-codes");
        await page.locator('a[href="/enroll/device"]').click();
        await page.waitForURL("**/enroll/device");
        const shown = JSON.parse(postern("user", "show", username, "--json"));
        assert.deepEqual([shown.second_factors, shown.recovery_codes], [["email"], 10]);
        await visitor.leave();
    });
}

test("without scripts, too, the key is there to be typed", async () => {
    settings('[security]\nsecond_factor = "required"');
    const visitor = await Visitor.come(browser, { scripts: false });
    const { page } = visitor;
    await toFactor(visitor, await invited("factor-plain"));
    await page.locator('section:has(#app) button[type="submit"]').click();
    await page.waitForURL("**/second-factor?by=app");
    await give(page, codeOf((await page.locator("#secret").textContent()).replaceAll(" ", "")));
    await page.locator('a[href="/enroll/device"]').click();
    await page.waitForURL("**/enroll/device");
    await visitor.leave();
});

/** What an authenticator app shows so many seconds from now. */
function codeOf(secret, ahead = 0) {
    const now = `@${Math.floor(Date.now() / 1000) + ahead}`;
    return execFileSync("oathtool", ["--totp", "--base32", "--now", now, secret], { encoding: "utf8" }).trim();
}

async function mailedTo(username) {
    const mail = await until("a code by mail", () => mailsTo(username).find((text) => /^ +\d{6}$/m.test(text)));
    return mail.match(/^ +(\d{6})$/m)[1];
}

async function give(page, code) {
    await page.locator("#code").fill(code);
    await page.locator("form:has(#code) button[type=submit]").click();
}

/** Somebody with a password and no device. */
async function account(username) {
    const visitor = await Visitor.come(browser);
    await visitor.toDevice(await invited(username));
    await visitor.leave();
}

async function toFactor({ page }, link) {
    await page.goto(link);
    await page.locator('form[action="/enroll/start"] button').click();
    await page.locator('form[action="/enroll/you"] button').click();
    await page.locator("#password").fill(PASSWORD);
    await page.locator('form[action="/enroll/password"] button[type=submit]').click();
    await page.waitForURL("**/enroll/second-factor");
}

async function signIn({ page }, username) {
    await page.goto(`${SITE}/sign-in`);
    await page.locator("#username").fill(username);
    await page.locator("#password").fill(PASSWORD);
    await page.locator('form[action="/sign-in"] button[type=submit]').click();
}

/** In a browser without scripts. */
async function byRecoveryCode(username, code) {
    const visitor = await Visitor.come(browser, { scripts: false });
    const { page } = visitor;
    await signIn(visitor, username);
    await page.waitForURL("**/sign-in/code");
    await page.locator("details summary").click();
    await page.locator("#recovery").fill(code.toUpperCase());
    await page.locator("form:has(#recovery) button").click();
    await page.waitForURL("**/me");
    await visitor.leave();
}
