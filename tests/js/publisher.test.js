import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { Publisher } from "../../static/js/room/media/publisher.js";
import { FakePeerConnection, WITHOUT_SIMULCAST, WITH_SIMULCAST, installFakeRtc, settle } from "./fake-rtc.js";
import { trackOf } from "./fake-sender.js";

beforeEach(() => installFakeRtc());

/** @param {string} answer @param {(error: unknown) => void} [onError] */
function publisher(answer, onError = (error) => assert.fail(String(error))) {
  /** @type {any[]} */
  const offers = [];
  const made = new Publisher({
    publish: async (data) => {
      offers.push(data);
      return { sdp: answer };
    },
    onState: () => {},
    onError,
  });
  return { made, offers, pc: FakePeerConnection.all[0] };
}

/** @param {any} track */
const live = (track) => /** @type {MediaStreamTrack} */ (track);

test("microphone, camera and data channel are offered at once, the camera in three sizes", async () => {
  const { made, offers, pc } = publisher(WITH_SIMULCAST);
  await made.connect(1, []);
  assert.deepEqual(offers[0].tracks, [{ mid: "0", source: "mic" }, { mid: "1", source: "camera" }]);
  assert.deepEqual([...made.lines], [["0", { source: "mic", isLayered: false }], ["1", { source: "camera", isLayered: true }]]);
  assert.deepEqual(made.activeLayers("camera"), ["q", "h", "f"]);
  assert.equal(made.channel, /** @type {unknown} */ (pc.channel));
});

test("where the server takes one size, lines with the full picture alone take the place of the layered ones", async () => {
  const { made, offers, pc } = publisher(WITHOUT_SIMULCAST);
  let refused = 0;
  made.onLayersRefused = () => void refused++;
  const camera = live(trackOf(640, 360));
  await made.setTrack("camera", camera);
  await made.connect(1, []);
  assert.equal(refused, 1);
  assert.deepEqual(offers.map(({ tracks }) => tracks.at(-1)), [{ mid: "1", source: "camera" }, { mid: "2", source: "camera" }]);
  const [, old, line] = pc.transceivers;
  assert.deepEqual([old.direction, line.sender.track], ["stopped", camera]);
  const [{ rid, scaleResolutionDownBy, maxBitrate }, ...more] = line.sender.encodings;
  assert.deepEqual([rid, scaleResolutionDownBy, maxBitrate, more.length], [undefined, 1, 1_700_000, 0]);
  assert.deepEqual([...made.lines.values()], [{ source: "mic", isLayered: false }, { source: "camera", isLayered: false }]);
  await made.watch("camera", { "": false });
  assert.deepEqual(made.activeLayers("camera"), []);
  await made.setTrack("screen", live(trackOf(1920, 1080)));
  assert.equal(pc.transceivers[3].sender.encodings.length, 1, "what is shared later has one size from the start");
  assert.equal(offers.length, 3);
});

test("a camera that is switched on just then ends up on the new line", async () => {
  const { made, pc } = publisher(WITHOUT_SIMULCAST);
  const camera = live(trackOf(1280, 720));
  await Promise.all([made.connect(1, []), settle().then(() => {}), made.setTrack("camera", camera)]);
  await settle();
  assert.equal(pc.transceivers.at(-1).sender.track, camera);
});

test("sizes follow the device and what is watched", async () => {
  const { made, pc } = publisher(WITH_SIMULCAST);
  await made.setTrack("camera", live(trackOf(640, 360)));
  await made.connect(1, []);
  assert.deepEqual(made.activeLayers("camera"), ["q", "h"]);
  await Promise.all([made.watch("camera", { q: true, h: false, f: false }), made.setTrack("camera", live(trackOf(1280, 720)))]);
  assert.deepEqual(made.activeLayers("camera"), ["q"]);
  await made.watch("camera", { q: false, h: false, f: true });
  assert.deepEqual(made.activeLayers("camera"), ["f"]);
  assert.equal(pc.transceivers[1].sender.encodings[2].scaleResolutionDownBy, 1);
  await made.watch("screen", { f: false }); // not shared: nothing to change
  assert.deepEqual(made.activeLayers("screen"), []);
});

test("a shared screen gets lines of its own when it is shared", async () => {
  const { made, offers, pc } = publisher(WITH_SIMULCAST);
  await made.connect(1, []);
  await made.setTrack("screen", live(trackOf(1920, 1080)));
  assert.deepEqual(offers.at(-1).tracks.at(-1), { mid: "2", source: "screen" });
  assert.deepEqual(made.activeLayers("screen"), ["h", "f"]);
  await made.setTrack("screen", null);
  assert.equal(pc.transceivers[2].direction, "inactive");
  assert.equal(offers.at(-1).tracks.length, 2);
});

test("an ICE restart is a new offer; before the first one there is nothing to restart", async () => {
  const { made, offers, pc } = publisher(WITH_SIMULCAST);
  await made.restartIce();
  assert.equal(offers.length, 0);
  await made.connect(1, []);
  await Promise.all([made.restartIce(), made.restartIce()]);
  assert.deepEqual([pc.restarts, offers.length], [1, 3], "two wishes at once are one new path");
  made.close();
  await made.restartIce();
  assert.equal(offers.length, 3);
});

test("redundant sound is preferred for the microphone, plain Opus for shared sound", async () => {
  /** @type {string[][]} */
  const preferred = [];
  const add = FakePeerConnection.prototype.addTransceiver;
  FakePeerConnection.prototype.addTransceiver = function (kind, options) {
    const transceiver = add.call(this, kind, options);
    transceiver.setCodecPreferences = (/** @type {any[]} */ codecs) => preferred.push(codecs.map(({ mimeType }) => mimeType));
    return transceiver;
  };
  try {
    const { made } = publisher(WITH_SIMULCAST);
    await made.setTrack("screen_audio", live(trackOf(0, 0)));
  } finally {
    FakePeerConnection.prototype.addTransceiver = add;
  }
  assert.deepEqual(preferred[0].slice(0, 2), ["audio/red", "audio/opus"]);
  assert.equal(preferred[1][0], "video/VP8");
  assert.equal(preferred[2][0], "audio/opus");
});

test("sizes that the browser refuses to change end nothing", async (t) => {
  const told = t.mock.method(console, "error", () => {});
  const { made, pc } = publisher(WITH_SIMULCAST);
  await made.connect(1, []);
  pc.transceivers[1].sender.setParameters = () => Promise.reject(new Error("no"));
  await made.watch("camera", { f: false });
  assert.equal(told.mock.callCount(), 1);
  made.close();
  await made.watch("camera", { h: false });
  assert.equal(told.mock.callCount(), 1, "a closed connection refuses everything");
});

test("an answer that does not come is told", async () => {
  /** @type {unknown[]} */
  const errors = [];
  const { made } = publisher(WITH_SIMULCAST, (error) => errors.push(error));
  made.publish = () => Promise.reject(new Error("offline"));
  await made.connect(1, []);
  await settle();
  assert.match(String(errors), /offline/);
});
