import { block, button, fill, setText } from "./dom.js";

/**
 * Waiting to be let in; camera and microphone can be tried meanwhile.
 * @import { App } from "../app.js"
 * @import { State } from "../state/initial.js"
 */

export class Lobby {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    button("lobby-cancel").addEventListener("click", () => this.#cancel());
    app.store.watch((state) => state, (state) => this.#show(state));
  }

  /** @param {State} state */
  #show(state) {
    const section = block("lobby");
    const isLobby = state.phase === "lobby";
    if (section.hidden === isLobby) {
      section.hidden = !isLobby;
      if (isLobby) block("lobby-title").focus();
    }
    if (!isLobby) return;
    setText(block("lobby-text"), this.#words(state));
    const isOpen = state.connection.state === "open";
    setText(block("lobby-connection"), isOpen ? "" : gettext("The connection is interrupted. Your place is kept; trying again…"));
  }

  /** @param {State} state */
  #words({ live, ownName }) {
    if (live.count === 0) {
      return fill(gettext("The meeting has not begun. When a host is there they see that %(name)s is waiting."), { name: ownName });
    }
    const words = ngettext(
      "%(count)s person is in the meeting. The host sees that %(name)s is waiting.",
      "%(count)s people are in the meeting. The host sees that %(name)s is waiting.",
      live.count,
    );
    return fill(words, { count: live.count, name: ownName });
  }

  async #cancel() {
    await this.app.leave();
  }
}
