//! Webhooks: signed, thin, tried again, sent once more, never to where they must not go.

use crate::support::{Actor, Received, Receiver, Site, within};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use portcullis::jobs;
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

pub const QUIET: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");
pub const ALLOW: &str = "PORTCULLIS_OUTBOUND__ALLOW";

pub fn site(receivers: &[&Receiver]) -> Site {
    let allowed: Vec<String> = receivers.iter().map(|receiver| receiver.allowed()).collect();
    Site::with(&[QUIET, (ALLOW, &allowed.join(","))])
}

/// A webhook and its secret.
pub fn hook(admin: &Actor, receiver: &Receiver, events: &[&str]) -> (String, String) {
    let body = json!({"name": "Chat", "url": receiver.url("/hook?token=in-the-query"), "events": events});
    let made = admin.post("/webhooks", &body).expect(201).json();
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

pub fn somebody(admin: &Actor, name: &str) -> String {
    admin.post("/users", &json!({"email": format!("{name}@example.org"), "name": "Confidential Name"})).expect(201).id()
}

/// As a receiver does it, apart from the code that signs.
pub fn signed_with(secret: &str, call: &Received) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let content = format!("{}.{}.{}", call.headers["webhook-id"], call.headers["webhook-timestamp"], call.body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content.as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(tag));
    call.headers["webhook-signature"].split(' ').any(|given| given == expected)
}

pub fn deliveries(admin: &Actor, hook: &str) -> Vec<Value> {
    let page = admin.get(&format!("/webhooks/{hook}/deliveries?sort=created_at")).expect(200).json();
    page["items"].as_array().unwrap().clone()
}

#[track_caller]
pub fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    within(15, what, look)
}

#[track_caller]
fn delivery_that(admin: &Actor, hook: &str, state: &str) -> Value {
    until(&format!("no delivery is {state}"), || deliveries(admin, hook).into_iter().find(|one| one["state"] == state))
}

/// Lets what waits for another try be due, once its last attempt is noted.
fn try_again(site: &Site, admin: &Actor, hook: &str, attempts: i64) {
    until("the attempt is noted", || {
        deliveries(admin, hook).iter().all(|one| one["state"] != "waiting" || one["attempts"] == attempts).then_some(())
    });
    thread::sleep(Duration::from_millis(50));
    site.clock.advance(60_000);
    jobs::wake();
}

#[test]
fn deliveries_are_signed_and_tell_no_contents() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, secret) = hook(&admin, &receiver, &["user.created", "entity.*"]);
    let user = somebody(&admin, "somebody");
    let call = receiver.wait_for(1).remove(0);
    assert!(signed_with(&secret, &call));
    assert_eq!(call.headers["content-type"], "application/json");
    assert_eq!(call.path, "/hook?token=in-the-query");
    let body = call.json();
    assert_eq!(body["id"], call.headers["webhook-id"].as_str());
    assert_eq!((&body["type"], &body["action"]), (&json!("user.created"), &json!("user.created")));
    assert_eq!(body["target"], json!({"type": "user", "id": user}));
    assert_eq!(body["actor"], json!({"type": "user", "id": admin.id}));
    for private in ["somebody@", "Confidential", "admin@", "127.0.0.1"] {
        assert!(!call.body.contains(private), "{}", call.body);
    }
    let sent = delivery_that(&admin, &id, "delivered");
    assert_eq!((&sent["status"], &sent["attempts"], &sent["error"]), (&json!(204), &json!(1), &Value::Null));
    assert_eq!(sent["body"], body);

    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    admin.post("/entities/orders", &json!({"name": "Secret order", "data": {"iban": "DE1"}})).expect(201);
    let call = receiver.wait_for(2).remove(1);
    assert!(call.body.contains("entity.created") && !call.body.contains("DE1") && !call.body.contains("Secret order"));
}

#[test]
fn the_secret_is_shown_once_and_stands_nowhere() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, secret) = hook(&admin, &receiver, &["user.*"]);
    somebody(&admin, "somebody");
    receiver.wait_for(1);
    delivery_that(&admin, &id, "delivered");
    let bytes = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    for path in
        ["/webhooks".to_owned(), format!("/webhooks/{id}"), format!("/webhooks/{id}/deliveries"), "/audit".into()]
    {
        let shown = admin.get(&path).expect(200).text;
        assert!(!shown.contains(&secret[6..]) && !shown.contains("\"secret\""), "{path}: {shown}");
    }
    let audited = admin.get("/audit?action=webhook.created").expect(200).text;
    assert!(audited.contains("/hook?…") && !audited.contains("in-the-query"), "{audited}");
    let folder = site.close();
    for entry in fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(stored) = fs::read(&path) else { continue };
        let holds = |part: &[u8]| stored.windows(part.len()).any(|window| window == part);
        assert!(!holds(&secret.as_bytes()[6..]) && !holds(&bytes), "{}", path.display());
    }
}

#[test]
fn what_fails_is_tried_three_times_and_can_be_sent_again() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, secret) = hook(&admin, &receiver, &["user.created"]);
    receiver.answer("500 Oops");
    somebody(&admin, "first");
    receiver.wait_for(1);
    try_again(&site, &admin, &id, 1);
    let calls = receiver.wait_for(2);
    assert_eq!(calls[0].headers["webhook-id"], calls[1].headers["webhook-id"]);
    assert_eq!(calls[0].body, calls[1].body);
    assert_ne!(calls[0].headers["webhook-timestamp"], calls[1].headers["webhook-timestamp"]);
    assert!(calls.iter().all(|call| signed_with(&secret, call)));
    let sent = delivery_that(&admin, &id, "delivered");
    assert_eq!((&sent["attempts"], &sent["status"]), (&json!(2), &json!(204)));

    for _ in 0..3 {
        receiver.answer("503 Busy");
    }
    somebody(&admin, "second");
    for attempt in 1..=2 {
        receiver.wait_for(2 + attempt);
        try_again(&site, &admin, &id, i64::try_from(attempt).unwrap());
    }
    let lost = delivery_that(&admin, &id, "failed");
    assert_eq!((&lost["attempts"], &lost["status"]), (&json!(3), &json!(503)));
    assert_eq!((&lost["error"], &lost["answer"]), (&json!("It answered 503."), &json!("hello you")));
    let shown = admin.get(&format!("/webhooks/{id}")).expect(200).json();
    assert_eq!((&shown["failures"], &shown["active"], &shown["pending"]), (&json!(1), &json!(true), &json!(0)));
    assert_eq!(receiver.calls().len(), 5);

    let again = format!("/webhooks/{id}/deliveries/{}/replay", lost["id"].as_str().unwrap());
    let replay = admin.post(&again, &json!({})).expect(202).json();
    assert_eq!((&replay["replay_of"], &replay["message_id"]), (&lost["id"], &lost["message_id"]));
    let repeated = receiver.wait_for(6).remove(5);
    assert_eq!(repeated.headers["webhook-id"], lost["message_id"].as_str().unwrap());
    until("the failures are forgotten", || {
        (admin.get(&format!("/webhooks/{id}")).json()["failures"] == 0).then_some(())
    });
    let (other, _) = hook(&admin, &receiver, &["role.*"]);
    admin.post(&again.replace(&id, &other), &json!({})).problem(404, "not_found");
}

#[test]
fn what_is_switched_off_or_undone_sends_nothing() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, _) = hook(&admin, &receiver, &["user.created", "role.*"]);
    admin.patch(&format!("/webhooks/{id}"), &json!({"active": false})).expect(200);
    somebody(&admin, "unheard");
    let test = admin.post(&format!("/webhooks/{id}/test"), &json!({})).expect(202).json();
    assert_eq!(test["action"], "webhook.test");
    assert_eq!(receiver.wait_for(1)[0].json()["target"], json!({"type": "webhook", "id": id}));
    admin.patch(&format!("/webhooks/{id}"), &json!({"active": true})).expect(200);
    let twice = json!({"email": "unheard@example.org"});
    admin.post("/users", &twice).problem(409, "conflict");
    somebody(&admin, "heard");
    let calls = receiver.wait_for(2);
    assert_eq!(calls[1].json()["type"], "user.created");
    assert_eq!(deliveries(&admin, &id).len(), 2);

    let (all, _) = hook(&admin, &receiver, &["user.created"]);
    admin.delete(&format!("/webhooks/{id}")).expect(204);
    admin.get(&format!("/webhooks/{id}")).problem(404, "not_found");
    admin.get(&format!("/webhooks/{id}/deliveries")).problem(404, "not_found");
    somebody(&admin, "last");
    receiver.wait_for(3);
    delivery_that(&admin, &all, "delivered");
    assert_eq!(receiver.calls().len(), 3);
}

#[test]
fn deliveries_wait_while_the_kill_switch_is_on() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, _) = hook(&admin, &receiver, &["kill_switch.*"]);
    let flip = |active: bool| {
        let body = json!({"active": active, "reason": "drill", "password": crate::support::PASSWORD});
        admin.put("/kill-switch", &body).expect(200);
    };
    flip(true);
    thread::sleep(Duration::from_millis(1_500));
    assert!(receiver.calls().is_empty());
    flip(false);
    let mut heard: Vec<String> =
        receiver.wait_for(2).iter().map(|call| call.json()["type"].as_str().unwrap().to_owned()).collect();
    heard.sort();
    assert_eq!(heard.len(), 2, "{heard:?}");
    delivery_that(&admin, &id, "delivered");
}

#[test]
fn a_rotated_secret_overlaps() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, old) = hook(&admin, &receiver, &["user.created"]);
    let rotate = format!("/webhooks/{id}/rotate");
    let rotated = admin.post(&rotate, &json!({"overlap_minutes": 10})).expect(200).json();
    let new = rotated["secret"].as_str().unwrap();
    somebody(&admin, "during");
    let call = receiver.wait_for(1).remove(0);
    assert!(signed_with(&old, &call) && signed_with(new, &call));
    assert_eq!(call.headers["webhook-signature"].split(' ').count(), 2);
    site.clock.advance(11 * 60_000);
    let admin = site.log_in("admin@example.org");
    somebody(&admin, "afterwards");
    let call = receiver.wait_for(2).remove(1);
    assert!(!signed_with(&old, &call) && signed_with(new, &call));
    let at_once = admin.post(&rotate, &json!({"overlap_minutes": 0})).expect(200).json();
    somebody(&admin, "at-once");
    let call = receiver.wait_for(3).remove(2);
    assert!(!signed_with(new, &call) && signed_with(at_once["secret"].as_str().unwrap(), &call));
    admin.post(&rotate, &json!({"overlap_minutes": 999_999})).problem(422, "validation_failed");
}

#[test]
fn whoever_is_gone_or_fails_for_a_day_is_switched_off() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (gone, _) = hook(&admin, &receiver, &["role.created"]);
    receiver.answer("410 Gone");
    admin.post("/roles", &json!({"name": "first", "permissions": []})).expect(201);
    let shown = until("it is switched off", || {
        let shown = admin.get(&format!("/webhooks/{gone}")).json();
        (shown["active"] == false).then_some(shown)
    });
    assert!(shown["disabled_reason"].as_str().unwrap().contains("410"));
    assert_eq!(delivery_that(&admin, &gone, "failed")["attempts"], 1);
    let events = admin.get("/audit?action=webhook.disabled").expect(200).json();
    assert_eq!(events["items"][0]["outcome"], "failed");

    let closed = json!({"name": "Closed", "url": receiver.url("/"), "events": ["user.created"]});
    let closed = admin.post("/webhooks", &closed).expect(201).id();
    let fail = |admin: &Actor, names: &[&str]| {
        for _ in 0..names.len() * 3 {
            receiver.answer("500 Oops");
        }
        for name in names {
            somebody(admin, name);
        }
        try_again(&site, admin, &closed, 1);
        try_again(&site, admin, &closed, 2);
        until("all are given up", || (admin.get(&format!("/webhooks/{closed}")).json()["pending"] == 0).then_some(()));
    };
    fail(&admin, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]);
    let shown = admin.get(&format!("/webhooks/{closed}")).expect(200).json();
    assert_eq!((&shown["active"], &shown["failures"]), (&json!(true), &json!(11)));
    site.clock.advance(25 * 3_600_000);
    let admin = site.log_in("admin@example.org");
    fail(&admin, &["l"]);
    let shown = admin.get(&format!("/webhooks/{closed}")).expect(200).json();
    assert_eq!((&shown["active"], &shown["failures"]), (&json!(false), &json!(12)));
    let shown = admin.patch(&format!("/webhooks/{closed}"), &json!({"active": true})).expect(200).json();
    assert_eq!((&shown["failures"], &shown["disabled_reason"]), (&json!(0), &Value::Null));
}

#[test]
fn what_waits_survives_a_restart() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, secret) = hook(&admin, &receiver, &["user.created"]);
    receiver.answer("500 Oops");
    somebody(&admin, "somebody");
    receiver.wait_for(1);
    until("the attempt is noted", || (deliveries(&admin, &id)[0]["attempts"] == 1).then_some(()));
    let allowed = receiver.allowed();
    let site = Site::on(site.close(), &[QUIET, (ALLOW, &allowed)]);
    site.clock.advance(60_000);
    jobs::wake();
    let call = receiver.wait_for(2).remove(1);
    assert!(signed_with(&secret, &call));
    let admin = site.log_in("admin@example.org");
    assert_eq!(delivery_that(&admin, &id, "delivered")["attempts"], 2);
}

#[test]
fn settings_change_by_their_version_alone() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, _) = hook(&admin, &receiver, &["user.created"]);
    let path = format!("/webhooks/{id}");
    let tag = admin.get(&path).expect(200).header("etag").to_owned();
    somebody(&admin, "somebody");
    delivery_that(&admin, &id, "delivered");
    let later = admin.get(&path).expect(200).header("etag").to_owned();
    assert_ne!(tag, later, "what is shown has changed");
    let change = |tag: &str| {
        let request = admin.request(reqwest::Method::PATCH, &path).header("if-match", tag);
        admin.send(request.json(&json!({"name": "Renamed"})))
    };
    change(&tag).expect(200);
    change(&tag).problem(412, "precondition_failed");
    let unchanged = admin.request(reqwest::Method::GET, &path).header("if-none-match", &later);
    admin.send(unchanged).expect(200);
    let found =
        admin.get("/webhooks?filter=name%20~%20%22renamed%22%20and%20active%20%3D%20true&count=true").expect(200);
    assert_eq!(found.json()["total"], 1);
    let failed = admin.get(&format!("{path}/deliveries?filter=state%20%3D%20%22failed%22&count=true")).expect(200);
    assert_eq!(failed.json()["total"], 0);
    admin.get(&format!("{path}/deliveries?sort=body")).problem(422, "validation_failed");
}

#[test]
fn the_script_in_the_documentation_verifies_what_is_sent() {
    let page = include_str!("../../docs/webhooks.md");
    let script = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a script");
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (_, secret) = hook(&admin, &receiver, &["user.created"]);
    somebody(&admin, "somebody");
    let call = receiver.wait_for(1).remove(0);
    let verify = |headers: &Value, body: &str, secret: &str| {
        let asked = json!({"headers": headers, "body": body, "secret": secret}).to_string();
        let program = format!(
            "{script}\nimport json, sys\nasked = json.load(sys.stdin)\nverify(asked['secret'], asked['headers'], asked['body'].encode())\n"
        );
        let mut child = Command::new("python3")
            .args(["-c", &program])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3");
        child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
        child.wait().unwrap().success()
    };
    let headers = json!(call.headers);
    assert!(verify(&headers, &call.body, &secret));
    assert!(!verify(&headers, &format!("{} ", call.body), &secret));
    assert!(!verify(&headers, &call.body, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    let mut old = headers.clone();
    old["webhook-timestamp"] = json!("1000000000");
    assert!(!verify(&old, &call.body, &secret));
}
