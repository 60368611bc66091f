/**
 * Questions to the state. Pure; results that are lists are made anew, so use `watch` with a part of the state.
 * @import { State } from "./initial.js"
 * @import { Participant, Trouble } from "../types.js"
 */

/** @param {State} state @param {string} capability a name of meetings/permissions, "chat.send" */
export function may(state, capability) {
  return state.you?.capabilities.includes(capability) ?? false;
}

/** @param {State} state @returns {Participant | null} */
export function me(state) {
  return (state.you && state.participants[state.you.id]) || null;
}

/** @param {Participant} a @param {Participant} b */
function byArrival(a, b) {
  return (a.joined_at ?? "").localeCompare(b.joined_at ?? "") || a.id.localeCompare(b.id);
}

/** Everybody in the room in the order they came, oneself last. @param {State} state @returns {Participant[]} */
export function people(state) {
  const own = state.you?.id;
  const all = Object.values(state.participants).sort(byArrival);
  return [...all.filter(({ id }) => id !== own), ...all.filter(({ id }) => id === own)];
}

/** For the list of people: raised hands first in their order, then hosts, then names. @param {State} state @param {string} language */
export function peopleByRank(state, language) {
  const order = handOrder(state);
  const collator = new Intl.Collator(language);
  const rank = (/** @type {Participant} */ { role }) => (role === "host" ? 0 : role === "cohost" ? 1 : 2);
  return Object.values(state.participants).sort(
    (a, b) =>
      (order[a.id] ?? Infinity) - (order[b.id] ?? Infinity) || rank(a) - rank(b) || collator.compare(a.name, b.name) || byArrival(a, b),
  );
}

/** Participant id → place in the queue of raised hands, from 1. @param {State} state @returns {Record<string, number>} */
export function handOrder(state) {
  const raised = Object.values(state.participants).filter(({ hand }) => hand);
  raised.sort((a, b) => Date.parse(a.hand ?? "") - Date.parse(b.hand ?? "") || byArrival(a, b));
  return Object.fromEntries(raised.map(({ id }, index) => [id, index + 1]));
}

/** Who shares a screen, the longest-standing participant first. @param {State} state @returns {Participant[]} */
export function sharers(state) {
  return people(state).filter(({ screen }) => screen);
}

/**
 * Who is shown large when a speaker is: the pinned one, else the other who spoke last, else the first other.
 * @param {State} state
 * @returns {string | null}
 */
export function spotlight(state) {
  if (state.pinned && state.participants[state.pinned]) return state.pinned;
  if (state.lastSpeaker && state.participants[state.lastSpeaker]) return state.lastSpeaker;
  return people(state)[0]?.id ?? null;
}

/** @param {State} state */
export function isRecording(state) {
  return state.recording?.state === "recording";
}

/**
 * What the badge of the connection says, worst first.
 * @param {State} state
 * @returns {"offline" | "media-away" | "media-connecting" | "connected"}
 */
export function health(state) {
  if (state.connection.state !== "open") return "offline";
  if (state.media === "reconnecting" || state.media === "unavailable") return "media-away";
  if (state.media === "connected") return "connected";
  return "media-connecting";
}

/**
 * Media that should be there and is not, each once; what the server says, which sees both ends, goes before what the page
 * found. What was switched off or paused meanwhile is no trouble; whether somebody fails to receive us is theirs to know.
 * @param {State} state
 * @returns {Trouble[]}
 */
export function troubles(state) {
  return Object.entries({ ...state.noticed, ...state.told })
    .filter(([key, trouble]) => !state.paused[key] && isOn(state, trouble) && concernsUs(state, trouble))
    .map(([, trouble]) => trouble);
}

/** @param {State} state @param {Trouble} trouble */
function concernsUs({ you }, { participant, hop }) {
  return participant !== you?.id || hop === "device" || hop === "uplink" || hop === "server";
}

/** Whether this source should be there at all. @param {State} state @param {{participant: string, source: import("../types.js").Source}} track */
export function isOn({ participants, you, own }, { participant, source }) {
  const person = participants[participant];
  if (!person?.connected) return false;
  const flags = participant === you?.id ? own : person;
  return source === "screen_audio" ? flags.screen : flags[source];
}
