import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { ProtocolError } from "../../static/js/room/protocol/codes.js";
import { Connection } from "../../static/js/room/protocol/connection.js";
import { ReconnectPolicy } from "../../static/js/room/protocol/policy.js";
import { FakeSocket } from "./fake-socket.js";
import { time } from "./fake-time.js";

const policy = new ReconnectPolicy({ jitter: 0 });
/** @param {string} code */
const refusal = (code) => (/** @type {unknown} */ error) => error instanceof ProtocolError && error.code === code;
const settle = async () => { for (let i = 0; i < 5; i++) await Promise.resolve(); };

/** @type {Connection} */
let connection;

beforeEach(() => {
  FakeSocket.all = [];
  time.install();
  connection = new Connection("wss://host/ws/room/x/", { policy, WebSocket: /** @type {any} */ (FakeSocket) });
});
afterEach(() => time.restore());

test("the policy waits 0, 0.3, 1.2, 2.7, 4.8 and then 7 seconds", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 99].map((attempt) => policy.delay(attempt)), [0, 300, 1200, 2700, 4800, 7000, 7000]);
  const late = new ReconnectPolicy({ jitter: 0.2, random: () => 1 });
  assert.equal(late.delay(5), 8400);
});

test("a response finds its request, in any order", async () => {
  connection.open();
  FakeSocket.last.accept();
  const [first, second] = [connection.request("ping", { t: 1 }), connection.request("chat.send", { body: "hi" })];
  const [a, b] = FakeSocket.last.sent;
  assert.deepEqual([a.type, b.type], ["ping", "chat.send"]);
  assert.ok(b.id > a.id);
  FakeSocket.last.say({ re: b.id, ok: true, data: { message: "m" } });
  FakeSocket.last.say({ re: a.id, ok: true, data: { t: 1 } });
  assert.deepEqual(await second, { message: "m" });
  assert.deepEqual(await first, { t: 1 });
});

test("a refusal carries code, words, rule and who may change it", async () => {
  connection.open();
  FakeSocket.last.accept();
  const asked = connection.request("session.end");
  FakeSocket.last.answer("session.end", { ok: false, error: { code: "forbidden", message: "No.", rule: "session.end", who: "The host." } });
  await assert.rejects(asked, (error) => {
    assert.ok(error instanceof ProtocolError);
    assert.deepEqual([error.code, error.words, error.rule, error.who], ["forbidden", "No.", "session.end", "The host."]);
    return true;
  });
});

test("without a connection a request fails at once, and an open one fails when it is lost", async () => {
  await assert.rejects(connection.request("ping"), refusal("offline"));
  connection.open();
  FakeSocket.last.accept();
  const asked = connection.request("chat.send", { body: "hi" });
  FakeSocket.last.drop(1006);
  await assert.rejects(asked, refusal("offline"));
});

test("a request without an answer ends after its limit", async () => {
  connection.open();
  FakeSocket.last.accept();
  const asked = connection.request("chat.send", { body: "hi" }, { limit: 1000 });
  time.tick(1000);
  await assert.rejects(asked, refusal("timeout"));
});

test("a lost connection is opened again at the policy's pace", () => {
  connection.open();
  FakeSocket.last.drop(1006);
  time.tick(0);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.last.drop(1006);
  time.tick(299);
  assert.equal(FakeSocket.all.length, 2);
  time.tick(1);
  assert.equal(FakeSocket.all.length, 3);
  assert.equal(connection.status.state, "connecting");
});

test("a server that accepts and throws out at once is not hammered", () => {
  connection.open();
  for (let round = 0; round < 5; round++) {
    FakeSocket.last.accept();
    FakeSocket.last.drop(4500);
    time.tick(policy.delay(round));
  }
  assert.equal(connection.status.attempt, 5);
  FakeSocket.last.accept();
  time.tick(6000);
  FakeSocket.last.drop(4500);
  time.tick(0);
  assert.equal(FakeSocket.all.length, 7, "after a while of peace the first try is immediate again");
});

for (const [code, ending] of /** @type {const} */ ([[1000, "left"], [4403, "refused"], [4404, "not_found"], [4409, "moved"], [4410, "ended"]])) {
  test(`close code ${code} is the end: ${ending}`, () => {
    /** @type {string[]} */
    const endings = [];
    connection.on("closed", (closed) => endings.push(closed.ending));
    connection.open();
    FakeSocket.last.accept();
    FakeSocket.last.drop(code);
    time.tick(60_000);
    assert.deepEqual(endings, [ending]);
    assert.equal(FakeSocket.all.length, 1);
  });
}

test("pings keep the line alive and tell the time they took", async () => {
  /** @type {number[]} */
  const times = [];
  connection.on("rtt", (ms) => times.push(ms));
  connection.open();
  FakeSocket.last.accept();
  time.tick(15_000);
  time.tick(40);
  FakeSocket.last.answer("ping", { ok: true, data: {} });
  await settle();
  assert.deepEqual(times, [40]);
});

test("a ping without an answer means the socket is dead, whatever it says", async () => {
  connection.open();
  FakeSocket.last.accept();
  const dead = FakeSocket.last;
  time.tick(15_000);
  time.tick(8_000);
  await settle();
  time.tick(0);
  assert.ok(dead.isClosed);
  assert.equal(FakeSocket.all.length, 2);
  dead.drop(4403);
  assert.equal(connection.status.state, "connecting", "what the old socket says no longer counts");
});

test("events reach listeners; frames that are not JSON harm nothing", (t) => {
  t.mock.method(console, "error", () => {});
  /** @type {any[]} */
  const events = [];
  connection.on("event", (event) => events.push(event));
  connection.open();
  FakeSocket.last.accept();
  FakeSocket.last.say("{broken");
  FakeSocket.last.say({ re: null, ok: false, error: { code: "bad_json" } });
  FakeSocket.last.say({ type: "live", data: { count: 3 } });
  assert.deepEqual(events, [{ type: "live", data: { count: 3 } }]);
});

test("the network is back: the next try does not wait", () => {
  connection.open();
  for (const wait of [0, 300, 1200]) {
    FakeSocket.last.drop(1006);
    time.tick(wait);
  }
  FakeSocket.last.drop(1006);
  const before = FakeSocket.all.length;
  connection.retryNow();
  assert.equal(FakeSocket.all.length, before + 1);
});

test("closing for good opens nothing again", () => {
  connection.open();
  FakeSocket.last.accept();
  connection.close();
  connection.open();
  time.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
});
