//! How many connections there are at once: so many in all, and so many of one client, so that one cannot take the
//! places of all. It knows nothing of what a connection is.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// No client has more than one of so many parts of all places.
const CLIENTS_AT_LEAST: usize = 8;

/// Places for connections. Clones share them.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    most: usize,
    most_of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_client: BTreeMap<IpAddr, usize>,
    /// Whether somebody was sent away for want of places, and few have left since.
    is_crowded: bool,
}

/// Who is on the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visitor {
    /// A trusted proxy, which comes for many.
    Proxy,
    /// An IPv4 address or an IPv6 /64.
    Client(IpAddr),
}

/// A place taken; dropping it frees it.
pub(super) struct Place {
    of: Places,
    visitor: Visitor,
}

impl Places {
    /// `most` places.
    pub(super) fn new(most: usize) -> Self {
        let most_of_one = (most / CLIENTS_AT_LEAST).max(1);
        Self(Arc::new(Inner { most, most_of_one, taken: Mutex::default() }))
    }

    /// `None`: all places are taken, or all that one client may have.
    pub(super) fn take(&self, visitor: Visitor) -> Option<Place> {
        let mut taken = self.taken();
        if taken.all >= self.0.most {
            if !taken.is_crowded {
                tracing::warn!(
                    most = self.0.most,
                    "too many HTTP connections: further ones are closed at once"
                );
            }
            taken.is_crowded = true;
            return None;
        }
        if let Visitor::Client(client) = visitor {
            let of_one = taken.by_client.get(&client).map_or(1, |count| count + 1);
            if of_one > self.0.most_of_one {
                tracing::debug!(%client, most = self.0.most_of_one, "too many HTTP connections of one client");
                return None;
            }
            taken.by_client.insert(client, of_one);
        }
        taken.all += 1;
        Some(Place { of: self.clone(), visitor })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.all -= 1;
        taken.is_crowded &= taken.all > self.of.0.most / 2;
        let Visitor::Client(client) = self.visitor else { return };
        if let Some(count) = taken.by_client.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                taken.by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(last: u8) -> Visitor {
        Visitor::Client(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn one_client_leaves_places_to_others_and_a_proxy_may_have_all() {
        let places = Places::new(80);
        let of_one: Vec<_> = (0..80).filter_map(|_| places.take(client(1))).collect();
        let of_another: Vec<_> = (0..80).filter_map(|_| places.take(client(2))).collect();
        assert_eq!((of_one.len(), of_another.len()), (10, 10));
        let of_proxy: Vec<_> = (0..80).filter_map(|_| places.take(Visitor::Proxy)).collect();
        assert_eq!(of_proxy.len(), 60);
        assert!(places.take(client(3)).is_none());
    }

    #[test]
    fn a_place_that_was_left_is_free_again_and_who_left_is_forgotten() {
        let places = Places::new(1);
        for last in 0..=255 {
            let place = places.take(client(last)).unwrap();
            assert!(places.take(client(0)).is_none());
            drop(place);
        }
        assert!(places.taken().by_client.is_empty());
    }
}
