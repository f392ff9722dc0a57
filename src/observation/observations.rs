//! Which rules are in observe mode, and the counts: exact in memory, written behind the requests.

use super::{
    counted::{Counted, Observation, Seen},
    store,
};
use crate::{
    actor::Actor,
    audit::{Event, Ledger},
    config::{Config, Enforcement, InspectionMode, route_of},
    error::{Error, Result},
    permit::Action,
    storage::Tx,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

/// Rules that are counted, at most; types come and go.
const RULES: usize = 500;
const WRITTEN_EVERY: Duration = Duration::from_secs(1);
const REASON: &str = "counts of rules in observe mode";

/// Clones share the counts.
#[derive(Clone)]
pub struct Observations(Arc<Inner>);

struct Inner {
    ledger: Ledger,
    watched: RwLock<Arc<Watched>>,
    counted: Mutex<BTreeMap<Arc<str>, Counted>>,
    /// Whether somebody is about to write.
    writing: AtomicBool,
}

/// What the configuration puts into observe mode.
#[derive(Default)]
struct Watched {
    /// As they are asked for, and as the configuration writes them.
    rules: BTreeMap<String, Arc<str>>,
    /// The entity types on which a role stands in for whoever shows no good credential.
    stand_in: Option<(Vec<String>, String)>,
    inspects: bool,
}

impl Watched {
    fn new(config: &Config) -> Self {
        let auth = &config.auth;
        let observing = auth.enforcement == Enforcement::Observe;
        let stand_in = observing.then(|| (auth.observe_types.clone(), auth.observe_role.clone().unwrap_or_default()));
        Self {
            rules: config.observe.rules.iter().map(|rule| (asked_as(rule), rule.as_str().into())).collect(),
            stand_in,
            inspects: config.inspection.mode == InspectionMode::Observe,
        }
    }
}

/// Routes may be written with their base or without.
fn asked_as(rule: &str) -> String {
    let route = rule.strip_prefix("limits.routes.");
    route.map_or_else(|| rule.to_owned(), |pattern| format!("limits.routes.{}", route_of(pattern)))
}

impl Observations {
    pub fn open(ledger: Ledger) -> Result<Self> {
        let counted = ledger.db().read(store::all)?;
        let watched = RwLock::default();
        Ok(Self(Arc::new(Inner { ledger, watched, counted: Mutex::new(counted), writing: AtomicBool::new(false) })))
    }

    /// Takes over what the configuration says now.
    pub fn follow(&self, config: &Config) {
        *self.0.watched.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Watched::new(config));
    }

    fn watched(&self) -> Arc<Watched> {
        self.0.watched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rule, when it is in observe mode. Asked only once it would refuse.
    pub fn watches(&self, rule: &str) -> Option<Arc<str>> {
        self.watched().rules.get(rule).cloned()
    }

    /// The rule by which a missing permission on entities of this type is observed.
    pub fn watches_permission(&self, entity_type: &str, action: Action) -> Option<Arc<str>> {
        let action = action.as_str();
        self.watches(&format!("permissions.entities.{entity_type}:{action}"))
            .or_else(|| self.watches(&format!("permissions.entities.*:{action}")))
    }

    /// The role that stands in for whoever shows no good credential on entities of this type.
    pub fn stand_in(&self, entity_type: &str) -> Option<String> {
        let watched = self.watched();
        let (types, role) = watched.stand_in.as_ref()?;
        types.iter().any(|name| name == entity_type).then(|| role.clone())
    }

    /// The names of the rules that are in observe mode.
    pub fn active(&self) -> Vec<Arc<str>> {
        let watched = self.watched();
        let mut all: Vec<_> = watched.rules.values().cloned().collect();
        all.extend(watched.stand_in.is_some().then(|| "auth.enforcement".into()));
        all.extend((watched.inspects && !watched.rules.contains_key("inspection")).then(|| "inspection".into()));
        all
    }

    /// The setting that puts a rule into observe mode; none where it is enforced. A type's own mode says so itself.
    fn by(&self, rule: &str) -> Option<&'static str> {
        let watched = self.watched();
        match rule {
            _ if watched.rules.values().any(|known| **known == *rule) => Some("observe.rules"),
            "auth.enforcement" => watched.stand_in.is_some().then_some("auth.enforcement"),
            "inspection" => watched.inspects.then_some("inspection.mode"),
            _ => rule.starts_with("inspection.").then_some("entity_type"),
        }
    }

    fn counted(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Counted>> {
        self.0.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one time that the rule would have refused.
    pub fn count(&self, rule: &Arc<str>, seen: &Seen<'_>) {
        let at = self.0.ledger.clock().now();
        let mut counted = self.counted();
        if counted.len() < RULES || counted.contains_key(rule) {
            counted.entry(rule.clone()).or_default().add(at, seen);
        }
        drop(counted);
        self.write_soon();
    }

    fn write_soon(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.0.writing.swap(true, SeqCst) {
            return;
        }
        let observations = self.clone();
        runtime.spawn(async move {
            tokio::time::sleep(WRITTEN_EVERY).await;
            observations.0.writing.store(false, SeqCst);
            let write = observations.writing();
            if let Err(error) = observations.0.ledger.unrecorded(REASON, write).await {
                tracing::warn!(?error, "the counts of observed rules could not be written");
            }
        });
    }

    /// Writes what is not on disk yet; for the end of the process.
    pub fn settle(&self) {
        if self.counted().values().all(Counted::is_written) {
            return;
        }
        if let Err(error) = self.0.ledger.unrecorded_blocking(REASON, self.writing()) {
            tracing::warn!(?error, "the counts of observed rules could not be written");
        }
    }

    /// Writes what stands in memory at that moment; the counts are taken there, so that it may run twice.
    fn writing(&self) -> impl FnMut(&Tx<'_>) -> Result<()> + Send + 'static {
        let observations = self.clone();
        move |tx| {
            let due: Vec<_> = {
                let counted = observations.counted();
                let due = counted.iter().filter(|(_, one)| !one.is_written());
                due.map(|(rule, one)| (rule.clone(), one.clone())).collect()
            };
            for (rule, one) in &due {
                store::write(tx, rule, one)?;
            }
            let observations = observations.clone();
            tx.after_commit(move || {
                let mut counted = observations.counted();
                for (rule, one) in &due {
                    if let Some(kept) = counted.get_mut(rule) {
                        kept.written = Some(one.count);
                    }
                }
            });
            Ok(())
        }
    }

    /// Every rule in observe mode, and every one that was counted: most often first.
    pub fn list(&self) -> Vec<Observation> {
        let mut counted = self.counted().clone();
        let active = self.active();
        for rule in &active {
            counted.entry(rule.clone()).or_default();
        }
        let shown = counted.into_iter().filter(|(rule, one)| one.count > 0 || active.contains(rule));
        let mut all: Vec<_> = shown
            .map(|(rule, one)| Observation {
                by: self.by(&rule),
                count: one.count,
                first_seen: (one.count > 0).then_some(one.first_seen),
                last_seen: (one.count > 0).then_some(one.last_seen),
                examples: one.examples.into(),
                rule,
            })
            .collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.count));
        all
    }

    /// Begins to count a rule anew.
    pub async fn reset(&self, actor: &Actor, rule: String) -> Result<()> {
        let observations = self.clone();
        let reset = move |tx: &Tx<'_>| {
            let known = observations.list().into_iter().find(|one| *one.rule == *rule).ok_or_else(Error::not_found)?;
            store::remove(tx, &rule)?;
            let (observations, name) = (observations.clone(), known.rule.clone());
            tx.after_commit(move || {
                if let Some(kept) = observations.counted().get_mut(&name) {
                    // A write in the same batch may have brought the row back.
                    *kept = Counted { written: None, ..Counted::default() };
                }
            });
            let before = json!({ "count": known.count, "first_seen": known.first_seen, "last_seen": known.last_seen });
            Ok(((), Event::new("observation.reset", "observation", &*known.rule).before(&before)))
        };
        self.0.ledger.change(actor, reset).await?;
        self.write_soon();
        Ok(())
    }
}
