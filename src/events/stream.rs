//! The text of one stream (HTML Living Standard, 9.2): events, a heartbeat, `reset` where some were missed.

use super::{feed::Place, sight::Sight};
use crate::error::Result;
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often a silent stream shows that it lives, and looks whether it still may.
const BEAT: Duration = Duration::from_secs(5);

pub(super) struct Listener {
    pub place: Place,
    pub sight: Sight,
    /// The number of the last event that was told, or passed over.
    pub position: i64,
}

struct Telling {
    listener: Listener,
    beat: Interval,
    step: Step,
}

enum Step {
    Greet {
        reset: bool,
    },
    /// With a heartbeat when there is nothing to tell.
    Tell {
        beat: bool,
    },
    End,
}

impl Listener {
    /// `reset`: what the caller wants to go on from is not known, or too old.
    pub fn stream(self, reset: bool) -> impl Stream<Item = Result<Bytes>> {
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let telling = Telling { listener: self, beat, step: Step::Greet { reset } };
        stream::unfold(telling, |mut telling| async move {
            let next = telling.next().await?;
            Some((Ok(next), telling))
        })
    }

    /// Whether everything behind the position is still there.
    pub async fn may_go_on(&self) -> Result<bool> {
        self.place.behind(self.position).await.map(|events| events.is_some())
    }
}

impl Telling {
    /// The next piece; nothing when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.listener.place.signal.borrow_and_update().closed {
                return None;
            }
            // Nothing is sent to whoever may not listen any more, not even that they may not.
            let who = self.listener.sight.still().ok()?;
            let beat = match std::mem::replace(&mut self.step, Step::Tell { beat: false }) {
                Step::End => return None,
                Step::Greet { reset } => return Some(greeting(self.listener.position, reset)),
                Step::Tell { beat } => beat,
            };
            let Some(events) = self.listener.place.behind(self.listener.position).await.ok()? else {
                self.step = Step::End;
                return Some(reset(self.listener.place.end()));
            };
            if let Some(last) = events.last() {
                self.listener.position = last.seq;
                let heard = self.listener.sight.heard(&who, &events).ok()?;
                if !heard.is_empty() {
                    return Some(heard.into());
                }
                self.step = Step::Tell { beat };
                continue;
            }
            if beat {
                return Some(format!(": heartbeat\nid: {}\n\n", self.listener.position).into());
            }
            let beat = tokio::select! {
                changed = self.listener.place.signal.changed() => {
                    changed.ok()?;
                    false
                }
                _ = self.beat.tick() => true,
            };
            self.step = Step::Tell { beat };
        }
    }
}

/// The position goes along with what is no event too, so that whoever hears of little can still go on from it.
fn greeting(position: i64, begins_anew: bool) -> Bytes {
    let begun = format!(": listening\nretry: 2000\nid: {position}\n\n");
    if begins_anew { [begun.as_bytes(), &reset(position)].concat().into() } else { begun.into() }
}

fn reset(position: i64) -> Bytes {
    format!("event: reset\nid: {position}\ndata: {{\"reason\":\"missed\"}}\n\n").into()
}
