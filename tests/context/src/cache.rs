//! `redis`, to a Redis of the test's own.

use std::sync::Arc;

use ::tokio::{runtime::Handle, sync::OnceCell};
use redis::{AsyncCommands, Client, aio::MultiplexedConnection};
use trijet::{Backend, Path, Router, State, get, post};

use crate::{
    Failure,
    common::{
        client::{get as request, post as upload},
        server::{Running, start},
    },
    program::Program,
};

on_every_backend!(what_is_kept, a_call_that_waits_for_another, a_redis_that_has_gone);

/// As most apps have it: one connection for all, made when it is first needed.
struct Cache {
    client: Client,
    shared: OnceCell<MultiplexedConnection>,
}

impl Cache {
    async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        self.shared.get_or_try_init(|| self.client.get_multiplexed_async_connection()).await.cloned()
    }
}

type Shared = State<Arc<Cache>>;

async fn put(State(cache): Shared, Path(key): Path<String>, value: String) -> Result<&'static str, Failure> {
    let () = cache.connection().await?.set(key, value).await?;
    Ok("kept")
}

async fn look(State(cache): Shared, Path(key): Path<String>) -> Result<String, Failure> {
    let value: Option<String> = cache.connection().await?.get(key).await?;
    Ok(value.unwrap_or_else(|| "nothing".to_owned()))
}

fn look_by_a_thread(cache: Shared, key: Path<String>) -> Result<String, Failure> {
    Handle::current().block_on(look(cache, key))
}

async fn count(State(cache): Shared) -> Result<String, Failure> {
    let mut connection = cache.connection().await?;
    let (count, length): (u64, u64) =
        redis::pipe().atomic().incr("count", 1).rpush("counts", "one").query_async(&mut connection).await?;
    Ok(format!("{count} {length}"))
}

/// On a connection of its own, since that waits.
async fn wait(State(cache): Shared) -> Result<String, Failure> {
    let mut connection = cache.client.get_multiplexed_async_connection().await?;
    connection.set_response_timeout(crate::common::PATIENCE);
    let (_, value): (String, String) = connection.blpop("work", 0.0).await?;
    Ok(value)
}

async fn push(State(cache): Shared, value: String) -> Result<&'static str, Failure> {
    let _: u64 = cache.connection().await?.rpush("work", value).await?;
    Ok("pushed")
}

fn server(on: Backend, redis: &Program) -> Running {
    let client = Client::open(format!("redis://127.0.0.1:{}/", redis.port)).expect("an address");
    let app = Router::new()
        .route("/keys/{key}", post(put).get(look))
        .route("/by-a-thread/{key}", get(look_by_a_thread))
        .route("/count", get(count))
        .route("/work", get(wait).post(push))
        .state(Arc::new(Cache { client, shared: OnceCell::new() }));
    start(on, app)
}

fn what_is_kept(on: Backend) {
    let Some(redis) = Program::redis(&format!("cache::{on}")) else { return };
    let server = server(on, &redis);
    let mut client = server.connect();
    client.get("/keys/one").says("nothing");
    client.send(upload("/keys/one", "first")).response().says("kept");
    client.get("/keys/one").says("first");
    client.get("/by-a-thread/one").says("first");
    let long = "long ".repeat(100_000);
    client.send(upload("/keys/long", &long)).response().says("kept");
    client.get("/by-a-thread/long").says(&long);
    let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(request("/count").repeat(10));
    }
    let mut counts: Vec<String> = Vec::new();
    for client in &mut clients {
        counts.extend((0..10).map(|_| client.response().with_status(200).text().to_owned()));
    }
    counts.sort_by_key(|count| count.split(' ').next().and_then(|first| first.parse::<u64>().ok()));
    let expected: Vec<String> = (1..=160).map(|number| format!("{number} {number}")).collect();
    assert_eq!(counts, expected);
}

fn a_call_that_waits_for_another(on: Backend) {
    let Some(redis) = Program::redis(&format!("cache::{on}")) else { return };
    let server = server(on, &redis);
    let mut waiting = server.connect();
    waiting.send(request("/work"));
    server.connect().send(upload("/work", "to do")).response().says("pushed");
    waiting.response().says("to do");
}

fn a_redis_that_has_gone(on: Backend) {
    let Some(mut redis) = Program::redis(&format!("cache::{on}")) else { return };
    let server = server(on, &redis);
    let mut client = server.connect();
    client.get("/keys/one").says("nothing");
    redis.stop();
    client.get("/keys/one").with_status(500);
}
