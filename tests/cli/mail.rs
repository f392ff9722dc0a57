//! Mail from the command line: encrypted, signed in, and what is refused before anything is sent.

use crate::{
    place::{Place, Said},
    sink::{Certificate, Sink},
};
use serde_json::json;
use std::{fs, process::Stdio, thread, time::Duration};

const TEST: [&str; 4] = ["mail", "test", "--to", "jo@example.org"];

fn test(place: &Place, url: &str, trusted: &str) -> Said {
    place.run_with(
        &TEST,
        &[
            ("PORTCULLIS_MAIL__SMTP_URL", url),
            ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
            ("PORTCULLIS_OUTBOUND__ALLOW", "localhost,127.0.0.1"),
            ("SSL_CERT_FILE", trusted),
        ],
    )
}

#[test]
fn starttls_and_implicit_tls_reach_a_server_whose_certificate_is_trusted() {
    let place = Place::new();
    let Certificate { path, key, authority: trusted } = Certificate::make(place.path());
    let options = ["--certificate", &path, "--key", &key, "--user", "gate", "--password", "p@ss word"];
    let sink = Sink::with(&options);
    let url = format!("smtp://gate:p%40ss%20word@localhost:{}?tls=required", sink.port);
    let said = test(&place, &url, &trusted);
    assert_eq!(said.status, Some(0), "{}", said.talk);
    let mail = sink.next();
    assert!(mail.encrypted && mail.user.as_deref() == Some("gate"));
    assert_eq!(mail.header("Subject"), "Mail from Portcullis works");

    let implicit = Sink::with(&[&options[..], &["--implicit"]].concat());
    let url = format!("smtps://gate:p%40ss%20word@localhost:{}", implicit.port);
    assert_eq!(test(&place, &url, &trusted).status, Some(0));
    assert!(implicit.next().encrypted);

    let other = place.path().join("other");
    fs::create_dir(&other).unwrap();
    let stranger = Certificate::make(&other).authority;
    for (url, trusted) in [
        (url.clone(), &stranger),
        (format!("smtp+starttls://gate:p%40ss%20word@localhost:{}", sink.port), &stranger),
        // The certificate is for the name.
        (url.replace("localhost", "127.0.0.1"), &trusted),
    ] {
        let said = test(&place, &url, trusted);
        assert_eq!(said.status, Some(1), "{}", said.talk);
        assert!(said.talk.contains("certificate") && !said.talk.contains("word"), "{}", said.talk);
    }
    sink.stays_empty();
    implicit.stays_empty();
}

#[test]
fn what_the_server_says_is_told_and_the_status_is_1() {
    let place = Place::new();
    let sink = Sink::with(&["--refuse", "550 5.7.1 not from you"]);
    let said = test(&place, &format!("smtp://127.0.0.1:{}", sink.port), "");
    assert_eq!(said.status, Some(1));
    assert!(said.talk.contains("did not take the message") && said.talk.contains("not from you"), "{}", said.talk);
    drop(sink);
    let said = place.run(&TEST);
    assert_eq!(said.status, Some(1));
    assert!(said.talk.contains("mail.smtp_url"), "{}", said.talk);
    assert_eq!(place.run(&["mail", "test", "--to", "nobody"]).status, Some(2));
}

#[test]
fn a_malformed_server_is_refused_and_its_password_never_shown() {
    let place = Place::new();
    let with = |command: &[&str], url: &str, from: &str| {
        let env = [("PORTCULLIS_MAIL__SMTP_URL", url), ("PORTCULLIS_MAIL__FROM", from)];
        place.run_with(command, &env)
    };
    for (url, from) in [
        ("https://user:hushhush@mail.example.org", "gate@example.org"),
        ("smtp://user:hushhush@mail.example.org?tls=off", "gate@example.org"),
        ("smtps://user:hushhush@mail.example.org", "nobody"),
        ("smtps://user:hushhush@mail.example.org", ""),
    ] {
        for command in [&["config", "check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
            let said = with(command, url, from);
            assert_eq!(said.status, Some(2), "{url} {from}: {}", said.talk);
            assert!(said.talk.contains("mail.") && !said.talk.contains("hushhush"), "{}", said.talk);
        }
    }
    for command in [&["config", "show"][..], &["config", "show", "--json"]] {
        let said = with(command, "smtps://user:hushhush@mail.example.org", "The Gate <gate@example.org>");
        assert_eq!(said.status, Some(0), "{}", said.talk);
        assert!(said.out.contains("gate@example.org") && !said.out.contains("hushhush"), "{}", said.out);
        assert!(!said.out.contains("mail.example.org"), "{}", said.out);
    }
}

#[test]
fn the_log_holds_no_token_however_much_it_says() {
    let place = Place::new();
    place.make_admin();
    let sink = Sink::new();
    let log = place.path().join("log");
    let url = format!("smtp://127.0.0.1:{}", sink.port);
    let mut server = place
        .program()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("PORTCULLIS_MAIL__SMTP_URL", url)
        .env("PORTCULLIS_MAIL__FROM", "gate@example.org")
        .env("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1")
        .env("PORTCULLIS_LOG__LEVEL", "trace")
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&log).unwrap();
    let mut address = None;
    for _ in 0..400 {
        thread::sleep(Duration::from_millis(25));
        let serving = said().lines().find(|line| line.contains("serving")).map(str::to_owned);
        address = serving.and_then(|line| {
            let (_, rest) = line.split_once("127.0.0.1:")?;
            rest.split(|c: char| !c.is_ascii_digit()).next().map(str::to_owned)
        });
        if address.is_some() {
            break;
        }
    }
    let base = format!("http://127.0.0.1:{}/api/v1/auth/password", address.expect("it serves"));
    let client = reqwest::blocking::Client::new();
    let send = |path: &str, body: serde_json::Value| client.post(format!("{base}{path}")).json(&body).send().unwrap();
    assert_eq!(send("/forgot", json!({"email": "ada@team.example"})).status(), 202);
    let token = sink.next().token();
    let password = "quiet marble lantern";
    assert_eq!(send("/reset", json!({"token": token, "new_password": password})).status(), 204);
    assert_eq!(send("/reset", json!({"token": token, "new_password": password})).status(), 401);
    let notice = sink.next();
    assert!(notice.text().contains("ada@team.example"));
    server.kill().unwrap();
    server.wait().unwrap();
    let said = said();
    assert!(said.contains("/auth/password/reset"), "{said}");
    assert!(!said.contains(&token) && !said.contains(password), "{said}");
}
