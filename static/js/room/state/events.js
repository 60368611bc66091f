/**
 * One reducer for each event of docs/protocol.md section 1.6: (state, the event's data) → new state.
 * @import { State } from "./initial.js"
 * @import { Participant, Message, RoomState, Recording, Welcome, Live, Source, Trouble } from "../types.js"
 */
import { addMessages } from "./messages.js";

/**
 * @template T
 * @param {Record<string, T>} record
 * @param {string} id
 * @returns {Record<string, T>}
 */
function without(record, id) {
  const { [id]: _gone, ...rest } = record;
  return rest;
}

/** @param {{participant: string, source: Source}} track */
export function trackKey({ participant, source }) {
  return `${participant} ${source}`;
}

/** @param {State} state @param {Participant} participant @returns {State} */
function putParticipant(state, participant) {
  return {
    ...state,
    participants: { ...state.participants, [participant.id]: participant },
    lobby: state.lobby.filter((waiting) => waiting.id !== participant.id),
  };
}

/** @param {State} state @param {RoomState} room @returns {State} */
export function enter(state, room) {
  const same = state.sessionId === String(room.session.id);
  const others = same ? state.chat.messages : [];
  return {
    ...state,
    phase: "in",
    sessionId: String(room.session.id),
    startedAt: room.session.started_at,
    meeting: { ...state.meeting, ...room.meeting },
    you: { id: room.you.id, role: room.you.role, capabilities: room.you.capabilities },
    participants: Object.fromEntries(room.participants.map((participant) => [participant.id, participant])),
    lobby: room.lobby,
    chat: {
      messages: addMessages(others, room.chat.messages),
      // After a return we may hold older pages already.
      hasMore: same && others.length > room.chat.messages.length ? state.chat.hasMore : room.chat.has_more,
      unread: same ? state.chat.unread + countMissed(state, room.chat.messages) : 0,
    },
    recording: room.recording,
    speakers: [],
    noticed: {},
    told: {},
    paused: same ? state.paused : {},
    quality: same ? state.quality : {},
    pinned: same ? state.pinned : null,
    ending: null,
  };
}

/** @param {State} state @param {Message[]} messages */
function countMissed(state, messages) {
  if (state.panel === "chat") return 0;
  const known = new Set(state.chat.messages.map((message) => message.id));
  return messages.filter((message) => !known.has(message.id) && message.participant !== state.you?.id).length;
}

/** @type {Record<string, (state: State, data: any) => State>} */
export const EVENTS = {
  /** @param {State} state @param {Welcome} data */
  welcome: (state, data) => ({
    ...state,
    live: data.live,
    meeting: { ...state.meeting, ...data.meeting },
    ownName: state.ownName || data.you.name,
    waitsInLobby: data.you.lobby,
  }),

  /** @param {State} state @param {Live} data */
  live: (state, data) => ({ ...state, live: data }),

  /** @param {State} state @param {{participant: Participant}} data */
  "lobby.waiting": (state, { participant }) => ({
    ...state,
    lobby: [...state.lobby.filter((waiting) => waiting.id !== participant.id), participant],
  }),

  /** @param {State} state @param {{id: string}} data */
  "lobby.left": (state, { id }) => ({ ...state, lobby: state.lobby.filter((waiting) => waiting.id !== id) }),

  "lobby.refused": (state) => ({ ...state, phase: "refused", ending: { reason: "refused", by: "", url: "" } }),

  /** @param {State} state @param {{participant: Participant}} data */
  "participant.joined": (state, { participant }) => putParticipant(state, participant),

  /** @param {State} state @param {{participant: Participant}} data */
  "participant.updated": (state, { participant }) => putParticipant(state, participant),

  /** @param {State} state @param {{id: string}} data */
  "participant.left": (state, { id }) => ({
    ...state,
    participants: without(state.participants, id),
    speakers: state.speakers.filter((speaker) => speaker !== id),
    pinned: state.pinned === id ? null : state.pinned,
    quality: without(state.quality, id),
  }),

  /** @param {State} state @param {{message: Message}} data */
  "chat.message": (state, { message }) => {
    const messages = addMessages(state.chat.messages, [message]);
    const isNews = messages.length > state.chat.messages.length && message.participant !== state.you?.id;
    const unread = state.panel === "chat" || !isNews ? state.chat.unread : state.chat.unread + 1;
    return { ...state, chat: { ...state.chat, messages, unread } };
  },

  /** @param {State} state @param {{recording: Recording | null}} data */
  "recording.changed": (state, { recording }) => ({ ...state, recording }),

  /** @param {State} state @param {{role: import("../types.js").Role, capabilities: string[]}} data */
  "you.updated": (state, { role, capabilities }) =>
    state.you ? { ...state, you: { ...state.you, role, capabilities } } : state,

  /** @param {State} state @param {{source: Source, by: string}} data */
  "you.muted": (state, { source }) =>
    source === "screen_audio" ? state : { ...state, own: { ...state.own, [source]: false } },

  /** @param {State} state @param {{by: string}} data */
  "you.removed": (state, { by }) => ({ ...state, phase: "removed", ending: { reason: "removed", by: by ?? "", url: "" } }),

  /** @param {State} state @param {{reason: string, url: string | null}} data */
  "session.ended": (state, { reason, url }) => ({ ...state, phase: "ended", ending: { reason, by: "", url: url ?? "" } }),

  /** @param {State} state @param {{participants: Record<string, number>}} data changes only */
  "media.quality": (state, { participants }) => ({ ...state, quality: { ...state.quality, ...participants } }),

  /** @param {State} state @param {{tracks: {participant: string, source: Source}[]}} data all of them */
  "media.paused": (state, { tracks }) => ({ ...state, paused: Object.fromEntries(tracks.map((track) => [trackKey(track), true])) }),

  /** @param {State} state @param {Trouble & {state: "silent" | "healed"}} data */
  "media.trouble": (state, { participant, source, hop, state: now }) => {
    const key = trackKey({ participant, source });
    const told = now === "silent" ? { ...state.told, [key]: { participant, source, hop } } : without(state.told, key);
    return { ...state, told };
  },

  /** @param {State} state @param {{participants: string[]}} data */
  "speaker.changed": (state, { participants }) => ({
    ...state,
    speakers: participants,
    lastSpeaker: participants.find((id) => id !== state.you?.id) ?? state.lastSpeaker,
  }),
};
