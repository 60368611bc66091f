import { Diagnosis, extentOf } from "./media/diagnosis.js";
import { Ladder } from "./media/ladder.js";
import { Views } from "./media/view.js";
import { troubles } from "./state/selectors.js";

/**
 * What follows from what in sound and picture: what arrives is played, what is shown is told to the server, what stays away
 * is named and healed.
 *
 * @import { Parts } from "./wiring.js"
 * @import { Measurement } from "./media/stats.js"
 * @import { State } from "./state/initial.js"
 * @import { Source, Trouble } from "./types.js"
 */

const REPLAY_PAUSE = 10_000;

/** @param {Parts} parts */
export function wireMedia(parts) {
  const { app, playback, tiles } = parts;
  const { local, media, room, store } = app;
  local.on("changed", () => {
    const { micOn: mic, cameraOn: camera, screenOn: screen, micError, cameraError } = local;
    store.dispatch({ type: "own", change: { mic, camera, screen, micError, cameraError } });
  });
  media.on("state", (state) => {
    performance.mark(`media-${state}`);
    store.dispatch({ type: "media", media: state });
  });
  media.on("reason", (words) => store.dispatch({ type: "media-reason", words }));
  media.on("generation", () => store.dispatch({ type: "generation" }));
  media.on("arrivals", (now) => {
    playback.sync(now, store.state.you?.id ?? null);
    tiles.setArrivals(now);
    /** @type {Record<string, Source[]>} */
    const arriving = {};
    for (const { participant, source } of now.values()) (arriving[participant] ??= []).push(source);
    store.dispatch({ type: "arriving", arriving });
  });
  const views = new Views((data) => room.mediaView(data));
  tiles.on("shown", (shown) => views.show(shown));
  media.on("generation", (generation) => views.renew(generation));
  room.on("in", () => views.renew(media.generation));
  watchNetwork(parts);
  heal(parts, views);
}

/** Another network: the old path is dead, whether or not the browser knows yet. @param {Parts} parts */
function watchNetwork({ app: { media } }) {
  addEventListener("online", () => media.restartIce("the network is back"));
  const network = /** @type {(EventTarget & {type?: string}) | undefined} */ (/** @type {any} */ (navigator).connection);
  let type = network?.type;
  network?.addEventListener("change", () => {
    // It also tells of every new guess at the speed.
    if (network.type !== type && network.type !== "none") media.restartIce("another network");
    type = network.type;
  });
}

/** @param {Parts} parts @param {Views} views */
function heal({ app, reporter, playback, tiles }, views) {
  const { media, store } = app;
  const diagnosis = new Diagnosis();
  const ladder = new Ladder();
  const replay = replayer({ playback, tiles });
  media.on("state", (state) => {
    if (state !== "connected") diagnosis.forget();
  });
  reporter.on("measured", (measured) => {
    const { state } = store;
    if (state.phase !== "in" || media.state !== "connected") return;
    const expected = camerasExpected(state, views);
    const noticed = diagnosis.look(factsOf(app, measured, expected));
    store.dispatch({ type: "noticed", troubles: noticed });
    const found = troubles(store.state);
    replay(found);
    const step = ladder.climb(extentOf(found, { own: state.you?.id ?? "", expected }), performance.now());
    if (step === "restart") media.restartIce("no picture arrives");
    else if (step === "reconnect") media.reset("no picture arrives");
  });
}

/**
 * What has come and is not played is begun anew, which is given time before it is tried again.
 * @param {Pick<Parts, "playback" | "tiles">} parts
 * @returns {(found: Trouble[]) => void}
 */
function replayer({ playback, tiles }) {
  /** @type {Map<string, number>} */
  const tried = new Map();
  return (found) => {
    playback.check();
    const now = performance.now();
    for (const { participant, source, hop } of found) {
      const key = `${participant} ${source}`;
      if (hop !== "player" || now - (tried.get(key) ?? -Infinity) < REPLAY_PAUSE) continue;
      tried.set(key, now);
      if (source === "camera" || source === "screen") tiles.tileOf(participant, source)?.replay();
      else playback.replay(participant, source);
    }
  };
}

/** @param {Parts["app"]} app @param {Measurement} measured @param {string[]} expected */
function factsOf({ state, local, media }, { at, publish, subscribe, heardAt }, expected) {
  const hasWatchers = (media.pair?.publisher.activeLayers("camera").length ?? 0) > 0;
  return {
    at,
    publish,
    subscribe,
    heardAt,
    expected,
    own: state.you?.id ?? "",
    sending: { mic: local.micOn, camera: local.cameraOn && hasWatchers },
    isMute: { mic: local.tracks.mic?.muted ?? false, camera: local.tracks.camera?.muted ?? false },
  };
}

/** Whose camera picture should be here: on, shown as the server knows it, and not paused. @param {State} state @param {Views} views */
function camerasExpected({ participants, you, paused }, views) {
  const shown = new Set(views.current.filter(({ source }) => source === "camera").map(({ participant }) => participant));
  return Object.values(participants)
    .filter(({ id, camera, connected }) => camera && connected && id !== you?.id && shown.has(id) && !paused[`${id} camera`])
    .map(({ id }) => id);
}
