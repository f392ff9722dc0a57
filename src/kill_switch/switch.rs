//! The handle: asked by the gate before every request, and by jobs before they run.

use super::{
    file::KillFile,
    persist::{self, Pending},
    state::{self, Scope, State},
};
use crate::{
    actor::Actor,
    audit::Ledger,
    clock::Time,
    config::Live,
    error::{Code, Error, Result},
    jobs::{self, MayRun},
    permit::{Action, Caller, Reach, Route},
    refusal::Check,
};
use actix_web::http::Method;
use arc_swap::ArcSwap;
use std::{
    path::Path,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

/// Clones share the switch.
#[derive(Clone)]
pub struct KillSwitch(pub(super) Arc<Shared>);

pub(super) struct Shared {
    /// Whether there is anything to look up: the only thing an open gate reads.
    engaged: AtomicBool,
    set: RwLock<Set>,
    pub ledger: Ledger,
    pub file: KillFile,
    /// Told of each flip.
    flipped: OnceLock<Arc<dyn Fn() + Send + Sync>>,
    /// The routes of `kill_switch.allow`.
    allow: ArcSwap<Vec<(Option<Method>, String)>>,
}

#[derive(Default)]
struct Set {
    by_switch: State,
    by_file: State,
    /// How often it was switched on, so that switching off does not undo what came after it.
    times: u64,
}

/// What a request asks for, as far as scopes tell requests apart.
#[derive(Clone, Copy)]
pub struct Visit<'r> {
    /// The pattern of its route, as in `/entities/{type}`.
    pub path: &'r str,
    pub method: &'r Method,
    /// The entity type that the address names, by its own name.
    pub entity_type: Option<&'r str>,
    /// Whether it comes by API key.
    pub by_key: bool,
}

/// Where people make accounts themselves.
const SIGN_UP: &str = "/auth/signup";
/// Below this a `type` in the address is an entity type.
const ENTITIES: &str = "/entities/";

/// How to switch on.
#[derive(Clone, Debug)]
pub struct Activation {
    pub scope: Scope,
    pub reason: String,
    pub expires_at: Option<Time>,
}

impl KillSwitch {
    /// The switch as it was left, with the routes of `kill_switch.allow`; watches the `KILL` file in `folder`.
    pub fn open(ledger: Ledger, folder: &Path, config: &Live) -> Result<Self> {
        let kept = ledger.db().read(state::load)?;
        let switch = Self(Arc::new(Shared {
            engaged: AtomicBool::new(false),
            set: RwLock::new(Set { by_switch: kept, ..Set::default() }),
            file: KillFile::in_folder(folder),
            flipped: OnceLock::new(),
            allow: ArcSwap::default(),
            ledger,
        }));
        let shared = Arc::downgrade(&switch.0);
        config.subscribe(move |config| {
            if let Some(shared) = shared.upgrade() {
                let allow = config.kill_switch.allow.iter().map(|pattern| allowed(pattern)).collect();
                shared.allow.store(Arc::new(allow));
            }
        });
        switch.0.mirror();
        switch.0.look_for_file();
        Ok(switch)
    }

    /// Tells `flipped` whenever it is switched.
    pub fn tell(&self, flipped: Arc<dyn Fn() + Send + Sync>) {
        let _ = self.0.flipped.set(flipped);
    }

    /// What closes the gate now; `State::default()` when it is open.
    pub fn state(&self) -> State {
        self.0.state().unwrap_or_default()
    }

    /// The answer to a request on this route, when it is refused. Routes that answer under the kill switch,
    /// and those that the configuration allows, are let through whoever calls.
    pub fn refuses(&self, route: &Route, visit: &Visit<'_>) -> Option<Error> {
        if route.under_kill_switch { None } else { self.refuses_visit(visit) }
    }

    /// [`KillSwitch::refuses`] for what is served beside the routes, too.
    pub fn refuses_visit(&self, visit: &Visit<'_>) -> Option<Error> {
        if !self.0.engaged.load(SeqCst) {
            return None;
        }
        let state = self.0.state()?;
        let reads = matches!(*visit.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let closed = match state.scope.as_ref() {
            None | Some(Scope::All) => true,
            Some(Scope::Writes) => !reads,
            Some(Scope::Signups) => visit.path == SIGN_UP,
            Some(Scope::ApiKeys) => visit.by_key,
            // A batch names its types in the body: it asks for each.
            Some(Scope::Type(name)) => visit.entity_type == Some(&**name) && visit.path.starts_with(ENTITIES),
        };
        (closed && !self.0.allows(visit.path, visit.method)).then(|| refusal(&state, self.0.ledger.clock().now()))
    }

    /// The answer to a part of a request that concerns an entity type which its address does not name.
    pub fn refuses_type(&self, entity_type: &str) -> Option<Error> {
        if !self.0.engaged.load(SeqCst) {
            return None;
        }
        let state = self.0.state()?;
        let closed = matches!(&state.scope, Some(Scope::Type(name)) if **name == *entity_type);
        closed.then(|| refusal(&state, self.0.ledger.clock().now()))
    }

    /// The answer to a known caller on a route that answers under the kill switch: with everything closed,
    /// or whatever comes by key, only those who may switch it off get in. Who may see the switch may see it all the
    /// same.
    pub fn refuses_caller(&self, route: &Route, caller: &Caller) -> Option<Error> {
        if !self.0.engaged.load(SeqCst) || !route.under_kill_switch || route.noun() == "kill-switch" {
            return None;
        }
        let writes = caller.grants().reach("kill_switch", None, Action::Write) == Some(Reach::Any);
        if writes {
            return None;
        }
        let by_key = caller.principal.as_ref().is_some_and(|principal| principal.key.is_some());
        let state = self.0.state().filter(|state| by_key && state.scope == Some(Scope::ApiKeys));
        state.map(|state| refusal(&state, self.0.ledger.clock().now())).or_else(|| self.refuses_log_in())
    }

    /// The answer to any log-in by somebody who may not switch it off.
    pub fn refuses_log_in(&self) -> Option<Error> {
        if !self.0.engaged.load(SeqCst) {
            return None;
        }
        let state = self.0.state().filter(|state| state.scope == Some(Scope::All))?;
        Some(refusal(&state, self.0.ledger.clock().now()))
    }

    /// Switches on at once, in memory; then on disk, whenever that is possible.
    pub fn engage(&self, actor: &Actor, activation: Activation) -> (State, Pending) {
        let at = self.0.ledger.clock().now();
        let Activation { scope, reason, expires_at } = activation;
        let state = State::on(scope, reason, expires_at, actor, at);
        let before = {
            let mut set = self.0.set();
            set.times += 1;
            std::mem::replace(&mut set.by_switch, state.clone())
        };
        self.0.mirror();
        let pending = persist::activation(&self.0, actor.clone(), before, state.clone());
        (state, pending)
    }

    /// [`KillSwitch::engage`] for threads where blocking is fine; says whether it is on disk yet.
    pub fn activate(&self, actor: &Actor, activation: Activation) -> (State, bool) {
        let (state, pending) = self.engage(actor, activation);
        (state, pending.is_kept())
    }

    /// Switches off, once that is on disk, and removes the `KILL` file.
    pub fn deactivate(&self, actor: &Actor, reason: Option<&str>) -> Result<State> {
        persist::deactivation(&self.0, actor, &self.state(), reason)?;
        self.0.remove_file()?;
        Ok(self.state())
    }
}

impl MayRun for KillSwitch {
    fn may_run(&self) -> bool {
        self.refuses_log_in().is_none()
    }
}

impl Shared {
    fn set(&self) -> std::sync::RwLockWriteGuard<'_, Set> {
        self.set.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the flag that every request reads up to what is set.
    fn mirror(&self) {
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        let engaged = set.by_switch.active || set.by_file.active;
        if self.engaged.swap(engaged, SeqCst) && !engaged {
            jobs::wake();
        }
        drop(set);
        if let Some(flipped) = self.flipped.get() {
            flipped();
        }
    }

    /// The stricter of what the switch and what the file says.
    pub fn state(&self) -> Option<State> {
        let now = self.ledger.clock().now();
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        let by_switch = set.by_switch.at(now);
        let all = by_switch.filter(|state| state.scope == Some(Scope::All));
        all.or(set.by_file.at(now)).or(by_switch).cloned()
    }

    pub fn by_switch(&self) -> State {
        self.set.read().unwrap_or_else(PoisonError::into_inner).by_switch.clone()
    }

    pub fn by_file(&self) -> State {
        self.set.read().unwrap_or_else(PoisonError::into_inner).by_file.clone()
    }

    pub fn times(&self) -> u64 {
        self.set.read().unwrap_or_else(PoisonError::into_inner).times
    }

    /// Opens the gate, unless somebody closed it again since `times` was read.
    pub fn opened(&self, times: u64) {
        let mut set = self.set();
        if set.times == times {
            set.by_switch = State::default();
        }
        drop(set);
        self.mirror();
    }

    /// Takes over what the file says now; what it said before, when that changed.
    pub fn set_by_file(&self, state: State) -> Option<State> {
        let before = {
            let mut set = self.set();
            if set.by_file.active == state.active {
                return None;
            }
            std::mem::replace(&mut set.by_file, state)
        };
        self.mirror();
        Some(before)
    }

    fn allows(&self, pattern: &str, method: &Method) -> bool {
        self.allow.load().iter().any(|(only, allowed)| {
            let path = match allowed.strip_suffix("/*") {
                Some(above) => pattern.strip_prefix(above).is_some_and(|rest| rest.starts_with('/')),
                None => allowed == pattern,
            };
            let same = |only: &Method| only == method || (only == Method::GET && method == Method::HEAD);
            path && only.as_ref().is_none_or(same)
        })
    }
}

/// `GET /api/v1/users` as the method and the route's own pattern.
fn allowed(text: &str) -> (Option<Method>, String) {
    let (method, path) = match text.split_once(' ') {
        Some((method, path)) => (method.parse().ok(), path),
        None => (None, text),
    };
    let below =
        ["/api/v1", "/api"].iter().find_map(|base| path.strip_prefix(base).filter(|rest| rest.starts_with('/')));
    (method, below.unwrap_or(path).to_owned())
}

fn refusal(state: &State, now: Time) -> Error {
    let reason = state.reason.as_deref().unwrap_or_default();
    let what = state.scope.as_ref().unwrap_or(&Scope::All).subject();
    let error = Error::new(Code::KillSwitchActive, format!("{what} stopped by the kill switch: {reason}"));
    let scope = state.scope.as_ref().unwrap_or(&Scope::All);
    let error = error.because(Check::KillSwitch, format!("It is on with the scope {scope}: {reason}"));
    match state.expires_at {
        Some(end) => error.retry_after(end.since(now)),
        None => error,
    }
}
