//! What is looked at, what becomes of a finding, and how often there was one.

use super::{Class, Mode, class_of, detect::prepare, is_operator};
use crate::{
    actor::Actor,
    audit::{Event, Ledger, Outcome},
    config::{Config, Live, is_data_path, is_same_route, route_of},
    error::{Code, Error, Fault, Result},
    observation::{Observations, Seen},
    permit::Route,
};
use actix_web::http::Method;
use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Findings that an answer and an event name.
const NAMED: usize = 20;
/// Characters of a pointer that an event keeps.
const POINTER: usize = 200;
/// Bytes of one entity that are looked at; one with more is over the limit and refused for that.
const BYTES: usize = 64 << 10;

/// The inspector, with the server's mode and its counters. Clones share it.
#[derive(Clone)]
pub struct Inspection(Arc<Inner>);

struct Inner {
    config: Live,
    routes: Arc<ArcSwap<ByRoute>>,
    ledger: Ledger,
    observations: Observations,
    observed: [AtomicU64; Class::ALL.len()],
    blocked: [AtomicU64; Class::ALL.len()],
}

/// Findings of a class since the server started.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Count {
    pub class: &'static str,
    pub observed: u64,
    pub blocked: u64,
}

/// The routes that have a mode of their own.
type ByRoute = HashMap<(Method, &'static str), Mode>;

/// One that names its method goes before one for all methods.
fn by_route(routes: &[(Method, &'static str)], config: &Config) -> ByRoute {
    let mut modes = ByRoute::new();
    for (pattern, mode) in config.inspection.routes.iter() {
        let named = route_of(pattern);
        for (method, path) in routes {
            let key = (method.clone(), *path);
            if is_same_route(&named, &format!("{method} {path}")) {
                modes.insert(key, *mode);
            } else if is_same_route(&named, path) {
                modes.entry(key).or_insert(*mode);
            }
        }
    }
    modes
}

struct Finding {
    pointer: String,
    class: Class,
}

impl Inspection {
    pub fn new(ledger: Ledger, config: Live, routes: &[Route], observations: Observations) -> Self {
        let is_on = |config: &Config| {
            let inspection = &config.inspection;
            inspection.mode != Mode::Off || inspection.routes.values().any(|mode| *mode != Mode::Off)
        };
        if is_on(&config.load()) {
            prepare();
        }
        let table: Arc<ArcSwap<ByRoute>> = Arc::default();
        let (kept, routes) = (table.clone(), routes.iter().map(|route| (route.method.clone(), route.path)));
        let routes: Vec<_> = routes.collect();
        // Switched on later, the rules are made ready beside the requests.
        config.subscribe(move |config| {
            kept.store(Arc::new(by_route(&routes, config)));
            if is_on(config) {
                std::thread::spawn(prepare);
            }
        });
        let counters = || std::array::from_fn(|_| AtomicU64::new(0));
        Self(Arc::new(Inner { config, routes: table, ledger, observations, observed: counters(), blocked: counters() }))
    }

    /// The server's mode.
    pub fn mode(&self) -> Mode {
        self.0.config.load().inspection.mode
    }

    /// The mode of a route: its own, or the server's.
    pub fn mode_of(&self, method: &Method, path: &'static str) -> Mode {
        let routes = self.0.routes.load();
        let own = if routes.is_empty() { None } else { routes.get(&(method.clone(), path)).copied() };
        own.unwrap_or_else(|| self.mode())
    }

    pub fn counts(&self) -> Vec<Count> {
        let read = |counters: &[AtomicU64], class| counters[class as usize].load(Ordering::Relaxed);
        let count = |class: Class| Count {
            class: class.as_str(),
            observed: read(&self.0.observed, class),
            blocked: read(&self.0.blocked, class),
        };
        Class::ALL.into_iter().map(count).collect()
    }

    /// Looks at what an entity of a type would hold; `own` is the type's mode.
    pub fn entity(
        &self,
        actor: &Actor,
        (entity_type, own): (&str, Option<Mode>),
        name: Option<&str>,
        data: Option<&Map<String, Value>>,
    ) -> Result<()> {
        let mode = own.unwrap_or_else(|| self.mode());
        if mode == Mode::Off {
            return Ok(());
        }
        let mut search = Search::default();
        if let Some(name) = name {
            search.text("/name", name);
        }
        if let Some(data) = data {
            search.members(&mut "/data".to_owned(), data);
        }
        self.conclude(actor, mode, own.map(|_| entity_type), ("entity_type", entity_type), search.findings)
    }

    /// Looks at parameters of an address: the segments of a path, the names and values of a query.
    pub fn parameters<'a>(
        &self,
        actor: &Actor,
        mode: Mode,
        route: &str,
        parameters: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    ) -> Result<()> {
        if mode == Mode::Off {
            return Ok(());
        }
        let mut search = Search::default();
        for (name, value) in parameters {
            let pointer = pointer_to("", &name);
            search.text(&pointer, &name);
            search.text(&pointer, &value);
        }
        self.conclude(actor, mode, None, ("route", route), search.findings)
    }

    /// Looks at some members of a body.
    pub fn body<'a>(
        &self,
        actor: &Actor,
        mode: Mode,
        route: &str,
        members: impl Iterator<Item = (&'a String, &'a Value)>,
    ) -> Result<()> {
        if mode == Mode::Off {
            return Ok(());
        }
        let mut search = Search::default();
        for (name, value) in members {
            search.value(&mut pointer_to("", name), value);
        }
        self.conclude(actor, mode, None, ("route", route), search.findings)
    }

    /// `own`: the entity type whose own mode it is.
    fn conclude(
        &self,
        actor: &Actor,
        mode: Mode,
        own: Option<&str>,
        target: (&'static str, &str),
        findings: Vec<Finding>,
    ) -> Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        let of_data = target.0 == "entity_type" || target.1.split_once(' ').is_some_and(|(_, path)| is_data_path(path));
        let observed = (mode == Mode::Block && of_data).then(|| self.0.observations.watches("inspection")).flatten();
        let blocks = mode == Mode::Block && observed.is_none();
        if !blocks {
            let of_type = || own.map_or_else(|| "inspection".into(), |own| format!("inspection.{own}").into());
            let detail: Vec<_> =
                findings.iter().map(|found| format!("{} at {}", found.class.as_str(), found.pointer)).collect();
            let seen = Seen { actor, route: target.1, detail: &detail.join(", ") };
            self.0.observations.count(&observed.unwrap_or_else(of_type), &seen);
        }
        let counters = if blocks { &self.0.blocked } else { &self.0.observed };
        for finding in &findings {
            counters[finding.class as usize].fetch_add(1, Ordering::Relaxed);
        }
        let named = |finding: &Finding| {
            json!({
                "class": finding.class.as_str(),
                "pointer": finding.pointer.chars().take(POINTER).collect::<String>(),
            })
        };
        let mode = if blocks { mode } else { Mode::Observe };
        let after = json!({"mode": mode.as_str(), "findings": findings.iter().map(named).collect::<Vec<_>>()});
        let outcome = if blocks { Outcome::Denied } else { Outcome::Success };
        let event = Event::new("request.inspected", target.0, target.1.to_owned()).after(&after).outcome(outcome);
        self.0.ledger.note(actor, event);
        if blocks { Err(refusal(findings)) } else { Ok(()) }
    }
}

fn refusal(findings: Vec<Finding>) -> Error {
    let faults = findings.into_iter().map(|finding| Fault {
        pointer: finding.pointer,
        code: finding.class.as_str().into(),
        message: format!("The value looks like {}. Write it in another way.", name_of(finding.class)),
    });
    let detail = "A value looks like an attack, so nothing was done; errors names the place and the kind.";
    Error::refused(Code::InspectionBlocked, detail, faults.collect())
}

fn name_of(class: Class) -> &'static str {
    match class {
        Class::Xss => "cross-site scripting",
        Class::Sql => "SQL injection",
        Class::NoSql => "NoSQL injection",
        Class::Command => "command injection",
        Class::Traversal => "path traversal",
    }
}

fn pointer_to(above: &str, name: &str) -> String {
    format!("{above}/{}", name.replace('~', "~0").replace('/', "~1"))
}

struct Search {
    findings: Vec<Finding>,
    left: usize,
    left_for_nulls: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self { findings: Vec::new(), left: BYTES, left_for_nulls: BYTES }
    }
}

impl Search {
    fn find(&mut self, pointer: &str, class: Class) {
        if self.findings.len() < NAMED {
            self.findings.push(Finding { pointer: pointer.to_owned(), class });
        }
    }

    fn text(&mut self, pointer: &str, text: &str) {
        if self.findings.len() == NAMED {
            return;
        }
        if text.len() >= self.left {
            self.left = 0;
            return;
        }
        self.left -= text.len().max(1);
        if let Some(class) = class_of(text) {
            self.find(pointer, class);
        }
    }

    fn members(&mut self, above: &mut String, members: &Map<String, Value>) {
        for (name, value) in members {
            let length = above.len();
            *above = pointer_to(above, name);
            if is_operator(name) {
                self.find(above, Class::NoSql);
            } else if value.is_null() {
                // A merge patch may name any number of members to take away: they take no room from the others.
                let room = std::mem::replace(&mut self.left, self.left_for_nulls);
                self.text(above, name);
                self.left_for_nulls = std::mem::replace(&mut self.left, room);
            } else {
                self.text(above, name);
            }
            self.value(above, value);
            above.truncate(length);
        }
    }

    fn value(&mut self, at: &mut String, value: &Value) {
        if self.left == 0 || self.findings.len() >= NAMED {
            return;
        }
        match value {
            Value::String(text) => self.text(at, text),
            Value::Object(members) => self.members(at, members),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let length = at.len();
                    *at = pointer_to(at, &index.to_string());
                    self.value(at, item);
                    at.truncate(length);
                }
            }
            _ => {}
        }
    }
}
