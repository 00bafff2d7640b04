// WireGuard key pairs. The private key never leaves this page but in what the user saves.

import { x25519 } from "@noble/curves/ed25519.js";

/** A key pair as `wg` writes it: base64. */
export interface KeyPair {
    readonly privateKey: string;
    readonly publicKey: string;
}

/** A new key pair from the browser's own generator; `crypto.subtle` does not exist on plain http. */
export function newKeyPair(): KeyPair {
    return keyPairOf(crypto.getRandomValues(new Uint8Array(32)));
}

/** The key pair of a secret. Its bits are set as every implementation sets them before use, so that `wg` shows the same key. */
export function keyPairOf(secret: Uint8Array): KeyPair {
    const clamped = Uint8Array.from(secret);
    clamped[0] = (clamped[0] ?? 0) & 248;
    clamped[31] = ((clamped[31] ?? 0) & 127) | 64;
    return { privateKey: base64(clamped), publicKey: base64(x25519.getPublicKey(clamped)) };
}

function base64(bytes: Uint8Array): string {
    return btoa(String.fromCharCode(...bytes));
}
