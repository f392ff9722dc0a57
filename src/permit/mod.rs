//! Who may do what: pure rules without SQL. A handler's first parameter proves the right it needs.

mod allowed;
mod clearance;
mod grants;
mod permission;
mod principal;
pub mod rights;
mod route;

pub use allowed::{Allowed, AllowedInSession, InSession, Need, OwnOr, Permit, Public, SignedIn};
pub(crate) use allowed::{refusal, unauthenticated};
pub use clearance::Clearance;
pub use grants::{Grants, Reach, Rule};
pub use permission::{Action, CATALOGUE, Extent, Permission, Resource, RowRule, Subject, is_name};
pub use principal::{Authenticate, Caller, Credential, Elevated, KeyRef, Principal, Recheck, SessionKind, SessionRef};
pub use route::{Guarded, LimitClass, Route};
