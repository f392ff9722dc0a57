//! What Prometheus is told: who may ask, that every series is there from the start, and that figures move.

use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const TOKEN: &str = "1f0c9be27d5a48e3a6b1c4d27e8f9a03";

fn ask(site: &Site, headers: &[(&str, &str)]) -> Answer {
    let nobody = site.nobody();
    let request =
        headers.iter().fold(nobody.at(Method::GET, "/metrics"), |request, (name, value)| request.header(*name, *value));
    nobody.send(request)
}

/// Series and their values; every line has to be one of the format's.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            name.clone_into(&mut family);
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(name.starts_with(&family), "{line} stands under {family}");
            let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(found.insert(name.to_owned(), value).is_none(), "{line} comes twice");
        }
    }
    found
}

fn scrape(site: &Site) -> BTreeMap<String, f64> {
    let answer = ask(site, &[]).expect(200);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    series(&answer.text)
}

#[track_caller]
fn value(all: &BTreeMap<String, f64>, name: &str) -> f64 {
    *all.get(name).unwrap_or_else(|| panic!("there is no {name}"))
}

#[test]
fn only_the_token_or_a_caller_on_this_machine_gets_in() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_METRICS__TOKEN", TOKEN)]);
    ask(&site, &[]).expect(200);
    let bearer = format!("Bearer {TOKEN}");
    let far = ("host", "gate.example.org");
    ask(&site, &[far, ("authorization", &bearer)]).expect(200);
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-host"] {
        ask(&site, &[(name, "127.0.0.1")]).problem(401, "unauthenticated");
        ask(&site, &[(name, "127.0.0.1"), ("authorization", &bearer)]).expect(200);
    }
    for host in ["gate.example.org", "localhost.example.org", "127.0.0.1.nip.io"] {
        ask(&site, &[("host", host)]).problem(401, "unauthenticated");
    }
    ask(&site, &[("host", "localhost:9")]).expect(200);
    let almost = format!("Bearer {}0", &TOKEN[..31]);
    for wrong in ["Bearer x", &almost, "Basic eDp5", "Bearer "] {
        ask(&site, &[("authorization", wrong), far]).problem(401, "unauthenticated");
    }
    let admin = site.admin();
    let token = format!("Bearer {}", admin.token.as_deref().unwrap());
    ask(&site, &[("authorization", &token)]).problem(401, "unauthenticated");
    let refused = ask(&site, &[far]);
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{}", refused.text);
    assert_eq!(site.nobody().send(site.nobody().at(Method::POST, "/metrics")).status, 405);
    let body = json!({"active": true, "reason": "a drill", "password": PASSWORD});
    admin.put("/kill-switch", &body).expect(200);
    assert!((value(&scrape(&site), "portcullis_kill_switch_active") - 1.0).abs() < f64::EPSILON);
}

fn use_everything(site: &Site, admin: &Actor) {
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    for number in 0..5 {
        admin.post("/entities/orders", &json!({"name": format!("n{number}")})).expect(201);
    }
    let page = admin.get("/entities/orders").expect(200).json();
    let id = page["items"][0]["id"].as_str().unwrap();
    for _ in 0..3 {
        admin.get(&format!("/entities/orders/{id}")).expect(200);
        admin.send(admin.at(Method::GET, &format!("/api/entities/orders/{id}"))).expect(200);
    }
    admin.get("/entities/orders/none").expect(404);
    site.nobody().get("/users").expect(401);
    site.nobody().get("/nothing-here").expect(404);
    let wrong = json!({"email": "admin@example.org", "password": "wrong wrong wrong"});
    site.nobody().post("/auth/login", &wrong).expect(401);
    site.nobody().send(site.nobody().at(Method::GET, "/console/")).expect(200);
    site.nobody().send(site.nobody().at(Method::GET, "/health/live")).expect(200);
}

#[test]
fn every_series_is_there_from_the_start_and_figures_move() {
    let site = Site::new();
    let before = scrape(&site);
    let admin = site.admin();
    use_everything(&site, &admin);
    let after = scrape(&site);
    let names = |all: &BTreeMap<String, f64>| all.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&before), names(&after), "no series comes or goes");
    let moved = |name: &str, by: f64| {
        let difference = value(&after, name) - value(&before, name);
        assert!((difference - by).abs() < f64::EPSILON, "{name} moved by {difference}, not {by}");
    };
    let requests = |method: &str, route: &str, status: &str| {
        format!("portcullis_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
    };
    moved(&requests("GET", "/api/v1/entities/{type}/{id}", "2xx"), 6.0);
    moved(&requests("GET", "/api/v1/entities/{type}/{id}", "4xx"), 1.0);
    moved(&requests("POST", "/api/v1/entities/{type}", "2xx"), 5.0);
    moved(&requests("GET", "/api/v1/users", "4xx"), 1.0);
    moved(&requests("ANY", "unknown", "4xx"), 1.0);
    moved(&requests("ANY", "/console", "2xx"), 1.0);
    moved(&requests("ANY", "/health", "2xx"), 1.0);
    moved(&requests("ANY", "/metrics", "2xx"), 1.0);
    let took = "portcullis_http_request_duration_seconds";
    moved(&format!("{took}_count{{method=\"GET\",route=\"/api/v1/entities/{{type}}/{{id}}\"}}"), 7.0);
    moved(&format!("{took}_bucket{{method=\"GET\",route=\"/api/v1/entities/{{type}}/{{id}}\",le=\"+Inf\"}}"), 7.0);
    moved("portcullis_refusals_total{code=\"invalid_credentials\"}", 1.0);
    moved("portcullis_refusals_total{code=\"not_found\"}", 2.0);
    moved("portcullis_log_ins_total{outcome=\"success\"}", 1.0);
    moved("portcullis_log_ins_total{outcome=\"failed\"}", 1.0);
    let grew = |name: &str| assert!(value(&after, name) > value(&before, name), "{name} did not grow");
    grew("portcullis_writer_batch_size_count");
    grew("portcullis_writer_batch_size_sum");
    grew("portcullis_cache_hits_total{cache=\"entities\",tier=\"warm\"}");
    grew("portcullis_cache_hits_total{cache=\"principals\",tier=\"hot\"}");
    grew("portcullis_audit_head");
    for name in [
        "portcullis_database_size_bytes",
        "portcullis_database_wal_size_bytes",
        "portcullis_disk_free_bytes",
        "portcullis_read_pool_connections{state=\"open\"}",
        "portcullis_read_pool_max",
        "process_resident_memory_bytes",
    ] {
        assert!(value(&after, name) > 0.0, "{name} is nothing");
    }
    assert!(
        (value(&after, "portcullis_audit_head") - admin.get("/audit/verify").json()["head_seq"].as_f64().unwrap())
            .abs()
            < 1.0
    );
}

#[test]
fn limits_that_refuse_are_counted_by_whose_they_are() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "3")]);
    for _ in 0..5 {
        site.nobody().get("/users");
    }
    let all = scrape(&site);
    assert!((value(&all, "portcullis_limited_total{limit=\"public\"}") - 2.0).abs() < f64::EPSILON);
    assert!((value(&all, "portcullis_refusals_total{code=\"rate_limited\"}") - 2.0).abs() < f64::EPSILON);
}

#[test]
fn nothing_secret_or_personal_is_told() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_METRICS__TOKEN", TOKEN)]);
    let admin = site.admin();
    use_everything(&site, &admin);
    let text = ask(&site, &[]).expect(200).text;
    for word in ["orders", "example.org", TOKEN, admin.token.as_deref().unwrap(), &admin.id, "127.0.0.1"] {
        assert!(!text.contains(word), "{word} is told");
    }
}

/// What the dashboard asks for, as words that begin like our figures do.
fn asked_for(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("portcullis_") || word.starts_with("process_")).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_asks_for_nothing_that_is_not_there() {
    let site = Site::new();
    let dashboard = include_str!("../../deploy/grafana-dashboard.json");
    let parsed: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let there: BTreeSet<String> = scrape(&site).keys().map(|name| name.split('{').next().unwrap().to_owned()).collect();
    let asked = asked_for(dashboard);
    let missing: Vec<_> = asked.difference(&there).collect();
    assert!(missing.is_empty() && asked.len() > 15, "{missing:?}");
    let panels = parsed["panels"].as_array().unwrap();
    assert!(panels.iter().filter(|panel| panel["type"] != "row").all(|panel| panel["targets"][0]["expr"].is_string()));
}
