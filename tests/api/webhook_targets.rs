//! Where webhooks may go: never inside, whatever an address is written like, resolves to, or redirects to.

use crate::{
    support::{Receiver, Site},
    webhooks::{ALLOW, QUIET, deliveries, hook, site, somebody, until},
};
use serde_json::{Value, json};

#[test]
fn addresses_inside_are_refused_when_saved() {
    let receiver = Receiver::start();
    let site = site(&[&receiver]);
    let admin = site.admin();
    let (id, _) = hook(&admin, &receiver, &["user.*"]);
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://localhost/",
        "http://localhost./",
        "http://LocalHost:9/",
        "http://a.localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://224.0.0.1/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://①②⑦.0.0.1/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "http://user:password@example.org/",
        "nonsense",
        "",
    ] {
        let body = json!({"name": "Inside", "url": url, "events": ["*"]});
        let problem = admin.post("/webhooks", &body).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}: {problem}");
        let problem = admin.patch(&format!("/webhooks/{id}"), &json!({"url": url})).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/url", "{url}: {problem}");
    }
    let all = admin.get("/webhooks?count=true").expect(200).json();
    assert_eq!((&all["total"], &all["items"][0]["version"]), (&json!(1), &Value::Null));
    assert_eq!(all["items"][0]["url"], receiver.url("/hook?token=in-the-query"));
    let body = json!({"name": "", "url": "https://example.org/", "events": ["nonsense"], "active": true});
    let problem = admin.post("/webhooks", &body).problem(422, "validation_failed");
    let places: Vec<&Value> = problem["errors"].as_array().unwrap().iter().map(|error| &error["pointer"]).collect();
    assert_eq!(places, ["/name", "/events/0"]);
}

#[test]
fn an_address_is_judged_again_when_it_is_connected_to() {
    let receiver = Receiver::start();
    let site = Site::with(&[QUIET, (ALLOW, &format!("localhost:{0},127.0.0.1:{0}", receiver.port))]);
    let admin = site.admin();
    let by_name = json!({"name": "Name", "url": format!("http://localhost:{}/", receiver.port), "events": ["user.*"]});
    let (by_name, by_address) =
        (admin.post("/webhooks", &by_name).expect(201).id(), hook(&admin, &receiver, &["user.*"]).0);
    somebody(&admin, "before");
    receiver.wait_for(2);
    let folder = site.close();
    let site = Site::on(folder, &[QUIET]);
    let admin = site.log_in("admin@example.org");
    somebody(&admin, "after");
    for id in [by_name, by_address] {
        let refused = until("a refusal", || {
            deliveries(&admin, &id)
                .into_iter()
                .find(|one| one["error"].as_str().is_some_and(|why| why.contains("outbound.allow")))
        });
        assert_eq!(refused["status"], Value::Null);
    }
    assert_eq!(receiver.calls().len(), 2);
}

#[test]
fn redirects_are_not_followed() {
    let (receiver, inside) = (Receiver::start(), Receiver::start());
    let site = site(&[&receiver, &inside]);
    let admin = site.admin();
    let (id, _) = hook(&admin, &receiver, &["user.created"]);
    for (number, location) in [inside.url("/stolen"), "http://169.254.169.254/latest/".into()].iter().enumerate() {
        receiver.answer(&format!("307 Temporary Redirect\r\nlocation: {location}"));
        somebody(&admin, &format!("user{number}"));
        receiver.wait_for(number + 1);
    }
    until("both are noted", || {
        let all = deliveries(&admin, &id);
        (all.len() == 2
            && all.iter().all(|one| one["status"] == 307 && one["error"].as_str().unwrap().contains("redirect")))
        .then_some(())
    });
    assert!(inside.calls().is_empty());
}
