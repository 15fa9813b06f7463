// Node's fetch against one running `hello`: called by tests/smoke.sh with the port and a file.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

const [port, path] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;

function check(condition, text) {
  if (!condition) throw new Error(`fetch: ${text}`);
}

for (let round = 0; round < 20; round++) {
  const answer = await fetch(`${base}/hello/${round}`);
  check(answer.status === 200, `status ${answer.status}`);
  check((await answer.text()) === `Hello, ${round}!`, "another body");
}
const json = await (await fetch(`${base}/json`)).json();
check(json.hello === "World", "another JSON");
const missing = await fetch(`${base}/nothing`);
check(missing.status === 404, `status ${missing.status} for what is not there`);
await missing.text();

// A stream as body: fetch sends it chunked, and reads the echo meanwhile.
const [sent, received] = [createHash("sha256"), createHash("sha256")];
let count = 0;
async function* pieces() {
  for await (const piece of createReadStream(path)) {
    sent.update(piece);
    yield piece;
  }
}
const answer = await fetch(`${base}/echo`, {
  method: "POST",
  body: ReadableStream.from(pieces()),
  duplex: "half",
});
check(answer.status === 200, `upload: status ${answer.status}`);
for await (const piece of answer.body) {
  received.update(piece);
  count += piece.length;
}
check(sent.digest("hex") === received.digest("hex"), "upload: what came back differs");
console.log(`  fetch: 22 requests, ${count} bytes chunked there and back, hash equal`);
