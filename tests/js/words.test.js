import assert from "node:assert/strict";
import test from "node:test";
import { actionOf } from "../../static/js/room/ui/keyboard.js";
import { piecesOf } from "../../static/js/room/ui/links.js";
import { clock, fileSize, minutesLeft, timeOfDay } from "../../static/js/room/ui/time.js";

/** @param {string} text */
const urls = (text) => piecesOf(text).flatMap(({ url }) => (url ? [url] : []));

test("web addresses become links, nothing of the text is lost", () => {
  for (const text of ["see https://example.org/a?b=1#c, or http://x.org.", "no link", "", "https://a.org https://b.org", "看https://example.org/路径。好"]) {
    assert.equal(piecesOf(text).map((piece) => piece.text).join(""), text);
  }
  assert.deepEqual(urls("see https://example.org/a?b=1#c, or http://x.org."), ["https://example.org/a?b=1#c", "http://x.org"]);
  assert.deepEqual(urls("(https://en.wikipedia.org/wiki/Wave_(physics))"), ["https://en.wikipedia.org/wiki/Wave_(physics)"]);
  assert.deepEqual(urls("看https://example.org/page。好"), ["https://example.org/page"]);
});

test("nothing but http and https becomes a link", () => {
  for (const text of ["javascript:alert(1)", "data:text/html,<b>", "ftp://x.org/a", "file:///etc/passwd", "https://", "www.example.org", "xhttps://a.org"]) {
    assert.deepEqual(urls(text), [], text);
  }
  assert.deepEqual(urls('<a href="https://x.org">'), ["https://x.org"], "markup stays text around the address");
});

test("clocks and sizes", () => {
  assert.equal(clock(0), "00:00");
  assert.equal(clock(23 * 60_000 + 41_000), "23:41");
  assert.equal(clock(3_723_000), "1:02:03");
  assert.equal(clock(-5000), "00:00");
  assert.equal(fileSize(999, "en"), "999 B");
  assert.equal(fileSize(412 * 1024, "en"), "412 KB");
  assert.equal(fileSize(3.14 * 1024 * 1024, "en"), "3.1 MB");
  assert.equal(fileSize(3.14 * 1024 * 1024, "de"), "3,1 MB");
});

test("times of day are in the zone of the page, 24 hours", () => {
  assert.equal(timeOfDay("2026-11-23T14:05:00Z", "en", "Asia/Shanghai"), "22:05");
  assert.equal(timeOfDay("2026-11-23T16:00:00Z", "en", "Asia/Shanghai"), "00:00");
  assert.equal(timeOfDay("never", "en"), "");
});

test("minutes left are rounded up and never negative", () => {
  const now = Date.parse("2026-11-23T10:00:00Z");
  assert.equal(minutesLeft("2026-11-23T10:00:30Z", now), 1);
  assert.equal(minutesLeft("2026-11-23T10:12:00Z", now), 12);
  assert.equal(minutesLeft("2026-11-23T09:00:00Z", now), 0);
  assert.equal(minutesLeft("", now), 0);
});

const KEY = { ctrlKey: false, metaKey: false, altKey: false, repeat: false, isComposing: false };
/** @param {string[]} matching */
const element = (...matching) => /** @type {any} */ ({
  matches: (/** @type {string} */ selector) => matching.some((part) => selector.includes(part)),
  closest: (/** @type {string} */ selector) => (matching.some((part) => selector.includes(part)) ? {} : null),
});

test("single keys act, also with capitals", () => {
  assert.equal(actionOf({ ...KEY, key: "m" }, null), "mic");
  assert.equal(actionOf({ ...KEY, key: "V" }, element("button")), "camera");
  assert.equal(actionOf({ ...KEY, key: "r" }, null), "react");
  assert.equal(actionOf({ ...KEY, key: "?" }, null), "shortcuts");
  assert.equal(actionOf({ ...KEY, key: "x" }, null), null);
});

test("keys do nothing while one types, holds a key down, composes, or in a dialog", () => {
  assert.equal(actionOf({ ...KEY, key: "m" }, element("textarea")), null);
  assert.equal(actionOf({ ...KEY, key: "m" }, element("dialog[open]")), null);
  for (const held of ["ctrlKey", "metaKey", "altKey", "repeat", "isComposing"]) {
    assert.equal(actionOf({ ...KEY, [held]: true, key: "m" }, null), null, held);
  }
});
