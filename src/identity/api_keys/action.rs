//! What is done to keys: made, renamed, rotated, revoked.

use super::{
    keeper::Keeper,
    model::{ApiKey, KeyChange, NewKey, Rotation, Secret},
    store,
};
use crate::{
    audit::Event,
    error::{Error, Result},
    identity::{Identity, users},
    ids::Id,
    permit::Action,
    storage::Tx,
    web::{Precondition, etag},
};

/// Keys of one owner, at most.
const MOST: i64 = 100;

impl Identity {
    /// Makes a key; the secret is answered this once.
    pub async fn create_api_key(&self, keeper: &Keeper, new: NewKey) -> Result<(ApiKey, String)> {
        let owner_id = new.owner_id.or(keeper.user_id());
        let owner_id = owner_id.ok_or_else(|| Error::invalid_at("/owner_id", "required", "Say whose key it is."))?;
        keeper.ensure(Action::Create, owner_id)?;
        let secret = Secret::new()?;
        let (identity, keeper, prefix) = (self.clone(), keeper.clone(), secret.prefix());
        let fingerprint = self.fingerprint("api_key", &secret.0);
        let actor = keeper.actor().clone();
        let key = self
            .ledger
            .change(&actor, move |tx| {
                let now = identity.clock().now();
                let owner = owner(tx, owner_id)?;
                let key = ApiKey {
                    id: Id::new(),
                    name: new.name.trim().to_owned(),
                    prefix: prefix.clone(),
                    scopes: new.scopes(),
                    owner_id,
                    owner_email: owner.email.clone(),
                    rate_limit: new.rate_limit,
                    expires_at: new.expires_at,
                    last_used_at: None,
                    overlap_ends_at: None,
                    created_at: now,
                    created_by: keeper.user_id(),
                    updated_at: now,
                    version: 1,
                };
                keeper.check_end(key.expires_at, now)?;
                identity.ensure_owner_holds(&owner, &key)?;
                identity.ensure_not_above_key(&keeper, &owner, &key)?;
                if store::count_of(tx, owner_id)? >= MOST {
                    let detail = format!("{} has {MOST} keys already. Revoke one that is not used.", owner.email);
                    return Err(Error::conflict(detail));
                }
                store::insert(tx, &key)?;
                store::insert_secret(tx, key.id, &fingerprint, now)?;
                let event = Event::new("api_key.created", "api_key", key.id).after(&key);
                Ok((key, event))
            })
            .await?;
        Ok((key, secret.0))
    }

    pub(super) async fn change_api_key(
        &self,
        keeper: &Keeper,
        id: Id,
        change: KeyChange,
        precondition: Precondition,
    ) -> Result<ApiKey> {
        let (identity, keeper) = (self.clone(), keeper.clone());
        let actor = keeper.actor().clone();
        self.ledger
            .change(&actor, move |tx| {
                let before = keeper.admit(store::find(tx, id)?, Action::Update)?;
                precondition.check(&etag(before.version, 0))?;
                let mut after = before.clone();
                if let Some(name) = &change.name {
                    name.trim().clone_into(&mut after.name);
                }
                after.updated_at = identity.clock().now();
                if let Some(expires_at) = change.expires_at {
                    keeper.check_end(expires_at, after.updated_at)?;
                    after.expires_at = expires_at;
                }
                after.rate_limit = change.rate_limit.unwrap_or(before.rate_limit);
                after.version += 1;
                store::update(tx, &after)?;
                identity.forget_principal(tx, after.owner_id)?;
                let event = Event::new("api_key.updated", "api_key", id).changed(&before, &after);
                Ok((after, event))
            })
            .await
    }

    /// A new secret for a key. The old one works until the overlap ends.
    pub async fn rotate_api_key(&self, keeper: &Keeper, id: Id, rotation: Rotation) -> Result<(ApiKey, String)> {
        let secret = Secret::new()?;
        let (identity, keeper, prefix) = (self.clone(), keeper.clone(), secret.prefix());
        let fingerprint = self.fingerprint("api_key", &secret.0);
        let actor = keeper.actor().clone();
        let key = self
            .ledger
            .change(&actor, move |tx| {
                let before = keeper.admit(store::find(tx, id)?, Action::Update)?;
                let now = identity.clock().now();
                identity.ensure_not_above_key(&keeper, &owner(tx, before.owner_id)?, &before)?;
                let mut after = before.clone();
                let end = now.plus(rotation.overlap());
                prefix.clone_into(&mut after.prefix);
                after.updated_at = now;
                after.overlap_ends_at = Some(end);
                after.version += 1;
                store::end_secrets(tx, id, end)?;
                store::insert_secret(tx, id, &fingerprint, now)?;
                store::update(tx, &after)?;
                identity.forget_principal(tx, after.owner_id)?;
                let event = Event::new("api_key.rotated", "api_key", id).changed(&before, &after);
                Ok((after, event))
            })
            .await?;
        Ok((key, secret.0))
    }

    /// The key fails on the very next request.
    pub async fn revoke_api_key(&self, keeper: &Keeper, id: Id, precondition: Precondition) -> Result<()> {
        let (identity, keeper) = (self.clone(), keeper.clone());
        let actor = keeper.actor().clone();
        self.ledger
            .change(&actor, move |tx| {
                let key = keeper.admit(store::find(tx, id)?, Action::Delete)?;
                precondition.check(&etag(key.version, 0))?;
                store::delete(tx, id)?;
                identity.forget_principal(tx, key.owner_id)?;
                Ok(((), Event::new("api_key.revoked", "api_key", id).before(&key)))
            })
            .await
    }

    /// Every key there is; for the command line.
    pub fn api_keys(&self) -> Result<Vec<ApiKey>> {
        self.db().read_long(store::all)
    }

    pub(super) fn api_key(&self, keeper: &Keeper, id: Id) -> Result<ApiKey> {
        keeper.admit(self.db().read(|reader| store::find(reader, id))?, Action::Read)
    }

    /// A key is made within what its owner holds; what they lose later it loses with them.
    fn ensure_owner_holds(&self, owner: &users::User, key: &ApiKey) -> Result<()> {
        let held = self.roles.snapshot().grants(&owner.roles);
        match key.scopes.iter().find(|scope| !self.roles.may_grant(&held, scope)) {
            Some(scope) => Err(Error::forbidden(format!(
                "{} does not hold {scope}, so no key of theirs can have it as a scope.",
                owner.email
            ))),
            None => Ok(()),
        }
    }

    fn ensure_not_above_key(&self, keeper: &Keeper, owner: &users::User, key: &ApiKey) -> Result<()> {
        let clearance = self.roles.snapshot().grants(&owner.roles).clearance();
        keeper.ensure_not_above(&self.roles, owner.id, &key.scopes, clearance)
    }
}

/// Whoever a key acts for; keys are made and rotated for active accounts alone.
fn owner(tx: &Tx<'_>, id: Id) -> Result<users::User> {
    let found = users::find(tx, id)?.filter(users::User::is_active);
    found.ok_or_else(|| Error::invalid_at("/owner_id", "unknown", "There is no active account with this id."))
}
