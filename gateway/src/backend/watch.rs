//! Notices that somebody changed links, addresses, routes or nftables rules: the kernel says so over netlink.
//!
//! What changed is not read: a turn observes everything anyway. Our own changes are noticed too, and cost one
//! turn with nothing to do. WireGuard's peers have no notifications; the periodic turn finds those.

use std::pin::Pin;
use std::time::Duration;

use netlink_sys::Socket;
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use nix::libc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, Sleep, sleep};

use crate::backend::BackendError;

/// How long further notifications are gathered after the first: a change seldom comes alone.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// The same after a change of nftables rules that follows on quiet: they change as a whole, and while ours are gone, what
/// they forbid is open.
const RULES_DEBOUNCE: Duration = Duration::from_millis(5);

/// Links, IPv4 addresses and routes, IPv6 addresses and routes (`linux/rtnetlink.h`, `RTNLGRP_*`).
const ROUTE_GROUPS: [u32; 5] = [1, 5, 7, 9, 11];

/// `NFNLGRP_NFTABLES` of `linux/netfilter/nfnetlink.h`.
const NFTABLES_GROUP: u32 = 7;

/// Messages read at once; what comes faster is read the next time.
const DRAIN_LIMIT: usize = 4096;

/// A watch over one network namespace: that of the thread which opened it.
#[derive(Debug)]
pub struct Watch {
    route: AsyncFd<Socket>,
    netfilter: AsyncFd<Socket>,
    /// Runs from the first notification until the gathering ends; kept when a caller gives up waiting.
    gathering: Option<Pin<Box<Sleep>>>,
    /// Until when gathering takes its full time: somebody who changes rules without pause is not answered each time.
    busy_until: Instant,
}

impl Watch {
    /// Starts watching: every change after this call is noticed. To be called within a tokio runtime.
    pub fn open() -> Result<Self, BackendError> {
        let failed = |source| BackendError::new("listen for netlink notifications", source);
        Ok(Self {
            route: subscribe(NETLINK_ROUTE, &ROUTE_GROUPS).map_err(failed)?,
            netfilter: subscribe(NETLINK_NETFILTER, &[NFTABLES_GROUP]).map_err(failed)?,
            gathering: None,
            busy_until: Instant::now(),
        })
    }

    /// Resolves about 200 ms after the first change since the watch was opened or last resolved; at once if that is of
    /// nftables rules and there was quiet before. More notifications than fit the socket's buffer count as a change.
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        if self.gathering.is_none() {
            let is_of_rules = tokio::select! {
                () = notified(&self.route) => false,
                () = notified(&self.netfilter) => true,
            };
            let follows_quiet = Instant::now() >= self.busy_until;
            let pause = if is_of_rules && follows_quiet { RULES_DEBOUNCE } else { DEBOUNCE };
            self.gathering = Some(Box::pin(sleep(pause)));
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.await;
        }
        self.gathering = None;
        self.busy_until = Instant::now() + DEBOUNCE;
        drain(&self.route);
        drain(&self.netfilter);
    }
}

#[expect(deprecated, reason = "its successor is unsafe; the socket keeps its descriptor as long as it lives")]
fn subscribe(protocol: isize, groups: &[u32]) -> std::io::Result<AsyncFd<Socket>> {
    let mut socket = Socket::new(protocol)?;
    socket.set_non_blocking(true)?;
    socket.bind_auto()?;
    groups.iter().try_for_each(|group| socket.add_membership(*group))?;
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// Waits for a notification and takes it.
async fn notified(socket: &AsyncFd<Socket>) {
    loop {
        // It fails only when the runtime is going away, and everything that waits with it.
        if socket.readable().await.is_err() {
            return std::future::pending().await;
        }
        if drain(socket) {
            return;
        }
    }
}

/// Takes what is there; says whether anything was.
fn drain(socket: &AsyncFd<Socket>) -> bool {
    // Too small for most messages, whose contents do not matter: the rest of a message is thrown away.
    let mut start = Vec::with_capacity(64);
    for taken in 0..DRAIN_LIMIT {
        start.clear();
        let received = socket.try_io(Interest::READABLE, |socket| socket.recv(&mut start, 0));
        match received.map_err(|error| error.raw_os_error()) {
            Ok(_) | Err(Some(libc::ENOBUFS | libc::EINTR)) => {}
            Err(_) => return taken > 0,
        }
    }
    true
}
