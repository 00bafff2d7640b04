// What happens to people off the straight way: they come back, come late, lose things, or have no scripts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import {
    answers,
    connect,
    expire,
    invite,
    invited,
    keyIn,
    launch,
    linkFor,
    mailsTo,
    postern,
    publicOf,
    SITE,
    SIZES,
    settings,
    until,
    Visitor,
} from "./support.mjs";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());
afterEach(() => settings());

/** A story that is told on a desktop and on a phone. */
function story(name, tell) {
    for (const size of Object.keys(SIZES)) {
        test(`${name}: ${size}`, async () => {
            const visitor = await Visitor.come(browser, { size });
            await tell(visitor, `${name.replace(/[^a-z]+/g, "-").slice(0, 40)}-${size}`);
            await visitor.leave();
        });
    }
}

test("whoever comes back goes on at the right step: reload, second tab, back, another browser", async () => {
    const link = await invited("comeback");
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    await page.goto(link);
    await visitor.click('form[action="/enroll/start"] button');
    await page.waitForURL("**/enroll/you");
    await visitor.click('form[action="/enroll/you"] button');
    await page.waitForURL("**/enroll/password");

    await page.reload();
    assert.match(page.url(), /\/enroll\/password$/);
    await page.goBack();
    assert.match(page.url(), /\/enroll\/you$/);
    const tab = await visitor.context.newPage();
    await tab.goto(`${SITE}/enroll/done`);
    assert.match(tab.url(), /\/enroll\/password$/);
    await tab.goto(link);
    assert.match(tab.url(), /\/enroll\/password$/);
    await visitor.leave();

    const another = await Visitor.come(browser, { size: "phone" });
    await another.page.goto(link);
    await another.look("link-opened-again");
    await another.click('form[action="/enroll/start"] button');
    await another.page.waitForURL("**/enroll/password");
    await another.leave();
});

story("a session that is over says so by itself, and the link asks for another one", async (visitor, username) => {
    const { page } = visitor;
    settings('[enrollment]\nsession_ttl = "5s"\n');
    const link = await invited(username);
    await page.goto(link);
    await visitor.click('form[action="/enroll/start"] button');
    await page.waitForURL("**/enroll/you");
    await page.locator(".countdown.low").waitFor();
    const before = await visitor.title();
    await until(
        "the page of a session that is over",
        async () => (await visitor.title().catch(() => before)) !== before,
    );
    assert.equal(await visitor.title(), "Your time is up");
    await visitor.look("session-over");

    await page.goto(link);
    assert.equal(await visitor.title(), "This link has been used");
    await visitor.look("link-used");
    const asked = mailsTo("ada").length;
    await visitor.click('form[action="/enroll/new-link"] button');
    assert.equal(await visitor.title(), "We have asked for a new link");
    await visitor.look("link-asked-for");
    await until("a mail to the administrator", () => mailsTo("ada").length > asked);
});

story("a link that was not used in time says what to do", async (visitor, username) => {
    const link = await invited(username);
    expire(username);
    await visitor.page.goto(link);
    assert.equal(await visitor.title(), "This link has expired");
    await visitor.look("link-expired");
});

story("a link that was withdrawn points to the newer one", async (visitor, username) => {
    const link = await invited(username);
    postern("user", "reinvite", username);
    await visitor.page.goto(link);
    assert.equal(await visitor.title(), "There is a newer link");
    await visitor.look("link-withdrawn");
    await visitor.page.goto(await linkFor(username, { besides: [link] }));
    assert.equal(await visitor.title(), "Welcome, Ann");
});

story("a link that never existed tells nothing of anybody", async (visitor) => {
    settings('[branding]\nhelp_text = "Our help desk is in room 7."\n');
    await visitor.page.goto(`${SITE}/?token=${"A".repeat(32)}`);
    assert.equal(await visitor.title(), "This link does not work");
    const text = await visitor.page.locator("body").textContent();
    assert.ok(text.includes("room 7") && !text.includes("ada"), text);
    assert.equal(await visitor.page.locator("main button").count(), 0);
    await visitor.look("link-unknown");
});

story("a link can be pasted, and what there is not has a page", async (visitor, username) => {
    const link = await invited(username);
    await visitor.page.goto(`${SITE}/enroll`);
    await visitor.look("paste");
    await visitor.page.locator("#token").fill(link);
    await visitor.page.keyboard.press("Enter");
    await until("the invitation", async () => (await visitor.title()) === "Welcome, Ann");
    await visitor.page.goto(`${SITE}/nowhere`);
    await visitor.look("not-found");
});

story("the device can wait where the administrator lets it", async (visitor, username) => {
    settings('[enrollment]\ndevice_step = "optional"\n');
    await visitor.toDevice(await invited(username));
    await visitor.look("device-optional");
    await visitor.click("#device-skip button");
    await visitor.page.waitForURL("**/enroll/done");
    await visitor.look("done-skipped");
});

story("what is refused is said beside the field, and what was typed is kept", async (visitor, username) => {
    const { page } = visitor;
    await page.goto(await invited(username));
    await visitor.click('form[action="/enroll/start"] button');
    await page.locator("#phone").fill("call me");
    await visitor.click('form[action="/enroll/you"] button');
    assert.equal(await page.inputValue("#phone"), "call me");
    assert.match(await page.locator("#phone-error").textContent(), /digits/);
    await visitor.look("you-refused");
    await page.locator("#phone").fill("+48 600 100 200");
    await visitor.click('form[action="/enroll/you"] button');
    await page.waitForURL("**/enroll/password");
    await page.locator("#password").fill("short");
    await visitor.click('form[action="/enroll/password"] button[type=submit]');
    assert.match(await page.locator("#password-error").textContent(), /8/);
    assert.equal(await page.inputValue("#password"), "");
    await visitor.look("password-refused");
});

story("whoever has a key brings it", async (visitor, username) => {
    const { page } = visitor;
    await visitor.toDevice(await invited(username));
    const key = execFileSync("wg", ["genkey"], { encoding: "utf8" }).trim();
    await visitor.click("#device-own summary");
    await page.locator("#own-name").fill("router");
    await page.locator("#own-key").fill("nonsense");
    await visitor.click("#device-own button");
    assert.match(await page.locator("#own-key-error").textContent(), /44/);
    assert.deepEqual([await page.inputValue("#own-name"), await page.inputValue("#own-key")], ["router", "nonsense"]);
    await visitor.look("own-key-refused");
    await page.locator("#own-key").fill(publicOf(key));
    await visitor.click("#device-own button");
    await page.locator("#device-registered").waitFor();
    await visitor.look("own-key-registered");

    const { name, path } = await visitor.download(page.locator("#device-registered .place a").first());
    const disconnect = connect(name, readFileSync(path, "utf8").replace("YOUR_PRIVATE_KEY", key));
    try {
        await until("an answer through the tunnel", () => answers("10.77.1.1"));
        await page.locator("#device-registered .lamp.connected").first().waitFor();
    } finally {
        disconnect();
    }
});

test("without scripts everything works but making a key", async () => {
    const visitor = await Visitor.come(browser, { scripts: false });
    const { page } = visitor;
    await visitor.toDevice(await invited("noscript"));
    assert.equal(await page.locator("#device-form").isVisible(), false);
    await page.locator("noscript").waitFor();
    await visitor.click("#device-own summary");
    await page.locator("#own-name").fill("router");
    await page.locator("#own-key").fill(publicOf(execFileSync("wg", ["genkey"], { encoding: "utf8" }).trim()));
    await visitor.click("#device-own button");
    const { name, path } = await visitor.download(page.locator("#device-registered .place a").first());
    assert.match(name, /\.conf$/);
    assert.match(readFileSync(path, "utf8"), /^PrivateKey = YOUR_PRIVATE_KEY$/m);
    assert.equal(await page.locator("#device-new-key").isVisible(), false);
    await page.goto(`${SITE}/enroll/done`);
    assert.equal(await visitor.title(), "You are all set");
    await visitor.leave();
});

test("the page warns before a key is lost, and is quiet once it is saved", async () => {
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    await visitor.toDevice(await invited("guard"));
    await visitor.register("laptop");
    const warnings = [];
    page.on("dialog", (dialog) => {
        warnings.push(dialog.type());
        void dialog.dismiss();
    });
    const go = page.locator('#device-result [data-slot="continue"]');
    const downloads = page.locator('#device-result [data-slot="download"]');
    await go.click();
    await until("a warning", () => warnings.length === 1);
    await visitor.download(downloads.nth(0));
    await go.click();
    await until("another warning, for the other file", () => warnings.length === 2);
    assert.deepEqual(warnings, ["beforeunload", "beforeunload"]);
    await visitor.download(downloads.nth(1));
    await go.click();
    await page.waitForURL("**/enroll/done");
    assert.equal(warnings.length, 2);
    await visitor.leave();
});

test("the end of the session takes no key away that was not saved", async () => {
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    settings('[enrollment]\nsession_ttl = "12s"\n');
    await visitor.toDevice(await invited("late"));
    await visitor.register("laptop");
    await until("the end", async () => (await page.locator(".countdown").textContent()) === "The time is up.");
    const place = page.locator("#device-result .place").first();
    const { name, path } = await visitor.download(place.locator('[data-slot="download"]'));
    const disconnect = connect(name, readFileSync(path, "utf8"));
    try {
        await until("an answer through the tunnel", () => answers("10.77.1.1"));
    } finally {
        disconnect();
    }
    await visitor.leave();
});

test("the end of the session leaves codes and files that were saved already", async () => {
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    settings('[enrollment]\nsession_ttl = "12s"\n');
    await visitor.toDevice(await invited("saver"));
    await visitor.register("laptop");
    await visitor.download(page.locator('[data-slot="archive"]'));
    await until("the end", async () => (await page.locator(".countdown").textContent()) === "The time is up.");
    await page.waitForLoadState("networkidle");
    const code = page.locator("#device-result .place svg").first();
    assert.match(await visitor.scan(code), /^PrivateKey = [A-Za-z0-9+/]{43}=$/m);
    await visitor.leave();
});

test("another site starts no session in somebody's browser", async () => {
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    const token = (await invited("intruder")).split("token=")[1];
    // What a site sends that does not want to be named.
    await page.setContent(
        `<form method="post" action="${SITE}/enroll/start"><input name="token" value="${token}"></form>`,
    );
    await page.evaluate("document.forms[0].submit()");
    await page.waitForURL(`${SITE}/enroll/start`);
    assert.equal(await visitor.title(), "This was not sent from our page");
    assert.deepEqual(await visitor.context.cookies(), []);
    await visitor.leave();
});

test("the end of the session leaves the last page to be read", async () => {
    const visitor = await Visitor.come(browser);
    settings('[enrollment]\nsession_ttl = "10s"\ndevice_step = "optional"\n');
    await visitor.toDevice(await invited("reader"));
    await visitor.click("#device-skip button");
    await visitor.page.waitForURL("**/enroll/done");
    const countdown = visitor.page.locator(".countdown");
    await until("the end", async () => (await countdown.textContent()) === "The time is up.");
    await visitor.page.waitForLoadState("networkidle");
    assert.equal(await visitor.title(), "You are all set");
    await visitor.leave();
});

test("a lost key is replaced by another one for the same device", async () => {
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    await visitor.toDevice(await invited("loser"));
    await visitor.register("laptop");
    const read = async () => page.locator('#device-result [data-slot="config"]').first().textContent();
    const configs = [await read()];

    await visitor.click("#device-result details.by-hand summary");
    await visitor.click('#device-result [data-slot="new-key"]');
    await until("another key", async () => !configs.includes(await read()));
    configs.push(await read());

    page.on("dialog", (dialog) => void dialog.accept());
    await page.reload();
    await page.locator("#device-registered").waitFor();
    assert.ok(!(await page.content()).includes(keyIn(configs[1])), "the page still knows the key");
    await visitor.look("registered-again");
    await visitor.click("#device-new-key");
    await page.locator("#device-result .place").first().waitFor();
    configs.push(await read());

    assert.equal(new Set(configs.map(keyIn)).size, 3);
    for (const [index, config] of configs.entries()) {
        const disconnect = connect(`hq${index}.conf`, config);
        try {
            if (index === 2) await until("an answer through the tunnel", () => answers("10.77.1.1"));
            else assert.ok(!answers("10.77.1.1"), "the old key still works");
        } finally {
            disconnect();
        }
    }
    const loser = JSON.parse(postern("user", "list", "--json")).find(({ username }) => username === "loser");
    assert.equal(loser.devices.length, 1);
    await visitor.leave();
});

test("a button copies where the clipboard may not be written to", async () => {
    const visitor = await Visitor.come(browser);
    const { page } = visitor;
    const link = await invited("copier");
    await page.goto(link);
    await visitor.click("details.by-hand summary");
    await visitor.click("[data-copy-target=client-token]");
    await until(
        "the word",
        async () => (await page.locator("[data-copy-target=client-token]").textContent()) === "Copied",
    );
    await page.goto(`${SITE}/enroll`);
    await page.locator("#token").focus();
    await page.keyboard.press("Control+V");
    assert.equal(await page.inputValue("#token"), link.split("token=")[1]);
    await visitor.leave();
});

story("a forgotten password is replaced by way of the mail", async (visitor, username) => {
    const { page } = visitor;
    invite(username);
    await visitor.toDevice(await linkFor(username));
    const before = [
        ...mailsTo(username)
            .join()
            .matchAll(/http:\/\/\S*token=[A-Za-z0-9_-]+/g),
    ].map(([link]) => link);
    await page.goto(`${SITE}/password`);
    await visitor.look("forgotten");
    await page.locator("#email").fill(`${username}@example.com`);
    await visitor.click('form[action="/password"] button');
    await page.waitForURL("**/password/sent");
    await visitor.look("forgotten-sent");
    await page.goto(await linkFor(username, { besides: before }));
    await visitor.look("reset-start");
    await visitor.click('form[action="/password-reset"] button');
    await page.waitForURL("**/password-reset/new");
    await page.locator("#password").fill("another-otter-lampshade");
    await visitor.look("reset-choose");
    await visitor.click('form[action="/password-reset/new"] button[type=submit]');
    assert.equal(await visitor.title(), "Your password is changed");
    await visitor.look("reset-done");
    await page.goto(`${SITE}/password-reset?token=${"A".repeat(32)}`);
    await visitor.look("reset-dead");
});
