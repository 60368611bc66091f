import assert from "node:assert/strict";
import test from "node:test";
import { Trim } from "../../static/js/room/media/report.js";
import { inStats, outStats, pathOf, uplinkOf } from "../../static/js/room/media/stats.js";

/** @import { Source, InStat } from "../../static/js/room/types.js" */

/** As Chromium reports them, with what is of no interest left out. */
const SENT = [
  { id: "T", type: "transport", selectedCandidatePairId: "P2" },
  { id: "P1", type: "candidate-pair", nominated: true, state: "succeeded", localCandidateId: "L1", bytesSent: 1, bytesReceived: 1 },
  { id: "P2", type: "candidate-pair", nominated: true, state: "succeeded", localCandidateId: "L2", currentRoundTripTime: 0.0234, bytesSent: 9000, bytesReceived: 700 },
  { id: "L1", type: "local-candidate", candidateType: "host", protocol: "udp" },
  { id: "L2", type: "local-candidate", candidateType: "host", protocol: "tcp" },
  { id: "R0", type: "remote-inbound-rtp", roundTripTime: 0.0416, packetsLost: 3 },
  { id: "O0", type: "outbound-rtp", kind: "audio", mid: "0", remoteId: "R0", packetsSent: 100, bytesSent: 8000 },
  { id: "O1", type: "outbound-rtp", kind: "video", mid: "1", rid: "q", packetsSent: 50, bytesSent: 40000, framesEncoded: 30, frameWidth: 320, frameHeight: 180, qualityLimitationReason: "bandwidth" },
  { id: "O2", type: "outbound-rtp", kind: "video", mid: "1", rid: "f", packetsSent: 0, bytesSent: 0, qualityLimitationReason: "unheard-of" },
  { id: "O3", type: "outbound-rtp", kind: "video", mid: "7", packetsSent: 5 },
  { id: "C", type: "codec", mid: "1" },
];
/** @type {Map<string, import("../../static/js/room/media/stats.js").Published>} */
const LINES = new Map([["0", { source: "mic", isLayered: false }], ["1", { source: "camera", isLayered: true }]]);

test("what was sent, layer by layer, in exactly the fields of the protocol", () => {
  assert.deepEqual(outStats(SENT, LINES), [
    { source: "mic", rid: null, packets: 100, bytes: 8000, frames: 0, width: 0, height: 0, limited: "none", round_trip_ms: 42 },
    { source: "camera", rid: "q", packets: 50, bytes: 40000, frames: 30, width: 320, height: 180, limited: "bandwidth", round_trip_ms: null },
    { source: "camera", rid: "f", packets: 0, bytes: 0, frames: 0, width: 0, height: 0, limited: "none", round_trip_ms: null },
  ]);
  assert.deepEqual(uplinkOf(SENT), { sent: 155, lost: 3 });
  assert.deepEqual(outStats([], LINES), []);
});

test("a camera in one size has no layers, whatever the browser calls it and still remembers", () => {
  const entries = [{ id: "O1", type: "outbound-rtp", kind: "video", mid: "1", rid: "q", active: true, packetsSent: 50 }, { id: "O2", type: "outbound-rtp", kind: "video", mid: "1", rid: "f", active: false, packetsSent: 1 }];
  const stats = outStats(entries, new Map([["1", { source: "camera", isLayered: false }]]));
  assert.deepEqual(stats.map(({ rid, packets }) => [rid, packets]), [[null, 50]]);
});

/** @param {string} participant @param {Source} source @param {string} mid */
const arrival = (participant, source, mid) => /** @type {any} */ ({ participant, source, mid, track: { id: `track-${mid}` } });

const VIDEO = {
  type: "inbound-rtp", kind: "video", mid: "3", trackIdentifier: "track-3", packetsReceived: 900, packetsLost: -2, bytesReceived: 800000,
  framesDecoded: 250, freezeCount: 2, totalFreezesDuration: 1.2344, frameWidth: 640, frameHeight: 360, jitter: 0.01234, lastPacketReceivedTimestamp: 1000,
};
const AUDIO = { type: "inbound-rtp", kind: "audio", trackIdentifier: "track-4", packetsReceived: 70, packetsLost: 1, bytesReceived: 6000, totalSamplesReceived: 67200, concealedSamples: 480, jitter: 0.002 };

test("what arrived, by line or by track, in exactly the fields of the protocol", () => {
  const { stats, heardAt } = inStats([VIDEO, AUDIO, { type: "outbound-rtp", mid: "3" }], [arrival("bo", "camera", "3"), arrival("bo", "mic", "4"), arrival("cy", "mic", "5")]);
  assert.deepEqual(stats, [
    { participant: "bo", source: "camera", packets: 900, lost: 0, bytes: 800000, frames: 250, freezes: 2, freeze_ms: 1234, width: 640, height: 360, samples: 0, concealed: 0, jitter_ms: 12.3 },
    { participant: "bo", source: "mic", packets: 70, lost: 1, bytes: 6000, frames: 0, freezes: 0, freeze_ms: 0, width: 0, height: 0, samples: 67200, concealed: 480, jitter_ms: 2 },
  ]);
  assert.deepEqual([...heardAt], [["bo camera", 1000]]);
});

test("a line that was given to another counts as it is used now", () => {
  const old = { ...VIDEO, packetsReceived: 9000, lastPacketReceivedTimestamp: 500 };
  for (const entries of [[old, VIDEO], [VIDEO, old]]) {
    assert.equal(inStats(entries, [arrival("bo", "camera", "3")]).stats[0].packets, 900);
  }
});

test("the way the packets go, in the words of the panel", () => {
  assert.deepEqual(pathOf(SENT), { way: "tcp", roundTrip: 23, sent: 9000, received: 700 });
  const way = (/** @type {object} */ candidate) =>
    pathOf([{ id: "P", type: "candidate-pair", nominated: true, state: "succeeded", localCandidateId: "L" }, { id: "L", type: "local-candidate", ...candidate }])?.way;
  assert.equal(way({ candidateType: "srflx", protocol: "udp" }), "udp");
  assert.equal(way({ candidateType: "relay", protocol: "udp", relayProtocol: "udp" }), "turn-udp");
  assert.equal(way({ candidateType: "relay", protocol: "udp", relayProtocol: "tcp" }), "turn-tcp");
  assert.equal(way({ candidateType: "relay", protocol: "udp", relayProtocol: "tls" }), "turn-tls");
  assert.equal(pathOf([]), null);
  const nominated = { type: "candidate-pair", nominated: true, state: "succeeded" };
  const chosen = pathOf([{ id: "old", ...nominated, bytesSent: 1 }, { id: "new", ...nominated, selected: true, bytesSent: 2 }]);
  assert.equal(chosen?.sent, 2, "of two that are nominated the one that Firefox calls selected");
});

/** @param {number} count @param {(index: number) => number} packets @returns {InStat[]} */
const many = (count, packets) =>
  Array.from({ length: count }, (_, index) => ({
    participant: `p${index}`, source: "mic", packets: packets(index), lost: 0, bytes: 0, frames: 0, freezes: 0, freeze_ms: 0, width: 0, height: 0, samples: 0, concealed: 0, jitter_ms: 0,
  }));

test("a report of a large room tells of those who moved lately", () => {
  const trim = new Trim();
  assert.equal(trim.take(many(60, () => 0)).length, 60);
  const first = trim.take(many(100, (index) => (index >= 90 ? 5 : 0)));
  assert.equal(first.length, 60);
  assert.deepEqual(first.slice(0, 10).map(({ participant }) => participant), ["p90", "p91", "p92", "p93", "p94", "p95", "p96", "p97", "p98", "p99"]);
  for (let round = 0; round < 4; round++) assert.equal(trim.take(many(100, (index) => (index >= 90 ? 5 : 0)))[0].participant, "p90", "that one fell silent is news");
  assert.equal(trim.take(many(100, (index) => (index >= 90 ? 5 : 0)))[0].participant, "p0");
  assert.ok(JSON.stringify(trim.take(many(100, () => 123456789))).length < 16_384);
});
