//! The rights that handlers ask for, as types. One line for each pair of resource and action in use.

use super::permission::Action;

/// A resource and an action, known when the program is built.
pub trait Right: 'static {
    const RESOURCE: &'static str;
    const ACTION: Action;
}

macro_rules! rights {
    ($($name:ident = $resource:literal $action:ident;)*) => {
        $(
            #[doc = concat!("`", $resource, "`: ", stringify!($action))]
            #[derive(Debug)]
            pub struct $name;
            impl Right for $name {
                const RESOURCE: &'static str = $resource;
                const ACTION: Action = Action::$action;
            }
        )*
    };
}

rights! {
    ReadEntity = "entities" Read;
    CreateEntity = "entities" Create;
    UpdateEntity = "entities" Update;
    DeleteEntity = "entities" Delete;
    ExportEntity = "entities" Export;
    ReadEntityTypes = "entity_types" Read;
    CreateEntityTypes = "entity_types" Create;
    UpdateEntityTypes = "entity_types" Update;
    DeleteEntityTypes = "entity_types" Delete;
    ReadRelationships = "relationships" Read;
    CreateRelationships = "relationships" Create;
    UpdateRelationships = "relationships" Update;
    DeleteRelationships = "relationships" Delete;
    ReadFiles = "files" Read;
    CreateFiles = "files" Create;
    UpdateFiles = "files" Update;
    DeleteFiles = "files" Delete;
    ReadUsers = "users" Read;
    CreateUsers = "users" Create;
    UpdateUsers = "users" Update;
    DeleteUsers = "users" Delete;
    ExportUsers = "users" Export;
    ReadRoles = "roles" Read;
    CreateRoles = "roles" Create;
    UpdateRoles = "roles" Update;
    DeleteRoles = "roles" Delete;
    ReadApiKeys = "api_keys" Read;
    CreateApiKeys = "api_keys" Create;
    UpdateApiKeys = "api_keys" Update;
    DeleteApiKeys = "api_keys" Delete;
    ReadAudit = "audit" Read;
    ExportAudit = "audit" Export;
    ReadKillSwitch = "kill_switch" Read;
    WriteKillSwitch = "kill_switch" Write;
    ReadElevations = "elevations" Read;
    CreateElevations = "elevations" Create;
    UpdateElevations = "elevations" Update;
    ReadSettings = "settings" Read;
    UpdateSettings = "settings" Update;
    ReadSecrets = "secrets" Read;
    WriteSecrets = "secrets" Write;
    ReadWebhooks = "webhooks" Read;
    CreateWebhooks = "webhooks" Create;
    UpdateWebhooks = "webhooks" Update;
    DeleteWebhooks = "webhooks" Delete;
    ReadJobs = "jobs" Read;
    WriteJobs = "jobs" Write;
    ReadBackups = "backups" Read;
    CreateBackups = "backups" Create;
    DeleteBackups = "backups" Delete;
    ReadOverview = "overview" Read;
    ReadDecisions = "decisions" Read;
    ReadObservations = "observations" Read;
    WriteObservations = "observations" Write;
}
