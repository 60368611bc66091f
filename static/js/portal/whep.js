/**
 * Plays a meeting by WHEP on a page of its own, for screens without anybody before them: it begins by itself, waits
 * while there is nothing, and comes back after every failure that may pass.
 */

const VOICES = 6;
const PICTURES = 2;
const RETRY_SECONDS = 5;
const DISCONNECTED_MS = 6000;
const SILENT_MS = 6000;
const FINAL = new Set([401, 403, 404, 410, 422]);

/** @type {{url: string, token: string}} */
const config = JSON.parse(document.getElementById("play-config")?.textContent ?? "{}");
const page = /** @type {HTMLElement} */ (document.getElementById("main"));
const pictures = ["play-main", "play-beside"].map((id) => /** @type {HTMLVideoElement} */ (document.getElementById(id)));
const status = /** @type {HTMLElement} */ (document.getElementById("play-status"));
const soundButton = /** @type {HTMLButtonElement} */ (document.getElementById("play-sound"));
const fullButton = /** @type {HTMLButtonElement} */ (document.getElementById("play-full"));
/** @type {HTMLAudioElement[]} */
let voices = [];
/** @type {{pc: RTCPeerConnection, location: string} | null} */
let session = null;

/** @param {string} state for style and tests @param {string} [words] */
function show(state, words = "") {
  page.dataset.state = state;
  status.textContent = words;
}

/** @param {number} seconds */
const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });

/** Autoplay with sound is refused until somebody touches the page; then a button asks for it. */
async function playSound() {
  const results = await Promise.allSettled(voices.map((voice) => voice.play()));
  soundButton.hidden = !results.some((result) => result.status === "rejected" && result.reason?.name === "NotAllowedError");
}

/** @param {RTCTrackEvent} event @param {number} place of the track among those of its kind */
function take({ track }, place) {
  const stream = new MediaStream([track]);
  if (track.kind === "audio") {
    const voice = new Audio();
    voice.srcObject = stream;
    voices.push(voice);
    void playSound();
    return;
  }
  if (pictures[place]) pictures[place].srcObject = stream;
}

/**
 * Looks once a second whether pictures come: a track says nothing when its source stops.
 * @param {RTCPeerConnection} pc
 */
function watchPictures(pc) {
  const seen = pictures.map(() => ({ packets: 0, at: -Infinity }));
  return setInterval(async () => {
    const stats = await pc.getStats();
    const now = performance.now();
    const mids = pc.getTransceivers().filter(({ receiver }) => receiver.track.kind === "video").map(({ mid }) => mid);
    stats.forEach((stat) => {
      const known = stat.type === "inbound-rtp" && stat.kind === "video" ? seen[mids.indexOf(stat.mid)] : undefined;
      if (known && stat.packetsReceived > known.packets) Object.assign(known, { packets: stat.packetsReceived, at: now });
    });
    const [main, beside] = seen.map(({ at }) => now - at < SILENT_MS);
    pictures[1].hidden = !beside;
    if (main) show("playing");
    else show("waiting", gettext("Waiting for a picture…"));
  }, 1000);
}

/** Resolves when the connection has ended. @param {RTCPeerConnection} pc */
function ended(pc) {
  return new Promise((resolve) => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    pc.onconnectionstatechange = () => {
      clearTimeout(timer);
      if (pc.connectionState === "failed" || pc.connectionState === "closed") resolve(undefined);
      if (pc.connectionState === "disconnected") timer = setTimeout(resolve, DISCONNECTED_MS);
    };
  });
}

/**
 * The TURN servers this portal gives to who plays, as Link headers (RFC 9725 section 4.6).
 * @returns {Promise<RTCIceServer[]>}
 */
async function iceServers() {
  const response = await fetch(config.url, { method: "OPTIONS", headers: { Authorization: `Bearer ${config.token}` } });
  const links = (response.headers.get("Link") ?? "").matchAll(/<([^>]+)>; rel="ice-server"(?:; username="([^"]*)"; credential="([^"]*)")?/g);
  return [...links].map(([, urls, username, credential]) => ({ urls, username, credential }));
}

/** One session from offer to end. @returns {Promise<number>} seconds to wait before the next, or -1: never again */
async function playOnce() {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: await iceServers() });
  const over = ended(pc);
  try {
    const counts = { audio: 0, video: 0 };
    pc.ontrack = (event) => take(event, counts[/** @type {"audio" | "video"} */ (event.track.kind)]++);
    for (let i = 0; i < VOICES; i++) pc.addTransceiver("audio", { direction: "recvonly" });
    for (let i = 0; i < PICTURES; i++) pc.addTransceiver("video", { direction: "recvonly" });
    await pc.setLocalDescription(await pc.createOffer());
    const headers = { "Content-Type": "application/sdp", Authorization: `Bearer ${config.token}` };
    const response = await fetch(config.url, { method: "POST", headers, body: pc.localDescription?.sdp });
    if (response.status !== 201) {
      const told = await response.json().catch(() => ({ detail: "" }));
      const isFinal = FINAL.has(response.status);
      show(isFinal ? "refused" : "waiting", told.detail || gettext("The meeting cannot be played just now."));
      return isFinal ? -1 : Number(response.headers.get("Retry-After")) || RETRY_SECONDS;
    }
    session = { pc, location: response.headers.get("Location") ?? "" };
    await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    const watch = watchPictures(pc);
    await over;
    clearInterval(watch);
    show("connecting", gettext("Connecting again…"));
    return 1;
  } finally {
    leave();
    pc.onconnectionstatechange = null;
    pc.close();
    voices.forEach((voice) => { voice.srcObject = null; });
    voices = [];
  }
}

/** Tell the server at once that nobody plays any more. */
function leave() {
  const location = session?.location;
  session = null;
  if (location) {
    const headers = { Authorization: `Bearer ${config.token}` };
    fetch(location, { method: "DELETE", headers, keepalive: true }).catch((error) => console.info("goodbye was not heard", error));
  }
}

async function play() {
  show("connecting", gettext("Connecting…"));
  for (;;) {
    let wait = RETRY_SECONDS;
    try {
      wait = await playOnce();
    } catch (error) {
      console.warn("playing failed, trying again", error);
      show("waiting", gettext("The portal cannot be reached. Trying again…"));
    }
    if (wait < 0) return;
    await pause(wait);
  }
}

soundButton.addEventListener("click", () => void playSound());
fullButton.addEventListener("click", () => {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void document.documentElement.requestFullscreen();
});
window.addEventListener("pagehide", leave);
void play();

export {};
