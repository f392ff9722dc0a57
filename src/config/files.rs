//! Where files are kept and of which types they may be.

use super::{kinds::checked_text, setting::Setting};
use std::{fmt, ops::Deref};
use toml::Value;

/// The types that can be told from content and are safe to hand on, the usual ones first in each family.
pub const FILE_TYPES: [&str; 19] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "application/zip",
    "application/gzip",
    "audio/mpeg",
    "video/mp4",
    "text/plain",
    "text/csv",
    "text/markdown",
    "application/json",
];

checked_text!(
    /// A content type that files may have.
    FileType,
    "a content type that is told from content and safe to hand on, such as image/png, application/pdf or text/csv",
    |text| FILE_TYPES.contains(&text)
);
checked_text!(
    /// Where files are kept.
    FileStore,
    "local, s3://bucket or s3://bucket/prefix",
    |text| text == "local" || text.strip_prefix("s3://").is_some_and(is_bucket)
);

checked_text!(
    /// Where backups go.
    BackupPlace,
    "the path of a folder, s3://bucket or s3://bucket/prefix",
    |text| match text.strip_prefix("s3://") {
        Some(rest) => is_bucket(rest),
        None => !text.is_empty() && !text.contains('\0') && !text.contains("://"),
    }
);

/// As S3 names buckets; a prefix is made of plain segments.
fn is_bucket(text: &str) -> bool {
    let (bucket, prefix) = text.split_once('/').unwrap_or((text, ""));
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    let safe = |segment: &str| {
        !segment.is_empty()
            && !matches!(segment, "." | "..")
            && segment.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter))
    };
    (3..=63).contains(&bucket.len())
        && bucket.chars().all(plain)
        && bucket.starts_with(|first: char| first.is_ascii_alphanumeric())
        && (!text.contains('/') || prefix.split('/').all(safe))
}

impl FileStore {
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// Bucket and prefix; none for the data folder.
    pub fn bucket(&self) -> Option<(&str, &str)> {
        let rest = self.0.strip_prefix("s3://")?;
        Some(rest.split_once('/').unwrap_or((rest, "")))
    }
}

impl BackupPlace {
    /// Bucket and prefix; none for a folder.
    pub fn bucket(&self) -> Option<(&str, &str)> {
        let rest = self.0.strip_prefix("s3://")?;
        Some(rest.split_once('/').unwrap_or((rest, "")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_go_to_a_folder_or_a_bucket() {
        let read = |text: &str| BackupPlace::read(&Value::String(text.into()));
        assert_eq!(read("/mnt/backups").unwrap().bucket(), None);
        assert_eq!(read("s3://team-backups/one").unwrap().bucket(), Some(("team-backups", "one")));
        for bad in ["", "s3://", "s3://team/", "ftp://host/x", "https://host/x"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn stores_have_one_form() {
        let read = |text: &str| FileStore::read(&Value::String(text.into()));
        assert_eq!(read("local").unwrap().bucket(), None);
        assert_eq!(read("s3://team-files").unwrap().bucket(), Some(("team-files", "")));
        assert_eq!(read("s3://team-files/a/b").unwrap().bucket(), Some(("team-files", "a/b")));
        for bad in ["", "s3://", "s3://ab", "s3://Team", "s3://team/", "s3://team/../x", "/var/files", "s3://team//x"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
