//! How long it takes to be refused at signing in, by the real router over a database on a disk: with the name of an account,
//! and with one that nobody has, in turns. Whoever measures must not learn which is which.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::gateway_view::GatewayView;
use postern::password::Passwords;
use postern::web;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use crate::site::{Folder, person, write};
use crate::table::{Table, timed};

const ATTEMPTS: usize = 300;
/// Between attempts, on the router's clock: so no limit is met.
const PAUSE_SECONDS: i64 = 2 * 60 * 60;

pub(crate) fn measure(table: &mut Table) {
    let folder = Folder::new(1);
    let store = folder.store();
    let site = folder.put_into_force(&store);
    let runtime = Runtime::new().unwrap();
    let password = Zeroizing::new("the right one".to_owned());
    let hash = runtime.block_on(Passwords::default().hash(password, [7; 16])).unwrap();
    let begun = Clock::system().now();
    let known = person(1);
    write(&store, |tx| {
        let user = tx.insert_user(&known, begun)?;
        tx.activate_user(user, &hash, None)
    });
    let seconds = Arc::new(AtomicI64::new(begun.as_second()));
    let read = Arc::clone(&seconds);
    let clock = Clock::from_fn(move || {
        jiff::Timestamp::from_second(read.load(Ordering::Relaxed)).unwrap_or_default()
    });
    let (_, applied) = watch::channel(Applied::default());
    let router = web::router(App::new(store, site, applied, clock), GatewayView::new().0);
    let mut times = [Vec::new(), Vec::new()];
    for attempt in 0..ATTEMPTS {
        // Each at every place in a row of four: the threads that hash take turns, and are not equally fast.
        let mut both: Vec<_> = [known.username.as_str(), "nobody"].into_iter().zip(&mut times).collect();
        if attempt / 2 % 2 == 1 {
            both.reverse();
        }
        for (name, times) in both {
            seconds.fetch_add(PAUSE_SECONDS, Ordering::Relaxed);
            times.push(timed(|| runtime.block_on(refused(&router, name))).0);
        }
    }
    tell(times, table);
}

fn tell(mut times: [Vec<Duration>; 2], table: &mut Table) {
    for times in &mut times {
        times.sort_unstable();
    }
    let [ours, theirs] = &times;
    for (percent, limit) in [(50, 1.1), (99, 2.0)] {
        let at = |times: &[Duration]| *times.get(times.len() * percent / 100).unwrap();
        table.ratio(
            &format!("sign-in refused p{percent}, slower / faster name"),
            // Whichever is slower: either tells them apart.
            (at(ours).max(at(theirs)), at(ours).min(at(theirs))),
            limit,
        );
    }
}

async fn refused(router: &Router, name: &str) {
    let from = ConnectInfo(std::net::SocketAddr::from(([192, 0, 2, 1], 40_000)));
    let request = Request::post("/sign-in").extension(from).header("sec-fetch-site", "same-origin");
    let body = Body::from(format!("username={name}&password=a+wrong+one"));
    let answer = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 401);
    answer.into_body().collect().await.unwrap();
}
