//! What is said of each scenario beside its figures: what is asked, what in the code has a part in where Trijet stands, and
//! what that costs. No measured figure stands here, and nothing that other figures could make untrue: what a server
//! does, never how much that matters.

/// The words of a scenario.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub asks: &'static str,
    pub explains: &'static str,
    pub costs: &'static str,
    /// The scenario that differs from it in one thing.
    pub beside: Option<&'static str>,
}

const BASE: Option<&str> = Some("plaintext-64");

/// The words of the scenario of this name.
pub(super) fn of(scenario: &str) -> Option<Words> {
    Some(match scenario {
        "plaintext-64" => Words {
            asks: "A `GET` of a short text, with one request under way on each connection. It is what a server does around a handler that does nothing.",
            explains: "Beyond its floor, a server of ours scans and checks the head, finds the route, calls the handler and writes a head of its own. On \
                threaded, a request of a kept connection is a `recv` and a `send` on the connection's thread, and the system changes threads \
                from one connection to the next. On mio and Tokio, one look for events serves many connections that are ready; in exchange, each \
                turn of a connection is found, driven and put to rest again, on Tokio by its scheduler. All requests of the load have the same fields, \
                which a server of ours knows again and does not scan; below, `varied` counts a request whose fields it has to scan.",
            costs: "A thread for each busy connection on threaded; on mio and Tokio the rule that an `async fn` never blocks.",
            beside: None,
        },
        "plaintext-512" => Words {
            asks: "The same with more connections.",
            explains: "Each connection of threaded has a thread here too, since the server was allowed as many (its own limit is in README.md; where there are \
                more connections than that, busy ones take turns). The event loops have one thread as before, and longer rounds.",
            costs: "More threads on threaded, and the memory of each.",
            beside: BASE,
        },
        "pipelined" => Words {
            asks: "The same text, with several requests in one write on each connection, and their answers awaited together.",
            explains: "What has come together is answered together: the driver takes requests as long as there are whole ones, up to the bound of a turn, and \
                their answers leave in one write. So reading, writing and the turn of a connection are shared, and what is compared is the work on \
                each request. The floor has its responses side by side in memory, and copies nothing but what it sends.",
            costs: "Answers wait for those behind them in the same write, at most a turn's.",
            beside: BASE,
        },
        "json" => Words {
            asks: "An object with one field.",
            explains: "The object is serialised anew for each request, as it is by the peers that have handlers; the floors and nginx send bytes that were there \
                before.",
            costs: "One more piece of memory than a text that is a constant.",
            beside: BASE,
        },
        "param" => Words {
            asks: "A route with a parameter, which is the answer.",
            explains: "The parameter is checked, decoded and handed to the handler as a `String` of its own. The floors look at no path; hyper, may and \
                tiny_http have no router, and cut the parameter off the path by hand.",
            costs: "A copy of the parameter.",
            beside: BASE,
        },
        "router" => Words {
            asks: "Many routes, each asked for in its turn.",
            explains: "All routes are compiled to one tree when the server starts (`matchit`), so that a path is looked at once and not compared with route after \
                route. Each request asks for another one than the request before it.",
            costs: "The tree, made once; routes cannot be added later.",
            beside: BASE,
        },
        "fn" => Words {
            asks: "The same text from a plain `fn`, which is allowed to block: on axum `spawn_blocking`, on actix `web::block`, on tiny_http any handler.",
            explains: "On threaded nothing is handed over: the `fn` runs on the connection's own thread. On mio and Tokio it goes to a thread of the pool, and its \
                answer comes back to the loop, which may take a wake on either side, on one processor here; the loop goes on with others meanwhile. The \
                floors hand nothing over.",
            costs: "The hand-over, for each request to a plain `fn` on an event loop. Who promises not to block writes an `async fn`, or `inline`, and pays \
                none of it.",
            beside: BASE,
        },
        "echo-1k" => Words {
            asks: "A `POST` of a small body, which is the answer.",
            explains: "The handler takes the whole body as `Bytes`, so it is called once the last byte has come, and returns what it took. The floor counts \
                the bytes of a request, keeps none, and sends a body that was there before.",
            costs: "The body stays in memory until it is sent.",
            beside: BASE,
        },
        "echo-1m" => Words {
            asks: "A `POST` of a large body, which is the answer.",
            explains: "The handler takes the whole body, which is gathered in one piece of memory before the answer begins; the floor reads over the same few \
                bytes again and again, and sends a body that was there before. What of the distance is copying, what the memory itself and what waiting \
                for room in the socket, these figures do not tell.",
            costs: "A body's memory for each connection that is within such a request. A handler that takes the body piece by piece, as for the upload, \
                never holds all of it.",
            beside: None,
        },
        "upload" => Words {
            asks: "A `POST` of a body that is larger still, counted and let go.",
            explains: "The handler takes the body piece by piece, as it is read, and nothing is gathered: what comes on top of the floor's reading is the \
                framing, the memory of a piece and the handler's turn for each.",
            costs: "No memory that grows with the body.",
            beside: None,
        },
        "download" => Words {
            asks: "A body that is made while it is sent.",
            explains: "The handler returns a stream of pieces, each of which is sent as a chunk. A few of them are gathered for one write, while \
                what slow readers leave of such writes is within a bound that all connections share. A turn of a connection has its bound of \
                bytes, so that others come in between. The floors and nginx send a body of known length; nginx sends a file.",
            costs: "At most the bound of queued output for each connection, however slowly its client reads, and that one bound for all connections \
                together.",
            beside: None,
        },
        "churn" => Words {
            asks: "A connection for each request, which the client closes.",
            explains: "A connection is accepted, set up, handed to who serves it, and taken down again: on threaded by the poller to a request thread, on mio by the \
                first loop to one of the loops, on Tokio by the acceptor to a task of its own. The limits on connections and what a stop has to know are \
                kept on that way.",
            costs: "System calls for each connection, which kept connections save.",
            beside: BASE,
        },
        "wait" => Words {
            asks: "A handler that waits for a while, then answers. The rate cannot be more than connections by waiting time; what differs is what the waiting takes.",
            explains: "An `async fn` that waits keeps its thread on threaded, and is a timer on mio and Tokio. The floor for threads sleeps, the one for event loops \
                keeps a list.",
            costs: "On threaded a thread for each request that waits.",
            beside: None,
        },
        "idle" => Words {
            asks: "Connections that were answered once and say nothing more.",
            explains: "Where a connection goes idle, its driver ends: on threaded its socket is with the poller and no thread is held, on mio it is a place in \
                its loop's table, on Tokio a small task that waits. The floor for threads keeps a thread.",
            costs: "The next request on such a connection has to be given a driver again. Drivers are kept for that, a few.",
            beside: None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::{self, Scenario};

    #[test]
    fn each_scenario_has_its_words_and_no_figure_is_among_them() {
        for scenario in &scenarios::ALL {
            let words = of(scenario.name).expect(scenario.name);
            for text in [words.asks, words.explains, words.costs] {
                assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", scenario.name);
                let is_figure =
                    |letters: &[u8]| letters[1].is_ascii_digit() && !letters[0].is_ascii_alphanumeric();
                assert!(
                    !text.replace("p99", "").as_bytes().windows(2).any(is_figure),
                    "{}: {text}",
                    scenario.name
                );
            }
            assert!(words.beside.is_none_or(|beside| Scenario::named(beside).is_some()));
        }
        assert!(of("none").is_none());
    }
}
