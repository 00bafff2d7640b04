//! Servers that are down, slow, strict or broken.

use std::time::Duration;

use postern::config::Security;
use postern::store::outbox::MailState;
use tokio::time::Instant;

use crate::server::Server;
use crate::station::Station;

/// A server that behaves as `mode` says, a mail it has not seen yet, and the mail's number.
fn a_mail_before(mode: &str) -> Option<(Server, Station, i64)> {
    let server = Server::start(mode)?;
    let mut station = Station::of(server.settings());
    let id = station.tell_of("hq");
    station.deliver();
    Some((server, station, id))
}

#[tokio::test]
async fn a_server_that_is_down_is_waited_for_and_what_waited_follows_the_first_that_gets_through() {
    let Some(mut server) = Server::start("starttls") else { return };
    server.go_down();
    let mut station = Station::of(server.settings());
    let ids = ["a", "b", "c"].map(|location| station.tell_of(location));
    station.deliver();
    for id in ids {
        let error = station.error_of(id).await;
        assert!(error.contains("cannot connect to localhost:") && error.contains("refused"), "{error}");
        assert_eq!(station.mail(id).state(), MailState::Retrying);
    }

    server.come_up();
    station.tell_of("d");

    station.wait_until_nothing_is_left().await;
    assert_eq!(server.mails().len(), 4);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_its_time_and_delays_nobody() {
    let Some(server) = Server::start("starttls stall") else { return };
    let mut station = Station::of(server.settings());
    station.reload(|smtp| smtp.timeout = Duration::from_secs(1));
    let id = station.tell_of("hq");
    station.deliver();
    station.eventually(|| Some(()).filter(|()| server.connections() > 0)).await;
    let begun = Instant::now();
    station.tell_of("other");
    assert!(begun.elapsed() < Duration::from_millis(900), "the database was locked");
    let error = station.error_of(id).await;
    assert!(error.contains("did not answer within 1 s at the greeting"), "{error}");

    server.behave("starttls");
    station.retry(id);

    station.wait_until_nothing_is_left().await;
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn a_server_that_takes_a_mail_and_never_answers_gets_it_again() {
    let Some(server) = Server::start("starttls stall-data") else { return };
    let mut station = Station::of(server.settings());
    station.reload(|smtp| smtp.timeout = Duration::from_secs(1));
    let id = station.tell_of("hq");
    station.deliver();
    let error = station.error_of(id).await;
    assert!(error.contains("did not answer within 1 s at the mail"), "{error}");

    server.behave("starttls");
    station.retry(id);

    station.wait_for(id, MailState::Sent).await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_refused_login_is_told_and_tried_again() {
    let Some((server, station, id)) = a_mail_before("starttls refuse-login") else { return };
    let error = station.error_of(id).await;
    assert!(error.contains("refuses the login as \"postern\": permanent error (535)"), "{error}");
    assert!(!error.contains("hunter22"), "{error}");
    assert_eq!(station.mail(id).state(), MailState::Retrying);

    server.behave("starttls");
    station.retry(id);

    station.wait_for(id, MailState::Sent).await;
    assert_eq!(station.mail(id).answer.unwrap(), "2.0.0 Ok: queued as 4711");
}

#[tokio::test]
async fn one_refused_recipient_is_parked_at_once_and_the_others_get_their_mail() {
    let Some(server) = Server::start("starttls refuse=eve@example.org") else { return };
    let mut station = Station::of(server.settings());
    let [ann, eve, bob] = ["ann", "eve", "bob"].map(|username| station.tell(username));
    station.deliver();

    station.wait_for(eve, MailState::Parked).await;
    station.wait_for(ann, MailState::Sent).await;
    station.wait_for(bob, MailState::Sent).await;

    let error = station.error_of(eve).await;
    assert!(
        error.contains("does not take the recipient: permanent error (550): 5.1.1 No such user here"),
        "{error}"
    );
    assert_eq!(server.mails().len(), 2);
    server.behave("starttls");
    station.retry(eve);
    station.wait_for(eve, MailState::Sent).await;
}

#[tokio::test]
async fn an_address_beyond_ascii_that_the_server_cannot_take_is_parked_and_delays_nobody() {
    let Some(server) = Server::start("starttls") else { return };
    let mut station = Station::of(server.settings());
    let zoe = station.tell("zo\u{eb}");
    let others = ["a", "b", "c", "d", "e", "f"].map(|username| station.tell(username));
    station.deliver();

    let error = station.error_of(zoe).await;
    assert!(error.contains("offers no SMTPUTF8"), "{error}");
    assert_eq!(station.mail(zoe).state(), MailState::Parked);
    for other in others {
        station.wait_for(other, MailState::Sent).await;
        assert_eq!(station.mail(other).attempts, 0, "nothing was put off");
    }
    server.behave("starttls smtputf8");
    station.retry(zoe);
    station.wait_for(zoe, MailState::Sent).await;
}

#[tokio::test]
async fn a_sender_beyond_ascii_that_the_server_cannot_take_parks_no_mail() {
    let Some(server) = Server::start("starttls") else { return };
    let mut station = Station::sending_from("p\u{f6}st@example.org", server.settings());
    let id = station.tell("ann");
    station.deliver();

    let error = station.error_of(id).await;
    assert!(error.contains("mail.from has such letters"), "{error}");
    assert_eq!(station.mail(id).state(), MailState::Retrying);
    server.behave("starttls smtputf8");
    station.retry(id);
    station.wait_for(id, MailState::Sent).await;
}

#[tokio::test]
async fn a_recipient_that_is_put_off_is_tried_again() {
    let Some(server) = Server::start("starttls put-off=ann@example.org") else { return };
    let mut station = Station::of(server.settings());
    let id = station.tell("ann");
    station.deliver();
    let error = station.error_of(id).await;
    assert!(error.contains("does not take the recipient: transient error (451)"), "{error}");
    assert_eq!(station.mail(id).state(), MailState::Retrying);

    server.behave("starttls");
    station.retry(id);

    station.wait_for(id, MailState::Sent).await;
}

#[tokio::test]
async fn a_refused_sender_is_the_configurations_fault_and_loses_nothing() {
    let Some((server, station, id)) = a_mail_before("starttls refuse-sender") else { return };
    let error = station.error_of(id).await;
    assert!(error.contains("takes no mail from this sender (mail.from): permanent error (553)"), "{error}");
    assert_eq!(station.mail(id).state(), MailState::Retrying);

    server.behave("starttls");
    station.retry(id);

    station.wait_for(id, MailState::Sent).await;
}

#[tokio::test]
async fn a_mail_whose_acceptance_was_not_seen_is_sent_again_as_the_same_mail() {
    let Some((server, station, id)) = a_mail_before("starttls break-off") else { return };
    let error = station.error_of(id).await;
    assert!(error.contains("broke the connection off at the mail"), "{error}");
    assert_eq!(station.mail(id).state(), MailState::Retrying);

    server.behave("starttls");
    station.retry(id);

    station.wait_for(id, MailState::Sent).await;
    let [broken, whole] =
        [server.broken(), server.mails()].map(|mails| mails[0].header("Message-ID").to_owned());
    assert!(!whole.is_empty());
    assert_eq!(broken, whole);
}

#[tokio::test]
async fn where_tls_is_required_nothing_is_sent_without() {
    let Some((server, station, id)) = a_mail_before("plain") else { return };
    let error = station.error_of(id).await;
    assert!(error.contains("offers no STARTTLS"), "{error}");
    assert_eq!((station.mail(id).state(), server.mails().len()), (MailState::Retrying, 0));

    server.behave("starttls");
    station.retry(id);

    station.wait_for(id, MailState::Sent).await;
}

#[tokio::test]
async fn a_certificate_of_nobody_we_trust_ends_the_conversation() {
    let Some(server) = Server::start("starttls") else { return };
    let mut settings = server.settings();
    let own = settings.ca.replace(server.strange_authority());
    let mut station = Station::of(settings);
    let id = station.tell_of("hq");
    station.deliver();
    let error = station.error_of(id).await;
    assert!(error.contains("cannot encrypt the connection") && error.contains("certificate"), "{error}");

    station.reload(|smtp| smtp.ca = own);
    station.retry(id);

    station.wait_for(id, MailState::Sent).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_ends_the_conversation() {
    let Some(server) = Server::start("starttls") else { return };
    let mut settings = server.settings();
    settings.host = "127.0.0.1".to_owned();
    let mut station = Station::of(settings);
    let id = station.tell_of("hq");
    station.deliver();
    let error = station.error_of(id).await;
    assert!(error.contains("cannot encrypt the connection"), "{error}");
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn implicit_tls_to_a_port_that_greets_in_the_clear_says_so() {
    let Some(server) = Server::start("starttls") else { return };
    let mut settings = server.settings();
    settings.security = Security::Tls;
    let mut station = Station::of(settings);
    let id = station.tell_of("hq");
    station.deliver();
    let error = station.error_of(id).await;
    assert!(error.contains("localhost:") && error.to_lowercase().contains("connect"), "{error}");
    assert_eq!(station.mail(id).state(), MailState::Retrying);
}
