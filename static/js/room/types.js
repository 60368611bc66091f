/**
 * The shapes of docs/protocol.md section 1, for the type checker. This file holds no code.
 *
 * @typedef {"mic" | "camera" | "screen" | "screen_audio"} Source
 * @typedef {"host" | "cohost" | "participant" | "guest" | "stream"} Role
 *
 * @typedef {object} Participant
 * @property {string} id
 * @property {string} name
 * @property {"person" | "stream"} kind a stream is a program that sends: it reads nothing and has no rights to be given
 * @property {Role} role
 * @property {boolean} guest
 * @property {boolean} mic
 * @property {boolean} camera
 * @property {boolean} screen
 * @property {string | null} hand when the hand was raised (ISO 8601), null when it is down
 * @property {string | null} joined_at
 * @property {boolean} connected
 *
 * @typedef {object} SharedFile
 * @property {number | string} id
 * @property {string} name
 * @property {number} size bytes
 * @property {string} url
 * @property {string} content_type
 *
 * @typedef {object} Message
 * @property {number | string} id
 * @property {string} participant
 * @property {string} name
 * @property {string} body
 * @property {string} at
 * @property {SharedFile | null} file
 *
 * @typedef {object} Recording
 * @property {number | string} id
 * @property {string} state
 * @property {string | null} started_at
 * @property {string | null} started_by
 *
 * @typedef {object} Live
 * @property {number} count people in the room now
 * @property {string | null} started_at
 * @property {boolean} recording whether it is being recorded now
 *
 * @typedef {object} MeetingFacts
 * @property {string} title
 * @property {string} code
 * @property {string} ends_at
 * @property {boolean} lobby
 * @property {boolean} recording_allowed
 *
 * @typedef {object} You
 * @property {string} id
 * @property {string} [resume]
 * @property {Role} role
 * @property {string[]} capabilities
 *
 * @typedef {object} RoomState
 * @property {{id: number | string, started_at: string}} session
 * @property {MeetingFacts} meeting
 * @property {You} you
 * @property {Participant[]} participants
 * @property {Participant[]} lobby
 * @property {{messages: Message[], has_more: boolean}} chat
 * @property {Recording | null} recording
 * @property {string} server_time
 *
 * @typedef {object} Welcome
 * @property {number} protocol
 * @property {Partial<MeetingFacts>} meeting
 * @property {Live} live
 * @property {{name: string, known: boolean, role: string, lobby: boolean}} you
 * @property {string} server_time
 *
 * @typedef {object} IceServer
 * @property {string | string[]} urls
 * @property {string} [username]
 * @property {string} [credential]
 *
 * @typedef {object} SubscribeOffer
 * @property {number} [generation]
 * @property {number} version
 * @property {string} sdp
 *
 * @typedef {object} MediaConnected
 * @property {number} generation
 * @property {IceServer[]} ice_servers
 * @property {SubscribeOffer | null} subscribe
 *
 * One picture the page shows.
 * @typedef {object} Shown
 * @property {string} participant
 * @property {"camera" | "screen"} source
 * @property {number} width device pixels
 * @property {number} height
 * @property {0 | 1 | 2} priority 0 one of many, 1 speaker, 2 pinned
 *
 * @typedef {"device" | "uplink" | "server" | "downlink" | "player"} Hop where media stopped
 *
 * @typedef {object} Trouble
 * @property {string} participant whose media it is
 * @property {Source} source
 * @property {Hop} hop
 *
 * @typedef {"none" | "cpu" | "bandwidth" | "other"} Limit why less is sent than could be
 *
 * What one layer of one source has sent since the connection began.
 * @typedef {object} OutStat
 * @property {Source} source
 * @property {string | null} rid
 * @property {number} packets
 * @property {number} bytes
 * @property {number} frames
 * @property {number} width
 * @property {number} height
 * @property {Limit} limited
 * @property {number | null} round_trip_ms
 *
 * What has arrived of one source since the connection began.
 * @typedef {object} InStat
 * @property {string} participant
 * @property {Source} source
 * @property {number} packets
 * @property {number} lost
 * @property {number} bytes
 * @property {number} frames
 * @property {number} freezes
 * @property {number} freeze_ms
 * @property {number} width
 * @property {number} height
 * @property {number} samples
 * @property {number} concealed
 * @property {number} jitter_ms
 *
 * What the page is told by the server in `<script id="room-config">`.
 * @typedef {object} RoomConfig
 * @property {string} code
 * @property {string} ws_path
 * @property {string} upload_url
 * @property {string} left_url
 * @property {boolean} needs_name
 * @property {string} display_name
 * @property {string} role
 * @property {boolean} is_host
 * @property {boolean} lobby
 * @property {boolean} recording_allowed
 * @property {string} language
 * @property {string} time_zone
 * @property {string} starts_at
 * @property {string} ends_at
 * @property {string} organizer
 * @property {Live | null} live
 */
export {};
