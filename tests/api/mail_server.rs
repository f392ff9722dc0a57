//! The mail server: away for a while, without the encryption that is asked for, on the inside, and tried out.

use crate::{
    mail::{MINUTE, at, event, forget, is_about, reset},
    sink::Sink,
    support::{Actor, Site},
};
use serde_json::json;
use std::{thread, time::Duration};

#[test]
fn a_server_that_was_down_gets_its_mail_when_it_is_back() {
    let port = Sink::new().port;
    let site = at(&format!("smtp://127.0.0.1:{port}"), &[]);
    let admin = site.admin();
    site.user(&admin, "jo", &[]);
    forget(&site, "jo@example.org");
    let job = || {
        let found = site.app.ledger.db().read(|reader| {
            let sql = "SELECT state, attempts, coalesce(error, '') FROM jobs WHERE kind = 'identity.mail_link'";
            reader.query_one(sql, &[], |row| Ok((row.get::<String>(0)?, row.get::<i64>(1)?, row.get::<String>(2)?)))
        });
        found.unwrap().unwrap()
    };
    let reaches = |state: &str, attempts: i64| {
        for _ in 0..400 {
            if (job().0.as_str(), job().1) == (state, attempts) {
                return;
            }
            portcullis::jobs::wake();
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{:?}", job());
    };
    reaches("waiting", 1);
    assert!(job().2.contains("cannot be reached"), "{:?}", job());
    site.clock.advance(MINUTE);
    reaches("waiting", 2);
    let sink = Sink::with(&["--port", &port.to_string()]);
    site.clock.advance(MINUTE);
    let token = sink.next().token();
    reaches("done", 3);
    reset(&site, &token).expect(204);
}

#[test]
fn without_the_encryption_that_is_asked_for_nothing_is_sent() {
    let sink = Sink::new();
    let site = at(&format!("smtp://user:password@127.0.0.1:{}?tls=required", sink.port), &[]);
    let admin = site.admin();
    let told = admin.post("/mail/test", &json!({"to": "jo@example.org"})).expect(200).json();
    assert_eq!(told["sent"], false);
    assert!(told["message"].as_str().unwrap().contains("does not offer STARTTLS"), "{told}");
    sink.stays_empty();
}

#[test]
fn the_mail_server_is_called_as_any_other_host() {
    let sink = Sink::new();
    let site = at(&format!("smtp://127.0.0.1:{}", sink.port), &[("PORTCULLIS_OUTBOUND__ALLOW", "192.0.2.1")]);
    let admin = site.admin();
    let told = admin.post("/mail/test", &json!({"to": "jo@example.org"})).expect(200).json();
    assert!(told["sent"] == false && told["message"].as_str().unwrap().contains("outbound.allow"), "{told}");
    sink.stays_empty();
}

#[test]
fn a_test_says_what_the_server_said() {
    let sink = Sink::with(&["--user", "gate", "--password", "p:w/1"]);
    let of = |credentials: &str| at(&format!("smtp://{credentials}127.0.0.1:{}", sink.port), &[]);
    let send = |site: &Site, admin: &Actor| {
        let told = admin.post("/mail/test", &json!({"to": "jo@example.org"})).expect(200).json();
        assert_eq!(event(admin, "mail.tested")["changes"]["after"]["sent"], told["sent"], "{}", site.url);
        told
    };
    let good = of("gate:p%3Aw%2F1@");
    let admin = good.admin();
    assert_eq!(send(&good, &admin), json!({"sent": true, "message": null}));
    let mail = sink.next();
    is_about(&mail, "jo@example.org", "Mail from Portcullis works");
    assert_eq!(mail.user.as_deref(), Some("gate"));
    let shown = admin.get("/mail").expect(200).json();
    let server = format!("127.0.0.1:{}", sink.port);
    assert_eq!(shown, json!({"configured": true, "server": server, "from": "The Gate <gate@example.org>"}));
    let wrong = of("gate:other@");
    let told = send(&wrong, &wrong.admin());
    assert!(told["message"].as_str().unwrap().contains("did not take the user and password"), "{told}");
    assert!(!told.to_string().contains("other"), "{told}");
    let without = of("");
    let told = send(&without, &without.admin());
    assert!(told["message"].as_str().unwrap().contains("530"), "{told}");
    sink.stays_empty();
    let viewer = good.user(&admin, "viewer", &["viewer"]);
    viewer.post("/mail/test", &json!({"to": "jo@example.org"})).problem(403, "forbidden");
    admin.post("/mail/test", &json!({"to": "nobody"})).problem(422, "validation_failed");
    let bare = Site::new();
    let admin = bare.admin();
    assert_eq!(admin.get("/mail").expect(200).json()["configured"], false);
    assert_eq!(send(&bare, &admin)["sent"], false);
    forget(&bare, "admin@example.org");
}
