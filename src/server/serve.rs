//! Starting and stopping: bind, serve, drain.

use super::{
    App,
    connections::Connections,
    control::{Control, RunCommand},
    edge::Edge,
    gate::Gate,
    health::{self, Health},
    metrics, openapi,
    overview::StartedAt,
    report::Reporter,
    routes,
    tls::{self, Beside, Tls},
};
use crate::{
    access::{FieldCatalogue, KeyCatalogue},
    audit::{Anchor, Masking},
    clock::Clock,
    config::Loaded,
    console,
    data::entities::EntityEvents,
    data::entity_types,
    error::{Code, Error, Result},
    front_end,
    jobs::{Engine, Running},
    observability,
    web::BodyLimit,
};
use actix_cors::Cors;
use actix_web::{
    HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    middleware::Condition,
    web::{Data, ServiceConfig, to},
};
use std::{
    fmt::Write as _,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Requests and jobs under way are let finish for this long.
const GRACE: Duration = Duration::from_secs(30);

/// A server that runs.
pub struct Server {
    pub app: App,
    pub address: SocketAddr,
    handle: ServerHandle,
    finished: JoinHandle<std::io::Result<()>>,
    jobs: Running,
    health: Data<Health>,
    background: Vec<JoinHandle<()>>,
    /// Plain HTTP beside HTTPS.
    beside: Option<Beside>,
}

/// Runs the server until a signal ends it.
pub fn run(loaded: Loaded, run_command: RunCommand) -> Result<()> {
    observability::start_log(&loaded.config);
    #[cfg(feature = "opentelemetry")]
    observability::telemetry::start()?;
    actix_web::rt::System::new().block_on(async {
        let mut signals = Signals::listen()?;
        let opened = tokio::task::spawn_blocking(|| App::open(loaded, Clock::system()));
        let app = opened.await.map_err(Error::internal)??;
        app.config.subscribe(|config| observability::set_level(config.log.level));
        let server = start(app).await?;
        let control = Control::start(&server.app, run_command)?;
        announce(&server).await?;
        signals.wait().await;
        drop(control);
        tracing::info!("shutting down; a second signal ends at once");
        tokio::select! {
            () = server.stop() => {}
            () = signals.wait() => tracing::warn!("ended at once by a second signal"),
        }
        #[cfg(feature = "opentelemetry")]
        observability::telemetry::stop();
        Ok(())
    })
}

async fn announce(server: &Server) -> Result<()> {
    tracing::info!(address = %server.address, version = env!("CARGO_PKG_VERSION"), "serving");
    let identity = &server.app.identity;
    let scheme = if server.beside.is_some() { "https" } else { "http" };
    let mut text = format!("Portcullis serves on {scheme}://{}\n", server.address);
    if let Some(redirect) = server.beside.as_ref().and_then(|beside| beside.redirect.as_ref()) {
        let _ = writeln!(text, "Plain HTTP on {} leads there", redirect.address);
    }
    if let Some(token) = identity.setup_token().await? {
        let _ = writeln!(text, "Make the first administrator, within a day: {}", identity.setup_url(&token));
    }
    // Nobody may be listening.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// The signals that end the server, heard from before it says that it serves.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let heard = |kind| signal(kind).map_err(Error::internal);
        Ok(Self { interrupt: heard(SignalKind::interrupt())?, terminate: heard(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Binds, starts the workers and the jobs. Call it inside an actix system.
pub async fn start(app: App) -> Result<Server> {
    app.announce_observed()?;
    app.kill_switch.watch()?;
    let connections = Connections::default();
    let health = Data::new(Health::default());
    let jobs = jobs(&app)?.start().await?;
    let listen = app.config.load().server.listen;
    let (built, marker, registry) = (app.clone(), health.clone(), connections.clone());
    let workers = match app.config.load().server.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        some => some as usize,
    };
    let server = HttpServer::new(move || {
        let (app, health) = (built.clone(), marker.clone());
        actix_web::App::new().wrap(cors(&app)).wrap(edge(&app)).configure(move |config| mount(config, &app, health))
    })
    .workers(workers)
    .on_connect(move |stream, data| registry.register(stream, data))
    .keep_alive(Duration::from_secs(7))
    .client_request_timeout(Duration::from_secs(8))
    .client_disconnect_timeout(Duration::from_secs(1))
    .shutdown_timeout(GRACE.as_secs())
    .disable_signals();
    let tls = Tls::open(&app)?;
    let server = match &tls {
        Some(tls) => server.bind_rustls_0_23(listen, tls.server_config()?),
        None => server.bind(listen),
    };
    let server = server.map_err(|cause| {
        Error::new(Code::Unavailable, format!("cannot listen on {listen}: {cause}. Choose another with --listen."))
    })?;
    let address = server.addrs().first().copied().unwrap_or(listen);
    let reached = match &tls {
        Some(_) => tls::address(&app.config.load().tls, nearby(address)),
        None => format!("http://{}", nearby(address)),
    };
    app.identity.reached_at(reached);
    let scheme = if tls.is_some() { "https" } else { "http" };
    app.doctor.reached_at(format!("{scheme}://{}", nearby(address)));
    let beside = tls.map(|tls| tls.run_beside(&app, address)).transpose()?;
    let server = server.run();
    let handle = server.handle();
    let finished = tokio::spawn(server);
    let mut background = vec![reaper(connections), tokio::spawn(app.feed.clone().run())];
    background.extend(observability::sentry::start(&app.config, &app.outbound)?);
    Ok(Server { app, address, handle, finished, jobs, health, background, beside })
}

/// An address to open from this machine, also when it is listened on everywhere.
fn nearby(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

fn jobs(app: &App) -> Result<Engine> {
    let ledger = &app.ledger;
    let mut engine = Engine::new(ledger.writer().clone(), ledger.db().clone(), app.clock.clone())
        .ask(Arc::new(app.kill_switch.clone()));
    app.mailer.register(&mut engine);
    app.identity.keep_house(&mut engine);
    app.identity.mail_links(&mut engine);
    entity_types::keep_indexed(ledger, &app.entity_types, &mut engine);
    app.webhooks.keep_house(&mut engine);
    app.doctor.keep_house(&mut engine);
    app.backups.keep_house(&mut engine);
    app.secrets.keep_house(&mut engine);
    app.alerts.keep_house(&mut engine);
    super::idempotency::keep_house(app, &mut engine);
    app.entities.keep_house(&mut engine);
    app.files.keep_house(&mut engine);
    app.entities.keep_migrated(&mut engine);
    app.entities.settle_owned(&mut engine);
    let anchor = Anchor::new(ledger.clone(), &app.outbound, app.config.load().audit.anchor_url.as_deref())?;
    app.doctor.anchored_by(anchor.posted());
    anchor.keep(&mut engine);
    Ok(engine)
}

fn reaper(connections: Connections) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            connections.reap();
        }
    })
}

impl Server {
    /// Stops accepting, lets requests and jobs finish, closes the database.
    pub async fn stop(self) {
        self.health.start_draining();
        self.app.feed.close();
        if let Some(beside) = &self.beside {
            beside.tasks.iter().for_each(JoinHandle::abort);
            if let Some(redirect) = &beside.redirect {
                redirect.stop().await;
            }
        }
        // Requests and jobs share the time there is, so that whoever stops the server need not wait for twice as long.
        let (jobs, handle, finished) = (self.jobs, self.handle, self.finished);
        let requests = async {
            handle.stop(true).await;
            let _ = finished.await;
        };
        tokio::join!(requests, jobs.shutdown(GRACE));
        self.background.iter().for_each(JoinHandle::abort);
        let app = self.app;
        let _ = tokio::task::spawn_blocking(move || app.close()).await;
    }
}

pub(super) fn edge(app: &App) -> Edge {
    let log = Reporter { traffic: app.traffic.clone(), metrics: app.metrics.clone(), config: app.config.clone() };
    let types = app.entity_types.clone();
    let aliases = Arc::new(move |alias: &str| types.by_alias(alias).map(|found| (&*found.name).into()));
    Edge::new(app.config.clone(), aliases, routes::nouns(), log, app.decisions.clone())
}

/// What a page of an allowed origin may send.
const CORS_HEADERS: [&str; 9] = [
    "authorization",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
    "x-api-key",
    "x-csrf-token",
    "x-request-id",
];

/// Closed unless origins are configured.
fn cors(app: &App) -> Condition<Cors> {
    let config = app.config.load();
    let settings = &config.cors;
    let mut cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers(CORS_HEADERS)
        .expose_headers(["etag", "x-request-id", "location", "retry-after", "ratelimit", "ratelimit-policy"])
        .max_age(600);
    for origin in &settings.origins {
        cors = if &**origin == "*" { cors.allow_any_origin() } else { cors.allowed_origin(origin) };
    }
    if settings.credentials {
        cors = cors.supports_credentials();
    }
    Condition::new(!settings.origins.is_empty(), cors)
}

fn mount(config: &mut ServiceConfig, app: &App, health: Data<Health>) {
    let gate = Gate::new(app);
    let events = EntityEvents { types: app.entity_types.clone(), ledger: app.ledger.clone() };
    config
        .app_data(Data::new(BodyLimit((app.config.load().server.body_limit_mb as usize) << 20)))
        .app_data(Data::new(app.clone()))
        .app_data(Data::new(app.config.clone()))
        .app_data(Data::new(app.ledger.clone()))
        .app_data(Data::new(app.roles.clone()))
        .app_data(Data::new(app.identity.clone()))
        .app_data(Data::new(app.mailer.clone()))
        .app_data(Data::new(app.cursor_key()))
        .app_data(Data::new(app.entity_types.clone()))
        .app_data(Data::new(app.entities.clone()))
        .app_data(Data::new(app.files.clone()))
        .app_data(Data::from(Arc::new(app.entity_types.clone()) as Arc<dyn FieldCatalogue>))
        .app_data(Data::from(Arc::new(app.identity.clone()) as Arc<dyn KeyCatalogue>))
        .app_data(Data::from(Arc::new(events) as Arc<dyn Masking>))
        .app_data(Data::new(app.kill_switch.clone()))
        .app_data(Data::new(app.settings.clone()))
        .app_data(Data::new(app.secrets.clone()))
        .app_data(Data::new(app.alerts.clone()))
        .app_data(Data::new(app.inspection.clone()))
        .app_data(Data::new(app.webhooks.clone()))
        .app_data(Data::new(app.background.clone()))
        .app_data(Data::new(app.backups.clone()))
        .app_data(Data::new(app.feed.clone()))
        .app_data(Data::new(app.doctor.clone()))
        .app_data(Data::new(app.authenticator.clone()))
        .app_data(Data::new(app.decisions.clone()))
        .app_data(Data::new(app.observations.clone()))
        .app_data(Data::new(app.clock.clone()))
        .app_data(Data::new(StartedAt(app.clock.now())))
        .app_data(Data::from(app.traffic.clone()))
        .app_data(health)
        .configure(health::mount)
        .configure(metrics::mount)
        .configure(|config| routes::mount(config, &gate))
        .configure(|config| openapi::mount(config, &gate))
        .configure(console::mount);
    let unknown = gate.clone();
    front_end::mount(config, &app.config.load(), Arc::new(move |request| unknown.pass_unknown(request)));
    let unknown = gate.clone();
    config.default_service(to(move |request: HttpRequest| {
        let outcome = unknown.pass_unknown(&request);
        async move { outcome.and_then(|()| Err::<HttpResponse, _>(Error::not_found())) }
    }));
}
