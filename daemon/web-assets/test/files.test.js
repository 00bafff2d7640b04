// What is handed out: files, codes and archives hold the same configuration.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import jsQR from "jsqr";
import { archiveOf } from "../src/archive";
import { withKey } from "../src/config";
import { codeOf } from "../src/qr";

// Node 18 has it only as a module.
globalThis.File ??= File;

const KEY = "YAnfvYoJgRwzcpeXTdCjZ7WVRlrlXzB4FZdU5QPSv3E=";
const file = (networks) => `[Interface]
PrivateKey = YOUR_PRIVATE_KEY
Address = 10.77.1.7/24,fd77:1::7/64
DNS = 10.77.1.1,corp.example.com

[Peer]
PublicKey = 8dtClgsuhbLLHrGMVrDtBeIqLGXbcbJcXV8mCEYvO0M=
AllowedIPs = ${networks}
Endpoint = vpn.example.com:51820
PersistentKeepalive = 25
`;
const networks = (count) => Array.from({ length: count }, (_, index) => `10.${index}.0.0/16`).join(",");

/** What a camera sees: the code at four pixels a module, with its margin. `stain`: a white square of this many modules. */
function decoded(code, stain = 0) {
    const side = (code.size + 8) * 4;
    const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
    for (let y = 0; y < side; y += 1) {
        for (let x = 0; x < side; x += 1) {
            const [column, row] = [Math.floor(x / 4) - 4, Math.floor(y / 4) - 4];
            const middle = (code.size - stain) / 2;
            const isStained = [column, row].every((at) => at >= middle && at < middle + stain);
            if (code.get(column, row) && !isStained) {
                pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
            }
        }
    }
    return jsQR(pixels, side, side)?.data;
}

test("the key takes the placeholder's place and nothing else changes", () => {
    const given = file("10.0.0.0/8");
    const made = withKey(given, "YOUR_PRIVATE_KEY", KEY);
    assert.match(made, new RegExp(`^PrivateKey = ${KEY.replaceAll("+", "\\+")}$`, "m"));
    assert.equal(made.replace(KEY, "YOUR_PRIVATE_KEY"), given);
});

test("a replacement pattern in a key is no pattern", () => {
    assert.equal(withKey("a KEY b", "KEY", "$&$1"), "a $&$1 b");
});

test("a file without one single place for the key is refused", () => {
    for (const config of ["", "PrivateKey = x", "YOUR_PRIVATE_KEY YOUR_PRIVATE_KEY"]) {
        assert.throws(() => withKey(config, "YOUR_PRIVATE_KEY", KEY), /no single place/);
    }
    assert.throws(() => withKey("anything", "", KEY), /no single place/);
});

test("a phone reads the same configuration from the code", () => {
    for (const count of [1, 10, 40]) {
        const config = withKey(file(networks(count)), "YOUR_PRIVATE_KEY", KEY);
        assert.equal(decoded(codeOf(config)), config);
    }
});

test("codes are as robust as their length allows", () => {
    const usual = codeOf(file(networks(8)));
    assert.ok(usual.size <= 4 * 15 + 17, `${usual.size}`);
    assert.equal(decoded(usual, Math.floor(usual.size * 0.28)), file(networks(8)));
    const long = codeOf(file(networks(60)));
    assert.ok(long.size > 4 * 15 + 17 && long.size <= 4 * 25 + 17, `${long.size}`);
});

test("what no camera would resolve is no code", () => {
    assert.equal(codeOf(file(networks(200))), null);
});

test("the archive holds every file as it is", async () => {
    const files = [
        { name: "office.conf", text: file("10.0.0.0/8") },
        { name: "lab.conf", text: file("10.1.0.0/16") },
    ];
    const archive = await archiveOf(files, new Date("2026-11-25T12:00:00Z"));
    const path = join(mkdtempSync(join(tmpdir(), "postern-zip")), "wireguard.zip");
    writeFileSync(path, Buffer.from(await archive.arrayBuffer()));
    // Somebody else's reader.
    const script =
        "import json, sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; " +
        "print(json.dumps([{'name': i.filename, 'text': z.read(i).decode()} for i in z.infolist()]))";
    assert.deepEqual(JSON.parse(execFileSync("python3", ["-c", script, path], { encoding: "utf8" })), files);
});
