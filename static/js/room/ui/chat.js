import { createIcon } from "../../portal/icon.js";
import { isProtocolError } from "../protocol/codes.js";
import { may } from "../state/selectors.js";
import { toast } from "./announce.js";
import { block, button, byId, fill, h, setText } from "./dom.js";
import { continues, renderMessage } from "./message.js";
import { UploadFailure, uploadFile } from "./upload.js";
import { refusalWords } from "./words.js";

/**
 * The chat: messages, older pages, writing, files.
 * @import { App } from "../app.js"
 * @import { State } from "../state/initial.js"
 * @import { Message } from "../types.js"
 */

const LIMIT = 4000;
const AT_END = 60;

export class Chat {
  /** @type {Message[]} what is on the page */
  #shown = [];
  #isLoading = false;
  /** Whether the newest line was in sight when somebody last scrolled. */
  #follows = true;

  /** @param {App} app @param {string} csrf */
  constructor(app, csrf) {
    this.app = app;
    this.csrf = csrf;
    this.list = byId("chat-list", HTMLOListElement);
    this.scroll = block("chat-scroll");
    this.input = byId("chat-input", HTMLTextAreaElement);
    this.input.addEventListener("keydown", (event) => this.#onKey(event));
    this.input.addEventListener("input", () => this.#showInput());
    byId("chat-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    button("chat-more").addEventListener("click", () => this.#older());
    button("chat-new").addEventListener("click", () => this.#toEnd());
    this.scroll.addEventListener("scroll", () => this.#onScroll());
    // A keyboard that opens and a phone that is turned take room away: the newest line stays in sight.
    new ResizeObserver(() => {
      if (this.#follows) this.#toEnd();
    }).observe(this.scroll);
    this.#initFiles();
    app.store.watch((state) => state.chat, (_, state) => this.#show(state));
    app.store.watch((state) => state.you, (_, state) => this.#showRights(state));
    app.store.watch((state) => state.panel, (panel) => {
      if (panel === "chat") this.#toEnd();
    });
  }

  get #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroll;
    return scrollHeight - scrollTop - clientHeight < AT_END;
  }

  /** @param {State} state */
  #show({ chat, you }) {
    block("chat-empty").hidden = chat.messages.length > 0;
    button("chat-more").hidden = !chat.hasMore;
    if (chat.messages === this.#shown) return;
    const wasAtEnd = this.#isAtEnd;
    const [before, tail] = [this.scroll.scrollHeight, chat.messages.at(-1)];
    const grewAtTop = chat.messages.length > this.#shown.length && tail?.id === this.#shown.at(-1)?.id && this.#shown.length > 0;
    this.#draw(chat.messages, you?.id ?? "");
    if (grewAtTop) this.scroll.scrollTop += this.scroll.scrollHeight - before;
    else if (wasAtEnd || tail?.participant === you?.id) this.#toEnd();
    else button("chat-new").hidden = false;
  }

  /** Adds what is new and leaves alone what is there, so that selections and screen readers keep their place. @param {Message[]} messages @param {string} own */
  #draw(messages, own) {
    const { language, time_zone: zone } = this.app.config;
    const lines = new Map([...this.list.children].map((line) => [/** @type {HTMLElement} */ (line).dataset.message, line]));
    let at = this.list.firstElementChild;
    messages.forEach((message, index) => {
      const known = lines.get(String(message.id));
      const isContinued = continues(message, messages[index - 1]);
      if (known) {
        known.classList.toggle("chat-continued", isContinued);
        at = known.nextElementSibling;
      } else {
        this.list.insertBefore(renderMessage(message, { isYou: message.participant === own, isContinued, language, zone }), at);
      }
    });
    const ids = new Set(messages.map(({ id }) => String(id)));
    for (const [id, line] of lines) if (!ids.has(id ?? "")) line.remove();
    this.#shown = messages;
  }

  /** @param {State} state */
  #showRights(state) {
    const maySend = may(state, "chat.send");
    this.input.disabled = state.you !== null && !maySend;
    this.input.placeholder = this.input.disabled ? gettext("You may read here, not write.") : gettext("Message everyone");
    button("chat-attach").hidden = !may(state, "file.share");
  }

  #toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.#follows = true;
    button("chat-new").hidden = true;
  }

  #onScroll() {
    this.#follows = this.#isAtEnd;
    if (this.#isAtEnd) button("chat-new").hidden = true;
    if (this.scroll.scrollTop < 40 && this.scroll.scrollHeight > this.scroll.clientHeight + 40) this.#older();
  }

  async #older() {
    const [oldest] = this.app.state.chat.messages;
    if (!oldest || !this.app.state.chat.hasMore || this.#isLoading) return;
    this.#isLoading = true;
    try {
      const { messages, has_more: hasMore } = await this.app.room.chatHistory(oldest.id);
      this.app.store.dispatch({ type: "history", messages, hasMore });
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      toast(refusalWords(error), { kind: "warning", key: "chat" });
    } finally {
      this.#isLoading = false;
    }
  }

  /** @param {KeyboardEvent} event Enter sends, Shift+Enter makes a new line; not while a Chinese word is being composed */
  #onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #showInput() {
    const { length } = this.input.value;
    button("chat-send").hidden = this.input.value.trim() === "";
    const left = LIMIT - length;
    setText(block("chat-count"), left <= 200 ? fill(ngettext("%(count)s character left", "%(count)s characters left", left), { count: left }) : "");
    this.input.style.setProperty("height", "auto");
    this.input.style.setProperty("height", `${Math.min(this.input.scrollHeight, 140)}px`);
  }

  async #send() {
    const body = this.input.value.trim();
    if (!body) return;
    this.input.value = "";
    this.#showInput();
    try {
      const { message } = await this.app.room.sendChat(body);
      this.app.store.dispatch({ type: "event", name: "chat.message", data: { message } });
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      // What was written is not lost, unless the person already writes something else.
      if (!this.input.value) this.input.value = body;
      this.#showInput();
      toast(fill(gettext("Your message was not sent. %(why)s"), { why: refusalWords(error) }), { kind: "warning", icon: "circle-alert", key: "chat" });
    }
  }

  #initFiles() {
    const field = byId("chat-file", HTMLInputElement);
    const chat = block("chat");
    button("chat-attach").addEventListener("click", () => field.click());
    field.addEventListener("change", () => {
      for (const file of field.files ?? []) this.#upload(file);
      field.value = "";
    });
    const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") && may(this.app.state, "file.share");
    for (const type of /** @type {const} */ (["dragenter", "dragover"])) {
      chat.addEventListener(type, (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        block("chat-drop").hidden = false;
      });
    }
    chat.addEventListener("dragleave", (event) => {
      if (!chat.contains(/** @type {Node | null} */ (event.relatedTarget))) block("chat-drop").hidden = true;
    });
    chat.addEventListener("drop", (event) => {
      block("chat-drop").hidden = true;
      if (!hasFiles(event)) return;
      event.preventDefault();
      for (const file of event.dataTransfer?.files ?? []) this.#upload(file);
    });
  }

  /** @param {File} file */
  async #upload(file) {
    const bar = h("progress", { class: "upload-bar", max: "100", value: "0", "aria-label": file.name });
    const share = h("span", { class: "upload-share" }, "0 %");
    const cancel = h("button", { class: "upload-cancel", type: "button", "aria-label": fill(gettext("Stop sending %(name)s"), { name: file.name }) }, createIcon("x", "s"));
    const line = h("li", { class: "upload" }, h("span", { class: "upload-name" }, file.name), share, cancel, bar);
    block("uploads").append(line);
    try {
      await uploadFile(file, {
        url: this.app.config.upload_url,
        csrf: this.csrf,
        onProgress: (done) => {
          bar.value = done * 100;
          setText(share, `${Math.floor(done * 100)} %`);
        },
        onStart: (abort) => cancel.addEventListener("click", abort),
      });
    } catch (error) {
      if (!(error instanceof UploadFailure)) throw error;
      if (error.words) toast(fill(gettext("%(name)s was not shared. %(why)s"), { name: file.name, why: error.words }), { kind: "warning", icon: "circle-alert", seconds: 12 });
    } finally {
      line.remove();
    }
  }
}
