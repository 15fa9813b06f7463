"""Real clients against one running `hello`: called by tests/smoke.sh. Standard library only.

    python3 tests/smoke.py exchanges PORT FILE     http.client: statuses, reuse, a chunked upload of FILE
    python3 tests/smoke.py stop PORT PID           a graceful stop under one-request connections
"""

import hashlib
import http.client
import os
import signal
import socket
import sys
import threading
import time


def check(condition, text):
    if not condition:
        sys.exit(f"http.client: {text}")


def exchanges(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.connect()
    local = connection.sock.getsockname()
    expected = [
        ("/", 200, b"Hello, World!"),
        ("/json", 200, b'{"hello":"World"}'),
        ("/hello/you", 200, b"Hello, you!"),
        ("/slow", 200, b"slept 50 ms on a thread\n"),
        ("/nothing", 404, None),
    ]
    for target, status, body in expected:
        connection.request("GET", target)
        answer = connection.getresponse()
        data = answer.read()
        check(answer.status == status, f"{target}: status {answer.status}")
        check(body is None or data == body, f"{target}: body {data!r}")
    check(connection.sock is not None and connection.sock.getsockname() == local, "the connection was not kept")

    # The answer comes while the file is sent, so one thread sends and this one reads.
    sent = hashlib.sha256()
    stream = connection.sock

    def send():
        stream.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with open(path, "rb") as file:
            while piece := file.read(50_000):
                sent.update(piece)
                stream.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        stream.sendall(b"0\r\n\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    answer = http.client.HTTPResponse(stream, method="POST")
    answer.begin()
    received, count = hashlib.sha256(), 0
    while piece := answer.read(65_536):
        received.update(piece)
        count += len(piece)
    sender.join()
    check(answer.status == 200, f"upload: status {answer.status}")
    check(sent.digest() == received.digest(), "upload: what came back differs")
    check(count == os.path.getsize(path), "upload: it is not all there")
    print(f"  http.client: {len(expected)} requests on one connection, {count} bytes chunked there and back, hash equal")


class Load:
    """Clients that open a connection, ask once and read to the end. All times are of one clock."""

    def __init__(self, port):
        self.port = port
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.answered = 0
        self.refused = 0
        self.lost = []

    def one(self):
        try:
            stream = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        except OSError:
            # Nobody listens any more: this connection was never established.
            with self.lock:
                self.refused += 1
            return False
        established = time.monotonic()
        answer = b""
        try:
            with stream:
                stream.sendall(b"GET /hello/you HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                while piece := stream.recv(4096):
                    answer += piece
            error = None
        except OSError as caught:
            error = caught
        whole = answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\nHello, you!")
        with self.lock:
            if whole:
                self.answered += 1
            else:
                self.lost.append((established, error, answer))
        return True

    def run(self):
        while not self.over.is_set() and self.one():
            pass


def stop(port, pid):
    load = Load(port)
    clients = [threading.Thread(target=load.run) for _ in range(16)]
    for client in clients:
        client.start()
    time.sleep(2)
    signalled = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    for client in clients:
        client.join(40)
    load.over.set()
    if any(client.is_alive() for client in clients):
        sys.exit("stop: a client still waits")
    before = [lost for lost in load.lost if lost[0] <= signalled]
    after = len(load.lost) - len(before)
    print(
        f"  stop: {load.answered} connections answered; established before the signal and not answered: "
        f"{len(before)}; after it: {after}; refused: {load.refused}"
    )
    if before:
        sys.exit(f"stop: not answered: {before[:3]}")


if __name__ == "__main__":
    if sys.argv[1] == "exchanges":
        exchanges(int(sys.argv[2]), sys.argv[3])
    else:
        stop(int(sys.argv[2]), int(sys.argv[3]))
