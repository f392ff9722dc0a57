//! How things are spoken over HTTP, whatever they are: bodies, queries, pages, problems.

mod body;
mod describe;
mod info;
mod json;
mod masked;
mod merge;
mod pace;
mod page;
mod path;
mod precondition;
mod problem;
mod query;
mod strict;
mod why;

pub use body::{Body, BodyCheck, BodyLimit, Valid, ensure_plain, media_type, nullable, read as read_body};
pub use describe::{Described, Description};
pub use info::RequestInfo;
pub use json::parse as parse_json;
pub use masked::{are_logged, masked};
pub use merge::merge;
pub use pace::Pace;
pub use page::{DEFAULT_LIMIT, Deleted, ListQuery, MAX_LIMIT, Page};
pub use path::At;
pub use precondition::{Precondition, etag};
pub use problem::{render, status};
pub use query::Params;
pub use why::{LONGEST_REASON, Why, check_reason};
