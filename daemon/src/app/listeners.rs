//! The TCP listeners: bound one by one, then given their door. Who binds them does not matter to the doors.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as Bound};
use std::sync::Arc;

use listenfd::ListenFd;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use postern_gateway::chain;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::App;
use super::descriptors;
use super::failure::RunError;
use super::parts::Parts;
use crate::background::acme::{PlainDoor, Renewal};
use crate::background::own_files;
use crate::config::{self, Tls};
use crate::gateway_view::GatewayView;
use crate::web::listener::Http;
use crate::web::{self, redirect};

/// What is behind a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Pages and client API, over TLS unless a proxy speaks it.
    Main,
    /// Plain http that is sent to the main door.
    Redirect,
}

/// A bound listener and its door.
pub(super) struct Listener {
    pub(super) bound: Bound,
    pub(super) door: Door,
}

impl Listener {
    /// Those that systemd opened; for a door without such a one every address of the configuration is bound.
    pub(super) fn all(http: &config::Http) -> Result<Vec<Self>, RunError> {
        let handed_in = handed_in(&http.tls)?;
        for listener in &handed_in {
            listener.tell(http);
        }
        let mut listeners = unless_handed_in(&handed_in, http)
            .into_iter()
            .map(|(address, door)| Self::bind(address, door))
            .collect::<Result<Vec<_>, _>>()?;
        listeners.extend(handed_in);
        Ok(listeners)
    }

    /// What the configuration does not say of a socket of systemd.
    fn tell(&self, http: &config::Http) {
        let (door, key) = (self.door, self.door.key());
        match self.bound.local_addr() {
            Ok(address) => {
                tracing::info!(%address, ?door, "systemd listens: {key} is not looked at");
                if let Some(worry) = http.worry_about(address) {
                    tracing::warn!("a socket of systemd: {worry}");
                }
            }
            Err(error) => tracing::warn!(error = chain(&error), ?door, "systemd listens somewhere"),
        }
    }

    fn bind(address: SocketAddr, door: Door) -> Result<Self, RunError> {
        let bound = Bound::bind(address).or_else(|error| match stand_in(address, &error) {
            Some(address) => Bound::bind(address),
            None => Err(error),
        });
        Ok(Self { bound: bound.map_err(|source| RunError::Listen { address, source })?, door })
    }
}

impl Door {
    /// Which key of the configuration says where it is.
    fn key(self) -> &'static str {
        match self {
            Self::Main => "http.listen",
            Self::Redirect => "http.redirect_listen",
        }
    }
}

/// What is to be bound: the addresses of doors that no socket leads to.
fn unless_handed_in(handed_in: &[Listener], http: &config::Http) -> Vec<(SocketAddr, Door)> {
    let main = http.listen.iter().map(|address| (*address, Door::Main));
    let redirect = http.redirect_listen.iter().map(|address| (*address, Door::Redirect));
    let is_open = |door| handed_in.iter().any(|listener| listener.door == door);
    main.chain(redirect).filter(|(_, door)| !is_open(*door)).collect()
}

/// Whether an authority finds anybody on port 80, by what is really listened on.
pub(super) fn plain_door(listeners: &[Listener]) -> PlainDoor {
    let is_open = listeners.iter().any(|listener| listener.door == Door::Redirect);
    if is_open { PlainDoor::Open } else { PlainDoor::Absent }
}

/// Every address of IPv4 alone, where every address was meant and the kernel has no IPv6.
fn stand_in(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    let lacks_ipv6 = error.raw_os_error().map(Errno::from_raw) == Some(Errno::EAFNOSUPPORT);
    (lacks_ipv6 && address.ip() == Ipv6Addr::UNSPECIFIED)
        .then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

/// What systemd listens on in the daemon's place (`postern.socket`), by the names that its units give.
fn handed_in(tls: &Tls) -> Result<Vec<Listener>, RunError> {
    let system = |source| RunError::System { action: "take the sockets of systemd", source };
    // Read first: taking the sockets forgets where they came from.
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut sockets = ListenFd::from_env();
    let mut listeners = Vec::new();
    for (index, name) in names.split(':').enumerate().take(sockets.len()) {
        let door = door_of(name, tls).ok_or_else(|| RunError::Socket(name.to_owned()))?;
        let Some(bound) = sockets.take_tcp_listener(index).map_err(system)? else { continue };
        // nft, which the gateway runs, has nothing to do with it.
        fcntl(&bound, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|errno| system(errno.into()))?;
        listeners.push(Listener { bound, door });
    }
    Ok(listeners)
}

/// Without TLS of our own there is nothing to redirect to.
fn door_of(name: &str, tls: &Tls) -> Option<Door> {
    match (name, tls) {
        ("https", _) | ("http", Tls::Proxy) => Some(Door::Main),
        ("http", Tls::Acme(_) | Tls::Files(_)) => Some(Door::Redirect),
        _ => None,
    }
}

/// Opens the doors; each listener is a task that ends with `stop`.
#[expect(clippy::unused_async, reason = "listeners are registered within the runtime")]
pub(super) async fn open(
    listeners: Vec<Listener>,
    app: &App,
    view: GatewayView,
    parts: &mut Parts,
    stop: &watch::Receiver<bool>,
) -> Result<(), RunError> {
    let system = |action| move |source| RunError::System { action, source };
    let limit = "ask for the limit of open files";
    let descriptors = descriptors::raise().map_err(|errno| system(limit)(errno.into()))?;
    let plain = Http::new(app.clone(), web::router(app.clone(), view), descriptors);
    let redirect = plain.in_the_clear(redirect::router(app.clone()));
    let main = match &app.site().config.http.tls {
        Tls::Proxy => plain,
        Tls::Files(_) | Tls::Acme(_) => {
            let config = app.presented.server_config().map_err(io::Error::other);
            plain.over_tls(Arc::new(config.map_err(system("set up TLS"))?))
        }
    };
    for Listener { bound, door } in listeners {
        let listen = "listen for HTTP";
        bound.set_nonblocking(true).map_err(system(listen))?;
        let listener = TcpListener::from_std(bound).map_err(system(listen))?;
        match listener.local_addr() {
            Ok(address) => tracing::info!(%address, ?door, "listening for HTTP"),
            Err(error) => tracing::warn!(error = chain(&error), ?door, "listening for HTTP somewhere"),
        }
        let http = if door == Door::Main { main.clone() } else { redirect.clone() };
        parts.start_loop("an HTTP listener", |pulse| http.serve(listener, pulse, stop.clone()));
    }
    Ok(())
}

/// Presents the certificate there is, and starts what looks after it.
pub(super) fn look_after_certificate(
    app: &App,
    plain_door: PlainDoor,
    parts: &mut Parts,
    stop: &watch::Receiver<bool>,
) {
    match &app.site().config.http.tls {
        Tls::Proxy => {}
        Tls::Acme(_) => {
            let renewal = Renewal::begin(app.clone(), plain_door);
            parts.start_loop("the asking for certificates", |pulse| renewal.run(pulse, stop.clone()));
        }
        Tls::Files(_) => {
            let read = own_files::present(app);
            parts.start_loop("the watch over the certificate", |pulse| {
                own_files::run(app.clone(), read, pulse, stop.clone())
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OwnFiles;
    use crate::tls::pair::KeySource;

    /// One that systemd opened.
    fn a_socket(name: &str, tls: &Tls) -> Listener {
        Listener { bound: Bound::bind("127.0.0.1:0").unwrap(), door: door_of(name, tls).unwrap() }
    }

    fn http(tls: Tls) -> config::Http {
        let [main, redirect] = ["[::]:443", "[::]:80"].map(|address| vec![address.parse().unwrap()]);
        config::Http { listen: main, redirect_listen: redirect, trusted_proxies: Vec::new(), tls }
    }

    fn with_files() -> Tls {
        let key = KeySource::Credential("key".to_owned());
        Tls::Files(OwnFiles { certificate: "chain.pem".into(), key })
    }

    #[test]
    fn a_socket_of_systemd_stands_for_its_own_door_and_for_no_other() {
        let http = http(with_files());
        let bound = |names: &[&str]| {
            let handed_in: Vec<_> = names.iter().map(|name| a_socket(name, &http.tls)).collect();
            unless_handed_in(&handed_in, &http).into_iter().map(|(_, door)| door).collect::<Vec<_>>()
        };
        assert_eq!(bound(&[]), [Door::Main, Door::Redirect]);
        assert_eq!(bound(&["http"]), [Door::Main]);
        assert_eq!(bound(&["https"]), [Door::Redirect]);
        assert_eq!(bound(&["http", "https"]), []);
    }

    #[test]
    fn an_authority_is_answered_on_port_80_where_somebody_listens_whatever_the_configuration_says() {
        let [main, redirect] = ["https", "http"].map(|name| a_socket(name, &with_files()));
        assert_eq!(plain_door(&[main]), PlainDoor::Absent);
        assert_eq!(plain_door(&[redirect]), PlainDoor::Open);
        let [main, behind_a_proxy] = ["https", "http"].map(|name| a_socket(name, &Tls::Proxy));
        assert_eq!(plain_door(&[main, behind_a_proxy]), PlainDoor::Absent);
    }

    #[test]
    fn a_kernel_without_ipv6_is_listened_on_by_ipv4_where_every_address_was_meant() {
        let stand_in = |address: &str, errno: Errno| stand_in(address.parse().unwrap(), &errno.into());
        assert_eq!(stand_in("[::]:443", Errno::EAFNOSUPPORT), "0.0.0.0:443".parse().ok());
        assert_eq!(stand_in("[::1]:443", Errno::EAFNOSUPPORT), None);
        assert_eq!(stand_in("[::]:443", Errno::EACCES), None);
    }
}
