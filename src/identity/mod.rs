//! Who somebody is: users, their passwords, sessions, tokens and keys.

mod password;
mod hasher;
mod token;
mod lockout;
mod challenge;
mod handle;
mod links;
mod offline;
mod prove;
mod recovery;
mod second_factor;
mod sessions;
mod sprays;
mod users;
mod elevations;
mod api_keys;
mod authenticate;
mod housekeeping;

pub use crate::validate::Email;
pub use api_keys::{ApiKey, Keeper, KeyChange, NewKey, Rotation};
pub use authenticate::Authenticator;
pub use elevations::{Elevation, Review, Waiting};
pub use handle::Identity;
use handle::Parts;
pub use hasher::{Hasher, Verified};
pub use lockout::Lockout;
pub use password::{Password, Policy};
pub use prove::{end_with_a_restore, not_right};
pub use sessions::{Closed, CookieName, Requester};
pub use token::{Claims, Tokens};
pub use users::{Kind, NewUser, Status, User, UserChange, UserView};

use crate::permit::Route;

/// Everything about accounts and sessions over HTTP.
pub fn routes() -> Vec<Route> {
    let mut routes = links::routes();
    routes.extend(recovery::routes());
    routes.extend(sessions::routes());
    routes.extend(second_factor::routes());
    routes.extend(elevations::routes());
    routes.extend(users::routes());
    routes.extend(api_keys::routes());
    routes
}
