//! Two who want the same thing at the same moment, on real threads over a file: exactly one gets it, the other is told.

use std::sync::Barrier;

use postern::store::Store;

use crate::support::{Answer, NOW, Postern, key};

/// So often each race is run.
const ROUNDS: u8 = 10;

#[test]
fn of_two_who_register_one_key_exactly_one_does() {
    for round in 0..ROUNDS {
        let (_folder, postern) = over_a_file();
        let [ann, bob] = ["ann", "bob"].map(|name| block_on(postern.session_of(name)));
        let told = race([
            Box::new(|| block_on(postern.create_device(&ann, "one", &key(round)))),
            Box::new(|| block_on(postern.create_device(&bob, "two", &key(round)))),
        ]);
        assert_eq!(told.map(|told| told.0), [200, 400]);
        assert_eq!(postern.devices().len(), 1);
    }
}

#[test]
fn of_two_who_give_one_name_exactly_one_does() {
    for _ in 0..ROUNDS {
        let (_folder, postern) = over_a_file();
        let cookie = block_on(postern.session_of("ann"));
        let told = race([
            Box::new(|| block_on(postern.create_device(&cookie, "Größe", &key(1)))),
            Box::new(|| block_on(postern.create_device(&cookie, "GRÖSSE", &key(2)))),
        ]);
        assert_eq!(told[0].0, 200);
        assert_eq!(told[1].0, 409);
        assert!(told[1].1.contains("already"), "{}", told[1].1);
    }
}

#[test]
fn of_two_who_take_the_last_address_exactly_one_does() {
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("postern.db")).unwrap();
        let postern = Postern::planned(store, NOW, |plan| {
            plan.locations.retain(|location| location.name == "Lab");
            plan.location("Lab").ipv4 = "10.77.2.0/30".parse().ok();
        });
        let [ann, bob] = ["ann", "bob"].map(|name| block_on(postern.session_of(name)));
        let told = race([
            Box::new(|| block_on(postern.create_device(&ann, "laptop", &key(1)))),
            Box::new(|| block_on(postern.create_device(&bob, "laptop", &key(2)))),
        ]);
        assert_eq!(told.map(|told| told.0), [200, 409]);
        assert_eq!(postern.devices().len(), 1);
    }
}

#[test]
fn of_two_who_activate_with_one_token_exactly_one_does() {
    for _ in 0..ROUNDS / 2 {
        let (_folder, postern) = over_a_file();
        let token = postern.invite("ann");
        let [first, second] = [(); 2].map(|()| block_on(postern.start(&token)).1);
        let told = race([
            Box::new(|| block_on(postern.activate(&first, "Correct-Horse-7"))),
            Box::new(|| block_on(postern.activate(&second, "Correct-Horse-8"))),
        ]);
        assert_eq!(told[0].0, 200);
        assert_eq!(told[1].0, 400);
        assert!(told[1].1.contains("password already"), "{}", told[1].1);
    }
}

#[test]
fn of_two_who_enroll_one_machine_one_key_is_left_and_one_polling_token() {
    for _ in 0..ROUNDS {
        let (_folder, postern) = over_a_file();
        let token = postern.add_machine("edge", "Lab");
        let [first, second] = [(); 2].map(|()| block_on(postern.start(&token)).1);
        let answers = std::sync::Mutex::new(Vec::new());
        let enroll = |cookie: &str, number: u8| {
            let answer = block_on(postern.create_device(cookie, "", &key(number)));
            answers.lock().unwrap().push((key(number), crate::support::polling(&answer)));
            answer
        };
        let told = race([Box::new(|| enroll(&first, 1)), Box::new(|| enroll(&second, 2))]);
        assert_eq!(told.map(|told| told.0), [200, 200], "the later key replaces the earlier one");
        let left = postern.devices().remove(0).public_key.unwrap().to_string();
        for (key, token) in answers.into_inner().unwrap() {
            let polled = block_on(postern.present(crate::support::POLL, &token)).status;
            assert_eq!(polled, if key == left { 200 } else { 403 });
        }
    }
}

/// Runs both at once; sorted by status.
fn race<'a>(runners: [Box<dyn FnOnce() -> Answer + Send + 'a>; 2]) -> [(u16, String); 2] {
    let barrier = Barrier::new(2);
    let mut told = std::thread::scope(|scope| {
        let threads = runners.map(|run| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                run().told()
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    told.sort();
    told
}

fn over_a_file() -> (tempfile::TempDir, Postern) {
    let folder = tempfile::tempdir().unwrap();
    let postern = Postern::over_file(&folder.path().join("postern.db"), NOW);
    (folder, postern)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
