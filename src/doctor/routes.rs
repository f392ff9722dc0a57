//! `/doctor`.

use super::{Doctor, Report};
use crate::{
    error::Result,
    permit::{Allowed, Route, rights::ReadOverview},
};
use actix_web::web::{Data, Json};

pub fn routes() -> Vec<Route> {
    vec![Route::get("/doctor", "What the instance finds wrong with itself, and what to do", show).gives::<Report>(200)]
}

async fn show(_: Allowed<ReadOverview>, doctor: Data<Doctor>) -> Result<Json<Report>> {
    doctor.examine().await.map(Json)
}
