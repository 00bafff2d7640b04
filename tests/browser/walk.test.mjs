// The whole way of an invited person, from the mail to the tunnel.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { answers, connect, invited, keyIn, launch, publicOf, SIZES, spellings, until, Visitor } from "./support.mjs";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

for (const language of ["en", "pl", "de"]) {
    for (const size of Object.keys(SIZES)) {
        test(`an invited person reaches the network with the downloaded file: ${language}, ${size}`, async () => {
            const visitor = await Visitor.come(browser, { size, language });
            await walk(visitor, `walk-${language}-${size}`, language);
            await visitor.leave();
        });
    }
}

async function walk(visitor, username, language) {
    const { page } = visitor;
    const link = await invited(username);
    await page.goto(link);
    assert.equal(await page.getAttribute("html", "lang"), language);
    await visitor.look("1-invitation");

    await visitor.click('form[action="/enroll/start"] button');
    await page.waitForURL("**/enroll/you");
    assert.ok(!page.url().includes("token"), page.url());
    await countsDown(page);
    await visitor.look("2-you");

    await visitor.click('form[action="/enroll/you"] button');
    await page.waitForURL("**/enroll/password");
    await advises(visitor);

    await visitor.click('form[action="/enroll/password"] button[type=submit]');
    await page.waitForURL("**/enroll/device");
    assert.match(await page.inputValue("#device-name"), /Ann/);
    await visitor.look("4-device");

    await visitor.register();
    const lamps = page.locator("#device-result .lamp");
    await page.locator("#device-result .lamp.ready").nth(1).waitFor();
    await visitor.look("5-registered");
    const configs = await savesEverything(visitor);
    await connects(visitor, lamps, configs);
    await visitor.look("6-connected");
    await staysSecret(visitor, configs);

    await visitor.click('#device-result [data-slot="continue"]');
    await page.waitForURL("**/enroll/done");
    await visitor.look("7-done");
}

/** The clock runs by itself. */
async function countsDown(page) {
    const shown = () => page.locator("[data-module=countdown]").textContent();
    await until("a clock", async () => /\b(9|10):\d\d\b/.test(await shown()));
    const first = await shown();
    await until("a clock that runs", async () => (await shown()) !== first);
}

async function advises(visitor) {
    const { page } = visitor;
    const [field, advice] = [page.locator("#password"), page.locator("#password-strength")];
    await field.fill("password");
    await until("a warning", async () => (await advice.getAttribute("data-score")) === "0");
    const weak = await advice.textContent();
    await field.fill("otter-lampshade-quartz");
    await until("praise", async () => (await advice.getAttribute("data-score")) === "4");
    assert.notEqual(await advice.textContent(), weak);
    await visitor.look("3-password");
    const offer = await page.locator("#password-show").textContent();
    await visitor.click("#password-show");
    assert.equal(await field.getAttribute("type"), "text");
    assert.notEqual(await page.locator("#password-show").textContent(), offer);
    await visitor.click("#password-show");
    assert.equal(await field.getAttribute("type"), "password");
}

/** The file, the code and the archive hold the same configuration; what is told of the file's name is right. */
async function savesEverything(visitor) {
    const { page } = visitor;
    const places = page.locator("#device-result .place");
    assert.equal(await places.count(), 2);
    const configs = [];
    for (const index of [0, 1]) {
        const place = places.nth(index);
        const { name, path } = await visitor.download(place.locator('[data-slot="download"]'));
        assert.match(name, /^[a-zA-Z0-9_=+.-]{1,15}\.conf$/);
        const config = readFileSync(path, "utf8");
        assert.match(config, /^PrivateKey = [A-Za-z0-9+/]{43}=$/m);
        assert.equal(await visitor.scan(place.locator("svg")), config);
        assert.equal(await place.locator('[data-slot="config"]').textContent(), config);
        configs.push({ name, config });
    }
    const { name, path } = await visitor.download(page.locator('[data-slot="archive"]'));
    assert.equal(name, "wireguard.zip");
    // Nothing is packed, so each file is in there as it is.
    for (const { name: file, config } of configs) {
        const archive = readFileSync(path, "utf8");
        assert.ok(archive.includes(config) && archive.includes(file), file);
    }
    return configs;
}

async function connects(visitor, lamps, configs) {
    for (const [index, { name, config }] of configs.entries()) {
        assert.match(await lamps.nth(index).getAttribute("class"), /ready/);
        const inside = `10.77.${index + 1}.1`;
        assert.ok(!answers(inside), "reachable without a tunnel");
        const disconnect = connect(name, config);
        try {
            await until(`an answer from ${inside}`, () => answers(inside));
            await visitor.page
                .locator("#device-result .lamp")
                .nth(index)
                .and(visitor.page.locator(".connected"))
                .waitFor();
        } finally {
            disconnect();
        }
    }
}

/** The public key was sent; the private one, never. */
async function staysSecret(visitor, configs) {
    const heard = await visitor.heard();
    const key = keyIn(configs[0].config);
    assert.ok(
        heard.includes(JSON.stringify(publicOf(key)).slice(1, -1)),
        "the public key was not heard: who listens is deaf",
    );
    assert.ok(heard.includes("YOUR_PRIVATE_KEY"), "no configuration was heard: who listens is deaf");
    for (const spelling of spellings(key))
        assert.ok(!heard.includes(spelling), `the private key went over the wire: ${spelling}`);
}
