//! Addresses that need no other credential: signed for one method, one file, one type and size, and five minutes.

use super::{
    Files,
    action::used,
    model::{File, Method, Presign, Upload},
    receive::too_large,
    store,
};
use crate::{
    audit::Event,
    clock::Time,
    error::{Error, Result},
    ids::Id,
    permit::{
        Action, Caller, Permit, SignedIn,
        rights::{CreateFiles, ReadFiles},
    },
    refusal::Check,
    secrets::{Key, Purpose},
    web::Deleted,
};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long an address is good.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// What is handed out.
#[derive(Debug, Serialize)]
pub(super) struct Presigned {
    pub url: String,
    pub method: Method,
    /// To be sent with it.
    pub headers: BTreeMap<&'static str, String>,
    pub expires_at: Time,
    pub file_id: Id,
}

/// What stands behind the question mark.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    expires: i64,
    /// The user in whose name it acts.
    user: Id,
    /// The API key that it was asked for with; it ends with it.
    api_key: Option<Id>,
    key: String,
    signature: String,
}

/// What a signature is for.
struct Grant<'a> {
    method: Method,
    file: Id,
    expires: i64,
    user: Id,
    api_key: Option<Id>,
    content_type: &'a str,
    size: u64,
}

impl Grant<'_> {
    fn sign(&self, key: &Key) -> hmac::Tag {
        let method = match self.method {
            Method::Get => "GET",
            Method::Put => "PUT",
        };
        let api_key = self.api_key.map(|id| id.to_string()).unwrap_or_default();
        let (file, user) = (self.file.to_string(), self.user.to_string());
        let (expires, size) = (self.expires.to_string(), self.size.to_string());
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.secret()));
        for part in ["file", method, &file, &expires, &user, &api_key, self.content_type, &size] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

pub(super) fn refused(why: &'static str) -> Error {
    Error::forbidden("This address is not good, or not any more. Ask for a new one.")
        .because(Check::Authentication, why)
}

impl Files {
    pub(super) async fn presign(&self, caller: &SignedIn, asked: Presign) -> Result<Presigned> {
        let (Method::Get, Some(id)) = (asked.method, asked.file_id) else {
            let permit = caller.permit::<CreateFiles>(None)?;
            let upload = self.agree(&permit, asked).await?;
            return Ok(self.address(caller, Method::Put, upload.id, &upload.content_type, upload.size));
        };
        let permit = caller.permit::<ReadFiles>(None)?;
        let sight = self.sight(&permit);
        let found = self.ledger.db().read(|reader| store::find(reader, &sight, id, Deleted::Without))?;
        let file = found.ok_or_else(Error::not_found)?;
        let event = Event::new("file.presigned", "file", id).after(&serde_json::json!({"method": "GET"}));
        self.ledger.change(&permit.actor(), move |_| Ok(((), event.clone()))).await?;
        Ok(self.address(caller, Method::Get, id, &file.content_type, file.size))
    }

    async fn agree(&self, permit: &Permit, asked: Presign) -> Result<Upload> {
        let (Some(name), Some(content_type), Some(size)) = (asked.name, asked.content_type, asked.size) else {
            return Err(Error::internal("a body that was not checked"));
        };
        super::upload::name(name.as_str()).map_err(|_| {
            Error::invalid_at("/name", "invalid_name", "Escapes in a name must not stand for what no name holds.")
        })?;
        self.ensure_taken(&content_type)?;
        if size > self.most() {
            return Err(too_large(self.most()));
        }
        let upload = Upload {
            id: Id::new(),
            name: name.as_str().to_owned(),
            content_type,
            size,
            entity_id: asked.entity_id,
            expires_at: self.ledger.clock().now().plus(LIFETIME),
        };
        let sight = self.sight(permit);
        self.ledger
            .change(&permit.actor(), move |tx| {
                if let Some(entity) = upload.entity_id {
                    sight.ties.ensure(tx, entity, "/entity_id")?;
                }
                store::insert_upload(tx, &upload)?;
                let told = serde_json::json!({
                    "method": "PUT", "name": upload.name, "content_type": upload.content_type, "size": upload.size,
                    "entity_id": upload.entity_id,
                });
                Ok((upload.clone(), Event::new("file.presigned", "file", upload.id).after(&told)))
            })
            .await
    }

    fn address(&self, caller: &SignedIn, method: Method, file: Id, content_type: &str, size: u64) -> Presigned {
        let expires_at = self.ledger.clock().now().plus(LIFETIME);
        let (user, api_key) = (caller.principal.user_id, caller.principal.key.as_ref().map(|key| key.id));
        let grant = Grant { method, file, expires: expires_at.millis(), user, api_key, content_type, size };
        let key = self.keyring.current(Purpose::Presign);
        let signature = URL_SAFE_NO_PAD.encode(grant.sign(&key));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("expires", &grant.expires.to_string()).append_pair("user", &user.to_string());
        if let Some(api_key) = api_key {
            query.append_pair("api_key", &api_key.to_string());
        }
        query.append_pair("key", &key.id).append_pair("signature", &signature);
        let mut headers = BTreeMap::new();
        if method == Method::Put {
            headers.insert("content-type", content_type.to_owned());
        }
        let url = format!("{}/api/v1/files/{file}/presigned?{}", self.identity.address(), query.finish());
        Presigned { url, method, headers, expires_at, file_id: file }
    }

    /// What was agreed on, when the address is good for bringing it.
    pub(super) fn agreed(&self, id: Id, signed: &Signed) -> Result<Upload> {
        let upload = self.ledger.db().read(|reader| store::upload(reader, id))?;
        let upload = upload.ok_or_else(used)?;
        self.verify(signed, Method::Put, id, &upload.content_type, upload.size)?;
        Ok(upload)
    }

    /// The file, when the address is good for fetching it, and whoever asked for it may still read it.
    pub(super) fn signed_file(&self, id: Id, signed: &Signed, permit: impl Fn() -> Result<Permit>) -> Result<File> {
        let file = self.ledger.db().read(|reader| store::any(reader, id))?;
        let Some(file) = file else { return Err(refused("The address is for a file that is not there.")) };
        self.verify(signed, Method::Get, id, &file.content_type, file.size)?;
        let sight = self.sight(&permit()?);
        let seen = self.ledger.db().read(|reader| store::is_seen(reader, &sight, id, Action::Read))?;
        if file.deleted_at.is_some() || !seen { Err(Error::not_found()) } else { Ok(file) }
    }

    fn verify(&self, signed: &Signed, method: Method, file: Id, content_type: &str, size: u64) -> Result<()> {
        let now = self.ledger.clock().now();
        let key = self.keyring.find(Purpose::Presign, &signed.key, now);
        let key = key.ok_or_else(|| refused("The key that it was signed with is not known, or not any more."))?;
        let Signed { expires, user, api_key, .. } = *signed;
        let tag = Grant { method, file, expires, user, api_key, content_type, size }.sign(&key);
        let given = URL_SAFE_NO_PAD.decode(&signed.signature).unwrap_or_default();
        aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_ref(), &given)
            .map_err(|_| refused("The signature is not the one of this method, file, type, size and time."))?;
        if now.millis() >= expires { Err(refused("Its five minutes are over.")) } else { Ok(()) }
    }

    /// Whoever asked for the address, as they are now: nobody who may not any more acts through it.
    pub(super) fn signer(&self, signed: &Signed, request: &Caller) -> Result<SignedIn> {
        let gone = || refused("Whoever asked for it, or the API key it was asked for with, is not active any more.");
        let principal = Arc::new(self.identity.acting(signed.user, signed.api_key)?.ok_or_else(gone)?);
        let caller = Caller { principal: Some(principal.clone()), ..request.clone() };
        Ok(SignedIn { caller, principal })
    }
}
