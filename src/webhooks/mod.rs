//! Webhooks: others hear of what is recorded, by signed calls. Deliveries are enqueued in the transaction of the change
//! that they tell of, tried three times and kept in a log.

mod action;
mod deliver;
mod deliveries;
mod filter;
mod list;
mod model;
mod pattern;
mod routes;
mod signature;
mod store;
mod subscriptions;

pub use model::{Delivery, NewWebhook, Rotation, State, Webhook, WebhookChange};
pub use pattern::Pattern;
pub use routes::routes;

use crate::{audit::Ledger, error::Result, outbound::Outbound, secrets::Keyring};
use std::{sync::Arc, time::Duration};
use subscriptions::Subscriptions;

/// A call is over well before its job's time is, so that the log says how it ended.
const LONGEST_CALL: Duration = Duration::from_secs(25);

/// The handle for everything about webhooks. Clones share it.
#[derive(Clone)]
pub struct Webhooks {
    ledger: Ledger,
    keyring: Keyring,
    outbound: Outbound,
    subscriptions: Arc<Subscriptions>,
}

impl Webhooks {
    /// Listens to the ledger from now on.
    pub fn open(ledger: Ledger, keyring: Keyring, outbound: &Outbound) -> Result<Self> {
        let subscriptions = Arc::new(Subscriptions::load(&ledger)?);
        ledger.tell(subscriptions.clone());
        Ok(Self { ledger, keyring, outbound: outbound.within(LONGEST_CALL), subscriptions })
    }
}
