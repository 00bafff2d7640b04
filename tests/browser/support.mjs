// What the suites share: the daemon's command line and mails, the browser, and everything that is looked at on a page.
// browser.rs has set the scene: this process is on a host whose only way out is the gateway.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const JSQR = require.resolve("jsqr/dist/jsQR.js");
const { POSTERN, POSTERN_DIR, POSTERN_SHOTS, POSTERN_SITE } = process.env;
export const SITE = POSTERN_SITE;
const PASSWORD = "otter-lampshade-quartz";
const NAME = new URL(SITE).hostname;
const CONFIG = join(POSTERN_DIR, "postern.toml");
const SETTINGS = readFileSync(CONFIG, "utf8");
/** The sizes at which pages are looked at: what the devices of the people are. */
export const SIZES = {
    desktop: { viewport: { width: 1280, height: 900 } },
    phone: {
        viewport: { width: 390, height: 844 },
        deviceScaleFactor: 2,
        isMobile: true,
        hasTouch: true,
        userAgent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile Safari/537.36",
    },
};
/** As a packaged desktop is, but for what talks to its maker. */
const FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--host-resolver-rules=MAP ${NAME} 192.0.2.1`,
];

/** What a browser complains of: refusals, which pages show themselves, and headers that mean nothing without TLS. */
const EXPECTED = /Failed to load resource|Cross-Origin-Opener-Policy header has been ignored/;

export const launch = () =>
    chromium.launch({ executablePath: process.env.CHROMIUM, chromiumSandbox: false, args: FLAGS });

// --- the administrator -------------------------------------------------------------------------------------------

export function postern(...args) {
    return execFileSync(POSTERN, ["--config", CONFIG, ...args], { encoding: "utf8" });
}

/** Puts further settings into force; without any, those of the beginning. */
export function settings(more = "") {
    writeFileSync(CONFIG, `${SETTINGS}\n${more}`);
    postern("reload");
}

/** Lets the link that somebody has run out, as it does by itself after a day. */
export function expire(username) {
    const update = "UPDATE enrollment SET expires_at = 1 WHERE user_id = (SELECT id FROM user WHERE username = ?)";
    const script =
        "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute(sys.argv[2], [sys.argv[3]]); d.commit()";
    execFileSync("python3", ["-c", script, join(POSTERN_DIR, "state/postern.db"), update, username]);
}

/** Invites somebody. */
export function invite(username) {
    const named = ["--first-name", "Ann", "--last-name", "Kowalska", "--email", `${username}@example.com`];
    return JSON.parse(postern("user", "invite", username, ...named, "--json"));
}

/** Invites somebody; the link, read out of the mail. */
export function invited(username) {
    invite(username);
    return linkFor(username);
}

/** The link in the newest mail to somebody, once it has come. */
export async function linkFor(username, { besides = [] } = {}) {
    const links = await until(`a mail to ${username}`, () => {
        const found = mailsTo(username).flatMap((text) => text.match(/https?:\/\/\S*token=[A-Za-z0-9_-]+/g) ?? []);
        const fresh = found.filter((link) => !besides.includes(link));
        return fresh.length > 0 && fresh;
    });
    return links.at(-1);
}

/** The mails to somebody, as plain text, in the order of their coming. */
export function mailsTo(username) {
    return allMails()
        .filter(({ to }) => to.includes(`${username}@example.com`))
        .map(({ text }) => text);
}

/** All mails, in the order of their coming. */
export function allMails() {
    const folder = join(POSTERN_DIR, "mail");
    const names = readdirSync(folder).filter((name) => name.endsWith(".eml"));
    const mails = names.map((name) => mailOf(readFileSync(join(folder, name), "latin1")));
    return mails.sort((a, b) => a.date - b.date);
}

function mailOf(raw) {
    const header = (name) => raw.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1].trim() ?? "";
    return {
        to: header("To"),
        subject: header("Subject"),
        date: Date.parse(header("Date")),
        text: partOf(raw, "text/plain"),
        html: partOf(raw, "text/html"),
    };
}

/** A part of a mail, decoded; empty if there is none. */
function partOf(raw, type) {
    const boundary = raw.match(/boundary="([^"]+)"/)?.[1];
    const parts = boundary === undefined ? [raw] : raw.split(`--${boundary}`);
    const [head, ...body] = (parts.find((part) => new RegExp(`^Content-Type: ${type}`, "im").test(part)) ?? "").split(
        "\r\n\r\n",
    );
    const encoded = body.join("\r\n\r\n");
    const encoding = head.match(/^Content-Transfer-Encoding: (\S+)/im)?.[1].toLowerCase();
    if (encoding === "base64") return Buffer.from(encoded, "base64").toString("utf8");
    const bytes = encoded
        .replace(/=\r?\n/g, "")
        .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
    return Buffer.from(encoding === "quoted-printable" ? bytes : encoded, "latin1").toString("utf8");
}

/** Waits until `look` finds something. */
export async function until(what, look, seconds = 40) {
    const end = performance.now() + seconds * 1000;
    for (;;) {
        const found = await look();
        if (found) return found;
        assert.ok(performance.now() < end, `did not happen within ${seconds} s: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
}

/** Somebody with an account, who is not signed in. */
export async function enrolled(browser, username, ...groups) {
    const visitor = await Visitor.come(browser);
    await visitor.toDevice(await invited(username));
    await visitor.register();
    for (const group of groups) postern("group", "add-user", group, username);
    await visitor.context.clearCookies();
    return visitor;
}

/** Signs in with the password of everybody who enrolled. */
export async function signIn({ page }, username) {
    await page.locator("#username").fill(username);
    await page.locator("#password").fill(PASSWORD);
    await page.locator('form[action^="/sign-in"] button[type=submit]').first().click();
}

// --- somebody with a browser -------------------------------------------------------------------------------------

/** What axe-core finds wrong with a page, or by only some of its rules. */
export async function findings(page, tags) {
    const options = { resultTypes: ["violations"], ...(tags && { runOnly: tags }) };
    const { violations } = await page.evaluate(`${AXE}; axe.run(document, ${JSON.stringify(options)})`);
    return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`);
}

/** Somebody's browser, in which everything that goes over the wire is remembered. */
export class Visitor {
    /** How: `size`, `language`, `scripts`. */
    static async come(browser, { size = "desktop", language = "en", scripts = true } = {}) {
        const locale = { en: "en-GB", pl: "pl-PL", de: "de-DE" }[language];
        const context = await browser.newContext({
            ...SIZES[size],
            locale,
            acceptDownloads: true,
            javaScriptEnabled: scripts,
            // The certificate is the scene's own; whom systems trust is looked at elsewhere.
            ignoreHTTPSErrors: true,
        });
        return new Visitor(context, await context.newPage(), `${language}-${size}`);
    }

    constructor(context, page, shots) {
        Object.assign(this, { context, page, shots, wire: [], pending: [], errors: [], left: false });
        context.on("request", (request) => {
            if (/^(blob|data):/.test(request.url())) return;
            this.wire.push(
                `${request.method()} ${request.url()}\n${JSON.stringify(request.headers())}\n${request.postData()}`,
            );
        });
        // What is under way when the browser is closed is heard by nobody.
        const deaf = (error) => {
            if (!this.left) throw error;
        };
        context.on("response", (response) => this.pending.push(this.hear(response).catch(deaf)));
        page.on("pageerror", (error) => this.errors.push(`${error}`));
        page.on("console", (message) => {
            if (message.type() === "error" && !EXPECTED.test(message.text())) this.errors.push(message.text());
        });
    }

    async hear(response) {
        if (/^(blob|data):/.test(response.url())) return;
        const headers = JSON.stringify(await response.allHeaders());
        const body = await response.body().catch(() => Buffer.alloc(0));
        this.wire.push(`${response.status()} ${response.url()}\n${headers}\n${body.toString("utf8")}`);
    }

    /** Everything that went over the wire, and nowhere but to the site. */
    async heard() {
        await Promise.all(this.pending);
        for (const line of this.wire) assert.ok(line.split(" ")[1].startsWith(`${SITE}/`), `outside: ${line}`);
        return this.wire.join("\n");
    }

    /** Takes a picture of the page. Chromium on a busy machine has none at times, and has one when it is asked again. */
    async picture(path) {
        for (let again = 3; ; again -= 1) {
            try {
                return await this.page.screenshot({ path, fullPage: true });
            } catch (error) {
                if (again === 0 || !String(error).includes("Unable to capture screenshot")) throw error;
            }
        }
    }

    /** Looks at the page by light and by dark: the accessibility rules, a picture, and that nothing is cut off. */
    async look(name) {
        for (const colorScheme of ["light", "dark"]) {
            await this.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
            await this.picture(join(POSTERN_SHOTS, `${this.shots}-${colorScheme}-${name}.png`));
            this.errors.push(...(await findings(this.page)).map((finding) => `${name}, ${colorScheme}: ${finding}`));
        }
        await this.page.emulateMedia({ colorScheme: "light" });
        // The narrowest phone, and a desktop's 1280 at four times the size.
        const usual = this.page.viewportSize();
        for (const width of [usual.width, 320]) {
            await this.page.setViewportSize({ ...usual, width });
            const wide = await this.page.evaluate("document.documentElement.scrollWidth");
            if (wide > width) this.errors.push(`${name}: ${wide} wide on a screen of ${width}`);
        }
        await this.page.setViewportSize(usual);
    }

    /** The title of the page, as its reader sees it. */
    title() {
        return this.page.locator("h1:visible").first().textContent();
    }

    async click(selector) {
        await this.page.locator(selector).click();
    }

    /** From a link to the device step, with a password. */
    async toDevice(link) {
        await this.page.goto(link);
        await this.click('form[action="/enroll/start"] button');
        await this.page.waitForURL("**/enroll/you");
        await this.click('form[action="/enroll/you"] button');
        await this.page.waitForURL("**/enroll/password");
        await this.page.locator("#password").fill(PASSWORD);
        await this.click('form[action="/enroll/password"] button[type=submit]');
        await this.page.waitForURL("**/enroll/device");
    }

    /** Registers the device; the answer's places. */
    async register(name) {
        if (name !== undefined) await this.page.locator("#device-name").fill(name);
        await this.click("#device-form button[type=submit]");
        await this.page.locator("#device-result").waitFor();
    }

    /** Downloads by a button; the file's name and content. */
    async download(button) {
        const [download] = await Promise.all([this.page.waitForEvent("download"), button.click()]);
        return { name: download.suggestedFilename(), path: await download.path() };
    }

    /** What a phone reads off the screen. */
    async scan(picture) {
        await picture.scrollIntoViewIfNeeded();
        const png = (await picture.screenshot()).toString("base64");
        const camera = await this.context.browser().newPage();
        await camera.addScriptTag({ path: JSQR });
        const read = await camera.evaluate(async (data) => {
            const image = new Image();
            image.src = `data:image/png;base64,${data}`;
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.width, image.height];
            const drawing = canvas.getContext("2d");
            drawing.drawImage(image, 0, 0);
            const { data: pixels } = drawing.getImageData(0, 0, canvas.width, canvas.height);
            return globalThis.jsQR(pixels, canvas.width, canvas.height)?.data;
        }, png);
        await camera.close();
        return read;
    }

    /** Goes, and says everything that was wrong with the pages. */
    async leave() {
        this.left = true;
        await this.context.close();
        assert.deepEqual(this.errors, []);
    }
}

/** The private key in a configuration. */
export const keyIn = (config) => config.match(/^PrivateKey = (\S+)$/m)[1];

/** The public key of a private one, says `wg`. */
export const publicOf = (key) => execFileSync("wg", ["pubkey"], { input: key, encoding: "utf8" }).trim();

/** A key in all the ways in which it could be written. */
export function spellings(key) {
    const bytes = Buffer.from(key, "base64");
    const plain = key.replace(/=$/, "");
    return [plain, encodeURIComponent(plain), bytes.toString("base64url"), bytes.toString("hex"), [...bytes].join(",")];
}

/** Brings up the tunnel of a configuration file with `wg-quick`, as its owner would; what is returned takes it down. */
export function connect(name, config) {
    const folder = join(POSTERN_DIR, "tunnels");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, name);
    writeFileSync(path, config, { mode: 0o600 });
    const env = {
        ...process.env,
        WG_QUICK_USERSPACE_IMPLEMENTATION: "wireguard-go",
        WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD: "1",
    };
    execFileSync("wg-quick", ["up", path], { env, stdio: "pipe" });
    return () => execFileSync("wg-quick", ["down", path], { env, stdio: "pipe" });
}

/** Whether an address answers. */
export const answers = (address) => spawnSync("ping", ["-n", "-q", "-c", "1", "-W", "1", address]).status === 0;
