//! Turns of the mail loop against a store in memory and a folder.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::app::Clock;
use crate::applied::Applied;
use crate::config::{Security, Smtp};
use crate::fixtures::{a_person, a_site, at};
use crate::flows::issue::{enrollment_token, issue_enrollment};
use crate::pulse::Pulses;
use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::ids::EnrollmentId;
use crate::rules::message::Message;
use crate::store::Store;
use crate::store::outbox::Listed;
use crate::texts::Texts;

#[tokio::test]
async fn an_invitation_arrives_once_with_a_token_that_opens_its_enrollment() {
    let dir = tempfile::tempdir().unwrap();
    let (app, enrollment) = an_app_with_an_invitation(dir.path(), 10);

    tried(&app).await.unwrap();
    tried(&app).await.unwrap();

    let mails = mails_in(dir.path());
    assert_eq!(mails.len(), 1);
    let token = enrollment_token(&app.site(), enrollment, 0);
    for fact in [
        "To: private@example.org".to_owned(),
        "Subject: Ada invites you to Example".to_owned(),
        format!("https://vpn.example.com/?token={}", token.expose()),
        format!("defguard://addinstance?token={}&url=https%3A%2F%2Fvpn.example.com%2F", token.expose()),
        "valid until 1970-01-02 00:00 UTC".to_owned(),
        "Ask Ada: ada@example.com".to_owned(),
    ] {
        assert!(mails[0].contains(&fact), "{fact} in {}", mails[0]);
    }
}

#[tokio::test]
async fn an_invitation_whose_token_expired_is_marked_and_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (app, _) = an_app_with_an_invitation(dir.path(), 24 * 60 * 60);

    tried(&app).await.unwrap();

    assert_eq!(mails_in(dir.path()).len(), 0);
    let troubled = app.store.read_blocking(|tx| tx.newest_mail(Listed::NotSent, 9)).unwrap();
    assert_eq!(troubled[0].last_error.as_deref(), Some("its token expired before it could be sent"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_leaves_the_mail_for_later() {
    let dir = tempfile::tempdir().unwrap();
    let taken = dir.path().join("taken");
    fs::write(&taken, "a file").unwrap();
    let (app, _) = an_app_with_an_invitation(&taken, 10);

    let pause = tried(&app).await.unwrap();
    assert!((24..=36).contains(&pause.as_secs()), "{pause:?}");

    let troubled = app.store.read_blocking(|tx| tx.newest_mail(Listed::NotSent, 9)).unwrap();
    assert_eq!((troubled[0].attempts, troubled[0].parked_at), (1, None));
}

#[tokio::test]
async fn while_the_database_takes_no_records_a_delivered_mail_is_not_sent_again_and_no_other_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let (app, _) = an_app_with_an_invitation(dir.path(), 10);
    let another = |tx: &Tx<'_>| tx.post(&Message::LocationFull { location: "hq".to_owned() }, at(0));
    app.store.write_blocking(another).unwrap();
    let (unrecorded, shutdown) = (Unrecorded::default(), watch::channel(false).1);
    let pulse = Pulses::default().pulse("the mail loop");

    app.store.fill_the_disk().unwrap();
    assert!(turn(&app, &pulse, &unrecorded, &shutdown).await.is_err());
    let first = mails_in(dir.path());
    assert_eq!(first.len(), 1);
    for mail in files_in(dir.path()) {
        fs::remove_file(mail).unwrap();
    }
    assert!(turn(&app, &pulse, &unrecorded, &shutdown).await.is_err());
    assert_eq!(mails_in(dir.path()), [""; 0]);

    app.store.free_the_disk().unwrap();
    turn(&app, &pulse, &unrecorded, &shutdown).await.unwrap();
    let then = mails_in(dir.path());
    assert!(then.len() == 1 && then != first, "only the other one: {then:?}");
    assert_eq!(app.store.read_blocking(|tx| tx.newest_mail(Listed::NotSent, 9)).unwrap(), []);
}

#[tokio::test]
async fn the_onboarding_text_arrives_with_the_names_of_user_and_inviter() {
    let dir = tempfile::tempdir().unwrap();
    let (app, _) = an_app_with_an_invitation(dir.path(), 10);
    let texts = tempfile::tempdir().unwrap();
    fs::create_dir(texts.path().join("welcome")).unwrap();
    for (file, text) in [
        ("welcome/subject.txt", "You are in\n"),
        ("welcome/onboarding.md", "# Hi {{ first_name }}\n\nAsk {{ admin_email }}.{{ nobody }}"),
    ] {
        fs::write(texts.path().join(file), text).unwrap();
    }
    let mut site = (*app.site()).clone();
    site.config.texts = Texts::read(texts.path()).texts;
    app.replace_site(site.into());
    let ann = |tx: &Tx<'_>| Ok::<_, StoreError>(tx.user_by_name("ann")?.unwrap().id);
    let post = |tx: &Tx<'_>| tx.post(&Message::Welcome { user: ann(tx)? }, at(0));
    app.store.write_blocking(post).unwrap();

    tried(&app).await.unwrap();

    let mails = mails_in(dir.path());
    let welcome = mails.iter().find(|mail| mail.contains("Subject: You are in")).unwrap();
    assert!(welcome.contains("To: ann@example.com"), "{welcome}");
    assert!(welcome.contains("Hi Ann\r\n======\r\n\r\nAsk ada@example.com.\r\n"), "{welcome}");
    assert!(welcome.contains(">Hi Ann</h1>"), "{welcome}");
}

#[tokio::test]
async fn a_server_that_takes_leave_of_nobody_does_not_make_the_loop_look_stuck() {
    let (app, _) = an_app_with_an_invitation(Path::new("unused"), 10);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut site = (*app.site()).clone();
    site.config.mail.directory = None;
    site.config.mail.smtp = Some(Smtp {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        security: Security::Unencrypted,
        login: None,
        ca: None,
        timeout: Duration::from_mins(5),
        hello_name: "vpn.example.com".to_owned(),
    });
    app.replace_site(site.into());
    let mut pulses = Pulses::default();
    let (pulse, shutdown) = (pulses.pulse("the mail loop"), watch::channel(false).1);
    let unrecorded = Unrecorded::default();
    let leave = async {
        let _conversation = until_it_quits(&listener).await;
        pulses.all_answer().await;
    };
    tokio::select! {
        turned = turn(&app, &pulse, &unrecorded, &shutdown) => panic!("it does not wait: {turned:?}"),
        answered = timeout(Duration::from_secs(30), leave) => assert!(answered.is_ok(), "nobody answers"),
    }
    assert_eq!(app.store.read_blocking(|tx| tx.newest_mail(Listed::NotSent, 9)).unwrap(), []);
}

/// A mail server that takes everything and says nothing to a QUIT.
async fn until_it_quits(listener: &TcpListener) -> BufStream<TcpStream> {
    let mut conversation = BufStream::new(listener.accept().await.unwrap().0);
    let (mut answer, mut is_in_mail) = ("220 mail.example.com ESMTP", false);
    loop {
        conversation.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        conversation.flush().await.unwrap();
        let mut line = String::new();
        while line.is_empty() || (is_in_mail && line != ".\r\n") {
            line.clear();
            conversation.read_line(&mut line).await.unwrap();
        }
        if line.starts_with("QUIT") {
            return conversation;
        }
        is_in_mail = line.starts_with("DATA");
        answer = if is_in_mail { "354 go on" } else { "250 well" };
    }
}

async fn tried(app: &App) -> Result<Duration, StoreError> {
    let pulse = Pulses::default().pulse("the mail loop");
    turn(app, &pulse, &Unrecorded::default(), &watch::channel(false).1).await
}

/// The invitation was posted at second 0; the clock stands at `now`.
fn an_app_with_an_invitation(dir: &Path, now: i64) -> (App, EnrollmentId) {
    let store = Store::in_memory().unwrap();
    let mut site = a_site(&store);
    site.config.mail.directory = Some(dir.to_owned());
    let (enrollment, _) = store
        .write_blocking(|tx| {
            let subject = Subject::User(a_person(tx, "ann"));
            let ttl = site.config.enrollment.token_ttl;
            let kind = EnrollmentKind::Enrollment;
            let (enrollment, _, _) = issue_enrollment(tx, &site, subject, kind, None, ttl, at(0))?;
            let send_to = Some("private@example.org".to_owned());
            tx.post(&Message::Invitation { enrollment, send_to }, at(0))?;
            Ok::<_, StoreError>(enrollment)
        })
        .unwrap();
    let (_, applied) = watch::channel(Applied::default());
    (App::new(store, site, applied, Clock::from_fn(move || at(now))), enrollment)
}

fn mails_in(dir: &Path) -> Vec<String> {
    files_in(dir).iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn files_in(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}
