// An application with openid-client, which is strict: a public client that keeps no secret. What it learned of who signed in is
// its page.

import { createServer } from "node:http";
import * as client from "openid-client";

const { SITE, CLIENT, PORT } = process.env;
const HOME = `http://127.0.0.1:${PORT}`;
const config = await client.discovery(new URL(SITE), CLIENT, undefined, client.None());
// Signatures of ID tokens are verified although TLS vouches for them.
client.enableNonRepudiationChecks(config);
let flow;

async function answer(url) {
    if (url.pathname === "/") {
        const verifier = client.randomPKCECodeVerifier();
        flow = { pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
        const asked = {
            redirect_uri: `${HOME}/callback`,
            scope: "openid profile email phone groups offline_access",
            code_challenge: await client.calculatePKCECodeChallenge(verifier),
            code_challenge_method: "S256",
            state: flow.expectedState,
            nonce: flow.expectedNonce,
            max_age: "3600",
        };
        return { location: client.buildAuthorizationUrl(config, asked).href };
    }
    if (url.pathname === "/callback") {
        const tokens = await client.authorizationCodeGrant(config, url, { ...flow, maxAge: 3600 });
        const claims = tokens.claims();
        const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
        const again = await client.refreshTokenGrant(config, tokens.refresh_token);
        const stolen = await refusedOf(client.refreshTokenGrant(config, tokens.refresh_token));
        const afterwards = await refusedOf(client.refreshTokenGrant(config, again.refresh_token));
        const end = client.buildEndSessionUrl(config, {
            id_token_hint: tokens.id_token,
            post_logout_redirect_uri: `${HOME}/bye`,
            state: "left",
        });
        return { shown: { claims, user, scope: tokens.scope, stolen, afterwards, end: end.href } };
    }
    return { shown: { path: url.pathname, query: Object.fromEntries(url.searchParams) } };
}

/** With which error a grant is refused. */
async function refusedOf(grant) {
    try {
        await grant;
        return "granted";
    } catch (error) {
        return error.error ?? String(error);
    }
}

createServer(async (request, response) => {
    try {
        const { location, shown } = await answer(new URL(request.url, HOME));
        if (location !== undefined) response.writeHead(303, { location });
        else response.writeHead(200, { "content-type": "application/json" });
        response.end(shown && JSON.stringify(shown));
    } catch (error) {
        response.writeHead(500, { "content-type": "application/json" });
        response.end(JSON.stringify({ refused: String(error), cause: String(error.cause?.error ?? error.cause) }));
    }
}).listen(Number(PORT), "127.0.0.1");
