import { CAN_CHOOSE_SPEAKER, listDevices, onDeviceChange } from "../media/devices.js";
import { LevelMeter } from "../media/level.js";
import { block, button, byId, fill, h, setAttribute, setText } from "./dom.js";

/**
 * The rows that choose microphone, camera and speaker (templates/meetings/room/device_rows.html).
 * @import { LocalMedia } from "../media/local.js"
 * @import { ChoiceStore } from "../media/choices.js"
 * @import { Device } from "../media/devices.js"
 * @import { Sounds } from "./sounds.js"
 */

const BARS = 10;

export class DeviceFields {
  /** @type {LevelMeter | null} */
  #meter = null;
  /** @type {MediaStreamTrack | null} */
  #measured = null;
  #isShown = false;

  /**
   * @param {string} prefix of the ids
   * @param {{local: LocalMedia, choices: ChoiceStore, sounds: Sounds, onSpeaker: (id: string) => void}} parts
   */
  constructor(prefix, { local, choices, sounds, onSpeaker }) {
    this.local = local;
    this.choices = choices;
    this.sounds = sounds;
    this.mic = byId(`${prefix}-mic-select`, HTMLSelectElement);
    this.camera = byId(`${prefix}-camera-select`, HTMLSelectElement);
    this.speaker = byId(`${prefix}-speaker-select`, HTMLSelectElement);
    this.bars = block(`${prefix}-meter`);
    this.bars.append(...Array.from({ length: BARS }, () => h("i")));
    this.mic.addEventListener("change", () => local.switchMic(this.mic.value));
    this.camera.addEventListener("change", () => local.switchCamera(this.camera.value));
    this.speaker.addEventListener("change", () => {
      choices.remember({ speakerId: this.speaker.value });
      onSpeaker(this.speaker.value);
    });
    button(`${prefix}-test-sound`).addEventListener("click", () => this.#test());
    onDeviceChange(() => this.refresh());
    local.on("changed", () => {
      this.refresh();
      this.#measure();
    });
  }

  /** The meter runs only while it is looked at. @param {boolean} isShown */
  show(isShown) {
    this.#isShown = isShown;
    if (isShown) this.refresh();
    this.#measure();
  }

  async refresh() {
    const { mics, cameras, speakers } = await listDevices();
    const { tracks } = this.local;
    const { micId, cameraId, speakerId } = this.choices.value;
    options(this.mic, mics, tracks.mic?.getSettings().deviceId || micId, gettext("Microphone %(number)s"), gettext("No microphone"));
    options(this.camera, cameras, tracks.camera?.getSettings().deviceId || cameraId, gettext("Camera %(number)s"), gettext("No camera"));
    if (CAN_CHOOSE_SPEAKER && speakers.length > 0) {
      options(this.speaker, speakers, speakerId || "default", gettext("Speaker %(number)s"), "");
    } else {
      options(this.speaker, [], "", "", gettext("The system's speaker"));
    }
  }

  async #test() {
    this.sounds.unlock();
    await this.sounds.play("test", 0.3);
  }

  #measure() {
    const track = this.#isShown && this.local.micOn ? this.local.tracks.mic : null;
    if (track === this.#measured) return;
    this.#measured = track;
    if (track) this.sounds.unlock();
    this.#meter ??= new LevelMeter(this.sounds.context, (level) => this.#show(level));
    this.#meter.measure(track);
  }

  /** @param {number} level */
  #show(level) {
    const lit = Math.round(level * BARS);
    setAttribute(this.bars, "aria-valuenow", String(lit));
    [...this.bars.children].forEach((bar, index) => bar.classList.toggle("on", index < lit));
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {Device[]} devices
 * @param {string} chosen
 * @param {string} unnamed for devices whose name the browser does not tell yet
 * @param {string} none what stands there when there is no device
 */
function options(select, devices, chosen, unnamed, none) {
  const wanted = devices.map(({ id, label }, index) => ({ value: id, text: label || fill(unnamed, { number: index + 1 }) }));
  if (wanted.length === 0) wanted.push({ value: "", text: none });
  const isSame = wanted.length === select.options.length && wanted.every(({ value }, index) => select.options[index].value === value);
  if (isSame) wanted.forEach(({ text }, index) => setText(select.options[index], text));
  else select.replaceChildren(...wanted.map(({ value, text }) => h("option", { value }, text)));
  select.disabled = devices.length === 0;
  if (devices.some(({ id }) => id === chosen)) select.value = chosen;
  select.title = select.selectedOptions[0]?.textContent ?? "";
}
