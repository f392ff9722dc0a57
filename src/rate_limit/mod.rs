//! Rate limits by address and by caller: the generic cell rate algorithm (GCRA) over keys in bounded memory.

mod keyed;
mod limiter;
mod verdict;

pub use limiter::RateLimiter;
pub use verdict::{Verdict, Verdicts};
