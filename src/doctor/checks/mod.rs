//! Every check there is.

mod access;
mod accounts;
mod data;
mod operations;
mod recovery;
mod transport;

use super::check::Check;

pub(super) fn all() -> Vec<Check> {
    let groups = [
        transport::checks(),
        accounts::checks(),
        access::checks(),
        data::checks(),
        recovery::checks(),
        operations::checks(),
    ];
    groups.into_iter().flatten().collect()
}
