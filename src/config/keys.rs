//! The one table of keys: name, type, default, range and help. The typed tree, the checks, `config show`,
//! the example files and the documentation are all made from it.

use super::{
    by_route::InspectionRoutes,
    dsn::Dsn,
    files::{BackupPlace, FileStore, FileType},
    key::{Key, Section},
    kinds::{
        AllowedOrigin, CallUrl, Contact, Enforcement, Environment, FileInFolder, HeaderText, HostName, InspectionMode,
        LogFormat, LogLevel, MailAddress, RoleLimits, RouteLimits, RoutePattern, Signup, StorageUrl, Token, WebOrigin,
    },
    layers::Layers,
    peer::Peer,
    setting::Setting,
    smtp::{Sender, SmtpUrl},
};
use crate::cron::Cron;
use ipnet::IpNet;
use jiff::civil::Date;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};
use toml::Value;

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
        /// File of that folder which is served where a page is asked for that it does not have, for front ends that make their pages in the browser.
        public_fallback: Option<FileInFolder> = None;
        /// Content-Security-Policy of that folder's files; without it they load from the server itself alone.
        public_csp: Option<HeaderText> = None;
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
        /// Certificate chain, PEM. Read again when it changes.
        cert: Option<PathBuf> = None;
        /// Private key of the certificate, PEM. Read again when it changes; nobody but its owner may read it.
        key: Option<PathBuf> = None;
        /// Whom the authority of automatic certificates writes to.
        acme_email: Option<MailAddress> = None;
        /// Names to get automatic certificates for. The authority asks for them on port 80 (`tls.redirect_listen`).
        acme_domains: Vec<HostName> = Vec::new();
        /// Directory of the authority; without it Let's Encrypt, whose terms you agree to by naming domains.
        acme_directory: Option<CallUrl> = None;
        /// Where plain HTTP is answered, such as 0.0.0.0:80: with the way to HTTPS, and with what the authority asks for.
        redirect_listen: Option<SocketAddr> = None;
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
        /// Where they are kept: local, which is the data folder, or `s3://bucket` or `s3://bucket/prefix`.
        store: FileStore = FileStore::local();
        /// Largest file in MB.
        max_mb: u32 = 100, 1 to 10240 => live;
        /// Content types that are taken, told by content; none named means the built-in list.
        allow: Vec<FileType> = Vec::new() => live;
        /// Days that deleted files can be restored; then they are gone.
        deleted_days: u32 = 30, 0 to 3650 => live;
    }
    /// The S3-compatible service behind `s3://` addresses. One on a private network has to stand in outbound.allow.
    s3: S3 {
        /// Where it answers, such as `https://s3.example.org`. Without it: Amazon's, by region.
        endpoint: Option<CallUrl> = None;
        /// Region.
        region: String = "us-east-1".to_owned();
        /// Id of the access key.
        access_key: Option<String> = None;
        /// Its secret.
        secret_key: Option<SecretString> = None;
    }
    /// Backups.
    backup: Backup {
        /// When they are made by themselves, as a cron expression of five fields in UTC, such as 0 3 * * *.
        schedule: Option<Cron> = None;
        /// How many are kept; the newest that is known to be good stays in any case.
        keep: u32 = 7, 1 to 1000;
        /// Days after which they go, too.
        keep_days: Option<u32> = None, 1 to 3650;
        /// Where they go: a folder, or `s3://bucket` or `s3://bucket/prefix`; without it the folder backups in the data folder.
        to: Option<BackupPlace> = None;
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
        /// Size in MB at which the file is full; it is put aside and begun anew.
        file_mb: u32 = 10, 1 to 10_000;
        /// Full files that are kept beside it.
        files: u32 = 5, 0 to 1000;
        /// Whether the bodies of requests and answers are logged, without what is secret or personal in them.
        bodies: bool = false => live;
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
        /// Where they go: Sentry, or what is compatible with it.
        dsn: Option<Dsn> = None;
    }
    /// Rules that watch the instance; what is found is told once, and once when it is over. 0 switches a rule off.
    alerts: Alerts {
        /// Addresses that are written to.
        to: Vec<String> = Vec::new() => live;
        /// Where incidents are posted to.
        url: Option<CallUrl> = None;
        /// Percent of requests that fail, over five minutes.
        error_rate_percent: u32 = 5, 0 to 100 => live;
        /// Milliseconds that 95 in 100 answers stay under, over five minutes.
        slow_p95_ms: u32 = 2000, 0 to 600_000 => live;
        /// Log-ins that fail in ten minutes.
        failed_log_ins: u32 = 50, 0 to 1_000_000 => live;
        /// Percent of the disk that is left.
        disk_free_percent: u32 = 10, 0 to 99 => live;
        /// Days since the oldest key of the instance was made.
        key_age_days: u32 = 365, 0 to 3650 => live;
        /// Days before an API key expires.
        key_expiry_days: u32 = 7, 0 to 365 => live;
        /// Hours since the newest backup that was found good, or since the beginning where there is none.
        backup_age_hours: u32 = 48, 0 to 8760 => live;
    }
    /// What /.well-known/security.txt says.
    security_txt: SecurityTxt {
        /// Whom to tell about a vulnerability: a mailto: or https: address.
        contact: Option<Contact> = None;
    }
}
