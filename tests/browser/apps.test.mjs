// Signing in to another application with the account: an application of this test's own, on the loopback address, which sends
// people on to another name of its own, as many do. Chromium holds that against the pages' form-action.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { invited, launch, postern, SITE, Visitor } from "./support.mjs";

const PASSWORD = "otter-lampshade-quartz";

let browser;
let server;
before(async () => {
    browser = await launch();
    server = createServer(answer).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
});
after(async () => {
    await browser?.close();
    server?.close();
});

const here = (name) => `http://${name}:${server.address().port}`;

/** The callback leads on to another origin. */
function answer(request, response) {
    if (request.url.startsWith("/cb")) {
        response.writeHead(302, { location: `${here("localhost")}/home${request.url.slice(3)}` }).end();
    } else {
        response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>app</title><h1>Wiki</h1>");
    }
}

for (const [language, size] of [
    ["en", "desktop"],
    ["de", "phone"],
    ["pl", "phone"],
]) {
    test(`somebody signs in to an application and takes it back: ${language}, ${size}`, async () => {
        const username = `apps-${language}`;
        const app = `Wiki ${language}`;
        await enroll(username, size);
        const added = JSON.parse(
            postern(
                "app",
                "add",
                app,
                "--redirect-uri",
                "http://127.0.0.1/cb",
                "--public",
                "--url",
                "https://wiki.example.com/",
                "--json",
            ),
        );
        const visitor = await Visitor.come(browser, { size, language });
        const { page } = visitor;
        const verifier = randomBytes(32).toString("base64url");
        await page.goto(start(added.client_id, verifier, "openid profile email groups offline_access"));
        await page.waitForURL("**/sign-in");
        await page.locator("#username").fill(username);
        await page.locator("#password").fill(PASSWORD);
        await visitor.click("main button[type=submit]");
        await page.waitForURL("**/openid/continue");
        await visitor.look("apps-1-consent");
        await visitor.click("button[value=allow]");
        await page.waitForURL(`${here("localhost")}/home?code=*`);
        const sent = new URL(page.url()).searchParams;
        assert.equal(sent.get("state"), "s&t");
        assert.equal(sent.get("iss"), new URL(SITE).origin);
        await page.goto(`${SITE}/me/apps`);
        await visitor.look("apps-2-mine");
        await visitor.click('form[action="/me/apps"] button');
        await page.waitForURL("**/me/apps?done=withdrawn");
        await visitor.look("apps-3-withdrawn");
        postern("group", "create", `apps-${language}`);
        postern("app", "edit", app, "--group", `apps-${language}`);
        await page.goto(start(added.client_id, verifier, "openid"));
        await visitor.look("apps-4-not-permitted");
        await page.goto(`${SITE}/openid/logout?client_id=${added.client_id}`);
        await visitor.look("apps-5-sign-out");
        await visitor.click('form[action="/openid/logout/confirm"] button');
        await page.waitForURL("**/sign-in");
        await visitor.leave();
    });
}

/** From the invitation to a password. */
async function enroll(username, size) {
    const visitor = await Visitor.come(browser, { size });
    await visitor.toDevice(await invited(username));
    await visitor.leave();
}

function start(client, verifier, scope) {
    const params = new URLSearchParams({
        response_type: "code",
        client_id: client,
        redirect_uri: `${here("127.0.0.1")}/cb`,
        scope,
        state: "s&t",
        nonce: "n",
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
    });
    return `${SITE}/openid/authorize?${params}`;
}
