import assert from "node:assert/strict";
import test from "node:test";
import { ChoiceStore } from "../../static/js/room/media/choices.js";
import { classify } from "../../static/js/room/media/errors.js";
import { levelOf } from "../../static/js/room/media/level.js";
import { linesOf, preferCodec, takesLayers } from "../../static/js/room/media/sdp.js";

const OFFER = [
  "v=0",
  "o=- 1 2 IN IP4 127.0.0.1",
  "a=group:BUNDLE 0 1 2 3 4",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=mid:0",
  "a=sendonly",
  "a=msid:p1 mic",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=msid:p1 camera",
  "a=mid:1",
  "a=sendonly",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=mid:2",
  "a=inactive",
  "a=msid:p2 camera",
  "m=video 0 UDP/TLS/RTP/SAVPF 96",
  "a=mid:3",
  "a=sendonly",
  "a=msid:p3 camera",
  "m=video 0 UDP/TLS/RTP/SAVPF 96",
  "a=bundle-only",
  "a=mid:4",
  "a=sendonly",
  "a=msid:p4 screen",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=mid:5",
  "a=sendonly",
  "a=msid:p5 unheard_of",
  "",
].join("\r\n");

test("the offer tells which line is whose; silent, rejected and unknown lines do not count", () => {
  assert.deepEqual(linesOf(OFFER), [
    { mid: "0", participant: "p1", source: "mic" },
    { mid: "1", participant: "p1", source: "camera" },
    { mid: "4", participant: "p4", source: "screen" },
  ]);
  assert.deepEqual(linesOf("v=0\r\n"), []);
});

test("an answer tells whether it takes several sizes", () => {
  const answer = (/** @type {string} */ more) => `v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n${more}`;
  assert.equal(takesLayers(answer("a=rid:q recv\r\na=simulcast:recv q;h\r\n")), true);
  assert.equal(takesLayers(answer("a=simulcast: recv q;h\r\n")), true);
  assert.equal(takesLayers(answer("a=rid:q recv\r\n")), false);
  assert.equal(takesLayers(answer("a=simulcast:send q\r\n")), false);
});

test("the wanted codec comes first, nothing is lost", () => {
  const codecs = ["video/H264", "video/VP8", "video/rtx", "video/vp8", "video/AV1"].map((mimeType) => ({ mimeType }));
  assert.deepEqual(preferCodec(codecs, "video/VP8").map(({ mimeType }) => mimeType), ["video/VP8", "video/vp8", "video/H264", "video/rtx", "video/AV1"]);
});

for (const [name, message, code] of [
  ["NotAllowedError", "Permission denied", "blocked"],
  ["NotAllowedError", "Permission denied by system", "blocked-system"],
  ["NotAllowedError", "Permission dismissed", "dismissed"],
  ["NotFoundError", "Requested device not found", "missing"],
  ["OverconstrainedError", "", "missing"],
  ["NotReadableError", "Could not start video source", "in-use"],
  ["SecurityError", "", "insecure"],
  ["TypeError", "", "unsupported"],
  ["Something", "", "unknown"],
]) {
  test(`${name} (${message || "no words"}) is told as ${code}`, () => {
    assert.equal(classify(Object.assign(new Error(message), { name })), code);
  });
}

test("what is thrown need not be an error", () => assert.equal(classify("no"), "unknown"));

test("the level follows the ear: silence 0, loud 1, between them decibels", () => {
  const tone = (/** @type {number} */ size) => Float32Array.from({ length: 1000 }, (_, i) => size * Math.sin(i / 3));
  assert.equal(levelOf(new Float32Array(1000)), 0);
  assert.equal(levelOf(new Float32Array(0)), 0);
  assert.equal(levelOf(tone(1)), 1);
  const [soft, louder] = [levelOf(tone(0.01)), levelOf(tone(0.1))];
  assert.ok(Math.abs(louder - soft - 20 / 50) < 0.01, "ten times the size are 20 dB");
});

test("choices are remembered, wrong or missing ones fall back", (t) => {
  t.mock.method(console, "warn", () => {});
  /** @type {Map<string, string>} */
  const kept = new Map();
  const storage = { getItem: (/** @type {string} */ key) => kept.get(key) ?? null, setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value) };
  const first = new ChoiceStore(storage);
  assert.equal(first.value.mic, true);
  first.remember({ mic: false, micId: "usb" });
  assert.deepEqual([new ChoiceStore(storage).value.mic, new ChoiceStore(storage).value.micId], [false, "usb"]);
  kept.set("plenum.devices", '{"mic": "yes", "camera": false}');
  assert.deepEqual([new ChoiceStore(storage).value.mic, new ChoiceStore(storage).value.camera], [true, false]);
  kept.set("plenum.devices", "{");
  assert.equal(new ChoiceStore(storage).value.camera, true);
  assert.equal(new ChoiceStore(null).value.camera, true);
});
