//! What is done to users: made, changed, deleted, restored, unlocked.

use super::{
    granting::Person,
    model::{Kind, NewUser, SERVICES_HAVE_KEYS, Status, User, UserChange},
    store,
};
use crate::{
    access::ADMIN,
    actor::{Actor, ActorKind},
    audit::Event,
    clock::Time,
    error::{Error, Result},
    identity::{Email, Identity, Password, links, lockout, sessions},
    ids::Id,
    observation::Seen,
    permit::Permit,
    storage::Tx,
    web::{Precondition, etag, merge},
};
use serde_json::{Map, Value};

/// A user on the way in, checked and with its password hashed.
#[derive(Clone, Debug)]
pub(in crate::identity) struct NewAccount {
    pub email: Email,
    pub name: Option<String>,
    pub hashed: Option<String>,
    pub roles: Vec<String>,
    pub status: Status,
    pub kind: Kind,
    pub data: Map<String, Value>,
}

/// Writes a new account; the address must be free.
pub(in crate::identity) fn insert(tx: &Tx<'_>, new: &NewAccount, now: Time) -> Result<User> {
    let mut roles = new.roles.clone();
    roles.sort();
    let user = User {
        id: Id::new(),
        email: new.email.as_str().to_owned(),
        name: new.name.clone(),
        kind: new.kind,
        status: new.status,
        roles,
        data: new.data.clone(),
        created_at: now,
        updated_at: now,
        last_login_at: None,
        mfa_enabled: false,
        deleted_at: None,
        deleted_by: None,
        version: 1,
    };
    store::insert(tx, &user, &new.email, new.hashed.as_deref())?;
    Ok(user)
}

impl NewAccount {
    fn new(new: NewUser, hashed: Option<String>) -> Self {
        Self {
            email: new.email,
            name: new.name,
            hashed,
            roles: new.roles,
            status: new.status.unwrap_or(Status::Active),
            kind: new.kind.unwrap_or(Kind::Person),
            data: new.data,
        }
    }
}

impl Identity {
    /// Makes a user; where it has no password yet, also the token of a link to choose one.
    pub async fn create_user(&self, permit: &Permit, new: NewUser) -> Result<(User, Option<String>)> {
        let kind = new.kind.unwrap_or(Kind::Person);
        self.check_roles(&new.roles, kind)?;
        self.ensure_can_grant(permit, &new.roles)?;
        let wanted = Person { data: &new.data, email: new.email.as_str() };
        self.ensure_rules_stay(permit, &new.roles, None, wanted)?;
        let with_factor: &[String] = if kind == Kind::Person { &new.roles } else { &[] };
        let hashed = match &new.password {
            Some(password) => Some(self.hash_new(password, &new.email, new.name.as_deref(), with_factor).await?),
            None => None,
        };
        let link = (hashed.is_none() && kind == Kind::Person).then(|| self.new_link()).transpose()?;
        let account = NewAccount::new(new, hashed);
        let (identity, creator) = (self.clone(), link.clone());
        let user = self
            .ledger
            .change(&permit.actor(), move |tx| {
                let now = identity.clock().now();
                let user = insert(tx, &account, now)?;
                if let Some(link) = &creator {
                    links::insert(tx, link, links::Purpose::Password, Some(user.id), now, links::LIFETIME)?;
                    identity.invite(tx, &user, now)?;
                }
                let event = Event::new("user.created", "user", user.id).after(&user);
                Ok((user, event))
            })
            .await?;
        Ok((user, link.map(|link| link.token)))
    }

    pub async fn change_user(
        &self,
        permit: &Permit,
        id: Id,
        change: UserChange,
        precondition: Precondition,
    ) -> Result<User> {
        let (identity, permit) = (self.clone(), permit.clone());
        let actor = permit.actor();
        self.ledger
            .change(&actor, move |tx| {
                let before = live(tx, id)?;
                precondition.check(&etag(before.version, 0))?;
                identity.ensure_not_above(&permit, &before)?;
                let (after, email) = identity.changed(&permit, &before, &change)?;
                store::update(tx, &after, &email)?;
                store::set_roles(tx, &after)?;
                ensure_admin_stays(tx, &before)?;
                if !after.may_sign_in() {
                    sessions::end_all(tx, id, None, after.updated_at)?;
                }
                // A link that went to the old address must not open the account any more.
                if after.kind == Kind::Service || after.email != before.email {
                    links::remove_all(tx, id)?;
                }
                identity.forget_principal(tx, id)?;
                let event = Event::new("user.updated", "user", id).changed(&before, &after);
                Ok((after, event))
            })
            .await
    }

    fn changed(&self, permit: &Permit, before: &User, change: &UserChange) -> Result<(User, Email)> {
        let mut after = before.clone();
        let email = match &change.email {
            Some(email) => email.clone(),
            None => before.email.parse().map_err(Error::internal)?,
        };
        email.as_str().clone_into(&mut after.email);
        if let Some(name) = &change.name {
            after.name.clone_from(name);
        }
        if let Some(roles) = &change.roles {
            after.roles.clone_from(roles);
            after.roles.sort();
        }
        if let Some(data) = &change.data {
            let mut merged = Value::Object(std::mem::take(&mut after.data));
            merge(&mut merged, &Value::Object(data.clone()));
            if let Value::Object(merged) = merged {
                after.data = merged;
            }
        }
        after.status = change.status.unwrap_or(before.status);
        after.kind = change.kind.unwrap_or(before.kind);
        self.check_roles(&after.roles, after.kind)?;
        let added: Vec<_> = after.roles.iter().filter(|role| !before.roles.contains(role)).cloned().collect();
        self.ensure_can_grant(permit, &added)?;
        let (was, wanted) = (Person::from(before), Person::from(&after));
        self.ensure_rules_stay(permit, &before.roles, Some(was), wanted)?;
        self.ensure_rules_stay(permit, &added, None, wanted)?;
        after.version += 1;
        after.updated_at = self.clock().now();
        Ok((after, email))
    }

    /// Users may change their own name.
    pub(in crate::identity) async fn rename(&self, actor: &Actor, id: Id, name: Option<String>) -> Result<()> {
        let identity = self.clone();
        self.ledger
            .change(actor, move |tx| {
                let before = live(tx, id)?;
                let mut after = before.clone();
                after.name.clone_from(&name);
                after.version += 1;
                after.updated_at = identity.clock().now();
                let email = before.email.parse().map_err(Error::internal)?;
                store::update(tx, &after, &email)?;
                identity.forget_principal(tx, id)?;
                Ok(((), Event::new("user.updated", "user", id).changed(&before, &after)))
            })
            .await
    }

    pub(super) async fn delete_user(&self, permit: &Permit, id: Id, precondition: Precondition) -> Result<()> {
        let (identity, permit) = (self.clone(), permit.clone());
        let actor = permit.actor();
        self.ledger
            .change(&actor, move |tx| {
                let before = live(tx, id)?;
                precondition.check(&etag(before.version, 0))?;
                identity.ensure_not_above(&permit, &before)?;
                let now = identity.clock().now();
                let mut after = before.clone();
                after.deleted_at = Some(now);
                after.deleted_by = permit.user_id();
                after.updated_at = now;
                after.version += 1;
                let email = before.email.parse().map_err(Error::internal)?;
                store::update(tx, &after, &email)?;
                ensure_admin_stays(tx, &before)?;
                sessions::end_all(tx, id, None, now)?;
                links::remove_all(tx, id)?;
                identity.forget_principal(tx, id)?;
                Ok(((), Event::new("user.deleted", "user", id).before(&before)))
            })
            .await
    }

    pub(super) async fn restore_user(&self, permit: &Permit, id: Id) -> Result<User> {
        let (identity, permit) = (self.clone(), permit.clone());
        let actor = permit.actor();
        self.ledger
            .change(&actor, move |tx| {
                let before = store::find(tx, id)?.ok_or_else(Error::not_found)?;
                if before.deleted_at.is_none() {
                    return Err(Error::conflict("This user is not deleted."));
                }
                if store::is_erased(tx, id)? {
                    return Err(Error::conflict("This account was erased; nothing brings it back."));
                }
                identity.ensure_not_above(&permit, &before)?;
                let mut after = before.clone();
                after.deleted_at = None;
                after.deleted_by = None;
                after.updated_at = identity.clock().now();
                after.version += 1;
                let email = before.email.parse().map_err(Error::internal)?;
                store::update(tx, &after, &email)?;
                let event = Event::new("user.restored", "user", id).changed(&before, &after);
                Ok((after, event))
            })
            .await
    }

    /// Lifts the account's waiting and locks, from every network.
    pub async fn unlock_user(&self, permit: &Permit, id: Id) -> Result<User> {
        let identity = self.clone();
        self.ledger
            .change(&permit.actor(), move |tx| {
                let user = live(tx, id)?;
                lockout::unlock(tx, &identity.account_key(&user.email))?;
                Ok((user, Event::new("user.unlocked", "user", id)))
            })
            .await
    }

    /// Sets a password from outside the account: its sessions, links and locks end.
    pub async fn set_password(&self, permit: &Permit, user: &User, password: &Password) -> Result<()> {
        ensure_person(user)?;
        let email: Email = user.email.parse().map_err(Error::internal)?;
        let hashed = self.hash_new(password, &email, user.name.as_deref(), &user.roles).await?;
        let (identity, id) = (self.clone(), user.id);
        self.ledger
            .change(&permit.actor(), move |tx| {
                let user = live(tx, id)?;
                ensure_person(&user)?;
                store::set_password(tx, id, &hashed)?;
                sessions::end_all(tx, id, None, identity.clock().now())?;
                links::remove_all(tx, id)?;
                lockout::unlock(tx, &identity.account_key(&user.email))?;
                identity.notify_of_password(tx, &user.email, "All sessions have ended.")?;
                identity.forget_principal(tx, id)?;
                Ok(((), Event::new("user.password_set", "user", id)))
            })
            .await
    }

    /// The user of an address, unless deleted.
    pub fn user_by_email(&self, email: &Email) -> Result<Option<User>> {
        Ok(self.db().read(|reader| store::account(reader, email.key()))?.map(|account| account.user))
    }

    pub(super) async fn revoke_sessions(&self, permit: &Permit, id: Id) -> Result<usize> {
        let identity = self.clone();
        self.ledger
            .change(&permit.actor(), move |tx| {
                live(tx, id)?;
                let ended = sessions::end_all(tx, id, None, identity.clock().now())?;
                identity.forget_principal(tx, id)?;
                let event = Event::new("user.sessions_revoked", "user", id);
                Ok((ended, event.after(&serde_json::json!({ "sessions": ended }))))
            })
            .await
    }

    /// A link to choose a password, for the administrator to hand over. Earlier ones stop working.
    pub(super) async fn password_link(&self, permit: &Permit, id: Id) -> Result<(String, Time)> {
        let link = self.new_link()?;
        let (identity, permit, new) = (self.clone(), permit.clone(), link.clone());
        let actor = permit.actor();
        let expires_at = self
            .ledger
            .change(&actor, move |tx| {
                let user = live(tx, id)?;
                identity.ensure_not_above(&permit, &user)?;
                if permit.user_id() != Some(id) {
                    identity.ensure_rules_stay(&permit, &user.roles, None, Person::from(&user))?;
                }
                ensure_person(&user)?;
                links::remove_all(tx, id)?;
                let expires_at = links::insert(
                    tx,
                    &new,
                    links::Purpose::Password,
                    Some(id),
                    identity.clock().now(),
                    links::LIFETIME,
                )?;
                Ok((expires_at, Event::new("user.password_link_issued", "user", id)))
            })
            .await?;
        Ok((link.token, expires_at))
    }

    /// Hashes a new password, once it will do for an account with these roles.
    pub(in crate::identity) async fn hash_new(
        &self,
        password: &Password,
        email: &Email,
        name: Option<&str>,
        roles: &[String],
    ) -> Result<String> {
        self.hash_at("/password", password, email, name, roles).await
    }

    /// [`Identity::hash_new`] for a password that stands elsewhere in the request.
    pub(in crate::identity) async fn hash_at(
        &self,
        pointer: &'static str,
        password: &Password,
        email: &Email,
        name: Option<&str>,
        roles: &[String],
    ) -> Result<String> {
        self.judge_password(password, (email.as_str(), name), roles, pointer)?;
        self.hasher.hash(password.clone()).await
    }

    /// Whether a new password will do for an account with these roles. That it is a common one may be in observe
    /// mode; never for accounts that administer.
    pub(in crate::identity) fn judge_password(
        &self,
        password: &Password,
        (email, name): (&str, Option<&str>),
        roles: &[String],
        pointer: &str,
    ) -> Result<()> {
        let lets_common_pass = || {
            let Some(observations) = self.observations.get() else { return false };
            let Some(rule) = observations.watches("validators.password_common") else { return false };
            let of_data = self.roles.snapshot().grants(roles).are_of_data();
            if of_data {
                let actor = Actor::new(ActorKind::Anonymous, None, email);
                observations
                    .count(&rule, &Seen { actor: &actor, route: "a new password", detail: "a common password" });
            }
            of_data
        };
        self.password_policy(roles)
            .check_unless(password, email, name, pointer, lets_common_pass)
            .map_err(|fault| Error::invalid(vec![fault]))
    }
}

/// A user that is not deleted.
pub(in crate::identity) fn live(tx: &Tx<'_>, id: Id) -> Result<User> {
    store::find(tx, id)?.filter(|user| user.deleted_at.is_none()).ok_or_else(Error::not_found)
}

fn ensure_person(user: &User) -> Result<()> {
    if user.kind == Kind::Service { Err(Error::conflict(SERVICES_HAVE_KEYS)) } else { Ok(()) }
}

/// Refuses the change under way when it took the last administrator away.
pub(super) fn ensure_admin_stays(tx: &Tx<'_>, before: &User) -> Result<()> {
    let was_admin = before.is_active() && before.kind == Kind::Person && before.roles.iter().any(|role| role == ADMIN);
    if was_admin && !store::has_admin(tx)? {
        return Err(Error::conflict("This is the last administrator. Make somebody else one first."));
    }
    Ok(())
}
