import assert from "node:assert/strict";
import test, { afterEach, beforeEach } from "node:test";
import { isPoint, pictureRect, pointAt, roundPoint } from "../../static/js/room/ui/geometry.js";
import { Pacer } from "../../static/js/room/ui/pacer.js";
import { Tally } from "../../static/js/room/ui/tally.js";
import { time } from "./fake-time.js";

beforeEach(() => time.install());
afterEach(() => time.restore());

test("a picture shown whole leaves bars at two sides", () => {
  assert.deepEqual(pictureRect(1000, 1000, 1600, 800), { x: 0, y: 250, width: 1000, height: 500 });
  assert.deepEqual(pictureRect(1000, 500, 400, 400), { x: 250, y: 0, width: 500, height: 500 });
  assert.deepEqual(pictureRect(300, 200, 0, 0), { x: 0, y: 0, width: 300, height: 200 }, "unknown yet: the whole box");
});

test("the same spot of a screen is the same point, however large it is shown; beside it is nowhere", () => {
  for (const [width, height] of [[1280, 720], [400, 700], [200, 100]]) {
    const rect = pictureRect(width, height, 1920, 1080);
    const point = pointAt(rect.x + rect.width / 4, rect.y + rect.height * 0.9, rect);
    assert.ok(point && Math.abs(point.x - 0.25) < 1e-9 && Math.abs(point.y - 0.9) < 1e-9);
    assert.equal(pointAt(rect.x - 1, rect.y + 1, rect), null);
    assert.equal(pointAt(rect.x + 1, rect.y + rect.height + 1, rect), null);
  }
  assert.equal(pointAt(1, 1, { x: 0, y: 0, width: 0, height: 0 }), null);
});

test("only points are taken from others", () => {
  assert.ok(isPoint({ x: 0, y: 1 }));
  for (const bad of [null, {}, { x: 0.5 }, { x: -0.1, y: 0 }, { x: 0, y: 1.1 }, { x: "0", y: 0 }, { x: Number.NaN, y: 0 }, { x: Infinity, y: 0 }]) assert.ok(!isPoint(bad), JSON.stringify(bad));
  assert.deepEqual(roundPoint({ x: 1 / 3, y: 1.2 }), { x: 0.3333, y: 1 });
});

test("a moving pointer is told at an even pace, its last place always", () => {
  /** @type {[number, number][]} */
  const sent = [];
  const pacer = new Pacer((/** @type {number} */ value) => sent.push([Date.now(), value]), () => 50);
  for (let step = 0; step < 100; step++) {
    pacer.push(step);
    time.tick(7);
  }
  time.tick(100);
  assert.ok(sent.length >= 12 && sent.length <= 16, `${sent.length} in 0.7 s`);
  sent.slice(1).forEach(([at], index) => assert.ok(at - sent[index][0] >= 50));
  assert.equal(sent.at(-1)?.[1], 99);
  const { length } = sent;
  pacer.push(100);
  pacer.push(101);
  pacer.drop();
  time.tick(1000);
  assert.equal(sent.length, length + 1, "what waited is dropped");
});

test("a class that reacts is one sentence for each reaction", () => {
  const tally = new Tally();
  assert.equal(tally.add("up", "Bo"), true);
  assert.equal(tally.add("heart", "Cy"), false);
  tally.add("up", "Di");
  tally.add("up", "Bo");
  assert.deepEqual(tally.take(), [{ reaction: "up", names: ["Bo", "Di"] }, { reaction: "heart", names: ["Cy"] }]);
  assert.deepEqual(tally.take(), []);
  assert.equal(tally.add("up", "Bo"), true);
});
