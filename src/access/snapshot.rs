//! All roles in memory, swapped when one changes, so that rights are computed anew on the next request.

use super::{
    granting,
    matrix::FieldCatalogue,
    role::{ANONYMOUS, Role},
    store,
};
use crate::{
    cache::Generations,
    error::Result,
    permit::{Clearance, Grants, Permission},
    storage::{Db, Tx},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

/// The roles as they stand now. Clones share them.
#[derive(Clone)]
pub struct Roles(Arc<Shared>);

struct Shared {
    current: RwLock<Arc<Snapshot>>,
    generations: Generations,
    types: OnceLock<Arc<dyn FieldCatalogue>>,
    follower: OnceLock<Arc<dyn RolesFollower>>,
}

/// Has to act in the same change when roles change.
pub trait RolesFollower: Send + Sync {
    fn roles_change(&self, tx: &Tx<'_>, next: &Snapshot) -> Result<()>;
}

/// The roles at one moment.
pub struct Snapshot {
    roles: BTreeMap<Arc<str>, Arc<Role>>,
    anonymous: Arc<Grants>,
}

impl Roles {
    /// Reads them once. A change of any role outdates everything kept under `principals`.
    pub fn load(db: &Db, principals: Generations) -> Result<Self> {
        let snapshot = db.read(|reader| store::all(reader).map(Snapshot::new))?;
        Ok(Self(Arc::new(Shared {
            current: RwLock::new(Arc::new(snapshot)),
            generations: principals,
            types: OnceLock::new(),
            follower: OnceLock::new(),
        })))
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters that end cached principals: by user id, or all of them.
    pub fn principals(&self) -> &Generations {
        &self.0.generations
    }

    /// Has grants ask `types` what a permission on one of them would open.
    pub fn ask(&self, types: Arc<dyn FieldCatalogue>) {
        let _ = self.0.types.set(types);
    }

    /// Has `follower` take part in every change of roles.
    pub fn followed_by(&self, follower: Arc<dyn RolesFollower>) {
        let _ = self.0.follower.set(follower);
    }

    /// Whether whoever holds `held` may hand out `permission`.
    pub fn may_grant(&self, held: &Grants, permission: &Permission) -> bool {
        let types = self.0.types.get().map(|types| types.types()).unwrap_or_default();
        granting::may_grant(&types, held, permission)
    }

    /// Whether whoever holds `held` may see all that the row rule of `permission` looks at; what not, in words.
    pub fn rule_is_seen(&self, held: &Grants, permission: &Permission) -> std::result::Result<(), String> {
        let types = self.0.types.get().map(|types| types.types()).unwrap_or_default();
        granting::rule_is_seen(&types, held, permission)
    }

    /// Whether whoever holds `held` may let `permission` be used by themselves in somebody else's name.
    pub fn may_lend(&self, held: &Grants, permission: &Permission) -> bool {
        let types = self.0.types.get().map(|types| types.types()).unwrap_or_default();
        granting::may_lend(&types, held, permission)
    }

    /// Takes over what the change under way leaves behind, once it is committed.
    pub(super) fn refresh(&self, tx: &Tx<'_>) -> Result<()> {
        let next = Arc::new(Snapshot::new(store::all(tx)?));
        if let Some(follower) = self.0.follower.get() {
            follower.roles_change(tx, &next)?;
        }
        let shared = self.0.clone();
        tx.after_commit(move || {
            *shared.current.write().unwrap_or_else(PoisonError::into_inner) = next;
            shared.generations.bump_all();
        });
        Ok(())
    }
}

impl Snapshot {
    fn new(roles: Vec<Role>) -> Self {
        let roles: BTreeMap<_, _> = roles.into_iter().map(|role| (role.name.clone(), Arc::new(role))).collect();
        let anonymous = roles.get(ANONYMOUS).map(|role| role.grants()).unwrap_or_default();
        Self { roles, anonymous: Arc::new(anonymous) }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Role>> {
        self.roles.get(name)
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Role>> {
        self.roles.values()
    }

    pub fn anonymous(&self) -> Arc<Grants> {
        self.anonymous.clone()
    }

    /// What the named roles allow together. Unknown ones allow nothing.
    pub fn grants<S: AsRef<str>>(&self, names: &[S]) -> Grants {
        let held = || names.iter().filter_map(|name| self.roles.get(name.as_ref()));
        let permissions = held().flat_map(|role| role.permissions.iter().cloned()).collect();
        let clearance: Option<Clearance> = held().map(|role| role.clearance).max();
        Grants::new(permissions, clearance)
    }
}
