//! What the switch says, and the row that keeps it.

use crate::{
    actor::{Actor, ActorKind},
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    permit::is_name,
    storage::{Reader, Tx},
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// What is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    /// Changes; reading goes on.
    Writes,
    /// Accounts that people make themselves.
    Signups,
    /// Whatever comes by an API key.
    ApiKeys,
    /// The entities of one type.
    Type(Arc<str>),
}

crate::described::text_schema!(Scope, "scope", "`all`, `writes`, `signups`, `api_keys` or `type:NAME`.");

impl Scope {
    /// What is stopped, to begin a sentence.
    pub fn subject(&self) -> String {
        match self {
            Self::All => "Everything is".to_owned(),
            Self::Writes => "Changes are".to_owned(),
            Self::Signups => "Signing up is".to_owned(),
            Self::ApiKeys => "Access by API key is".to_owned(),
            Self::Type(name) => format!("Access to {name} is"),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Writes => f.write_str("writes"),
            Self::Signups => f.write_str("signups"),
            Self::ApiKeys => f.write_str("api_keys"),
            Self::Type(name) => write!(f, "type:{name}"),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "writes" => Ok(Self::Writes),
            "signups" => Ok(Self::Signups),
            "api_keys" => Ok(Self::ApiKeys),
            _ => match text.strip_prefix("type:").filter(|name| is_name(name)) {
                Some(name) => Ok(Self::Type(name.into())),
                None => Err(format!(
                    "`{text}` is no scope; there are all, writes, signups, api_keys, and type: with an entity type, as in type:customers"
                )),
            },
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Who switched it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct By {
    pub r#type: ActorKind,
    pub id: Option<Id>,
    pub label: String,
}

impl From<&Actor> for By {
    fn from(actor: &Actor) -> Self {
        Self { r#type: actor.kind, id: actor.id, label: actor.label.to_string() }
    }
}

/// The switch as callers see it. All but `active` is absent while it is off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct State {
    pub active: bool,
    pub scope: Option<Scope>,
    pub reason: Option<String>,
    pub expires_at: Option<Time>,
    pub activated_by: Option<By>,
    pub activated_at: Option<Time>,
}

impl State {
    pub(super) fn on(scope: Scope, reason: String, expires_at: Option<Time>, actor: &Actor, at: Time) -> Self {
        Self {
            active: true,
            scope: Some(scope),
            reason: Some(reason),
            expires_at,
            activated_by: Some(actor.into()),
            activated_at: Some(at),
        }
    }

    /// What it is at `now`: nothing once it has expired.
    pub(super) fn at(&self, now: Time) -> Option<&Self> {
        (self.active && self.expires_at.is_none_or(|end| now < end)).then_some(self)
    }
}

/// The state as it was kept; off when there is none.
pub(super) fn load(reader: &Reader<'_>) -> Result<State> {
    let row = "SELECT scope, reason, expires_at, activated_by, activated_at FROM kill_switch WHERE active = 1";
    let state = reader.query_one(row, &[], |row| {
        Ok(State {
            active: true,
            scope: Some(row.text(0)?.parse().map_err(Error::internal)?),
            reason: Some(row.get(1)?),
            expires_at: row.get(2)?,
            activated_by: serde_json::from_str(row.text(3)?).map_err(Error::internal)?,
            activated_at: Some(row.get(4)?),
        })
    })?;
    Ok(state.unwrap_or_default())
}

pub(super) fn store(tx: &Tx<'_>, state: &State) -> Result<()> {
    let by = serde_json::to_string(&state.activated_by).map_err(Error::internal)?;
    if !state.active {
        tx.execute("UPDATE kill_switch SET active = 0 WHERE active = 1", &[])?;
        return Ok(());
    }
    tx.execute(
        "INSERT INTO kill_switch (id, active, scope, reason, expires_at, activated_by, activated_at)
         VALUES (1, 1, ?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET active = 1, scope = excluded.scope, reason = excluded.reason,
         expires_at = excluded.expires_at, activated_by = excluded.activated_by, activated_at = excluded.activated_at",
        params![
            state.scope.as_ref().unwrap_or(&Scope::All).to_string(),
            state.reason.as_deref().unwrap_or_default(),
            state.expires_at,
            by,
            state.activated_at.unwrap_or_default(),
        ],
    )?;
    Ok(())
}
