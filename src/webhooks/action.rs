//! What is done to webhooks: made, changed, rotated, removed, tried out, and deliveries sent again.

use super::{
    Webhooks,
    deliveries::{self, Outgoing},
    model::{Delivery, NewWebhook, Rotation, Webhook, WebhookChange, patterns},
    signature::Secret,
    store,
    subscriptions::{TEST, test_body},
};
use crate::{
    audit::{Event, Ledger},
    clock::Time,
    error::{Error, Result},
    ids::Id,
    outbound::Target,
    permit::Permit,
    secrets::Purpose,
    storage::Tx,
    web::Precondition,
};

/// Webhooks of one instance, at most: each that hears of a change is written to in it.
const MOST: i64 = 50;
/// Deliveries that wait when a further one is asked for by hand, at most.
const MOST_BY_HAND: i64 = 20_000;

impl Webhooks {
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Makes a webhook; the secret is answered this once.
    pub async fn create(&self, permit: &Permit, new: NewWebhook) -> Result<(Webhook, String)> {
        let (id, secret) = (Id::new(), Secret::new()?);
        let (url, sealed) = (self.target(&new.url).await?, self.seal(id, &secret)?);
        let (webhooks, user) = (self.clone(), permit.user_id());
        let hook = self
            .ledger
            .change(&permit.actor(), move |tx| {
                let now = webhooks.ledger.clock().now();
                if store::count(tx)? >= MOST {
                    return Err(Error::conflict(format!(
                        "There are {MOST} webhooks already. Remove one that is not used."
                    )));
                }
                let hook = Webhook {
                    id,
                    name: new.name.trim().to_owned(),
                    url: url.clone(),
                    events: patterns(&new.events),
                    filter: new.filter.clone().unwrap_or_default(),
                    active: new.active.unwrap_or(true),
                    pending: 0,
                    skipped: 0,
                    failures: 0,
                    failing_since: None,
                    disabled_reason: None,
                    overlap_ends_at: None,
                    last_delivered_at: None,
                    created_at: now,
                    created_by: user,
                    updated_at: now,
                    version: 1,
                };
                store::insert(tx, &hook, &sealed)?;
                webhooks.subscriptions.refresh(tx)?;
                let event = Event::new("webhook.created", "webhook", id).after(&hook.audited());
                Ok((hook, event))
            })
            .await?;
        Ok((hook, secret.shown()))
    }

    pub(super) async fn change(
        &self,
        permit: &Permit,
        id: Id,
        change: WebhookChange,
        precondition: Precondition,
    ) -> Result<Webhook> {
        let url = match &change.url {
            Some(url) => Some(self.target(url).await?),
            None => None,
        };
        let webhooks = self.clone();
        self.ledger
            .change(&permit.actor(), move |tx| {
                let before = existing(tx, id)?;
                precondition.check_version(before.version)?;
                let mut after = before.clone();
                if let Some(name) = &change.name {
                    name.trim().clone_into(&mut after.name);
                }
                if let Some(url) = &url {
                    after.url.clone_from(url);
                }
                if let Some(events) = &change.events {
                    after.events = patterns(events);
                }
                if let Some(filter) = &change.filter {
                    after.filter.clone_from(filter);
                }
                if let Some(active) = change.active {
                    after.active = active;
                    if active && !before.active {
                        after.start_anew();
                    }
                }
                after.touch(&before, webhooks.ledger.clock().now());
                store::update(tx, &after)?;
                webhooks.subscriptions.refresh(tx)?;
                let event = Event::new("webhook.updated", "webhook", id).changed(&before.audited(), &after.audited());
                Ok((after, event))
            })
            .await
    }

    /// A new secret. Deliveries carry both signatures until the overlap ends.
    pub(super) async fn rotate(&self, permit: &Permit, id: Id, rotation: Rotation) -> Result<(Webhook, String)> {
        let secret = Secret::new()?;
        let (webhooks, sealed) = (self.clone(), self.seal(id, &secret)?);
        let hook = self
            .ledger
            .change(&permit.actor(), move |tx| {
                let before = existing(tx, id)?;
                let now = webhooks.ledger.clock().now();
                let mut after = before.clone();
                after.overlap_ends_at = Some(now.plus(rotation.overlap()));
                after.touch(&before, now);
                store::rotate(tx, id, &sealed)?;
                store::update(tx, &after)?;
                store::forget_old_secrets(tx, now)?;
                let event = Event::new("webhook.rotated", "webhook", id).changed(&before.audited(), &after.audited());
                Ok((after, event))
            })
            .await?;
        Ok((hook, secret.shown()))
    }

    /// What waits to be sent goes with it.
    pub(super) async fn remove(&self, permit: &Permit, id: Id, precondition: Precondition) -> Result<()> {
        let webhooks = self.clone();
        self.ledger
            .change(&permit.actor(), move |tx| {
                let hook = existing(tx, id)?;
                precondition.check_version(hook.version)?;
                store::delete(tx, id)?;
                webhooks.subscriptions.refresh(tx)?;
                Ok(((), Event::new("webhook.deleted", "webhook", id).before(&hook.audited())))
            })
            .await
    }

    /// Sends something harmless, also where the webhook is switched off.
    pub(super) async fn test(&self, permit: &Permit, id: Id) -> Result<Delivery> {
        let (webhooks, actor) = (self.clone(), permit.actor());
        self.ledger
            .change(&permit.actor(), move |tx| {
                let (hook, now) = (existing(tx, id)?, webhooks.ledger.clock().now());
                let message_id = Id::new();
                let body = test_body(message_id, hook.id, now, &actor)?;
                let message = Outgoing { webhook_id: id, message_id, replay_of: None, action: TEST, body: &body };
                let delivery = by_hand(tx, &message, now)?;
                Ok((delivery, Event::new("webhook.tested", "webhook", id)))
            })
            .await
    }

    /// Sends the same once more, with the same message id.
    pub(super) async fn replay(&self, permit: &Permit, id: Id, delivery: Id) -> Result<Delivery> {
        let webhooks = self.clone();
        self.ledger
            .change(&permit.actor(), move |tx| {
                let (hook, now) = (existing(tx, id)?, webhooks.ledger.clock().now());
                let old = deliveries::find(tx, delivery)?.filter(|old| old.webhook_id == id);
                let old = old.ok_or_else(Error::not_found)?;
                if !hook.active && old.action != TEST {
                    return Err(Error::conflict("The webhook is switched off. Switch it on, then send this again."));
                }
                let message = Outgoing {
                    webhook_id: id,
                    message_id: old.message_id,
                    replay_of: Some(old.id),
                    action: &old.action,
                    body: old.body.get(),
                };
                let again = by_hand(tx, &message, now)?;
                Ok((
                    again,
                    Event::new("webhook.replayed", "webhook", id).after(&serde_json::json!({ "delivery": delivery })),
                ))
            })
            .await
    }

    /// The URL in its one form, when it may be called as far as can be told now.
    async fn target(&self, url: &str) -> Result<String> {
        let refused = |code: &'static str| move |why| Error::invalid_at("/url", code, format!("{why}"));
        let target = Target::parse(url).map_err(refused("invalid"))?;
        self.outbound.check(&target).await.map_err(refused("address_refused"))?;
        Ok(target.as_str().to_owned())
    }

    fn seal(&self, id: Id, secret: &Secret) -> Result<String> {
        self.keyring.seal(Purpose::Webhooks, &owner(id), secret.bytes())
    }

    /// What to sign with now.
    pub(super) fn secrets(&self, hook: &Webhook, sealed: &store::Sealed, now: Time) -> Result<Vec<Secret>> {
        let open =
            |text: &str| self.keyring.unseal(Purpose::Webhooks, &owner(hook.id), text, now).map(Secret::from_bytes);
        let mut secrets = vec![open(&sealed.current)?];
        let overlaps = hook.overlap_ends_at.is_some_and(|end| now < end);
        if let Some(old) = sealed.old.as_deref().filter(|_| overlaps) {
            secrets.push(open(old)?);
        }
        Ok(secrets)
    }
}

impl Webhook {
    fn touch(&mut self, before: &Self, now: Time) {
        self.version = before.version + 1;
        self.updated_at = now;
    }

    fn start_anew(&mut self) {
        (self.failures, self.skipped, self.failing_since, self.disabled_reason) = (0, 0, None, None);
    }
}

/// What a sealed secret is bound to.
fn owner(id: Id) -> String {
    format!("webhook:{id}")
}

fn existing(tx: &Tx<'_>, id: Id) -> Result<Webhook> {
    store::find(tx, id)?.ok_or_else(Error::not_found)
}

fn by_hand(tx: &Tx<'_>, message: &Outgoing<'_>, now: Time) -> Result<Delivery> {
    if !store::admit(tx, message.webhook_id, MOST_BY_HAND)? {
        return Err(Error::conflict("Too many deliveries of this webhook wait already."));
    }
    let id = deliveries::enqueue(tx, message, now)?;
    deliveries::find(tx, id)?.ok_or_else(Error::not_found)
}
