/**
 * Everything the page knows, in one object that is never changed in place.
 *
 * @import { Participant, Message, Recording, Live, MeetingFacts, You, RoomConfig, Source, Trouble } from "../types.js"
 * @import { ConnectionStatus } from "../protocol/connection.js"
 *
 * @typedef {"prejoin" | "joining" | "lobby" | "in" | "left" | "removed" | "refused" | "ended" | "moved" | "failed"} Phase
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "unavailable"} MediaState
 * @typedef {"chat" | "people" | null} Panel
 * @typedef {"grid" | "speaker"} View
 *
 * @typedef {object} OwnMedia what this tab itself captures now
 * @property {boolean} mic
 * @property {boolean} camera
 * @property {boolean} screen
 * @property {string | null} micError a code of media/errors.js
 * @property {string | null} cameraError
 *
 * @typedef {object} ChatState
 * @property {Message[]} messages oldest first
 * @property {boolean} hasMore older ones can be fetched
 * @property {number} unread
 *
 * @typedef {object} Ending
 * @property {string} reason
 * @property {string} by
 * @property {string} url where the meeting's outcome can be seen; empty when nowhere
 *
 * @typedef {object} State
 * @property {Phase} phase
 * @property {string | null} sessionId
 * @property {string | null} startedAt
 * @property {MeetingFacts} meeting
 * @property {Live} live
 * @property {boolean} waitsInLobby this person will have to be let in
 * @property {string} ownName
 * @property {You | null} you
 * @property {Record<string, Participant>} participants by id
 * @property {Participant[]} lobby in the order they came
 * @property {ChatState} chat
 * @property {Recording | null} recording
 * @property {string[]} speakers loudest first
 * @property {string | null} lastSpeaker the other person heard last, so that silence does not move pictures
 * @property {ConnectionStatus} connection
 * @property {MediaState} media
 * @property {string} mediaReason why there is none, in the server's words
 * @property {number | null} rtt milliseconds to the server and back
 * @property {number} clockSkew server's clock minus ours, milliseconds
 * @property {OwnMedia} own
 * @property {Record<string, Source[]>} arriving participant id → sources whose packets should be here
 * @property {Record<string, Trouble>} noticed "<participant> <source>" → what this page found amiss
 * @property {Record<string, Trouble>} told the same, found by the server
 * @property {Record<string, true>} paused "<participant> <source>" → shown, but the line has no room for it
 * @property {Record<string, number>} quality participant id → 1 (worst) to 5
 * @property {Panel} panel
 * @property {View} view
 * @property {string | null} pinned participant id that is shown large
 * @property {Ending | null} ending
 */

/**
 * @param {RoomConfig} config
 * @param {string} title
 * @returns {State}
 */
export function initialState(config, title) {
  return {
    phase: "prejoin",
    sessionId: null,
    startedAt: null,
    meeting: {
      title,
      code: config.code,
      ends_at: config.ends_at,
      lobby: config.lobby,
      recording_allowed: config.recording_allowed,
    },
    live: config.live ?? { count: 0, started_at: null, recording: false },
    waitsInLobby: config.lobby,
    ownName: config.display_name,
    you: null,
    participants: {},
    lobby: [],
    chat: { messages: [], hasMore: false, unread: 0 },
    recording: null,
    speakers: [],
    lastSpeaker: null,
    connection: { state: "idle", attempt: 0, retryAt: null },
    media: "idle",
    mediaReason: "",
    rtt: null,
    clockSkew: 0,
    own: { mic: false, camera: false, screen: false, micError: null, cameraError: null },
    arriving: {},
    noticed: {},
    told: {},
    paused: {},
    quality: {},
    panel: null,
    view: "grid",
    pinned: null,
    ending: null,
  };
}
