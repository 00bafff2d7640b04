// Keys against RFC 7748 and against `wg` itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { keyPairOf, newKeyPair } from "../src/keys";

// Node 18 has it only as a module.
globalThis.crypto ??= webcrypto;

const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => Number.parseInt(pair, 16));
const base64 = (hex) => Buffer.from(hex, "hex").toString("base64");

test("public keys are those of RFC 7748", () => {
    for (const [secret, expected] of [
        // 6.1, Alice and Bob.
        [
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        ],
        [
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        ],
    ]) {
        assert.equal(keyPairOf(bytes(secret)).publicKey, base64(expected));
    }
});

test("private keys are clamped, as wg writes them", () => {
    assert.equal(keyPairOf(new Uint8Array(32).fill(255)).privateKey, base64(`f8${"ff".repeat(30)}7f`));
    assert.equal(keyPairOf(new Uint8Array(32)).privateKey, base64(`00${"00".repeat(30)}40`));
});

test("the secret that was given stays as it was", () => {
    const secret = new Uint8Array(32).fill(255);
    keyPairOf(secret);
    assert.deepEqual(secret, new Uint8Array(32).fill(255));
});

test("wg derives the same public key", () => {
    for (let round = 0; round < 20; round += 1) {
        const { privateKey, publicKey } = newKeyPair();
        assert.equal(execFileSync("wg", ["pubkey"], { input: privateKey, encoding: "utf8" }).trim(), publicKey);
    }
});

test("no two key pairs are the same", () => {
    const keys = new Set(Array.from({ length: 20 }, () => newKeyPair().privateKey));
    assert.equal(keys.size, 20);
});
