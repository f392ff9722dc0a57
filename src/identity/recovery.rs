//! A forgotten password: asked for by anybody, mailed to its owner, chosen anew with the link. And the first link of
//! an account that was just made. The token is made where the mail is, so that it stands in no job.

use super::{
    Email, Identity, Password,
    links::{self, Purpose},
    lockout, sessions,
    sessions::Requester,
    users,
};
use crate::{
    actor::Actor,
    audit::{Event, Outcome},
    clock::Time,
    error::{Code, Error, Faults, Result},
    ids::Id,
    jobs::{self, Engine},
    mail::{Letter, Template},
    params,
    permit::{LimitClass, Public, Route},
    storage::Tx,
    web::{Body, Valid},
};
use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{net::IpAddr, sync::Arc, time::Duration};

const KIND: &str = "identity.mail_link";
const HOUR: Duration = Duration::from_secs(3600);
/// A link that was asked for by whoever says they forgot their password.
const RESET_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// Mails with a link that an address gets in an hour, at most.
const REQUESTS: i64 = 3;
const ADDRESS_CHARS: usize = 320;

/// Who is to get a link.
#[derive(Serialize, Deserialize)]
enum Wanted {
    /// Whoever has this address, if anybody does.
    Forgotten { email: String, ip: Option<IpAddr>, request_id: Arc<str> },
    /// Somebody whose account was just made.
    Invited { user: Id },
}

impl Identity {
    /// Registers the mailing of links with `engine`.
    pub fn mail_links(&self, engine: &mut Engine) {
        let identity = self.clone();
        engine.register(KIND, move |sealed, context| {
            let identity = identity.clone();
            async move { identity.mail_link(identity.mailer.unseal(KIND, &sealed)?, context.id).await }
        });
    }

    /// Writes the same for every address, whether somebody has it or not; who it is for is seen later.
    async fn forget_password(&self, email: String, requester: Requester) -> Result<()> {
        if !self.mailer.is_configured() {
            return Ok(());
        }
        let account = self.account_key(&email);
        let wanted = Wanted::Forgotten { email, ip: requester.ip, request_id: requester.request_id };
        let sealed = self.mailer.seal(KIND, &wanted)?;
        let now = self.clock().now();
        self.ledger
            .unrecorded("a link is asked for, and recorded once it is made", move |tx| {
                if count_request(tx, &account, now)? <= REQUESTS {
                    jobs::enqueue(tx, KIND, &sealed, now)?;
                }
                Ok(())
            })
            .await
    }

    /// Mails a link to somebody who was just given an account without a password.
    pub(super) fn invite(&self, tx: &Tx<'_>, user: &users::User, now: Time) -> Result<()> {
        if self.mailer.is_configured() && user.may_sign_in() {
            jobs::enqueue(tx, KIND, &self.mailer.seal(KIND, &Wanted::Invited { user: user.id })?, now)?;
        }
        Ok(())
    }

    async fn mail_link(&self, wanted: Wanted, job: Id) -> Result<()> {
        let (template, action, lifetime, spoken) = match &wanted {
            Wanted::Forgotten { .. } => {
                (Template::PasswordReset, "user.password_reset_requested", RESET_LIFETIME, "30 minutes")
            }
            Wanted::Invited { .. } => (Template::Invitation, "user.invited", links::LIFETIME, "a day"),
        };
        let account = self.db().read(|reader| match &wanted {
            Wanted::Forgotten { email, .. } => users::account(reader, &Email::key_of(email)),
            Wanted::Invited { user } => {
                Ok(users::account_of(reader, *user)?.filter(|account| account.password.is_none()))
            }
        })?;
        let Some(user) = account.map(|account| account.user).filter(users::User::may_sign_in) else {
            return Ok(());
        };
        let actor = match wanted {
            Wanted::Forgotten { ip, request_id, .. } => Actor::anonymous().from_request(ip, Some(request_id)),
            Wanted::Invited { .. } => Actor::system("invitation"),
        };
        let (link, identity, id) = (self.new_link()?, self.clone(), user.id);
        let url = self.set_password_url(&link.token);
        self.ledger
            .change(&actor, move |tx| {
                links::insert(tx, &link, Purpose::Password, Some(id), identity.clock().now(), lifetime)?;
                Ok(((), Event::new(action, "user", id)))
            })
            .await?;
        let letter = self.letter(template, &user.email).with("link", url).with("lifetime", spoken);
        self.mailer.send(&letter, job).await
    }

    /// A letter to one's own address.
    pub(super) fn letter(&self, template: Template, email: &str) -> Letter {
        Letter::new(template, email).with("email", email).with("site", self.address())
    }

    /// Says that something happened to an account, to whoever has its address.
    pub(super) fn notify(&self, tx: &Tx<'_>, letter: Letter) -> Result<()> {
        let now = self.clock().now();
        self.mailer.enqueue(tx, &letter.with("at", spoken(now)), now)
    }

    /// Says that the password is another one now.
    pub(super) fn notify_of_password(&self, tx: &Tx<'_>, email: &str, sessions: &str) -> Result<()> {
        self.notify(tx, self.letter(Template::PasswordChanged, email).with("sessions", sessions))
    }

    /// Sends a letter that says nothing but that mail works; what went wrong is an answer as well.
    pub async fn test_mail(&self, actor: &Actor, to: &Email) -> Result<Option<String>> {
        let sent = self.mailer.send(&self.letter(Template::Test, to.as_str()), Id::new()).await;
        let failure = sent.err().map(|error| error.to_string());
        let outcome = if failure.is_none() { Outcome::Success } else { Outcome::Failed };
        let what = json!({ "to": to, "sent": failure.is_none() });
        let event = Event::bare("mail.tested").outcome(outcome).after(&what);
        self.ledger.change(actor, move |_| Ok(((), event.clone()))).await?;
        Ok(failure)
    }

    async fn reset_password(&self, body: Reset, requester: Requester) -> Result<()> {
        let fingerprint = self.fingerprint("link", &body.token);
        let gone = || Error::new(Code::InvalidCredentials, "This link was used, or has expired. Ask for a new one.");
        let now = self.clock().now();
        let user = self.db().read(|reader| match links::find(reader, Purpose::Password, &fingerprint, now)? {
            Some(id) => Ok(users::account_of(reader, id)?.map(|account| account.user)),
            None => Ok(None),
        })?;
        let user = user.ok_or_else(gone)?;
        let email: Email = user.email.parse().map_err(Error::internal)?;
        let password = &body.new_password;
        let hashed = self.hash_at("/new_password", password, &email, user.name.as_deref(), &user.roles).await?;
        let (identity, actor) = (self.clone(), requester.actor(&user));
        self.ledger
            .change(&actor, move |tx| {
                let now = identity.clock().now();
                let id = links::find(tx, Purpose::Password, &fingerprint, now)?.ok_or_else(gone)?;
                links::remove_all(tx, id)?;
                users::set_password(tx, id, &hashed)?;
                sessions::end_all(tx, id, None, now)?;
                lockout::unlock(tx, &identity.account_key(&user.email))?;
                identity.notify_of_password(tx, &user.email, "All sessions have ended.")?;
                identity.forget_principal(tx, id)?;
                Ok(((), Event::new("user.password_reset", "user", id)))
            })
            .await
    }
}

/// `2026-01-31 12:00 UTC`
pub(super) fn spoken(time: Time) -> String {
    let text = time.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// Counts a request for this account, and says how many there were in the hour.
fn count_request(tx: &Tx<'_>, account: &str, now: Time) -> Result<i64> {
    let counted = tx.query_one(
        "INSERT INTO password_requests (account, requests, since) VALUES (?1, 1, ?2)
         ON CONFLICT (account) DO UPDATE
         SET requests = CASE WHEN password_requests.since > ?3 THEN password_requests.requests + 1 ELSE 1 END,
             since = CASE WHEN password_requests.since > ?3 THEN password_requests.since ELSE ?2 END
         RETURNING requests",
        params![account, now, now.minus(HOUR)],
        |row| row.get(0),
    )?;
    Ok(counted.unwrap_or(1))
}

/// Forgets requests that no longer count.
pub(super) fn clean(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute("DELETE FROM password_requests WHERE since <= ?1", params![now.minus(HOUR)])
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/auth/password/forgot", "Ask for a link to choose a new password", forgot)
            .ends(202)
            .open("Whoever forgot their password cannot sign in.")
            .limit(LimitClass::Login),
        Route::post("/auth/password/reset", "Choose a new password by a one-time link", reset)
            .ends(204)
            .open("The one-time link is the credential.")
            .refuses(&[Code::Unauthenticated])
            .limit(LimitClass::Login),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Forgot {
    email: String,
}

impl Body for Forgot {
    fn check(&self, faults: &mut Faults) {
        if self.email.chars().count() > ADDRESS_CHARS {
            faults.push("/email", "too_long", format!("An address has at most {ADDRESS_CHARS} characters."));
        }
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Reset {
    token: String,
    #[serde(alias = "password")]
    new_password: Password,
}

impl Body for Reset {
    const VERBATIM: &'static [&'static str] = &["new_password", "password"];
}

/// Answers alike whoever asks. Without mail, an administrator hands out the link.
async fn forgot(
    public: Public,
    body: Valid<Forgot>,
    request: HttpRequest,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    identity.forget_password(body.0.email, sessions::requester(&public.caller, &request)).await?;
    Ok(HttpResponse::Accepted().finish())
}

async fn reset(
    public: Public,
    body: Valid<Reset>,
    request: HttpRequest,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    identity.reset_password(body.0, sessions::requester(&public.caller, &request)).await?;
    Ok(HttpResponse::NoContent().finish())
}
