// What somebody who has signed in does for themselves: a device, another key for it, the desktop client, their details.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import {
    connect,
    invited,
    keyIn,
    launch,
    mailsTo,
    postern,
    publicOf,
    SITE,
    settings,
    spellings,
    until,
    Visitor,
} from "./support.mjs";

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
    test(`a device is added, connects and gets another key: ${language}, ${size}`, async () => {
        const username = `portal-${language}-${size}`;
        const visitor = await signedIn(username, { size, language });
        const { page } = visitor;
        moved(username);
        await page.reload();
        await visitor.look("portal-1-me");
        await page.locator('a[href="/me/devices/add"]').click();
        await page.waitForURL("**/me/devices/add");
        await visitor.look("portal-2-add");
        await visitor.register(`Another ${size}`);
        await visitor.look("portal-3-result");
        const first = await configuration(page);
        await connected(page, "portal-a.conf", first);
        await visitor.click('[data-slot="continue"]');
        await page.waitForURL("**/me");
        assert.equal(devices(username).length, 2);
        await page.locator(".entries a").first().click();
        await page.waitForURL("**/me/device?id=*");
        await visitor.look("portal-4-device");
        await page.locator('a[href^="/me/device/files"]').click();
        await page.waitForURL("**/me/device/files?id=*");
        await visitor.look("portal-5-files");
        await visitor.click("#device-new-key");
        await page.locator("#device-result").waitFor();
        const second = await configuration(page);
        assert.notEqual(keyIn(second), keyIn(first));
        assert.ok(devices(username).some(({ public_key }) => public_key === publicOf(keyIn(second))));
        assert.ok(!devices(username).some(({ public_key }) => public_key === publicOf(keyIn(first))));
        await connected(page, "portal-b.conf", second);
        const heard = await visitor.heard();
        for (const config of [first, second]) {
            for (const key of spellings(keyIn(config))) assert.ok(!heard.includes(key), "a private key went out");
        }
        await until("a mail about the device", () =>
            mailsTo(username).some((text) => text.includes(`Another ${size}`)),
        );
        await visitor.leave();
    });

    test(`the desktop client's link and one's details: ${language}, ${size}`, async () => {
        const username = `portal-client-${language}-${size}`;
        const visitor = await signedIn(username, { size, language });
        const { page } = visitor;
        await page.locator('a[href="/me/client"]').click();
        await page.waitForURL("**/me/client");
        // Enrolling left one.
        await visitor.look("portal-6-link");
        await visitor.click('form[action="/me/client/withdraw"] button');
        await page.waitForURL("**/me?done=withdrawn");
        await page.goto(`${SITE}/me/client`);
        await visitor.look("portal-7-no-link");
        await page.locator("#mail").check();
        await visitor.click('form[action="/me/client"] button');
        await page.locator('a[href^="defguard://"]').waitFor();
        await page.locator(".by-hand summary").click();
        const token = await page.inputValue("#client-token");
        await until("a mail with the link", () => mailsTo(username).some((text) => text.includes(token)));
        await page.goto(`${SITE}/me/particulars`);
        await visitor.look("portal-8-details");
        await page.locator("#first_name").fill("");
        await page.locator("#phone").fill("none");
        await visitor.click('form[action="/me/particulars"] button');
        await page.locator("#first_name-error").waitFor();
        await visitor.look("portal-9-details-wrong");
        await page.locator("#first_name").fill("Anna Maria");
        await page.locator("#phone").fill("+48 22 123");
        await visitor.click('form[action="/me/particulars"] button');
        await page.waitForURL("**/me?done=changed");
        const { first_name, phone } = JSON.parse(postern("user", "show", username, "--json"));
        assert.deepEqual([first_name, phone], ["Anna Maria", "+48 22 123"]);
        settings("[devices]\nlimit = 1\n");
        await page.goto(`${SITE}/me/devices/add`);
        assert.equal(await page.locator("form").count(), 0);
        await visitor.look("portal-10-full");
        await visitor.leave();
    });
}

test("without scripts, too, somebody brings a key of their own and replaces it", async () => {
    const username = "portal-plain";
    const visitor = await signedIn(username, { scripts: false });
    const { page } = visitor;
    const keys = [0, 1].map(() => publicOf(execFileSync("wg", ["genkey"], { encoding: "utf8" })));
    await page.goto(`${SITE}/me/devices/add`);
    await page.locator("#device-own summary").click();
    await page.locator("#own-name").fill("Router");
    await page.locator("#own-key").fill(keys[0]);
    await visitor.click("#device-own button");
    await page.waitForURL("**/me/device/files?id=*");
    const file = await visitor.download(page.locator("#device-registered .place a").first());
    assert.equal(file.name, "hq.conf");
    await page.locator("#device-registered details summary").click();
    await page.locator("#own-key").fill(keys[1]);
    await visitor.click('form[action="/me/device/key"] button');
    await page.waitForURL("**/me/device/files?id=*");
    const found = devices(username).map(({ public_key }) => public_key);
    assert.ok(found.includes(keys[1]) && !found.includes(keys[0]));
    await visitor.leave();
});

/** Somebody with a device, signed in, on their page. */
async function signedIn(username, how) {
    const enrolling = await Visitor.come(browser);
    await enrolling.toDevice(await invited(username));
    await enrolling.register("First one");
    await enrolling.leave();
    await until("the welcome", () => mailsTo(username).length > 1);
    const visitor = await Visitor.come(browser, how);
    const { page } = visitor;
    await page.goto(`${SITE}/sign-in`);
    await page.locator("#username").fill(username);
    await page.locator("#password").fill(PASSWORD);
    await page.locator('form[action="/sign-in"] button[type=submit]').click();
    await page.waitForURL("**/me");
    return visitor;
}

const devices = (username) => JSON.parse(postern("device", "list", "--user", username, "--json"));

const configuration = (page) => page.locator('#device-result [data-slot="config"]').first().textContent();

/** The lamp of the device lights up. */
async function connected(page, name, config) {
    const disconnect = connect(name, config);
    try {
        await page.locator("#device-result .lamp.connected").first().waitFor({ timeout: 40_000 });
    } finally {
        disconnect();
    }
}

/** Somebody's devices moved something in the last hours. */
function moved(username) {
    const insert = `INSERT INTO traffic (device_id, location_id, hour, received, sent)
        SELECT d.id, a.location_id, unixepoch() / 3600 - n.value, 1000000 * (n.value % 7) + 1, 5000000 * (n.value % 5)
        FROM device d JOIN user u ON u.id = d.user_id JOIN device_address a ON a.device_id = d.id,
        json_each('[0,1,2,3,4,6,9,10,11,12,20,23]') n WHERE u.username = ?`;
    const script =
        "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2], [sys.argv[3]]); d.commit()";
    execFileSync("python3", ["-c", script, join(process.env.POSTERN_DIR, "state/postern.db"), insert, username]);
}
