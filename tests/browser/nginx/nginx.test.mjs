// An application that knows no OpenID, below a path of postern's own host: Debian's nginx asks postern who may use it, as
// config/nginx-forward-auth.conf tells administrators.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { enrolled, launch, postern, SITE, signIn } from "../support.mjs";

const WIKI = `${SITE}/wiki/`;

let browser;
before(async () => {
    browser = await launch();
    postern("group", "create", "staff");
    postern("app", "add", "wiki", "--group", "staff", "--url", WIKI, "--redirect-uri", WIKI);
});
after(() => browser.close());

/** What the application sees of a script's request. */
const seen = ({ page }, headers = {}, path = "/wiki/seen") =>
    page.evaluate(
        async ([path, headers]) => {
            const answer = await fetch(path, { headers: { accept: "application/json", ...headers } });
            const text = await answer.text();
            return { status: answer.status, ...(answer.status === 200 && JSON.parse(text)) };
        },
        [path, headers],
    );

test("a stranger is led to sign-in and back to where they wanted, and the application knows them", async () => {
    const visitor = await enrolled(browser, "reader", "staff");
    const { page } = visitor;
    const wanted = `${WIKI}a%20page?q=1&to=https://evil.example/`;
    await page.goto(wanted);
    assert.equal(page.url(), `${SITE}/sign-in`);
    await signIn(visitor, "reader");
    await page.waitForURL(wanted);
    assert.equal(await visitor.title(), "The wiki knows reader");

    const { headers } = await seen(visitor);
    const said = ["user", "email", "name", "groups"].map((name) => headers[`remote-${name}`]);
    assert.deepEqual(said, ["reader", "reader@example.com", "Ann Kowalska", "staff"]);
    // Signed in, they are asked nothing; and one more page of theirs is the portal, which leads nowhere else any more.
    await page.goto(WIKI);
    assert.equal(await visitor.title(), "The wiki knows reader");
    await page.goto(`${SITE}/me`);
    assert.equal(page.url(), `${SITE}/me`);
    await visitor.leave();
});

test("the application's cookies survive, and none of postern's reaches it", async () => {
    const visitor = await enrolled(browser, "cook", "staff");
    const { page, context } = visitor;
    await page.goto(WIKI);
    await signIn(visitor, "cook");
    await page.waitForURL(WIKI);
    const own = (await context.cookies(WIKI)).map(({ name }) => name).sort();
    assert.deepEqual(own, ["__Host-postern_browser", "__Host-postern_session", "wiki_session", "wiki_theme"]);
    const { headers } = await seen(visitor);
    assert.deepEqual(headers.cookie.split("; ").sort(), ["wiki_session=theirs", "wiki_theme=dark"]);
    // As much as browsers send.
    await context.addCookies([{ name: "wiki_much", value: "x".repeat(4000), url: WIKI }]);
    const { status, headers: more } = await seen(visitor);
    assert.equal(status, 200);
    assert.ok(more.cookie.includes("x".repeat(4000)) && !more.cookie.includes("postern"));
    await context.clearCookies({ name: /^wiki_/ });
    assert.equal((await seen(visitor)).headers.cookie, undefined);
    await visitor.leave();
});

test("who it is cannot be forged by what a browser sends", async () => {
    const visitor = await enrolled(browser, "forger", "staff");
    const { page } = visitor;
    await page.goto(WIKI);
    await signIn(visitor, "forger");
    await page.waitForURL(WIKI);
    const names = ["User", "Email", "Name", "Groups"];
    const forged = names.flatMap((name) => [`Remote-${name}`, `REMOTE_${name}`, `remote-${name.toLowerCase()}`]);
    const sent = Object.fromEntries([...forged, "X-Original-URI"].map((name) => [name, "admin"]));
    const { headers } = await seen(visitor, sent);
    assert.equal(headers["remote-user"], "forger");
    for (const [name, value] of Object.entries(headers)) {
        if (name.startsWith("remote")) assert.ok(!value.includes("admin"), `${name}: ${value}`);
    }
    // What is asked inside, nobody asks from outside: the answer holds cookies that are kept from scripts.
    for (const path of ["postern-asked-about-wiki", "forward-auth?app=wiki", "forward%2Dauth?app=wiki"]) {
        const answered = await page.evaluate(async (path) => {
            const answer = await fetch(path);
            return [answer.status, answer.headers.get("application-cookie")];
        }, `/${path}`);
        assert.deepEqual(answered, [404, null], path);
    }
    await visitor.leave();
});

test("somebody of another group is told so by a page, and the application's own refusals are its own", async () => {
    const visitor = await enrolled(browser, "guest");
    const { page } = visitor;
    await page.goto(WIKI);
    await signIn(visitor, "guest");
    await page.locator("h1").waitFor();
    await page.waitForURL(WIKI);
    assert.equal(await visitor.title(), "You may not use wiki yet");
    assert.equal((await page.reload()).status(), 403);
    await visitor.look("forward-auth-1-no-group");
    assert.equal((await seen(visitor)).status, 403);
    postern("group", "add-user", "staff", "guest");
    await page.goto(WIKI);
    assert.equal(await visitor.title(), "The wiki knows guest");
    assert.equal((await seen(visitor, {}, "/wiki/forbidden")).status, 403);
    postern("group", "remove-user", "staff", "guest");
    await page.goto(WIKI);
    assert.equal(await visitor.title(), "You may not use wiki yet");
    await visitor.leave();
});

test("an application that knows OpenID may ask for as much as a cookie carries", async () => {
    const visitor = await enrolled(browser, "asked", "staff");
    const { page } = visitor;
    const callback = "http://127.0.0.1:9/cb";
    const { client_id } = JSON.parse(postern("app", "add", "shop", "--redirect-uri", callback, "--public", "--json"));
    await page.goto(`${SITE}/sign-in`);
    let carried = 0;
    // The longest that is taken.
    for (let length = 2048; length > 0 && carried === 0; length -= 16) {
        const params = new URLSearchParams({
            response_type: "code",
            client_id,
            redirect_uri: callback,
            scope: "openid",
            state: "s".repeat(length),
            nonce: "n".repeat(512),
            code_challenge: "A".repeat(43),
            code_challenge_method: "S256",
        });
        const path = `/openid/authorize?${params}`;
        const status = await page.evaluate(
            async (path) => (await fetch(path, { redirect: "manual", headers: { accept: "text/html" } })).status,
            path,
        );
        assert.ok(status < 500, `${status} for ${path.length} bytes`);
        const cookies = await visitor.context.cookies(SITE);
        carried = cookies.find(({ name }) => name === "__Host-postern_app")?.value.length ?? 0;
    }
    assert.ok(carried > 3700 && carried <= 3800, `${carried}`);
    await visitor.leave();
});

test("a page of many parts is shown whole", async () => {
    const visitor = await enrolled(browser, "many", "staff");
    const { page } = visitor;
    await page.goto(WIKI);
    await signIn(visitor, "many");
    await page.waitForURL(WIKI);
    const parts = await page.evaluate(() =>
        Promise.all(Array.from({ length: 200 }, (_, part) => fetch(`/wiki/${part}`).then(({ status }) => status))),
    );
    assert.deepEqual(new Set(parts), new Set([200]));
    await visitor.leave();
});

test("who is disabled or signs out is out at once", async () => {
    const visitor = await enrolled(browser, "leaver", "staff");
    const { page } = visitor;
    for (const end of [() => postern("user", "disable", "leaver"), () => page.context().clearCookies()]) {
        await page.goto(WIKI);
        if (page.url() !== WIKI) await signIn(visitor, "leaver");
        await page.waitForURL(WIKI);
        assert.equal((await seen(visitor)).status, 200);
        await end();
        assert.equal((await seen(visitor)).status, 401, "a script is led to no page");
        await page.goto(WIKI);
        assert.equal(page.url(), `${SITE}/sign-in`);
        postern("user", "enable", "leaver");
    }
    await visitor.leave();
});

test("nobody is led away from this host after signing in", async () => {
    const visitor = await enrolled(browser, "led");
    const { page } = visitor;
    for (const path of ["/forward-auth/enter?app=wiki&to=https://evil.example/", "//evil.example/wiki/"]) {
        await page.setExtraHTTPHeaders({ "X-Original-URI": "https://evil.example/" });
        await page.goto(SITE + path);
        await page.setExtraHTTPHeaders({});
        assert.ok(page.url().startsWith(`${SITE}/`), page.url());
    }
    await page.goto(`${SITE}/sign-in`);
    await signIn(visitor, "led");
    await page.waitForURL(`${SITE}/me/apps`);
    await visitor.leave();
});
