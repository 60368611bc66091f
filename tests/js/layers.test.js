import assert from "node:assert/strict";
import test from "node:test";
import { Encodings } from "../../static/js/room/media/encodings.js";
import { firstEncodings, planLayers } from "../../static/js/room/media/layers.js";
import { FakeSender, trackOf } from "./fake-sender.js";

const QHF = ["q", "h", "f"];
/** What is sent: lines of each layer that is on. @param {"camera" | "screen"} source @param {number} width @param {number} height @param {string[]} [rids] */
const linesSent = (source, width, height, rids = QHF) =>
  planLayers(source, { width, height }, rids, {}).map(({ active, scaleResolutionDownBy }) => (active ? Math.round(height / scaleResolutionDownBy) : 0));

test("a camera is sent in as many sizes as its picture is worth", () => {
  assert.deepEqual(linesSent("camera", 1280, 720), [180, 360, 720]);
  assert.deepEqual(linesSent("camera", 720, 1280), [320, 640, 1280], "upright phones too");
  assert.deepEqual(linesSent("camera", 960, 540), [135, 270, 540]);
  assert.deepEqual(linesSent("camera", 640, 480), [240, 480, 0]);
  assert.deepEqual(linesSent("camera", 640, 360), [180, 360, 0], "three sizes would never start the top one");
  assert.deepEqual(linesSent("camera", 320, 240), [240, 0, 0]);
  assert.deepEqual(linesSent("camera", 160, 120), [120, 0, 0]);
});

test("more than 720 lines of a face and more than 1440 of a screen are not sent", () => {
  assert.deepEqual(linesSent("camera", 1920, 1080), [180, 360, 720]);
  assert.deepEqual(linesSent("screen", 3840, 2160, ["h", "f"]), [720, 1440]);
});

test("a screen goes out sharp, and for slow lines smaller with few frames", () => {
  assert.deepEqual(linesSent("screen", 1920, 1080, ["h", "f"]), [720, 1080]);
  assert.deepEqual(linesSent("screen", 1280, 720, ["h", "f"]), [480, 720]);
  assert.deepEqual(linesSent("screen", 300, 200, ["h", "f"]), [200, 0], "a small window has one size");
  const [low, full] = planLayers("screen", { width: 1920, height: 1080 }, ["h", "f"], {});
  assert.deepEqual([low.maxFramerate, full.maxFramerate], [5, 15]);
  assert.ok(low.maxBitrate / low.maxFramerate >= 40_000, "enough bits a frame for what is written on it");
});

test("where one size is taken, it is the full picture", () => {
  const [one, ...none] = planLayers("camera", { width: 1280, height: 720 }, [""], {});
  assert.deepEqual(one, { active: true, maxBitrate: 1_700_000, maxFramerate: 30, scaleResolutionDownBy: 1 });
  assert.deepEqual(none, []);
  assert.equal(planLayers("camera", { width: 1280, height: 720 }, [""], { "": false })[0].active, false);
  assert.equal(planLayers("screen", { width: 1920, height: 1080 }, [""], {})[0].maxBitrate, 2_500_000);
  assert.deepEqual(firstEncodings("camera", { isLayered: false }).map((encoding) => "rid" in encoding), [false]);
});

test("what nobody watches is off, what is not named is on, what does not fit stays off", () => {
  const active = (/** @type {Record<string, boolean>} */ watched, width = 1280, height = 720) =>
    planLayers("camera", { width, height }, QHF, watched).map((layer) => layer.active);
  assert.deepEqual(active({ q: true, h: true, f: false }), [true, true, false]);
  assert.deepEqual(active({ f: false }), [true, true, false]);
  assert.deepEqual(active({ q: false, h: false, f: false }), [false, false, false]);
  assert.deepEqual(active({ q: true, h: true, f: true }, 640, 360), [true, true, false]);
});

test("a device that does not tell its size counts as a usual one", () => {
  assert.deepEqual(planLayers("camera", {}, QHF, {}), planLayers("camera", { width: 1280, height: 720 }, QHF, {}));
  assert.deepEqual(planLayers("camera", { width: 0, height: 0 }, QHF, {}), planLayers("camera", { width: 1280, height: 720 }, QHF, {}));
});

test("lines are opened with names, lowest first, and with sound that goes before pictures", () => {
  assert.deepEqual(firstEncodings("camera", { isLayered: true }).map(({ rid }) => rid), QHF);
  assert.deepEqual(firstEncodings("screen", { isLayered: true }).map(({ rid }) => rid), ["h", "f"]);
  const [mic] = firstEncodings("mic", { isLayered: true });
  assert.equal(mic.priority, "high");
  assert.equal(mic.rid, undefined);
  assert.notEqual(firstEncodings("mic", { isLayered: true })[0], mic, "nobody shares the object");
});

test("watchers and devices change the encodings one after the other", async () => {
  const sender = new FakeSender(firstEncodings("camera", { isLayered: true }));
  sender.track = trackOf(1280, 720);
  const encodings = new Encodings(/** @type {any} */ (sender), "camera");
  const all = [encodings.watch({ q: true, h: true, f: false }), encodings.follow(), encodings.watch({ q: true, h: false, f: false })];
  sender.track = trackOf(640, 360);
  await Promise.all(all);
  assert.deepEqual(encodings.active, ["q"]);
  assert.deepEqual(sender.encodings.map(({ scaleResolutionDownBy }) => scaleResolutionDownBy), [2, 1, 1]);
  await encodings.watch({ q: true, h: true, f: true });
  assert.deepEqual(encodings.active, ["q", "h"], "the smaller device has no third size");
  assert.ok(sender.encodings.every(({ rid }, index) => rid === QHF[index]), "names stay");
});

test("nothing is set when nothing changes", async () => {
  const sender = new FakeSender(firstEncodings("screen", { isLayered: true }));
  sender.track = trackOf(1920, 1080);
  const encodings = new Encodings(/** @type {any} */ (sender), "screen");
  await encodings.follow();
  assert.equal(/** @type {any} */ (sender.getParameters()).degradationPreference, "maintain-resolution");
  const { changes } = sender;
  await encodings.follow();
  await encodings.watch({});
  assert.equal(sender.changes, changes);
});

test("a change that the browser refuses does not stop the next", async () => {
  const sender = new FakeSender(firstEncodings("camera", { isLayered: true }));
  const encodings = new Encodings(/** @type {any} */ (sender), "camera");
  const right = sender.setParameters;
  sender.setParameters = () => Promise.reject(new Error("no"));
  await assert.rejects(encodings.watch({ f: false }), /no/);
  sender.setParameters = right;
  await encodings.follow();
  assert.deepEqual(encodings.active, ["q", "h"]);
});

test("a browser that tells of no encodings before the negotiation is left alone", async () => {
  const sender = new FakeSender([]);
  await new Encodings(/** @type {any} */ (sender), "camera").watch({ q: false });
  assert.equal(sender.changes, 0);
});
