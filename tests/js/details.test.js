import assert from "node:assert/strict";
import test from "node:test";
import { detailsOf } from "../../static/js/room/media/details.js";

/** @param {string} source @param {string | null} rid @param {number} bytes @param {number} frames @param {object} [more] @returns {any} */
const out = (source, rid, bytes, frames, more = {}) => ({ source, rid, packets: 0, bytes, frames, width: 0, height: 0, limited: "none", round_trip_ms: null, ...more });
/** @param {string} participant @param {string} source @param {number} bytes @param {object} [more] @returns {any} */
const into = (participant, source, bytes, more = {}) => ({ participant, source, packets: 0, lost: 0, bytes, frames: 0, width: 0, height: 0, ...more });
/** @param {number} at @param {object} more @returns {any} */
const measured = (at, more) => ({ at, publish: [], subscribe: [], heardAt: new Map(), paths: { out: null, in: null }, uplink: { sent: 0, lost: 0 }, ...more });

test("rates, losses, sizes and the path are what happened between two measurements", () => {
  const before = measured(10_000, {
    publish: [out("mic", null, 1000, 0), out("camera", "q", 2000, 10), out("camera", "f", 9000, 50), out("camera", "h", 500, 5)],
    subscribe: [into("bo", "camera", 10_000, { packets: 100, lost: 2 }), into("bo", "mic", 1000, { packets: 50 })],
    uplink: { sent: 1000, lost: 10 },
  });
  const now = measured(12_000, {
    publish: [
      out("mic", null, 9000, 0),
      out("camera", "q", 12_000, 40, { width: 320, height: 180 }),
      out("camera", "f", 409_000, 110, { width: 1280, height: 720, limited: "bandwidth" }),
      out("camera", "h", 500, 5, { width: 640, height: 360 }),
    ],
    subscribe: [into("bo", "camera", 260_000, { packets: 295, lost: 7, width: 640, height: 360 }), into("bo", "mic", 9000, { packets: 150 }), into("cy", "camera", 90_000, { packets: 70 })],
    uplink: { sent: 1400, lost: 14 },
    paths: { out: { way: "udp", roundTrip: 23, sent: 0, received: 0 }, in: null },
  });
  const details = detailsOf(before, now);
  assert.deepEqual([details.way, details.roundTrip], ["udp", 23]);
  assert.equal(details.sending, (8000 + 10_000 + 400_000) * 4);
  assert.equal(details.receiving, (250_000 + 8000) * 4, "what began meanwhile counts from its second measurement");
  assert.equal(details.lostOut, 0.01);
  assert.ok(Math.abs((details.lostIn ?? 0) - 5 / 300) < 1e-9);
  assert.deepEqual(details.sent, [{ source: "camera", sizes: [{ width: 320, height: 180 }, { width: 1280, height: 720 }], limited: "bandwidth", rate: 410_000 * 4 }]);
  assert.deepEqual(details.received, [{ participant: "bo", source: "camera", width: 640, height: 360, rate: 1_000_000 }]);
});

test("nothing on its way is no loss, and nothing is divided by nothing", () => {
  const details = detailsOf(measured(0, {}), measured(0, {}));
  assert.deepEqual(details, { way: null, roundTrip: null, sending: 0, receiving: 0, lostOut: null, lostIn: null, sent: [], received: [] });
  const back = detailsOf(measured(0, { uplink: { sent: 10, lost: 5 } }), measured(1000, { uplink: { sent: 20, lost: 3 } }));
  assert.equal(back.lostOut, 0, "what was counted as lost and came after all");
});

test("without a round trip of the path, that of the reports is shown", () => {
  assert.equal(detailsOf(measured(0, {}), measured(1000, { publish: [out("mic", null, 0, 0), out("camera", "q", 0, 0, { round_trip_ms: 41 })] })).roundTrip, 41);
});
