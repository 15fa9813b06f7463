//! Sessions in a Redis of the test's own: by the client that blocks, and by the one that needs Tokio.

use std::{
    sync::Mutex,
    time::{Duration, SystemTime},
};

use ::tokio::sync::OnceCell;
use redis::{
    AsyncCommands, Client, Commands, Connection, ExistenceCheck, SetExpiry, SetOptions,
    aio::MultiplexedConnection,
};
use trijet::{
    Backend, BoxError, Router, get, post,
    sessions::{Blocking, BlockingSessionStore, Session, SessionError, SessionStore, Sessions},
};

use crate::{
    common::{
        client::Client as Browser,
        server::{Running, start},
    },
    program::Program,
};

on_every_backend!(by_a_client_that_blocks, by_a_client_of_tokios);

fn key(id: &str) -> String {
    format!("session:{id}")
}

/// Redis counts in seconds, of which there must be one.
fn options(keep: Duration) -> SetOptions {
    SetOptions::default().with_expiration(SetExpiry::EX(keep.as_secs().max(1)))
}

/// One connection, which is made when it is first needed, and anew where it has failed.
struct OneAtATime {
    client: Client,
    connection: Mutex<Option<Connection>>,
}

impl OneAtATime {
    fn ask<T>(&self, ask: impl FnOnce(&mut Connection) -> redis::RedisResult<T>) -> Result<T, BoxError> {
        let mut kept = self.connection.lock().unwrap();
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.client.get_connection()?,
        };
        let answer = ask(&mut connection)?;
        *kept = Some(connection);
        Ok(answer)
    }
}

impl BlockingSessionStore for OneAtATime {
    fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        self.ask(|redis| redis.get(key(id)))
    }

    fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError> {
        self.ask(|redis| redis.set_options(key(id), data, options(keep)))
    }

    fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError> {
        let options = options(keep).conditional_set(ExistenceCheck::XX);
        let set: Option<String> = self.ask(|redis| redis.set_options(key(id), data, options))?;
        Ok(set.is_some())
    }

    fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
        self.ask(|redis| redis.expire(key(id), keep.as_secs().max(1) as i64))
    }

    fn remove(&self, id: &str) -> Result<bool, BoxError> {
        self.ask(|redis| redis.del(key(id)))
    }
}

/// One connection for all.
struct Shared {
    client: Client,
    connection: OnceCell<MultiplexedConnection>,
}

impl Shared {
    async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        self.connection.get_or_try_init(|| self.client.get_multiplexed_async_connection()).await.cloned()
    }
}

impl SessionStore for Shared {
    async fn load(&self, id: &str) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(self.connection().await?.get(key(id)).await?)
    }

    async fn insert(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<(), BoxError> {
        let () = self.connection().await?.set_options(key(id), data, options(keep)).await?;
        Ok(())
    }

    async fn update(&self, id: &str, data: Vec<u8>, keep: Duration) -> Result<bool, BoxError> {
        let options = options(keep).conditional_set(ExistenceCheck::XX);
        let set: Option<String> = self.connection().await?.set_options(key(id), data, options).await?;
        Ok(set.is_some())
    }

    async fn touch(&self, id: &str, keep: Duration) -> Result<bool, BoxError> {
        Ok(self.connection().await?.expire(key(id), keep.as_secs().max(1) as i64).await?)
    }

    async fn remove(&self, id: &str) -> Result<bool, BoxError> {
        Ok(self.connection().await?.del(key(id)).await?)
    }
}

fn read(session: Session) -> Result<String, SessionError> {
    Ok(session.get("name")?.unwrap_or_else(|| "nobody".into()))
}

async fn log_in(session: Session, name: String) -> Result<(), SessionError> {
    session.renew();
    session.insert("name", &name)
}

async fn log_out(session: Session) {
    session.destroy();
}

fn served(on: Backend, sessions: Sessions) -> Running {
    let app = Router::new()
        .route("/", get(read).post(log_in))
        .route("/log-out", post(log_out))
        .wrap(sessions.idle_timeout(Duration::from_secs(1000)));
    start(on, app)
}

/// Asks with this cookie; the body, and the cookie that is set.
fn ask(server: &Running, request: &str, cookie: &str, body: &str) -> (u16, String, Option<String>) {
    let mut browser: Browser = server.connect();
    let length = body.len();
    browser.send(format!(
        "{request} HTTP/1.1\r\nhost: t\r\ncookie: {cookie}\r\ncontent-length: {length}\r\n\r\n{body}"
    ));
    let answer = browser.response();
    let set = answer.header("set-cookie").map(|field| field.split(';').next().unwrap().to_owned());
    (answer.status, answer.text().to_owned(), set)
}

fn they_are_kept(on: Backend, redis: &mut Program, sessions: impl Fn(Client) -> Sessions) {
    let client = Client::open(format!("redis://127.0.0.1:{}/", redis.port)).expect("an address");
    let mut look = client.get_connection().unwrap();
    // Two servers know the same sessions.
    let servers = [(); 2].map(|()| served(on, sessions(client.clone())));
    let get = |server: &Running, cookie: &str| ask(server, "GET /", cookie, "").1;
    assert_eq!(get(&servers[0], "a=b"), "nobody");
    let (_, _, cookie) = ask(&servers[0], "POST /", "a=b", "ada");
    let cookie = cookie.expect("it is set");
    for server in &servers {
        assert_eq!(get(server, &cookie), "ada");
    }
    let keys: Vec<String> = look.keys("*").unwrap();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert!(!key.contains(cookie.strip_prefix("session=").unwrap()), "{key}");
    let left: i64 = look.ttl(key).unwrap();
    assert!((900..=1000).contains(&left), "{left}");
    // A request that asks for it has it live on, once a minute.
    let _: bool = look.expire(key, 10).unwrap();
    let later = || SystemTime::now() + Duration::from_secs(61);
    assert_eq!(get(&served(on, sessions(client.clone()).clock(later)), &cookie), "ada");
    let left: i64 = look.ttl(key).unwrap();
    assert!(left > 900, "{left}");

    let (_, _, second) = ask(&servers[1], "POST /", &cookie, "bob");
    let second = second.expect("another login has another id");
    assert_eq!(
        (get(&servers[0], &cookie), get(&servers[0], &second)),
        ("nobody".to_owned(), "bob".to_owned())
    );
    ask(&servers[0], "POST /log-out", &second, "");
    assert_eq!(get(&servers[1], &second), "nobody");
    let keys: Vec<String> = look.keys("*").unwrap();
    assert_eq!(keys, [""; 0]);
    redis.stop();
    assert_eq!(ask(&servers[0], "GET /", &second, "").0, 500);
    assert_eq!(ask(&servers[0], "GET /", "a=b", "").1, "nobody");
}

fn by_a_client_that_blocks(on: Backend) {
    let Some(mut redis) = Program::redis(&format!("sessions::{on}")) else { return };
    they_are_kept(on, &mut redis, |client| {
        Sessions::new(Blocking::new(OneAtATime { client, connection: Mutex::default() }))
    });
}

fn by_a_client_of_tokios(on: Backend) {
    let Some(mut redis) = Program::redis(&format!("sessions::{on}")) else { return };
    they_are_kept(on, &mut redis, |client| Sessions::new(Shared { client, connection: OnceCell::new() }));
}
