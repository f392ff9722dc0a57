//! Changes as they happen, for those who may read them: server-sent events, fed by what the audit log commits.

mod feed;
mod room;
mod routes;
mod sight;
mod stream;
mod told;

pub use feed::Feed;
pub use routes::routes;
