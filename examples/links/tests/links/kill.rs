//! `kill -9` under load, and what it leaves: every link that was acknowledged.

use std::{
    io,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{AUTHORIZED, BACKENDS, JSON, clear, fresh, process::Client, start_with};

#[test]
fn kill_9_under_load_loses_no_acknowledged_link() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 3;
    const ENOUGH: usize = 200;
    const UNLIMITED: &[(&str, &str)] = &[("LINKS_PER_MINUTE", "1000000000")];
    for backend in BACKENDS {
        let file = fresh(&format!("kill-{backend}"));
        let mut acknowledged: Vec<(String, String)> = Vec::new();
        for round in 0..ROUNDS {
            let process = start_with(backend, &file, UNLIMITED);
            let address = process.address();
            let (send, receive) = mpsc::channel();
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let send = send.clone();
                    thread::spawn(move || write_until_cut(address, &format!("{round}-{client}"), &send))
                })
                .collect();
            drop(send);
            let mut process = Some(process);
            let deadline = Instant::now() + Duration::from_secs(60);
            let mut count = 0;
            // All that was acknowledged is received: the channel ends when the last client was cut.
            for link in receive {
                acknowledged.push(link);
                count += 1;
                if (count >= ENOUGH || Instant::now() > deadline)
                    && let Some(process) = process.take()
                {
                    // kill -9
                    drop(process);
                }
            }
            assert!(count >= ENOUGH, "{backend}: {count} links in a minute");
            let sent: usize = clients.into_iter().map(|client| client.join().expect("no panic")).sum();
            println!("{backend}: killed with {count} links acknowledged, {sent} sent");
        }
        let process = start_with(backend, &file, UNLIMITED);
        let mut client = process.connect();
        for (code, url) in &acknowledged {
            let answer = client.get(&format!("/{code}"));
            assert_eq!((answer.status, answer.header("location")), (307, Some(&**url)), "{backend}: {code}");
        }
        process.interrupt();
        clear(&file);
    }
}

/// Adds links until the connection breaks, and tells of each that was acknowledged. Gives how many were sent.
fn write_until_cut(
    address: std::net::SocketAddr,
    name: &str,
    acknowledged: &mpsc::Sender<(String, String)>,
) -> usize {
    let mut client = Client::connect(address);
    for number in 0.. {
        let (code, url) = (format!("{name}-{number}"), format!("http://example.com/{name}/{number}"));
        let body = format!(r#"{{"url":"{url}","code":"{code}"}}"#);
        let fields = [AUTHORIZED, ("Content-Type", JSON)];
        let answer: io::Result<_> = client.try_ask_with("POST", "/api/links", &fields, body.as_bytes());
        match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 201, "{answer:?}");
                acknowledged.send((code, url)).expect("it is received");
            }
            Err(_) => return number + 1,
        }
    }
    unreachable!("the numbers do not end")
}
