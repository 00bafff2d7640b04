//! An authenticator and the browser before it, as far as WebAuthn has them answer: for tests, so that they can answer wrongly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What authenticator data says of the user, and that a credential follows (WebAuthn, 6.1).
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// With one passkey. What it says can be set.
pub(super) struct Authenticator {
    key: KeyPair,
    pub(super) id: Vec<u8>,
    pub(super) handle: Option<String>,
    pub(super) counter: u32,
    pub(super) origin: String,
    pub(super) party: String,
    pub(super) kind: &'static str,
    pub(super) verifies: bool,
}

impl Authenticator {
    /// One that will make a passkey with this credential id.
    pub(super) fn new(id: u8) -> Self {
        Self {
            key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
            id: vec![id; 20],
            handle: None,
            counter: 1,
            origin: "https://vpn.example.com".to_owned(),
            party: "vpn.example.com".to_owned(),
            kind: "webauthn.get",
            verifies: true,
        }
    }

    /// Makes its passkey; what the browser sends then.
    pub(super) fn make(&mut self, options: &Value) -> String {
        let options = &options["publicKey"];
        self.handle = options["user"]["id"].as_str().map(str::to_owned);
        let said = self.client_data("webauthn.create", options);
        // {"fmt": "none", "attStmt": {}, "authData": …} in CBOR.
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        let data = self.attested();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        self.sent(&json!({ "clientDataJSON": coded(&said), "attestationObject": coded(&object), "transports": ["internal"] }))
    }

    /// Answers; what the browser sends then.
    pub(super) fn answer(&mut self, options: &Value) -> String {
        let said = self.client_data(self.kind, &options["publicKey"]);
        let data = self.data(0);
        let signed: Vec<u8> = data.iter().copied().chain(Sha256::digest(&said)).collect();
        let signature = self.key.sign(&signed).unwrap();
        self.sent(&json!({
            "clientDataJSON": coded(&said), "authenticatorData": coded(&data), "signature": coded(&signature),
            "userHandle": self.handle,
        }))
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let said = json!({
            "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false,
        });
        said.to_string().into_bytes()
    }

    fn data(&self, more: u8) -> Vec<u8> {
        let verified = if self.verifies { VERIFIED } else { 0 };
        let mut data = Sha256::digest(self.party.as_bytes()).to_vec();
        data.push(PRESENT | verified | more);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn attested(&self) -> Vec<u8> {
        let mut data = self.data(ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        // A COSE key: {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}. The point is uncompressed: 4, x, y.
        let point = self.key.der_bytes();
        data.extend(b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20");
        data.extend(&point[1..33]);
        data.extend(b"\x22\x58\x20");
        data.extend(&point[33..]);
        data
    }

    fn sent(&self, response: &Value) -> String {
        let id = coded(&self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        })
        .to_string()
    }
}

fn coded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
