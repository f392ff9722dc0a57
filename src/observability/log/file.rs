//! A log in a file of a bounded size: when it is full it becomes `….1`, that one `….2`, and the oldest goes.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::fmt::MakeWriter;

/// Clones write to the same file.
#[derive(Clone)]
pub(super) struct LogFile(Arc<Mutex<Inner>>);

struct Inner {
    path: PathBuf,
    /// Bytes in one file, at most.
    most: u64,
    /// Full files that are kept beside it.
    kept: u32,
    open: Option<(File, u64)>,
    /// Whether it was said that the file cannot be written to.
    complained: bool,
}

impl LogFile {
    pub fn open(path: &Path, most: u64, kept: u32) -> Self {
        Self(Arc::new(Mutex::new(Inner { path: path.into(), most, kept, open: None, complained: false })))
    }
}

impl Inner {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let added = line.len() as u64;
        let size = self.opened()?.1;
        if size > 0 && size + added > self.most {
            self.open = None;
            self.rotate();
        }
        let (file, size) = self.opened()?;
        file.write_all(line)?;
        *size += added;
        Ok(())
    }

    fn opened(&mut self) -> io::Result<&mut (File, u64)> {
        if self.open.is_none() {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            let size = file.metadata()?.len();
            self.open = Some((file, size));
        }
        self.open.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rotate(&self) {
        if self.kept == 0 {
            let _ = fs::remove_file(&self.path);
        }
        for number in (1..=self.kept).rev() {
            let from = if number == 1 { self.path.clone() } else { numbered(&self.path, number - 1) };
            let _ = fs::rename(from, numbered(&self.path, number));
        }
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

impl Write for LogFile {
    /// A line that the file does not take goes to standard error, so that nothing is lost to a full disk.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.write(line) {
            Ok(()) => inner.complained = false,
            Err(cause) => {
                inner.open = None;
                if !std::mem::replace(&mut inner.complained, true) {
                    eprintln!("portcullis: the log file {} cannot be written to: {cause}", inner.path.display());
                }
                let _ = io::stderr().write_all(line);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_stay_small_and_few_and_lines_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::open(&path, 100, 2);
        for number in 0..20 {
            log.write_all(format!("line {number:02} of thirty bytes more\n").as_bytes()).unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["log", "log.1", "log.2"]);
        let mut all = String::new();
        for name in ["log.2", "log.1", "log"] {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.len() <= 100 && text.ends_with('\n'), "{name}: {text}");
            all.push_str(&text);
        }
        let lines: Vec<_> = all.lines().collect();
        assert!(lines.last().unwrap().contains("line 19") && lines[0].starts_with("line 1"), "{all}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_start_goes_on_with_the_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for number in 0..3 {
            LogFile::open(&path, 20, 0).write_all(format!("start {number}\n").as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "start 2\n", "the third found it full");
    }
}
