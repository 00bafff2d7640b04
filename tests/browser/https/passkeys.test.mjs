// Passkeys, with an authenticator that Chromium pretends to have (WebAuthn, 11).

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { invited, launch, mailsTo, postern, SITE, settings, until, Visitor } from "../support.mjs";

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
    test(`somebody adds a passkey, signs in with it and removes it: ${language}, ${size}`, async () => {
        const username = `key-${language}`;
        const { visitor, device } = await signedIn(username, { language, size });
        const { page } = visitor;
        await page.goto(`${SITE}/me/passkeys`);
        await visitor.look("passkeys-1-none");
        await add(visitor, "My phone", async () => visitor.look("passkeys-2-codes"));
        await visitor.look("passkeys-2-added");
        assert.equal(await page.locator(".entries h3").textContent(), "My phone");
        await until("a mail", () => mailsTo(username).some((text) => text.includes("My phone was added")));

        await signOut(visitor);
        await visitor.look("passkeys-3-sign-in");
        await signInByPasskey(visitor);
        await page.waitForURL("**/me");
        assert.ok((await page.locator("main").textContent()).includes(username));

        await page.goto(`${SITE}/me/passkeys`);
        await page.locator('.entries a[href^="/me/passkey?id="]').click();
        await page.waitForURL("**/me/passkey?id=*");
        await visitor.look("passkeys-4-one");
        await page.locator("#name").fill("Old phone");
        await visitor.click('form[action="/me/passkey"] button');
        await page.waitForURL("**/me/passkeys?done=renamed");
        await page.locator('.entries a[href^="/me/passkey?id="]').click();
        await page.locator('a[href^="/me/passkey/remove"]').click();
        await page.waitForURL("**/me/passkey/remove?id=*");
        await visitor.look("passkeys-5-remove");
        await visitor.click('form[action="/me/passkey/remove"] button');
        await page.waitForURL("**/me/passkeys?done=removed");
        await until("a mail", () => mailsTo(username).some((text) => text.includes("Old phone was removed")));

        // The device still offers it.
        assert.equal((await device.credentials()).length, 1);
        await signOut(visitor);
        await signInByPasskey(visitor);
        await page.locator('form[action="/sign-in/passkey"] .error:visible').waitFor();
        assert.equal(new URL(page.url()).pathname, "/sign-in/passkey");
        await visitor.look("passkeys-6-refused");
        await page.goto(`${SITE}/me`);
        assert.ok(page.url().endsWith("/sign-in"), page.url());
        await visitor.leave();
    });

    test(`where the company wants a second factor, somebody makes a passkey while enrolling: ${language}, ${size}`, async () => {
        settings('[security]\nsecond_factor = "required"');
        const username = `key-wizard-${language}`;
        const visitor = await Visitor.come(browser, { language, size });
        const { page } = visitor;
        const device = await authenticator(visitor);
        await page.goto(await invited(username));
        await page.locator('form[action="/enroll/start"] button').click();
        await page.locator('form[action="/enroll/you"] button').click();
        await page.locator("#password").fill(PASSWORD);
        await page.locator('form[action="/enroll/password"] button[type=submit]').click();
        await page.waitForURL("**/enroll/second-factor");
        await visitor.look("passkeys-12-wizard");
        const make = 'form[action="/enroll/second-factor/passkey"]';
        await device.verifies(false);
        await visitor.click(`${make} button`);
        await page.locator(`${make} .error:visible`).waitFor();
        await visitor.look("passkeys-13-wizard-refused");
        await device.verifies(true);
        await visitor.click(`${make} button`);
        await page.locator("#recovery-codes").waitFor();
        await visitor.look("passkeys-14-wizard-codes");
        await page.locator('a[href="/enroll/device"]').click();
        await page.waitForURL("**/enroll/device");
        const shown = JSON.parse(postern("user", "show", username, "--json"));
        assert.deepEqual([shown.second_factors, shown.recovery_codes], [["passkey"], 10]);
        await page.goto(`${SITE}/sign-in`);
        await signInByPasskey(visitor);
        await page.waitForURL("**/me");
        assert.ok((await page.locator("main").textContent()).includes(username));
        await visitor.leave();
    });
}

test("a device that does not verify who holds it signs nobody in", async () => {
    const { visitor, device } = await signedIn("key-stranger");
    const { page } = visitor;
    await page.goto(`${SITE}/me/passkeys`);
    await add(visitor, "key");
    await signOut(visitor);
    await device.verifies(false);
    await signInByPasskey(visitor);
    await page.locator('form[action="/sign-in/passkey"] .error:visible').waitFor();
    assert.equal(new URL(page.url()).pathname, "/sign-in", "the browser refuses before anything is sent");
    await page.goto(`${SITE}/me`);
    assert.ok(page.url().endsWith("/sign-in"), page.url());
    await visitor.leave();
});

test("a copy of a passkey is refused, and its owner told", async () => {
    const { visitor, device } = await signedIn("key-copied");
    const { page } = visitor;
    await page.goto(`${SITE}/me/passkeys`);
    const [code] = await add(visitor, "key");
    const [copy] = await device.credentials();
    await signOut(visitor);
    await signInByPasskey(visitor);
    await page.waitForURL("**/me");
    await signOut(visitor);
    await device.becomes(copy);
    await signInByPasskey(visitor);
    await page.locator('form[action="/sign-in/passkey"] .error:visible').waitFor();
    await until("a mail", () => mailsTo("key-copied").some((text) => text.includes("may have a copy")));
    await byPassword(visitor, "key-copied", "/sign-in/code");
    await secondByPasskey(visitor);
    await page.locator('form[action="/sign-in/code/passkey"] .error:visible').waitFor();
    await page.locator("details summary").click();
    await page.locator("#recovery").fill(code);
    await page.locator('details form[action="/sign-in/code"] button').click();
    await page.waitForURL("**/me");
    await page.goto(`${SITE}/me/passkeys`);
    await page.locator(".entries .error").waitFor();
    await visitor.look("passkeys-7-copied");
    await visitor.leave();
});

test("after the password the passkey is the second factor, and another user's is not", async () => {
    const other = await signedIn("key-other");
    await other.visitor.page.goto(`${SITE}/me/passkeys`);
    await add(other.visitor, "key");
    const [theirs] = await other.device.credentials();
    await other.visitor.leave();

    const { visitor, device } = await signedIn("key-second");
    const { page } = visitor;
    await page.goto(`${SITE}/me/passkeys`);
    await add(visitor, "key");
    await page.goto(`${SITE}/me/second-factor`);
    await visitor.look("passkeys-9-second-factor");
    const [own] = await device.credentials();
    await signOut(visitor);
    await byPassword(visitor, "key-second", "/sign-in/code");
    await page.goto(`${SITE}/me`);
    assert.ok(page.url().endsWith("/sign-in"), "not signed in yet");
    await byPassword(visitor, "key-second", "/sign-in/code");
    await visitor.look("passkeys-10-code");
    await device.becomes(theirs);
    await secondByPasskey(visitor);
    await page.locator('form[action="/sign-in/code/passkey"] .error:visible').waitFor();
    await visitor.look("passkeys-11-code-refused");
    await device.becomes({ ...own, signCount: own.signCount + 1 });
    await secondByPasskey(visitor);
    await page.waitForURL("**/me");
    assert.ok((await page.locator("main").textContent()).includes("key-second"));
    await visitor.leave();
});

test("an answer that was tampered with, or is another site's, is refused", async () => {
    const { visitor } = await signedIn("key-tampered");
    const { page } = visitor;
    await page.goto(`${SITE}/me/passkeys`);
    await add(visitor, "key");
    for (const change of [
        (said) => ({ ...said, origin: "https://evil.example" }),
        (said) => ({ ...said, type: "webauthn.create" }),
        (said) => ({ ...said, challenge: "AAAA" }),
    ]) {
        await signOut(visitor);
        await page.route("**/sign-in/passkey", async (route) => {
            const form = new URLSearchParams(route.request().postData());
            const answer = JSON.parse(form.get("credential"));
            const said = JSON.parse(Buffer.from(answer.response.clientDataJSON, "base64url"));
            answer.response.clientDataJSON = Buffer.from(JSON.stringify(change(said))).toString("base64url");
            form.set("credential", JSON.stringify(answer));
            await route.continue({ postData: form.toString() });
        });
        await signInByPasskey(visitor);
        await page.locator('form[action="/sign-in/passkey"] .error:visible').waitFor();
        assert.equal(new URL(page.url()).pathname, "/sign-in/passkey");
        await page.unroute("**/sign-in/passkey");
        await page.goto(`${SITE}/sign-in`);
        await signInByPasskey(visitor);
        await page.waitForURL("**/me");
    }
    await visitor.leave();
});

test("the same device adds one passkey, a disabled account signs in with none, and without scripts there are none", async () => {
    const { visitor } = await signedIn("key-once");
    const { page } = visitor;
    await page.goto(`${SITE}/me/passkeys`);
    await add(visitor, "key");
    await page.locator("#name").fill("again");
    await visitor.click('form[action="/me/passkeys"] button');
    await page.locator('form[action="/me/passkeys"] .error:visible').waitFor();
    assert.match(await page.locator('form[action="/me/passkeys"] .error').textContent(), /already/);
    await visitor.look("passkeys-8-again");
    await signOut(visitor);
    postern("user", "disable", "key-once");
    await signInByPasskey(visitor);
    await page.locator('form[action="/sign-in/passkey"] .error:visible').waitFor();
    await visitor.leave();

    const plain = await Visitor.come(browser, { scripts: false });
    await plain.page.goto(`${SITE}/sign-in`);
    assert.equal(await plain.page.locator('form[action="/sign-in/passkey"]:visible').count(), 0);
    await plain.leave();
});

/** Somebody who has a password and is signed in, with an authenticator in their browser. */
async function signedIn(username, how = {}) {
    const visitor = await Visitor.come(browser, how);
    const device = await authenticator(visitor);
    await visitor.toDevice(await invited(username));
    await byPassword(visitor, username);
    return { visitor, device };
}

async function byPassword({ page }, username, then = "/me") {
    await page.goto(`${SITE}/sign-in`);
    await page.locator("#username").fill(username);
    await page.locator("#password").fill(PASSWORD);
    await page.locator('form[action="/sign-in"] button[type=submit]').click();
    await page.waitForURL(`**${then}`);
}

/** Adds the first passkey; the recovery codes that come with it. */
async function add(visitor, name, look = () => {}) {
    const { page } = visitor;
    await page.locator("#name").fill(name);
    await visitor.click('form[action="/me/passkeys"] button');
    const saved = page.locator('a[href="/me/passkeys?done=added"]');
    await saved.waitFor();
    await look();
    const codes = (await page.locator("main").textContent()).match(/[0-9a-z]{4}(-[0-9a-z]{4}){3}/g);
    assert.equal(codes.length, 10);
    await saved.click();
    await page.waitForURL("**/me/passkeys?done=added");
    return codes;
}

async function signOut({ page }) {
    await page.goto(`${SITE}/me`);
    await page.locator('form[action="/sign-out"] button').click();
    await page.waitForURL("**/sign-in");
}

const signInByPasskey = (visitor) => visitor.click('form[action="/sign-in/passkey"] button');

const secondByPasskey = (visitor) => visitor.click('form[action="/sign-in/code/passkey"] button');

/** An authenticator inside the device, for discoverable credentials, which its holder has unlocked. */
async function authenticator({ context, page }) {
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", {
        options: {
            protocol: "ctap2",
            transport: "internal",
            hasResidentKey: true,
            hasUserVerification: true,
            isUserVerified: true,
            automaticPresenceSimulation: true,
        },
    });
    const send = (method, more = {}) => devtools.send(`WebAuthn.${method}`, { authenticatorId, ...more });
    return {
        credentials: async () => (await send("getCredentials")).credentials,
        verifies: (isUserVerified) => send("setUserVerified", { isUserVerified }),
        /** Puts back a credential as it was. */
        becomes: async (credential) => {
            await send("clearCredentials");
            await send("addCredential", { credential });
        },
    };
}
