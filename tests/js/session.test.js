import assert from "node:assert/strict";
import test, { afterEach, beforeEach } from "node:test";
import { Emitter } from "../../static/js/room/emitter.js";
import { MediaSession } from "../../static/js/room/media/session.js";
import { ProtocolError } from "../../static/js/room/protocol/codes.js";
import { FakePeerConnection, WITHOUT_SIMULCAST, WITH_SIMULCAST, installFakeRtc, settle } from "./fake-rtc.js";
import { time } from "./fake-time.js";

const OFFER = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\na=msid:bo camera\r\n";

/** The web tier as the media sees it. */
class FakeRoom {
  connection = { isOpen: true };
  generation = 0;
  version = 0;
  /** @type {string[]} requests in order */
  asked = [];
  /** @type {string | null} refuses `media.restart` with this code */
  refusal = null;
  isAnsweringRestart = true;
  publishAnswer = WITH_SIMULCAST;
  /** @type {MediaSession | null} */
  session = null;

  async mediaConnect() {
    this.asked.push("connect");
    this.generation++;
    this.version = 1;
    return { generation: this.generation, ice_servers: [], subscribe: { version: 1, sdp: OFFER } };
  }

  async mediaPublish() {
    this.asked.push("publish");
    return { generation: this.generation, sdp: this.publishAnswer };
  }

  async mediaAnswer() {
    this.asked.push("answer");
  }

  async mediaRestart() {
    this.asked.push("restart");
    if (this.refusal) throw new ProtocolError({ code: this.refusal });
    if (this.isAnsweringRestart) this.session?.takeEvent("media.offer", { generation: this.generation, version: ++this.version, sdp: OFFER });
    return {};
  }

  async sendData() {}
}

/** A session whose connections stand. */
async function connected() {
  const room = new FakeRoom();
  const local = Object.assign(new Emitter(), { tracks: { mic: null, camera: null, screen: null, screen_audio: null } });
  const session = new MediaSession(/** @type {any} */ (room), /** @type {any} */ (local), { policy: { delay: () => 0 } });
  room.session = session;
  session.start();
  await settle();
  FakePeerConnection.pair.publish.become("connected");
  FakePeerConnection.pair.subscribe.become("connected");
  assert.equal(session.state, "connected");
  room.asked = [];
  return { room, session, ...FakePeerConnection.pair };
}

const { info } = console;
beforeEach(() => {
  time.install();
  installFakeRtc();
  console.info = () => {}; // the session says what it does
});
afterEach(() => {
  time.restore();
  console.info = info;
});

test("what joining brought along is used, and the server's offer answered before anything is published", async () => {
  const room = new FakeRoom();
  const local = Object.assign(new Emitter(), { tracks: { mic: null, camera: null, screen: null, screen_audio: null } });
  const session = new MediaSession(/** @type {any} */ (room), /** @type {any} */ (local), { policy: { delay: () => 0 } });
  session.prepare();
  const { publish, subscribe } = FakePeerConnection.pair;
  room.generation = 7;
  let answered = false;
  session.start({ generation: 7, ice_servers: [], subscribe: { version: 1, sdp: OFFER } }).then(() => {
    answered = true;
  });
  assert.equal(session.generation, 7);
  await settle();
  assert.deepEqual(room.asked, ["answer", "publish"]);
  assert.equal(answered, true);
  assert.deepEqual(Object.values(FakePeerConnection.pair), [publish, subscribe], "the connections that were prepared");
  publish.become("connected");
  subscribe.become("connected");
  assert.equal(session.state, "connected");
  // Back after the signalling was away, the media stands: it is kept, not made anew.
  session.start();
  await settle();
  assert.ok(!room.asked.includes("connect"));
  session.stop();
});

test("an answer that is never acknowledged keeps nobody from publishing", async () => {
  const room = new FakeRoom();
  room.mediaAnswer = () => {
    room.asked.push("answer");
    return new Promise(() => {});
  };
  const local = Object.assign(new Emitter(), { tracks: { mic: null, camera: null, screen: null, screen_audio: null } });
  const session = new MediaSession(/** @type {any} */ (room), /** @type {any} */ (local), { policy: { delay: () => 0 } });
  session.start({ generation: 1, ice_servers: [], subscribe: { version: 1, sdp: OFFER } });
  await settle();
  assert.deepEqual(room.asked, ["answer", "publish"]);
  session.stop();
});

test("a path that breaks is looked for anew at once, on both connections, and nothing else is lost", async () => {
  const { room, session, publish, subscribe } = await connected();
  publish.become("disconnected");
  await settle();
  assert.equal(session.state, "reconnecting");
  assert.deepEqual([...room.asked].sort(), ["answer", "publish", "restart"]);
  assert.equal(publish.restarts, 1);
  time.tick(1500);
  publish.become("connected");
  subscribe.become("connected");
  assert.equal(session.state, "connected");
  time.tick(20_000);
  await settle();
  assert.equal(session.generation, 1);
  session.stop();
});

test("when no new path is found in three seconds, new connections are made", async () => {
  const { session, subscribe } = await connected();
  subscribe.become("disconnected");
  await settle();
  time.tick(2_900);
  await settle();
  assert.equal(session.generation, 1);
  time.tick(200);
  await settle();
  assert.equal(session.generation, 2);
  session.stop();
});

test("paths are not looked for more often than every three seconds, nor without signalling, nor before there is one", async () => {
  const { room, session, publish } = await connected();
  assert.equal(session.restartIce("another network"), true);
  assert.equal(session.restartIce("another network"), false);
  await settle();
  time.tick(3_100);
  room.connection.isOpen = false;
  assert.equal(session.restartIce("another network"), false);
  room.connection.isOpen = true;
  assert.equal(session.restartIce("another network"), true);
  await settle();
  assert.equal(publish.restarts, 2);
  session.stop();
  assert.equal(session.restartIce("too late"), false);
});

test("the server that hears nothing asks for a new path; one that lost a connection for new ones", async () => {
  const { session, publish } = await connected();
  session.takeEvent("media.state", { generation: 1, pc: "publish", state: "disconnected" });
  await settle();
  assert.equal(publish.restarts, 1);
  session.takeEvent("media.state", { generation: 0, pc: "publish", state: "failed" });
  await settle();
  assert.equal(session.generation, 1, "of an older generation");
  session.takeEvent("media.state", { generation: 1, pc: "publish", state: "failed" });
  await settle();
  assert.equal(session.generation, 2);
  session.stop();
});

test("after the signalling was away, media that never left goes on", async () => {
  const { room, session, publish } = await connected();
  session.pause();
  session.start();
  await settle();
  assert.deepEqual([...room.asked].sort(), ["answer", "publish", "restart"]);
  assert.equal(publish.restarts, 1);
  time.tick(10_000);
  await settle();
  assert.deepEqual([session.generation, session.state], [1, "connected"]);
  session.stop();
});

for (const code of ["stale_generation", "not_found", "unknown_type", "timeout"]) {
  test(`when the server answers ${code} to that, new connections are made`, async () => {
    const { room, session } = await connected();
    room.refusal = code;
    session.start();
    await settle();
    assert.equal(session.generation, 2);
    session.stop();
  });
}

test("when the server's offer does not follow, new connections are made; without signalling one waits", async () => {
  const { room, session } = await connected();
  room.isAnsweringRestart = false;
  session.start();
  await settle();
  time.tick(3_100);
  await settle();
  assert.equal(session.generation, 2);
  FakePeerConnection.pair.publish.become("connected");
  room.refusal = "offline";
  session.start();
  await settle();
  time.tick(5_000);
  await settle();
  assert.equal(session.generation, 2);
  session.stop();
});

test("a connection that failed meanwhile is not kept", async () => {
  const { room, session, publish } = await connected();
  publish.connectionState = "failed";
  session.start();
  await settle();
  assert.equal(room.asked[0], "connect");
  session.stop();
});

test("layers are switched as told, of this generation alone", async () => {
  const { session, publish } = await connected();
  const active = () => publish.transceivers[1].sender.encodings.map((/** @type {any} */ encoding) => encoding.active);
  session.takeEvent("media.layers", { generation: 1, source: "camera", active: { q: true, h: true, f: false } });
  session.takeEvent("media.layers", { generation: 0, source: "camera", active: { q: false, h: false, f: false } });
  await settle();
  assert.deepEqual(active(), [true, true, false]);
  session.reset("test");
  await settle();
  assert.deepEqual(FakePeerConnection.pair.publish.transceivers[1].sender.encodings.map((/** @type {any} */ encoding) => encoding.active), [true, true, true], "a new generation begins with all");
  session.stop();
});

test("the data channel of the newest connection is used", async () => {
  const { session, publish } = await connected();
  /** @type {unknown[]} */
  const heard = [];
  session.data.on("message", (message) => heard.push(message.from));
  publish.channel.hear({ from: "bo", topic: "cursor", body: {} });
  session.reset("test");
  await settle();
  publish.channel.hear({ from: "old", topic: "cursor", body: {} });
  FakePeerConnection.pair.publish.channel.hear({ from: "cy", topic: "cursor", body: {} });
  session.takeEvent("data.message", { from: "di", topic: "reaction", body: {} });
  assert.deepEqual(heard, ["bo", "cy", "di"]);
  session.stop();
});

test("why there is no media is told in the server's words, until there is some", async () => {
  const { room, session } = await connected();
  /** @type {string[]} */
  const reasons = [];
  session.on("reason", (words) => reasons.push(words));
  const full = "The media server is full; try again in a minute.";
  const connect = room.mediaConnect.bind(room);
  const refusals = [full, full, null];
  room.mediaConnect = async () => {
    const message = refusals.shift();
    if (message) throw new ProtocolError({ code: "media_unavailable", message });
    return connect();
  };
  session.reset("the test wants it");
  await settle();
  assert.equal(session.state, "unavailable");
  assert.deepEqual(reasons, [full]);
  time.tick(1);
  await settle();
  time.tick(1);
  await settle();
  FakePeerConnection.pair.publish.become("connected");
  FakePeerConnection.pair.subscribe.become("connected");
  assert.equal(session.state, "connected");
  assert.deepEqual(reasons, [full, ""]);
});

test("a server that takes one size is asked for no more the next time", async () => {
  const { room, session } = await connected();
  room.publishAnswer = WITHOUT_SIMULCAST;
  session.reset("test");
  await settle();
  room.asked = [];
  session.reset("test");
  await settle();
  assert.equal(room.asked.filter((what) => what === "publish").length, 1);
  assert.equal(FakePeerConnection.pair.publish.transceivers[1].sender.encodings.length, 1);
  session.stop();
});
