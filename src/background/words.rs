//! What each kind of job does, in words.

const WORDS: [(&str, &str); 23] = [
    ("alerts.call", "Tell of an alert"),
    ("alerts.check", "Look whether an alert has to be told"),
    ("audit.anchor", "Post the head of the audit log outside"),
    ("backups.create", "Make a backup"),
    ("backups.verify", "Check a backup"),
    ("doctor.score", "Note the doctor's score"),
    ("elevations.settle", "End elevations whose time is up"),
    ("entities.retention", "Remove deleted entities for good"),
    ("entity_types.index", "Build the indexes of entity types"),
    ("entity_types.migrate", "Change what is stored to a new schema"),
    ("files.clean_up", "Remove files that belong to nobody"),
    ("files.process", "Look into an uploaded file"),
    ("files.remove", "Remove the contents of files that were erased"),
    ("idempotency.clean", "Forget old answers to repeated requests"),
    ("identity.clean", "Remove ended sessions and links"),
    ("identity.mail_link", "Mail a link to choose a password"),
    ("jobs.clean_up", "Remove finished jobs"),
    ("mail.send", "Send a letter"),
    ("secrets.keep", "Rotate keys whose time has come"),
    ("secrets.reseal", "Encrypt anew under the current key"),
    ("users.settle_owned", "See to what an erased account owned"),
    ("webhooks.clean_up", "Remove old webhook deliveries"),
    ("webhooks.deliver", "Deliver a webhook"),
];

/// A kind that has no words of its own is told by its name.
pub(super) fn title(kind: &str) -> String {
    if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == kind) {
        return (*words).to_owned();
    }
    let plain = kind.replace(['.', '_'], " ");
    let mut letters = plain.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Why a job of this kind is not retried here, and what to do instead.
pub(super) fn retried_elsewhere(kind: &str) -> Option<&'static str> {
    (kind == "webhooks.deliver").then_some("A delivery is sent again from the log of its webhook.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_in_words() {
        assert_eq!(title("mail.send"), "Send a letter");
        assert_eq!(title("reports.nightly_run"), "Reports nightly run");
        assert!(WORDS.is_sorted(), "in order, so that each stands once");
    }
}
