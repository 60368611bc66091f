import { Emitter } from "../emitter.js";
import { ReconnectPolicy } from "../protocol/policy.js";
import { isProtocolError } from "../protocol/codes.js";
import { DataPath } from "./data.js";
import { Publisher } from "./publisher.js";
import { Subscriber } from "./subscriber.js";

/**
 * Keeps the two peer connections of docs/protocol.md section 1.8 alive while one is in the room: connects, answers
 * offers, looks for a new path when one is lost (ICE restart), and when that does not help begins anew with a new
 * generation. Says honestly how it stands.
 *
 * @import { Room } from "../protocol/room.js"
 * @import { LocalMedia } from "./local.js"
 * @import { Arrival } from "./subscriber.js"
 * @import { MediaConnected, SubscribeOffer, Source } from "../types.js"
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "unavailable"} MediaState
 * @typedef {{publisher: Publisher, subscriber: Subscriber}} Pair
 */

/** What a new path is given before new connections are made, which take a quarter of a second. */
const DISCONNECTED_LIMIT = 3_000;
const CONNECT_LIMIT = 10_000;
const RESTART_PAUSE = 3_000;
/** The server's offer that follows `media.restart`. */
const RESUME_LIMIT = 3_000;
/** A media worker is restarted within seconds, so it is asked more often than a web server that is away. */
const RETRY = new ReconnectPolicy({ steps: [0, 300, 700, 1000, 1000, 1000, 2000], steady: 4000 });

/** @extends {Emitter<{state: MediaState, arrivals: Map<string, Arrival>, generation: number, reason: string}>} */
export class MediaSession extends Emitter {
  /** @type {MediaState} */
  state = "idle";
  generation = 0;
  /** @type {Pair | null} */
  #pair = null;
  #wanted = false;
  #failures = 0;
  #reason = "";
  #attempt = 0;
  #isFresh = false; // the pair was made and nothing was negotiated on it
  #restartedAt = -Infinity;
  #isLayered = true; // the server takes pictures in several sizes, as far as is known
  /** @type {SubscribeOffer[]} offers of a generation whose response is still on its way */
  #early = [];
  /** @type {Record<"retry" | "limit" | "resume", ReturnType<typeof setTimeout> | undefined>} */
  #timers = { retry: undefined, limit: undefined, resume: undefined };

  /**
   * @param {Room} room
   * @param {LocalMedia} local
   * @param {{policy?: {delay(attempt: number): number}}} [options]
   */
  constructor(room, local, { policy = RETRY } = {}) {
    super();
    this.room = room;
    this.local = local;
    this.policy = policy;
    this.data = new DataPath((message) => room.sendData(message));
    local.on("track", ({ source, track }) => this.#send(source, track));
  }

  /** Makes the connections and their certificates ahead of time; nothing is sent. */
  prepare() {
    this.#freshPair();
  }

  /**
   * The person is in the room (again): connect.
   * @param {MediaConnected | null} [ready] what joining brought along
   * @returns {Promise<void>} when the first offer of the server was answered, if there is one
   */
  start(ready = null) {
    this.#wanted = true;
    this.#failures = 0;
    const isKept = ["connected", "disconnected"].includes(this.pair?.publisher.pc.connectionState ?? "");
    if (this.pair && isKept && !ready) {
      this.#resume(this.pair);
      return Promise.resolve();
    }
    return this.#connect(this.generation === 0 ? "connecting" : "reconnecting", ready);
  }

  /** The signalling went away: what flows may go on, nothing new is tried until `start`. */
  pause() {
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.limit);
  }

  stop() {
    this.#wanted = false;
    this.#attempt++;
    this.pause();
    clearTimeout(this.#timers.resume);
    this.#closePair();
    this.#setState("idle");
  }

  /** @param {string} why for the console */
  reset(why) {
    if (!this.#wanted) return;
    console.info("media begins anew:", why);
    this.#connect("reconnecting");
  }

  /** @param {string} type @param {any} data an event of the room protocol */
  takeEvent(type, data) {
    const isOurs = data.generation === this.generation;
    if (type === "media.reset") this.reset(`the server asked for it (${data.reason})`);
    else if (type === "media.offer") this.#takeOffer(data);
    else if (type === "media.layers" && isOurs) this.#pair?.publisher.watch(data.source, data.active);
    else if (type === "media.state" && isOurs && data.state === "failed") this.reset(`the server lost the ${data.pc} connection`);
    else if (type === "media.state" && isOurs && data.state === "disconnected") this.restartIce(`the server hears nothing on the ${data.pc} connection`);
    else if (type === "data.message") this.data.take(data);
  }

  /**
   * Looks for a new path on both connections; what flows goes on meanwhile. At most once in three seconds.
   * @param {string} why for the console
   * @returns {boolean} whether it was begun
   */
  restartIce(why) {
    const pair = this.#pair;
    const isEarly = Date.now() - this.#restartedAt < RESTART_PAUSE;
    if (!this.#wanted || !pair || this.#isFresh || isEarly || !this.room.connection.isOpen) return false;
    this.#restartedAt = Date.now();
    console.info("media looks for a new path:", why);
    pair.publisher.restartIce();
    if (pair.subscriber.pc.connectionState !== "new") this.#askForRestart();
    return true;
  }

  async #askForRestart() {
    try {
      await this.room.mediaRestart({ generation: this.generation });
    } catch (error) {
      // The limit that runs, or the server's `media.reset`, leads to new connections where this was of no use.
      if (!isProtocolError(error)) throw error;
      console.info(`media.restart: ${error.code}`);
    }
  }

  /** Sizes that are sent follow what is captured. */
  follow() {
    return this.#pair?.publisher.follow();
  }

  /** @returns {Promise<RTCStatsReport[]>} of publish and subscribe; empty when there is no connection */
  async stats() {
    if (!this.#pair) return [];
    return Promise.all([this.#pair.publisher.pc.getStats(), this.#pair.subscriber.pc.getStats()]);
  }

  /** The connections as they stand, null while nothing was negotiated on them. @returns {Pair | null} */
  get pair() {
    return this.#isFresh ? null : this.#pair;
  }

  /** @param {SubscribeOffer} offer */
  #takeOffer(offer) {
    const generation = offer.generation ?? this.generation;
    if (generation > this.generation) this.#early.push(offer);
    else if (generation === this.generation) this.#pair?.subscriber.takeOffer(offer);
  }

  /** @returns {Pair} one on which nothing was negotiated yet */
  #freshPair() {
    if (this.#pair && this.#isFresh) return this.#pair;
    this.#closePair();
    this.#isFresh = true;
    this.#pair = this.#makePair();
    this.data.use(this.#pair.publisher.channel);
    return this.#pair;
  }

  /** @returns {Pair} */
  #makePair() {
    /** @type {Pair} */
    const pair = {
      publisher: new Publisher({
        publish: (data) => this.room.mediaPublish(data),
        onState: () => this.#onPeerState(pair),
        onError: (error) => this.#onPairError(pair, error),
        isLayered: this.#isLayered,
        onLayersRefused: () => {
          this.#isLayered = false;
        },
      }),
      subscriber: new Subscriber({
        answer: (data) => this.room.mediaAnswer({ generation: this.generation, ...data }),
        onState: () => this.#onPeerState(pair),
        onArrivals: (arrivals) => {
          if (pair === this.#pair) this.emit("arrivals", arrivals);
        },
        onError: (error) => this.#onPairError(pair, error),
      }),
    };
    for (const [source, track] of Object.entries(this.local.tracks)) {
      if (track) pair.publisher.setTrack(/** @type {Source} */ (source), track).catch((error) => this.#onPairError(pair, error));
    }
    return pair;
  }

  #closePair() {
    const pair = this.#pair;
    pair?.publisher.close();
    pair?.subscriber.close();
    this.#pair = null;
  }

  /** @param {Source} source @param {MediaStreamTrack | null} track */
  #send(source, track) {
    const pair = this.#pair;
    pair?.publisher.setTrack(source, track).catch((error) => this.#onPairError(pair, error));
  }

  /**
   * The signalling was away and came back, the media perhaps never left: only what was missed is brought in, by a new
   * offer of the server, and a new path is looked for in case the network is another one. When the server does not
   * know these connections any more, new ones are made.
   * @param {Pair} pair
   */
  async #resume(pair) {
    this.pause();
    const attempt = ++this.#attempt;
    const { version } = pair.subscriber;
    const isDue = () => attempt === this.#attempt && pair === this.#pair && this.#wanted;
    try {
      this.#restartedAt = Date.now();
      await this.room.mediaRestart({ generation: this.generation });
      if (!isDue()) return;
      this.#onPeerState(pair);
      pair.publisher.restartIce();
      if (version < 0) return; // nobody has sent anything yet: there may be nothing to offer
      this.#timers.resume = setTimeout(() => {
        if (isDue() && pair.subscriber.version === version) this.#connect("reconnecting");
      }, RESUME_LIMIT);
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      if (isDue() && error.code !== "offline") this.#connect("reconnecting");
    }
  }

  /**
   * @param {MediaState} state what is shown while it lasts
   * @param {MediaConnected | null} [ready] as the answer to `media.connect`, which is then not asked
   */
  async #connect(state, ready = null) {
    this.pause();
    const attempt = ++this.#attempt;
    const pair = this.#freshPair();
    this.#early = [];
    this.#setState(state);
    this.#timers.limit = setTimeout(() => this.#fail("no connection in time", true), CONNECT_LIMIT);
    let reply = ready;
    try {
      reply ??= await this.room.mediaConnect();
    } catch (error) {
      if (attempt === this.#attempt) this.#onConnectError(error);
      return;
    }
    if (attempt !== this.#attempt || pair !== this.#pair) return;
    this.#isFresh = false;
    this.generation = reply.generation;
    this.emit("generation", reply.generation);
    pair.subscriber.configure(reply.ice_servers ?? []);
    const offers = this.#early.splice(0).filter(({ generation }) => generation === this.generation);
    if (reply.subscribe) offers.unshift(reply.subscribe);
    // What the others send comes first: both connections at once would each take twice as long.
    const [answered] = offers.map((offer) => pair.subscriber.takeOffer(offer));
    await answered;
    if (pair === this.#pair) pair.publisher.connect(reply.generation, reply.ice_servers ?? []);
  }

  /** @param {unknown} error */
  #onConnectError(error) {
    if (!isProtocolError(error)) throw error;
    this.#setReason(error.code === "media_unavailable" ? error.words : "");
    if (error.code === "offline" || error.code === "not_joined") this.pause(); // joining again calls `start`
    else this.#fail(`media.connect: ${error.code}`, true);
  }

  /** @param {Pair} pair @param {unknown} error */
  #onPairError(pair, error) {
    if (pair !== this.#pair || !this.#wanted) return;
    if (isProtocolError(error, "offline")) return;
    console.error("media negotiation failed", error);
    this.#fail("negotiation failed", false);
  }

  /** @param {Pair} pair */
  #onPeerState(pair) {
    if (pair !== this.#pair || !this.#wanted) return;
    const states = [pair.publisher.pc.connectionState, pair.subscriber.pc.connectionState];
    if (states.includes("failed")) this.#fail("a connection failed", false);
    else if (states.includes("disconnected")) this.#onDisconnected();
    // While nobody else sends there is nothing to subscribe to, and that connection stays new.
    else if (states[0] === "connected" && (states[1] === "connected" || states[1] === "new")) {
      this.pause();
      this.#failures = 0;
      this.#setReason("");
      this.#setState("connected");
    }
  }

  #onDisconnected() {
    this.#setState("reconnecting");
    this.restartIce("a connection is interrupted");
    clearTimeout(this.#timers.limit);
    this.#timers.limit = setTimeout(() => this.#fail("the path is gone", false), DISCONNECTED_LIMIT);
  }

  /** @param {string} why @param {boolean} away the media server does not answer, not just this connection */
  #fail(why, away) {
    if (!this.#wanted || !this.room.connection.isOpen) return;
    this.pause();
    const wait = this.policy.delay(this.#failures++);
    console.info(`media: ${why}; next try in ${wait} ms`);
    this.#setState(away || this.#failures > 2 ? "unavailable" : "reconnecting");
    const shown = this.state;
    this.#timers.retry = setTimeout(() => this.#connect(shown), wait);
  }

  /** @param {string} words why there is no media, in the server's words; empty when it did not say */
  #setReason(words) {
    if (words === this.#reason) return;
    this.#reason = words;
    this.emit("reason", words);
  }

  /** @param {MediaState} state */
  #setState(state) {
    if (state === this.state) return;
    this.state = state;
    this.emit("state", state);
  }
}
