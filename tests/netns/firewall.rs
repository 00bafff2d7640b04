//! The nftables table on a real kernel: what it lets through, and that every change of it is noticed.
//!
//! A gateway with two interfaces of ours (`px`, a bridge, so that two clients are behind it; `py`) and one that
//! is not (`lan`). They stand for WireGuard interfaces: rules only know names. Clients know no neighbours and
//! send everything to the gateway, as through a tunnel.

#![expect(clippy::unwrap_used, reason = "a scene that cannot be set fails the test")]

#[path = "firewall/held.rs"]
mod held;
#[path = "support/pinging.rs"]
mod pinging;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use postern_gateway::backend::firewall::NftTable;
use postern_gateway::observed::FirewallFingerprint;
use postern_gateway::{Firewall, ForwardPolicy, Owner};

use self::pinging::Pinging;
use self::support::{Namespace, capable};

const ALLOWED: &str = "10.9.0.2";
const ALLOWED_V6: &str = "fd09::2";
const FORBIDDEN: &str = "10.9.0.3";
const FORBIDDEN_V6: &str = "fd09::3";

#[test]
fn a_client_reaches_its_routes_and_nothing_else() {
    let Some(scene) = Scene::with(&firewall(|policy| policy.routes = nets(&["10.9.0.2/32", "fd09::2/128"])))
    else {
        return;
    };
    scene.client.reaches(ALLOWED);
    scene.client.reaches(ALLOWED_V6);
    scene.client.misses(FORBIDDEN);
    scene.client.misses(FORBIDDEN_V6);
}

#[test]
fn a_route_to_everywhere_of_one_family_opens_nothing_of_the_other() {
    let Some(scene) = Scene::with(&firewall(|policy| policy.routes = nets(&["0.0.0.0/0", "10.9.0.0/16"])))
    else {
        return;
    };
    scene.client.reaches(FORBIDDEN);
    scene.client.misses(ALLOWED_V6);
    scene.table.replace_in(&scene.gateway, &firewall(|policy| policy.routes = nets(&["::/0"])));
    scene.client.reaches(FORBIDDEN_V6);
    scene.client.misses(ALLOWED);
}

#[test]
fn even_a_route_to_everywhere_does_not_lead_to_another_interface_of_ours() {
    let Some(scene) = Scene::with(&firewall(|policy| policy.routes = nets(&["0.0.0.0/0", "::/0"]))) else {
        return;
    };
    for address in ["10.78.0.2", "fd78::2", "10.77.0.3", "fd77::3", "10.78.0.1", "fd78::1", "10.9.0.1"] {
        scene.client.misses(address);
    }
}

#[test]
fn a_client_pings_the_gateways_own_addresses_on_its_interface() {
    let Some(scene) = Scene::with(&firewall(|_| {})) else { return };
    scene.client.reaches("10.77.0.1");
    scene.client.reaches("fd77::1");
    for address in ["10.78.0.1", "fd78::1", "10.9.0.1", "fd09::1"] {
        scene.client.misses(address);
    }
}

#[test]
fn clients_reach_each_other_only_where_the_location_says_so() {
    let Some(scene) = Scene::with(&firewall(|_| {})) else { return };
    scene.client.misses("10.77.0.3");
    scene.client.misses("fd77::3");
    scene.table.replace_in(&scene.gateway, &firewall(|policy| policy.client_to_client = true));
    scene.client.reaches("10.77.0.3");
    scene.client.reaches("fd77::3");
    scene.client.misses("10.78.0.2");
    let [neighbour, _] = &scene.others;
    neighbour.sh("ip addr add 10.66.0.1/24 dev eth");
    scene.gateway.sh("ip route add 10.66.0.0/24 via 10.77.0.3");
    scene.client.misses("10.66.0.1");
    let networks = |policy: &mut ForwardPolicy| {
        policy.client_to_client = true;
        policy.peer_networks = nets(&["10.66.0.0/24"]);
    };
    scene.table.replace_in(&scene.gateway, &firewall(networks));
    scene.client.reaches("10.66.0.1");
}

#[test]
fn a_client_reaches_the_listed_services_of_the_host_and_no_other() {
    let policy = |policy: &mut ForwardPolicy| policy.host_services = ["tcp/8053".parse().unwrap()].into();
    let Some(scene) = Scene::with(&firewall(policy)) else { return };
    let listeners = scene
        .gateway
        .within(|| ["[::]:8053", "[::]:8054"].map(|address| TcpListener::bind(address).unwrap()));
    assert!(scene.client.connects("10.77.0.1:8053"));
    assert!(scene.client.connects("[fd77::1]:8053"));
    assert!(!scene.client.connects("10.77.0.1:8054"));
    assert!(!scene.client.connects("10.9.0.1:8053"));
    assert!(scene.site.connects("10.9.0.1:8054"), "others' access to the host is not ours to limit");
    drop(listeners);
}

#[test]
fn what_others_begin_towards_a_client_is_answered() {
    let Some(scene) = Scene::with(&firewall(|_| {})) else { return };
    scene.site.reaches("10.77.0.2");
    scene.site.reaches("fd77::2");
    scene.client.misses(ALLOWED);
}

#[test]
fn masquerade_hides_the_client_behind_the_gateway() {
    let routes = nets(&["10.9.0.0/24", "fd09::/64"]);
    let policy = |policy: &mut ForwardPolicy| policy.routes = routes.clone();
    let Some(scene) = Scene::with(&firewall(policy)) else { return };
    scene.site.sh("ip route del 10.77.0.0/16; ip -6 route del fd77::/64");
    scene.client.misses(ALLOWED);
    scene.client.misses(ALLOWED_V6);
    let masquerading = |policy: &mut ForwardPolicy| {
        policy.routes = routes.clone();
        policy.masquerade = true;
    };
    scene.table.replace_in(&scene.gateway, &firewall(masquerading));
    scene.client.reaches(ALLOWED);
    scene.client.reaches(ALLOWED_V6);
}

#[test]
fn a_removed_route_cuts_a_flow_that_uses_it() {
    let open = firewall(|policy| policy.routes = nets(&["10.9.0.0/24"]));
    let Some(scene) = Scene::with(&open) else { return };
    let listener = scene.site.within(|| TcpListener::bind("10.9.0.2:9000").unwrap());
    let mut near = scene.client.within(|| TcpStream::connect("10.9.0.2:9000").unwrap());
    let (mut far, _) = listener.accept().unwrap();
    assert!(carries(&mut near, &mut far));
    scene.table.replace_in(&scene.gateway, &firewall(|_| {}));
    assert!(!carries(&mut near, &mut far));
}

#[test]
fn replacing_the_table_neither_loses_nor_leaks_a_packet() {
    // Another route comes and goes, and so do a rule and an interface.
    let mut policies = [&["10.9.0.2/32"][..], &["10.9.0.2/32", "192.168.0.0/16"]].map(|routes| {
        firewall(|policy| {
            policy.routes = nets(routes);
            policy.client_to_client = routes.len() > 1;
        })
    });
    policies[1].interfaces.remove(&"py".parse().unwrap());
    let Some(scene) = Scene::with(&policies[0]) else { return };
    scene.client.reaches(ALLOWED);
    let times = if std::env::var_os("POSTERN_TEST_LONG").is_some() { 1_000 } else { 100 };
    let [allowed, forbidden] = [ALLOWED, FORBIDDEN].map(|address| Pinging::start(&scene.client, address));
    (0..times).for_each(|at| scene.table.replace_in(&scene.gateway, &policies[(at + 1) % 2]));
    let (allowed, forbidden) = (allowed.stop(), forbidden.stop());
    assert_eq!(allowed.lost(), 0, "lost by {times} replacements: {allowed:?}");
    assert_eq!(forbidden.answered, 0, "leaked by {times} replacements: {forbidden:?}");
    assert!(allowed.sent.min(forbidden.sent) > times, "{allowed:?} {forbidden:?}");
}

#[test]
fn an_intact_table_has_the_fingerprint_of_its_policies() {
    let policies = everything();
    let Some(scene) = Scene::with(&policies) else { return };
    scene.client.reaches(ALLOWED);
    assert_eq!(scene.observe(), Some(policies.fingerprint()), "traffic changes nothing");
    scene.table.replace_in(&scene.gateway, &policies);
    assert_eq!(scene.observe(), Some(policies.fingerprint()), "nor does another replacement");
}

#[test]
fn every_change_of_the_table_is_noticed_and_repaired() {
    let policies = everything();
    let Some(scene) = Scene::with(&policies) else { return };
    let table = &scene.table.name;
    for change in [
        format!("flush table inet {table}"),
        format!("delete table inet {table}"),
        format!("flush chain inet {table} seal"),
        format!("add rule inet {table} seal return comment \"another\""),
        format!("add set inet {table} extra {{ type ipv4_addr; elements = {{ 10.9.0.1 }}; }}"),
        format!("add map inet {table} extra {{ type ifname : verdict; }}"),
        format!("add counter inet {table} extra"),
        format!("add table inet {table} {{ flags dormant; }}"),
        format!("insert rule inet {table} forwarded_px accept"),
        format!("add rule inet {table} postrouting accept"),
        format!("chain inet {table} forward {{ policy drop; }}"),
        format!("add chain inet {table} extra"),
        format!("replace rule inet {table} forwarded_px handle HANDLE ip daddr 10.0.0.0/8 accept"),
        format!("delete rule inet {table} forwarded_px handle HANDLE"),
    ] {
        let change = change.replace("HANDLE", &scene.handle());
        scene.gateway.sh(&format!("nft '{change}'"));
        assert_eq!(scene.observe(), None, "{change}");
        scene.table.replace_in(&scene.gateway, &policies);
        assert_eq!(scene.observe(), Some(policies.fingerprint()), "{change}");
    }
}

#[test]
fn tables_of_others_stay_as_they_are() {
    let Some(scene) = Scene::with(&firewall(|_| {})) else { return };
    scene
        .gateway
        .sh("nft 'table inet postern { chain c { type filter hook forward priority 0; counter; }; }'");
    let other = Table::of("another");
    other.replace_in(&scene.gateway, &everything());
    let foreign = || scene.gateway.sh("nft -s list table inet postern");
    let before = foreign();
    scene.table.replace_in(&scene.gateway, &everything());
    scene.table.replace_in(&scene.gateway, &Firewall::default());
    scene.table.replace_in(&scene.gateway, &Firewall::default());
    assert_eq!(scene.observe(), None);
    assert_eq!(foreign(), before);
    let tables = scene.gateway.sh("nft list tables");
    assert!(!tables.contains(&scene.table.name), "{tables}");
    assert_eq!(other.observe_in(&scene.gateway), Some(everything().fingerprint()));
}

/// Policies of `px` that `change` is made to, beside a `py` without any.
fn firewall(change: impl FnOnce(&mut ForwardPolicy)) -> Firewall {
    let mut policy = ForwardPolicy::default();
    change(&mut policy);
    let px = (nets(&["10.77.0.1/24", "fd77::1/64"]), policy);
    let py = (nets(&["10.78.0.1/24", "fd78::1/64"]), ForwardPolicy::default());
    Firewall { interfaces: BTreeMap::from([("px".parse().unwrap(), px), ("py".parse().unwrap(), py)]) }
}

/// Policies that need every kind of rule.
fn everything() -> Firewall {
    firewall(|policy| {
        policy.routes = nets(&["10.9.0.0/24", "10.9.0.2/32", "192.168.0.0/16", "fd09::/64"]);
        policy.host_services = ["udp/53", "tcp/53"].map(|service| service.parse().unwrap()).into();
        policy.client_to_client = true;
        policy.masquerade = true;
    })
}

fn nets(texts: &[&str]) -> BTreeSet<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Whether a byte written at one end arrives at the other soon.
fn carries(near: &mut TcpStream, far: &mut TcpStream) -> bool {
    far.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    near.write_all(b"x").unwrap();
    far.read_exact(&mut [0]).is_ok()
}

struct Table {
    name: String,
    table: Mutex<NftTable>,
}

impl Table {
    fn of(instance: &str) -> Self {
        let table = NftTable::of(&Owner::of_instance(instance));
        Self { name: table.name().to_owned(), table: Mutex::new(table) }
    }

    fn replace_in(&self, gateway: &Namespace, firewall: &Firewall) {
        gateway.within(|| self.table.lock().unwrap().replace(firewall)).unwrap();
    }

    fn observe_in(&self, gateway: &Namespace) -> Option<FirewallFingerprint> {
        gateway.within(|| self.table.lock().unwrap().observe()).unwrap()
    }
}

struct Scene {
    gateway: Namespace,
    client: Host,
    site: Host,
    table: Table,
    others: [Host; 2],
}

impl Scene {
    /// The whole network with these policies in force; `None`, said loudly, where it cannot be made.
    fn with(firewall: &Firewall) -> Option<Self> {
        if !capable() {
            return None;
        }
        let gateway = Namespace::new("gw");
        gateway.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
             ip link add px type bridge
             ip link set px address 02:00:00:00:00:01 up");
        let client = Host::behind(&gateway, "px1", "10.77.0.2", "fd77::2");
        let neighbour = Host::behind(&gateway, "px2", "10.77.0.3", "fd77::3");
        let other = Host::behind(&gateway, "py", "10.78.0.2", "fd78::2");
        let site = Host::behind(&gateway, "lan", "10.9.0.2", "fd09::2");
        site.sh("ip addr add 10.9.0.3/32 dev eth; ip addr add fd09::3/128 dev eth
             ip route del default; ip route add 10.77.0.0/16 via 10.9.0.1
             ip -6 route del default; ip -6 route add fd77::/64 via fd09::1");
        gateway.sh("ip addr add 10.77.0.1/24 dev px; ip addr add fd77::1/64 dev px
             ip addr add 10.78.0.1/24 dev py; ip addr add fd78::1/64 dev py
             ip addr add 10.9.0.1/24 dev lan; ip addr add fd09::1/64 dev lan
             ip link set px1 master px; ip link set px2 master px");
        for (interface, host) in [("px", &client), ("px", &neighbour), ("py", &other), ("lan", &site)] {
            host.is_neighbour_of(&gateway, interface);
        }
        let scene = Self { gateway, client, site, table: Table::of("test"), others: [neighbour, other] };
        scene.table.replace_in(&scene.gateway, firewall);
        Some(scene)
    }

    fn observe(&self) -> Option<FirewallFingerprint> {
        self.table.observe_in(&self.gateway)
    }

    /// The handle of the rule that lets `px` reach its IPv6 routes.
    fn handle(&self) -> String {
        let table = &self.table.name;
        let listing = self.gateway.sh(&format!("nft -a list chain inet {table} forwarded_px"));
        let rule =
            listing.lines().find(|line| line.contains("ip6 daddr") && !line.contains("oifname")).unwrap();
        rule.rsplit(' ').next().unwrap().to_owned()
    }
}

/// A host with one link, `eth`, to the gateway, and all its traffic going there.
struct Host {
    namespace: Namespace,
    addresses: [String; 2],
}

impl std::ops::Deref for Host {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Host {
    fn behind(gateway: &Namespace, link: &str, v4: &str, v6: &str) -> Self {
        let namespace = Namespace::new(link);
        gateway.sh(&format!(
            "ip link add {link} type veth peer name eth netns {}
             ip link set {link} up",
            namespace.name()
        ));
        let (near, _) = v4.rsplit_once('.').unwrap();
        let (near_v6, _) = v6.rsplit_once("::").unwrap();
        namespace.sh(&format!(
            "ip link set eth up
             ip addr add {v4}/32 dev eth; ip addr add {v6}/128 dev eth
             ip route add {near}.1 dev eth; ip route add default via {near}.1
             ip -6 route add {near_v6}::1 dev eth; ip -6 route add default via {near_v6}::1 dev eth"
        ));
        Self { namespace, addresses: [v4.to_owned(), v6.to_owned()] }
    }

    /// Tells both ends who the other is: the rules drop questions for neighbours, which tunnels have not.
    fn is_neighbour_of(&self, gateway: &Namespace, interface: &str) {
        let mac =
            |namespace: &Namespace, link: &str| namespace.sh(&format!("cat /sys/class/net/{link}/address"));
        let (own, theirs) = (mac(self, "eth"), mac(gateway, interface));
        let [v4, v6] = &self.addresses;
        let (near, _) = v4.rsplit_once('.').unwrap();
        let (near_v6, _) = v6.rsplit_once("::").unwrap();
        let extra: &[&str] = if interface == "lan" { &[FORBIDDEN, FORBIDDEN_V6] } else { &[] };
        for address in [v4.as_str(), v6.as_str()].iter().chain(extra) {
            let own = own.trim();
            gateway.sh(&format!("ip neigh replace {address} lladdr {own} dev {interface} nud permanent"));
        }
        for address in [format!("{near}.1"), format!("{near_v6}::1")] {
            let theirs = theirs.trim();
            self.sh(&format!("ip neigh replace {address} lladdr {theirs} dev eth nud permanent"));
        }
    }

    fn reaches(&self, address: &str) {
        assert!(self.succeeds(&format!("ping -q -c 1 -W 5 {address}")), "{address} does not answer");
    }

    fn misses(&self, address: &str) {
        assert!(!self.succeeds(&format!("ping -q -c 2 -i 0.1 -W 0.4 {address}")), "{address} answers");
    }

    fn connects(&self, address: &str) -> bool {
        let address: SocketAddr = address.parse().unwrap();
        self.within(|| TcpStream::connect_timeout(&address, Duration::from_millis(600)).is_ok())
    }
}
