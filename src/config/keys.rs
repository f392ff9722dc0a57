//! The one table of keys: name, type, default, range and help. The typed tree, the checks, `config show`,
//! the example files and the documentation are all made from it.

use super::{
    by_route::InspectionRoutes,
    kinds::{
        AllowedOrigin, CallUrl, Enforcement, Environment, InspectionMode, LogFormat, LogLevel, RoleLimits, RouteLimits,
        RoutePattern, Signup, StorageUrl, Token, WebOrigin,
    },
    layers::Layers,
    peer::Peer,
    setting::{Setting, Shape},
    smtp::{Sender, SmtpUrl},
};
use ipnet::IpNet;
use jiff::civil::Date;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};
use toml::Value;

/// One key, as the documentation needs it.
#[derive(Debug)]
pub struct Key {
    /// With its section: `server.listen`.
    pub name: &'static str,
    pub help: &'static str,
    pub secret: bool,
    /// Whether it holds entries of free names.
    pub table: bool,
    /// Whether it may change while the server runs.
    pub live: bool,
    /// What it takes, for whoever shows a field for it.
    pub shape: fn() -> Shape,
    pub(super) range: Option<(i64, i64)>,
    pub(super) form: fn() -> String,
    pub(super) default: fn() -> Option<Value>,
    pub(super) from_text: fn(&str) -> Value,
}

impl Key {
    /// What is legal, to follow "must be".
    pub fn legal(&self) -> String {
        match self.range {
            Some((least, most)) => format!("a whole number from {least} to {most}"),
            None => (self.form)(),
        }
    }

    /// The name in the environment: `PORTCULLIS_SERVER__LISTEN`.
    pub fn variable(&self) -> String {
        variable(self.name)
    }
}

pub(super) fn variable(name: &str) -> String {
    format!("PORTCULLIS_{}", name.to_uppercase().replace('.', "__"))
}

/// The keys that stand under one heading of the file; the first section has no heading.
#[derive(Debug)]
pub struct Section {
    pub name: &'static str,
    pub help: &'static str,
    pub keys: &'static [Key],
}

/// Declares the top level and the sections: `/// help`, `name: Type = default[, least to most][ => live];`.
macro_rules! keys {
    (
        top { $($(#[doc = $top_help:literal])* $top:ident: $top_type:ty = $top_default:expr $(=> $top_live:ident)?;)+ }
        $($(#[doc = $section_help:literal])* $section:ident: $name:ident {
            $($(#[doc = $help:literal])* $key:ident: $type:ty = $default:expr
                $(, $least:literal to $most:literal)? $(=> $live:ident)?;)+
        })+
    ) => {
        $(
            $(#[doc = $section_help])*
            #[derive(Clone, Debug)]
            pub struct $name { $($(#[doc = $help])* pub $key: $type),+ }

            impl $name {
                const KEYS: &[Key] = &[$(key!(
                    concat!(stringify!($section), ".", stringify!($key)), concat!($($help),*), $type, $default
                    $(, $least, $most)? $(=> $live)?
                )),+];
            }

            impl Default for $name {
                fn default() -> Self {
                    Self { $($key: $default),+ }
                }
            }
        )+

        /// The whole configuration, checked.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[doc = $top_help])* pub $top: $top_type,)+
            $($(#[doc = $section_help])* pub $section: $name,)+
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($top: $top_default,)+ $($section: $name::default(),)+ }
            }
        }

        impl Config {
            pub(super) fn take(layers: &mut Layers) -> Self {
                Self {
                    $($top: layers.take(find(stringify!($top)), $top_default),)+
                    $($section: $name {
                        $($key: layers.take(find(concat!(stringify!($section), ".", stringify!($key))), $default)),+
                    },)+
                }
            }

            /// The value of each key in the order of [`SECTIONS`]; none where it is not set.
            pub fn values(&self) -> Vec<(&'static Key, Option<Value>)> {
                vec![
                    $((find(stringify!($top)), self.$top.write()),)+
                    $($((find(concat!(stringify!($section), ".", stringify!($key))), self.$section.$key.write()),)+)+
                ]
            }
        }

        /// Every key there is.
        pub const SECTIONS: &[Section] = &[
            Section { name: "", help: "", keys: &[$(key!(
                stringify!($top), concat!($($top_help),*), $top_type, $top_default $(=> $top_live)?
            )),+] },
            $(Section { name: stringify!($section), help: concat!($($section_help),*), keys: $name::KEYS },)+
        ];
    };
}

macro_rules! key {
    ($name:expr, $help:expr, $type:ty, $default:expr $(, $least:literal, $most:literal)? $(=> $live:ident)?) => {
        Key {
            name: $name,
            help: $help,
            secret: <$type as Setting>::SECRET,
            table: <$type as Setting>::TABLE,
            live: key!(is $($live)?),
            shape: <$type as Setting>::shape,
            range: key!(range $($least, $most)?),
            form: <$type as Setting>::form,
            default: || {
                let default: $type = $default;
                default.write()
            },
            from_text: <$type as Setting>::from_text,
        }
    };
    (is live) => { true };
    (is) => { false };
    (range $least:literal, $most:literal) => { Some(($least, $most)) };
    (range) => { None };
}

/// The key of this full name, one that [`SECTIONS`] holds.
fn find(name: &str) -> &'static Key {
    SECTIONS.iter().flat_map(|section| section.keys).find(|key| key.name == name).expect("every key is in SECTIONS")
}

keys! {
    top {
        /// What the instance is for; production refuses settings that are only fit for trying out.
        environment: Environment = Environment::Development;
        /// Folder of the database, the keys and everything else that must be kept. Made if missing; relative to the working directory.
        data_dir: PathBuf = PathBuf::from("./portcullis-data");
        /// Free names, on or off, for the team's own use.
        flags: BTreeMap<String, bool> = BTreeMap::new() => live;
    }
    /// The HTTP server.
    server: Server {
        /// Where to listen.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        /// Where people reach the server, for links and the check of cookie writes. Without it: the address it listens on.
        public_url: Option<WebOrigin> = None;
        /// Folder with the team's own front end, served at /.
        public_dir: Option<PathBuf> = None;
        /// Proxies whose X-Forwarded-For is believed. Nobody else's is.
        trusted_proxies: Vec<IpNet> = Vec::new();
        /// Largest request body in MB; imports and uploads have limits of their own.
        body_limit_mb: u32 = 10, 1 to 1024;
        /// Seconds that a request may take.
        request_timeout_s: u32 = 30, 1 to 600;
        /// Threads that answer requests; 0 means one per core.
        workers: u32 = 0, 0 to 256;
        /// Date after which the paths without a version may go, sent in the Sunset header.
        sunset: Option<Date> = None;
    }
    /// Encryption by the server itself, without a proxy.
    tls: Tls {
        /// Certificate chain, PEM.
        cert: Option<PathBuf> = None;
        /// Private key of the certificate, PEM.
        key: Option<PathBuf> = None;
        /// Address for automatic certificates.
        acme_email: Option<String> = None;
        /// Names for automatic certificates.
        acme_domains: Vec<String> = Vec::new();
    }
    /// The database.
    storage: Storage {
        /// The engine.
        url: StorageUrl = StorageUrl::sqlite();
        /// Read connections kept open, opened as needed.
        read_pool: u32 = 20, 1 to 50;
        /// Read connections at most.
        read_pool_max: u32 = 50, 1 to 200;
        /// Seconds that a query may take.
        query_timeout_s: u32 = 5, 1 to 60;
    }
    /// Accounts, log-in and sessions.
    auth: Auth {
        /// Whether people can make accounts themselves: closed, open, or waiting for approval.
        signup: Signup = Signup::Closed => live;
        /// Minutes that an access token lives.
        access_token_minutes: u32 = 30, 1 to 1440 => live;
        /// Days that a refresh token lives.
        refresh_days: u32 = 30, 1 to 365 => live;
        /// Minutes without use after which a console session ends.
        session_idle_minutes: u32 = 30, 1 to 1440 => live;
        /// Hours after which a console session ends in any case.
        session_max_hours: u32 = 12, 1 to 720 => live;
        /// Cost of password hashing; each step doubles the time.
        bcrypt_cost: u32 = 12, 10 to 15;
        /// Least characters of a password.
        password_min: u32 = 12, 8 to 72 => live;
        /// Failed log-ins from one network after which an account is locked for that network.
        lockout_failures: u32 = 10, 1 to 100 => live;
        /// Minutes that it stays locked.
        lockout_minutes: u32 = 15, 1 to 1440 => live;
        /// Failed log-ins after which a proof of work is asked for; 0: never.
        challenge_after: u32 = 3, 0 to 100 => live;
        /// Roles that must have a second factor; without one their sessions can only set it up.
        require_mfa_roles: Vec<String> = Vec::new() => live;
        /// Whether a good credential is needed everywhere, or only counted on the types in `observe_types` while trying out; not in production.
        enforcement: Enforcement = Enforcement::Enforce => live;
        /// With enforcement observe: the entity types on which requests without a good credential are let through and counted.
        observe_types: Vec<String> = Vec::new() => live;
        /// With enforcement observe: the role that such requests act as; one that holds nothing but data.
        observe_role: Option<String> = None => live;
    }
    /// The keys of the instance.
    secrets: Secrets {
        /// Days after which the keys for tokens, fields, presigned addresses and webhooks are rotated by themselves; 0: never.
        rotate_days: u32 = 0, 0 to 3650 => live;
    }
    /// Rules that only count what they would refuse, while trying out.
    observe: Observe {
        /// Their names, such as `limits.public`, `limits.roles.viewer`, `permissions.entities.customers:delete`, `inspection`, `validators.password_common` or `validators.schema.customers`. What guards administration and log-in is always enforced.
        rules: Vec<String> = Vec::new() => live;
    }
    /// Rate limits.
    limits: Limits {
        /// Whether requests are limited at all.
        enabled: bool = true => live;
        /// Requests a minute from one address without a known caller.
        public_per_minute: u32 = 20, 1 to 1_000_000 => live;
        /// Log-ins a minute from one address, and per account from that network.
        login_per_minute: u32 = 5, 1 to 10_000 => live;
        /// Requests a minute for each user of a role.
        roles: RoleLimits = RoleLimits::default() => live;
        /// Requests a minute of each caller by route, as in `"POST /entities/{type}" = 60`; callers without credentials count by address.
        routes: RouteLimits = RouteLimits::default() => live;
    }
    /// Calls from pages of other origins; none are allowed unless named.
    cors: Cors {
        /// Origins that may call.
        origins: Vec<AllowedOrigin> = Vec::new();
        /// Whether they may send cookies; not together with *.
        credentials: bool = false;
    }
    /// Search for attacks in what requests carry.
    inspection: Inspection {
        /// What is done with a finding.
        mode: InspectionMode = InspectionMode::Off => live;
        /// What is done by route, as in `"POST /users" = "block"`; entities follow their type.
        routes: InspectionRoutes = InspectionRoutes::default() => live;
    }
    /// What is kept in memory.
    cache: Cache {
        /// Memory in MB for all tiers together.
        capacity_mb: u32 = 64, 1 to 65536;
        /// Seconds that the hot tier keeps an entry.
        hot_s: u32 = 60, 1 to 86400;
        /// Seconds that the warm tier keeps an entry.
        warm_s: u32 = 300, 1 to 86400;
        /// Seconds that the cold tier keeps an entry.
        cold_s: u32 = 3600, 1 to 86400;
    }
    /// Uploaded files.
    files: Files {
        /// Where they are kept: local, or `s3://bucket`.
        store: String = "local".to_owned();
        /// Largest file in MB.
        max_mb: u32 = 100, 1 to 10240;
        /// Content types that are taken, told by content; none named means the built-in list.
        allow: Vec<String> = Vec::new();
    }
    /// Backups.
    backup: Backup {
        /// When they are made, as a cron expression.
        schedule: Option<String> = None;
        /// How many are kept.
        keep: u32 = 7, 1 to 1000;
        /// Folder or `s3://bucket` where they go.
        to: Option<String> = None;
    }
    /// The audit log.
    audit: Audit {
        /// Days after which events may go; without it they stay.
        retention_days: Option<u32> = None, 30 to 36500;
        /// Where the head of the chain is posted to every ten minutes when it changed, to be kept outside.
        anchor_url: Option<CallUrl> = None;
    }
    /// The kill switch.
    kill_switch: KillSwitch {
        /// Routes that answer even when everything is closed.
        allow: Vec<RoutePattern> = Vec::new() => live;
    }
    /// Calls that the server makes.
    outbound: Outbound {
        /// Hosts, addresses or networks that may be called although they are not on the public internet.
        allow: Vec<Peer> = Vec::new() => live;
    }
    /// Log lines, on standard error.
    log: Log {
        /// How they look.
        format: LogFormat = LogFormat::Text;
        /// The least serious that are written.
        level: LogLevel = LogLevel::Info => live;
        /// File to write to instead.
        file: Option<PathBuf> = None;
        /// Milliseconds from which a request is logged as slow.
        slow_ms: u32 = 500, 1 to 600_000 => live;
    }
    /// Figures for Prometheus.
    metrics: Metrics {
        /// Token that lets a scraper in.
        token: Option<Token> = None;
    }
    /// Outgoing mail.
    mail: Mail {
        /// Server and credentials, such as `smtps://user:password@mail.example.org`. `smtp://` takes STARTTLS, but on this machine.
        smtp_url: Option<SmtpUrl> = None;
        /// Whom mail comes from.
        from: Option<Sender> = None;
    }
    /// Error reports.
    sentry: Sentry {
        /// Where they go.
        dsn: Option<SecretString> = None;
    }
    /// What /.well-known/security.txt says.
    security_txt: SecurityTxt {
        /// Whom to tell about a vulnerability: a mailto: or https: address.
        contact: Option<String> = None;
    }
}
