import assert from "node:assert/strict";
import test from "node:test";
import { initialState } from "../../static/js/room/state/initial.js";
import { addMessages } from "../../static/js/room/state/messages.js";
import { reduce } from "../../static/js/room/state/reduce.js";
import { handOrder, health, isRecording, may, me, people, peopleByRank, sharers, spotlight, troubles } from "../../static/js/room/state/selectors.js";
import { Store } from "../../static/js/room/state/store.js";
import { CONFIG, message, participant, roomState } from "./facts.js";

/** @import { State } from "../../static/js/room/state/initial.js" */

const START = initialState(CONFIG, "Physics 101");

/** @param {Partial<import("../../static/js/room/types.js").RoomState>} [more] @returns {State} */
function inRoom(more) {
  return reduce(START, { type: "in", state: roomState(more), now: Date.parse("2026-11-23T10:05:00Z") });
}

/** @param {State} state @param {string} name @param {any} data */
const event = (state, name, data) => reduce(state, { type: "event", name, data });

test("an event nobody knows changes nothing", () => {
  assert.equal(event(START, "weather.changed", {}), START);
});

test("no reducer changes the state it was given", () => {
  const state = inRoom({ lobby: [participant("wa")], chat: { messages: [message(1)], has_more: true } });
  const before = structuredClone(state);
  const events = /** @type {const} */ ([
    ["welcome", { live: { count: 1 }, meeting: {}, you: { name: "x", lobby: false } }],
    ["live", { count: 2, started_at: null }],
    ["lobby.waiting", { participant: participant("zo") }],
    ["lobby.left", { id: "wa" }],
    ["lobby.refused", {}],
    ["participant.joined", { participant: participant("di") }],
    ["participant.updated", { participant: participant("bo", { hand: "2026-11-23T10:06:00Z" }) }],
    ["participant.left", { id: "bo" }],
    ["chat.message", { message: message(9) }],
    ["recording.changed", { recording: { id: 1, state: "recording", started_at: null, started_by: null } }],
    ["you.updated", { role: "cohost", capabilities: ["lobby.admit"] }],
    ["you.muted", { source: "mic", by: "BO" }],
    ["you.removed", { by: "BO" }],
    ["session.ended", { reason: "host", url: "/m/abc/left/" }],
    ["speaker.changed", { participants: ["bo"] }],
  ]);
  for (const [name, data] of events) {
    assert.notEqual(event(state, name, data), state, name);
    assert.deepEqual(state, before, name);
  }
});

test("entering shows the room and measures how far the clocks are apart", () => {
  const state = reduce(START, { type: "in", state: roomState(), now: Date.parse("2026-11-23T10:04:58Z") });
  assert.equal(state.phase, "in");
  assert.equal(state.clockSkew, 2000);
  assert.equal(me(state)?.id, "me");
  assert.ok(may(state, "chat.send"));
  assert.ok(!may(state, "lobby.admit"));
  assert.ok(!may(START, "chat.send"), "who is not in may nothing");
});

test("people come, change and go; whoever came in waits no longer", () => {
  let state = inRoom({ lobby: [participant("di")] });
  state = event(state, "participant.joined", { participant: participant("di") });
  assert.deepEqual(state.lobby, []);
  state = event(state, "participant.updated", { participant: participant("di", { mic: false }) });
  assert.equal(state.participants.di.mic, false);
  state = event(reduce(state, { type: "pin", id: "di" }), "speaker.changed", { participants: ["di"] });
  state = event(state, "participant.left", { id: "di" });
  assert.equal(state.participants.di, undefined);
  assert.equal(state.pinned, null);
  assert.deepEqual(state.speakers, []);
});

test("people stand in the order they came, oneself last", () => {
  const state = inRoom({
    participants: [participant("me", { joined_at: "2026-11-23T09:00:00Z" }), participant("late", { joined_at: "2026-11-23T10:30:00Z" }), participant("early", { joined_at: "2026-11-23T10:01:00Z" })],
  });
  assert.deepEqual(people(state).map(({ id }) => id), ["early", "late", "me"]);
});

test("hands are numbered by when they were raised and lead the list of people", () => {
  const state = inRoom({
    participants: [
      participant("me"),
      participant("ann", { hand: "2026-11-23T10:10:00Z" }),
      participant("bob", { hand: "2026-11-23T10:09:00Z" }),
      participant("hal", { role: "host" }),
    ],
  });
  assert.deepEqual(handOrder(state), { bob: 1, ann: 2 });
  assert.deepEqual(peopleByRank(state, "en").map(({ id }) => id), ["bob", "ann", "hal", "me"]);
});

test("silence does not move the large picture; a pinned one beats the speaker; one's own voice does not count", () => {
  let state = inRoom();
  assert.equal(spotlight(state), "bo");
  state = event(state, "speaker.changed", { participants: ["me", "cy"] });
  assert.equal(spotlight(state), "cy");
  state = event(state, "speaker.changed", { participants: [] });
  assert.equal(spotlight(state), "cy");
  state = reduce(state, { type: "pin", id: "bo" });
  assert.equal(spotlight(state), "bo");
  state = event(state, "participant.left", { id: "bo" });
  state = event(state, "participant.left", { id: "cy" });
  assert.equal(spotlight(state), "me");
});

test("messages are counted while the chat is closed, not one's own and none twice", () => {
  let state = inRoom();
  for (const next of [message(1), message(1), message(2), message(3, { participant: "me" })]) {
    state = event(state, "chat.message", { message: next });
  }
  assert.equal(state.chat.unread, 2);
  assert.deepEqual(state.chat.messages.map(({ id }) => id), [1, 2, 3]);
  state = reduce(state, { type: "panel", panel: "chat" });
  state = event(state, "chat.message", { message: message(4) });
  assert.equal(state.chat.unread, 0);
});

test("a return keeps the messages that are here and counts those missed", () => {
  let state = inRoom({ chat: { messages: [message(1), message(2)], has_more: true } });
  state = reduce(state, { type: "history", messages: [message(-1), message(0)], hasMore: false });
  const again = roomState({ chat: { messages: [message(2), message(3)], has_more: true } });
  state = reduce(state, { type: "in", state: again, now: 0 });
  assert.deepEqual(state.chat.messages.map(({ id }) => id), [-1, 0, 1, 2, 3]);
  assert.equal(state.chat.unread, 1);
  assert.equal(state.chat.hasMore, false, "what was fetched back to the beginning stays so");
  const other = reduce(state, { type: "in", state: roomState({ session: { id: "s2", started_at: "" } }), now: 0 });
  assert.deepEqual(other.chat.messages, [], "another session has its own chat");
});

test("pages of messages merge in order whatever their order, the newer copy wins", () => {
  const merged = addMessages([message(5), message(7)], [message(6), message(1), message(7, { body: "edited" })]);
  assert.deepEqual(merged.map(({ id }) => id), [1, 5, 6, 7]);
  assert.equal(merged[3].body, "edited");
  const same = [message(1)];
  assert.equal(addMessages(same, []), same);
});

test("an empty page is the end of the history", () => {
  const state = reduce(inRoom({ chat: { messages: [message(1)], has_more: true } }), { type: "history", messages: [], hasMore: true });
  assert.equal(state.chat.hasMore, false);
});

test("only a recording that runs counts as one", () => {
  let state = event(inRoom(), "recording.changed", { recording: { id: 1, state: "recording", started_at: null, started_by: null } });
  assert.ok(isRecording(state));
  state = event(state, "recording.changed", { recording: { id: 1, state: "composing", started_at: null, started_by: null } });
  assert.ok(!isRecording(state));
  assert.ok(!isRecording(event(state, "recording.changed", { recording: null })));
});

test("a host's mute is believed at once", () => {
  const on = reduce(inRoom(), { type: "own", change: { mic: true, camera: true } });
  assert.equal(event(on, "you.muted", { source: "mic", by: "x" }).own.mic, false);
  assert.equal(event(on, "you.muted", { source: "screen_audio", by: "x" }), on);
});

test("the badge tells the worst truth", () => {
  const open = { state: /** @type {const} */ ("open"), attempt: 0, retryAt: null };
  let state = reduce(inRoom(), { type: "connection", status: open });
  assert.equal(health(state), "media-connecting");
  state = reduce(state, { type: "media", media: "connected" });
  assert.equal(health(state), "connected");
  assert.equal(health(reduce(state, { type: "media", media: "unavailable" })), "media-away");
  assert.equal(health(reduce(state, { type: "connection", status: { state: "waiting", attempt: 1, retryAt: 5 } })), "offline");
});

test("who shares the screen is known", () => {
  const state = inRoom({ participants: [participant("me"), participant("bo", { screen: true })] });
  assert.deepEqual(sharers(state).map(({ id }) => id), ["bo"]);
});

test("the ends: removed by whom, ended why and where to go on", () => {
  assert.deepEqual(event(inRoom(), "you.removed", { by: "Mei" }).ending, { reason: "removed", by: "Mei", url: "" });
  const ended = event(inRoom(), "session.ended", { reason: "host", url: "/m/abc/left/" });
  assert.equal(ended.phase, "ended");
  assert.equal(ended.ending?.url, "/m/abc/left/");
});

test("the store tells once a task, and only what changed", () => {
  /** @type {(() => void)[]} */
  const tasks = [];
  const store = new Store(reduce, START, { schedule: (task) => tasks.push(task) });
  /** @type {number[]} */
  const counts = [];
  const stop = store.watch((state) => state.live.count, (count) => counts.push(count));
  store.dispatch({ type: "event", name: "live", data: { count: 1, started_at: null } });
  store.dispatch({ type: "event", name: "live", data: { count: 2, started_at: null } });
  assert.equal(tasks.length, 1);
  tasks.shift()?.();
  store.dispatch({ type: "rtt", ms: 20 });
  tasks.shift()?.();
  assert.deepEqual(counts, [0, 2]);
  stop();
  store.dispatch({ type: "event", name: "live", data: { count: 3, started_at: null } });
  tasks.shift()?.();
  assert.deepEqual(counts, [0, 2]);
});

test("what the server says of a source goes before what the page found; healed, off and paused is no trouble", () => {
  const noticed = (/** @type {State} */ state) => reduce(state, { type: "noticed", troubles: [{ participant: "bo", source: "camera", hop: "downlink" }] });
  const hops = (/** @type {State} */ state) => troubles(state).map(({ participant, source, hop }) => `${participant} ${source} ${hop}`);
  let state = noticed(inRoom());
  assert.deepEqual(hops(state), ["bo camera downlink"]);
  assert.equal(noticed(state), state, "the same again changes nothing");
  state = event(state, "media.trouble", { participant: "bo", source: "camera", hop: "uplink", state: "silent", action: "keyframe" });
  state = event(state, "media.trouble", { participant: "cy", source: "mic", hop: "downlink", state: "silent", action: "none" });
  assert.deepEqual(hops(state), ["bo camera uplink", "cy mic downlink"]);
  assert.deepEqual(hops(event(state, "participant.updated", { participant: participant("cy", { mic: false }) })), ["bo camera uplink"]);
  assert.deepEqual(hops(event(state, "media.paused", { tracks: [{ participant: "bo", source: "camera", reason: "bandwidth" }] })), ["cy mic downlink"]);
  assert.deepEqual(hops(event(state, "participant.left", { id: "bo" })), ["cy mic downlink"]);
  state = event(state, "media.trouble", { participant: "bo", source: "camera", hop: "uplink", state: "healed", action: "keyframe" });
  state = reduce(state, { type: "noticed", troubles: [] });
  assert.deepEqual(hops(state), ["cy mic downlink"]);
  assert.deepEqual(hops(reduce(state, { type: "generation" })), []);
});

test("of one's own media only what one can do something about is a trouble", () => {
  const told = (/** @type {string} */ hop) => {
    const state = event(inRoom(), "media.trouble", { participant: "me", source: "mic", hop, state: "silent", action: "none" });
    return troubles(reduce(state, { type: "own", change: { mic: true } })).length;
  };
  assert.deepEqual(["device", "uplink", "server", "downlink", "player"].map(told), [1, 1, 1, 0, 0]);
});

test("qualities come as changes and go with the people", () => {
  let state = event(inRoom(), "media.quality", { participants: { bo: 5, cy: 2 } });
  state = event(state, "media.quality", { participants: { cy: 4 } });
  assert.deepEqual(state.quality, { bo: 5, cy: 4 });
  assert.deepEqual(event(state, "participant.left", { id: "bo" }).quality, { cy: 4 });
  assert.deepEqual(reduce(state, { type: "in", state: roomState(), now: 0 }).quality, { bo: 5, cy: 4 }, "a return of the same session keeps them");
});

test("the list of paused pictures is the whole one", () => {
  const paused = (/** @type {State} */ state, /** @type {string[]} */ ids) => event(state, "media.paused", { tracks: ids.map((id) => ({ participant: id, source: "camera", reason: "bandwidth" })) });
  const state = paused(paused(inRoom(), ["bo", "cy"]), ["cy"]);
  assert.deepEqual(state.paused, { "cy camera": true });
  assert.deepEqual(reduce(state, { type: "generation" }).paused, {});
});

test("while it is held a store changes and tells nobody; then it tells once", async () => {
  const store = new Store((/** @type {number} */ state, /** @type {number} */ change) => state + change, 0);
  /** @type {number[]} */
  const told = [];
  store.subscribe((state) => told.push(state));
  let release = () => {};
  store.hold(new Promise((done) => (release = () => done(undefined))));
  store.dispatch(1);
  store.dispatch(2);
  await Promise.resolve();
  assert.equal(store.state, 3);
  assert.deepEqual(told, []);
  release();
  await new Promise((done) => setTimeout(done));
  assert.deepEqual(told, [3]);
  store.dispatch(4);
  await Promise.resolve();
  assert.deepEqual(told, [3, 7], "and at once from then on");
});
