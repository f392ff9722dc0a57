//! A route is a value: mounted, documented, shown in the access matrix and walked by a test. One list, four uses.

use super::allowed::{Gatekeeper, Need};
use crate::{
    error::Code,
    web::{Described, Description},
};
use actix_web::{FromRequest, Handler, Responder, http::Method, web};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::sync::Arc;

/// Argument lists whose first member says who may come in. Handlers with other arguments do not become routes.
pub trait Guarded: FromRequest {
    const NEED: Need;

    /// What the document of the API says of the others.
    fn describe(description: &mut Description<'_>);
}

macro_rules! guarded {
    ($($rest:ident)*) => {
        impl<First: Gatekeeper + 'static, $($rest: FromRequest + Described + 'static),*> Guarded for (First, $($rest,)*) {
            const NEED: Need = First::NEED;

            fn describe(_description: &mut Description<'_>) {
                $($rest::describe(_description);)*
            }
        }
    };
}

guarded!();
guarded!(A);
guarded!(A B);
guarded!(A B C);
guarded!(A B C D);
guarded!(A B C D E);
guarded!(A B C D E F);
guarded!(A B C D E F G);

/// Which limit by address counts a request that ends without a known caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitClass {
    Public,
    /// Doors that check a password.
    Login,
    /// None, nor those of a known caller's role and key: what a signature opened, and what a proxy asks for each
    /// request that somebody else serves.
    Uncounted,
}

type Mount = Arc<dyn Fn() -> actix_web::Route + Send + Sync>;

macro_rules! methods {
    ($($name:ident = $method:ident),* $(,)?) => {
        /// `Route::get("/users/{id}", "One user", show).gives::<UserView>(200)`. Whatever answers GET answers HEAD too.
        impl Route {
            $(pub fn $name<F, Args>(path: &'static str, summary: &'static str, handler: F) -> Self
            where
                F: Handler<Args> + Send + Sync,
                Args: Guarded + 'static,
                F::Output: Responder + 'static,
            {
                Self::new(Method::$method, path, summary, handler)
            })*
        }
    };
}

methods!(get = GET, post = POST, put = PUT, patch = PATCH, delete = DELETE);

/// One method on one path under `/api/v1`.
#[derive(Clone)]
pub struct Route {
    pub method: Method,
    /// Below `/api/v1`, as in `/users/{id}`.
    pub path: &'static str,
    pub need: Need,
    pub summary: &'static str,
    pub limit: LimitClass,
    /// Answers under the kill switch too: for anyone, or for those who hold `kill_switch:write`.
    pub under_kill_switch: bool,
    /// Streams up or down; bounded by a least rate instead of the request timeout.
    pub streams: bool,
    /// Answers those who have yet to set up their second factor.
    pub while_enrolling: bool,
    /// Asked by proxies, which know no refusals but 401 and 403.
    pub for_proxies: bool,
    /// Why it refuses callers although it is public, for the document of the API.
    pub refuses: &'static [Code],
    mount: Mount,
    describe: fn(&mut Description<'_>),
    answers: Vec<(u16, Option<SchemaOf>)>,
}

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

impl Route {
    fn new<F, Args>(method: Method, path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args> + Send + Sync,
        Args: Guarded + 'static,
        F::Output: Responder + 'static,
    {
        let mount: Mount = Arc::new(move || web::to(handler.clone()));
        Self {
            method,
            path,
            need: Args::NEED,
            summary,
            limit: LimitClass::Public,
            under_kill_switch: false,
            streams: false,
            while_enrolling: false,
            for_proxies: false,
            refuses: &[],
            mount,
            describe: Args::describe,
            answers: Vec::new(),
        }
    }

    /// Says why a public route is open. Routes that take `Public` without it are caught by a test.
    pub fn open(mut self, reason: &'static str) -> Self {
        if let Need::Public(why) = &mut self.need {
            *why = reason;
        }
        self
    }

    /// Says how a public route refuses: what it is sent may be no good credential, or not for everybody.
    pub fn refuses(mut self, codes: &'static [Code]) -> Self {
        self.refuses = codes;
        self
    }

    pub fn limit(mut self, class: LimitClass) -> Self {
        self.limit = class;
        self
    }

    pub fn under_kill_switch(mut self) -> Self {
        self.under_kill_switch = true;
        self
    }

    pub fn while_enrolling(mut self) -> Self {
        self.while_enrolling = true;
        self
    }

    pub fn for_proxies(mut self) -> Self {
        self.for_proxies = true;
        self.limit(LimitClass::Uncounted)
    }

    pub fn streams(mut self) -> Self {
        self.streams = true;
        self
    }

    /// The first segment of the path: the noun.
    pub fn noun(&self) -> &'static str {
        self.path[1..].split('/').next().unwrap_or_default()
    }

    /// An answer when all goes well, for the document of the API: its status and what it holds.
    pub fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Some(SchemaGenerator::subschema_for::<T>)));
        self
    }

    /// An answer without a body, or with one that is no JSON.
    pub fn ends(mut self, status: u16) -> Self {
        self.answers.push((status, None));
        self
    }

    /// What it answers when all goes well; unless said, what its method usually does.
    pub fn answers(&self, schemas: &mut SchemaGenerator) -> Vec<(u16, Option<Schema>)> {
        if self.answers.is_empty() {
            return vec![if self.method == Method::DELETE { (204, None) } else { (200, None) }];
        }
        self.answers.iter().map(|(status, schema)| (*status, schema.map(|schema| schema(schemas)))).collect()
    }

    /// What it takes, for the document of the API.
    pub fn describe(&self, description: &mut Description<'_>) {
        (self.describe)(description);
    }

    pub fn mount(&self) -> actix_web::Route {
        (self.mount)()
    }
}
