/**
 * Short sounds, made of tones so that nothing has to be loaded, and one spoken sentence.
 * @typedef {"join" | "knock" | "hand" | "chat" | "record" | "stop" | "test"} SoundName
 */

/** [frequency in Hz, start, length in seconds] @type {Record<SoundName, [number, number, number][]>} */
const SOUNDS = {
  join: [[523, 0, 0.09], [659, 0.09, 0.14]],
  knock: [[392, 0, 0.07], [392, 0.16, 0.07], [523, 0.34, 0.12]],
  hand: [[784, 0, 0.1]],
  chat: [[880, 0, 0.06]],
  record: [[440, 0, 0.14], [660, 0.18, 0.14], [880, 0.36, 0.24]],
  stop: [[880, 0, 0.14], [440, 0.18, 0.24]],
  test: [[440, 0, 0.25], [554, 0.3, 0.25], [659, 0.6, 0.25], [880, 0.9, 0.5]],
};

export class Sounds {
  /** @type {AudioContext | null} */
  #context = null;

  /** @param {HTMLElement} host @param {() => string} speakerId the chosen speaker */
  constructor(host, speakerId) {
    this.host = host;
    this.speakerId = speakerId;
  }

  /** One context for the page's sounds and meters. */
  get context() {
    return (this.#context ??= new AudioContext({ latencyHint: "interactive" }));
  }

  /** From a click: lets the browser play. */
  unlock() {
    if (this.context.state === "suspended") this.context.resume().catch((error) => console.warn("no sound yet", error));
  }

  /** @param {SoundName} name @param {number} [volume] 0…1 @returns {Promise<void>} when it has ended */
  async play(name, volume = 0.16) {
    const { context } = this;
    if (context.state !== "running" || context.destination.maxChannelCount === 0) return;
    const out = context.createMediaStreamDestination();
    const now = context.currentTime + 0.02;
    let end = 0;
    for (const [frequency, start, length] of SOUNDS[name]) {
      const tone = context.createOscillator();
      const gain = context.createGain();
      tone.frequency.value = frequency;
      gain.gain.setValueAtTime(0, now + start);
      gain.gain.linearRampToValueAtTime(volume, now + start + 0.015);
      gain.gain.setTargetAtTime(0, now + start + length, 0.03);
      tone.connect(gain).connect(out);
      tone.start(now + start);
      tone.stop(now + start + length + 0.25);
      end = Math.max(end, start + length + 0.3);
    }
    await this.#throughSpeaker(out.stream, end);
  }

  /** An element, because only elements can be sent to a chosen speaker everywhere. @param {MediaStream} stream @param {number} seconds */
  async #throughSpeaker(stream, seconds) {
    const element = document.createElement("audio");
    element.srcObject = stream;
    this.host.append(element);
    try {
      if (this.speakerId() && "setSinkId" in element) await element.setSinkId(this.speakerId());
      await element.play();
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    } catch (error) {
      console.warn("the sound could not be played", error);
    } finally {
      element.srcObject = null;
      element.remove();
    }
  }

  /** Says a sentence aloud where the system has a voice for the language. @param {string} text @param {string} language */
  speak(text, language) {
    const speech = globalThis.speechSynthesis;
    if (!speech) return;
    const utterance = new SpeechSynthesisUtterance(text);
    utterance.lang = language;
    utterance.volume = 0.8;
    speech.speak(utterance);
  }
}
