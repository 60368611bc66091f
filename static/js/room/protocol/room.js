import { Emitter } from "../emitter.js";
import { isProtocolError } from "./codes.js";

/**
 * The room protocol: joining, coming back, and one method a request. No DOM.
 * @import { Connection, ConnectionStatus } from "./connection.js"
 * @import { ResumeStore } from "./resume.js"
 * @import { RoomState, Source, Participant, Message, Recording, MediaConnected, Shown, OutStat, InStat } from "../types.js"
 *
 * @typedef {{name?: string, mic: boolean, camera: boolean}} JoinWish
 * @typedef {{
 *   event: {type: string, data: any},
 *   in: {state: RoomState, media: MediaConnected | null},
 *   lobby: {participant: Participant},
 *   status: ConnectionStatus,
 *   closed: {ending: import("./codes.js").Ending, code: number},
 *   rejoinFailed: import("./codes.js").ProtocolError,
 *   rtt: number,
 * }} RoomEvents
 */

/** @extends {Emitter<RoomEvents>} */
export class Room extends Emitter {
  /** @type {JoinWish | null} what to join with again after the connection was lost; null before joining */
  #wish = null;

  /**
   * @param {Connection} connection
   * @param {ResumeStore} resume
   */
  constructor(connection, resume) {
    super();
    this.connection = connection;
    this.resume = resume;
    connection.on("status", (status) => this.emit("status", status));
    connection.on("rtt", (ms) => this.emit("rtt", ms));
    connection.on("closed", (closed) => this.emit("closed", closed));
    connection.on("event", (event) => this.#onEvent(event));
  }

  /**
   * @param {JoinWish} wish
   * @param {{takeover?: boolean, media?: boolean}} [options] `takeover`: close the tab that holds this person's place;
   *   `media`: ask at once for what `media.connect` gives
   * @returns {Promise<"in" | "lobby">} rejects with ProtocolError: `already_joined`, `bad_name`, `removed`, …
   */
  async join(wish, { takeover = false, media = false } = {}) {
    /** @type {Record<string, unknown>} */
    const data = { mic: wish.mic, camera: wish.camera };
    if (wish.name) data.name = wish.name;
    if (this.resume.value) data.resume = this.resume.value.resume;
    if (takeover) data.takeover = true;
    if (media) data.media = true;
    const reply = await this.connection.request("join", data);
    this.#wish = wish;
    if (reply.status === "in") {
      this.#enter(reply.state, reply.media ?? null);
      return "in";
    }
    if (reply.resume) this.resume.keep({ resume: reply.resume, name: wish.name ?? "" });
    this.emit("lobby", { participant: reply.participant });
    return "lobby";
  }

  /** What a return after a lost connection should say of microphone and camera. @param {Partial<JoinWish>} change */
  wishAgain(change) {
    if (this.#wish) this.#wish = { ...this.#wish, ...change };
  }

  /** Leaves for good: the place is given up. */
  async leave() {
    this.#wish = null;
    this.resume.forget();
    try {
      await this.connection.request("leave", {}, { limit: 1500 });
    } catch (error) {
      // Offline: the server notices by itself that nobody is there.
      if (!isProtocolError(error)) throw error;
    }
    this.connection.close();
  }

  /** The place in this meeting is gone (removed, refused, ended, taken over). */
  giveUp() {
    this.#wish = null;
    this.resume.forget();
  }

  /** @param {{type: string, data: any}} event */
  #onEvent(event) {
    if (event.type === "welcome" && this.#wish) this.#comeBack(this.#wish);
    if (event.type === "lobby.admitted") this.#enter(event.data.state, null);
    else this.emit("event", event);
  }

  /** @param {JoinWish} wish */
  async #comeBack(wish) {
    try {
      // The old socket of this same tab may still look alive to the server.
      await this.join(wish, { takeover: true });
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      if (error.code === "offline") return; // the next connection tries again
      if (error.isTransient) this.connection.restart();
      else this.emit("rejoinFailed", error);
    }
  }

  /** @param {RoomState} state @param {MediaConnected | null} media */
  #enter(state, media) {
    if (state.you.resume) this.resume.keep({ resume: state.you.resume, name: this.#wish?.name ?? "" });
    this.emit("in", { state, media });
  }

  /** @param {Partial<Record<"mic" | "camera" | "screen" | "hand", boolean>>} change @returns {Promise<{participant: Participant}>} */
  updateMe(change) { return this.connection.request("me.update", change); }

  /** @param {string} body @returns {Promise<{message: Message}>} */
  sendChat(body) { return this.connection.request("chat.send", { body }); }

  /** @param {Message["id"]} before @returns {Promise<{messages: Message[], has_more: boolean}>} */
  chatHistory(before) { return this.connection.request("chat.history", { before }); }

  /** @param {string} participant */
  admit(participant) { return this.connection.request("lobby.admit", { participant }); }

  /** @param {string} participant */
  refuse(participant) { return this.connection.request("lobby.refuse", { participant }); }

  /** @returns {Promise<{admitted: number}>} */
  admitAll() { return this.connection.request("lobby.admit_all"); }

  /** @param {string} participant @param {Source} source */
  mute(participant, source) { return this.connection.request("participant.mute", { participant, source }); }

  /** @returns {Promise<{muted: number}>} */
  muteAll() { return this.connection.request("participant.mute_all"); }

  /** @param {string} participant */
  remove(participant) { return this.connection.request("participant.remove", { participant }); }

  /** @param {string} participant @param {"cohost" | "participant"} role */
  promote(participant, role) { return this.connection.request("participant.promote", { participant, role }); }

  /** @param {string} participant */
  lowerHand(participant) { return this.connection.request("participant.lower_hand", { participant }); }

  /** @returns {Promise<{recording: Recording}>} */
  startRecording() { return this.connection.request("recording.start", {}, { limit: 20_000 }); }

  /** @returns {Promise<{recording: Recording}>} */
  stopRecording() { return this.connection.request("recording.stop", {}, { limit: 20_000 }); }

  endSession() { return this.connection.request("session.end"); }

  /** @returns {Promise<MediaConnected>} */
  mediaConnect() { return this.connection.request("media.connect"); }

  /**
   * @param {{generation: number, sdp: string, tracks: {mid: string, source: Source}[]}} data
   * @returns {Promise<{generation: number, sdp: string}>}
   */
  mediaPublish(data) { return this.connection.request("media.publish", data); }

  /** @param {{generation: number, version: number, sdp: string}} data */
  mediaAnswer(data) { return this.connection.request("media.answer", data); }

  /** @param {{generation: number, tracks: Shown[]}} data */
  mediaView(data) { return this.connection.request("media.view", data); }

  /** @param {{generation: number, publish: OutStat[], subscribe: InStat[]}} data */
  mediaReport(data) { return this.connection.request("media.report", data); }

  /** @param {{generation: number}} data */
  mediaRestart(data) { return this.connection.request("media.restart", data, { limit: 4_000 }); }

  /** @param {{topic: string, body: unknown}} data */
  sendData(data) { return this.connection.request("data.send", data); }
}
