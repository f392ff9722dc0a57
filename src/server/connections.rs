//! Connections that do nothing: those without a request in flight for a while are shut down, so that
//! slow or silent clients cannot hold them. Answers on their way count as activity.

use actix_web::{body::BodySize, dev::ServiceRequest};
use std::{
    any::Any,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a connection may be without a request in flight.
const IDLE: Duration = Duration::from_secs(8);
/// The least rate at which an answer is taken, bytes a second.
const LEAST_RATE: u64 = 16 << 10;

/// All open connections of the server.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Vec<Weak<Connection>>>>);

pub struct Connection {
    stream: TcpStream,
    opened: Instant,
    in_flight: AtomicU32,
    /// Milliseconds since `opened` until which it may stay without a request.
    until: AtomicU64,
}

impl Connection {
    fn allow(&self, more: Duration) {
        let until = (self.opened.elapsed() + IDLE + more).as_millis() as u64;
        self.until.store(until, Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
            && self.opened.elapsed().as_millis() as u64 > self.until.load(Ordering::Relaxed)
    }
}

impl Connections {
    /// For `HttpServer::on_connect`.
    pub fn register(&self, stream: &dyn Any, data: &mut actix_web::dev::Extensions) {
        let Some(stream) = stream.downcast_ref::<actix_web::rt::net::TcpStream>() else { return };
        let _ = stream.set_nodelay(true);
        let Ok(copy) = stream.as_fd().try_clone_to_owned() else { return };
        let connection = Arc::new(Connection {
            stream: copy.into(),
            opened: Instant::now(),
            in_flight: AtomicU32::new(0),
            until: AtomicU64::new(IDLE.as_millis() as u64),
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::downgrade(&connection));
        data.insert(connection);
    }

    /// Shuts down what is idle and forgets what is closed. Call it every second or so.
    pub fn reap(&self) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|connection| match connection.upgrade() {
            Some(connection) if connection.is_idle() => {
                let _ = connection.stream.shutdown(Shutdown::Both);
                false
            }
            Some(_) => true,
            None => false,
        });
    }
}

/// Marks the request's connection as busy until its answer is ready.
pub(super) fn begin(request: &ServiceRequest) -> Activity {
    let connection = request.request().conn_data::<Arc<Connection>>().cloned();
    if let Some(connection) = &connection {
        connection.in_flight.fetch_add(1, Ordering::Relaxed);
    }
    Activity(connection)
}

pub(super) struct Activity(Option<Arc<Connection>>);

impl Activity {
    /// The answer is ready; its size says how long it may take to be read.
    pub fn end(self, size: BodySize) {
        let Some(connection) = &self.0 else { return };
        let more = match size {
            BodySize::Sized(bytes) => Duration::from_secs(bytes / LEAST_RATE),
            BodySize::Stream => Duration::from_secs(3600),
            BodySize::None => Duration::ZERO,
        };
        connection.allow(more);
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
