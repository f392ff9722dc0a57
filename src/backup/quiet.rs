//! Work that stays out of the way of those who are served: on a thread of low priority, half of the time at most, and
//! with little at once for the disk to flush.

use super::make::Watch;
use crate::{
    error::{Error, Result},
    priority,
};
use rustix::fs::{Advice, OFlags, fadvise};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    num::NonZeroU64,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    panic::resume_unwind,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::sync_channel,
    },
    thread,
    time::Duration,
};

/// Bytes that are begun to be written to the disk at once.
const PORTION: u64 = 1 << 20;
/// Bytes after which the disk is waited for.
const UNFLUSHED: u64 = 16 << 20;
/// Bytes that the disk hears of at once as free.
const FREED: u64 = 4 << 20;
const REST_AFTER_FREEING: Duration = Duration::from_millis(20);

/// Does the work on a thread of its own, since a thread cannot raise its priority again, and tells here how far it is.
pub(super) fn aside<T: Send>(watch: Watch<'_>, work: impl FnOnce(Watch<'_>) -> Result<T> + Send) -> Result<T> {
    let (tell, told) = sync_channel::<(u64, u64, String)>(1);
    let ended = AtomicBool::new(false);
    let is_ended = &ended;
    thread::scope(|scope| {
        let working = scope.spawn(move || {
            priority::lower();
            let mut watch = |done: u64, total: u64, note: &str| {
                let so_far = (done, total, note.to_owned());
                // Of what is missed the next one tells as much; after a last one nothing comes.
                let _ = if done < total { tell.try_send(so_far).is_ok() } else { tell.send(so_far).is_ok() };
                if is_ended.load(Relaxed) { Err(Error::unavailable("The work was ended.")) } else { Ok(()) }
            };
            work(&mut watch)
        });
        let mut ending = None;
        for (done, total, note) in told {
            if let Err(error) = watch(done, total, &note) {
                ended.store(true, Relaxed);
                ending = Some(error);
            }
        }
        let outcome = working.join().unwrap_or_else(|panic| resume_unwind(panic));
        match (outcome, ending) {
            (Err(_), Some(error)) => Err(error),
            (outcome, _) => outcome,
        }
    })
}

/// Writes a file with rests, in portions that go to the disk one by one: a flush of all of it at once would hold up every
/// commit behind it.
pub(super) struct Paced<'f> {
    file: &'f File,
    written: u64,
    begun: u64,
}

impl<'f> Paced<'f> {
    pub fn new(file: &'f File) -> Self {
        Self { file, written: 0, begun: 0 }
    }
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        priority::make_way();
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        if self.written - self.begun >= PORTION {
            // Nobody reads it again soon: that begins its way to the disk, without the commit of the file system's
            // journal that each flush is. A file system may ignore it.
            let _ = fadvise(self.file, self.begun, NonZeroU64::new(self.written - self.begun), Advice::DontNeed);
            if self.written / UNFLUSHED > self.begun / UNFLUSHED {
                self.file.sync_data()?;
            }
            self.begun = self.written;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Reads from `from` with rests.
pub(super) struct Resting<R>(pub R);

impl<R: Read> Read for Resting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        priority::make_way();
        self.0.read(into)
    }
}

/// Removes a file piece by piece: a disk that hears of a large one at once as free (`discard`) takes no commit meanwhile.
/// One that is gone by then is removed as well: somebody else clears up too, and a connection takes its log along.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    if let Err(cause) = shorten(path) {
        tracing::debug!(%cause, path = %path.display(), "a file is removed as a whole");
    }
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn shorten(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    let nofollow = OFlags::NOFOLLOW.bits() as i32;
    let file = File::options().write(true).custom_flags(nofollow).open(path)?;
    // Whoever reads it still, or has it by another name, has it whole.
    if file.metadata()?.nlink() > 1 || file.try_lock().is_err() {
        return Ok(());
    }
    let mut left = file.metadata()?.len();
    while left > FREED {
        left -= FREED;
        file.set_len(left)?;
        thread::sleep(REST_AFTER_FREEING);
    }
    Ok(())
}

/// [`remove_file`] for all in a folder, and the folder.
pub(super) fn remove_folder(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { remove_folder(&entry.path()) } else { remove_file(&entry.path()) }?;
    }
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_is_gone_and_what_others_have_stays_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = vec![3; 2 * FREED as usize + 5];
        let here = folder.path().join("here");
        fs::create_dir_all(here.join("deeper")).unwrap();
        for name in ["kept", "here/linked", "here/read", "here/deeper/alone"] {
            fs::write(folder.path().join(name), &bytes).unwrap();
        }
        fs::hard_link(here.join("linked"), folder.path().join("other name")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("kept"), here.join("pointer")).unwrap();
        let mut read = File::open(here.join("read")).unwrap();
        read.lock_shared().unwrap();
        remove_folder(&here).unwrap();
        assert!(!here.exists());
        let whole = |name: &str| fs::read(folder.path().join(name)).unwrap() == bytes;
        assert!(whole("kept") && whole("other name"));
        let mut rest = Vec::new();
        read.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), bytes.len());
    }

    #[test]
    fn what_is_done_aside_is_told_here_and_can_be_ended() {
        let mut heard = 0;
        let mut watch = |done: u64, _: u64, _: &str| {
            heard = done;
            Ok(())
        };
        assert_eq!(aside(&mut watch, |watch| watch(7, 9, "half").map(|()| 5)).unwrap(), 5);
        assert_eq!(heard, 7);
        let mut ends = |_: u64, _: u64, _: &str| Err::<(), _>(Error::unavailable("enough"));
        let endless = |watch: Watch<'_>| -> Result<()> {
            loop {
                watch(1, 2, "on and on")?;
                thread::sleep(Duration::from_millis(1));
            }
        };
        assert_eq!(aside(&mut ends, endless).unwrap_err().to_string(), "enough");
    }

    #[test]
    fn every_byte_arrives() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create(folder.path().join("a")).unwrap();
        let bytes = vec![3; 2 * PORTION as usize + 5];
        Paced::new(&file).write_all(&bytes).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), bytes);
    }
}
