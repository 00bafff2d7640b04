//! Files as other tools write them, and what holds for every file.

use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

const KEY: &str = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const PEERS: [&str; 3] = [
    "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
    "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
    "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=",
];

fn server(peers: &str) -> Parsed {
    let parsed = parse(&format!("[Interface]\nPrivateKey = {KEY}\nAddress = 10.8.0.1/24\n{peers}"));
    parsed.unwrap_or_else(|error| panic!("{error}"))
}

fn problems(text: &str) -> Vec<String> {
    parse(text).err().map(|WgQuickError(problems)| problems).unwrap_or_default()
}

#[test]
fn everything_a_server_says_is_read() {
    let parsed = parse(&format!(
        "[interface]\nprivatekey={KEY}\nADDRESS = 10.8.0.1/24, fd00::1/64\nAddress = 10.9.0.1/16\nListenPort = 51820 # udp\n\
         MTU=1380\n\n[PEER]\nPublicKey = {}\nPresharedKey = {KEY}\nAllowedIPs = 10.8.0.2, fd00::2\n\
         AllowedIPs=192.168.5.9/24\nEndpoint = [2001:db8::1]:51821\nPersistentKeepalive = 25\n",
        PEERS[0]
    ));
    let Parsed { server, left_out } = parsed.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(left_out, Vec::<String>::new());
    let shown = |networks: &[IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&server.addresses), ["10.8.0.1/24", "fd00::1/64", "10.9.0.1/16"]);
    assert_eq!(server.listen_port.map(ListenPort::get), Some(51820));
    assert_eq!(server.mtu.map(Mtu::get), Some(1380));
    let [peer] = server.peers.as_slice() else { panic!("{}", server.peers.len()) };
    assert_eq!(peer.public_key.to_string(), PEERS[0]);
    assert!(peer.preshared_key.is_some());
    assert_eq!(shown(&peer.allowed_ips), ["10.8.0.2/32", "fd00::2/128", "192.168.5.0/24"]);
    assert_eq!(peer.endpoint.as_deref(), Some("[2001:db8::1]:51821"));
    assert_eq!(peer.keepalive.map(NonZeroU16::get), Some(25));
}

#[test]
fn names_are_found_where_the_tools_of_the_field_write_them() {
    for (block, name) in [
        ("# ann\n[Peer]\nPublicKey = @\n", Some("ann")),
        ("[Peer]\n# ann's phone\nPublicKey = @\n", Some("ann's phone")),
        ("[Peer]\nPublicKey = @\n# ann\nAllowedIPs = 10.8.0.2\n", Some("ann")),
        ("[Peer] # ann\nPublicKey = @\n", Some("ann")),
        ("[Peer]\nPublicKey = @ # ann\n", Some("ann")),
        ("### Client ann\n[Peer]\nPublicKey = @\n", Some("ann")),
        ("# BEGIN_PEER ann\n[Peer]\nPublicKey = @\n# END_PEER ann\n", Some("ann")),
        ("### begin ann ###\n[Peer]\nPublicKey = @\n### end ann ###\n", Some("ann")),
        ("# Client: ann (4711)\n[Peer]\nPublicKey = @\n", Some("ann (4711)")),
        ("[Peer]\n# friendly_name = ann\nPublicKey = @\n", Some("ann")),
        ("# ID: 1\n# Name: ann\n# Email: ann@example.com\n[Peer]\nPublicKey = @\n", Some("ann")),
        ("[Peer]\nPublicKey = @\n", None),
        ("# %\n[Peer]\nPublicKey = @\n", None),
        ("# ann\n# key of hers: %\n[Peer]\nPublicKey = @\n", Some("ann")),
        ("[Peer]\n# Name: %\nPublicKey = @\n", None),
        ("[Peer]\n# AllowedIPs = 10.8.0.9/32\nPublicKey = @\n", None),
        ("# [Peer]\n# PublicKey = x\n\n[Peer]\nPublicKey = @\n", None),
    ] {
        let block = block.replace('%', KEY);
        let found = server(&block.replace('@', PEERS[0])).server.peers.remove(0).name;
        assert_eq!(found.as_deref(), name, "{block}");
    }
}

#[test]
fn a_comment_after_one_peer_names_the_next() {
    let blocks = format!(
        "# ann\n[Peer]\nPublicKey = {}\n# END_PEER ann\n# ben\n[Peer]\nPublicKey = {}\n",
        PEERS[0], PEERS[1]
    );
    let names: Vec<Option<String>> = server(&blocks).server.peers.into_iter().map(|peer| peer.name).collect();
    assert_eq!(names, [Some("ann".to_owned()), Some("ben".to_owned())]);
}

#[test]
fn what_has_no_place_is_told_with_its_line() {
    let text = format!(
        "[Interface]\nPrivateKey = {KEY}\nPostUp = iptables -A FORWARD\nDNS = 10.0.0.1\nFwMark = 0x51\nTable = off\n\
         SaveConfig = true\n[Peer]\nPublicKey = {}\nPersistentKeepalive = 25\n",
        PEERS[0]
    );
    let Ok(Parsed { left_out, server }) = parse(&text) else { panic!() };
    let lines = [
        "line 3: PostUp",
        "line 4: DNS",
        "line 5: FwMark",
        "line 6: Table",
        "line 7: SaveConfig",
        "line 8: Persistent",
    ];
    assert_eq!(left_out.len(), lines.len(), "{left_out:?}");
    for (told, line) in left_out.iter().zip(lines) {
        assert!(told.starts_with(line), "{told}");
    }
    assert!(!left_out.iter().any(|told| told.contains("iptables")), "a command may hold a secret");
    assert_eq!(server.peers[0].keepalive, None);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_no_secret_with_it() {
    let secret = &KEY[..40];
    let text = format!(
        "Address = 10.8.0.1\n[Interface]\nListenPort = 0\nMTU = 12\nAddress = 10.8.0.300\n{secret}\n[Peer]\nPresharedKey = {secret}\n\
         Colour = red\nEndpoint = nowhere\n{KEY}\n"
    );
    let found = problems(&text);
    let starts = [
        "line 1: this stands before any section",
        "line 3: ListenPort",
        "line 4: MTU: 12 is not a usable MTU",
        "line 5: Address: \"10.8.0.300\"",
        "line 6: neither a section",
        "line 8: PresharedKey: a key is the base64",
        "line 9: Colour is no setting",
        "line 10: Endpoint",
        "line 11: no setting of [Peer] is called like this",
        "[Interface] has no PrivateKey",
        "line 7: this peer has no PublicKey",
    ];
    assert_eq!(found.len(), starts.len(), "{found:?}");
    for (told, start) in found.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}");
    }
    assert!(!found.iter().any(|told| told.contains(secret)), "{found:?}");
}

#[test]
fn a_file_that_is_no_such_file_is_not_told_line_by_line() {
    let found = problems(&"nonsense\n".repeat(9000));
    assert_eq!((found.len(), found.last().map(String::as_str)), (51, Some("and 8951 more")));
}

#[test]
fn what_two_peers_claim_is_refused() {
    let peer = |key: &str| format!("[Peer]\nPublicKey = {key}\nAllowedIPs = 10.8.0.2/32\n");
    let head = format!("[Interface]\nPrivateKey = {KEY}\n");
    assert!(
        problems(&format!("{head}{}{}", peer(PEERS[0]), peer(PEERS[1])))[0].contains("belongs to two peers")
    );
    assert!(problems(&format!("{head}{}{}", peer(PEERS[0]), peer(PEERS[0])))[0].contains("is there twice"));
    let own = PrivateKey::from_base64(KEY).unwrap_or_else(|_| panic!("a key")).public();
    assert!(problems(&format!("{head}{}", peer(&own.to_string())))[0].contains("the server's own key"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(server in a_server()) {
        let text = render(&server);
        let Ok(Parsed { server: read, left_out }) = parse(&text) else { panic!("{}", text.as_str()) };
        prop_assert!(read == server, "{}", text.as_str());
        prop_assert_eq!(left_out, Vec::<String>::new());
    }

    #[test]
    fn no_text_is_too_strange_to_be_judged(text in "(\\[(Interface|Peer)\\]|[A-Za-z]{0,12} ?= ?\\PC{0,20}|#\\PC{0,9}|\n){0,40}") {
        let _ = parse(&text);
    }
}

/// Any server that such a file can describe; a peer's networks are its own.
pub(crate) fn a_server() -> impl Strategy<Value = WgQuick> {
    let addresses = subsequence(vec!["10.8.0.1/24", "fd00:8::1/64"], 1..=2);
    (
        any::<[u8; 32]>(),
        addresses,
        1..=u16::MAX,
        prop::option::of(1280..1500_u32),
        prop::collection::vec(a_peer(), 0..6),
    )
        .prop_map(|(key, addresses, port, mtu, peers)| WgQuick {
            private_key: PrivateKey::from_random(key),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            listen_port: ListenPort::try_from(port).ok(),
            mtu: mtu.and_then(|mtu| Mtu::try_from(mtu).ok()),
            peers: (2..).zip(peers).map(|(number, peer)| numbered(number, peer)).collect(),
        })
}

fn a_peer() -> impl Strategy<Value = WgPeer> {
    let name = "[a-zA-Z0-9ąß#:=_.()' -]{1,30}".prop_map(|name| name.trim().to_owned());
    let name = prop::option::of(name.prop_filter("a name", |name| !name.is_empty()));
    let preshared = prop::option::of(any::<[u8; 32]>());
    let networks = subsequence(vec!["10.8.0.N/32", "fd00:8::N/128", "192.168.N.0/24", "0.N.0.0/15"], 0..=4)
        .prop_shuffle();
    let endpoints = ["vpn.example.com:51820", "192.0.2.7:1", "[2001:db8::7]:65535"];
    let dialled = prop::option::of((prop::sample::select(endpoints.to_vec()), 0..=u16::MAX));
    (name, any::<[u8; 31]>(), preshared, networks, dialled).prop_map(
        |(name, key, preshared, networks, dialled)| {
            let mut seed = [0; 32];
            seed[1..].copy_from_slice(&key);
            WgPeer {
                name,
                public_key: PrivateKey::from_random(seed).public(),
                preshared_key: preshared.and_then(PresharedKey::from_bytes),
                allowed_ips: networks.iter().map(|text| text.replace('N', "2").parse().unwrap()).collect(),
                endpoint: dialled.map(|(endpoint, _)| endpoint.to_owned()),
                keepalive: dialled.and_then(|(_, seconds)| NonZeroU16::new(seconds)),
            }
        },
    )
}

/// With a key, a name and networks of its own.
fn numbered(number: u8, peer: WgPeer) -> WgPeer {
    let mut seed = *peer.public_key.as_bytes();
    seed[7] = number;
    let own = |network: &IpNet| match network.to_string().as_str() {
        "10.8.0.2/32" => format!("10.8.0.{number}/32"),
        "fd00:8::2/128" => format!("fd00:8::{number:x}/128"),
        "192.168.2.0/24" => format!("192.168.{number}.0/24"),
        _ => format!("{}.0.0.0/15", 20 + number),
    };
    WgPeer {
        name: peer.name.map(|name| format!("{name} {number}")),
        public_key: PrivateKey::from_random(seed).public(),
        allowed_ips: peer.allowed_ips.iter().map(|network| own(network).parse().unwrap()).collect(),
        ..peer
    }
}
