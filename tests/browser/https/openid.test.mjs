// Other applications sign people in with their account: Apache's mod_auth_openidc as Debian has it, and openid-client of Node.
// They run here, where the browser runs, and trust the scene's certificate.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { enrolled, launch, postern, SITE, signIn, until } from "../support.mjs";

const OWN = join(dirname(fileURLToPath(import.meta.url)), "../relying");
const CHAIN = join(process.env.POSTERN_DIR, "chain.pem");

let browser;
let folder;
const running = [];
before(async () => {
    browser = await launch();
    // Apache reads there as another user.
    folder = mkdtempSync(join(tmpdir(), "relying-"));
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, "hosts"), `127.0.0.1 localhost\n192.0.2.1 ${new URL(SITE).hostname}\n`);
    postern("group", "create", "staff");
});
after(async () => {
    for (const program of running) program.kill();
    await browser?.close();
    if (folder) execFileSync("rm", ["-rf", folder]);
});

test("mod_auth_openidc signs in whom a group permits, and out again", async () => {
    const home = "http://127.0.0.1:8091";
    const app = added(
        "Apache",
        ...["--redirect-uri", `${home}/secure/callback`, "--post-logout-uri", `${home}/bye.html`],
        ...["--group", "staff", "--url", `${home}/secure/`],
    );
    await apache(8091, app);
    const visitor = await enrolled(browser, "apache-user", "staff");
    const { page } = visitor;
    await page.goto(`${home}/secure/`);
    assert.ok(page.url().startsWith(`${SITE}/sign-in`), page.url());
    await visitor.look("openid-1-sign-in");
    await signIn(visitor, "apache-user");
    await page.locator("button[value=allow]").waitFor();
    await visitor.look("openid-2-consent");
    await page.locator("button[value=allow]").click();
    await page.waitForURL(`${home}/secure/`);
    assert.equal(await visitor.title(), "Apache knows apache-user");
    const claims = await page.locator("#claims").textContent();
    assert.match(claims, /^email=apache-user@example\.com$/m);
    assert.match(claims, /^groups=staff$/m);
    assert.match(claims, new RegExp(`^iss=${SITE}/?$`, "m"));

    // Asked once: who signs in again sees no page in between.
    await page.context().clearCookies({ domain: "127.0.0.1" });
    await page.goto(`${home}/secure/`);
    await page.waitForURL(`${home}/secure/`);
    assert.equal(await visitor.title(), "Apache knows apache-user");
    await page.goto(`${SITE}/me`);
    await visitor.look("openid-3-me");

    await page.goto(`${home}/secure/callback?logout=${encodeURIComponent(`${home}/bye.html`)}`);
    await page.waitForURL(`${home}/bye.html*`);
    await page.goto(`${SITE}/me`);
    assert.ok(page.url().startsWith(`${SITE}/sign-in`), page.url());
    await leave(visitor);
});

test("somebody whom no group permits is told so, kindly, and may go back", async () => {
    const home = "http://127.0.0.1:8091";
    const visitor = await enrolled(browser, "apache-guest");
    const { page } = visitor;
    await page.goto(`${home}/secure/`);
    await signIn(visitor, "apache-guest");
    await page.locator('main a[href^="http://127.0.0.1:8091/"]').waitFor();
    await visitor.look("openid-4-no-group");
    // This Apache makes nothing of an error with an issuer (RFC 9207); openid-client, below, does.
    const back = new URL(await page.locator('main a[href^="http://127.0.0.1:8091/"]').getAttribute("href"));
    assert.equal(back.pathname, "/secure/callback");
    assert.equal(back.searchParams.get("error"), "access_denied");
    assert.equal(back.searchParams.get("iss"), SITE);
    assert.ok(back.searchParams.get("state"));
    await leave(visitor);
});

test("openid-client signs in by PKCE alone, and a refresh token used twice ends them all", async () => {
    const home = "http://127.0.0.1:8092";
    const app = added(
        ...["Node", "--public", "--id-token-alg", "EdDSA"],
        ...["--redirect-uri", `${home}/callback`, "--post-logout-uri", `${home}/bye`],
    );
    const env = { SITE, CLIENT: app.client_id, PORT: "8092", NODE_EXTRA_CA_CERTS: CHAIN };
    await serve(8092, process.execPath, [join(OWN, "node.mjs")], env);
    const visitor = await enrolled(browser, "node-user");
    const { page } = visitor;
    await page.goto(home);
    await signIn(visitor, "node-user");
    await page.locator("button[value=deny]").click();
    await page.waitForURL(`${home}/callback?*`);
    assert.match(await page.locator("body").textContent(), /access_denied/);

    await page.goto(home);
    await page.locator("button[value=allow]").click();
    await page.waitForURL(`${home}/callback?*`);
    const shown = await page.locator("body").textContent();
    const { claims, user, stolen, afterwards, end, refused } = JSON.parse(shown);
    assert.equal(refused, undefined, shown);
    assert.equal(user.preferred_username, "node-user");
    assert.equal(user.email, "node-user@example.com");
    assert.equal(user.sub, claims.sub);
    assert.ok(claims.auth_time > 1e9 && claims.amr.includes("pwd"), shown);
    assert.deepEqual([stolen, afterwards], ["invalid_grant", "invalid_grant"]);

    await page.goto(end);
    await page.waitForURL(`${home}/bye?state=left`);
    await page.goto(`${SITE}/me`);
    assert.ok(page.url().startsWith(`${SITE}/sign-in`), page.url());
    await leave(visitor);
});

/** An application, as the administrator adds it. */
function added(...args) {
    return JSON.parse(postern("app", "add", ...args, "--json"));
}

/** Goes; that an application has no icon is not the site's fault. */
async function leave(visitor) {
    visitor.errors = visitor.errors.filter((error) => !error.includes("favicon"));
    await visitor.leave();
}

/** Starts Apache with an application behind mod_auth_openidc. */
async function apache(port, { client_id, client_secret }) {
    cpSync(join(OWN, "htdocs"), join(folder, "htdocs"), { recursive: true });
    const values = {
        FOLDER: folder,
        PORT: port,
        SITE,
        CHAIN: join(folder, "chain.pem"),
        CLIENT: client_id,
        SECRET: client_secret,
    };
    cpSync(CHAIN, values.CHAIN);
    const text = readFileSync(join(OWN, "apache.conf"), "utf8").replaceAll(/@([A-Z]+)@/g, (_, word) => values[word]);
    writeFileSync(join(folder, "apache.conf"), text);
    await serve(port, "apache2", ["-X", "-f", join(folder, "apache.conf")]);
}

/** Starts a program that finds the site by its name, and waits until it listens. */
async function serve(port, program, args, env = {}) {
    const script = 'mount --bind "$0" /etc/hosts; exec "$@"';
    const child = spawn("unshare", ["-m", "sh", "-ec", script, join(folder, "hosts"), program, ...args], {
        env: { ...process.env, ...env },
        stdio: "inherit",
    });
    running.push(child);
    await until(`${program} that listens`, () =>
        fetch(`http://127.0.0.1:${port}/bye.html`).then(
            () => true,
            () => false,
        ),
    );
}
