//! `kill -9` under load, again and again: every acknowledged write is there, the chain holds, and it is up
//! again in under a second. Twenty rounds; `PORTCULLIS_CRASH_ROUNDS` asks for more.

mod support;

#[path = "crash/migration.rs"]
mod migration;
#[path = "support/older.rs"]
mod older;
#[path = "crash/recovery.rs"]
mod recovery;

use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const CLIENTS: usize = 16;

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let rounds = std::env::var("PORTCULLIS_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let mut token = server.set_up();
    let made = server.post(&token, "/entity-types", &json!({"name": "orders"}));
    assert_eq!(made.status(), 201, "{}", made.text().unwrap());
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        write_until_killed(server, &token, &acknowledged, round);
        server = support::start(folder.path());
        slowest = slowest.max(server.ready_after);
        token = server.log_in();
        let verdict = server.get(&token, "/audit/verify");
        assert_eq!(verdict["valid"], true, "round {round}: {verdict}");
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    for id in &acknowledged {
        let entity = server.get(&token, &format!("/entities/orders/{id}"));
        assert_eq!(entity["id"], **id, "an acknowledged write is gone: {entity}");
    }
    println!("{} acknowledged writes over {rounds} crashes; slowest start {slowest:?}", acknowledged.len());
    assert!(acknowledged.len() > rounds, "the clients wrote");
    assert!(slowest < Duration::from_secs(1), "slowest start: {slowest:?}");
}

fn write_until_killed(server: support::Portcullis, token: &str, acknowledged: &Arc<Mutex<Vec<String>>>, round: usize) {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
            let request =
                server.post_builder(token, "/entities/orders").json(&json!({"name": "n", "data": {"round": round}}));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(answer) = request.try_clone().expect("cloned").send() else { return };
                    let status = answer.status();
                    let Ok(entity) = answer.json::<serde_json::Value>() else { return };
                    assert_eq!(status, 201, "{entity}");
                    acknowledged.lock().unwrap().push(entity["id"].as_str().unwrap().to_owned());
                }
            })
        })
        .collect();
    // Killed at another moment each round.
    thread::sleep(Duration::from_millis(150 + 37 * (round as u64 % 7)));
    server.kill();
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no client saw a wrong answer");
    }
}

/// Each client sends one request after the other, each with a key of its own, until the server is gone; then all of
/// them are sent again.
#[test]
fn a_request_that_comes_again_after_a_crash_is_not_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let mut token = server.set_up();
    assert_eq!(server.post(&token, "/entity-types", &json!({"name": "orders"})).status(), 201);
    let send = |server: &support::Portcullis, token: &str, key: &str| {
        let request = server.post_builder(token, "/entities/orders").header("idempotency-key", key);
        request.json(&json!({"name": key}))
    };
    let mut keys = Vec::new();
    for round in 0..5 {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let requests: Vec<_> = (0..500)
                    .map(|number| format!("{round}-{client}-{number}"))
                    .map(|key| (send(&server, &token, &key), key))
                    .collect();
                thread::spawn(move || {
                    let mut heard = Vec::new();
                    for (request, key) in requests {
                        let answer = request.send().and_then(reqwest::blocking::Response::json::<serde_json::Value>);
                        let Ok(answer) = answer else {
                            heard.push((key, None));
                            break;
                        };
                        heard.push((key, Some(answer)));
                    }
                    heard
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(200 + 41 * round));
        server.kill();
        keys.extend(clients.into_iter().flat_map(|client| client.join().expect("a client")));
        server = support::start(folder.path());
        token = server.log_in();
    }
    for (key, first) in &keys {
        let answer = send(&server, &token, key).send().expect("an answer");
        let (status, replayed) = (answer.status(), answer.headers().contains_key("idempotency-replayed"));
        let again: serde_json::Value = answer.json().expect("JSON");
        assert_eq!((status.as_u16(), &again["name"]), (201, &json!(key)), "{again}");
        if let Some(first) = first {
            assert!(replayed && *first == again, "{first} then {again}");
        }
    }
    let unanswered = keys.iter().filter(|(_, first)| first.is_none()).count();
    println!("{} requests over 5 crashes, {unanswered} of them without an answer at first", keys.len());
    let total = server.get(&token, "/entities/orders?count=true&limit=1")["total"].clone();
    assert_eq!(total, json!(keys.len()), "each request was done once");
}

#[test]
fn what_was_closed_is_closed_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let token = server.set_up();
    let flip = json!({"active": true, "reason": "an intruder", "password": support::PASSWORD});
    let answer = server.client.put(server.path("/kill-switch")).bearer_auth(&token).json(&flip).send().unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().unwrap());
    server.kill();
    let server = support::start(folder.path());
    assert_eq!(server.get(&token, "/users")["code"], "kill_switch_active");
    assert_eq!(server.get(&token, "/kill-switch")["reason"], "an intruder");
}

#[test]
fn a_refresh_token_that_was_used_is_known_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    server.set_up();
    let refresh = |server: &support::Portcullis, token: &str| {
        let body = json!({"refresh_token": token});
        let answer = server.client.post(server.path("/auth/refresh")).json(&body).send().unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().unwrap())
    };
    let token = |answer: &serde_json::Value| answer["refresh_token"].as_str().unwrap().to_owned();
    let body = json!({"email": support::EMAIL, "password": support::PASSWORD});
    let first: serde_json::Value =
        server.client.post(server.path("/auth/login")).json(&body).send().unwrap().json().unwrap();
    let (status, second) = refresh(&server, &token(&first));
    assert_eq!(status, 200, "{second}");
    let (status, third) = refresh(&server, &token(&second));
    assert_eq!(status, 200, "{third}");
    server.kill();
    let server = support::start(folder.path());
    let access = third["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&access, "/auth/me")["email"], support::EMAIL);
    assert_eq!(refresh(&server, &token(&first)).0, 401);
    assert_eq!(server.get(&access, "/auth/me")["code"], "unauthenticated", "a replay ends the family");
    assert_eq!(refresh(&server, &token(&third)).0, 401);
    let verdict = server.get(&server.log_in(), "/audit/verify");
    assert_eq!(verdict["valid"], true, "{verdict}");
}

#[test]
fn who_was_locked_out_waits_after_a_crash_too() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [support::PLAIN, &[("PORTCULLIS_AUTH__LOCKOUT_FAILURES", "2")]].concat();
    let mut server = support::start_with(folder.path(), &environment);
    server.set_up();
    let guess = |server: &support::Portcullis, password: &str| {
        let body = json!({"email": support::EMAIL, "password": password});
        let answer = server.client.post(server.path("/auth/login")).json(&body).send().unwrap();
        answer.json::<serde_json::Value>().unwrap()["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(guess(&server, "not the password"), "invalid_credentials");
    thread::sleep(Duration::from_millis(1_100));
    assert_eq!(guess(&server, "not the password"), "invalid_credentials");
    server.kill();
    let server = support::start_with(folder.path(), &environment);
    assert_eq!(guess(&server, support::PASSWORD), "login_delayed");
}

/// Keys are rotated one after the other until the process is killed: each time the keyring is the one before or the
/// one after, whole, and whoever was signed in still is.
#[test]
fn a_crash_in_a_rotation_leaves_the_old_key_or_the_new() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let token = server.set_up();
    for round in 0..8 {
        let rotate = json!({"reason": "a drill", "password": support::PASSWORD});
        let requests: Vec<_> = ["jwt", "presign", "jwt", "fields", "jwt", "webhooks"]
            .map(|kind| server.post_builder(&token, &format!("/secrets/{kind}/rotate")).json(&rotate))
            .into();
        let rotating = thread::spawn(move || {
            let answered = |request: reqwest::blocking::RequestBuilder| request.send().is_ok_and(|a| a.status() == 200);
            requests.into_iter().take_while(|request| answered(request.try_clone().expect("cloned"))).count()
        });
        // Killed at another moment each round.
        thread::sleep(Duration::from_millis(60 + 41 * round));
        server.kill();
        rotating.join().expect("a client");
        server = support::start(folder.path());
        assert_eq!(server.get(&token, "/auth/me")["email"], support::EMAIL, "round {round}");
        let keys = server.get(&token, "/secrets");
        let current = keys["items"].as_array().unwrap().iter().filter(|key| key["state"] == "current");
        assert_eq!(current.count(), 5, "{keys}");
    }
    let keys = server.get(&token, "/secrets")["items"].as_array().unwrap().len();
    let events = server.get(&token, "/audit?action=secret.rotated&count=true");
    assert!(keys > 5, "some rotations were done");
    assert_eq!(events["total"].as_u64().unwrap() as usize, keys - 5, "each is told of: {events}");
    assert_eq!(server.get(&token, "/audit/verify")["valid"], true);
}

/// A type `places` with so many entities.
fn filled(server: &support::Portcullis, token: &str, rows: usize) {
    let schema = json!({"type": "object", "properties": {"no": {"type": "integer"}, "town": {"type": "string"}}});
    assert_eq!(server.post(token, "/entity-types", &json!({"name": "places", "schema": schema})).status(), 201);
    let mut lines = String::new();
    for number in 0..rows {
        lines += &json!({"name": format!("Row {number}"), "data": {"no": number, "town": format!("Town {number}")}})
            .to_string();
        lines += "\n";
    }
    let request = server.post_builder(token, "/entities/places/import").header("content-type", "application/x-ndjson");
    let answer = request.timeout(Duration::from_secs(120)).body(lines).send().expect("an answer");
    assert_eq!(answer.status(), 200, "{}", answer.text().unwrap());
}

fn count(server: &support::Portcullis, token: &str, filter: &str) -> serde_json::Value {
    let request = server.client.get(server.path("/entities/places")).bearer_auth(token);
    let answer = request.query(&[("count", "true"), ("limit", "1"), ("filter", filter)]).send().expect("an answer");
    let answer: serde_json::Value = answer.json().expect("JSON");
    answer.get("total").unwrap_or_else(|| panic!("{answer}")).clone()
}

fn change(server: &support::Portcullis, token: &str, body: &serde_json::Value) -> u16 {
    let request = server.client.patch(server.path("/entity-types/places")).bearer_auth(token);
    request.json(body).send().expect("an answer").status().as_u16()
}

/// The type once nothing is done to its entities any more.
fn settled(server: &support::Portcullis, token: &str) -> serde_json::Value {
    let begun = std::time::Instant::now();
    loop {
        let shown = server.get(token, "/entity-types/places");
        if shown["migration"].is_null() && shown["indexing"].is_null() {
            return shown;
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "it ends: {shown}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Killed in the middle, again and again: what is read is of the old shape or the new, nothing is migrated twice, and in
/// the end all are in the new one.
#[test]
fn a_crash_in_a_migration_of_a_type_leaves_the_old_state_or_the_new() {
    const ROWS: usize = 5000;
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let mut token = server.set_up();
    filled(&server, &token, ROWS);
    let next = json!({"type": "object", "required": ["city"], "additionalProperties": false,
                      "properties": {"no": {"type": "integer"}, "city": {"type": "string"}, "tier": {"type": "string"}}});
    let steps = json!({"rename": {"/town": "/city"}, "set_default": {"/tier": "new"}});
    assert_eq!(change(&server, &token, &json!({"schema": next, "migration": steps})), 202);
    let mut interrupted = 0;
    for round in 0..5 {
        thread::sleep(Duration::from_millis(20 + 60 * round));
        server.kill();
        server = support::start(folder.path());
        token = server.log_in();
        let shown = server.get(&token, "/entity-types/places");
        let all = server.get(&token, "/entities/places?limit=200&sort=name");
        let done = shown["migration"].is_null();
        interrupted += usize::from(!done);
        let expected = if done { &next } else { &shown["schema"] };
        assert_eq!(shown["schema"], *expected);
        assert_eq!(done, shown["schema"]["required"] == json!(["city"]), "the schema goes with the entities: {shown}");
        for entity in all["items"].as_array().unwrap_or_else(|| panic!("{all}")) {
            let data = &entity["data"];
            let (old, new) = (data["town"].is_string(), data["city"].is_string() && data["tier"] == "new");
            assert!(old != new && (new || !done), "round {round}: {entity}");
        }
        assert_eq!(server.get(&token, "/audit/verify")["valid"], true, "round {round}");
    }
    let shown = settled(&server, &token);
    assert_eq!(shown["schema"], next);
    assert_eq!(count(&server, &token, "data.city ~ \"Town\" and data.tier = \"new\""), ROWS);
    assert_eq!(count(&server, &token, "version = 2"), ROWS, "each is migrated once");
    assert_eq!(server.get(&token, "/audit?action=entity.migrated&count=true&limit=1")["total"], ROWS);
    assert_eq!(server.get(&token, "/audit/verify")["valid"], true);
    println!("a migration of {ROWS} entities was interrupted {interrupted} times in 5 crashes");
    assert!(interrupted > 0, "no crash came in the middle");
}

#[test]
fn a_crash_while_indexes_are_made_leaves_none_or_all_of_each() {
    const ROWS: usize = 12_000;
    let folder = tempfile::tempdir().unwrap();
    let mut server = support::start(folder.path());
    let mut token = server.set_up();
    filled(&server, &token, ROWS);
    assert_eq!(change(&server, &token, &json!({"indexes": ["/no", "/town"], "search": ["/town"]})), 200);
    let mut interrupted = 0;
    for round in 0..5 {
        thread::sleep(Duration::from_millis(5 + 30 * round));
        server.kill();
        server = support::start(folder.path());
        token = server.log_in();
        interrupted += usize::from(!server.get(&token, "/entity-types/places")["indexing"].is_null());
        // Whole or not there: what is found is right either way.
        assert_eq!(count(&server, &token, "data.no >= 11000"), 1000, "round {round}");
        assert_eq!(count(&server, &token, "data.town = \"Town 77\""), 1, "round {round}");
    }
    settled(&server, &token);
    let found = server.get(&token, "/entities/places?q=town&count=true&limit=1");
    assert_eq!(found["total"], ROWS, "{found}");
    assert_eq!(count(&server, &token, "data.no = 5000"), 1);
    assert_eq!(server.get(&token, "/audit/verify")["valid"], true);
    println!("indexes over {ROWS} entities were interrupted {interrupted} times in 5 crashes");
    assert!(interrupted > 0, "no crash came in the middle");
}
