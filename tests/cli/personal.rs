//! Taking people out and forgetting them from the shell, beside a server and without one, and what a backup of before
//! brings back.

use crate::place::{PASSWORD, Place, Said};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

fn find(folder: &Path, texts: &[&str], hits: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, texts, hits);
        } else {
            let bytes = fs::read(&path).unwrap_or_default();
            let holds = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            hits.extend(texts.iter().filter(holds).map(|text| format!("{text} in {}", path.display())));
        }
    }
}

/// Where any of these stands in the data folder.
fn found(place: &Place, texts: &[&str]) -> Vec<String> {
    let mut hits = Vec::new();
    find(&place.path().join("portcullis-data"), texts, &mut hits);
    hits
}

fn done(said: &Said) {
    assert_eq!(said.status, Some(0), "{}", said.talk);
}

fn id(answer: reqwest::blocking::Response) -> String {
    assert_eq!(answer.status(), 201);
    answer.json::<Value>().unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn people_are_taken_out_and_forgotten_and_a_restored_backup_forgets_again() {
    let place = Place::new();
    place.make_admin();
    let mut server = place.serve();
    let token = server.log_in();
    let fields = json!({"/iban": {"pii": true}});
    assert_eq!(server.send("/entity-types", &token, json!({"name": "people", "fields": fields})).status(), 201);
    let make = |name: &str| {
        let body = json!({"name": format!("SECRET-name-{name}"), "data": {"iban": format!("SECRET-iban-{name}")}});
        id(server.send("/entities/people", &token, body))
    };
    let (one, two) = (make("one"), make("two"));
    let ida = json!({"email": "ida.secret@example.org", "password": PASSWORD, "roles": ["viewer"]});
    let ida = id(server.send("/users", &token, ida));
    let owned = json!({"name": "SECRET-owned", "owner_id": ida, "data": {"iban": "SECRET-iban-owned"}});
    let owned = id(server.send("/entities/people", &token, owned));
    let grace =
        json!({"email": "grace.secret@example.org", "name": "SECRET-grace", "password": PASSWORD, "roles": ["viewer"]});
    id(server.send("/users", &token, grace));
    let backup = place.run(&["backup", "create"]);
    done(&backup);
    let name = backup.out.lines().next().unwrap().to_owned();

    let whole = place.run(&["entity", "export", "people", &one]);
    let whole: Value = serde_json::from_str(&whole.out).unwrap_or_else(|_| panic!("{}", whole.talk));
    assert_eq!((&whole["entity"]["data"]["iban"], &whole["files"]), (&json!("SECRET-iban-one"), &json!([])));
    let whole = place.run(&["user", "export", "--email", "grace.secret@example.org"]);
    let whole: Value = serde_json::from_str(&whole.out).unwrap_or_else(|_| panic!("{}", whole.talk));
    assert_eq!(whole["user"]["name"], "SECRET-grace");

    done(&place.run(&["entity", "anonymise", "people", &one, "--reason", "asked for by letter"]));
    done(&place.run(&["user", "erase", "--email", "grace.secret@example.org"]));
    let erase = ["user", "erase", "--email", "ida.secret@example.org"];
    assert_eq!(place.run(&[&erase[..], &["--with-owned", "--hand-over-to", "x@example.org"]].concat()).status, Some(2));
    assert_eq!(place.run(&[&erase[..], &["--hand-over-to", "x@example.org"]].concat()).status, Some(1));
    let erased = place.run(&[&erase[..], &["--with-owned"]].concat());
    done(&erased);
    assert!(erased.talk.contains("is erased by a job of the server (people: 1)"), "{}", erased.talk);
    let begun = Instant::now();
    while place.run(&["entity", "export", "people", &owned]).out.contains("SECRET") {
        assert!(begun.elapsed() < Duration::from_secs(30), "a job erases it");
    }
    done(&place.run(&["audit", "verify"]));
    assert_eq!(place.run(&["user", "erase", "--email", "grace.secret@example.org"]).status, Some(1));
    server.stop();
    done(&place.run(&["entity", "erase", "people", &two]));
    let shown = place.run(&["entity", "export", "people", &one]);
    assert!(!shown.out.contains("SECRET") && shown.out.contains("erased"), "{}", shown.out);
    done(&place.run(&["audit", "verify"]));
    let secrets = ["SECRET", "grace.secret", "ida.secret"];
    assert!(found(&place, &secrets).is_empty(), "{:?}", found(&place, &secrets));

    done(&place.run(&["backup", "restore", &name, "--yes"]));
    let listed = place.run(&["user", "list"]);
    assert!(!listed.out.contains("grace"), "{}", listed.out);
    for entity in [&one, &two, &owned] {
        let shown = place.run(&["entity", "export", "people", entity]);
        assert!(shown.status == Some(0) && !shown.out.contains("SECRET"), "{}{}", shown.out, shown.talk);
    }
    done(&place.run(&["audit", "verify"]));
    let log = place.run(&["audit", "export"]).out;
    assert!(log.contains("entity.erased") && log.contains("user.erased") && !log.contains("SECRET"), "{log}");
    assert!(found(&place, &secrets).is_empty(), "{:?}", found(&place, &secrets));
}
