import { isRecording, may } from "../state/selectors.js";
import { say, toast } from "./announce.js";
import { fill } from "./dom.js";
import { roleWord } from "./words.js";

/**
 * Says what happens in the room: read out, and with a toast or a sound where one should look up.
 * @import { App } from "../app.js"
 * @import { Sounds } from "./sounds.js"
 * @import { State } from "../state/initial.js"
 * @import { Participant, Message, Recording, Source, Role } from "../types.js"
 */

/** More people than this come and go without a sound. */
const SMALL = 8;
const PREVIEW = 90;

export class News {
  /** Takes the toast away that says who waits. */
  #closeKnock = () => {};

  /** @param {App} app @param {Sounds} sounds */
  constructor(app, sounds) {
    this.app = app;
    this.sounds = sounds;
    app.store.watch((state) => state.panel, (panel) => {
      if (panel === "people") this.#closeKnock(); // the list shows who waits
    });
  }

  /** @param {string} type @param {any} data @param {State} before the state without this event */
  take(type, data, before) {
    if (before.phase !== "in") return;
    /** @type {Record<string, () => void>} */
    const handlers = {
      "participant.joined": () => this.#joined(data.participant, before),
      "participant.updated": () => this.#updated(data.participant, before),
      "participant.left": () => this.#left(data, before),
      "lobby.waiting": () => this.#knock(),
      "lobby.left": () => this.#lobbyShrank(),
      "chat.message": () => this.#message(data.message, before),
      "recording.changed": () => this.#recording(data.recording, before),
      "you.muted": () => this.#muted(data.source, data.by),
      "you.updated": () => this.#role(data.role, before),
    };
    handlers[type]?.();
  }

  /** One has just come in. @param {State} state */
  entered(state) {
    say(fill(gettext("You are in the meeting %(title)s."), { title: state.meeting.title }));
    if (isRecording(state)) this.#recordingStarted(state.recording?.started_by ?? "");
    this.#knock();
  }

  /** @param {Participant} person @param {State} before */
  #joined({ id, name }, before) {
    if (before.lobby.some((waiting) => waiting.id === id)) this.#lobbyShrank();
    if (before.participants[id] || id === before.you?.id) return;
    say(fill(gettext("%(name)s joined"), { name }));
    if (Object.keys(before.participants).length < SMALL) this.sounds.play("join", 0.08);
  }

  /** @param {Participant} person @param {State} before */
  #updated({ id, name, hand, screen, connected }, before) {
    const known = before.participants[id];
    if (!known || id === before.you?.id) return;
    if (hand && !known.hand) {
      say(fill(gettext("%(name)s raised a hand"), { name }));
      if (may(before, "hand.lower")) {
        this.sounds.play("hand", 0.1);
        toast(fill(gettext("%(name)s raised a hand"), { name }), { icon: "hand", seconds: 5, key: `hand-${id}` });
      }
    }
    if (screen && !known.screen) say(fill(gettext("%(name)s shares the screen"), { name }));
    if (!screen && known.screen) say(fill(gettext("%(name)s no longer shares the screen"), { name }));
    if (!connected && known.connected) say(fill(gettext("The connection of %(name)s is interrupted"), { name }));
  }

  /** @param {{id: string, reason: string}} data @param {State} before */
  #left({ id, reason }, before) {
    const name = before.participants[id]?.name;
    if (!name) return;
    const words = { removed: gettext("%(name)s was removed"), lost: gettext("%(name)s lost the connection") };
    say(fill(words[/** @type {"removed"} */ (reason)] ?? gettext("%(name)s left"), { name }));
  }

  /** One toast for all who wait, however many. */
  #knock() {
    const { lobby, panel } = this.app.state;
    if (lobby.length === 0) return;
    this.sounds.play("knock", 0.16);
    if (panel !== "people") this.#showKnock();
  }

  #showKnock() {
    const { app } = this;
    const { lobby } = app.state;
    const [first] = lobby;
    const show = { label: gettext("Show"), run: () => app.store.dispatch({ type: "panel", panel: "people" }) };
    const words = lobby.length === 1
      ? fill(gettext("%(name)s asks to join"), { name: first.name })
      : fill(ngettext("%(count)s person asks to join", "%(count)s people ask to join", lobby.length), { count: lobby.length });
    const letIn = lobby.length === 1
      ? { label: gettext("Let in"), run: () => app.admit(first.id), primary: true }
      : { label: gettext("Let all in"), run: () => app.admitAll(), primary: true };
    this.#closeKnock = toast(words, { icon: "door-open", seconds: 0, key: "knock", actions: [letIn, show] });
  }

  /** Somebody who waited was let in, refused, or went away. */
  #lobbyShrank() {
    const isShown = document.querySelector('.toast[data-key="knock"]') !== null;
    this.#closeKnock();
    if (isShown && this.app.state.lobby.length > 0) this.#showKnock();
  }

  /** @param {Message} message @param {State} before */
  #message({ participant, name, body, file }, before) {
    if (participant === before.you?.id) return;
    const text = body || fill(gettext("shared %(file)s"), { file: file?.name ?? "" });
    say(`${name}: ${text}`);
    if (before.panel === "chat") return;
    const short = text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text;
    this.sounds.play("chat", 0.05);
    toast(`${name}: ${short}`, {
      icon: "message-square",
      seconds: 5,
      key: "chat-news",
      actions: [{ label: gettext("Open the chat"), run: () => this.app.store.dispatch({ type: "panel", panel: "chat" }) }],
    });
  }

  /** @param {Recording | null} recording @param {State} before */
  #recording(recording, before) {
    const [was, is] = [isRecording(before), recording?.state === "recording"];
    if (is && !was) this.#recordingStarted(recording?.started_by ?? "");
    if (was && !is) {
      const words = gettext("The recording has stopped.");
      say(words, { now: true });
      this.sounds.play("stop", 0.2);
      toast(words, { icon: "circle-stop", seconds: 8, key: "recording" });
    }
  }

  /** @param {string} by */
  async #recordingStarted(by) {
    const words = gettext("This meeting is being recorded.");
    say(words, { now: true });
    const shown = by ? `${words} ${fill(gettext("Started by %(name)s."), { name: by })}` : words;
    toast(shown, { icon: "circle-dot", kind: "warning", seconds: 12, key: "recording" });
    await this.sounds.play("record", 0.25);
    this.sounds.speak(words, this.app.config.language);
  }

  /** @param {Source} source @param {string} by */
  #muted(source, by) {
    const format = {
      mic: gettext("%(name)s muted you. Unmute yourself when you want to speak."),
      camera: gettext("%(name)s switched your camera off. You can switch it on again."),
      screen: gettext("%(name)s stopped your screen sharing."),
      screen_audio: gettext("%(name)s switched the sound of your screen off."),
    }[source];
    const words = fill(format, { name: by });
    say(words, { now: true });
    toast(words, { icon: source === "mic" ? "mic-off" : "video-off", kind: "warning", seconds: 10, key: "muted" });
  }

  /** @param {Role} role @param {State} before */
  #role(role, before) {
    if (!before.you || before.you.role === role) return;
    const word = roleWord(role);
    const words = word ? fill(gettext("You are %(role)s now."), { role: word }) : gettext("You are no longer co-host.");
    say(words);
    toast(words, { icon: "user-cog", key: "role" });
  }
}
