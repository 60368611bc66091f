/** Made-up facts of a room for tests. @import { Participant, Message, RoomState, RoomConfig } from "../../static/js/room/types.js" */

/** @param {string} id @param {Partial<Participant>} [more] @returns {Participant} */
export function participant(id, more = {}) {
  return {
    id,
    name: id.toUpperCase(),
    role: "participant",
    guest: false,
    mic: true,
    camera: true,
    screen: false,
    hand: null,
    joined_at: "2026-11-23T10:00:00Z",
    connected: true,
    ...more,
  };
}

/** @param {number} id @param {Partial<Message>} [more] @returns {Message} */
export function message(id, more = {}) {
  const at = new Date(Date.UTC(2026, 10, 23, 10, 0, id)).toISOString();
  return { id, participant: "bo", name: "BO", body: `message ${id}`, at, file: null, ...more };
}

/** @param {Partial<RoomState>} [more] @returns {RoomState} */
export function roomState(more = {}) {
  return {
    session: { id: "s1", started_at: "2026-11-23T10:00:00Z" },
    meeting: { title: "Physics 101", code: "abc", ends_at: "2026-11-23T11:00:00Z", lobby: true, recording_allowed: true },
    you: { id: "me", resume: "secret", role: "participant", capabilities: ["chat.send"] },
    participants: [participant("me"), participant("bo"), participant("cy")],
    lobby: [],
    chat: { messages: [], has_more: false },
    recording: null,
    server_time: "2026-11-23T10:05:00Z",
    ...more,
  };
}

/** @type {RoomConfig} */
export const CONFIG = {
  code: "abc",
  ws_path: "/ws/room/abc/",
  upload_url: "/m/abc/files/",
  left_url: "/m/abc/left/",
  needs_name: true,
  display_name: "",
  role: "guest",
  is_host: false,
  lobby: true,
  recording_allowed: true,
  language: "en",
  time_zone: "UTC",
  starts_at: "2026-11-23T10:00:00Z",
  ends_at: "2026-11-23T11:00:00Z",
  organizer: "Lin Mei",
  live: null,
};
