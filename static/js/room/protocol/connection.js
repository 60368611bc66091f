import { Emitter } from "../emitter.js";
import { ProtocolError, endingOf } from "./codes.js";
import { RECONNECT } from "./policy.js";

/**
 * One WebSocket that comes back: requests with ids and time limits, events, pings, reconnection.
 * Knows the envelope of docs/protocol.md section 1.1 and nothing of meetings or of the page.
 *
 * @typedef {"idle" | "connecting" | "open" | "waiting" | "closed"} ConnectionState
 * @typedef {{state: ConnectionState, attempt: number, retryAt: number | null}} ConnectionStatus
 * @typedef {{
 *   status: ConnectionStatus,
 *   event: {type: string, data: any},
 *   closed: {ending: import("./codes.js").Ending, code: number},
 *   rtt: number,
 * }} ConnectionEvents
 * @typedef {{resolve: (data: any) => void, reject: (error: Error) => void, timer: ReturnType<typeof setTimeout>}} Pending
 */

const PING_EVERY = 15_000;
const REQUEST_LIMIT = 12_000;
const PING_LIMIT = 8_000;
/** A socket that lived less than this does not count as a success: the next tries keep slowing down. */
const STABLE_AFTER = 5_000;

/** @extends {Emitter<ConnectionEvents>} */
export class Connection extends Emitter {
  /** @type {WebSocket | null} */
  #socket = null;
  #nextId = 1;
  #attempt = 0;
  #openedAt = 0;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pingTimer;
  /** @type {ConnectionStatus} */
  status = { state: "idle", attempt: 0, retryAt: null };

  /**
   * @param {string} url
   * @param {{policy?: {delay(attempt: number): number}, WebSocket?: new (url: string) => WebSocket, now?: () => number}} [options]
   */
  constructor(url, { policy = RECONNECT, WebSocket = globalThis.WebSocket, now = Date.now } = {}) {
    super();
    this.url = url;
    this.policy = policy;
    this.WebSocket = WebSocket;
    this.now = now;
  }

  get isOpen() {
    return this.status.state === "open";
  }

  open() {
    if (this.#socket || this.status.state === "closed") return;
    clearTimeout(this.#retryTimer);
    this.#setStatus({ state: "connecting", attempt: this.#attempt, retryAt: null });
    const socket = new this.WebSocket(this.url);
    this.#socket = socket;
    socket.onopen = () => this.#onOpen(socket);
    socket.onmessage = (event) => this.#onFrame(socket, event.data);
    socket.onclose = (event) => this.#onClose(socket, event.code);
  }

  /** For good: nothing is opened again. */
  close() {
    clearTimeout(this.#retryTimer);
    const socket = this.#socket;
    this.#forgetSocket();
    socket?.close(1000);
    this.#setStatus({ state: "closed", attempt: 0, retryAt: null });
  }

  /** The network is said to be back: do not wait for the next try. A socket that seems open is tested by a ping. */
  retryNow() {
    if (this.status.state === "waiting") this.open();
    else if (this.isOpen) this.#ping();
  }

  /** Lets go of a socket that seems dead and starts anew at once. */
  restart() {
    const socket = this.#socket;
    if (!socket) return;
    this.#forgetSocket();
    socket.close();
    this.#waitAndRetry();
  }

  /**
   * @param {string} type
   * @param {object} [data]
   * @param {{limit?: number}} [options] `limit`: milliseconds to wait for the response
   * @returns {Promise<any>} the response's data; rejects with ProtocolError (`offline`, `timeout` or the server's code)
   */
  request(type, data = {}, { limit = REQUEST_LIMIT } = {}) {
    const socket = this.#socket;
    if (!socket || !this.isOpen) return Promise.reject(new ProtocolError({ code: "offline" }));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new ProtocolError({ code: "timeout" }));
      }, limit);
      this.#pending.set(id, { resolve, reject, timer });
      socket.send(JSON.stringify({ id, type, data }));
    });
  }

  /** @param {WebSocket} socket */
  #onOpen(socket) {
    if (socket !== this.#socket) return;
    this.#openedAt = this.now();
    this.#setStatus({ state: "open", attempt: 0, retryAt: null });
    this.#pingTimer = setInterval(() => this.#ping(), PING_EVERY);
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} text
   */
  #onFrame(socket, text) {
    if (socket !== this.#socket || typeof text !== "string") return;
    let frame;
    try {
      frame = JSON.parse(text);
    } catch (error) {
      console.error("a frame that is not JSON", error);
      return;
    }
    if ("re" in frame) this.#onResponse(frame);
    else if (typeof frame.type === "string") this.emit("event", { type: frame.type, data: frame.data ?? {} });
  }

  /** @param {{re: number | null, ok: boolean, data?: any, error?: {code: string, message?: string}}} frame */
  #onResponse(frame) {
    const pending = frame.re === null ? undefined : this.#pending.get(frame.re);
    if (!pending) {
      if (frame.error) console.error("the server could not read a frame:", frame.error.code, frame.error.message);
      return;
    }
    this.#pending.delete(/** @type {number} */ (frame.re));
    clearTimeout(pending.timer);
    if (frame.ok) pending.resolve(frame.data ?? {});
    else pending.reject(new ProtocolError(frame.error ?? { code: "internal" }));
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  #onClose(socket, code) {
    if (socket !== this.#socket) return;
    this.#forgetSocket();
    const ending = endingOf(code);
    if (!ending) {
      this.#waitAndRetry();
      return;
    }
    this.#setStatus({ state: "closed", attempt: 0, retryAt: null });
    this.emit("closed", { ending, code });
  }

  #forgetSocket() {
    if (this.isOpen && this.now() - this.#openedAt >= STABLE_AFTER) this.#attempt = 0;
    this.#socket = null;
    clearInterval(this.#pingTimer);
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new ProtocolError({ code: "offline" }));
    }
    this.#pending.clear();
  }

  #waitAndRetry() {
    const wait = this.policy.delay(this.#attempt++);
    this.#setStatus({ state: "waiting", attempt: this.#attempt, retryAt: this.now() + wait });
    this.#retryTimer = setTimeout(() => this.open(), wait);
  }

  async #ping() {
    const sent = this.now();
    const socket = this.#socket;
    try {
      await this.request("ping", { t: sent }, { limit: PING_LIMIT });
      this.emit("rtt", this.now() - sent);
    } catch (error) {
      // No answer on a socket that claims to be open: the network changed under it.
      const silent = error instanceof ProtocolError && error.code === "timeout";
      if (silent && socket === this.#socket) this.restart();
    }
  }

  /** @param {ConnectionStatus} status */
  #setStatus(status) {
    this.status = status;
    this.emit("status", status);
  }
}
