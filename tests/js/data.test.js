import assert from "node:assert/strict";
import test from "node:test";
import { DataPath } from "../../static/js/room/media/data.js";
import { ProtocolError } from "../../static/js/room/protocol/codes.js";
import { FakeChannel, settle } from "./fake-rtc.js";

function path() {
  let now = 0;
  /** @type {any[]} */
  const fallback = [];
  const data = new DataPath(async (message) => void fallback.push(message), { now: () => now });
  const channel = new FakeChannel();
  data.use(channel);
  return { data, channel, fallback, wait: (/** @type {number} */ ms) => void (now += ms) };
}

test("what is sent goes by the channel when it is open, else by the WebSocket", () => {
  const { data, channel, fallback } = path();
  data.send("reaction", { name: "heart" });
  assert.deepEqual(fallback, [{ topic: "reaction", body: { name: "heart" } }]);
  channel.readyState = "open";
  assert.equal(data.isDirect, true);
  data.send("cursor", { x: 0.5 });
  assert.deepEqual(channel.sent, [{ topic: "cursor", body: { x: 0.5 } }]);
  channel.readyState = "closed";
  data.send("cursor", { x: 0.6 });
  assert.equal(fallback.length, 2);
});

test("the WebSocket is spared: fewer messages a second than the channel takes", () => {
  for (const isOpen of [false, true]) {
    const { data, channel, fallback, wait } = path();
    if (isOpen) channel.readyState = "open";
    let sent = 0;
    for (let at = 0; at < 10_000; at += 10) {
      if (data.send("cursor", { at })) sent++;
      wait(10);
    }
    const rate = sent / 10;
    assert.ok(isOpen ? rate > 45 && rate <= 60 : rate > 7 && rate < 10, `${rate} a second`);
    assert.equal(isOpen ? channel.sent.length : fallback.length, sent);
  }
  const { data, channel } = path();
  const slow = data.interval;
  channel.readyState = "open";
  assert.deepEqual([data.interval, slow > data.interval], [50, true]);
});

test("on a line that is full the newest is dropped, not queued", () => {
  const { data, channel } = path();
  channel.readyState = "open";
  channel.bufferedAmount = 1_000_000;
  assert.equal(data.send("cursor", {}), false);
  assert.equal(channel.sent.length, 0);
});

test("1,024 bytes are the most, counted as UTF-8", () => {
  const { data } = path();
  const body = (/** @type {number} */ length, letter = "a") => ({ text: letter.repeat(length) });
  const room = 1024 - JSON.stringify({ topic: "stroke", body: body(0) }).length;
  assert.equal(data.send("stroke", body(room)), true);
  assert.throws(() => data.send("stroke", body(room + 1)), RangeError);
  assert.throws(() => data.send("stroke", body(Math.ceil(room / 3) + 1, "笔")), RangeError);
});

test("both ways in lead to one place; what is broken or unknown is passed over", (t) => {
  const warned = t.mock.method(console, "warn", () => {});
  const { data, channel } = path();
  /** @type {any[]} */
  const heard = [];
  data.on("message", (message) => heard.push(message));
  channel.hear({ from: "bo", topic: "cursor", body: { x: 1 }, extra: 1 });
  data.take({ from: "cy", topic: "reaction", body: { name: "heart" } });
  for (const bad of ["{", "null", "7", '"text"', "[]", { from: 7, topic: "cursor", body: {} }, { from: "bo", topic: "shell", body: {} }, { from: "bo", topic: "cursor", body: null }, { from: "bo", topic: "cursor", body: "x" }]) channel.hear(bad);
  channel.onmessage?.({ data: new ArrayBuffer(8) });
  assert.deepEqual(heard, [{ from: "bo", topic: "cursor", body: { x: 1 } }, { from: "cy", topic: "reaction", body: { name: "heart" } }]);
  assert.equal(warned.mock.callCount(), 1);
});

test("what the server refuses is of the moment and not repeated", async () => {
  let calls = 0;
  const data = new DataPath(async () => {
    calls++;
    throw new ProtocolError({ code: "unknown_type" });
  });
  data.send("cursor", {});
  await settle();
  assert.equal(calls, 1);
});
