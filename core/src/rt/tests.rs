//! Waiting on virtual time, under every schedule; what only a real thread or socket shows is in the suite.
#![cfg(feature = "testing")]

use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake},
    time::Duration,
};

use crate::{
    Router, get,
    rt::{self, TcpStream},
    sim::{Schedule, Settings, Sim, TestClient},
};

const SEEDS: u64 = 200;

/// Runs `test` in order, and by seeds.
fn under_every_schedule(test: impl Fn(Settings)) {
    test(Settings::default());
    for seed in 0..SEEDS {
        test(Settings { schedule: Schedule::Seeded(seed), ..Settings::default() });
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Both at once, as `join` of the crate `futures` has it.
async fn both<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none() {
            if let Poll::Ready(output) = one.as_mut().poll(cx) {
                first = Some(output);
            }
        }
        if second.is_none() {
            if let Poll::Ready(output) = other.as_mut().poll(cx) {
                second = Some(output);
            }
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

fn client(settings: Settings, app: Router) -> TestClient {
    TestClient::with_settings(app, settings)
}

#[test]
fn two_sleeps_take_the_time_of_the_longer() {
    async fn nap() -> String {
        let start = rt::now();
        both(rt::sleep(seconds(3)), rt::sleep(seconds(5))).await;
        format!("{:?}", rt::now() - start)
    }
    under_every_schedule(|settings| {
        let client = client(settings, Router::new().route("/", get(nap)));
        assert_eq!(client.get("/").send().text(), "5s");
        assert_eq!(client.sim().elapsed(), seconds(5));
    });
}

#[test]
fn ticks_that_are_missed_are_left_out() {
    async fn ticks() -> String {
        let mut interval = rt::interval(seconds(10));
        let first = interval.tick().await;
        let mut dues = Vec::new();
        for pause in [0, 25, 0, 3] {
            rt::sleep(seconds(pause)).await;
            dues.push((interval.tick().await - first).as_secs());
        }
        format!("{dues:?} {:?}", interval.period())
    }
    let client = TestClient::new(Router::new().route("/", get(ticks)));
    assert_eq!(client.get("/").send().text(), "[10, 20, 40, 50] 10s");
}

#[test]
fn a_timeout_drops_what_it_waited_for() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Count;
    impl Drop for Count {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::Relaxed);
        }
    }
    async fn hopeless() -> String {
        let held = Count;
        let never = async move {
            let _held = held;
            pending::<()>().await;
        };
        rt::timeout(seconds(30), never).await.unwrap_err().to_string()
    }
    let client = TestClient::new(Router::new().route("/", get(hopeless)));
    assert_eq!(client.get("/").send().text(), "the time is over");
    assert_eq!((DROPS.load(Ordering::Relaxed), client.sim().elapsed()), (1, seconds(30)));
}

#[test]
fn hosts_answer_in_virtual_time() {
    async fn query() -> String {
        let ask = |word: &'static str| async move {
            let mut database = TcpStream::connect("db.internal:5000").await.unwrap();
            assert_eq!(database.peer_addr().unwrap().port(), 5000);
            database.write_all(word.as_bytes()).await.unwrap();
            database.close().await.unwrap();
            read_all(&mut database).await
        };
        let (one, other) = both(ask("one"), ask("other")).await;
        format!("{one} {other}")
    }
    async fn read_all(stream: &mut TcpStream) -> String {
        let (mut all, mut part) = (Vec::new(), [0; 7]);
        loop {
            match stream.read(&mut part).await.unwrap() {
                0 => return String::from_utf8(all).unwrap(),
                count => all.extend_from_slice(&part[..count]),
            }
        }
    }
    under_every_schedule(|settings| {
        let narrow = Settings { buffer_bytes: 16, ..settings };
        let client = client(narrow, Router::new().route("/", get(query)));
        client.sim().host("db.internal:5000", |mut stream| async move {
            let question = read_all(&mut stream).await;
            rt::sleep(seconds(2)).await;
            stream.write_all(question.to_uppercase().repeat(20).as_bytes()).await.unwrap();
        });
        let answer = format!("{} {}", "ONE".repeat(20), "OTHER".repeat(20));
        assert_eq!(client.get("/").send().text(), answer);
        assert_eq!(client.sim().elapsed(), seconds(2), "both wait at the same time");
    });
}

#[test]
fn a_host_that_is_not_there_or_leaves_is_an_error() {
    async fn query() -> String {
        let nobody = TcpStream::connect("127.0.0.1:80").await.unwrap_err();
        let nowhere = TcpStream::connect("elsewhere:80").await.unwrap_err();
        let mut rude = TcpStream::connect("rude:80").await.unwrap();
        rude.write_all(b"read this").await.unwrap();
        rt::sleep(seconds(1)).await;
        let reset = rude.read(&mut [0]).await.unwrap_err();
        let broken = rude.write_all(b"more").await.unwrap_err();
        format!("{:?} {:?} {:?} {:?}", nobody.kind(), nowhere.kind(), reset.kind(), broken.kind())
    }
    let client = TestClient::new(Router::new().route("/", get(query)));
    client.sim().host("rude:80", |stream| async move {
        rt::sleep(Duration::from_millis(1)).await;
        drop(stream);
    });
    assert_eq!(client.get("/").send().text(), "ConnectionRefused NotFound ConnectionReset BrokenPipe");
}

#[test]
fn tasks_and_calls_go_on_by_themselves() {
    let sum = Arc::new(AtomicUsize::new(0));
    let add = sum.clone();
    let start = move || {
        let add = add.clone();
        async move {
            for index in 0..5 {
                let add = add.clone();
                drop(rt::spawn(async move {
                    rt::sleep(seconds(index)).await;
                    let call = rt::spawn_blocking(move || add.fetch_add(1, Ordering::Relaxed));
                    call.await.unwrap();
                }));
            }
            "begun"
        }
    };
    under_every_schedule(|settings| {
        sum.store(0, Ordering::Relaxed);
        let client = client(settings, Router::new().route("/", get(start.clone())));
        assert_eq!(client.get("/").send().text(), "begun");
        client.sim().advance(seconds(2));
        assert_eq!(sum.load(Ordering::Relaxed), 3);
        client.sim().advance(seconds(2));
        assert_eq!(sum.load(Ordering::Relaxed), 5);
    });
}

#[test]
fn a_handle_that_is_dropped_takes_its_waker_along() {
    struct Idle;
    impl Wake for Idle {
        fn wake(self: Arc<Self>) {}
    }
    let join = async || {
        let kept = Arc::new(Idle);
        let waker = kept.clone().into();
        let mut handle = rt::spawn(pending::<()>());
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        drop((handle, waker));
        Arc::strong_count(&kept).to_string()
    };
    let client = TestClient::new(Router::new().route("/", get(join)));
    assert_eq!(client.get("/").send().text(), "1");
}

#[test]
fn a_simulation_that_goes_takes_its_tasks_along() {
    let held = Arc::new(());
    let hold = held.clone();
    let start = move || {
        let hold = hold.clone();
        async move {
            drop(rt::spawn(async move {
                let stream = TcpStream::connect("h:1").await.unwrap();
                rt::sleep(Duration::MAX).await;
                drop((hold, stream));
            }));
            "begun"
        }
    };
    let sim = Sim::new(Router::new().route("/", get(start)), Settings::default());
    sim.host("h:1", |stream| async move {
        let _kept = stream;
        pending::<()>().await;
    });
    let peer = sim.connect();
    peer.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n").await_response().close();
    sim.settle();
    assert!(peer.received_text().ends_with("begun"));
    assert_eq!(Arc::strong_count(&held), 3);
    drop((sim, peer));
    assert_eq!(Arc::strong_count(&held), 1);
}

/// As all that a simulation does, so that a run can be repeated.
#[test]
fn tasks_end_in_the_order_in_which_they_were_spawned() {
    struct Tell(usize, Arc<Mutex<Vec<usize>>>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let ended = Arc::new(Mutex::new(Vec::new()));
    let told = ended.clone();
    let start = move || {
        let told = told.clone();
        async move {
            for index in 0..20 {
                let held = Tell(index, told.clone());
                drop(rt::spawn(async move {
                    let _held = held;
                    pending::<()>().await;
                }));
            }
            "begun"
        }
    };
    let client = TestClient::new(Router::new().route("/", get(start)));
    assert_eq!(client.get("/").send().text(), "begun");
    drop(client);
    assert_eq!(*ended.lock().unwrap(), (0..20).collect::<Vec<_>>());
}

#[test]
fn outside_of_a_server_errors_say_what_to_do() {
    let mut connect = pin!(TcpStream::connect("127.0.0.1:1"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(Err(error)) = connect.as_mut().poll(&mut cx) else { panic!("it is told at once") };
    assert!(error.to_string().contains("outside of a server"), "{error}");
    let Poll::Ready(Err(error)) = Pin::new(&mut rt::spawn(async {})).poll(&mut cx) else {
        panic!("it is told at once")
    };
    assert!(error.to_string().starts_with("trijet::rt::spawn was called"), "{error}");
    let panic = std::panic::catch_unwind(|| rt::interval(seconds(1))).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().starts_with("trijet::rt::interval was called"));
    assert_eq!(rt::backend(), None);
}
