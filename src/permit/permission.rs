//! A permission: resource, action and reach, written `entities.customers:update:own`.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Read,
    Create,
    Update,
    Delete,
    Export,
    Write,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Export => "export",
            Self::Write => "write",
        }
    }
}

/// A kind of thing that permissions speak of.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Resource {
    pub name: &'static str,
    pub actions: &'static [Action],
    /// Whether a permission on it can be limited to one's own or by a row rule.
    pub reach: bool,
    pub description: &'static str,
}

use Action::{Create, Delete, Export, Read, Update, Write};

const fn resource(name: &'static str, actions: &'static [Action], description: &'static str) -> Resource {
    Resource { name, actions, reach: false, description }
}

const CRUD: &[Action] = &[Read, Create, Update, Delete];

/// Every resource there is. `entities` is written `entities.{type}` or `entities.*` in a permission.
pub const CATALOGUE: &[Resource] = &[
    Resource {
        name: "entities",
        actions: &[Read, Create, Update, Delete, Export],
        reach: true,
        description: "Entities of one type, or of all",
    },
    resource("entity_types", CRUD, "Entity types: their schema, fields and sensitivity"),
    Resource { name: "relationships", actions: CRUD, reach: true, description: "Links between entities" },
    Resource { name: "files", actions: CRUD, reach: true, description: "Uploaded files" },
    resource("users", &[Read, Create, Update, Delete, Export], "Accounts of people and services"),
    resource("roles", CRUD, "Roles, and the access matrix"),
    resource("api_keys", CRUD, "Keys for scripts"),
    resource("audit", &[Read, Export], "The audit log"),
    resource("kill_switch", &[Read, Write], "The kill switch"),
    resource("elevations", &[Read, Create, Update], "Break-glass: see it, do it, end and review what others did"),
    resource("jobs", &[Read, Write], "Background work"),
    resource("webhooks", CRUD, "Outgoing notifications"),
    resource("backups", &[Read, Create, Delete], "Backups"),
    resource("secrets", &[Read, Write], "Keys of this instance and their rotation"),
    resource("settings", &[Read, Update], "What may change while running"),
    resource("overview", &[Read], "The state of this instance: overview, doctor, logs"),
    resource("decisions", &[Read], "Why requests were refused"),
    resource("observations", &[Read, Write], "What rules in observe mode would have refused"),
];

/// What a permission is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Everything,
    Named(&'static str),
    AllEntities,
    Entities(Arc<str>),
}

/// A condition on rows in the filter language, such as `data.team = @user.data.team`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowRule(pub Arc<str>);

impl RowRule {
    /// What `own` says of entities.
    pub(super) fn own() -> Self {
        Self("owner_id = @user.id".into())
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(format!("({}) and ({})", self.0, other.0).into())
    }
}

/// How far a permission goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Extent {
    #[default]
    Any,
    Own,
    Where(RowRule),
}

impl Extent {
    fn and(&self, other: &Self) -> Self {
        let text = |extent: &Self| match extent {
            Self::Where(rule) => rule.clone(),
            Self::Any | Self::Own => RowRule::own(),
        };
        match (self, other) {
            (Self::Any, extent) | (extent, Self::Any) => extent.clone(),
            (one, other) if one == other => one.clone(),
            (one, other) => Self::Where(text(one).and(&text(other))),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    pub subject: Subject,
    /// Absent for everything.
    pub action: Option<Action>,
    pub extent: Extent,
}

crate::described::text_schema!(
    Permission,
    "permission",
    "`resource:action[:reach]`, such as `entities.customers:update:own`."
);

impl Permission {
    pub const EVERYTHING: Self = Self { subject: Subject::Everything, action: None, extent: Extent::Any };

    /// What both allow; `None` when that is nothing.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let subject = match (&self.subject, &other.subject) {
            (Subject::Everything, subject) | (subject, Subject::Everything) => subject,
            (Subject::AllEntities, one @ Subject::Entities(_)) | (one @ Subject::Entities(_), Subject::AllEntities) => {
                one
            }
            (one, other) if one == other => one,
            _ => return None,
        };
        let action = match (self.action, other.action) {
            (None, action) | (action, None) => action,
            (one, other) if one == other => one,
            _ => return None,
        };
        Some(Self { subject: subject.clone(), action, extent: self.extent.and(&other.extent) })
    }
}

/// `[a-z][a-z0-9_]{0,62}`: the names of roles and entity types.
pub fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && name.len() <= 63
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn parse_subject(text: &str) -> Result<(Subject, &'static Resource), String> {
    let known = |name: &str| CATALOGUE.iter().find(|resource| resource.name == name);
    if let Some(kind) = text.strip_prefix("entities.") {
        let resource = known("entities").ok_or("unknown resource")?;
        return match kind {
            "*" => Ok((Subject::AllEntities, resource)),
            name if is_name(name) => Ok((Subject::Entities(name.into()), resource)),
            _ => Err(format!("`{kind}` is not the name of an entity type")),
        };
    }
    match known(text) {
        Some(resource) if text != "entities" => Ok((Subject::Named(resource.name), resource)),
        Some(_) => Err("entities are named by type: `entities.customers`, or `entities.*` for all".into()),
        None => {
            let names: Vec<_> = CATALOGUE.iter().map(|resource| resource.name).collect();
            Err(format!("unknown resource `{text}`; there are {}", names.join(", ")))
        }
    }
}

fn parse_extent(text: &str) -> Result<Extent, String> {
    match text {
        "any" => Ok(Extent::Any),
        "own" => Ok(Extent::Own),
        rule => {
            let inner = rule.strip_prefix("where(").and_then(|rest| rest.strip_suffix(')'));
            let inner = inner.map(str::trim).filter(|inner| !inner.is_empty());
            let inner = inner.ok_or_else(|| format!("unknown reach `{rule}`; use any, own or where(…)"))?;
            crate::filter::parse(inner).map_err(|error| format!("its rule does not read: {error}"))?;
            Ok(Extent::Where(RowRule(inner.into())))
        }
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::EVERYTHING);
        }
        let mut parts = text.splitn(3, ':');
        let (subject, resource) = parse_subject(parts.next().unwrap_or_default())?;
        let action = parts.next().ok_or_else(|| format!("`{text}` names no action, as in `{text}:read`"))?;
        let action = resource.actions.iter().copied().find(|known| known.as_str() == action).ok_or_else(|| {
            let known: Vec<_> = resource.actions.iter().map(|action| action.as_str()).collect();
            format!("unknown action `{action}` for {}; there are {}", resource.name, known.join(", "))
        })?;
        let extent = parts.next().map(parse_extent).transpose()?.unwrap_or_default();
        if extent != Extent::Any && !resource.reach {
            return Err(format!("a permission on {} cannot be limited to `own` or by a rule", resource.name));
        }
        Ok(Self { subject, action: Some(action), extent })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Everything => return f.write_str("*"),
            Subject::Named(name) => f.write_str(name)?,
            Subject::AllEntities => f.write_str("entities.*")?,
            Subject::Entities(name) => write!(f, "entities.{name}")?,
        }
        if let Some(action) = self.action {
            write!(f, ":{}", action.as_str())?;
        }
        match &self.extent {
            Extent::Any => Ok(()),
            Extent::Own => f.write_str(":own"),
            Extent::Where(rule) => write!(f, ":where({})", rule.0),
        }
    }
}

impl Serialize for Permission {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_read_back_as_they_are_written() {
        for text in [
            "*",
            "users:read",
            "entities.*:read",
            "entities.customers:update:own",
            "entities.orders:read:where(data.team = @user.data.team)",
            "kill_switch:write",
        ] {
            assert_eq!(text.parse::<Permission>().unwrap().to_string(), text);
        }
        assert_eq!("users:read".parse::<Permission>(), "users:read".parse());
        assert_eq!("entities.a:read:any".parse::<Permission>().unwrap().to_string(), "entities.a:read");
    }

    #[test]
    fn what_is_unknown_is_refused() {
        for text in [
            "",
            "users",
            "users:fly",
            "ghosts:read",
            "entities:read",
            "entities.Bad:read",
            "entities.a:write",
            "users:read:own",
            "entities.a:read:mine",
            "entities.a:read:where()",
            "*:read",
        ] {
            assert!(text.parse::<Permission>().is_err(), "{text}");
        }
    }
}
