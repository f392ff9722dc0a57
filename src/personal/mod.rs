//! Personal data at rest: each subject's own key, and what it seals. Whoever destroys the key has erased what it
//! sealed, wherever copies of that stand.

mod erasures;
mod keys;

pub use erasures::{ERASURES_FILE, Erasure, Erasures, Forgetting, SubjectKind};
pub use keys::{Cipher, DataKeys, SubjectKey};
