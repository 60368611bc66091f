import assert from "node:assert/strict";
import test from "node:test";
import { Diagnosis, extentOf } from "../../static/js/room/media/diagnosis.js";
import { Ladder } from "../../static/js/room/media/ladder.js";

/** @import { Facts } from "../../static/js/room/media/diagnosis.js" */
/** @import { Trouble } from "../../static/js/room/types.js" */

/** @param {string} participant @param {number} packets @param {number} frames @returns {any} */
const camera = (participant, packets, frames) => ({ participant, source: "camera", packets, frames });

/** @param {number} at @param {Partial<Facts>} more @returns {Facts} */
const facts = (at, more) => ({
  at, own: "me", expected: [], subscribe: [], publish: [], heardAt: new Map(), sending: { mic: false, camera: false }, isMute: { mic: false, camera: false }, ...more,
});

/** A page that measures every two seconds. @param {(at: number) => Partial<Facts>} world @param {number} until @returns {Map<string, number>} "who what hop" → when it was first said */
function watch(world, until) {
  const diagnosis = new Diagnosis();
  /** @type {Map<string, number>} */
  const named = new Map();
  for (let at = 0; at <= until; at += 2000) {
    for (const { participant, source, hop } of diagnosis.look(facts(at, world(at)))) {
      const key = `${participant} ${source} ${hop}`;
      if (!named.has(key)) named.set(key, at);
    }
  }
  return named;
}

for (const stop of [10_000, 10_500, 11_000, 11_999]) {
  test(`a picture that stops at ${stop} ms is named within five seconds`, () => {
    const named = watch((at) => {
      const packets = Math.floor(Math.min(at, stop) / 20);
      return { expected: ["bo"], subscribe: [camera("bo", packets, packets)], heardAt: new Map([["bo camera", Math.min(at, stop)]]) };
    }, 30_000);
    const at = named.get("bo camera downlink") ?? Infinity;
    assert.ok(at > stop && at - stop <= 5000, `after ${at - stop} ms`);
    assert.equal(named.size, 1);
  });

  test(`a picture that freezes at ${stop} ms while its packets come is the player's`, () => {
    const named = watch((at) => ({ expected: ["bo"], subscribe: [camera("bo", Math.floor(at / 20), Math.floor(Math.min(at, stop) / 40))] }), 30_000);
    const at = named.get("bo camera player") ?? Infinity;
    assert.ok(at > stop && at - stop <= 5000, `after ${at - stop} ms`);
    assert.equal(named.size, 1);
  });
}

test("a picture that never came is named, one that takes a moment to begin is not", () => {
  assert.equal(watch(() => ({ expected: ["bo"] }), 20_000).get("bo camera downlink"), 4000);
  const late = watch((at) => ({ expected: ["bo"], subscribe: [camera("bo", at < 3000 ? 0 : at, at < 3000 ? 0 : at)] }), 20_000);
  assert.equal(late.size, 0);
});

test("what is not shown, or paused, is not missed, and has patience when it comes back", () => {
  const named = watch((at) => ({ expected: at > 4000 && at < 20_000 ? [] : ["bo"], subscribe: [camera("bo", Math.min(at, 4000), Math.min(at, 4000))] }), 22_000);
  assert.equal(named.size, 0);
});

test("few packets without a picture are not a fault of the player", () => {
  const named = watch((at) => ({ expected: ["bo"], subscribe: [camera("bo", at / 1000, Math.min(at, 2000))] }), 20_000);
  assert.equal(named.size, 0);
});

test("what one should be sending oneself is watched: the device's own silence at once, stopped packets in seconds", () => {
  const sending = { mic: true, camera: true };
  const moving = (/** @type {number} */ at) => [{ source: "mic", packets: at }, { source: "camera", packets: at }, { source: "camera", packets: 0 }];
  assert.equal(watch((at) => ({ sending, publish: /** @type {any} */ (moving(at)) }), 20_000).size, 0, "a layer nobody watches may rest");
  const mute = watch((at) => ({ sending, publish: /** @type {any} */ (moving(at)), isMute: { mic: at > 6000, camera: false } }), 20_000);
  assert.deepEqual([...mute], [["me mic device", 8000]]);
  const stopped = watch((at) => ({ sending, publish: /** @type {any} */ (moving(Math.min(at, 6000))) }), 20_000);
  assert.deepEqual([...stopped], [["me mic device", 10_000], ["me camera device", 10_000]]);
  assert.equal(watch(() => ({ sending: { mic: false, camera: false }, publish: [] }), 20_000).size, 0);
});

test("new connections begin with patience", () => {
  const diagnosis = new Diagnosis();
  diagnosis.look(facts(0, { expected: ["bo"] }));
  assert.equal(diagnosis.look(facts(6000, { expected: ["bo"] })).length, 1);
  diagnosis.forget();
  assert.equal(diagnosis.look(facts(8000, { expected: ["bo"] })).length, 0);
});

/** @param {string} participant @param {Trouble["hop"]} hop @param {Trouble["source"]} [source] @returns {Trouble} */
const trouble = (participant, hop, source = "camera") => ({ participant, source, hop });

test("the path is suspected when nothing comes through, not when one source is missing or the sender is to blame", () => {
  const two = { own: "me", expected: ["bo", "cy"] };
  assert.equal(extentOf([], two), "none");
  assert.equal(extentOf([trouble("bo", "downlink")], two), "one");
  assert.equal(extentOf([trouble("bo", "downlink", "mic")], two), "one");
  assert.equal(extentOf([trouble("bo", "downlink"), trouble("cy", "downlink")], two), "all");
  assert.equal(extentOf([trouble("bo", "downlink"), trouble("cy", "player")], two), "one");
  assert.equal(extentOf([trouble("bo", "uplink"), trouble("cy", "device")], two), "none");
  assert.equal(extentOf([trouble("bo", "server")], { own: "me", expected: ["bo"] }), "none");
  assert.equal(extentOf([trouble("me", "uplink", "mic")], two), "all");
  assert.equal(extentOf([trouble("me", "device", "mic")], two), "none");
});

/** @param {(at: number) => import("../../static/js/room/media/ladder.js").Extent} world @param {number} until seconds */
function climb(world, until) {
  const ladder = new Ladder();
  /** @type {string[]} */
  const steps = [];
  for (let at = 0; at <= until; at += 2) {
    const step = ladder.climb(world(at), at * 1000);
    if (step) steps.push(`${at} ${step}`);
  }
  return steps;
}

test("first a new path, then new connections, and when that does not help less and less of both", () => {
  const steps = climb(() => "all", 300);
  assert.deepEqual(steps.slice(0, 2), ["4 restart", "8 reconnect"]);
  const times = steps.filter((step) => step.endsWith("reconnect")).map((step) => Number.parseInt(step, 10));
  const gaps = times.slice(1).map((at, index) => at - times[index]);
  assert.ok(gaps[0] >= 45 && gaps[1] >= 2 * 45, String(times));
  const all = steps.map((step) => Number.parseInt(step, 10));
  all.slice(1).forEach((at, index) => assert.ok(at - all[index] >= 3, "never two steps within three seconds"));
});

test("what heals needs no further step, and the next fault finds full patience", () => {
  assert.deepEqual(climb((at) => (at < 6 ? "all" : "none"), 60), ["4 restart"]);
  assert.deepEqual(climb((at) => ((at < 10) || (at > 100 && at < 112) ? "all" : "none"), 200), ["4 restart", "8 reconnect", "106 restart", "110 reconnect"]);
});

test("for one source alone all others are disturbed late, and once", () => {
  assert.deepEqual(climb(() => "one", 60), ["20 reconnect"]);
});
