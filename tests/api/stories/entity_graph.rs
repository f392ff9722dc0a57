//! What a program is built of, kept as a graph: each crate in our own `Cargo.lock` is an entity, each dependency a
//! relationship. People ask it both ways, and nothing that is depended on can be deleted.

use super::site_of;
use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
};

/// A crate by name and version, and those that it depends on.
struct Package {
    name: String,
    data: Value,
    uses: Vec<String>,
}

/// Every package of the lock file by "name version".
fn packages() -> BTreeMap<String, Package> {
    let lock: toml::Table = include_str!("../../../Cargo.lock").parse().unwrap();
    let all = lock["package"].as_array().unwrap();
    let text = |package: &toml::Value, key: &str| package.get(key).map(|value| value.as_str().unwrap().to_owned());
    let key =
        |package: &toml::Value| format!("{} {}", text(package, "name").unwrap(), text(package, "version").unwrap());
    // A dependency says its version only where there are several.
    let find = |told: &str| {
        let mut words = told.split(' ');
        let (name, version) = (words.next().unwrap(), words.next());
        let is = |package: &&toml::Value| {
            text(package, "name").as_deref() == Some(name)
                && version.is_none_or(|version| text(package, "version").as_deref() == Some(version))
        };
        key(all.iter().find(is).unwrap_or_else(|| panic!("{told} is in no package")))
    };
    let read = |package: &toml::Value| {
        let mut data = json!({"package": key(package), "version": text(package, "version")});
        for name in ["checksum", "source"] {
            if let Some(value) = text(package, name) {
                data[name] = json!(value);
            }
        }
        let uses = package.get("dependencies").and_then(toml::Value::as_array);
        let uses = uses.into_iter().flatten().map(|told| find(told.as_str().unwrap())).collect();
        (key(package), Package { name: text(package, "name").unwrap(), data, uses })
    };
    all.iter().map(read).collect()
}

/// The graph as it was loaded: the id of each package.
struct Graph {
    packages: BTreeMap<String, Package>,
    ids: BTreeMap<String, String>,
}

impl Graph {
    /// Loads the crates by batches and their dependencies beside each other.
    fn load(curator: &Actor) -> Self {
        let packages = packages();
        let mut ids = BTreeMap::new();
        for chunk in packages.iter().collect::<Vec<_>>().chunks(100) {
            let operations: Vec<_> = chunk
                .iter()
                .map(|(_, package)| {
                    let confidence = if package.data.get("checksum").is_some() { 1.0 } else { 0.5 };
                    json!({"op": "create", "type": "crates", "name": package.name, "confidence": confidence,
                           "data": package.data})
                })
                .collect();
            let made = curator.post("/batch", &json!({"operations": operations})).expect(200).json();
            for ((key, _), result) in chunk.iter().zip(made["results"].as_array().unwrap()) {
                ids.insert((*key).clone(), result["id"].as_str().unwrap().to_owned());
            }
        }
        let graph = Self { packages, ids };
        let edges = graph.edges();
        let loaded = &graph;
        thread::scope(|scope| {
            for part in edges.chunks(edges.len() / 8 + 1) {
                scope.spawn(move || {
                    for (from, to) in part {
                        let body = json!({"from_id": loaded.ids[from], "to_id": loaded.ids[to], "type": "depends_on"});
                        curator.post("/relationships", &body).expect(201);
                    }
                });
            }
        });
        graph
    }

    fn edges(&self) -> Vec<(String, String)> {
        let of = |(from, package): (&String, &Package)| {
            package.uses.iter().map(|to| (from.clone(), to.clone())).collect::<Vec<_>>()
        };
        self.packages.iter().flat_map(of).collect()
    }

    fn uses(&self, key: &str) -> BTreeSet<String> {
        self.packages[key].uses.iter().map(|to| self.packages[to].name.clone()).collect()
    }

    fn used_by(&self, key: &str) -> BTreeSet<String> {
        self.packages
            .values()
            .filter(|package| package.uses.iter().any(|to| to == key))
            .map(|p| p.name.clone())
            .collect()
    }

    /// The only version of a crate.
    fn only(&self, name: &str) -> String {
        let keys: Vec<_> = self.packages.iter().filter(|(_, package)| package.name == name).collect();
        assert_eq!(keys.len(), 1, "{name} is there once");
        keys[0].0.clone()
    }
}

fn graph_site() -> Site {
    site_of("entity_graph.toml", "make the relationship type depends_on", &[("PORTCULLIS_LIMITS__ENABLED", "false")])
}

fn total(actor: &Actor, path: &str) -> u64 {
    actor.get(path).expect(200).json()["total"].as_u64().unwrap()
}

/// The names at the other ends in one direction.
fn neighbours(entity: &Value, direction: &str) -> BTreeSet<String> {
    assert_eq!(entity["more_relationships"], false);
    let all = entity["relationships"].as_array().unwrap().iter();
    let those = all.filter(|item| item["type"] == "depends_on" && item["direction"] == direction);
    those.map(|item| item["entity"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_crates_of_a_program_are_asked_both_ways() {
    let site = graph_site();
    let admin = site.admin();
    let curator = site.user(&admin, "carla", &["curator"]);
    let viewer = site.user(&admin, "vera", &["viewer"]);
    let graph = Graph::load(&curator);
    assert!(graph.packages.len() > 300, "the lock file is read");
    assert_eq!(total(&viewer, "/crates?count=true&limit=1"), graph.packages.len() as u64);
    assert_eq!(total(&viewer, "/relationships?count=true&limit=1&type=depends_on"), graph.edges().len() as u64);
    let unsure = viewer.get("/crates?filter=confidence%20%3C%201").expect(200).json();
    assert_eq!(unsure["items"][0]["name"], "portcullis", "only our own has no checksum");

    for name in ["portcullis", "tokio", "serde", "libc"] {
        let key = graph.only(name);
        let id = &graph.ids[&key];
        let entity = viewer.get(&format!("/crates/{id}?expand=relationships")).expect(200).json();
        assert_eq!(neighbours(&entity, "outgoing"), graph.uses(&key), "what {name} uses");
        assert_eq!(neighbours(&entity, "incoming"), graph.used_by(&key), "who uses {name}");
        let outgoing = graph.packages[&key].uses.len() as u64;
        assert_eq!(total(&viewer, &format!("/relationships?count=true&limit=1&from_id={id}")), outgoing);
        let incoming = graph.edges().iter().filter(|(_, to)| *to == key).count() as u64;
        assert_eq!(total(&viewer, &format!("/relationships?count=true&limit=1&to_id={id}")), incoming);
    }

    // Page by page every dependency comes once.
    let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = viewer.get(&format!("/relationships?sort=created_at&limit=200{cursor}")).expect(200).json();
        for item in page["items"].as_array().unwrap() {
            assert!(seen.insert((item["from_id"].to_string(), item["to_id"].to_string())), "{item} came twice");
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), graph.edges().len());

    deletion_is_held_and_told(&curator, &viewer, &graph);
    what_does_not_fit_is_refused(&curator, &viewer, &graph);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

fn deletion_is_held_and_told(curator: &Actor, viewer: &Actor, graph: &Graph) {
    let serde = graph.only("serde");
    let path = format!("/crates/{}", graph.ids[&serde]);
    let held_by = graph.edges().iter().filter(|(from, to)| *from == serde || *to == serde).count();
    assert_eq!(curator.delete(&path).problem(409, "conflict")["count"], held_by);
    viewer.delete(&path).problem(403, "forbidden");

    // Only what nothing depends on any more, and what depends on nothing, can go.
    let own = &graph.ids[&graph.only("portcullis")];
    let remark = json!({"from_id": own, "to_id": own, "type": "reminds_of", "data": {"of": "itself"}});
    curator.post("/relationships", &remark).expect(201);
    let parts = curator.get(&format!("/relationships?from_id={own}&type=depends_on&limit=200")).expect(200).json();
    for item in parts["items"].as_array().unwrap() {
        curator.delete(&format!("/relationships/{}", item["id"].as_str().unwrap())).expect(204);
    }
    curator.delete(&format!("/crates/{own}")).expect(204);
    viewer.get(&format!("/crates/{own}")).problem(404, "not_found");
    let gone = viewer.get("/crates?deleted=only").expect(200).json();
    let gone = gone["items"].as_array().unwrap();
    assert_eq!((gone.len(), &gone[0]["id"], &gone[0]["deleted_by"]), (1, &json!(own), &json!(curator.id)));
    assert!(gone[0]["deleted_at"].as_str().unwrap().ends_with('Z'));
    let parted =
        viewer.get(&format!("/relationships?from_id={own}&deleted=only&count=true&limit=1")).expect(200).json();
    assert_eq!(parted["total"], graph.packages[&graph.only("portcullis")].uses.len() + 1);
    assert_eq!(parted["items"][0]["deleted_by"], json!(curator.id));

    curator.send(curator.request(Method::POST, &format!("/crates/{own}/restore"))).expect(200);
    let back = viewer.get(&format!("/crates/{own}?expand=relationships")).expect(200).json();
    let kinds: Vec<_> = back["relationships"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["reminds_of"], "what was removed by hand stays removed, what went along is back");
}

fn what_does_not_fit_is_refused(curator: &Actor, viewer: &Actor, graph: &Graph) {
    let [serde, libc] = ["serde", "libc"].map(|name| graph.ids[&graph.only(name)].clone());
    let edge = |from: &str, to: &str| json!({"from_id": from, "to_id": to, "type": "depends_on"});
    curator.post("/relationships", &edge(&serde, &serde)).problem(422, "validation_failed");
    let absent = "01980000-0000-7000-8000-000000000000";
    let missing = curator.post("/relationships", &edge(&serde, absent)).problem(422, "validation_failed");
    assert_eq!(missing["errors"][0]["pointer"], "/to_id");
    viewer.post("/relationships", &edge(&libc, &serde)).problem(403, "forbidden");
    let made = curator.get(&format!("/relationships?to_id={serde}&limit=1")).expect(200).json();
    let made = &made["items"][0];
    let again = edge(made["from_id"].as_str().unwrap(), &serde);
    curator.post("/relationships", &again).problem(409, "conflict");

    let path = format!("/crates/{serde}");
    for confidence in [json!(1.5), json!(-0.1), json!("high")] {
        curator.patch(&path, &json!({"confidence": confidence})).problem(422, "validation_failed");
    }
    let deep = (0..9).fold(json!(1), |inner, _| json!({"in": inner}));
    let wide: Value =
        (0..250).map(|number| (number.to_string(), json!(number))).collect::<serde_json::Map<_, _>>().into();
    for notes in [json!({"text": "x".repeat(11_000)}), deep, wide, json!({"text": "a\u{0}b"})] {
        curator.patch(&path, &json!({"data": {"notes": notes}})).problem(422, "validation_failed");
    }
    curator.post("/crates", &json!({"name": "serde", "data": graph.packages[&graph.only("serde")].data})).expect(409);
}

fn by_cookie(site: &Site, cookie: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let nobody = site.nobody();
    let request = nobody.request(Method::POST, "/relationships").header("cookie", cookie).json(body);
    nobody.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
}

#[test]
fn a_browser_joins_crates_with_its_cookie_and_token_alone() {
    let site = graph_site();
    let admin = site.admin();
    site.user(&admin, "carla", &["curator"]);
    let [one, other] = ["one", "other"].map(|name| {
        let data = json!({"package": format!("{name} 1.0.0"), "version": "1.0.0"});
        admin.post("/crates", &json!({"name": name, "data": data})).expect(201).id()
    });
    let nobody = site.nobody();
    let login = json!({"email": "carla@example.org", "password": PASSWORD, "cookie": true});
    let answer = nobody.post("/auth/login", &login).expect(200);
    assert!(answer.json().get("access_token").is_none());
    let set = answer.header("set-cookie").to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let cookie = set.split(';').next().unwrap();
    let token = answer.json()["csrf_token"].as_str().unwrap().to_owned();
    let body = json!({"from_id": one, "to_id": other, "type": "depends_on"});
    let own = ("sec-fetch-site", "same-origin");
    by_cookie(&site, cookie, &[own], &body).problem(403, "csrf_failed");
    by_cookie(&site, cookie, &[own, ("x-csrf-token", "guessed")], &body).problem(403, "csrf_failed");
    let elsewhere = [("sec-fetch-site", "cross-site"), ("x-csrf-token", &*token)];
    by_cookie(&site, cookie, &elsewhere, &body).problem(403, "csrf_failed");
    assert_eq!(total(&admin, "/relationships?count=true"), 0);
    by_cookie(&site, cookie, &[own, ("x-csrf-token", &token)], &body).expect(201);
    assert_eq!(total(&admin, "/relationships?count=true"), 1);
}
