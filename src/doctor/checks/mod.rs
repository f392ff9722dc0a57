//! Every check there is.

mod access;
mod accounts;
mod data;
mod operations;
mod transport;

use super::check::Check;

pub(super) fn all() -> Vec<Check> {
    [transport::checks(), accounts::checks(), access::checks(), data::checks(), operations::checks()]
        .into_iter()
        .flatten()
        .collect()
}
