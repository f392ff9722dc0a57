//! What a text must be like to be taken as an address, a link, an id, a time or a file's name, and how one is
//! written into a log. Passwords are judged beside their list of common ones, in `identity/password.rs`.

mod email;
mod file_name;
mod format;
mod text;
mod web_url;

pub use email::{Email, NotAnEmail};
pub use file_name::{FileName, NotAFileName};
pub use format::{is_date_time, is_host_name, is_uuid};
pub use text::{has_control, is_deceptive, one_line};
pub use web_url::{NotAWebUrl, WebUrl, is_uri};
