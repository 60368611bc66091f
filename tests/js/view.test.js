import assert from "node:assert/strict";
import test, { afterEach, beforeEach } from "node:test";
import { Views, differs } from "../../static/js/room/media/view.js";
import { ProtocolError } from "../../static/js/room/protocol/codes.js";
import { settle } from "./fake-rtc.js";
import { time } from "./fake-time.js";

/** @import { Shown } from "../../static/js/room/types.js" */

/** @param {string} participant @param {number} [width] @param {Partial<Shown>} [more] @returns {Shown} */
const shown = (participant, width = 320, more = {}) => ({ participant, source: "camera", width, height: Math.round((width * 9) / 16), priority: 0, ...more });

beforeEach(() => time.install());
afterEach(() => time.restore());

/** @param {(data: any) => Promise<unknown>} [answer] */
function views(answer = async () => {}) {
  /** @type {{at: number, generation: number, tracks: Shown[]}[]} */
  const sent = [];
  const made = new Views((data) => {
    sent.push({ at: Date.now(), ...data });
    return answer(data);
  });
  return { made, sent };
}

test("only what matters differs: who, how important, and sizes by more than a tenth", () => {
  const before = [shown("bo"), shown("cy")];
  assert.equal(differs(before, [shown("cy"), shown("bo")]), false, "the order is of no matter");
  assert.equal(differs(before, [shown("bo", 345), shown("cy", 300)]), false);
  assert.equal(differs(before, [shown("bo", 360), shown("cy")]), true);
  assert.equal(differs(before, [shown("bo", 280), shown("cy")]), true);
  assert.equal(differs(before, [shown("bo")]), true);
  assert.equal(differs(before, [shown("bo"), shown("di")]), true);
  assert.equal(differs(before, [shown("bo"), shown("cy", 320, { source: "screen" })]), true);
  assert.equal(differs(before, [shown("bo"), shown("cy", 320, { priority: 1 })]), true);
  assert.equal(differs([], []), false);
});

test("at most four a second, the last one always, what comes back to the same not at all", () => {
  const { made, sent } = views();
  made.renew(1);
  for (let step = 1; step <= 20; step++) {
    made.show([shown("bo", 100 * step)]);
    time.tick(50);
  }
  time.tick(1000);
  assert.ok(sent.length <= 6, `${sent.length} in a second`);
  sent.slice(1).forEach(({ at }, index) => assert.ok(at - sent[index].at >= 250));
  assert.equal(sent.at(-1)?.tracks[0].width, 2000);
  const { length } = sent;
  made.show([shown("bo", 100)]);
  made.show([shown("bo", 150)]);
  made.show([shown("bo", 100)]);
  time.tick(1000);
  assert.equal(sent.length, length + 1, "the first at once, for it might last; back at it, nothing more");
  made.show([shown("bo", 105)]);
  time.tick(1000);
  assert.equal(sent.length, length + 1);
});

test("nothing is told before the page was laid out: till then everything counts as shown", () => {
  const { made, sent } = views();
  made.renew(1);
  time.tick(5000);
  assert.deepEqual(sent, []);
  assert.deepEqual(made.current, []);
  made.show([]);
  assert.deepEqual(sent.map(({ tracks }) => tracks), [[]]);
});

test("nothing is told before a generation, everything anew in each", () => {
  const { made, sent } = views();
  made.show([shown("bo")]);
  time.tick(1000);
  assert.equal(sent.length, 0);
  made.renew(1);
  time.tick(1000);
  made.renew(2);
  time.tick(1000);
  assert.deepEqual(sent.map(({ generation, tracks }) => [generation, tracks.length]), [[1, 1], [2, 1]]);
  made.show([]);
  time.tick(1000);
  assert.deepEqual(sent.at(-1)?.tracks, [], "a page that shows nothing says so");
  assert.deepEqual(made.current, []);
});

test("what did not get through is told again; of an older server nothing more is asked", async () => {
  let code = "timeout";
  const { made, sent } = views(async () => {
    if (code) throw new ProtocolError({ code });
  });
  made.show([]);
  made.renew(1);
  await settle();
  code = "";
  time.tick(900);
  assert.equal(sent.length, 1, "not at once");
  time.tick(400);
  await settle();
  assert.equal(sent.length, 2);
  time.tick(5000);
  assert.equal(sent.length, 2);

  code = "offline";
  made.show([shown("bo")]);
  await settle();
  code = "";
  time.tick(5000);
  assert.equal(sent.length, 3, "waits until one is back");
  made.renew(1);
  await settle();
  assert.equal(sent.length, 4);

  code = "unknown_type";
  made.show([shown("cy")]);
  await settle();
  made.show([shown("di")]);
  made.renew(2);
  time.tick(5000);
  assert.equal(sent.length, 5);
});
