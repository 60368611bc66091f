import { Emitter } from "../emitter.js";
import { isProtocolError } from "../protocol/codes.js";

/**
 * Small things that should not wait for the server: pointers, strokes, reactions (docs/protocol.md section 1.10). They go
 * by the data channel of the publish connection while it is open, else by the WebSocket; both ways in lead here.
 *
 * @typedef {"cursor" | "stroke" | "reaction"} Topic
 * @typedef {{from: string, topic: Topic, body: any}} Message
 * @typedef {Pick<RTCDataChannel, "readyState" | "send" | "onmessage" | "bufferedAmount">} Channel
 */

/** @type {Topic[]} */
const TOPICS = ["cursor", "stroke", "reaction"];
const LIMIT = 1024;
/** Messages a second and at once: the server's limit for a channel, and what the WebSocket can spare of its own. */
const CHANNEL = { rate: 50, burst: 50, interval: 50 };
const FALLBACK = { rate: 8, burst: 12, interval: 125 };
/** Bytes that may wait in the channel; on a slow line what is late is of no use. */
const BACKLOG = 16_384;

/** @extends {Emitter<{message: Message}>} */
export class DataPath extends Emitter {
  /** @type {Channel | null} */
  #channel = null;
  #tokens = FALLBACK.burst;
  #at;

  /**
   * @param {(message: {topic: Topic, body: unknown}) => Promise<unknown>} fallback by the WebSocket
   * @param {{now?: () => number}} [options]
   */
  constructor(fallback, { now = Date.now } = {}) {
    super();
    this.fallback = fallback;
    this.now = now;
    this.#at = now();
  }

  get isDirect() {
    return this.#channel?.readyState === "open";
  }

  /** Milliseconds between two messages of something that moves. */
  get interval() {
    return (this.isDirect ? CHANNEL : FALLBACK).interval;
  }

  /** @param {Channel} channel of the newest connection */
  use(channel) {
    if (this.#channel) this.#channel.onmessage = null;
    this.#channel = channel;
    channel.onmessage = ({ data }) => this.#read(data);
  }

  /**
   * @param {Topic} topic
   * @param {unknown} body JSON; the whole message has at most 1,024 bytes
   * @returns {boolean} false: too much was sent lately, this one is dropped
   */
  send(topic, body) {
    const text = JSON.stringify({ topic, body });
    if (new TextEncoder().encode(text).length > LIMIT) throw new RangeError(`a ${topic} of more than ${LIMIT} bytes`);
    if (!this.#takeToken()) return false;
    if (this.isDirect && this.#channel) {
      if (this.#channel.bufferedAmount > BACKLOG) return false;
      this.#channel.send(text);
    } else {
      this.fallback({ topic, body }).catch((error) => {
        // It was of the moment: nothing is repeated.
        if (!isProtocolError(error)) throw error;
      });
    }
    return true;
  }

  #takeToken() {
    const { rate, burst } = this.isDirect ? CHANNEL : FALLBACK;
    const now = this.now();
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * rate);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** @param {unknown} text */
  #read(text) {
    if (typeof text !== "string") return;
    try {
      this.take(JSON.parse(text));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      console.warn("a message of the data channel is not JSON", error);
    }
  }

  /** @param {Partial<Message> | null} message from either way; what nobody knows is passed over */
  take(message) {
    if (!message || typeof message.from !== "string" || !message.topic || !TOPICS.includes(message.topic)) return;
    if (typeof message.body !== "object" || message.body === null) return;
    this.emit("message", { from: message.from, topic: message.topic, body: message.body });
  }
}
