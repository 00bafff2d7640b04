//! The real thing, driven step by step: router, flows, a database file and the reconcile loop over a pretend kernel that
//! outlives it. It answers in the model's words.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use postern::background::reconcile::Reconciler;
use postern::flows::devices::{self, NewMachine, Terms};
use postern::flows::invite::{Actor, Delivery, Further, Guest, further_token, invite};
use postern::flows::permit::settle_all;
use postern::flows::refusal::Refusal;
use postern::flows::{accounts, groups};
use postern::gateway_view::GatewayView;
use postern::pulse::Pulses;
use postern::site::Site;
use postern::store::{Store, StoreError, Tx};
use postern_gateway::backend::memory::MemoryBackend;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::reference::nth;
use crate::support::site::Plan;
use crate::support::{ACTIVATE, Answer, CREATE, INFO, NOW, POLL, Postern, START, key, places, polling};
use crate::{Door, KEYS, LOCATIONS, NAMES, PEOPLE, Step};

/// The one group.
const GROUP: &str = "staff";
/// A turn over a handful of peers takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct System {
    folder: tempfile::TempDir,
    runtime: Runtime,
    running: Option<Running>,
    kernel: MemoryBackend,
    /// Their numbers.
    keys: BTreeMap<String, u8>,
    doors: [Door; 3],
    second: i64,
    tokens: Vec<String>,
    sessions: Vec<String>,
    polling: Vec<String>,
}

/// Between a start and a stop.
struct Running {
    postern: Postern,
    stop: watch::Sender<bool>,
    reconciler: JoinHandle<()>,
}

impl System {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut system = Self {
            folder: tempfile::tempdir().unwrap(),
            runtime,
            running: None,
            kernel: MemoryBackend::default(),
            keys: (0..KEYS).map(|number| (key(number), number)).collect(),
            doors: [Door::Everybody, Door::Everybody, Door::Nobody],
            second: 0,
            tokens: Vec::new(),
            sessions: Vec::new(),
            polling: Vec::new(),
        };
        system.start();
        system.administer(|tx, _, actor, now| groups::create(tx, actor, GROUP, now).map(drop));
        system
    }

    /// Does a step and says how it is answered.
    pub(crate) fn take(&mut self, number: usize, step: &Step) -> String {
        let answer = self.answer(number, step);
        self.wait_for_the_gateway();
        answer
    }

    /// Interface and key of every peer there is. Each has two addresses that no other one has.
    pub(crate) fn peers(&self) -> BTreeSet<(String, u8)> {
        let observed = self.kernel.observed();
        let mut peers = BTreeSet::new();
        for (name, location) in ["wg-1", "wg-2", "wg-3"].iter().zip(LOCATIONS) {
            let Some(interface) = observed.interfaces.get(&name.parse().unwrap()) else { continue };
            let mut addresses = BTreeSet::new();
            for (key, peer) in &interface.peers {
                assert_eq!(peer.allowed_ips.len(), 2);
                assert!(peer.allowed_ips.iter().all(|ip| addresses.insert(ip)), "an address twice");
                peers.insert((location.to_owned(), self.keys[&key.to_string()]));
            }
        }
        peers
    }

    fn answer(&mut self, number: usize, step: &Step) -> String {
        match step {
            Step::Invite(who) => self.invite(*who),
            Step::Reinvite(who) => self.issue(*who, Further::Enrolling),
            Step::ActivateClient(who) => self.issue(*who, Further::Client),
            Step::AddMachine { name, location } => self.add_machine(*name, *location),
            Step::Open(token) => self.open(number, *token),
            Step::Register { session, name, key: of } => {
                let body = json!({ "name": NAMES[*name], "pubkey": key(*of) });
                self.configuration(number, CREATE, *session, &body)
            }
            Step::SetPassword(session) => {
                let body = json!({ "password": "Correct-Horse-7" });
                let cookie = self.cookie(*session);
                self.send(number, ACTIVATE, &cookie, &body).status.to_string()
            }
            Step::Fetch { session, key: of } => {
                self.configuration(number, INFO, *session, &json!({ "pubkey": key(*of) }))
            }
            Step::Poll(token) => self.poll(number, *token),
            Step::Pass(seconds) => {
                self.second += seconds;
                self.postern().pass(*seconds);
                "200".to_owned()
            }
            Step::RemoveDevice(number) => self.remove_device(*number),
            Step::Join(who) => self.administer(|tx, site, actor, now| {
                groups::add_user(tx, site, actor, GROUP, PEOPLE[*who], now).map(drop)
            }),
            Step::Leave(who) => self.administer(|tx, site, actor, now| {
                groups::remove_user(tx, site, actor, GROUP, PEOPLE[*who], now).map(drop)
            }),
            Step::Disable(who) => self.administer(|tx, site, actor, now| {
                accounts::disable(tx, site, actor, PEOPLE[*who], now).map(drop)
            }),
            Step::Enable(who) => self.administer(|tx, site, actor, now| {
                accounts::enable(tx, site, actor, PEOPLE[*who], now).map(drop)
            }),
            Step::Reload(doors) => self.reload(*doors),
            Step::Restart => self.restart(),
        }
    }

    fn invite(&mut self, who: usize) -> String {
        let guest = Guest {
            username: PEOPLE[who].to_owned(),
            first_name: "A".to_owned(),
            last_name: "B".to_owned(),
            email: format!("{}@example.com", PEOPLE[who]),
            phone: String::new(),
            groups: Vec::new(),
            is_admin: false,
        };
        let mut token = None;
        let answer = self.administer(|tx, site, actor, now| {
            let invited = invite(tx, site, actor, &guest, &Delivery::default(), now)?;
            token = Some(invited.token.expose().to_owned());
            Ok(())
        });
        self.tokens.extend(token);
        answer
    }

    fn issue(&mut self, who: usize, further: Further) -> String {
        let mut token = None;
        let answer = self.administer(|tx, site, actor, now| {
            let issued = further_token(tx, site, actor, (PEOPLE[who], further), &Delivery::default(), now)?;
            token = Some(issued.token.expose().to_owned());
            Ok(())
        });
        self.tokens.extend(token);
        answer
    }

    fn add_machine(&mut self, name: usize, location: usize) -> String {
        let new = NewMachine { name: format!("machine-{name}"), location: LOCATIONS[location].to_owned() };
        let mut token = None;
        let answer = self.administer(|tx, site, actor, now| {
            let added = devices::add_machine(tx, site, actor, &new, &Terms::default(), now)?;
            token = Some(added.token.expose().to_owned());
            Ok(())
        });
        self.tokens.extend(token);
        answer
    }

    fn open(&mut self, number: usize, token: usize) -> String {
        let token = nth(token, self.tokens.len()).map_or("none", |at| self.tokens[at].as_str());
        let answer = self.send(number, START, "undefined", &json!({ "token": token }));
        self.sessions.extend(answer.cookie);
        answer.status.to_string()
    }

    fn configuration(&mut self, number: usize, path: &str, session: usize, body: &Value) -> String {
        let cookie = self.cookie(session);
        let answer = self.send(number, path, &cookie, body);
        if answer.status != 200 {
            return answer.status.to_string();
        }
        self.polling.push(polling(&answer));
        format!("200 {:?}", places(&answer.json()))
    }

    fn poll(&mut self, number: usize, token: usize) -> String {
        let token = nth(token, self.polling.len()).map_or("none", |at| self.polling[at].as_str());
        let answer = self.send(number, POLL, "", &json!({ "token": token }));
        if answer.status == 200 {
            format!("200 {:?}", places(&answer.json()))
        } else {
            answer.status.to_string()
        }
    }

    fn remove_device(&mut self, number: usize) -> String {
        let known = self.postern().devices();
        let Some(at) = nth(number, known.len()) else { return "409".to_owned() };
        let wanted = format!("#{}", known[at].id);
        self.administer(|tx, site, actor, now| devices::remove(tx, site, actor, &wanted, now).map(drop))
    }

    fn reload(&mut self, doors: [Door; 3]) -> String {
        self.doors = doors;
        let app = &self.postern().app;
        let site = planned(doors).site(&app.store);
        let reloaded = app.store.write_blocking(|tx| {
            settle_all(tx, &site)?;
            tx.locations_changed();
            let (app, site) = (app.clone(), site.clone());
            tx.after_commit(move || app.replace_site(site.into()));
            Ok::<_, StoreError>(())
        });
        reloaded.unwrap();
        "200".to_owned()
    }

    fn restart(&mut self) -> String {
        self.stop();
        self.start();
        "200".to_owned()
    }

    fn start(&mut self) {
        let store = Store::open(&self.folder.path().join("postern.db")).unwrap();
        let doors = self.doors;
        let postern = Postern::planned(store, NOW + self.second, |plan| *plan = planned(doors));
        postern.halt_gateway();
        let (stop, shutdown) = watch::channel(false);
        let reconciler = Reconciler {
            app: postern.app.clone(),
            backend: Box::new(self.kernel.clone()),
            published: postern.applied.clone(),
            questions: GatewayView::new().1,
            pulse: Pulses::default().pulse("the reconcile loop"),
            shutdown,
        };
        let reconciler = reconciler.spawn().unwrap();
        self.running = Some(Running { postern, stop, reconciler });
    }

    fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.send_replace(true);
        running.reconciler.join().unwrap();
    }

    fn postern(&self) -> &Postern {
        &self.running.as_ref().unwrap().postern
    }

    /// An administrator's deed: `409` when it is refused.
    fn administer(
        &self,
        deed: impl FnOnce(&Tx<'_>, &Site, &Actor, jiff::Timestamp) -> Result<(), Refusal>,
    ) -> String {
        let app = &self.postern().app;
        let (site, now) = (app.site(), app.now());
        let actor = Actor { name: "unix:root".to_owned(), account: None };
        match app.store.write_blocking(|tx| deed(tx, &site, &actor, now)) {
            Ok(_) => "200".to_owned(),
            Err(Refusal::Store(error)) => panic!("{error}"),
            Err(_) => "409".to_owned(),
        }
    }

    fn cookie(&self, session: usize) -> String {
        nth(session, self.sessions.len()).map_or("none".to_owned(), |at| self.sessions[at].clone())
    }

    /// Each step comes from an address of its own, so that no limit is met.
    fn send(&self, number: usize, path: &str, cookie: &str, body: &Value) -> Answer {
        let request =
            Request::post(path).header("cookie", cookie).body(Body::from(body.to_string())).unwrap();
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(number).unwrap());
        self.runtime.block_on(self.postern().send_from(address.into(), request))
    }

    fn wait_for_the_gateway(&self) {
        let app = &self.postern().app;
        let revision = *app.store.changes().revisions().borrow();
        assert!(self.runtime.block_on(app.applied(revision, PATIENCE)), "the gateway did not follow");
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if self.running.is_some() {
            self.stop();
        }
    }
}

/// `Lab` has two addresses.
fn planned(doors: [Door; 3]) -> Plan {
    let mut plan = Plan::new();
    plan.location("Lab").ipv6 = "fd77:2::/126".parse().ok();
    for (name, door) in LOCATIONS.iter().zip(doors) {
        plan.location(name).groups = match door {
            Door::Everybody | Door::Gone => None,
            Door::Nobody => Some(BTreeSet::new()),
            Door::Members => Some([GROUP.to_owned()].into()),
        };
        if door == Door::Gone {
            plan.locations.retain(|location| location.name != *name);
        }
    }
    plan
}
