import { say, toast } from "./ui/announce.js";
import { block } from "./ui/dom.js";
import { isOver } from "./ui/end.js";
import { deviceWords, refusalWords } from "./ui/words.js";
import { wireMedia } from "./wiring-media.js";

/**
 * What follows from what: events of the server, the connection and the devices, each to those who must know.
 *
 * @import { App } from "./app.js"
 * @import { Reporter } from "./media/report.js"
 * @import { Playback } from "./media/playback.js"
 * @import { Tiles } from "./ui/tiles.js"
 * @import { News } from "./ui/news.js"
 * @import { Prejoin } from "./ui/prejoin.js"
 * @import { Wake } from "./ui/wake.js"
 * @import { Phase } from "./state/initial.js"
 * @import { Ending } from "./protocol/codes.js"
 * @import { Source } from "./types.js"
 * @typedef {{app: App, reporter: Reporter, playback: Playback, tiles: Tiles, news: News, prejoin: Prejoin, wake: Wake}} Parts
 */

/** @type {Record<Ending, Phase>} */
const PHASES = { left: "left", protocol: "failed", refused: "refused", not_found: "failed", moved: "moved", ended: "ended" };

/** How long the page may wait with drawing the room for the first answer of the media, in milliseconds. */
const DRAW_LIMIT = 150;

/** @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

/** @param {Parts} parts */
export function wire(parts) {
  wireRoom(parts);
  wireMedia(parts);
  parts.app.local.on("lost", ({ source, replaced }) => onDeviceLost(parts.app, source, replaced));
  wirePage(parts);
  start(parts);
}

/** @param {Parts} parts */
function wireRoom({ app, news, wake, prejoin }) {
  const { room, store, media } = app;
  room.on("event", ({ type, data }) => {
    const isStale = type === "media.paused" && data.generation !== media.generation;
    if (isStale) return;
    const before = store.state;
    store.dispatch({ type: "event", name: type, data });
    news.take(type, data, before);
    media.takeEvent(type, data);
    if (type === "welcome") room.connection.retryNow(); // the first measured ping, for the page before joining
    if (type === "you.muted") app.obeyMute(data.source);
    if (type === "lobby.refused" || type === "you.removed" || type === "session.ended") room.giveUp();
  });
  room.on("in", ({ state, media: ready }) => {
    const isReturn = store.state.phase === "in";
    performance.mark("joined");
    const answered = Promise.resolve().then(() => media.start(ready));
    // The server's offer is answered before the page is drawn anew, which takes longer than answering.
    if (ready) store.hold(Promise.race([answered, pause(DRAW_LIMIT)]));
    store.dispatch({ type: "in", state, now: Date.now() });
    app.resync();
    wake.want(true);
    if (!isReturn) news.entered(store.state);
  });
  room.on("lobby", ({ participant }) => {
    store.dispatch({ type: "name", name: participant.name });
    store.dispatch({ type: "phase", phase: "lobby" });
  });
  room.on("status", (status) => {
    const was = store.state.connection.state;
    store.dispatch({ type: "connection", status });
    if (status.state !== "open" && was === "open") media.pause();
    if (store.state.phase === "in" && status.state === "waiting" && was === "open") say(gettext("The connection is interrupted."), { now: true });
  });
  room.on("rtt", (ms) => store.dispatch({ type: "rtt", ms }));
  room.on("closed", ({ ending }) => {
    room.giveUp();
    if (!isOver(store.state.phase)) {
      const known = store.state.ending;
      store.dispatch({ type: "phase", phase: PHASES[ending], ending: { reason: ending, by: known?.by ?? "", url: known?.url ?? "" } });
    }
  });
  room.on("rejoinFailed", (error) => {
    room.giveUp();
    media.stop();
    wake.want(false);
    store.dispatch({ type: "phase", phase: "prejoin" });
    prejoin.showProblem(refusalWords(error));
  });
}

/** @param {App} app @param {Source} source @param {boolean} replaced */
function onDeviceLost(app, source, replaced) {
  if (source === "screen") {
    app.stopSharing();
    return;
  }
  if (source === "mic" && replaced) {
    const label = app.local.tracks.mic?.label ?? "";
    toast(interpolate(gettext("The microphone went away; %(name)s is used now."), { name: label }, true), { icon: "mic", kind: "warning", seconds: 10 });
    return;
  }
  const kind = source === "mic" ? "mic" : "camera";
  const words = deviceWords(kind, "unplugged");
  say(words, { now: true });
  if (app.state.phase === "in") toast(words, { icon: kind === "mic" ? "mic-off" : "video-off", kind: "warning", seconds: 12 });
  app.tellFlags();
}

/** @param {Parts} parts */
function wirePage({ app, wake }) {
  const { store, room, media, local } = app;
  store.watch((state) => state.phase, (phase) => {
    document.documentElement.dataset.roomState = phase;
    document.body.classList.toggle("in-room", phase === "in");
    block("room").hidden = phase !== "in";
    if (!isOver(phase)) return;
    media.stop();
    local.stop();
    wake.want(false);
  });
  store.watch((state) => state.media, (state) => {
    document.documentElement.dataset.mediaState = state;
  });
  store.watch((state) => state.connection.state, (state) => {
    document.documentElement.dataset.connection = state;
  });
  addEventListener("online", () => room.connection.retryNow());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") room.connection.retryNow();
  });
  // No "leave" here: a reload comes back by its resume key, and a closed tab is noticed by the server.
  addEventListener("pagehide", () => media.stop());
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  Object.defineProperty(window, "plenumRoom", {
    value: Object.freeze({
      get state() { return store.state; },
      get generation() { return media.generation; },
      stats: () => media.stats(),
    }),
  });
}

/** @param {Parts} parts */
async function start({ app, prejoin }) {
  const { room, local, media } = app;
  media.prepare();
  const opened = local.start();
  const kept = room.resume.value;
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  const isReload = navigation?.type === "reload" || navigation?.type === "back_forward";
  if (kept && isReload) {
    const off = room.on("event", ({ type }) => {
      if (type !== "welcome") return;
      off();
      opened.then(() => prejoin.comeBack(kept.name));
    });
  }
  room.connection.open();
  await opened;
  await local.idle();
  // Who joined before answering the browser's question is heard and seen from now on.
  await app.tellFlags();
}
