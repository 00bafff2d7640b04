//! What a client cannot get by asking for it.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::{a_site, connects, of, reaches, somebody};
use crate::rig::{Host, Wireguard, eventually};

/// A client that sends everything into its tunnel reaches what its location lists, and nothing more.
pub(crate) fn a_client_that_wants_everything_gets_no_more(wireguard: Wireguard) {
    let Some(mut rig) = a_site(wireguard) else { return };
    let office = rig.behind("office", "10.9.0", "fd09");
    let vault = rig.behind("vault", "10.8.0", "fd08");
    let listed = "routes = [\"10.9.0.0/24\", \"fd09::/64\"]\nhost_services = [\"udp/53\", \"tcp/8443\"]";
    rig.locate("open", 1, listed);
    rig.reload();
    let (ann, of_ann) = somebody(&mut rig, "ann", &[]);
    let (ben, of_ben) = somebody(&mut rig, "ben", &[]);
    let _tunnel = ann.connect_greedily(of(&of_ann, "open"));
    let _bens_tunnels = (ben.connect(of(&of_ben, "open")), ben.connect(of(&of_ben, "hq")));
    connects(&ann, 1);
    connects(&ben, 1);
    connects(&ben, 2);
    let ben_at = of(&of_ben, "open")["assigned_ip"].as_str().unwrap().split_once(',').unwrap();
    let gateway = Services::open(&rig.gateway);

    for address in ["10.9.0.2", "fd09::2"] {
        eventually(address, || ann.host.reaches(address));
    }
    for server in ["10.77.1.1", "fd77:1::1"] {
        eventually("a service that is listed", || gateway.answer(&ann.host, server, Service::Listed));
        assert!(!gateway.answer(&ann.host, server, Service::Unlisted), "an unlisted service of {server}");
    }
    // Another location, addresses of the gateway that are none of this location's, a network that is not
    // listed, another peer.
    let forbidden =
        ["10.77.2.1", "fd77:2::1", "10.9.0.1", "10.8.0.1", "10.8.0.2", "fd08::2", ben_at.0, ben_at.1];
    for address in forbidden {
        assert!(!ann.host.reaches(address), "{address} answers");
    }
    for server in ["10.77.2.1", "10.9.0.1", "fd09::1"] {
        for service in [Service::Listed, Service::Unlisted] {
            assert!(!gateway.answer(&ann.host, server, service), "{service:?} of {server}");
        }
    }
    // All of them are there, for those who may.
    for address in ["10.8.0.2", "fd08::2"] {
        assert!(rig.gateway.reaches(address), "{address} is not even there");
    }
    assert!(vault.reaches("10.8.0.1") && office.reaches("10.9.0.1") && reaches(&ben.host, 2));
    for service in [Service::Listed, Service::Unlisted] {
        assert!(gateway.answer(&rig.gateway, "10.77.1.1", service), "{service:?} is not even there");
    }
    // No traffic from behind the gateway starts towards a client... unless somebody routes it, which is theirs.
    assert!(reaches(&ann.host, 1));
}

/// One service each of UDP and TCP that `host_services` lists, and one of each that it does not.
struct Services {
    udp: [UdpSocket; 2],
    _tcp: [TcpListener; 2],
}

#[derive(Debug, Clone, Copy)]
enum Service {
    Listed,
    Unlisted,
}

impl Services {
    fn open(host: &Host) -> Self {
        host.enter(|| {
            let udp = [53, 54].map(|port| UdpSocket::bind(("::", port)).unwrap());
            let tcp = [8443, 8444].map(|port| TcpListener::bind(("::", port)).unwrap());
            Self { udp, _tcp: tcp }
        })
    }

    /// Whether a datagram arrives and a connection is accepted. Both services must agree.
    fn answer(&self, from: &Host, server: &str, service: Service) -> bool {
        let (socket, udp, tcp) = match service {
            Service::Listed => (&self.udp[0], 53, 8443),
            Service::Unlisted => (&self.udp[1], 54, 8444),
        };
        let patience = Duration::from_secs(1);
        let address = |port: u16| SocketAddr::new(server.parse().unwrap(), port);
        let connected = from.enter(|| {
            let local = if server.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
            let sender = UdpSocket::bind(local).unwrap();
            let _ = sender.send_to(b"hello", address(udp));
            TcpStream::connect_timeout(&address(tcp), patience).is_ok()
        });
        socket.set_read_timeout(Some(patience)).unwrap();
        let arrived = socket.recv(&mut [0; 16]).is_ok();
        assert_eq!(arrived, connected, "only one of UDP and TCP reaches {server}");
        connected
    }
}
