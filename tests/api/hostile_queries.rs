//! Queries that mean harm: long, deep, forged, full of signs that other languages would obey.

use crate::support::{Actor, Site};
use serde_json::json;
use std::time::{Duration, Instant};

fn ask(admin: &Actor, pairs: &[(&str, &str)]) -> crate::support::Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    admin.get(&format!("/entities/notes?{query}"))
}

fn names(admin: &Actor, pairs: &[(&str, &str)]) -> Vec<String> {
    let items = ask(admin, pairs).expect(200).json()["items"].as_array().unwrap().clone();
    let mut names: Vec<_> = items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn notes(search: bool) -> (Site, Actor) {
    let site = Site::new();
    let admin = site.admin();
    let search = search.then(|| json!(["/text"]));
    let schema = json!({"properties": {"text": {"type": "string"}}});
    admin.post("/entity-types", &json!({"name": "notes", "schema": schema, "search": search})).expect(201);
    for name in ["100% sure", "100 sure", "a_b", "axb", "back\\slash", "it's \"quoted\"", "near or not"] {
        admin.post("/entities/notes", &json!({"name": name, "data": {"text": name}})).expect(201);
    }
    (site, admin)
}

#[test]
fn signs_of_other_languages_are_letters_here() {
    let (_site, admin) = notes(false);
    let like = |text: &str| {
        let literal = text.replace('\\', "\\\\").replace('"', "\\\"");
        names(&admin, &[("filter", &format!("name ~ \"{literal}\""))])
    };
    assert_eq!(like("%"), ["100% sure"]);
    assert_eq!(like("_"), ["a_b"]);
    assert_eq!(like("A_B"), ["a_b"]);
    assert_eq!(like("\\"), ["back\\slash"]);
    assert_eq!(like("it's \"q"), ["it's \"quoted\""]);
    assert_eq!(like("' OR 1=1 --"), Vec::<String>::new());
}

#[test]
fn operators_of_full_text_are_words_here() {
    for indexed in [false, true] {
        let (_site, admin) = notes(indexed);
        let found = |q: &str| names(&admin, &[("q", q)]);
        assert_eq!(found("near or not"), ["near or not"], "{indexed}");
        for q in ["sure OR axb", "sure NOT 100", "NEAR(sure 100)", "name:sure axb", "\"sure\" AND axb"] {
            assert!(found(q).is_empty(), "{q} {indexed}: {:?}", found(q));
        }
        for q in ["\"", "'", "*", "^", "((((", "a\" OR \"b", "{}", "NOT", "-sure"] {
            assert!(ask(&admin, &[("q", q)]).status < 500, "{q}");
        }
    }
}

#[test]
fn names_that_are_not_there_and_forged_cursors_are_refused() {
    let (_site, admin) = notes(false);
    for pairs in [
        [("sort", "nothing")],
        [("sort", "data")],
        [("sort", "name;drop table entities")],
        [("filter", "nothing = 1")],
        [("filter", "password_hash ~ \"a\"")],
        [("filter", "name = (select 1)")],
        [("filter", "name = \"a\" --")],
        [("fields", "nothing")],
        [("cursor", "AAAA")],
        [("limit", "0")],
        [("limit", "-1")],
        [("limit", "18446744073709551616")],
        [("limit", "1e2")],
    ] {
        ask(&admin, &pairs).problem(422, "validation_failed");
    }
    let page = ask(&admin, &[("limit", "2")]).expect(200).json();
    let cursor = page["next_cursor"].as_str().unwrap().to_owned();
    ask(&admin, &[("limit", "2"), ("cursor", &cursor)]).expect(200);
    ask(&admin, &[("limit", "2"), ("cursor", &cursor), ("sort", "name")]).problem(422, "validation_failed");
    ask(&admin, &[("limit", "2"), ("cursor", &cursor), ("filter", "name != null")]).problem(422, "validation_failed");
    for place in [0, cursor.len() / 2, cursor.len() - 1] {
        let mut forged = cursor.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        ask(&admin, &[("limit", "2"), ("cursor", &forged)]).problem(422, "validation_failed");
    }
}

#[test]
fn long_and_deep_questions_cost_little() {
    let (_site, admin) = notes(true);
    let began = Instant::now();
    let long = ask(&admin, &[("q", &"word ".repeat(10_000))]);
    assert!(matches!(long.status, 414 | 431), "{}", long.text);
    for filter in [
        format!("{}name = 1{}", "(".repeat(3500), ")".repeat(3500)),
        format!("{}name = null", "not ".repeat(1500)),
        format!("name in ({})", vec!["\"a\""; 1500].join(", ")),
        format!("name ~ \"{}\"", "a%_".repeat(2000)),
        format!("name = null{}", " or name = null".repeat(300)),
    ] {
        let answer = ask(&admin, &[("filter", &filter)]);
        assert!(matches!(answer.status, 200 | 422 | 414), "{}: {}", &filter[..40], answer.text);
    }
    for q in ["a ".repeat(1500), "(a+)+".repeat(500), "\u{0301}".repeat(700)] {
        assert!(matches!(ask(&admin, &[("q", &q)]).status, 200 | 422 | 414));
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
