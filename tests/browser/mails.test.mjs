// The mails that the other suites made the daemon send, as a mail program shows them.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { allMails, findings, launch, SIZES } from "./support.mjs";

const FOLDER = join(process.env.POSTERN_SHOTS, "mails");
/** Rules about whole pages do not concern what a mail program shows within its own. */
const STANDARDS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"];
let browser;
before(async () => {
    browser = await launch();
    mkdirSync(FOLDER, { recursive: true });
});
after(() => browser?.close());

test("mails can be read by everybody, at any size, and fetch nothing", async () => {
    const mails = new Map(allMails().map((mail) => [mail.subject.replace(/[^A-Za-z]+/g, "-"), mail.html]));
    assert.ok(mails.size >= 4, `only ${[...mails.keys()].join(" and ")}`);
    const wrong = [];
    for (const [size, screen] of Object.entries(SIZES)) {
        const context = await browser.newContext(screen);
        const page = await context.newPage();
        page.on("request", (request) => wrong.push(`asks for ${request.url()}`));
        for (const [name, html] of mails) {
            await page.setContent(html);
            for (const colorScheme of ["light", "dark"]) {
                await page.emulateMedia({ colorScheme });
                await page.screenshot({ path: join(FOLDER, `${name}-${size}-${colorScheme}.png`), fullPage: true });
                wrong.push(
                    ...(await findings(page, STANDARDS)).map(
                        (finding) => `${name}, ${size}, ${colorScheme}: ${finding}`,
                    ),
                );
            }
            const wide = await page.evaluate("document.documentElement.scrollWidth");
            if (wide > screen.viewport.width) wrong.push(`${name}: ${wide} wide on ${screen.viewport.width}`);
        }
        await context.close();
    }
    assert.deepEqual(wrong, []);
});
