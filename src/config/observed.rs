//! The names of rules that may run in observe mode. What guards administration and log-in never does.

use super::kinds::is_name;

const ACTIONS: [&str; 5] = ["read", "create", "update", "delete", "export"];
const FORMS: &str = "limits.public, limits.roles.<role>, limits.routes.<route>, permissions.entities.<type>:<action>, \
    inspection, validators.password_common, validators.schema.<type>";

/// Paths whose limits may be observed begin so.
pub const DATA_PATHS: [&str; 5] = ["/entities/", "/relationships", "/files", "/batch", "/forward-auth"];

/// Whether a rule may be observed on this route (its pattern below `/api/v1`).
pub fn is_data_path(path: &str) -> bool {
    DATA_PATHS.iter().any(|begin| path.starts_with(begin))
}

/// Nothing when a rule of this name can be observed; else why not.
pub(super) fn check(rule: &str) -> Result<(), String> {
    let never = |what: &str| Err(format!("`{rule}` cannot be observed: {what} is always enforced"));
    match rule.split_once('.') {
        None if rule == "inspection" => Ok(()),
        Some(("limits", "public") | ("validators", "password_common")) => Ok(()),
        Some(("limits", "login")) => never("the guard at log-in"),
        Some(("limits", rest)) => match rest.split_once('.') {
            Some(("roles", name)) if is_name(name) && matches!(name, "admin" | "system") => {
                never("what limits administrators and services")
            }
            Some(("roles", name)) if is_name(name) => Ok(()),
            Some(("routes", pattern)) => {
                let path = pattern.split_once(' ').map_or(pattern, |(_, path)| path);
                let path = path.strip_prefix("/api").unwrap_or(path);
                let path = path.strip_prefix("/v1").unwrap_or(path);
                if is_data_path(path) { Ok(()) } else { never("the limit of a route that is not for data") }
            }
            _ => Err(unknown(rule)),
        },
        Some(("permissions", permission)) => match permission.strip_prefix("entities.").and_then(|p| p.split_once(':'))
        {
            Some((kind, action)) if (kind == "*" || is_name(kind)) && ACTIONS.contains(&action) => Ok(()),
            Some(_) => Err(unknown(rule)),
            None => never("a permission on anything but entities"),
        },
        Some(("validators", rest)) if rest.strip_prefix("schema.").is_some_and(is_name) => Ok(()),
        Some(("auth" | "kill_switch" | "audit" | "settings" | "users" | "roles" | "api_keys", _)) => {
            never("what guards administration and log-in")
        }
        _ => Err(unknown(rule)),
    }
}

fn unknown(rule: &str) -> String {
    format!("`{rule}` is no rule that can be observed; there are {FORMS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_data_can_be_observed_and_those_of_administration_cannot() {
        for good in [
            "inspection",
            "limits.public",
            "limits.roles.viewer",
            "limits.routes.GET /api/v1/entities/{type}",
            "limits.routes./entities/{type}/{id}",
            "permissions.entities.customers:delete",
            "permissions.entities.*:read",
            "validators.password_common",
            "validators.schema.customers",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "limits",
            "limits.login",
            "limits.roles.admin",
            "limits.routes.POST /api/v1/auth/login",
            "limits.routes./api/v1/users",
            "permissions.users:read",
            "permissions.*",
            "permissions.entities.customers:fly",
            "permissions.entities.customers",
            "kill_switch.all",
            "auth.enforcement",
            "validators.email",
            "everything",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
