// Bundles what the pages bring along into dist/, from which daemon/build.rs embeds it. Does nothing when the sources
// are those of the last time. Run it through `make assets`, which installs what it needs.
//
//   dist/manifest.json   what there is: names, files, types, hashes, and the digest of the sources
//   dist/*-HASH.*        the files, and beside those that shrink well, FILE.gz
//   dist/third-party-*   the licences of what is bundled

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const DIST = join(HERE, "dist");
const MANIFEST = join(DIST, "manifest.json");
/** The licences whose terms the notices file meets. */
const LICENCES = ["0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"];
const CONTENT_TYPES = {
    css: "text/css; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    png: "image/png",
    svg: "image/svg+xml",
    txt: "text/plain; charset=utf-8",
};

/** The digest that daemon/build.rs computes as well: of each source's name and content, by name. */
function digestOfSources() {
    const names = ["build.mjs", "package-lock.json", "tsconfig.json"];
    for (const folder of ["src", "styles"]) {
        for (const name of readdirSync(join(HERE, folder))) names.push(`${folder}/${name}`);
    }
    const hash = createHash("sha256");
    for (const name of names.sort()) {
        const content = readFileSync(join(HERE, name));
        hash.update(`${name}\n${content.length}\n`).update(content);
    }
    return hash.digest("hex");
}

function isCurrent(sources) {
    if (!existsSync(MANIFEST)) return false;
    const manifest = JSON.parse(readFileSync(MANIFEST, "utf8"));
    return manifest.sources === sources && manifest.assets.every(({ file }) => existsSync(join(DIST, file)));
}

async function bundle() {
    const { build } = await import("esbuild");
    return build({
        absWorkingDir: HERE,
        entryPoints: ["src/app.ts", "styles/app.css"],
        outdir: "dist",
        entryNames: "[name]-[hash]",
        chunkNames: "[name]-[hash]",
        assetNames: "[name]-[hash]",
        bundle: true,
        splitting: true,
        format: "esm",
        target: ["es2020", "chrome90", "firefox90", "safari15"],
        minify: true,
        legalComments: "none",
        charset: "utf8",
        loader: { ".svg": "file", ".png": "file" },
        metafile: true,
        write: false,
        logLevel: "warning",
        logLimit: 5,
    });
}

/** The packages of which something is in the bundle, with their licences. */
function thirdParties(metafile) {
    const folders = new Set();
    for (const output of Object.values(metafile.outputs)) {
        for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
            const folder = input.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];
            if (folder && bytesInOutput > 0) folders.add(folder);
        }
    }
    return [...folders].sort().map((folder) => {
        const { name, version, license } = JSON.parse(readFileSync(join(HERE, folder, "package.json"), "utf8"));
        const file = readdirSync(join(HERE, folder)).find((entry) => /^licen[cs]e/i.test(entry));
        if (!LICENCES.includes(license)) {
            throw new Error(`${name} ${version} is under ${license}, which is none of ${LICENCES.join(", ")}`);
        }
        if (!file) throw new Error(`${name} ${version} comes without the text of its licence`);
        return { name, version, license, text: readFileSync(join(HERE, folder, file), "utf8").trim() };
    });
}

function notices(parties) {
    const texts = parties.map((party) => `${party.name} ${party.version} (${party.license})\n\n${party.text}\n`);
    return `The pages of postern contain parts of these packages:\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`;
}

/** What dist/ holds, by file name: content and the name by which the daemon asks for it. */
function filesOf({ outputFiles, metafile }) {
    const files = outputFiles.map(({ path, contents }) => {
        const file = basename(path);
        const output = metafile.outputs[`dist/${file}`];
        const name = output.entryPoint ? file.replace(/-[A-Z0-9]+\./, ".") : file;
        return { name, file, contents: Buffer.from(contents) };
    });
    const text = Buffer.from(notices(thirdParties(metafile)));
    const hash = createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
    files.push({ name: "third-party.txt", file: `third-party-${hash}.txt`, contents: text });
    return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function write(sources, files) {
    rmSync(DIST, { recursive: true, force: true });
    mkdirSync(DIST);
    const assets = files.map(({ name, file, contents }) => {
        const type = CONTENT_TYPES[file.split(".").pop()];
        if (!type) throw new Error(`${file}: which content type is that? Add it to CONTENT_TYPES.`);
        writeFileSync(join(DIST, file), contents);
        const packed = gzipSync(contents, { level: 9 });
        const gzip = packed.length < contents.length * 0.9;
        if (gzip) writeFileSync(join(DIST, `${file}.gz`), packed);
        const hash = createHash("sha256").update(contents).digest("hex").slice(0, 32);
        return { name, file, type, hash, gzip };
    });
    // Last: without it, nothing is there.
    writeFileSync(MANIFEST, `${JSON.stringify({ sources, assets }, null, 2)}\n`);
}

const sources = digestOfSources();
if (process.argv.includes("--is-current")) process.exit(isCurrent(sources) ? 0 : 1);
write(sources, filesOf(await bundle()));
