//! Automatic certificates (RFC 8555): asked for by HTTP-01, kept in the data folder, renewed in time.

use super::{
    Holder,
    authority::Authority,
    kept::{Issued, Kept},
    redirect::Challenges,
};
use crate::{
    actor::Actor,
    audit::{Event, Ledger},
    config,
    error::{Error, Result},
    outbound::Outbound,
    server::App,
};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, LetsEncrypt, NewAccount, NewOrder, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls::sign::CertifiedKey;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Before it is tried again; doubled with each failure.
const FIRST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3600);
/// So often it is begun anew at once when the authority keeps refusing a nonce, which it may at any time (RFC 8555,
/// section 6.5).
const AT_ONCE: u32 = 4;
/// A longer sleep would miss that the machine slept, too.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

pub(super) struct Acme {
    settings: config::Tls,
    kept: Kept,
    outbound: Outbound,
    ledger: Ledger,
    challenges: Challenges,
}

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Acme {
    pub fn open(app: &App, challenges: Challenges) -> Result<Self> {
        let settings = app.config.load().tls.clone();
        let kept = Kept::open(app.folder.join("acme")).map_err(Error::internal)?;
        Ok(Self { settings, kept, outbound: app.outbound.clone(), ledger: app.ledger.clone(), challenges })
    }

    /// The certificate that is kept, else one that nobody vouches for, until there is another.
    pub fn first(&self) -> Result<CertifiedKey> {
        if let Some(kept) = self.good() {
            return Ok(kept.certified);
        }
        let made = rcgen::generate_simple_self_signed(self.names()).map_err(Error::internal)?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        config::read_certificate(chain.as_bytes(), key.as_bytes()).map_err(Error::internal)
    }

    fn names(&self) -> Vec<String> {
        self.settings.acme_domains.iter().map(ToString::to_string).collect()
    }

    fn good(&self) -> Option<Issued> {
        self.kept.certificate().filter(|kept| kept.covers(&self.settings.acme_domains))
    }

    /// Gets a certificate where there is none, and a new one in time.
    pub async fn keep(self: Box<Self>, holder: Arc<Holder>) {
        let mut wait = FIRST_WAIT;
        loop {
            let due = self.good().map_or(SystemTime::UNIX_EPOCH, |kept| kept.renew_at());
            if let Ok(left) = due.duration_since(SystemTime::now()).map(|left| left.min(LONGEST_SLEEP))
                && !left.is_zero()
            {
                tokio::time::sleep(left).await;
                continue;
            }
            match self.obtain().await {
                Ok(issued) => {
                    holder.exchange(issued.certified);
                    wait = FIRST_WAIT;
                    let names = self.names().join(",");
                    tracing::info!(names, "the authority issued a certificate");
                    let event = Event::new("certificate.issued", "certificate", names);
                    self.ledger.note(&Actor::system("automatic certificates"), event);
                }
                Err(why) => {
                    tracing::error!(%why, again_in_s = wait.as_secs(), "no certificate from the authority");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            self.challenges.clear();
        }
    }

    async fn obtain(&self) -> Outcome<Issued> {
        for _ in 0..AT_ONCE {
            match self.order().await {
                Err(why) if is_bad_nonce(&*why) => {}
                outcome => return outcome,
            }
        }
        self.order().await
    }

    async fn order(&self) -> Outcome<Issued> {
        let account = self.account().await?;
        let names: Vec<_> = self.names().into_iter().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeType::Http01);
            let mut challenge = challenge.ok_or("the authority does not offer HTTP-01")?;
            self.challenges.set(challenge.token.clone(), challenge.key_authorization().as_str().to_owned());
            challenge.set_ready().await?;
        }
        let status = order.poll_ready(&RetryPolicy::default()).await?;
        if status != OrderStatus::Ready {
            return Err(format!("the authority could not reach these names here on port 80 (order {status:?})").into());
        }
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(self.names())?;
        params.distinguished_name = DistinguishedName::new();
        order.finalize_csr(params.serialize_request(&key)?.der()).await?;
        let chain = order.poll_certificate(&RetryPolicy::default()).await?;
        let pem = format!("{}{chain}", key.serialize_pem());
        let issued = Issued::read(pem.as_bytes()).filter(|issued| issued.covers(&self.settings.acme_domains));
        let issued = issued.ok_or("what the authority issued is no certificate for these names and this key")?;
        self.kept.keep_certificate(&pem)?;
        Ok(issued)
    }

    /// The account with this authority, made at the first need.
    async fn account(&self) -> Outcome<Account> {
        let directory = self.settings.acme_directory.as_deref().unwrap_or(LetsEncrypt::Production.url());
        let builder = Account::builder_with_http(Box::new(Authority(self.outbound.clone())));
        if let Some(kept) = self.kept.account().filter(|kept| kept["directory"] == directory) {
            return Ok(builder.from_credentials(serde_json::from_value(kept)?).await?);
        }
        let contact = self.settings.acme_email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder.create(&wanted, directory.to_owned(), None).await?;
        let mut kept = serde_json::to_value(&credentials)?;
        kept["directory"] = directory.into();
        self.kept.keep_account(&kept)?;
        Ok(account)
    }
}

fn is_bad_nonce(why: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let Some(instant_acme::Error::Api(problem)) = why.downcast_ref() else { return false };
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:badNonce")
}
