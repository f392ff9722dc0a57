//! Roles, the catalogue of permissions and the matrix over HTTP.

use super::{
    action::{self, NewRole, RoleChange},
    matrix::{self, FieldCatalogue, KeyCatalogue, Matrix},
    role::Role,
    snapshot::Roles,
};
use crate::{
    audit::Ledger,
    error::{Error, Result},
    permit::{
        Allowed, Route, is_name,
        rights::{CreateRoles, DeleteRoles, ReadApiKeys, ReadRoles, UpdateRoles},
    },
    web::{At, ListQuery, Page, Params, Precondition, Valid, etag},
};
use actix_web::{HttpResponse, http::header, web::Data};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/roles", "List the roles", list).gives::<Page<Role>>(200),
        Route::post("/roles", "Make a role", create).gives::<Role>(201),
        Route::get("/roles/{name}", "One role", show).gives::<Role>(200),
        Route::patch("/roles/{name}", "Change a role", change).gives::<Role>(200),
        Route::delete("/roles/{name}", "Delete a role that nobody has", delete),
        Route::get("/permissions", "The catalogue of resources and actions", permissions),
        Route::get("/access-matrix", "Roles by resources and fields, as enforced now", access_matrix),
    ]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct RoleQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    count: Option<bool>,
}

/// In the order of their names; the cursor is the last name of the page before.
async fn list(_: Allowed<ReadRoles>, query: Params<RoleQuery>, roles: Data<Roles>) -> Result<HttpResponse> {
    let RoleQuery { limit, cursor, count } = query.0;
    let limit = ListQuery { limit, ..ListQuery::default() }.limit()? as usize;
    if cursor.as_deref().is_some_and(|cursor| !is_name(cursor)) {
        return Err(Error::invalid_at("/cursor", "invalid", "This cursor does not belong to this list."));
    }
    let snapshot = roles.snapshot();
    let total = count.unwrap_or(false).then_some(snapshot.iter().len() as i64);
    let mut rest = snapshot.iter().filter(|role| cursor.as_deref().is_none_or(|last| &*role.name > last));
    let items: Vec<Role> = rest.by_ref().take(limit).map(|role| Role::clone(role)).collect();
    let more = rest.next().is_some();
    let next_cursor = items.last().filter(|_| more).map(|role| role.name.to_string());
    Ok(HttpResponse::Ok().json(Page { items, next_cursor, total }))
}

async fn create(
    permit: Allowed<CreateRoles>,
    body: Valid<NewRole>,
    ledger: Data<Ledger>,
    roles: Data<Roles>,
) -> Result<HttpResponse> {
    let role = action::create(&ledger, &roles, &permit, body.0).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/roles/{}", role.name)))
        .insert_header((header::ETAG, etag(role.version, 0)))
        .json(role))
}

async fn show(
    _: Allowed<ReadRoles>,
    name: At<String>,
    precondition: Precondition,
    roles: Data<Roles>,
) -> Result<HttpResponse> {
    let snapshot = roles.snapshot();
    let role = snapshot.get(&name.0).ok_or_else(Error::not_found)?;
    let tag = etag(role.version, 0);
    if precondition.is_known(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    Ok(HttpResponse::Ok().insert_header((header::ETAG, tag)).json(&**role))
}

async fn change(
    permit: Allowed<UpdateRoles>,
    name: At<String>,
    precondition: Precondition,
    body: Valid<RoleChange>,
    ledger: Data<Ledger>,
    roles: Data<Roles>,
) -> Result<HttpResponse> {
    let role = action::change(&ledger, &roles, &permit, name.0, body.0, precondition).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(role.version, 0))).json(role))
}

async fn delete(
    permit: Allowed<DeleteRoles>,
    name: At<String>,
    precondition: Precondition,
    ledger: Data<Ledger>,
    roles: Data<Roles>,
) -> Result<HttpResponse> {
    action::delete(&ledger, &roles, &permit, name.0, precondition).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn permissions(_: Allowed<ReadRoles>, types: Data<dyn FieldCatalogue>) -> HttpResponse {
    let items = matrix::catalogue(&types.types());
    HttpResponse::Ok().json(Page { items, next_cursor: None, total: None })
}

#[derive(Debug, Default, Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MatrixFormat {
    #[default]
    Json,
    Markdown,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct MatrixQuery {
    format: Option<MatrixFormat>,
}

/// With the keys for those who may read keys.
async fn access_matrix(
    permit: Allowed<ReadRoles>,
    query: Params<MatrixQuery>,
    roles: Data<Roles>,
    types: Data<dyn FieldCatalogue>,
    keys: Data<dyn KeyCatalogue>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let keys = permit.extend::<ReadApiKeys>(None).map(|_| keys.keys()).transpose()?;
    let matrix = Matrix::new(&roles.snapshot(), &types.types(), keys);
    Ok(match query.0.format.unwrap_or_default() {
        MatrixFormat::Json => HttpResponse::Ok().json(matrix),
        MatrixFormat::Markdown => {
            HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(matrix.markdown(ledger.clock().now()))
        }
    })
}
