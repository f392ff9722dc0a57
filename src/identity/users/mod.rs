//! Accounts of people and services.

mod action;
mod forget;
mod granting;
mod list;
mod model;
mod routes;
mod store;

pub(super) use action::{NewAccount, insert, live};
pub(super) use model::check_name;
pub use model::{Kind, NewUser, Status, User, UserChange, UserView};
pub use routes::routes;
pub(super) use store::{
    Account, account, account_of, administrators, all, find, has_admin, set_password, signed_in, touch,
};
