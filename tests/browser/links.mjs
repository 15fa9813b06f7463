// links.mjs PROGRAM BACKEND FOLDER: `links` as its users see it, in headless Chromium. Nothing is waited for by time: each step
// waits for what it brings about. It ends with an error at the first thing that is not as it should be.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [program, backend, folder] = process.argv.slice(2);
const token = "c2VjcmV0";

function check(condition, text) {
  if (!condition) throw new Error(`${backend}: ${text}`);
}

function same(actual, expected, text) {
  check(actual === expected, `${text}: ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

/** Starts the program. */
function start(database) {
  return spawn(program, {
    env: {
      ...process.env,
      PORT: "0",
      LINKS_DB: database,
      LINKS_TOKEN: token,
      LINKS_PER_MINUTE: "1000",
      TRIJET_BACKEND: backend,
      RUST_LOG: "info",
    },
    stdio: ["ignore", "ignore", "pipe"],
  });
}

/** Its address, once it serves. */
async function serving(server) {
  const address = await new Promise((found, failed) => {
    const seen = [];
    server.once("exit", (code) => failed(new Error(`links ended with ${code}:\n${seen.join("\n")}`)));
    createInterface(server.stderr).on("line", (line) => {
      seen.push(line);
      const match = line.match(/serving on (http:\/\/\S+) with backend (\S+)/);
      if (match) found(match);
    });
  });
  same(address[2], backend, "the backend");
  return address[1];
}

/** Ends the program as a user would, and gives its exit code: null for one that had to be killed. */
async function stopped(server) {
  if (server.exitCode !== null || server.signalCode !== null) return server.exitCode;
  const ended = new Promise((end) => server.once("exit", end));
  server.kill("SIGINT");
  const killing = setTimeout(() => server.kill("SIGKILL"), 60_000);
  const code = await ended;
  clearTimeout(killing);
  return code;
}

/** A page in a context of its own; whatever its console complains about is kept. */
async function open(browser, base, options = {}) {
  const context = await browser.newContext({ baseURL: base, ...options });
  // The pages' policy lets no script in; this one is the browser's own.
  await context.addInitScript(colours);
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { context, page, complaints };
}

/** Pages come piece by piece from now on, 20 KB a second: a step that is not waited for is seen. */
async function slowDown(context, page) {
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  const speed = { latency: 30, downloadThroughput: 20_000, uploadThroughput: -1 };
  await session.send("Network.emulateNetworkConditions", { offline: false, ...speed });
}

/** Does what leads to another page, and waits until that is there as a whole. */
async function turn(page, act) {
  const loaded = page.waitForEvent("load");
  await act();
  await loaded;
}

/** Those on the page that is there. */
const codes = async (page) => (await page.locator(".links .code").allTextContents()).join();

async function shorten(page, url, code = "") {
  await page.getByLabel("Address").fill(url);
  await page.getByLabel("Code").fill(code);
  await turn(page, () => page.getByRole("button", { name: "Shorten" }).click());
}

/** What a user does. */
async function using(browser, base) {
  const { context, page, complaints } = await open(browser, base);
  await slowDown(context, page);
  const answer = await page.goto("/");
  same(answer.status(), 200, "the page");
  same(await page.title(), "Links", "its title");
  check((await page.getByText("Nothing yet.").count()) === 1, "a new browser has no links");
  const [style, icon] = ["/static/style.css", "/static/icon.svg"];
  for (const asset of [style, icon]) same((await page.request.get(asset)).status(), 200, asset);
  const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  same(background, "rgb(246, 247, 249)", "the style sheet is applied");

  // By the keyboard alone: the title, the two fields, the button.
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("https://example.com/?q=&lt;b&gt;&'x'");
  await page.keyboard.press("Tab");
  await page.keyboard.type("first");
  await turn(page, () => page.keyboard.press("Enter"));
  same(await page.getByRole("status").textContent(), "Your link is /first.", "the news");
  same(page.url(), `${base}/`, "the address after the form");
  same(await page.locator(".links .url").textContent(), "https://example.com/?q=&lt;b&gt;&'x'", "markup is text");
  await page.reload();
  same(await page.getByRole("status").count(), 0, "news is told once");
  same(await codes(page), "/first", "a reload adds nothing");

  await shorten(page, "https://example.com/second", "first");
  same(await page.getByRole("alert").textContent(), "This code is taken.", "a code twice");
  same(await page.getByLabel("Address").inputValue(), "https://example.com/second", "what was typed is kept");
  same(await page.getByLabel("Code").inputValue(), "first", "and so is the code");
  await shorten(page, "http://user:secret@example.com/");
  same(await page.getByRole("alert").textContent(), "A URL with a user or a password is not taken.", "a rule");
  await shorten(page, "https://example.com/second", "second");
  same(await codes(page), "/second,/first", "the newest comes first");

  const followed = await page.request.get("/first", { maxRedirects: 0 });
  same(followed.status(), 307, "a link leads on");
  same(followed.headers().location, "https://example.com/?q=&lt;b&gt;&'x'", "to its address");

  // Another browser has other links, and cannot remove these.
  const other = await open(browser, base);
  await other.page.goto("/");
  same(await codes(other.page), "", "another browser's links");
  await shorten(other.page, "https://example.com/other", "other");
  same(await codes(other.page), "/other", "another browser's links, with one of its own");
  const stolen = await other.page.request.post("/first/remove", { headers: { "sec-fetch-site": "same-origin" } });
  same(stolen.status(), 404, "another browser's removal");
  same((await page.request.get("/first", { maxRedirects: 0 })).status(), 307, "the link, then");
  await other.context.close();

  await turn(page, () => page.getByRole("button", { name: "Remove /first" }).click());
  same(await page.getByRole("status").textContent(), "The link /first is gone.", "the news of that");
  same(await codes(page), "/second", "a removed link is gone");
  same((await page.request.get("/first", { maxRedirects: 0 })).status(), 404, "also for others");

  const [cookie] = await context.cookies();
  same(cookie.name, "links", "the cookie");
  check(cookie.httpOnly && cookie.sameSite === "Lax", "the cookie is for no script and no other site");
  // Chromium itself tells of the 409 and the 422; nothing else is to be told.
  const untold = complaints.filter((text) => !/status of (409|422)/.test(text));
  same(untold.join("\n"), "", "the console");
  return context;
}

/**
 * Pages of other origins have the browser send a form here: one of another site, with which `SameSite` keeps the cookie
 * back, and one of this very host at another port, which is the same site and sends it.
 */
async function forging(context, base) {
  const evil = createServer((_, answer) => {
    answer.setHeader("content-type", "text/html");
    answer.end(`<form method=post action="${base}/"><input name=url value="https://evil.example/"><button>Win</button></form>`);
  });
  await new Promise((listening) => evil.listen(0, "127.0.0.1", listening));
  const page = await context.newPage();
  for (const [host, site, cookies] of [["localhost", "cross-site", 0], ["127.0.0.1", "same-site", 1]]) {
    await page.goto(`http://${host}:${evil.address().port}/`);
    const answered = page.waitForResponse(`${base}/`);
    await turn(page, () => page.getByRole("button").click());
    const answer = await answered;
    const sent = await answer.request().headersArray();
    const named = (name) => sent.filter((field) => field.name.toLowerCase() === name).map((field) => field.value);
    same(named("sec-fetch-site").join(), site, "where a forged form comes from");
    same(named("cookie").filter((cookie) => cookie.includes("links=")).length, cookies, `${site}: the user's own cookie`);
    same(answer.status(), 403, `${site}: a forged form`);
    same(await page.getByRole("heading", { level: 2 }).textContent(), "403 Forbidden", `${site}: its page`);
    same(await page.getByText("it comes from a page of another origin").count(), 1, `${site}: its sentence`);
    await page.goto(`${base}/`);
    same(await codes(page), "/second", `${site}: the links after a forged form`);
  }
  evil.close();
  await page.close();
}

/** More links than one page has. */
async function paging(browser, base) {
  const { context, page } = await open(browser, base, { viewport: { width: 360, height: 740 } });
  for (let number = 0; number < 51; number++) {
    const form = { url: `https://example.com/${number}`, code: `page-${number}` };
    same((await page.request.post("/", { form })).status(), 200, form.code);
  }
  await page.goto("/");
  check((await codes(page)).startsWith("/page-50,/page-49,"), "the newest come first");
  same(await page.getByRole("link", { name: "Newer" }).count(), 0, "what is newer than the newest");
  await page.getByRole("link", { name: "Older" }).scrollIntoViewIfNeeded();
  await page.screenshot({ path: join(folder, `${backend}-older.png`) });
  await turn(page, () => page.getByRole("link", { name: "Older" }).click());
  same(await codes(page), "/page-0", "the second page");
  await page.screenshot({ path: join(folder, `${backend}-newer.png`) });
  await turn(page, () => page.getByRole("button", { name: "Remove /page-0" }).click());
  same(await page.getByRole("link", { name: "Older" }).count(), 0, "a second page without links");
  await context.close();
}

/** Pages of errors, for people. */
async function failing(browser, base) {
  const { context, page } = await open(browser, base);
  const missing = await page.goto("/no-such-link");
  same(missing.status(), 404, "a link that is not there");
  same(await page.getByRole("heading", { level: 2 }).textContent(), "404 Not Found", "its page");
  same(await page.getByText("There is no such link.").count(), 1, "its sentence");
  await turn(page, () => page.getByRole("link", { name: "To your links" }).click());
  same(await page.getByLabel("Address").count(), 1, "the way back");
  const problem = await page.request.get("/api/links/none", { headers: { authorization: `Bearer ${token}` } });
  same(problem.headers()["content-type"], "application/problem+json", "an error of the API");
  const metrics = await (await page.request.get("/metrics")).text();
  check(/\{[^}]*route="\/\{code\}"[^}]*\}/.test(metrics) && metrics.includes("trijet_connections{"), metrics);
  await context.close();
}

/** Each look, kept as a picture; nothing may stick out of a narrow screen, and all of it is told from its ground. */
async function looking(browser, base) {
  for (const [width, viewport] of Object.entries({ narrow: { width: 360, height: 740 }, wide: { width: 1280, height: 800 } })) {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page } = await open(browser, base, { viewport, colorScheme });
      const look = async (name, kinds) => {
        await page.screenshot({ path: join(folder, `${backend}-${width}-${colorScheme}-${name}.png`), fullPage: true });
        const place = `${width}, ${colorScheme}, ${name}`;
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        same(overflow, 0, `${place}: what sticks out`);
        const found = await page.evaluate(measure);
        for (const { kind, text, ratio } of found) {
          // WCAG 2.2 §1.4.3 for what is read, §1.4.11 for what shows where something can be used.
          const least = kind === "edge" ? 3 : 4.5;
          check(ratio >= least, `${place}: ${kind} "${text}" has a contrast of ${ratio.toFixed(2)}, not ${least}`);
        }
        for (const kind of kinds) check(found.some((one) => one.kind === kind), `${place}: no ${kind} was measured`);
      };
      await page.goto("/");
      await look("empty", ["text", "placeholder", "edge"]);
      // By the keyboard: what is chosen is seen.
      for (const name of ["title", "address", "code", "button"]) {
        await page.keyboard.press("Tab");
        const { ratio, style } = await page.evaluate(measureOutline);
        same(style, "solid", `${width}, ${colorScheme}: the outline of the ${name}`);
        check(ratio >= 3, `${width}, ${colorScheme}: the outline of the ${name} has a contrast of ${ratio.toFixed(2)}`);
      }
      await shorten(page, `https://example.com/a/rather/long/address/that/does/not/fit?${"x=1&".repeat(40)}`);
      await shorten(page, "https://example.com/second");
      same(await page.getByRole("status").count(), 1, "the news");
      await look("links", ["text", "edge"]);
      await shorten(page, "https://user@example.com/");
      same(await page.getByRole("alert").count(), 1, "what is wrong");
      await look("error", ["text", "value", "edge"]);
      await context.close();
    }
  }
}

/** In the page: what WCAG 2.2 calls the relative luminance of a colour, and the contrast of two. */
function colours() {
  const parse = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const contrast = (color, paper) => {
    const [ink, under] = [parse(color), paper].map(luminance);
    return (Math.max(ink, under) + 0.05) / (Math.min(ink, under) + 0.05);
  };
  window.measured = { ground, contrast };
}

/** In the page: the contrast of each text, of what is in each field, and of the edges of what can be used. */
function measure() {
  const { ground, contrast } = window.measured;
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(element);
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (text) found.push({ kind: "text", text: text.slice(0, 30), ratio: contrast(style.color, ground(element)) });
    if (element.value && element.matches("input")) {
      found.push({ kind: "value", text: element.name, ratio: contrast(style.color, ground(element)) });
    } else if (element.placeholder) {
      const { color, opacity } = getComputedStyle(element, "::placeholder");
      // One that is half transparent would have to be mixed with its ground first.
      found.push({ kind: "placeholder", text: element.name, ratio: opacity === "1" ? contrast(color, ground(element)) : 0 });
    }
    // A button with a ground of its own is seen by that.
    if (element.matches("input, button.plain")) {
      for (const paper of [ground(element), ground(element.parentElement)]) {
        found.push({ kind: "edge", text: element.name || element.textContent, ratio: contrast(style.borderTopColor, paper) });
      }
    }
  }
  return found;
}

/** In the page: the contrast of the outline of what has the focus with what is around it. */
function measureOutline() {
  const { ground, contrast } = window.measured;
  const { outlineColor, outlineStyle } = getComputedStyle(document.activeElement);
  return { style: outlineStyle, ratio: contrast(outlineColor, ground(document.activeElement.parentElement)) };
}

const place = await mkdtemp(join(tmpdir(), "links-"));
const server = start(join(place, "links.db"));
try {
  const base = await serving(server);
  // Without its own sandbox, which root may not have; it opens nothing but this server's pages.
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const context = await using(browser, base);
    await forging(context, base);
    await failing(browser, base);
    await paging(browser, base);
    await looking(browser, base);
  } finally {
    await browser.close();
  }
} finally {
  const code = await stopped(server);
  await rm(place, { recursive: true });
  if (code !== 0) {
    console.error(`${backend}: links ended with ${code}`);
    process.exitCode = 1;
  }
}
if (process.exitCode !== 1) console.log(`browser: links on ${backend} is as it should be`);
