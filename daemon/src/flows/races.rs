//! Two people at once, over one database file: exactly one wins, the other is told what is wrong.

use std::sync::Barrier;
use std::thread;

use super::accounts::{self, Edit};
use super::devices::{self, NewMachine, Terms};
use super::enroll::{self, EnrollError};
use super::groups;
use super::invite::{Actor, Delivery, Guest, invite};
use super::refusal::Refusal;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::issue::issue_enrollment;
use crate::flows::permit::settle_user;
use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::token::TokenHash;
use crate::site::Site;
use crate::store::device::DeviceOwner;
use crate::store::{Store, StoreError, Tx};

/// How many try at the same time.
const RIVALS: u8 = 8;

struct Arena {
    _dir: tempfile::TempDir,
    store: Store,
    site: Site,
}

impl Arena {
    /// From here on only members of `ops` may use `lab`.
    fn leave_lab_to_ops(&mut self) {
        let restricted = self.site.locations().map(|location| {
            let mut location = location.clone();
            location.config.groups =
                (location.config.name == "lab").then(|| [String::from("ops")].into_iter().collect());
            location
        });
        let restricted: Vec<_> = restricted.collect();
        self.site =
            Site::new(self.site.config.clone(), self.site.instance, self.site.keys.clone(), restricted);
    }

    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("postern.db")).unwrap();
        let site = a_site(&store);
        Self { _dir: dir, store, site }
    }

    /// With `hq` only, which has five addresses to give.
    fn with_five_addresses(mut self) -> Self {
        let hq = self.site.locations().filter(|location| location.config.name == "hq").map(|location| {
            let mut location = location.clone();
            location.config.ipv4 = "10.77.9.0/29".parse().ok();
            location
        });
        let hq: Vec<_> = hq.collect();
        self.site = Site::new(self.site.config.clone(), self.site.instance, self.site.keys.clone(), hq);
        self
    }

    /// What became of each rival; all start together.
    fn race<T: Send, E: Send + From<StoreError>>(
        &self,
        attempt: impl Fn(&Tx<'_>, &Site, u8) -> Result<T, E> + Sync,
    ) -> (Vec<T>, Vec<E>) {
        let start = Barrier::new(usize::from(RIVALS));
        let outcomes: Vec<Result<T, E>> = thread::scope(|scope| {
            let rivals: Vec<_> = (0..RIVALS)
                .map(|number| {
                    let (start, attempt) = (&start, &attempt);
                    scope.spawn(move || {
                        start.wait();
                        let done = self.store.write_blocking(|tx| attempt(tx, &self.site, number));
                        done.map(|done| done.0)
                    })
                })
                .collect();
            rivals.into_iter().map(|rival| rival.join().unwrap()).collect()
        });
        let (mut won, mut lost) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            match outcome {
                Ok(value) => won.push(value),
                Err(error) => lost.push(error),
            }
        }
        (won, lost)
    }
}

fn root() -> Actor {
    Actor { name: "unix:root".to_owned(), account: None }
}

fn guest(username: &str, email: &str) -> Guest {
    Guest {
        username: username.to_owned(),
        first_name: "Ann".to_owned(),
        last_name: "Example".to_owned(),
        email: email.to_owned(),
        phone: String::new(),
        groups: Vec::new(),
        is_admin: false,
    }
}

#[test]
fn one_of_many_gets_the_username() {
    let (won, lost) = Arena::new().race(|tx, site, number| {
        let guest = guest("ann", &format!("ann{number}@example.com"));
        invite(tx, site, &root(), &guest, &Delivery::default(), at(0)).map(|_| ())
    });
    assert_eq!((won.len(), lost.len()), (1, 7));
    assert!(lost.iter().all(|refused| matches!(refused, Refusal::UsernameTaken(_))), "{lost:?}");
}

#[test]
fn one_of_many_gets_the_mail_address() {
    let (won, lost) = Arena::new().race(|tx, site, number| {
        let guest = guest(&format!("ann{number}"), "ann@example.com");
        invite(tx, site, &root(), &guest, &Delivery::default(), at(0)).map(|_| ())
    });
    assert_eq!((won.len(), lost.len()), (1, 7));
    assert!(lost.iter().all(|refused| matches!(refused, Refusal::EmailTaken(_))), "{lost:?}");
}

#[test]
fn one_of_many_makes_the_group_and_one_the_machine() {
    let arena = Arena::new();
    let (won, lost) = arena.race(|tx, _, _| groups::create(tx, &root(), "ops", at(0)));
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|refused| matches!(refused, Refusal::GroupTaken(_))), "{lost:?}");
    let new = NewMachine { name: "edge".to_owned(), location: "hq".to_owned() };
    let (won, lost) = arena.race(|tx, site, _| {
        devices::add_machine(tx, site, &root(), &new, &Terms::default(), at(0)).map(|_| ())
    });
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(|refused| matches!(refused, Refusal::DeviceTaken(_))), "{lost:?}");
}

#[test]
fn as_many_as_there_are_addresses_win_each_another_one() {
    let arena = Arena::new().with_five_addresses();
    let (won, lost) = arena.race(|tx, site, number| {
        let new = NewMachine { name: format!("edge-{number}"), location: "hq".to_owned() };
        devices::add_machine(tx, site, &root(), &new, &Terms::default(), at(0)).map(|issued| issued.id)
    });
    assert_eq!((won.len(), lost.len()), (5, 3));
    assert!(lost.iter().all(|refused| matches!(refused, Refusal::PoolExhausted(_))), "{lost:?}");
    let held = arena.store.read_blocking(|tx| Ok::<_, StoreError>(tx.addresses()?.len())).unwrap();
    assert_eq!(held, 5);
}

#[test]
fn of_two_administrators_who_demote_each_other_one_stays() {
    let arena = Arena::new();
    arena
        .store
        .write_blocking(|tx| {
            for number in 0..RIVALS {
                let id = a_person(tx, &format!("admin{number}"));
                let user = tx.user(id)?.unwrap();
                tx.update_user(&crate::store::account::User { is_admin: true, ..user })?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let (won, lost) = arena.race(|tx, site, number| {
        let demotion = Edit { is_admin: Some(false), ..Edit::default() };
        accounts::edit(tx, site, &root(), &format!("admin{number}"), &demotion, at(1))
    });
    assert_eq!((won.len(), lost.len()), (7, 1));
    assert!(matches!(*lost, [Refusal::LastAdministrator(_)]), "{lost:?}");
}

#[test]
fn a_device_registered_while_its_owner_is_moved_between_groups_holds_what_the_group_gives() {
    let mut arena = Arena::new();
    arena.leave_lab_to_ops();
    let site = &arena.site;
    let day = std::time::Duration::from_hours(24);
    let user = arena
        .store
        .write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            groups::create(tx, &root(), "ops", at(0)).map_err(|_| StoreError::Unreadable("group"))?;
            let kind = EnrollmentKind::Enrollment;
            let (_, token, _) = issue_enrollment(tx, site, Subject::User(ann), kind, None, day, at(0))?;
            enroll::open(tx, site, &token, TokenHash([1; 32]), at(0))
                .map_err(|_| StoreError::Unreadable("token"))?;
            Ok::<_, StoreError>(ann)
        })
        .unwrap()
        .0;
    let (won, lost) = arena.race(|tx, site, number| match number {
        0 => {
            let session = enroll::session(tx, TokenHash([1; 32]), at(1))?;
            let key = postern_gateway::PrivateKey::from_random([9; 32]).public().to_string();
            enroll::create_device(tx, site, &session, "laptop", &key, at(1)).map(|_| ())
        }
        1 => groups::add_user(tx, site, &root(), "ops", "ann", at(1))
            .map(|_| ())
            .map_err(|_| EnrollError::NoSession),
        _ => Ok(()),
    });
    assert_eq!((won.len(), lost.len()), (8, 0));
    let places = || arena.store.read_blocking(|tx| Ok::<_, StoreError>(tx.addresses()?.len())).unwrap();
    assert_eq!(places(), 2, "whoever was first");
    arena.store.write_blocking(|tx| settle_user(tx, site, user)).unwrap();
    assert_eq!(places(), 2, "nothing was left to settle");
}

#[test]
fn one_of_many_gets_the_name_of_a_device_and_one_the_key() {
    let arena = Arena::new();
    let user = arena.store.write_blocking(|tx| Ok::<_, StoreError>(a_person(tx, "ann"))).unwrap().0;
    let key = |number: u8| postern_gateway::PrivateKey::from_random([number + 20; 32]).public();
    let owner = DeviceOwner::User(user);
    let (won, lost) = arena.race(|tx, _, number| {
        let name = if number % 2 == 0 { "laptop" } else { "LAPTOP" };
        tx.insert_device(owner, name, Some(key(number)), None, at(0))
    });
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(StoreError::is_conflict), "{lost:?}");
    let (won, lost) = arena
        .race(|tx, _, number| tx.insert_device(owner, &format!("d{number}"), Some(key(99)), None, at(0)));
    assert_eq!(won.len(), 1);
    assert!(lost.iter().all(StoreError::is_conflict), "{lost:?}");
}

#[test]
fn however_many_devices_somebody_adds_at_once_there_are_as_many_as_people_may_have() {
    let mut arena = Arena::new();
    arena.site.config.portal.device_limit = Some(3);
    let made = arena.store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        tx.activate_user(ann, "old", None)?;
        tx.user(ann)
    });
    let user = made.unwrap().0.unwrap();
    let (won, lost) = arena.race(|tx, site, number| {
        let key = postern_gateway::PrivateKey::from_random([number + 20; 32]).public().to_string();
        enroll::add_device(tx, site, &user, (&format!("d{number}"), &key), at(0))
    });
    assert_eq!(won.len(), 3);
    assert!(lost.iter().all(|error| matches!(error, EnrollError::DeviceLimit(3))), "{lost:?}");
}
