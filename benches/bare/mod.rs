//! What actix-web, rusqlite and moka do with nothing around them: no rights, no checks, no limits, no log.
//! Creates commit in groups with `synchronous=FULL`, a row and a hash-chained audit row each.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use moka::sync::Cache;
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};
use tokio::sync::oneshot;

type Change = (String, oneshot::Sender<()>);

pub fn serve(folder: &Path) {
    let path = folder.join("bare.db");
    let writer = start_writer(&path);
    let tokens: Cache<String, u64> = Cache::new(1000);
    let views: Cache<String, web::Bytes> = Cache::new(1000);
    let address = folder.join("address");
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let reader = Connection::open(&path).expect("the database opens");
            App::new()
                .app_data(web::Data::new((tokens.clone(), views.clone())))
                .app_data(web::Data::new(writer.clone()))
                .app_data(web::Data::new(std::sync::Mutex::new(reader)))
                .route("/constant", web::get().to(constant))
                .route("/view/{id}", web::get().to(view))
                .route("/list", web::get().to(list))
                .route("/create", web::post().to(create))
        })
        .bind(("127.0.0.1", 0))
        .expect("a free port");
        std::fs::write(address, server.addrs()[0].to_string()).expect("the address is written");
        server.run().await.expect("served");
    });
}

async fn constant() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body("{\"status\":\"ok\"}")
}

type Caches = web::Data<(Cache<String, u64>, Cache<String, web::Bytes>)>;

async fn view(request: HttpRequest, id: web::Path<String>, caches: Caches) -> HttpResponse {
    let Some(token) = request.headers().get("authorization").and_then(|token| token.to_str().ok()) else {
        return HttpResponse::Unauthorized().finish();
    };
    if caches.0.get(token).is_none() {
        caches.0.insert(token.to_owned(), 1);
    }
    let body = caches.1.get_with(id.into_inner(), || web::Bytes::from(row("019a2b3c-0000-7000-8000-000000000001")));
    HttpResponse::Ok().content_type("application/json").body(body)
}

fn row(id: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"type\":\"orders\",\"name\":\"Order 1\",\"confidence\":0.5,\"data\":{{\"city\":\"Paris\",\
         \"amount\":1}},\"owner_id\":\"{id}\",\"version\":1,\"created_at\":\"2026-01-01T00:00:00.000Z\",\
         \"updated_at\":\"2026-01-01T00:00:00.000Z\",\"created_by\":\"{id}\",\"updated_by\":\"{id}\",\
         \"deleted_at\":null,\"deleted_by\":null}}"
    )
}

async fn list(reader: web::Data<std::sync::Mutex<Connection>>) -> HttpResponse {
    let reader = reader.lock().expect("not poisoned");
    let mut statement = reader.prepare_cached("SELECT body FROM entities ORDER BY id LIMIT 30").expect("prepared");
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("queried");
    let items: Vec<String> = rows.map(|row| row.expect("a row")).collect();
    HttpResponse::Ok().content_type("application/json").body(format!("{{\"items\":[{}]}}", items.join(",")))
}

async fn create(body: web::Bytes, writer: web::Data<Sender<Change>>) -> HttpResponse {
    let parsed: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let (done, answer) = oneshot::channel();
    writer.send((parsed.to_string(), done)).expect("the writer lives");
    answer.await.expect("committed");
    HttpResponse::Created().content_type("application/json").body(row("019a2b3c-0000-7000-8000-000000000001"))
}

fn start_writer(path: &Path) -> Sender<Change> {
    let connection = Connection::open(path).expect("the database opens");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE entities (id TEXT PRIMARY KEY, body TEXT NOT NULL);
             CREATE TABLE audit (seq INTEGER PRIMARY KEY, event TEXT NOT NULL, hash TEXT NOT NULL);",
        )
        .expect("the schema");
    for number in 0..200 {
        let id = uuid::Uuid::now_v7().to_string();
        let _ = number;
        connection.execute("INSERT INTO entities VALUES (?1, ?2)", params![id, row(&id)]).expect("a row");
    }
    let (sender, changes) = channel::<Change>();
    thread::spawn(move || write(&connection, &changes));
    sender
}

fn write(connection: &Connection, changes: &Receiver<Change>) {
    let mut hash = "0".repeat(64);
    while let Ok(first) = changes.recv() {
        connection.execute_batch("BEGIN IMMEDIATE").expect("begun");
        let mut waiting = Vec::new();
        let mut next = Some(first);
        while let Some((body, done)) = next {
            insert(connection, &body, &mut hash);
            waiting.push(done);
            next = if waiting.len() < 512 { changes.try_recv().ok() } else { None };
        }
        connection.execute_batch("COMMIT").expect("committed");
        for done in waiting {
            let _ = done.send(());
        }
    }
}

pub fn insert(connection: &Connection, body: &str, hash: &mut String) {
    let id = uuid::Uuid::now_v7().to_string();
    let mut rows = connection.prepare_cached("INSERT INTO entities VALUES (?1, ?2)").expect("prepared");
    rows.execute(params![id, body]).expect("inserted");
    let mut hasher = Sha256::new();
    hasher.update(&*hash);
    hasher.update(body);
    *hash = hex::encode(hasher.finalize());
    let mut events = connection.prepare_cached("INSERT INTO audit (event, hash) VALUES (?1, ?2)").expect("prepared");
    events.execute(params![body, &*hash]).expect("inserted");
}
