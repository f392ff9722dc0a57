//! The input of a command on the control socket: pieces with their length before them, an empty one last,
//! so that a caller who is gone is told from an input that has ended.

use std::io::{self, Read, Write};

const LARGEST: usize = 64 * 1024;

/// Reads the pieces as one input. An end without the empty piece is an error.
pub struct Frames<R> {
    inner: R,
    left: usize,
    ended: bool,
}

impl<R: Read> Frames<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, left: 0, ended: false }
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.ended {
            return Ok(0);
        }
        if self.left == 0 {
            let mut length = [0; 4];
            self.inner.read_exact(&mut length)?;
            self.left = u32::from_be_bytes(length) as usize;
            self.ended = self.left == 0;
            if self.ended {
                return Ok(0);
            }
        }
        let most = self.left.min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read;
        Ok(read)
    }
}

/// Sends all of `input` in pieces, and the empty one.
pub fn send_frames(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut piece = vec![0; LARGEST];
    loop {
        let read = match input.read(&mut piece) {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            outcome => outcome?,
        };
        output.write_all(&u32::try_from(read).map_err(io::Error::other)?.to_be_bytes())?;
        if read == 0 {
            return output.flush();
        }
        output.write_all(&piece[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives_and_a_cut_is_noticed() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
        let mut sent = Vec::new();
        send_frames(text.as_slice(), &mut sent).unwrap();
        let mut arrived = Vec::new();
        Frames::new(sent.as_slice()).read_to_end(&mut arrived).unwrap();
        assert_eq!(arrived, text);
        for cut in [0, 3, 4, 70_000, sent.len() - 4, sent.len() - 1] {
            let error = Frames::new(&sent[..cut]).read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{cut}");
        }
    }
}
