//! What a caller holds, all roles together, compiled for a quick answer. Of a key: its scopes, as far as its owner
//! holds them too.

use super::{
    clearance::Clearance,
    permission::{Action, Extent, Permission, RowRule, Subject},
};
use std::{fmt, sync::Arc};

/// One way in which rows are within reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    Own,
    Where(RowRule),
}

/// Which rows a permission covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Any,
    /// Those that one of the rules lets through.
    Limited(Vec<Rule>),
}

impl Rule {
    /// Lets through what both do.
    fn and(&self, other: &Self) -> Self {
        if self == other { self.clone() } else { Self::Where(self.text().and(&other.text())) }
    }

    fn text(&self) -> RowRule {
        match self {
            Self::Own => RowRule::own(),
            Self::Where(rule) => rule.clone(),
        }
    }
}

/// As the access matrix writes it: `any`, `own`, `where(…)`, several with `or` between them.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Limited(rules) = self else { return f.write_str("any") };
        for (index, rule) in rules.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " or " })?;
            match rule {
                Rule::Own => f.write_str("own")?,
                Rule::Where(rule) => write!(f, "where({})", rule.0)?,
            }
        }
        Ok(())
    }
}

impl Reach {
    /// The rows within both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, reach) | (reach, Self::Any) => reach,
            (Self::Limited(some), Self::Limited(others)) => {
                Self::Limited(some.iter().flat_map(|one| others.iter().map(move |other| one.and(other))).collect())
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Grants {
    permissions: Vec<Permission>,
    clearance: Option<Clearance>,
    /// Of a key: what decides. The permissions above are what comes of it, for people to read.
    key: Option<Arc<Key>>,
}

#[derive(Debug)]
struct Key {
    scopes: Grants,
    owner: Grants,
}

impl Grants {
    pub fn new(permissions: Vec<Permission>, clearance: Option<Clearance>) -> Self {
        Self { permissions, clearance, key: None }
    }

    /// What a key with `scopes` holds, whose owner holds `owner`.
    pub fn within(owner: Self, scopes: &[Permission]) -> Self {
        let mut permissions = Vec::new();
        for scope in scopes {
            let held = owner.can_grant(scope);
            let parts = owner.permissions.iter().filter(|_| !held).filter_map(|held| scope.and(held));
            for part in held.then(|| scope.clone()).into_iter().chain(parts) {
                if !permissions.contains(&part) {
                    permissions.push(part);
                }
            }
        }
        let clearance = owner.clearance;
        let scopes = Self::new(scopes.to_vec(), clearance);
        Self { permissions, clearance, key: Some(Arc::new(Key { scopes, owner })) }
    }

    /// These and one more; of a key: as if its owner held one more.
    pub fn and_also(&self, permission: &Permission) -> Self {
        let with = |grants: &Self| {
            let permissions = grants.permissions.iter().chain([permission]).cloned().collect();
            Self { permissions, clearance: grants.clearance, key: None }
        };
        match &self.key {
            Some(key) => Self {
                key: Some(Arc::new(Key { scopes: key.scopes.clone(), owner: with(&key.owner) })),
                ..self.clone()
            },
            None => with(self),
        }
    }

    /// Whether they reach data alone: nothing of administration.
    pub fn are_of_data(&self) -> bool {
        let is_data = |held: &Permission| match &held.subject {
            Subject::AllEntities | Subject::Entities(_) | Subject::Named("relationships" | "files") => true,
            Subject::Named("entity_types") => held.action == Some(Action::Read),
            Subject::Named(_) | Subject::Everything => false,
        };
        self.permissions.iter().all(is_data)
    }

    /// The highest clearance of all roles; `public` without any.
    pub fn clearance(&self) -> Clearance {
        self.clearance.unwrap_or(Clearance::Public)
    }

    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Of a key: what its scopes say, and what its owner holds. It has what both have.
    pub fn of_key(&self) -> Option<(&Self, &Self)> {
        self.key.as_ref().map(|key| (&key.scopes, &key.owner))
    }

    /// Which rows of `resource` (for entities: of `entity_type`) the action may touch; `None` when none.
    pub fn reach(&self, resource: &str, entity_type: Option<&str>, action: Action) -> Option<Reach> {
        if let Some(key) = &self.key {
            let owner = key.owner.reach(resource, entity_type, action)?;
            return Some(key.scopes.reach(resource, entity_type, action)?.and(owner));
        }
        let mut rules = Vec::new();
        for permission in self.permissions.iter().filter(|held| covers(held, resource, entity_type, action)) {
            match &permission.extent {
                Extent::Any => return Some(Reach::Any),
                Extent::Own => rules.push(Rule::Own),
                Extent::Where(rule) => rules.push(Rule::Where(rule.clone())),
            }
        }
        (!rules.is_empty()).then_some(Reach::Limited(rules))
    }

    /// [`Grants::reach`] on a type whose entities are their owners' alone: a permission on all types reaches
    /// one's own there; naming the type, or holding everything, reaches as far as it says.
    pub fn reach_owner_only(&self, entity_type: &str, action: Action) -> Option<Reach> {
        if let Some(key) = &self.key {
            let owner = key.owner.reach_owner_only(entity_type, action)?;
            return Some(key.scopes.reach_owner_only(entity_type, action)?.and(owner));
        }
        let mut rules = Vec::new();
        for permission in self.permissions.iter().filter(|held| covers(held, "entities", Some(entity_type), action)) {
            match &permission.extent {
                Extent::Any if permission.subject != Subject::AllEntities => return Some(Reach::Any),
                Extent::Any | Extent::Own => rules.push(Rule::Own),
                Extent::Where(rule) => rules.push(Rule::Where(rule.clone())),
            }
        }
        (!rules.is_empty()).then_some(Reach::Limited(rules))
    }

    /// Whether whoever holds these may hand out `permission`: nobody grants what they don't hold.
    pub fn can_grant(&self, permission: &Permission) -> bool {
        if let Some(key) = &self.key {
            return key.scopes.can_grant(permission) && key.owner.can_grant(permission);
        }
        self.permissions.iter().any(|held| {
            let subject = match (&held.subject, &permission.subject) {
                (Subject::Everything, _) | (Subject::AllEntities, Subject::Entities(_)) => true,
                (held, asked) => held == asked,
            };
            subject
                && (held.action.is_none() || held.action == permission.action)
                && (held.extent == Extent::Any || held.extent == permission.extent)
        })
    }
}

fn covers(held: &Permission, resource: &str, entity_type: Option<&str>, action: Action) -> bool {
    let subject = match &held.subject {
        Subject::Everything => true,
        Subject::Named(name) => *name == resource,
        Subject::AllEntities => resource == "entities",
        Subject::Entities(name) => resource == "entities" && entity_type == Some(name),
    };
    subject && held.action.is_none_or(|held| held == action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(permissions: &[&str]) -> Grants {
        Grants::new(permissions.iter().map(|p| p.parse().unwrap()).collect(), None)
    }

    #[test]
    fn nothing_is_allowed_unless_granted() {
        let nobody = grants(&[]);
        assert_eq!(nobody.reach("users", None, Action::Read), None);
        assert_eq!(nobody.clearance(), Clearance::Public);
        let viewer = grants(&["entities.*:read"]);
        assert_eq!(viewer.reach("entities", Some("orders"), Action::Read), Some(Reach::Any));
        assert_eq!(viewer.reach("entities", Some("orders"), Action::Update), None);
        assert_eq!(viewer.reach("entity_types", None, Action::Read), None);
    }

    #[test]
    fn the_widest_reach_wins_and_rules_add_up() {
        let both = grants(&["entities.a:read:own", "entities.a:read:where(data.x = 1)"]);
        let Some(Reach::Limited(rules)) = both.reach("entities", Some("a"), Action::Read) else { panic!() };
        assert_eq!(rules.len(), 2);
        let all = grants(&["entities.a:read:own", "*"]);
        assert_eq!(all.reach("entities", Some("a"), Action::Read), Some(Reach::Any));
    }

    #[test]
    fn nobody_grants_what_they_do_not_hold() {
        let analyst = grants(&["entities.*:read", "entities.a:update:own"]);
        let can = |p: &str| analyst.can_grant(&p.parse().unwrap());
        assert!(can("entities.b:read") && can("entities.b:read:own") && can("entities.a:update:own"));
        assert!(!can("entities.a:update") && !can("users:read") && !can("*"));
        assert!(grants(&["*"]).can_grant(&Permission::EVERYTHING));
    }

    fn key(owner: &[&str], scopes: &[&str]) -> Grants {
        let scopes: Vec<Permission> = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        Grants::within(grants(owner), &scopes)
    }

    #[test]
    fn a_key_holds_its_scopes_as_far_as_its_owner_does() {
        let read = |key: &Grants, kind| key.reach("entities", Some(kind), Action::Read);
        let narrow = key(&["*"], &["entities.a:read", "users:read"]);
        assert_eq!(read(&narrow, "a"), Some(Reach::Any));
        assert_eq!((read(&narrow, "b"), narrow.reach("users", None, Action::Create)), (None, None));
        assert!(narrow.can_grant(&"users:read".parse().unwrap()) && !narrow.can_grant(&Permission::EVERYTHING));
        let demoted = key(&["entities.*:read"], &["*"]);
        assert_eq!((read(&demoted, "a"), demoted.reach("users", None, Action::Read)), (Some(Reach::Any), None));
        assert_eq!(demoted.permissions(), ["entities.*:read".parse().unwrap()]);
        assert!(!demoted.can_grant(&"users:read".parse().unwrap()));
        assert!(key(&[], &["*"]).permissions().is_empty());
    }

    #[test]
    fn a_key_reaches_only_rows_that_both_its_scope_and_its_owner_reach() {
        let read = |key: &Grants| key.reach("entities", Some("a"), Action::Read).unwrap();
        let limited = |rule: &str| Reach::Limited(vec![Rule::Where(RowRule(rule.into()))]);
        assert_eq!(read(&key(&["entities.a:read:own"], &["entities.*:read"])), Reach::Limited(vec![Rule::Own]));
        assert_eq!(read(&key(&["entities.*:read"], &["entities.a:read:own"])), Reach::Limited(vec![Rule::Own]));
        let both = key(&["entities.a:read:own"], &["entities.a:read:where(data.x = 1 or data.x = 2)"]);
        assert_eq!(read(&both), limited("(data.x = 1 or data.x = 2) and (owner_id = @user.id)"));
        assert!(both.permissions()[0].to_string().parse::<Permission>().is_ok());
        // A scope on the type itself does not open what its owner's permission on all types keeps closed.
        let own = key(&["entities.*:read"], &["entities.a:read"]).reach_owner_only("a", Action::Read);
        assert_eq!(own, Some(Reach::Limited(vec![Rule::Own])));
    }
}
