//! Changes as they happen: who hears of what, and going on where one stopped.

use crate::support::{Actor, PASSWORD, Site};
use reqwest::{Method, blocking::Response};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// Long enough for whatever comes at once, and shorter than a heartbeat.
const SOON: Duration = Duration::from_secs(4);

/// One block of a stream.
#[derive(Clone, Debug, Default)]
pub struct Block {
    pub event: String,
    pub id: String,
    pub data: String,
    pub comment: String,
}

impl Block {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("no JSON in {self:?}"))
    }
}

/// Somebody who listens.
pub struct Ear {
    pub blocks: Receiver<Block>,
}

impl Ear {
    pub fn open(actor: &Actor, query: &str, last: Option<&str>) -> Self {
        let mut request = actor.request(Method::GET, &format!("/events{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let ear = Self { blocks: listen(answer) };
        assert_eq!(ear.next().comment, "listening");
        ear
    }

    pub fn on(actor: &Actor, query: &str) -> Self {
        Self::open(actor, query, None)
    }

    #[track_caller]
    pub fn next(&self) -> Block {
        self.blocks.recv_timeout(SOON).expect("something to hear")
    }

    /// The next message, whatever beats between.
    #[track_caller]
    pub fn message(&self) -> Value {
        loop {
            let block = self.next();
            if !block.data.is_empty() {
                assert_eq!(block.event, "", "{block:?}");
                return block.json();
            }
        }
    }

    /// That it ends before the next heartbeat, without a word more.
    #[track_caller]
    pub fn ends(&self) {
        let begun = Instant::now();
        loop {
            match self.blocks.recv_timeout(SOON) {
                Ok(block) => assert_eq!(block.data, "", "{block:?}"),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on"),
            }
            assert!(begun.elapsed() < SOON, "it goes on");
        }
    }
}

fn listen(answer: Response) -> Receiver<Block> {
    let (sender, blocks) = channel();
    thread::spawn(move || {
        let mut block = Block::default();
        for line in BufReader::new(answer).lines() {
            let Ok(line) = line else { return };
            match line.split_once(": ") {
                _ if line.is_empty() => {
                    if sender.send(std::mem::take(&mut block)).is_err() {
                        return;
                    }
                }
                Some(("", comment)) => block.comment = comment.into(),
                Some(("id", id)) => block.id = id.into(),
                Some(("event", event)) => block.event = event.into(),
                Some(("data", data)) => block.data = data.into(),
                Some(("retry", _)) => {}
                _ => panic!("not a line of a stream: {line}"),
            }
        }
    });
    blocks
}

pub fn types(admin: &Actor, names: &[&str]) {
    for name in names {
        admin
            .post("/entity-types", &json!({"name": name, "fields": {"/iban": {"sensitivity": "restricted"}}}))
            .expect(201);
    }
}

pub fn role(site: &Site, admin: &Actor, name: &str, permissions: &[&str]) -> Actor {
    admin.post("/roles", &json!({"name": name, "permissions": permissions})).expect(201);
    site.user(admin, name, &[name])
}

#[test]
fn changes_are_heard_without_what_they_hold() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers", "orders"]);
    let viewer = site.user(&admin, "vera", &["viewer"]);
    let ear = Ear::on(&viewer, "?types=customers");
    admin.post("/entities/orders", &json!({"name": "unheard"})).expect(201);
    let made = admin.post("/entities/customers", &json!({"name": "Ann", "data": {"iban": "DE89-hidden"}})).expect(201);
    let id = made.id();
    assert_eq!(ear.message(), json!({"type": "customers", "action": "entity.created", "id": id, "version": 1}));
    admin.patch(&format!("/entities/customers/{id}"), &json!({"name": "Bea"})).expect(200);
    admin.delete(&format!("/entities/customers/{id}")).expect(204);
    assert_eq!(ear.message(), json!({"type": "customers", "action": "entity.updated", "id": id, "version": 2}));
    assert_eq!(ear.message(), json!({"type": "customers", "action": "entity.deleted", "id": id, "version": 3}));
    let rows = "name\nOne\nTwo\nThree\n";
    let import = admin.request(Method::POST, "/entities/customers/import").header("content-type", "text/csv");
    admin.send(import.body(rows)).expect(200);
    for _ in 0..3 {
        assert_eq!(ear.message()["action"], "entity.created");
    }
}

#[test]
fn nobody_hears_of_what_they_may_not_read() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers", "orders"]);
    let own = role(&site, &admin, "seller", &["entities.customers:read:own"]);
    let team = role(&site, &admin, "team", &["entities.customers:read:where(data.team = \"blue\")"]);
    let (owner, ruled) = (Ear::on(&own, ""), Ear::on(&team, ""));
    let everything = Ear::on(&admin, "");
    admin.post("/entities/orders", &json!({"name": "an order"})).expect(201);
    admin.post("/entities/customers", &json!({"name": "of nobody"})).expect(201);
    admin.post("/roles", &json!({"name": "other", "permissions": []})).expect(201);
    let mine = admin.post("/entities/customers", &json!({"name": "x", "owner_id": own.id})).expect(201).id();
    let blue = admin.post("/entities/customers", &json!({"name": "y", "data": {"team": "blue"}})).expect(201).id();
    assert_eq!(owner.message()["id"], json!(mine));
    assert_eq!(ruled.message()["id"], json!(blue));
    let heard: Vec<_> = (0..5).map(|_| everything.message()["type"].clone()).collect();
    assert_eq!(heard, ["orders", "customers", "roles", "customers", "customers"]);
    // Out of the rule: they hear nothing more of it.
    admin.patch(&format!("/entities/customers/{blue}"), &json!({"data": {"team": "red"}})).expect(200);
    admin.patch(&format!("/entities/customers/{mine}"), &json!({"name": "z"})).expect(200);
    assert_eq!(owner.message()["id"], json!(mine));
    assert!(ruled.blocks.try_recv().is_err());
    site.nobody().get("/events").problem(401, "unauthenticated");
    let stranger = site.user(&admin, "stranger", &[]);
    stranger.get("/events").problem(403, "forbidden");
    own.get("/events?types=orders").problem(403, "forbidden");
    own.get("/events?types=users,audit").problem(403, "forbidden");
    own.get("/events?types=nowhere").problem(403, "forbidden");
    for wrong in ["?types=", "?types=a,,b", "?types=Bad%20Name", "?type=customers"] {
        admin.get(&format!("/events{wrong}")).problem(422, "validation_failed");
    }
    admin.send(admin.request(Method::HEAD, "/events")).expect(200);
}

#[test]
fn relationships_are_told_to_those_who_may_read_both_ends() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers", "orders"]);
    let all = ["entities.customers:read", "entities.orders:read", "relationships:read"];
    let both = role(&site, &admin, "both", &all);
    let one = role(&site, &admin, "one", &["entities.customers:read", "relationships:read"]);
    let ends = role(&site, &admin, "ends", &all[..2]);
    let own = role(&site, &admin, "own", &["entities.*:read", "relationships:read:own"]);
    let blue = role(&site, &admin, "blue", &["entities.customers:read:where(data.team = \"blue\")", all[1], all[2]]);
    let query = "?types=relationships";
    ends.get(&format!("/events{query}")).problem(403, "forbidden");
    let (hears, hears_blue) = (Ear::on(&both, query), Ear::on(&blue, query));
    let silent = [Ear::on(&one, query), Ear::on(&own, query), Ear::on(&ends, ""), Ear::on(&both, "?types=orders")];
    let make = |kind: &str, team: &str| {
        let body = json!({"name": team, "data": {"team": team}});
        admin.post(&format!("/entities/{kind}"), &body).expect(201).id()
    };
    let (customer, order, other) = (make("customers", "red"), make("orders", "red"), make("customers", "blue"));
    let join = |from: &str| {
        let body = json!({"from_id": from, "to_id": order, "type": "placed", "data": {"note": "untold"}});
        admin.post("/relationships", &body).expect(201).id()
    };
    let id = join(&customer);
    let said = |action: &str, id: &str, version: i64| json!({"type": "relationships", "action": format!("relationship.{action}"), "id": id, "version": version});
    assert_eq!(hears.message(), said("created", &id, 1));
    admin.patch(&format!("/relationships/{id}"), &json!({"data": {"note": "untold too"}})).expect(200);
    admin.delete(&format!("/relationships/{id}")).expect(204);
    admin.post(&format!("/relationships/{id}/restore"), &json!({})).expect(200);
    let second = join(&other);
    for expected in
        [said("updated", &id, 2), said("deleted", &id, 3), said("restored", &id, 4), said("created", &second, 1)]
    {
        assert_eq!(hears.message(), expected);
    }
    assert_eq!(hears_blue.message(), said("created", &second, 1), "only what is within the rule");
    // Out of the rule with its end.
    admin.patch(&format!("/entities/customers/{other}"), &json!({"data": {"team": "red"}})).expect(200);
    admin.patch(&format!("/relationships/{second}"), &json!({"data": {"note": "x"}})).expect(200);
    assert_eq!(hears.message(), said("updated", &second, 2));
    // Judged as it is sent, to each listener at their time.
    thread::sleep(Duration::from_millis(700));
    admin.patch(&format!("/entities/customers/{other}"), &json!({"data": {"team": "blue"}})).expect(200);
    admin.delete(&format!("/relationships/{second}")).expect(204);
    assert_eq!(hears_blue.message(), said("deleted", &second, 3));
    for ear in &silent {
        while let Ok(block) = ear.blocks.try_recv() {
            assert!(!block.data.contains("relationship"), "{block:?}");
        }
    }
    // Those of a closed type are not told, others are.
    let close = json!({"active": true, "scope": "type:orders", "reason": "a test", "password": PASSWORD});
    admin.put("/kill-switch", &close).expect(200);
    let third = make("customers", "blue");
    let with_customer = json!({"from_id": other, "to_id": third, "type": "knows"});
    let open = admin.post("/relationships", &with_customer).expect(201).id();
    assert_eq!((hears.message(), hears.message()), (said("deleted", &second, 3), said("created", &open, 1)));
}

#[test]
fn files_are_told_to_those_who_may_read_them() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers"]);
    let own = role(&site, &admin, "own", &["files:read:own", "files:create"]);
    let reader = role(&site, &admin, "reader", &["files:read"]);
    let of_customers = role(&site, &admin, "of_customers", &["files:read", "entities.customers:read"]);
    let query = "?types=files";
    let (hears_own, hears_plain, hears_all) =
        (Ear::on(&own, query), Ear::on(&reader, query), Ear::on(&of_customers, query));
    let customer = admin.post("/entities/customers", &json!({"name": "Ann"})).expect(201).id();
    let tied = admin.upload_to(&customer, "hidden-name.txt", b"words").expect(201).id();
    let mine = own.upload("mine.txt", b"words").expect(201).id();
    let created = |ear: &Ear| loop {
        let said = ear.message();
        if said["action"] == "file.created" {
            return said;
        }
    };
    let said = |id: &str| json!({"type": "files", "action": "file.created", "id": id, "version": 1});
    assert_eq!(created(&hears_own), said(&mine), "another's is not heard of");
    assert_eq!(created(&hears_plain), said(&mine), "nor one of an entity that is not theirs to read");
    assert_eq!((created(&hears_all), created(&hears_all)), (said(&tied), said(&mine)));
    role(&site, &admin, "none", &["entities.customers:read"]).get("/events?types=files").problem(403, "forbidden");
}

#[test]
fn what_a_rule_asks_of_the_user_is_asked_as_each_event_is_sent() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers"]);
    let ruled = role(&site, &admin, "ruled", &["entities.customers:read:where(data.team in @user.data.teams)"]);
    let user = format!("/users/{}", ruled.id);
    let ear = Ear::on(&ruled, "");
    let make =
        |team: &str| admin.post("/entities/customers", &json!({"name": team, "data": {"team": team}})).expect(201).id();
    let everything = Ear::on(&admin, "");
    // An event is judged as it is sent, which is a little after its commit.
    let settle = || {
        everything.message();
        thread::sleep(Duration::from_millis(500));
    };
    make("red");
    settle();
    admin.patch(&user, &json!({"data": {"teams": ["red"]}})).expect(200);
    let red = make("red");
    assert_eq!(ear.message()["id"], json!(red), "nothing before they were of the team");
    admin.patch(&user, &json!({"data": {"teams": ["blue"]}})).expect(200);
    make("red");
    settle();
    let blue = make("blue");
    assert_eq!(ear.message()["id"], json!(blue), "nor after they left it");
}

#[test]
fn auditors_hear_of_every_event_when_they_ask_for_the_log() {
    let site = Site::new();
    let admin = site.admin();
    let auditor = role(&site, &admin, "auditor", &["audit:read"]);
    let ear = Ear::on(&auditor, "?types=audit");
    admin.post("/roles", &json!({"name": "heard", "permissions": []})).expect(201);
    let said = ear.message();
    assert_eq!((&said["type"], &said["action"]), (&json!("audit"), &json!("role.created")));
    let event = auditor.get(&format!("/audit/{}", said["id"].as_str().unwrap())).expect(200).json();
    assert_eq!(event["action"], "role.created");
}

#[test]
fn whoever_comes_back_misses_nothing() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers"]);
    let viewer = site.user(&admin, "vera", &["viewer"]);
    let make = |name: &str| admin.post("/entities/customers", &json!({"name": name})).expect(201).id();
    let ear = Ear::on(&viewer, "");
    let first = make("first");
    let block = ear.next();
    assert_eq!(block.json()["id"], json!(first));
    drop(ear);
    let missed: Vec<_> = (0..250).map(|number| make(&number.to_string())).collect();
    let after = |ear: &Ear| (0..250).map(|_| ear.message()["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(after(&Ear::open(&viewer, "", Some(&block.id))), missed);
    assert_eq!(after(&Ear::on(&viewer, &format!("?last_event_id={}", block.id))), missed, "as browsers ask");
    // Rights are those of now, not those of then.
    let own = role(&site, &admin, "own", &["entities.customers:read:own"]);
    let mine = admin.post("/entities/customers", &json!({"name": "mine", "owner_id": own.id})).expect(201).id();
    assert_eq!(Ear::open(&own, "", Some(&block.id)).message()["id"], json!(mine));
    let kept = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let viewer = kept.log_in("vera@example.org");
    assert_eq!(after(&Ear::open(&viewer, "", Some(&block.id))), missed, "after a restart");
}

#[test]
fn an_unknown_position_begins_anew_and_says_so() {
    let site = Site::new();
    let admin = site.admin();
    for last in ["999999", "-1", "nonsense", "' OR 1=1 --", "9223372036854775808", "1e400"] {
        let ear = Ear::open(&admin, "", Some(last));
        let block = ear.next();
        assert_eq!(block.event, "reset", "{last}");
        admin.post("/users", &json!({"email": format!("{}@example.org", block.id)})).expect(201);
        assert_eq!(ear.message()["type"], "users");
    }
}

#[test]
fn a_position_too_far_back_begins_anew() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin, &["customers"]);
    let rows = "{\"name\":\"one\"}\n".repeat(10_050);
    let import =
        admin.request(Method::POST, "/entities/customers/import").header("content-type", "application/x-ndjson");
    admin.send(import.body(rows)).expect(200);
    assert_eq!(Ear::open(&admin, "", Some("3")).next().event, "reset");
}

#[test]
fn a_silent_stream_beats() {
    let site = Site::new();
    let admin = site.admin();
    let ear = Ear::on(&admin, "?types=customers,roles");
    for _ in 0..2 {
        let beat = ear.blocks.recv_timeout(Duration::from_secs(7)).expect("a heartbeat");
        assert_eq!((beat.comment.as_str(), beat.data.as_str()), ("heartbeat", ""));
        assert!(beat.id.parse::<i64>().is_ok());
    }
    // The reaper of idle connections leaves it alone.
    admin.post("/roles", &json!({"name": "later", "permissions": []})).expect(201);
    assert_eq!(ear.message()["type"], "roles");
}
