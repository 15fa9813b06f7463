//! `tokio-postgres`, to a PostgreSQL of the test's own.

use std::{sync::Arc, time::Duration};

use ::tokio::{sync::OnceCell, time::timeout};
use futures_util::{TryStreamExt, future::try_join_all};
use tokio_postgres::{Client, Config, NoTls};
use trijet::{Backend, Body, Path, Router, State, StatusCode, get, post};

use crate::{
    Failure,
    common::{
        client::{get as request, post as upload},
        server::{Running, start},
    },
    program::Program,
};

on_every_backend!(a_database);

/// One connection for all, made when it is first needed. What drives it is a task.
struct Database {
    config: Config,
    client: OnceCell<Client>,
}

impl Database {
    async fn client(&self) -> Result<&Client, tokio_postgres::Error> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(NoTls).await?;
        drop(::tokio::spawn(connection));
        client
            .batch_execute("create table if not exists notes (id serial primary key, text text not null)")
            .await?;
        Ok(client)
    }
}

type Shared = State<Arc<Database>>;

async fn add(State(database): Shared, text: String) -> Result<String, Failure> {
    let row = database
        .client()
        .await?
        .query_one("insert into notes (text) values ($1) returning id", &[&text])
        .await?;
    Ok(row.try_get::<_, i32>(0)?.to_string())
}

async fn find(State(database): Shared, Path(id): Path<i32>) -> Result<Result<String, StatusCode>, Failure> {
    let row = database.client().await?.query_opt("select text from notes where id = $1", &[&id]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.ok_or(StatusCode::NOT_FOUND))
}

/// The rows as they come.
async fn numbers(State(database): Shared, Path(count): Path<i32>) -> Result<Body, Failure> {
    let rows = database.client().await?.query_raw("select generate_series(1, $1::int4)", [count]).await?;
    Ok(Body::from_stream(rows.map_ok(|row| format!("{};", row.get::<_, i32>(0)))))
}

/// A connection of its own, whose transaction is dropped, and so rolled back.
async fn roll_back(State(database): Shared) -> Result<String, Failure> {
    let mut client = database.connect().await?;
    let transaction = client.transaction().await?;
    let gone = transaction.execute("delete from notes", &[]).await?;
    drop(transaction);
    let row = client.query_one("select count(*) from notes", &[]).await?;
    Ok(format!("{gone} of {}", row.get::<_, i64>(0)))
}

/// A query that takes too long is cancelled, which the database confirms.
async fn give_up(State(database): Shared) -> Result<String, Failure> {
    let client = database.connect().await?;
    let slow = client.query("select pg_sleep(600)", &[]);
    let mut slow = std::pin::pin!(slow);
    if timeout(Duration::from_millis(20), slow.as_mut()).await.is_ok() {
        return Ok("it slept already".to_owned());
    }
    client.cancel_token().cancel_query(NoTls).await?;
    let error = slow.await.err().and_then(|error| error.code().cloned());
    Ok(error.map_or_else(|| "no error".to_owned(), |code| code.code().to_owned()))
}

async fn many_at_once(State(database): Shared) -> Result<String, Failure> {
    let client = database.client().await?;
    let queries = (0..50).map(|number: i32| async move {
        let row = client.query_one("select $1::int4 * 2", &[&number]).await?;
        row.try_get::<_, i32>(0)
    });
    Ok(try_join_all(queries).await?.iter().sum::<i32>().to_string())
}

fn server(on: Backend, postgres: &Program) -> Running {
    let mut config = Config::new();
    config.host("127.0.0.1").port(postgres.port).user("tester").dbname("postgres");
    let app = Router::new()
        .route("/notes", post(add))
        .route("/notes/{id}", get(find))
        .route("/numbers/{count}", get(numbers))
        .route("/roll-back", get(roll_back))
        .route("/give-up", get(give_up))
        .route("/many", get(many_at_once))
        .state(Arc::new(Database { config, client: OnceCell::new() }));
    start(on, app)
}

fn a_database(on: Backend) {
    let Some(mut postgres) = Program::postgres(&format!("database::{on}")) else { return };
    let server = server(on, &postgres);
    let mut client = server.connect();
    client.send(upload("/notes", "a note")).response().says("1");
    client.send(upload("/notes", "drop table notes")).response().says("2");
    client.get("/notes/1").says("a note");
    client.get("/notes/2").says("drop table notes");
    client.get("/notes/3").with_status(404);
    client.get("/roll-back").says("2 of 2");
    let expected: String = (1..=20_000).map(|number| format!("{number};")).collect();
    client.get("/numbers/20000").says(&expected);
    client.get("/many").says("2450");
    // The state of a query that was cancelled.
    client.get("/give-up").says("57014");

    let mut clients: Vec<_> = (0..16).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(request("/many").repeat(4));
    }
    for client in &mut clients {
        (0..4).for_each(|_| drop(client.response().says("2450")));
    }
    // Its rows have not all been read when the client leaves: the next query has its own.
    let mut leaving = server.connect();
    assert_eq!(leaving.send(request("/numbers/1000000")).head().status, 200);
    leaving.reset();
    client.get("/notes/1").says("a note");

    postgres.stop();
    client.get("/notes/1").with_status(500);
}
