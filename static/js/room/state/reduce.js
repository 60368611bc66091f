/**
 * @import { State, OwnMedia, Panel, View, MediaState, Phase, Ending } from "./initial.js"
 * @import { RoomState, Message, Source, Trouble } from "../types.js"
 * @import { ConnectionStatus } from "../protocol/connection.js"
 *
 * @typedef {{type: "event", name: string, data: any}
 *   | {type: "in", state: RoomState, now: number}
 *   | {type: "phase", phase: Phase, ending?: Ending | null}
 *   | {type: "connection", status: ConnectionStatus}
 *   | {type: "rtt", ms: number}
 *   | {type: "media", media: MediaState}
 *   | {type: "media-reason", words: string}
 *   | {type: "own", change: Partial<OwnMedia>}
 *   | {type: "name", name: string}
 *   | {type: "arriving", arriving: Record<string, Source[]>}
 *   | {type: "noticed", troubles: Trouble[]}
 *   | {type: "generation"}
 *   | {type: "history", messages: Message[], hasMore: boolean}
 *   | {type: "panel", panel: Panel}
 *   | {type: "view", view: View}
 *   | {type: "pin", id: string | null}} Action
 */
import { EVENTS, enter, trackKey } from "./events.js";
import { addMessages } from "./messages.js";

/**
 * @param {State} state
 * @param {Action} action
 * @returns {State}
 */
export function reduce(state, action) {
  switch (action.type) {
    case "event": {
      const handle = EVENTS[action.name];
      return handle ? handle(state, action.data) : state;
    }
    case "in":
      return { ...enter(state, action.state), clockSkew: Date.parse(action.state.server_time) - action.now || 0 };
    case "phase":
      return { ...state, phase: action.phase, ending: action.ending ?? state.ending };
    case "connection":
      return { ...state, connection: action.status };
    case "rtt":
      return { ...state, rtt: action.ms };
    case "media":
      return state.media === action.media ? state : { ...state, media: action.media };
    case "media-reason":
      return { ...state, mediaReason: action.words };
    case "own":
      return { ...state, own: { ...state.own, ...action.change } };
    case "name":
      return { ...state, ownName: action.name };
    case "arriving":
      return { ...state, arriving: action.arriving };
    case "noticed": {
      const noticed = Object.fromEntries(action.troubles.map((trouble) => [trackKey(trouble), trouble]));
      return sameTroubles(noticed, state.noticed) ? state : { ...state, noticed };
    }
    case "generation":
      // What was said of connections that are gone says nothing of the new ones.
      return { ...state, noticed: {}, told: {}, paused: {} };
    case "history":
      return {
        ...state,
        chat: {
          ...state.chat,
          messages: addMessages(state.chat.messages, action.messages),
          hasMore: action.hasMore && action.messages.length > 0,
        },
      };
    case "panel":
      return {
        ...state,
        panel: action.panel,
        chat: action.panel === "chat" ? { ...state.chat, unread: 0 } : state.chat,
      };
    case "view":
      return { ...state, view: action.view, pinned: null };
    case "pin":
      return { ...state, pinned: action.id };
  }
}

/** @param {Record<string, Trouble>} a @param {Record<string, Trouble>} b */
function sameTroubles(a, b) {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key].hop === b[key]?.hop);
}
