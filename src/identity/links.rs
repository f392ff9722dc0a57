//! Links that work once: for the first administrator, and to choose a password.

use super::{Email, Identity, Password, sessions, sessions::Requester, users};
use crate::{
    access::ADMIN,
    actor::Actor,
    audit::Event,
    clock::Time,
    config::Signup,
    error::{Code, Error, Faults, Result},
    ids::Id,
    params,
    permit::{LimitClass, Public, Route},
    secrets::random_token,
    storage::{Reader, Tx},
    web::{Body, Valid, etag},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ETAG, LOCATION},
    web::Data,
};
use serde::Deserialize;
use std::time::Duration;

/// Of a link that an administrator hands out, or that is mailed for them.
pub(super) const LIFETIME: Duration = Duration::from_secs(24 * 3600);
const PRINTED: &str = "the set-up link is printed anew at each start";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Setup,
    Password,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Password => "password",
        }
    }
}

/// A new link: its token goes out, its fingerprint is kept.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub token: String,
    fingerprint: String,
}

pub(super) fn insert(
    tx: &Tx<'_>,
    link: &Link,
    purpose: Purpose,
    user: Option<Id>,
    now: Time,
    lifetime: Duration,
) -> Result<Time> {
    let expires_at = now.plus(lifetime);
    tx.execute(
        "INSERT INTO one_time_links (fingerprint, purpose, user_id, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![&link.fingerprint, purpose.as_str(), user, now, expires_at],
    )?;
    Ok(expires_at)
}

pub(super) fn remove_all(tx: &Tx<'_>, user: Id) -> Result<()> {
    tx.execute("DELETE FROM one_time_links WHERE user_id = ?1", params![user])?;
    Ok(())
}

pub(super) fn clean(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute("DELETE FROM one_time_links WHERE expires_at < ?1", params![now])
}

/// Whether the link is good, and whom it is for.
pub(super) fn find(reader: &Reader<'_>, purpose: Purpose, fingerprint: &str, now: Time) -> Result<Option<Id>> {
    let found = reader.query_one(
        "SELECT user_id FROM one_time_links WHERE fingerprint = ?1 AND purpose = ?2 AND expires_at > ?3",
        params![fingerprint, purpose.as_str(), now],
        |row| row.get::<Option<Id>>(0),
    )?;
    found.ok_or_else(|| Error::new(Code::InvalidCredentials, "This link was used, or has expired. Ask for a new one."))
}

impl Identity {
    pub(super) fn new_link(&self) -> Result<Link> {
        let token = random_token(32)?;
        let fingerprint = self.fingerprint("link", &token);
        Ok(Link { token, fingerprint })
    }

    /// The token of a fresh set-up link, while nobody administers this instance. Earlier ones stop working.
    pub async fn setup_token(&self) -> Result<Option<String>> {
        let link = self.new_link()?;
        let wanted = self.ledger.unrecorded(PRINTED, self.offer_set_up(link.clone())).await?;
        Ok(wanted.then_some(link.token))
    }

    /// [`Identity::setup_token`] for threads where blocking is fine.
    pub fn setup_token_blocking(&self) -> Result<Option<String>> {
        let link = self.new_link()?;
        let wanted = self.ledger.unrecorded_blocking(PRINTED, self.offer_set_up(link.clone()))?;
        Ok(wanted.then_some(link.token))
    }

    fn offer_set_up(&self, link: Link) -> impl FnMut(&Tx<'_>) -> Result<bool> + Send + 'static {
        let clock = self.clock().clone();
        move |tx| {
            tx.execute("DELETE FROM one_time_links WHERE purpose = 'setup'", &[])?;
            if users::has_admin(tx)? {
                return Ok(false);
            }
            insert(tx, &link, Purpose::Setup, None, clock.now(), LIFETIME).map(|_| true)
        }
    }

    async fn set_up(&self, body: Setup, requester: Requester) -> Result<users::User> {
        let fingerprint = self.fingerprint("link", &body.token);
        self.db().read(|reader| {
            ensure_not_set_up(reader)?;
            find(reader, Purpose::Setup, &fingerprint, self.clock().now())
        })?;
        let hashed = self.hash_new(&body.password, &body.email, body.name.as_deref(), &[ADMIN.to_owned()]).await?;
        let account = users::NewAccount {
            email: body.email,
            name: body.name,
            hashed: Some(hashed),
            roles: vec![ADMIN.to_owned()],
            status: users::Status::Active,
            kind: users::Kind::Person,
            data: serde_json::Map::new(),
        };
        let identity = self.clone();
        let actor = Actor::system("set-up").from_request(requester.ip, Some(requester.request_id));
        self.ledger
            .change(&actor, move |tx| {
                ensure_not_set_up(tx)?;
                let now = identity.clock().now();
                find(tx, Purpose::Setup, &fingerprint, now)?;
                tx.execute("DELETE FROM one_time_links WHERE purpose = 'setup'", &[])?;
                let user = users::insert(tx, &account, now)?;
                let event = Event::new("user.created", "user", user.id).after(&user);
                Ok((user, event))
            })
            .await
    }

    async fn sign_up(&self, body: SignUp, requester: Requester) -> Result<users::User> {
        let status = match self.signup() {
            Signup::Closed => {
                return Err(Error::forbidden("Nobody can make an account here; ask an administrator for one."));
            }
            Signup::Open => users::Status::Active,
            Signup::Approval => users::Status::Pending,
        };
        let hashed = self.hash_new(&body.password, &body.email, body.name.as_deref(), &[]).await?;
        let account = users::NewAccount {
            email: body.email,
            name: body.name,
            hashed: Some(hashed),
            roles: Vec::new(),
            status,
            kind: users::Kind::Person,
            data: serde_json::Map::new(),
        };
        let identity = self.clone();
        let actor = Actor::anonymous().from_request(requester.ip, Some(requester.request_id));
        self.ledger
            .change(&actor, move |tx| {
                let user = users::insert(tx, &account, identity.clock().now())?;
                let event = Event::new("user.signed_up", "user", user.id).after(&user);
                Ok((user, event))
            })
            .await
    }
}

fn ensure_not_set_up(reader: &Reader<'_>) -> Result<()> {
    if users::has_admin(reader)? {
        return Err(Error::conflict("This instance is set up already. Sign in instead."));
    }
    Ok(())
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/setup", "Make the first administrator", set_up)
            .gives::<users::UserView>(201)
            .open("There is nobody yet; the one-time link is the credential.")
            .refuses(&[Code::Unauthenticated])
            .limit(LimitClass::Login),
        Route::post("/auth/signup", "Make an account for oneself", sign_up)
            .gives::<users::UserView>(201)
            .open("Strangers make their account here, where the configuration lets them.")
            .refuses(&[Code::Forbidden])
            .limit(LimitClass::Login),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Setup {
    token: String,
    email: Email,
    password: Password,
    name: Option<String>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct SignUp {
    email: Email,
    password: Password,
    name: Option<String>,
}

impl Body for Setup {
    const VERBATIM: &'static [&'static str] = &["password"];

    fn check(&self, faults: &mut Faults) {
        users::check_name(self.name.as_deref(), faults);
    }
}

impl Body for SignUp {
    const VERBATIM: &'static [&'static str] = &["password"];

    fn check(&self, faults: &mut Faults) {
        users::check_name(self.name.as_deref(), faults);
    }
}

async fn set_up(
    public: Public,
    body: Valid<Setup>,
    request: HttpRequest,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let user = identity.set_up(body.0, sessions::requester(&public.caller, &request)).await?;
    created(&identity, user)
}

async fn sign_up(
    public: Public,
    body: Valid<SignUp>,
    request: HttpRequest,
    identity: Data<Identity>,
) -> Result<HttpResponse> {
    let user = identity.sign_up(body.0, sessions::requester(&public.caller, &request)).await?;
    created(&identity, user)
}

fn created(identity: &Identity, user: users::User) -> Result<HttpResponse> {
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/api/v1/users/{}", user.id)))
        .insert_header((ETAG, etag(user.version, 0)))
        .json(identity.view(user)?))
}
