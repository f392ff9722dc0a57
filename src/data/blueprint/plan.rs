//! What a blueprint changes, found out before anything is changed.

use super::read;
use crate::{
    access::{self, NewRole, Role, RoleChange, Roles},
    audit::Ledger,
    data::{
        entity_types::{self, ChangeEntityType, Definition, EntityTypes, NewEntityType},
        relationship_types::{self, ChangeRelationshipType, NewRelationshipType, RelationshipType},
    },
    error::{Error, Faults, Result},
    permit::{Permission, Permit},
    settings::Settings,
    web::{Body, Precondition},
};
use serde_json::{Map, Value};
use std::path::Path;

/// The changes that lead from what is to what a blueprint says.
pub struct Plan {
    steps: Vec<Step>,
    left_alone: Vec<String>,
}

enum Step {
    MakeRole(NewRole),
    ChangeRole(String, RoleChange),
    MakeType(NewEntityType),
    ChangeType(String, ChangeEntityType),
    MakeJoin(NewRelationshipType),
    ChangeJoin(String, ChangeRelationshipType),
    /// A tree of settings, with what it changes in words.
    Set(Map<String, Value>, String),
}

impl Step {
    fn text(&self) -> String {
        match self {
            Self::MakeRole(new) => format!("make the role {}", new.name),
            Self::ChangeRole(name, _) => format!("change the role {name}"),
            Self::MakeType(new) => format!("make the entity type {}", new.name),
            Self::ChangeType(name, _) => format!("change the entity type {name}"),
            Self::MakeJoin(new) => format!("make the relationship type {}", new.name),
            Self::ChangeJoin(name, _) => format!("change the relationship type {name}"),
            Self::Set(_, what) => format!("set {what}"),
        }
    }
}

impl Plan {
    /// Reads a blueprint that stands in `folder`, names every mistake in it, and compares it with what is.
    pub fn new(
        text: &str,
        folder: &Path,
        ledger: &Ledger,
        roles: &Roles,
        types: &EntityTypes,
        settings: &Settings,
    ) -> Result<Self> {
        let mut faults = Faults::default();
        let wanted = read::read(text, folder, &mut faults)?;
        let mut plan = Self { steps: Vec::new(), left_alone: Vec::new() };
        plan.roles(&wanted.roles, roles, &mut faults);
        plan.entity_types(&wanted.entity_types, ledger, types, &mut faults);
        let joins = ledger.db().read(relationship_types::all)?;
        plan.relationship_types(&wanted.relationship_types, &joins, &mut faults);
        plan.settings(wanted.settings, settings, &mut faults)?;
        faults.into_result()?;
        let (roles, types) = (roles.snapshot(), types.all());
        let others =
            roles.iter().filter(|role| !role.built_in && !wanted.roles.iter().any(|new| new.name == *role.name));
        plan.left_alone.extend(others.map(|role| format!("role {}", role.name)));
        let others = types.iter().filter(|kind| !wanted.entity_types.iter().any(|new| new.name == *kind.name));
        plan.left_alone.extend(others.map(|kind| format!("entity type {}", kind.name)));
        let others = joins.iter().filter(|kind| !wanted.relationship_types.iter().any(|new| new.name == kind.name));
        plan.left_alone.extend(others.map(|kind| format!("relationship type {}", kind.name)));
        Ok(plan)
    }

    fn relationship_types(&mut self, wanted: &[NewRelationshipType], have: &[RelationshipType], faults: &mut Faults) {
        for (index, new) in wanted.iter().enumerate() {
            let mut own = Faults::default();
            new.check(&mut own);
            if wanted[..index].iter().any(|other| other.name == new.name) {
                own.push("/name", "repeated", format!("The relationship type {} stands twice.", new.name));
            }
            below(&format!("/relationship_types/{index}"), own, faults);
            let (on_delete, allow_self) = (new.on_delete.unwrap_or_default(), new.allow_self.unwrap_or_default());
            match have.iter().find(|kind| kind.name == new.name) {
                None => self.steps.push(Step::MakeJoin(new.clone())),
                Some(kind) if (kind.on_delete, kind.allow_self) == (on_delete, allow_self) => {}
                Some(_) => self.steps.push(Step::ChangeJoin(new.name.clone(), new.clone().into())),
            }
        }
    }

    fn roles(&mut self, wanted: &[NewRole], roles: &Roles, faults: &mut Faults) {
        let snapshot = roles.snapshot();
        for (index, new) in wanted.iter().enumerate() {
            let at = format!("/roles/{index}");
            let mut own = Faults::default();
            new.check(&mut own);
            if wanted[..index].iter().any(|other| other.name == new.name) {
                own.push("/name", "repeated", format!("The role {} stands twice.", new.name));
            }
            let existing = snapshot.get(&new.name);
            if existing.is_some_and(|role| *role.name == *access::ADMIN && !same_role(role, new)) {
                own.push("/name", "reserved", "The role admin holds everything and cannot be changed.");
            }
            below(&at, own, faults);
            match existing {
                None => self.steps.push(Step::MakeRole(new.clone())),
                Some(role) if same_role(role, new) => {}
                Some(role) => self.steps.push(Step::ChangeRole(role.name.to_string(), change_of(new))),
            }
        }
    }

    fn settings(&mut self, wanted: Map<String, Value>, settings: &Settings, faults: &mut Faults) -> Result<()> {
        let mut own = Faults::default();
        let changes = settings.preview(&wanted, &mut own)?;
        below("/settings", own, faults);
        let changes = changes.into_iter().filter(|(_, before, after)| before != after);
        let what: Vec<_> = changes.map(|(key, _, after)| format!("{key} to {after}")).collect();
        if !what.is_empty() {
            self.steps.push(Step::Set(wanted, what.join(", ")));
        }
        Ok(())
    }

    fn entity_types(&mut self, wanted: &[NewEntityType], ledger: &Ledger, types: &EntityTypes, faults: &mut Faults) {
        for (index, new) in wanted.iter().enumerate() {
            let at = format!("/entity_types/{index}");
            let mut own = Faults::default();
            if wanted[..index].iter().any(|other| other.name == new.name) {
                own.push("/name", "repeated", format!("The type {} stands twice.", new.name));
            }
            if let Some(alias) = &new.alias {
                let mut others = wanted[..index].iter().filter_map(|other| other.alias.as_ref());
                let elsewhere = types.by_alias(alias).filter(|kind| *kind.name != *new.name);
                if others.any(|other| other == alias) || elsewhere.is_some() {
                    own.push("/alias", "conflict", format!("The alias {alias} belongs to another type."));
                }
            }
            match new.clone().compile(ledger.clock().now()) {
                Err(error) => error.faults().iter().for_each(|fault| {
                    own.push(fault.pointer.clone(), fault.code.clone(), fault.message.clone());
                }),
                Ok(kind) => match types.get(&new.name) {
                    None => self.steps.push(Step::MakeType(new.clone())),
                    Some(existing) if same_type(existing.definition(), kind.definition()) => {}
                    Some(_) => self.steps.push(Step::ChangeType(new.name.clone(), new.clone().into())),
                },
            }
            below(&at, own, faults);
        }
    }

    /// What would be done, a line each.
    pub fn steps(&self) -> Vec<String> {
        self.steps.iter().map(Step::text).collect()
    }

    /// What is there but not in the blueprint: it stays.
    pub fn left_alone(&self) -> &[String] {
        &self.left_alone
    }

    /// Does it; `done` hears of each step. A step that is refused ends it, with what was done before kept.
    pub async fn apply(
        self,
        ledger: &Ledger,
        roles: &Roles,
        types: &EntityTypes,
        settings: &Settings,
        permit: &Permit,
        done: &mut dyn FnMut(String),
    ) -> Result<()> {
        // Types first: only they can be refused because of what is stored.
        let (types_first, then): (Vec<_>, Vec<_>) =
            self.steps.into_iter().partition(|step| matches!(step, Step::MakeType(_) | Step::ChangeType(..)));
        for step in types_first.into_iter().chain(then) {
            let text = step.text();
            let any = Precondition::default();
            let outcome = match step {
                Step::MakeRole(new) => access::create(ledger, roles, permit, new).await.map(drop),
                Step::ChangeRole(name, change) => {
                    access::change(ledger, roles, permit, name, change, any).await.map(drop)
                }
                Step::Set(tree, _) => settings.change(&permit.actor(), tree, any).await.map(drop),
                Step::MakeJoin(new) => relationship_types::create(ledger, &permit.actor(), new).await.map(drop),
                Step::ChangeJoin(name, change) => {
                    relationship_types::change(ledger, &permit.actor(), name, change, any).await.map(drop)
                }
                Step::MakeType(new) => entity_types::create(ledger, types, &permit.actor(), new).await.map(drop),
                Step::ChangeType(name, change) => {
                    entity_types::change(ledger, types, permit, &name, change, any).await.map(drop)
                }
            };
            outcome.map_err(|error| explained(&text, error))?;
            done(text);
        }
        Ok(())
    }
}

fn explained(step: &str, error: Error) -> Error {
    if error.faults().is_empty() {
        return Error::new(error.code(), format!("could not {step}: {}", error.detail())).caused_by(error);
    }
    error
}

/// Faults of a part of the file, with where the part stands.
fn below(at: &str, own: Faults, faults: &mut Faults) {
    for fault in own.into_inner() {
        faults.push(format!("{at}{}", fault.pointer), fault.code, fault.message);
    }
}

fn permissions(texts: &[String]) -> Vec<String> {
    let mut parsed: Vec<_> = texts
        .iter()
        .map(|text| text.parse::<Permission>().map_or_else(|_| text.clone(), |permission| permission.to_string()))
        .collect();
    parsed.sort();
    parsed.dedup();
    parsed
}

fn same_role(role: &Role, new: &NewRole) -> bool {
    let held: Vec<String> = role.permissions.iter().map(ToString::to_string).collect();
    permissions(&held) == permissions(&new.permissions)
        && role.clearance == new.clearance.unwrap_or_default()
        && role.rate_limit == new.rate_limit
}

fn change_of(new: &NewRole) -> RoleChange {
    RoleChange {
        permissions: Some(new.permissions.clone()),
        clearance: Some(new.clearance.unwrap_or_default()),
        rate_limit: Some(new.rate_limit),
    }
}

fn same_type(old: &Definition, new: &Definition) -> bool {
    (
        &old.schema,
        &old.fields,
        &old.indexes,
        &old.search,
        &old.alias,
        old.owner_only,
        old.inspection,
        old.retention_days,
    ) == (
        &new.schema,
        &new.fields,
        &new.indexes,
        &new.search,
        &new.alias,
        new.owner_only,
        new.inspection,
        new.retention_days,
    )
}
