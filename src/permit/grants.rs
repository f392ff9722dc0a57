//! What a caller holds, all roles together, compiled for a quick answer.

use super::{
    clearance::Clearance,
    permission::{Action, Extent, Permission, RowRule, Subject},
};

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

#[derive(Clone, Debug, Default)]
pub struct Grants {
    permissions: Vec<Permission>,
    clearance: Option<Clearance>,
}

impl Grants {
    pub fn new(permissions: Vec<Permission>, clearance: Option<Clearance>) -> Self {
        Self { permissions, clearance }
    }

    /// The highest clearance of all roles; `public` without any.
    pub fn clearance(&self) -> Clearance {
        self.clearance.unwrap_or(Clearance::Public)
    }

    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Which rows of `resource` (for entities: of `entity_type`) the action may touch; `None` when none.
    pub fn reach(&self, resource: &str, entity_type: Option<&str>, action: Action) -> Option<Reach> {
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
}
