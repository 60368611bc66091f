/**
 * Of both connections. Everything shares one path, and its addresses on this side are looked for as soon as the
 * connection is made, on the page before the room, so that nobody waits for them later.
 * @type {RTCConfiguration}
 */
export const PEER_CONFIGURATION = { bundlePolicy: "max-bundle", iceCandidatePoolSize: 1 };
