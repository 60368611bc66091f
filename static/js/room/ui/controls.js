import { copyText } from "../../portal/copy.js";
import { isRecording, may, me } from "../state/selectors.js";
import { toast } from "./announce.js";
import { openDialog } from "./dialogs.js";
import { block, button, fill, setAttribute, setIcon, setText } from "./dom.js";
import { initMenu, initRoving, openMenu } from "./menus.js";

/**
 * The bar of buttons and its menus.
 * @import { App } from "../app.js"
 * @import { State } from "../state/initial.js"
 */

export class Controls {
  /**
   * @param {App} app
   * @param {{onSettings: () => void, onConnection: (opener: HTMLElement) => void, onReact: (opener: HTMLElement) => void}} options
   */
  constructor(app, { onSettings, onConnection, onReact }) {
    this.app = app;
    /** @type {Record<string, () => unknown>} */
    this.actions = {
      mic: () => app.toggleMic(),
      camera: () => app.toggleCamera(),
      share: () => app.toggleShare(),
      hand: () => app.toggleHand(),
      chat: () => app.togglePanel("chat"),
      people: () => app.togglePanel("people"),
      record: () => app.toggleRecording(),
      view: () => app.toggleView(),
      settings: onSettings,
      connection: () => onConnection(shown("ctl-more")),
      react: () => onReact(shown("ctl-react")),
      fullscreen: () => toggleFullscreen(),
      copy: () => this.copyLink(),
      shortcuts: () => openDialog("shortcuts-dialog"),
      leave: () => app.leave(),
      end: () => app.endForAll(),
      more: () => openMenu(block("more-menu"), button("ctl-more")),
    };
    for (const name of ["mic", "camera", "share", "hand", "react", "chat", "people", "record", "more"]) {
      button(`ctl-${name}`).addEventListener("click", () => this.run(name));
    }
    button("ctl-leave").addEventListener("click", () => this.#onLeave());
    button("stop-sharing").addEventListener("click", () => app.stopSharing());
    for (const id of ["alone-copy", "people-copy"]) button(id).addEventListener("click", () => this.copyLink());
    initMenu(block("more-menu"), (name) => this.run(name));
    initMenu(block("leave-menu"), (name) => this.run(name));
    initRoving(block("bar"), ".ctl");
    item("fullscreen").hidden = !document.fullscreenEnabled;
    app.store.watch((state) => state, (state) => this.#show(state));
  }

  /** @param {string} name of an action above */
  run(name) {
    if (this.app.state.phase === "in") this.actions[name]?.();
  }

  #onLeave() {
    if (may(this.app.state, "session.end")) openMenu(block("leave-menu"), button("ctl-leave"));
    else this.app.leave();
  }

  async copyLink() {
    const { code } = this.app.state.meeting;
    if (await copyText(new URL(`/m/${code}/`, location.href).href)) toast(gettext("The join link is copied."), { icon: "link", seconds: 3, key: "copy" });
    else toast(fill(gettext("Copying was refused by the browser. The meeting's code is %(code)s."), { code }), { kind: "warning", seconds: 12 });
  }

  /** @param {State} state */
  #show(state) {
    if (state.phase !== "in") return;
    const { own } = state;
    this.#showSwitch("mic", own.mic, gettext("Mute"), gettext("Unmute"), "mic", "mic-off");
    this.#showSwitch("camera", own.camera, gettext("Stop video"), gettext("Start video"), "video", "video-off");
    this.#showShare(state);
    const raised = Boolean(me(state)?.hand);
    setAttribute(button("ctl-hand"), "aria-pressed", String(raised));
    this.#showRecord(state);
    this.#showPanelButton("chat", state.panel === "chat", state.chat.unread);
    this.#showPanelButton("people", state.panel === "people", state.lobby.length);
    showBadge(button("ctl-more"), state.chat.unread + state.lobby.length);
    const isSpeaker = state.view === "speaker" || state.pinned !== null;
    setText(wordsOf(item("view")), isSpeaker ? gettext("Show all equally large") : gettext("Show the speaker large"));
    setAttribute(button("ctl-leave"), "aria-haspopup", may(state, "session.end") ? "menu" : null);
  }

  /** @param {string} name @param {boolean} on @param {string} whenOn @param {string} whenOff @param {string} icon @param {string} iconOff */
  #showSwitch(name, on, whenOn, whenOff, icon, iconOff) {
    const control = button(`ctl-${name}`);
    control.dataset.on = String(on);
    setText(wordsOf(control), on ? whenOn : whenOff);
    setIcon(control, on ? icon : iconOff);
  }

  /** @param {State} state */
  #showShare(state) {
    const { screen } = state.own;
    const words = screen ? gettext("Stop sharing") : gettext("Share");
    const control = button("ctl-share");
    control.dataset.on = String(screen);
    setText(wordsOf(control), words);
    setIcon(control, screen ? "screen-share-off" : "monitor-up");
    setText(wordsOf(item("share")), screen ? gettext("Stop sharing") : gettext("Share screen"));
    control.hidden = item("share").hidden = !may(state, "media.screen") || !navigator.mediaDevices?.getDisplayMedia;
    block("note-sharing").hidden = !screen;
    button("ctl-react").hidden = item("react").hidden = !may(state, "reaction.send");
  }

  /** @param {State} state */
  #showRecord(state) {
    const on = isRecording(state);
    const allowed = may(state, "recording.control") && (state.meeting.recording_allowed || on);
    const words = on ? gettext("Stop recording") : gettext("Record");
    for (const element of [button("ctl-record"), item("record")]) {
      element.hidden = !allowed;
      element.dataset.on = String(on);
      setText(wordsOf(element), words);
      setIcon(element, on ? "circle-stop" : "circle-dot");
    }
  }

  /** @param {"chat" | "people"} name @param {boolean} isOpen @param {number} count */
  #showPanelButton(name, isOpen, count) {
    const control = button(`ctl-${name}`);
    setAttribute(control, "aria-pressed", String(isOpen));
    showBadge(control, count);
    showBadge(item(name), count);
  }
}

/** Where a menu opens: at its button, or where that is not shown, at the one it stands behind. @param {string} id */
function shown(id) {
  return button(id).offsetParent === null ? button("ctl-more") : button(id);
}

/** @param {string} action @returns {HTMLElement} */
function item(action) {
  const found = block("more-menu").querySelector(`[data-action="${action}"]`);
  if (!(found instanceof HTMLElement)) throw new Error(`the menu has no ${action}`);
  return found;
}

/** @param {Element} control */
function wordsOf(control) {
  return /** @type {Element} */ (control.querySelector("span"));
}

/** @param {Element} control @param {number} count */
function showBadge(control, count) {
  const badge = /** @type {HTMLElement | null} */ (control.querySelector(".ctl-badge"));
  if (!badge) return;
  badge.hidden = count === 0;
  setText(badge, count > 99 ? "99+" : String(count));
  setAttribute(badge, "aria-label", fill(gettext("%(count)s new"), { count }));
}

async function toggleFullscreen() {
  if (document.fullscreenElement) await document.exitFullscreen();
  else await document.documentElement.requestFullscreen();
}
