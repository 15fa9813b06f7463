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

/** Starts the program; gives its address. */
async function serve(database) {
  const server = spawn(program, {
    env: { ...process.env, PORT: "0", LINKS_DB: database, LINKS_TOKEN: token, TRIJET_BACKEND: backend, RUST_LOG: "info" },
    stdio: ["ignore", "ignore", "pipe"],
  });
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
  return { server, base: address[1] };
}

/** Ends the program as a user would, and tells whether that was a success. */
function stopped(server) {
  return new Promise((ended) => {
    server.removeAllListeners("exit");
    server.once("exit", ended);
    server.kill("SIGINT");
  });
}

/** A page in a context of its own; whatever its console complains about is kept. */
async function open(browser, base, options = {}) {
  const context = await browser.newContext({ baseURL: base, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return { context, page, complaints };
}

const codes = (page) => page.locator(".links .code").allTextContents();

async function shorten(page, url, code = "") {
  await page.getByLabel("Address").fill(url);
  await page.getByLabel("Code").fill(code);
  await page.getByRole("button", { name: "Shorten" }).click();
}

/** What a user does. */
async function using(browser, base) {
  const { context, page, complaints } = await open(browser, base);
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
  await page.keyboard.press("Enter");
  await page.getByRole("status").waitFor();
  same(await page.getByRole("status").textContent(), "Your link is /first.", "the news");
  same(page.url(), `${base}/`, "the address after the form");
  same(await page.locator(".links .url").textContent(), "https://example.com/?q=&lt;b&gt;&'x'", "markup is text");
  await page.reload();
  same(await page.getByRole("status").count(), 0, "news is told once");
  check((await codes(page)).join() === "/first", "a reload adds nothing");

  await shorten(page, "https://example.com/second", "first");
  same(await page.getByRole("alert").textContent(), "This code is taken.", "a code twice");
  same(await page.getByLabel("Address").inputValue(), "https://example.com/second", "what was typed is kept");
  same(await page.getByLabel("Code").inputValue(), "first", "and so is the code");
  await shorten(page, "http://user:secret@example.com/");
  same(await page.getByRole("alert").textContent(), "A URL with a user or a password is not taken.", "a rule");
  await shorten(page, "https://example.com/second", "second");
  check((await codes(page)).join() === "/second,/first", "the newest comes first");

  const followed = await page.request.get("/first", { maxRedirects: 0 });
  same(followed.status(), 307, "a link leads on");
  same(followed.headers().location, "https://example.com/?q=&lt;b&gt;&'x'", "to its address");

  // Another browser has other links, and cannot remove these.
  const other = await open(browser, base);
  await other.page.goto("/");
  check((await codes(other.page)).length === 0, "another browser sees links that are not its own");
  const stolen = await other.page.request.post("/first/remove", { headers: { "sec-fetch-site": "same-origin" } });
  same(stolen.status(), 404, "another browser's removal");
  await other.context.close();

  await page.getByRole("button", { name: "Remove /first" }).click();
  await page.getByText("The link /first is gone.").waitFor();
  check((await codes(page)).join() === "/second", "a removed link is gone");
  same((await page.request.get("/first", { maxRedirects: 0 })).status(), 404, "also for others");

  const [cookie] = await context.cookies();
  check(cookie.httpOnly && cookie.sameSite === "Lax", "the cookie is for no script and no other site");
  // Chromium itself tells of the 409 and the 422; nothing else is to be told.
  const untold = complaints.filter((text) => !/status of (409|422)/.test(text));
  same(untold.join("\n"), "", "the console");
  return context;
}

/** The page of another origin has the browser send a form here: it is refused, with the user's own cookie. */
async function forging(context, base) {
  const page = await context.newPage();
  const evil = createServer((_, answer) => {
    answer.setHeader("content-type", "text/html");
    answer.end(`<form method=post action="${base}/"><input name=url value="https://evil.example/"><button>Win</button></form>`);
  });
  await new Promise((listening) => evil.listen(0, "127.0.0.1", listening));
  await page.goto(`http://localhost:${evil.address().port}/`).catch(() => page.goto(`http://127.0.0.1:${evil.address().port}/`));
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.url().startsWith(base)),
    page.getByRole("button").click(),
  ]);
  same(answer.status(), 403, "a forged form");
  await page.goto(`${base}/`);
  check((await codes(page)).join() === "/second", "a forged form has added a link");
  evil.close();
  await page.close();
}

/** Pages of errors, for people. */
async function failing(browser, base) {
  const { context, page } = await open(browser, base);
  const missing = await page.goto("/no-such-link");
  same(missing.status(), 404, "a link that is not there");
  same(await page.getByRole("heading", { level: 2 }).textContent(), "404 Not Found", "its page");
  same(await page.getByText("There is no such link.").count(), 1, "its sentence");
  await page.getByRole("link", { name: "To your links" }).click();
  await page.getByLabel("Address").waitFor();
  const problem = await page.request.get("/api/links/none", { headers: { authorization: `Bearer ${token}` } });
  same(problem.headers()["content-type"], "application/problem+json", "an error of the API");
  const metrics = await (await page.request.get("/metrics")).text();
  check(/\{[^}]*route="\/\{code\}"[^}]*\}/.test(metrics) && metrics.includes("trijet_connections{"), metrics);
  await context.close();
}

/** Each look, kept as a picture; nothing may stick out of a narrow screen, and text is told from its ground. */
async function looking(browser, base) {
  for (const [width, viewport] of Object.entries({ narrow: { width: 360, height: 740 }, wide: { width: 1280, height: 800 } })) {
    for (const colorScheme of ["light", "dark"]) {
      const { context, page } = await open(browser, base, { viewport, colorScheme });
      await page.goto("/");
      await page.screenshot({ path: join(folder, `${backend}-${width}-${colorScheme}-empty.png`) });
      await shorten(page, `https://example.com/a/rather/long/address/that/does/not/fit?${"x=1&".repeat(40)}`);
      await page.getByRole("status").waitFor();
      await shorten(page, "https://example.com/second");
      await page.getByRole("status").waitFor();
      await page.screenshot({ path: join(folder, `${backend}-${width}-${colorScheme}-links.png`), fullPage: true });
      await shorten(page, "https://user@example.com/");
      await page.getByRole("alert").waitFor();
      await page.screenshot({ path: join(folder, `${backend}-${width}-${colorScheme}-error.png`), fullPage: true });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      same(overflow, 0, `${width}, ${colorScheme}: what sticks out`);
      const contrasts = await page.evaluate(measure);
      for (const { text, ratio } of contrasts) {
        check(ratio >= 4.5, `${width}, ${colorScheme}: "${text}" has a contrast of ${ratio.toFixed(2)} (WCAG 2.2 §1.4.3 wants 4.5)`);
      }
      check(contrasts.length > 8, "the contrasts were measured");
      await context.close();
    }
  }
}

/** In the page: the contrast of each text with what is behind it (WCAG 2.2). */
function measure() {
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
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text) continue;
    const [ink, paper] = [parse(getComputedStyle(element).color), ground(element)].map(luminance);
    found.push({ text: text.slice(0, 30), ratio: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05) });
  }
  return found;
}

const place = await mkdtemp(join(tmpdir(), "links-"));
const { server, base } = await serve(join(place, "links.db"));
// Without its own sandbox, which root may not have; it opens nothing but this server's pages.
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const context = await using(browser, base);
  await forging(context, base);
  await failing(browser, base);
  await looking(browser, base);
} finally {
  await browser.close();
  const code = await stopped(server);
  await rm(place, { recursive: true });
  if (code !== 0) process.exitCode = 1;
}
console.log(`browser: links on ${backend} is as it should be`);
