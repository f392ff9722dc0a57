//! Mail: letters from templates, sent by a job that is enqueued in the change that causes it.

mod letter;
mod mailer;
mod smtp;

pub use letter::{Letter, Template};
pub use mailer::Mailer;
