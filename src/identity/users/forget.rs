//! Forgetting a person: what says who they are goes from the account, its sessions, keys and links, and from every
//! audit event, whose names and addresses are sealed under the person's own key.

use super::{
    action::ensure_admin_stays,
    model::{Status, User},
    store,
};
use crate::{
    actor::Actor,
    audit::{self, Event, Rewritten, keyed_forget},
    error::{Error, Result},
    identity::{Email, Identity, api_keys, links, lockout, second_factor, sessions},
    ids::Id,
    permit::Permit,
    personal::{Erasure, Forgetting, SubjectKey, SubjectKind},
    storage::{Reader, Tx},
    web::{Precondition, etag},
};
use serde_json::{Map, Value, json};

/// The address of an account that is nobody's any more. Nothing is ever sent there (RFC 2606).
fn nobodys(id: Id) -> Result<Email> {
    format!("{id}@erased.invalid").parse().map_err(Error::internal)
}

impl Identity {
    /// Anonymises or erases an account, deleted or not. `besides` is done with it, and answers what the event tells
    /// of that.
    pub async fn forget_user(
        &self,
        permit: &Permit,
        id: Id,
        act: Forgetting,
        precondition: Precondition,
        reason: Option<String>,
        besides: impl Fn(&Tx<'_>) -> Result<Value> + Send + 'static,
    ) -> Result<User> {
        let (identity, permit) = (self.clone(), permit.clone());
        let actor = permit.actor();
        self.ledger
            .change(&actor, move |tx| {
                let before = store::find(tx, id)?.ok_or_else(Error::not_found)?;
                precondition.check(&etag(before.version, 0))?;
                identity.ensure_not_above(&permit, &before)?;
                if store::is_erased(tx, id)? {
                    return Err(Error::conflict("This account was erased already."));
                }
                let outcome =
                    identity.forget_in(tx, &before, act, permit.user_id(), reason.as_deref(), &besides(tx)?)?;
                ensure_admin_stays(tx, &before)?;
                identity.promise(&before, act, outcome.key)?;
                Ok((outcome.after, outcome.event))
            })
            .await
    }

    fn forget_in(
        &self,
        tx: &Tx<'_>,
        before: &User,
        act: Forgetting,
        by: Option<Id>,
        reason: Option<&str>,
        besides: &Value,
    ) -> Result<Outcome> {
        let (id, now, erased) = (before.id, self.clock().now(), act == Forgetting::Erase);
        let email = nobodys(id)?;
        let gone = erased && before.deleted_at.is_none();
        let after = User {
            email: email.as_str().to_owned(),
            name: None,
            data: Map::new(),
            status: Status::Disabled,
            roles: if erased { Vec::new() } else { before.roles.clone() },
            last_login_at: None,
            mfa_enabled: false,
            deleted_at: if gone { Some(now) } else { before.deleted_at },
            deleted_by: if gone { by } else { before.deleted_by },
            updated_at: now,
            version: before.version + 1,
            ..before.clone()
        };
        let rewritten = empty_events(tx, id)?;
        self.forget_principal(tx, id)?;
        store::update(tx, &after, &email)?;
        store::set_roles(tx, &after)?;
        store::forget(tx, id, erased.then_some(now))?;
        sessions::remove_all(tx, id)?;
        api_keys::remove_all(tx, id)?;
        links::remove_all(tx, id)?;
        second_factor::remove_all(tx, id)?;
        lockout::unlock(tx, &self.account_key(&before.email))?;
        let key = SubjectKey::destroy(tx, id)?;
        keyed_forget(tx, &self.keyring, id, now)?;
        let action = if erased { "user.erased" } else { "user.anonymised" };
        let mut told = json!({"version": after.version, "deleted_at": after.deleted_at, "reason": reason});
        for (name, value) in besides.as_object().into_iter().flatten() {
            told[name] = value.clone();
        }
        let event = Event::new(action, "user", id).after(&told).rewriting(rewritten);
        Ok(Outcome { after, event, key })
    }

    /// Writes it into the ledger of erasures, before the commit.
    fn promise(&self, user: &User, act: Forgetting, key: Option<Id>) -> Result<()> {
        let at = self.clock().now();
        self.keys.erasures().record(&Erasure { at, kind: SubjectKind::User, id: user.id, act, key })
    }

    /// Forgets again whom the ledger of erasures names and this database, restored from a backup, still knows.
    pub fn forget_again(&self) -> Result<usize> {
        let mut again = 0;
        for erasure in self.keys.erasures().all()?.into_iter().filter(|erasure| erasure.kind == SubjectKind::User) {
            if !self.db().read(|reader| store::knows(reader, &erasure))? {
                continue;
            }
            let identity = self.clone();
            self.ledger.change_blocking(&Actor::system("erasures"), move |tx| {
                let before = store::find(tx, erasure.id)?.ok_or_else(Error::not_found)?;
                let reason = Some("it was erased before this database was restored");
                let outcome = identity.forget_in(tx, &before, erasure.act, None, reason, &json!({}))?;
                Ok(((), outcome.event))
            })?;
            again += 1;
        }
        Ok(again)
    }
}

impl Identity {
    /// All that is kept of an account and of what belongs to it, deleted or not.
    pub fn kept_of(&self, reader: &Reader<'_>, id: Id) -> Result<Value> {
        let user = store::find(reader, id)?.ok_or_else(Error::not_found)?;
        Ok(json!({
            "user": self.view(user)?,
            "sessions": sessions::kept_of(reader, id)?,
            "api_keys": api_keys::of_owner(reader, id)?,
        }))
    }
}

/// What events tell of the person goes: in those about the account, its sessions and keys, and in those of what they
/// did their name.
fn empty_events(tx: &Tx<'_>, id: Id) -> Result<Rewritten> {
    let mut rewritten = Rewritten::new();
    audit::rewrite(tx, &mut rewritten, ("user", &id.to_string()), |changes| {
        forget_members(changes, &["email", "name", "data"]);
        Ok(())
    })?;
    for session in audit::targets_of(tx, id, "session")? {
        audit::rewrite(tx, &mut rewritten, ("session", &session), |changes| {
            forget_members(changes, &["user_agent", "device", "ip"]);
            Ok(())
        })?;
    }
    audit::forget_labels(tx, id)?;
    for key in api_keys::of_owner(tx, id)? {
        audit::rewrite(tx, &mut rewritten, ("api_key", &key.id.to_string()), |changes| {
            forget_members(changes, &["name", "owner_email"]);
            Ok(())
        })?;
        audit::forget_labels(tx, key.id)?;
    }
    Ok(rewritten)
}

fn forget_members(changes: &mut Value, names: &[&str]) {
    for side in ["before", "after"] {
        let Some(side) = changes.get_mut(side).and_then(Value::as_object_mut) else { continue };
        for name in names {
            if let Some(value) = side.get_mut(*name).filter(|value| !value.is_null()) {
                *value = "erased".into();
            }
        }
    }
}

struct Outcome {
    after: User,
    event: Event,
    key: Option<Id>,
}
