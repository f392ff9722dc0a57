//! The job that sends a delivery, and the one that clears up.

use super::{
    Webhooks,
    deliveries::{self, Attempt, JOB, Send},
    model::{Delivery, State, Webhook},
    signature::signatures,
    store,
    subscriptions::TEST,
};
use crate::{
    actor::Actor,
    audit::{Event, Outcome},
    clock::Time,
    error::{Error, Result},
    ids::Id,
    jobs::{Context, Engine},
    outbound::{Answer, Failure, Target},
    storage::Tx,
};
use bytes::Bytes;
use std::time::Duration;

/// Sent at the same time, at most, apart from other work.
const AT_ONCE: usize = 8;
const CLEAN_UP: &str = "webhooks.clean_up";
const HOUR: Duration = Duration::from_secs(3600);
/// Characters of an answer that the log keeps.
const ANSWER_CHARS: usize = 500;
/// A webhook is switched off once so many deliveries in a row were given up, and the first of them so long ago.
const FAILURES: i64 = 10;
const FAILING: Duration = Duration::from_secs(24 * 3600);
/// "410 Gone": whoever was called wants no more.
const GONE: u16 = 410;

const SWITCHED_OFF: &str = "The webhook was switched off before this was sent.";

impl Webhooks {
    /// Registers the jobs with `engine`.
    pub fn keep_house(&self, engine: &mut Engine) {
        let webhooks = self.clone();
        engine.register(JOB, move |send: Send, context| {
            let webhooks = webhooks.clone();
            async move { webhooks.deliver(send.delivery_id, context).await }
        });
        engine.set_apart(JOB, AT_ONCE);
        let webhooks = self.clone();
        engine.register_blocking(CLEAN_UP, move |(), _| webhooks.clean_up());
        engine.schedule(CLEAN_UP, HOUR);
    }

    async fn deliver(&self, id: Id, context: Context) -> Result<()> {
        let found = self.ledger().db().read(|reader| {
            let Some(delivery) = deliveries::find(reader, id)?.filter(|found| found.state == State::Waiting) else {
                return Ok(None);
            };
            let hook = store::find(reader, delivery.webhook_id)?.zip(store::sealed(reader, delivery.webhook_id)?);
            Ok(hook.map(|(hook, sealed)| (delivery, hook, sealed)))
        })?;
        // Sent already, or its webhook is no more.
        let Some((delivery, hook, sealed)) = found else { return Ok(()) };
        let mut attempt = Attempt {
            number: context.attempt,
            status: None,
            took: Duration::ZERO,
            answer: None,
            error: None,
            state: State::Failed,
        };
        if !hook.active && delivery.action != TEST {
            attempt.error = Some(SWITCHED_OFF.to_owned());
            attempt.number -= 1;
            return self.conclude(&delivery, attempt, Ended::Dropped).await;
        }
        let begun = std::time::Instant::now();
        let outcome = self.send(&delivery, &hook, &sealed).await;
        attempt.took = begun.elapsed();
        if let Ok(answer) = &outcome {
            attempt.status = Some(answer.status);
            attempt.answer = Some(beginning(&answer.body));
        }
        let error = match &outcome {
            Ok(answer) => unwelcome(answer.status),
            Err(failure) => Some(failure.to_string()),
        };
        let gone = attempt.status == Some(GONE);
        attempt.state = match &error {
            None => State::Delivered,
            Some(_) if context.is_last || gone => State::Failed,
            Some(_) => State::Waiting,
        };
        let ended = match attempt.state {
            State::Delivered => Ended::Delivered,
            State::Failed => Ended::GivenUp { gone },
            State::Waiting => Ended::ToBeTriedAgain,
        };
        attempt.error.clone_from(&error);
        self.conclude(&delivery, attempt, ended).await?;
        match error {
            Some(error) if !gone => Err(Error::unavailable(error)),
            _ => Ok(()),
        }
    }

    async fn send(&self, delivery: &Delivery, hook: &Webhook, sealed: &store::Sealed) -> Result<Answer, Failure> {
        let now = self.ledger().clock().now();
        let secrets = self.secrets(hook, sealed, now).map_err(|error| {
            tracing::error!(webhook = %hook.id, ?error, "the secret of a webhook does not open");
            Failure::Broken
        })?;
        let target = Target::parse(&hook.url)?;
        let (body, timestamp, id) = (delivery.body.get(), now.millis() / 1000, delivery.message_id.to_string());
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("webhook-signature", signatures(&secrets, &id, timestamp, body)),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-id", id),
        ];
        self.outbound.post(&target, &headers, Bytes::copy_from_slice(body.as_bytes())).await
    }

    /// Notes how it ended, and switches a webhook off that nobody answers any more.
    async fn conclude(&self, delivery: &Delivery, attempt: Attempt, ended: Ended) -> Result<()> {
        let (webhooks, id, hook) = (self.clone(), delivery.id, delivery.webhook_id);
        self.ledger()
            .change(&Actor::system("webhook delivery"), move |tx| {
                let now = webhooks.ledger().clock().now();
                if !deliveries::note(tx, id, &attempt, now)? {
                    return Ok(((), None));
                }
                let event = match ended {
                    Ended::ToBeTriedAgain => None,
                    Ended::Delivered => store::delivered(tx, hook, now).map(|()| None)?,
                    Ended::Dropped => store::dropped(tx, hook).map(|()| None)?,
                    Ended::GivenUp { gone } => {
                        store::given_up(tx, hook, now)?;
                        webhooks.switch_off_if_due(tx, hook, now, gone)?
                    }
                };
                Ok(((), event))
            })
            .await
    }

    fn switch_off_if_due(&self, tx: &Tx<'_>, id: Id, now: Time, gone: bool) -> Result<Option<Event>> {
        let Some(before) = store::find(tx, id)?.filter(|hook| hook.active) else { return Ok(None) };
        let failing = before.failing_since.is_some_and(|since| now.since(since) >= FAILING);
        let reason = if gone {
            "It answered 410 Gone: whoever was called wants no more.".to_owned()
        } else if before.failures >= FAILURES && failing {
            format!("{} deliveries in a row failed, for more than a day.", before.failures)
        } else {
            return Ok(None);
        };
        let mut after = before.clone();
        (after.active, after.version, after.updated_at) = (false, before.version + 1, now);
        after.disabled_reason = Some(reason.clone());
        store::update(tx, &after)?;
        self.subscriptions.refresh(tx)?;
        tracing::warn!(webhook = %id, reason, "a webhook was switched off");
        let event = Event::new("webhook.disabled", "webhook", id).outcome(Outcome::Failed);
        Ok(Some(event.after(&serde_json::json!({ "active": false, "reason": reason, "version": after.version }))))
    }

    fn clean_up(&self) -> Result<()> {
        let (ledger, now) = (self.ledger(), self.ledger().clock().now());
        for (id, hook) in ledger.db().read(deliveries::stranded)? {
            let error = Some("The process ended while this was sent for the last time.".to_owned());
            let attempt =
                Attempt { number: 3, status: None, took: Duration::ZERO, answer: None, error, state: State::Failed };
            ledger.unrecorded_blocking("deliveries whose last attempt was lost are given up", move |tx| {
                if deliveries::note(tx, id, &attempt, now)? {
                    store::dropped(tx, hook)?;
                }
                Ok(())
            })?;
        }
        let reason = "old deliveries and replaced secrets are removed";
        ledger.unrecorded_blocking(reason, move |tx| store::forget_old_secrets(tx, now))?;
        while ledger.unrecorded_blocking(reason, move |tx| deliveries::remove_old(tx, now))? {}
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Ended {
    Delivered,
    ToBeTriedAgain,
    GivenUp {
        gone: bool,
    },
    /// Not sent at all.
    Dropped,
}

/// What is wrong with a status, in words.
fn unwelcome(status: u16) -> Option<String> {
    match status {
        200..=299 => None,
        300..=399 => Some(format!("It answered with a redirect ({status}), which is not followed.")),
        GONE => Some("It answered 410 Gone, so the webhook was switched off.".to_owned()),
        status => Some(format!("It answered {status}.")),
    }
}

/// The first characters of an answer, fit to be shown.
fn beginning(body: &[u8]) -> String {
    let shown = |letter: char| if letter.is_control() && letter != '\n' { '\u{fffd}' } else { letter };
    String::from_utf8_lossy(&body[..body.len().min(ANSWER_CHARS * 4)]).chars().take(ANSWER_CHARS).map(shown).collect()
}
