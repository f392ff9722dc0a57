//! Roles: named sets of permissions with a clearance, and the matrix of what they allow.

mod action;
mod document;
mod granting;
mod matrix;
mod role;
mod routes;
mod snapshot;
mod store;

pub use action::{NewRole, RoleChange, change, create, delete};
pub use matrix::{FieldCatalogue, KeyCatalogue, KeyHolder, Matrix, Scope, TypeFields, scope_of};
pub use role::{ADMIN, ANONYMOUS, RateLimit, Role, SYSTEM};
pub use routes::routes;
pub use snapshot::{Roles, RolesFollower, Snapshot};
