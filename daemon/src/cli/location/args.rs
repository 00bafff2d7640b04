//! The options of `postern location add` and `edit`.

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::reload::Form;

#[derive(Args)]
pub(in crate::cli) struct AddArgs {
    /// Shown to people; at least one ASCII letter or digit.
    name: String,
    /// Where clients reach this host; without a port it is the port listened on.
    #[arg(long, value_name = "HOST[:PORT]")]
    endpoint: String,
    #[command(flatten)]
    keys: KeyArgs,
    #[command(flatten)]
    pub(super) form: Form,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(in crate::cli) struct EditArgs {
    /// Which location.
    name: String,
    /// Where clients reach this host; without a port it is the port listened on.
    #[arg(long, value_name = "HOST[:PORT]")]
    endpoint: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    /// Every user may join.
    #[arg(long, conflicts_with_all = ["groups", "nobody"])]
    everybody: bool,
    /// What leaves towards the routes carries this host's address.
    #[arg(long, conflicts_with = "no_masquerade")]
    masquerade: bool,
    /// Clients do not reach each other.
    #[arg(long, conflicts_with = "client_to_client")]
    no_client_to_client: bool,
    /// No resolvers and search domains.
    #[arg(long, conflicts_with = "dns")]
    no_dns: bool,
    /// No routes.
    #[arg(long, conflicts_with = "routes")]
    no_routes: bool,
    /// Nobody is asked for a second factor.
    #[arg(long, conflicts_with = "second_factor")]
    no_second_factor: bool,
    /// No services of this host.
    #[arg(long, conflicts_with = "host_services")]
    no_host_services: bool,
    /// The backend that postern.toml says.
    #[arg(long, conflicts_with = "backend")]
    default_backend: bool,
    #[command(flatten)]
    pub(super) form: Form,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct KeyArgs {
    /// The network interface on this host: at most 15 characters.
    #[arg(long, value_name = "IF")]
    interface: Option<String>,
    /// The UDP port to listen on.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The IPv4 subnet.
    #[arg(long, value_name = "NET")]
    ipv4: Option<String>,
    /// No IPv4 subnet.
    #[arg(long, conflicts_with = "ipv4")]
    no_ipv4: bool,
    /// The IPv6 subnet.
    #[arg(long, value_name = "NET")]
    ipv6: Option<String>,
    /// No IPv6 subnet.
    #[arg(long, conflicts_with_all = ["ipv6", "no_ipv4"])]
    no_ipv6: bool,
    /// A resolver or a search domain for clients; may be repeated.
    #[arg(long, value_name = "ADDR|DOMAIN")]
    dns: Vec<String>,
    /// A network behind this host that clients may reach; may be repeated.
    #[arg(long = "route", value_name = "NET")]
    routes: Vec<String>,
    /// In bytes.
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u32>,
    /// Seconds between keepalives of clients; 0: none.
    #[arg(long, value_name = "SECONDS")]
    keepalive: Option<u16>,
    /// A group that may join; may be repeated. Without any, every user may.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Nobody may join.
    #[arg(long, conflicts_with = "groups")]
    nobody: bool,
    /// What leaves towards the routes keeps the clients' addresses.
    #[arg(long)]
    no_masquerade: bool,
    /// Clients reach each other.
    #[arg(long)]
    client_to_client: bool,
    /// A service of this host that clients may reach, such as udp/53; may be repeated.
    #[arg(long = "host-service", value_name = "PROTO/PORT")]
    host_services: Vec<String>,
    /// Nobody connects without a second factor, given anew each time: only the desktop client can. Machines, and whoever
    /// has a file or a QR code, get in no more.
    #[arg(long)]
    second_factor: bool,
    /// Where WireGuard runs; otherwise as postern.toml says.
    #[arg(long)]
    backend: Option<Backend>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Backend {
    Auto,
    Kernel,
    Userspace,
}

impl AddArgs {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn body(&self) -> Value {
        json!({
            "name": self.name,
            "endpoint": self.endpoint,
            "keys": self.keys.given(),
            "without": self.keys.without(),
        })
    }
}

impl EditArgs {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn body(&self) -> Value {
        let mut keys = self.keys.given();
        let mut set = |given: bool, key: &str, value: Value| {
            if given {
                keys.insert(key.to_owned(), value);
            }
        };
        set(self.endpoint.is_some(), "endpoint", json!(self.endpoint));
        set(self.masquerade, "masquerade", json!(true));
        set(self.no_client_to_client, "client_to_client", json!(false));
        set(self.no_second_factor, "second_factor", json!(false));
        set(self.no_dns, "dns", json!([]));
        set(self.no_routes, "routes", json!([]));
        set(self.no_host_services, "host_services", json!([]));
        let mut without = self.keys.without();
        without.extend(self.everybody.then_some("groups"));
        without.extend(self.default_backend.then_some("backend"));
        json!({ "keys": keys, "without": without })
    }
}

impl KeyArgs {
    fn given(&self) -> Map<String, Value> {
        let list = |list: &Vec<String>| (!list.is_empty()).then(|| json!(list));
        let groups = if self.nobody { Some(json!([])) } else { list(&self.groups) };
        let backend = self.backend.map(|backend| match backend {
            Backend::Auto => json!("auto"),
            Backend::Kernel => json!("kernel"),
            Backend::Userspace => json!("userspace"),
        });
        let all = [
            ("interface", self.interface.as_ref().map(|text| json!(text))),
            ("listen_port", self.port.map(|port| json!(port))),
            ("ipv4", self.ipv4.as_ref().map(|text| json!(text))),
            ("ipv6", self.ipv6.as_ref().map(|text| json!(text))),
            ("dns", list(&self.dns)),
            ("routes", list(&self.routes)),
            ("mtu", self.mtu.map(|bytes| json!(bytes))),
            ("keepalive", self.keepalive.map(|seconds| json!(seconds))),
            ("groups", groups),
            ("masquerade", self.no_masquerade.then_some(Value::Bool(false))),
            ("client_to_client", self.client_to_client.then_some(Value::Bool(true))),
            ("host_services", list(&self.host_services)),
            ("second_factor", self.second_factor.then_some(Value::Bool(true))),
            ("backend", backend),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }

    fn without(&self) -> Vec<&'static str> {
        let v4 = self.no_ipv4.then_some("ipv4");
        v4.into_iter().chain(self.no_ipv6.then_some("ipv6")).collect()
    }
}
