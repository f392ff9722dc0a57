//! What a holder of permissions may hand out, given what the entity types keep apart: a permission on all types is
//! none on others' entities of an owner-only type, and a row rule on a hidden field would tell what it holds.

use super::matrix::TypeFields;
use crate::{
    filter,
    permit::{Action, Clearance, Extent, Grants, Permission, Subject},
};

pub(super) fn may_grant(types: &[TypeFields], held: &Grants, permission: &Permission) -> bool {
    if let Some((scopes, owner)) = held.of_key() {
        return may_grant(types, scopes, permission) && may_grant(types, owner, permission);
    }
    if opens_everything(permission) && !held.can_grant(&Permission::EVERYTHING) {
        return false;
    }
    if held.permissions().contains(permission) {
        return true;
    }
    held.can_grant(permission)
        && keeps_owners_apart(types, held, permission)
        && rule_is_seen(types, held, permission).is_ok()
}

/// Whoever may break the glass may do everything for an hour, so handing that out takes holding everything.
fn opens_everything(permission: &Permission) -> bool {
    permission.subject == Subject::Named("elevations") && permission.action == Some(Action::Create)
}

/// Whether the holder reaches all that the permission reaches in somebody else's hands: the rows that are that
/// person's own, and those that a rule finds for them.
pub(super) fn may_lend(types: &[TypeFields], held: &Grants, permission: &Permission) -> bool {
    let everywhere = Permission { extent: Extent::Any, ..permission.clone() };
    let apart = types.iter().filter(|kind| kind.owner_only && permission.subject == Subject::AllEntities);
    let mut apart = apart.map(|kind| Subject::Entities(kind.name.as_str().into()));
    may_grant(types, held, permission)
        && may_grant(types, held, &everywhere)
        && apart.all(|subject| may_grant(types, held, &Permission { subject, ..everywhere.clone() }))
}

fn keeps_owners_apart(types: &[TypeFields], held: &Grants, permission: &Permission) -> bool {
    let Subject::Entities(name) = &permission.subject else { return true };
    if permission.extent == Extent::Own || !types.iter().any(|kind| kind.owner_only && *kind.name == **name) {
        return true;
    }
    let by_name = held.permissions().iter().filter(|one| one.subject != Subject::AllEntities).cloned().collect();
    Grants::new(by_name, None).can_grant(permission)
}

/// Whether the holder may see all that the permission's row rule looks at; what not, in words, otherwise. A type that
/// is not there yet may come to keep anything in a field, so rules on its data are for those who see everything.
pub(super) fn rule_is_seen(types: &[TypeFields], held: &Grants, permission: &Permission) -> Result<(), String> {
    let Extent::Where(rule) = &permission.extent else { return Ok(()) };
    let rule = filter::parse(&rule.0).map_err(|error| format!("its rule does not read: {error}"))?;
    let concerned = |kind: &&TypeFields| match &permission.subject {
        Subject::Entities(name) => *kind.name == **name,
        _ => true,
    };
    let absent = match &permission.subject {
        Subject::Entities(name) if !types.iter().any(|kind| *kind.name == **name) => Some(name),
        _ => None,
    };
    let mut hidden = None;
    let _ = rule.each(&mut |comparison| {
        if let [first, path @ ..] = comparison.field.segments.as_slice()
            && first == "data"
            && hidden.is_none()
        {
            let path =
                path.iter().fold(String::new(), |path, name| path + "/" + &name.replace('~', "~0").replace('/', "~1"));
            if let Some(name) = absent.filter(|_| held.clearance() < Clearance::Restricted) {
                hidden =
                    Some(format!("there is no type {name} yet, and what it will keep may be above your clearance"));
            } else if types.iter().filter(concerned).any(|kind| is_above(kind, &path, held.clearance())) {
                hidden = Some(format!("{} is above your clearance", comparison.field.segments.join(".")));
            }
        }
        Ok(())
    });
    hidden.map_or(Ok(()), Err)
}

/// Whether anything at the path, above or under it is more than the clearance shows.
fn is_above(kind: &TypeFields, path: &str, clearance: Clearance) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let marked =
        kind.fields.iter().any(|(field, level)| *level > clearance && (within(path, field) || within(field, path)));
    let public = || kind.fields.iter().any(|(field, level)| *level == Clearance::Public && within(path, field));
    marked || clearance < Clearance::default() && !public()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_keep_apart_what_a_general_permission_does_not_reach() {
        let kind = |name: &str, owner_only| TypeFields {
            name: name.into(),
            fields: vec![("/iban".into(), Clearance::Restricted), ("/a/b".into(), Clearance::Restricted)],
            owner_only,
            declared: Vec::new(),
        };
        let types = [kind("diaries", true), kind("orders", false)];
        let permission = |text: &str| text.parse::<Permission>().unwrap();
        let held = Grants::new(vec![permission("entities.*:read")], Some(Clearance::Internal));
        let may = |text: &str| may_grant(&types, &held, &permission(text));
        for good in [
            "entities.*:read",
            "entities.orders:read",
            "entities.diaries:read:own",
            "entities.orders:read:where(data.city = 'x')",
            "entities.*:read:where(data.ibans = 'x')",
            "entities.later:read:where(name = 'x')",
        ] {
            assert!(may(good), "{good}");
        }
        for bad in [
            "entities.diaries:read",
            "entities.diaries:read:where(data.city = 'x')",
            "entities.orders:read:where(data.iban ~ 'DE')",
            "entities.*:read:where(name = 'x' or not data.a = 'x')",
            "entities.orders:read:where(data.a.b.c = 1)",
            "entities.later:read:where(name = 'x' or data.city = 'x')",
            "entities.orders:update",
        ] {
            assert!(!may(bad), "{bad}");
        }
        let admin = Grants::new(vec![Permission::EVERYTHING], Some(Clearance::Restricted));
        assert!(may_grant(&types, &admin, &permission("entities.diaries:read")));
        assert!(may_grant(&types, &admin, &permission("entities.later:read:where(data.city = 'x')")));
        let on_call = Grants::new(vec![permission("elevations:create"), permission("elevations:read")], None);
        let glass = permission("elevations:create");
        assert!(!may_grant(&types, &on_call, &glass) && may_grant(&types, &admin, &glass));
        assert!(may_grant(&types, &on_call, &permission("elevations:read")));
        let lends = |held: &Grants, text: &str| may_lend(&types, held, &permission(text));
        assert!(lends(&admin, "entities.*:read") && lends(&admin, "entities.diaries:read:own"));
        assert!(lends(&held, "entities.orders:read:own"));
        assert!(!lends(&held, "entities.*:read") && !lends(&held, "entities.diaries:read:own"));
        let key = Grants::within(held, &[permission("entities.diaries:read"), permission("entities.orders:read")]);
        let may = |text: &str| may_grant(&types, &key, &permission(text));
        assert!(may("entities.orders:read") && !may("entities.diaries:read"));
    }
}
