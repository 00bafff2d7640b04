// What only TLS gives a browser: cookies that are bound to the host, and the clipboard.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { invited, launch, SITE, until, Visitor } from "../support.mjs";

let browser;
before(async () => {
    browser = await launch();
});
after(() => browser?.close());

test("over https a session is bound to the host, and a button writes to the clipboard", async () => {
    const visitor = await Visitor.come(browser);
    const { page, context } = visitor;
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: SITE });
    const link = await invited("tess");
    assert.ok(link.startsWith(`${SITE}/`), link);
    await page.goto(link);
    assert.ok(await page.evaluate("isSecureContext"));
    await visitor.click("details.by-hand summary");
    // The old way of copying is no help here.
    await page.evaluate("document.execCommand = () => false");
    await visitor.click("[data-copy-target=client-token]");
    await until(
        "the word",
        async () => (await page.locator("[data-copy-target=client-token]").textContent()) === "Copied",
    );
    assert.equal(await page.evaluate("navigator.clipboard.readText()"), link.split("token=")[1]);

    await visitor.toDevice(link);
    const cookies = await context.cookies();
    const bound = cookies.filter(({ name }) => name.startsWith("__Host-"));
    assert.deepEqual(
        bound.map(({ name, secure, httpOnly, path }) => ({ name, secure, httpOnly, path })),
        ["enroll", "browser"].map((what) => ({
            name: `__Host-postern_${what}`,
            secure: true,
            httpOnly: true,
            path: "/",
        })),
    );
    await visitor.register("laptop");
    await page.locator("#device-result .lamp.ready").first().waitFor();
    const [protocol] = await page.evaluate("performance.getEntriesByType('navigation').map((e) => e.nextHopProtocol)");
    assert.equal(protocol, "h2");
    await visitor.leave();
});
