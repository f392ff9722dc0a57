//! Connections that do nothing: those without a request in flight for a while are shut down, so that
//! slow or silent clients cannot hold them. Answers on their way count as activity.

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    rt::net::TcpStream as TokioStream,
};
use bytes::Bytes;
use std::{
    any::Any,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

/// How long a connection may be without a request in flight.
const IDLE: Duration = Duration::from_secs(8);
/// The least rate at which an answer is taken, bytes a second.
const LEAST_RATE: u64 = 16 << 10;
/// Longer answers go out in pieces of this size, each of which has to be taken in time.
const PIECE: usize = 32 << 10;

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
        let encrypted = || stream.downcast_ref::<TlsStream<TokioStream>>().map(|stream| stream.get_ref().0);
        let Some(stream) = stream.downcast_ref::<TokioStream>().or_else(encrypted) else { return };
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
    /// The answer is ready: a short one has a while to be taken, a long one is watched piece by piece.
    pub fn end(self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let Some(connection) = &self.0 else { return response };
        connection.allow(Duration::ZERO);
        match response.response().body().size() {
            BodySize::None => response,
            BodySize::Sized(bytes) if bytes <= PIECE as u64 => {
                connection.allow(Duration::from_secs(bytes / LEAST_RATE));
                response
            }
            BodySize::Sized(_) | BodySize::Stream => {
                let connection = connection.clone();
                response.map_body(|_, body| BoxBody::new(Watched { body, connection, rest: Bytes::new(), ours: false }))
            }
        }
    }
}

/// A long answer. While the next piece is being made the connection waits for us, else we wait for whoever reads.
struct Watched {
    body: BoxBody,
    connection: Arc<Connection>,
    rest: Bytes,
    ours: bool,
}

impl Watched {
    fn wait_for_us(&mut self, ours: bool) {
        if ours && !self.ours {
            self.connection.in_flight.fetch_add(1, Ordering::Relaxed);
        } else if !ours && self.ours {
            self.connection.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
        self.ours = ours;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.wait_for_us(false);
        self.connection.allow(Duration::ZERO);
    }
}

impl MessageBody for Watched {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        while self.rest.is_empty() {
            self.wait_for_us(true);
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                ended => return Poll::Ready(ended),
            }
        }
        let size = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(size);
        self.connection.allow(Duration::from_secs(size as u64 / LEAST_RATE));
        self.wait_for_us(false);
        Poll::Ready(Some(Ok(piece)))
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
