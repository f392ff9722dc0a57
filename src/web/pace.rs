//! Bodies that come too slowly: one that stalls, or drips below the least rate, is given up.

use crate::error::{Code, Error, Result};
use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The longest pause between two pieces.
const PAUSE: Duration = Duration::from_secs(8);
/// The least rate, in bytes a second, once the first seconds are over.
const LEAST_RATE: u128 = 1024;
const FIRST_SECONDS: Duration = Duration::from_secs(10);

/// Watches one body arrive.
pub struct Pace {
    started: Instant,
    received: u128,
}

impl Pace {
    pub fn start() -> Self {
        Self { started: Instant::now(), received: 0 }
    }

    /// Waits for the next piece, not for ever.
    pub async fn within<T>(&self, next: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(PAUSE, next).await.map_err(|_| too_slow())
    }

    /// Counts a piece; refuses what drips.
    pub fn received(&mut self, bytes: usize) -> Result<()> {
        self.received += bytes as u128;
        let took = self.started.elapsed();
        if took > FIRST_SECONDS && self.received * 1000 < took.as_millis() * LEAST_RATE {
            return Err(too_slow());
        }
        Ok(())
    }
}

fn too_slow() -> Error {
    Error::new(Code::RequestTimeout, "The body came too slowly and was given up. Nothing was changed.")
}
