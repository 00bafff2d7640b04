//! What the host says by itself: its full name, who reads root's mail, whether it has a mail server.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;

use crate::cli::wg_quick::Server;

/// A server on this host answers sooner.
const PATIENCE: Duration = Duration::from_millis(300);

/// Defaults for what nobody answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// With at least one dot.
    pub(super) full_name: Option<String>,
    /// Who sits there.
    pub(super) person: Option<String>,
    /// Who reads root's mail.
    pub(super) email: Option<String>,
    /// A server for mail listens on loopback.
    pub(super) has_mail_server: bool,
    /// Servers of wg-quick, which `postern import` takes over.
    pub(super) wg_quick: Vec<PathBuf>,
    /// Servers of wg-quick that cannot be taken over as they are: why.
    pub(super) refused: Vec<String>,
}

impl Found {
    /// Looks at this host.
    pub(super) fn on_this_host() -> Self {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let hostname = file("/proc/sys/kernel/hostname");
        let full_name = full_name(hostname.trim(), &file("/etc/hosts"), &file("/etc/resolv.conf"));
        let email = reader_of_root(&file("/etc/aliases"));
        let email = email.or_else(|| full_name.as_ref().map(|name| format!("root@{name}")));
        let mail = SocketAddr::from((Ipv4Addr::LOCALHOST, 25));
        let has_mail_server = TcpStream::connect_timeout(&mail, PATIENCE).is_ok();
        let (wg_quick, refused) = wg_quick_files(Path::new("/etc/wireguard"));
        Self { full_name, person: person(), email, has_mail_server, wg_quick, refused }
    }
}

/// Servers that can be taken over, and what is wrong with the others. What dials out only is no server.
fn wg_quick_files(dir: &Path) -> (Vec<PathBuf>, Vec<String>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = entries.filter(|path| Server::listens(path)).collect();
    files.sort();
    let refused =
        files.iter().filter_map(|path| Server::judged(path).err()).map(|why| why.to_string()).collect();
    files.retain(|path| Server::judged(path).is_ok());
    (files, refused)
}

/// Whoever called sudo, by their full name.
fn person() -> Option<String> {
    let user = User::from_name(&std::env::var("SUDO_USER").ok()?).ok()??;
    let gecos = user.gecos.to_str().ok()?.split(',').next()?.trim().to_owned();
    Some(gecos).filter(|name| !name.is_empty())
}

fn full_name(hostname: &str, hosts: &str, resolv: &str) -> Option<String> {
    if hostname.contains('.') {
        return Some(hostname.to_owned());
    }
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let mut names = lines.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
    let mine = names.find(|names| names.contains(&hostname)).unwrap_or_default();
    if let Some(name) = mine.into_iter().find(|name| name.contains('.') && !name.starts_with("localhost")) {
        return Some(name.to_owned());
    }
    let domain = resolv.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        matches!(words.next(), Some("domain" | "search")).then(|| words.next())?
    });
    let domain = domain.map(|domain| domain.trim_matches('.')).filter(|domain| domain.contains('.'))?;
    (!hostname.is_empty()).then(|| format!("{hostname}.{domain}"))
}

fn reader_of_root(aliases: &str) -> Option<String> {
    let reader = aliases.lines().find_map(|line| line.trim().strip_prefix("root:"))?;
    reader.split(',').map(str::trim).find(|reader| reader.contains('@')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use postern_gateway::PrivateKey;

    use super::*;

    #[test]
    fn the_full_name_comes_from_the_hostname_the_hosts_or_the_search_domain() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 gw.example.com gw # me\n";
        let resolv = "nameserver 10.0.0.1\nsearch corp.example.com example.com\n";
        assert_eq!(full_name("gw.example.org", hosts, resolv).as_deref(), Some("gw.example.org"));
        assert_eq!(full_name("gw", hosts, resolv).as_deref(), Some("gw.example.com"));
        assert_eq!(full_name("gw", "", resolv).as_deref(), Some("gw.corp.example.com"));
        assert_eq!(full_name("gw", "127.0.0.1 localhost.localdomain gw", "search lan\n"), None);
    }

    #[test]
    fn servers_of_wg_quick_are_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let key = PrivateKey::from_random([7; 32]).to_base64();
        let dials_out = format!("[Interface]\nPrivateKey = {}\nAddress = 10.8.0.1/24\n", key.as_str());
        let server = format!("{dials_out}ListenPort = 51820\n");
        for name in ["wg1.conf", "wg0.conf", "wg0.conf.imported", "private.key"] {
            std::fs::write(dir.path().join(name), &server).unwrap();
        }
        std::fs::write(dir.path().join("office.conf"), dials_out).unwrap();
        std::fs::write(dir.path().join("empty.conf"), "").unwrap();
        std::fs::write(dir.path().join("wg2.conf"), format!("{server}[Peer]\nPublicKey = short\n")).unwrap();
        let (files, refused) = wg_quick_files(dir.path());
        assert_eq!(files, ["wg0.conf", "wg1.conf"].map(|name| dir.path().join(name)));
        assert!(refused.len() == 1 && refused[0].contains("wg2.conf cannot be taken over"), "{refused:?}");
        assert_eq!(wg_quick_files(&dir.path().join("none")), (vec![], vec![]));
    }

    #[test]
    fn roots_mail_is_read_by_whom_the_aliases_name() {
        assert_eq!(
            reader_of_root("postmaster: root\nroot: joe, ann@example.com\n").as_deref(),
            Some("ann@example.com")
        );
        assert_eq!(reader_of_root("postmaster: root\n"), None);
    }
}
