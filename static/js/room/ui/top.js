import { health, isRecording } from "../state/selectors.js";
import { block, button, fill, setAttribute, setIcon, setText } from "./dom.js";
import { clock, minutesLeft, timeOfDay } from "./time.js";

/**
 * The line above the pictures: name and time of the meeting, recording, connection, number of people.
 * @import { App } from "../app.js"
 * @import { State } from "../state/initial.js"
 */

export class Top {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    button("room-count").addEventListener("click", () => app.togglePanel("people"));
    button("room-view").addEventListener("click", () => app.toggleView());
    app.store.watch((state) => state, (state) => this.#show(state));
    setInterval(() => this.#tick(app.state), 1000);
  }

  /** @param {State} state */
  #show(state) {
    document.title = this.#pageTitle(state);
    if (state.phase !== "in") return;
    setText(block("room-name"), state.meeting.title);
    const count = Object.keys(state.participants).length;
    setText(block("room-count-number"), String(count));
    setAttribute(button("room-count"), "aria-label", fill(ngettext("%(count)s person, show the list", "%(count)s people, show the list", count), { count }));
    const isSpeaker = state.view === "speaker" || state.pinned !== null;
    setIcon(button("room-view"), isSpeaker ? "layout-grid" : "presentation");
    const viewWords = isSpeaker ? gettext("Show all equally large") : gettext("Show the speaker large");
    setAttribute(button("room-view"), "aria-label", viewWords);
    setAttribute(button("room-view"), "title", viewWords);
    this.#showHealth(state);
    this.#tick(state);
  }

  /** @param {State} state */
  #showHealth(state) {
    const badge = block("room-health");
    const now = health(state);
    badge.dataset.state = now;
    const words = badge.querySelector("span");
    const icons = { connected: "shield-check", offline: "wifi-off", "media-away": "wifi-off", "media-connecting": "loader-circle" };
    setIcon(badge, icons[now]);
    if (words) {
      const texts = {
        connected: gettext("Connected"),
        offline: gettext("Reconnecting…"),
        "media-away": gettext("No audio and video"),
        "media-connecting": gettext("Connecting…"),
      };
      setText(words, texts[now]);
      setText(block("room-health-status"), texts[now]);
      setAttribute(badge, "aria-label", fill(gettext("%(state)s, show the connection"), { state: texts[now] }));
    }
    const note = block("note-connection");
    const text = noteWords(state);
    note.hidden = text === "";
    const noteText = note.querySelector("span");
    if (noteText && text) setText(noteText, text);
  }

  /** @param {State} state */
  #tick(state) {
    if (state.phase !== "in") return;
    const now = Date.now() + state.clockSkew;
    const rec = block("room-rec");
    rec.hidden = !isRecording(state);
    const since = Date.parse(state.recording?.started_at ?? "");
    if (!rec.hidden) setText(block("room-rec-time"), since ? clock(now - since) : "");
    setText(block("room-sub"), this.#timeWords(state, now));
  }

  /** @param {State} state @param {number} now */
  #timeWords(state, now) {
    const { language, time_zone: zone } = this.app.config;
    const ends = state.meeting.ends_at;
    const left = minutesLeft(ends, now);
    const at = timeOfDay(ends, language, zone);
    if (left === 0) return fill(gettext("Planned until %(time)s"), { time: at });
    if (left <= 15) return fill(ngettext("Until %(time)s · %(count)s min left", "Until %(time)s · %(count)s min left", left), { time: at, count: left });
    return fill(gettext("Until %(time)s"), { time: at });
  }

  /** @param {State} state */
  #pageTitle(state) {
    const { title } = state.meeting;
    if (state.phase === "lobby") return fill(gettext("Waiting · %(title)s"), { title });
    if (state.phase !== "in") return `${title} · Plenum`;
    const unread = state.chat.unread + state.lobby.length;
    const marks = [unread ? `(${unread})` : "", isRecording(state) ? "●" : ""].filter(Boolean);
    return [...marks, title, "· Plenum"].join(" ");
  }
}

/** What does not work, what does, and what happens next; empty when all is well. @param {State} state */
export function noteWords(state) {
  switch (health(state)) {
    case "offline":
      return state.connection.attempt > 4
        ? gettext("The connection to the server is interrupted. Your place is kept; still trying…")
        : gettext("The connection to the server is interrupted. Reconnecting…");
    case "media-away":
      if (state.media === "unavailable" && state.mediaReason)
        return `${state.mediaReason} ${gettext("Chat still works; audio and video are tried again by themselves.")}`;
      return state.media === "unavailable"
        ? gettext("The media server does not answer; it may be restarting. Chat still works, audio and video come back by themselves.")
        : gettext("Audio and video are interrupted and come back in a moment. Chat still works.");
    default:
      return "";
  }
}
