import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Connection } from "../../static/js/room/protocol/connection.js";
import { ReconnectPolicy } from "../../static/js/room/protocol/policy.js";
import { ResumeStore } from "../../static/js/room/protocol/resume.js";
import { Room } from "../../static/js/room/protocol/room.js";
import { FakeSocket } from "./fake-socket.js";
import { time } from "./fake-time.js";
import { roomState } from "./facts.js";

const settle = async () => { for (let i = 0; i < 8; i++) await Promise.resolve(); };
const WELCOME = { type: "welcome", data: { protocol: 1 } };

/** @returns {Pick<Storage, "getItem" | "setItem" | "removeItem">} */
function memory() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

/** @type {Room} */
let room;
/** @type {ReturnType<typeof memory>} */
let kept;

beforeEach(() => {
  FakeSocket.all = [];
  time.install();
  kept = memory();
  room = newRoom();
});
afterEach(() => time.restore());

function newRoom() {
  const policy = new ReconnectPolicy({ jitter: 0 });
  const made = new Room(new Connection("wss://x/", { policy, WebSocket: /** @type {any} */ (FakeSocket) }), new ResumeStore("abc", kept));
  made.connection.open();
  FakeSocket.last.accept();
  FakeSocket.last.say(WELCOME);
  return made;
}

async function joined() {
  const asked = room.join({ name: "Tom B.", mic: true, camera: false });
  FakeSocket.last.answer("join", { ok: true, data: { status: "in", state: roomState() } });
  return asked;
}

test("joining says name and devices, enters the room and keeps the place", async () => {
  /** @type {any[]} */
  const entered = [];
  room.on("in", (state) => entered.push(state));
  assert.equal(await joined(), "in");
  assert.deepEqual(FakeSocket.last.sent[0].data, { name: "Tom B.", mic: true, camera: false });
  assert.equal(entered.length, 1);
  assert.deepEqual(new ResumeStore("abc", kept).value, { resume: "secret", name: "Tom B." });
});

test("joining asks for the media in the same breath, and hands on what came", async () => {
  /** @type {any[]} */
  const entered = [];
  room.on("in", ({ media }) => entered.push(media));
  const media = { generation: 1, ice_servers: [], subscribe: null };
  const asked = room.join({ mic: true, camera: false }, { media: true });
  assert.equal(FakeSocket.last.sent[0].data.media, true);
  FakeSocket.last.answer("join", { ok: true, data: { status: "in", state: roomState(), media } });
  await asked;
  assert.deepEqual(entered, [media]);
  // Coming back does not ask: what flows is kept.
  FakeSocket.last.drop(1006);
  time.tick(0);
  FakeSocket.last.accept();
  FakeSocket.last.say(WELCOME);
  assert.equal("media" in FakeSocket.last.sent[0].data, false);
});

test("a lost connection comes back as the same person, with what is on now", async () => {
  await joined();
  room.wishAgain({ mic: false });
  FakeSocket.last.drop(1006);
  time.tick(0);
  FakeSocket.last.accept();
  FakeSocket.last.say(WELCOME);
  assert.deepEqual(FakeSocket.last.sent[0].data, { mic: false, camera: false, name: "Tom B.", resume: "secret", takeover: true });
});

test("nothing is joined by itself before one has joined", () => {
  FakeSocket.last.drop(1006);
  time.tick(0);
  FakeSocket.last.accept();
  FakeSocket.last.say(WELCOME);
  assert.deepEqual(FakeSocket.last.sent, []);
});

test("a reload (a new page with the same storage) sends the kept secret", async () => {
  await joined();
  room = newRoom();
  room.join({ mic: false, camera: false }).catch(() => {});
  assert.equal(FakeSocket.last.sent[0].data.resume, "secret");
});

test("the lobby keeps the place too, and being admitted enters", async () => {
  /** @type {string[]} */
  const seen = [];
  room.on("lobby", () => seen.push("lobby"));
  room.on("in", () => seen.push("in"));
  const asked = room.join({ name: "Tom", mic: true, camera: true });
  FakeSocket.last.answer("join", { ok: true, data: { status: "lobby", participant: { id: "p1", name: "Tom" }, resume: "waiting" } });
  assert.equal(await asked, "lobby");
  assert.equal(room.resume.value?.resume, "waiting");
  FakeSocket.last.say({ type: "lobby.admitted", data: { state: roomState() } });
  assert.deepEqual(seen, ["lobby", "in"]);
  assert.equal(room.resume.value?.resume, "secret");
});

test("coming back that is refused is told and not repeated", async () => {
  await joined();
  /** @type {string[]} */
  const told = [];
  room.on("rejoinFailed", (error) => told.push(error.code));
  FakeSocket.last.drop(1006);
  time.tick(0);
  FakeSocket.last.accept();
  FakeSocket.last.say(WELCOME);
  FakeSocket.last.answer("join", { ok: false, error: { code: "ended", message: "" } });
  await settle();
  assert.deepEqual(told, ["ended"]);
});

test("leaving gives the place up and opens nothing again", async () => {
  await joined();
  const left = room.leave();
  FakeSocket.last.answer("leave", { ok: true, data: {} });
  await left;
  assert.equal(room.resume.value, null);
  time.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("leaving without a network ends too", async () => {
  await joined();
  FakeSocket.last.drop(1006);
  await room.leave();
  time.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("an unreadable kept place is as good as none", (t) => {
  t.mock.method(console, "warn", () => {});
  kept.setItem("plenum.resume.abc", "{");
  assert.equal(new ResumeStore("abc", kept).value, null);
  kept.setItem("plenum.resume.abc", '{"name": "x"}');
  assert.equal(new ResumeStore("abc", kept).value, null);
  const refused = new ResumeStore("abc", null);
  refused.keep({ resume: "r", name: "" });
  assert.equal(refused.value?.resume, "r", "without storage the place is kept as long as the page");
});
