import assert from "node:assert/strict";
import test from "node:test";
import { arrangeGrid, arrangeStage, bringForward } from "../../static/js/room/ui/layout.js";

/** @import { Rect } from "../../static/js/room/ui/layout.js" */

/** A small generator with a seed, so that a failure comes again (mulberry32). @param {number} seed */
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** @param {Rect} a @param {Rect} b */
function overlap(a, b) {
  const slack = 0.01;
  return (
    a.x + a.width > b.x + slack && b.x + b.width > a.x + slack && a.y + a.height > b.y + slack && b.y + b.height > a.y + slack
  );
}

/** @param {Rect[]} rects @param {number} width @param {number} height @param {string} what */
function assertSound(rects, width, height, what) {
  for (const [index, rect] of rects.entries()) {
    assert.ok(rect.width > 0 && rect.height > 0, `${what}: tile ${index} has a size`);
    assert.ok(rect.x >= -0.01 && rect.x + rect.width <= width + 0.01, `${what}: tile ${index} is inside sideways`);
    assert.ok(rect.y >= -0.01 && rect.y + rect.height <= height + 0.01, `${what}: tile ${index} is inside up and down`);
    for (const other of rects.slice(index + 1)) assert.ok(!overlap(rect, other), `${what}: no tile covers another`);
  }
}

test("the wide picture: nine people beside an open panel make three by three", () => {
  const { rects } = arrangeGrid(9, 908, 652);
  assert.equal(new Set(rects.map((rect) => Math.round(rect.y))).size, 3);
  assert.equal(Math.round(rects[0].width), 296);
  assert.equal(Math.round(rects[0].height), 211);
});

test("the upright picture: eight people on a phone make two by four", () => {
  const { rects, fit } = arrangeGrid(8, 370, 692);
  assert.equal(Math.round(rects[0].width), 180);
  assert.equal(new Set(rects.map((rect) => Math.round(rect.x))).size, 2);
  assert.equal(fit, 8);
});

test("one person alone is shown 16:9 in a wide window", () => {
  const [rect] = arrangeGrid(1, 1252, 652).rects;
  assert.ok(Math.abs(rect.width / rect.height - 16 / 9) < 0.01);
});

test("25 people on a phone scroll in tiles large enough for a face", () => {
  const { rects, height, fit } = arrangeGrid(25, 370, 692);
  assert.ok(rects[0].width >= 130);
  assert.ok(height > 692);
  assert.equal(fit, 8);
});

test("25 people on a laptop are all visible", () => {
  const { rects, height, fit } = arrangeGrid(25, 1252, 652);
  assert.equal(rects.length, 25);
  assert.equal(height, 652);
  assert.equal(fit, 25);
});

test("grids of any count and size: inside the area, nothing covered, one size, ratio in bounds", () => {
  const next = random(7);
  for (let round = 0; round < 600; round++) {
    const count = 1 + Math.floor(next() * 25);
    const width = 280 + next() * 2300;
    const height = 200 + next() * 1300;
    const { rects, height: total, fit } = arrangeGrid(count, width, height);
    const what = `${count} in ${width.toFixed(0)}×${height.toFixed(0)}`;
    assert.equal(rects.length, count, what);
    assertSound(rects, width, total, what);
    assert.ok(fit >= 1 && fit <= count, what);
    const ratio = rects[0].width / rects[0].height;
    assert.ok(ratio <= 16 / 9 + 0.01 && ratio >= 0.74, `${what}: ratio ${ratio}`);
    for (const rect of rects) assert.ok(Math.abs(rect.width - rects[0].width) < 0.01, what);
  }
});

test("a stage of any size: the shared picture is the largest and covers no one", () => {
  const next = random(11);
  for (let round = 0; round < 600; round++) {
    const count = Math.floor(next() * 25);
    const width = 320 + next() * 2200;
    const height = 320 + next() * 1200;
    const { stage, strip } = arrangeStage(count, width, height);
    const what = `${count} beside a screen in ${width.toFixed(0)}×${height.toFixed(0)}`;
    assertSound([stage, ...strip], width, height, what);
    assert.ok(count === 0 || strip.length >= 1, what);
    for (const rect of strip) assert.ok(stage.width * stage.height > rect.width * rect.height, what);
  }
});

test("nobody and no room give no tiles", () => {
  assert.deepEqual(arrangeGrid(0, 800, 600).rects, []);
  assert.deepEqual(arrangeGrid(3, 0, 600).rects, []);
  assert.deepEqual(arrangeStage(0, 800, 600), { stage: { x: 0, y: 0, width: 800, height: 600 }, strip: [] });
});

test("a speaker who is out of sight changes places with the last silent one", () => {
  assert.deepEqual(bringForward(["a", "b", "c", "d", "e"], 3, ["e"]), ["a", "b", "e", "d", "c"]);
  assert.deepEqual(bringForward(["a", "b", "c", "d", "e"], 3, ["c", "d"]), ["a", "d", "c", "b", "e"]);
  assert.deepEqual(bringForward(["a", "b", "c"], 3, ["a", "gone"]), ["a", "b", "c"]);
  assert.deepEqual(bringForward(["a", "b", "c", "d"], 2, ["a", "b", "d"]), ["a", "b", "c", "d"]);
});
