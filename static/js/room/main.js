import { App } from "./app.js";
import { ChoiceStore } from "./media/choices.js";
import { LocalMedia } from "./media/local.js";
import { Playback } from "./media/playback.js";
import { Reporter } from "./media/report.js";
import { MediaSession } from "./media/session.js";
import { Connection } from "./protocol/connection.js";
import { ResumeStore } from "./protocol/resume.js";
import { Room } from "./protocol/room.js";
import { initialState } from "./state/initial.js";
import { reduce } from "./state/reduce.js";
import { Store } from "./state/store.js";
import { storage } from "./storage.js";
import { Chat } from "./ui/chat.js";
import { ConnectionPanel } from "./ui/connection.js";
import { Controls } from "./ui/controls.js";
import { DeviceFields } from "./ui/device-fields.js";
import { openDialog } from "./ui/dialogs.js";
import { block, button } from "./ui/dom.js";
import { End } from "./ui/end.js";
import { initKeyboard } from "./ui/keyboard.js";
import { Lobby } from "./ui/lobby.js";
import { News } from "./ui/news.js";
import { Panel } from "./ui/panel.js";
import { People } from "./ui/people.js";
import { Pointing } from "./ui/pointing.js";
import { Prejoin } from "./ui/prejoin.js";
import { Reactions } from "./ui/reactions.js";
import { Sounds } from "./ui/sounds.js";
import { keepIcons } from "./ui/sprite.js";
import { Tiles } from "./ui/tiles.js";
import { Top } from "./ui/top.js";
import { Troubles } from "./ui/troubles.js";
import { Wake } from "./ui/wake.js";
import { wire } from "./wiring.js";

/**
 * Builds the page's parts and puts them together; nothing is decided here.
 * @import { RoomConfig } from "./types.js"
 */

/** @type {RoomConfig} */
const config = JSON.parse(block("room-config").textContent ?? "{}");
const { csrf = "", title = "" } = block("main").dataset;
const choices = new ChoiceStore(storage("localStorage"));
const store = new Store(reduce, initialState(config, title));
const address = new URL(config.ws_path, location.href);
address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
const room = new Room(new Connection(address.href), new ResumeStore(config.code, storage("sessionStorage")));
const local = new LocalMedia(choices);
const media = new MediaSession(room, local);
const app = new App({ store, room, local, media, choices, config });

const sounds = new Sounds(block("sounds"), () => choices.value.speakerId);
const playback = new Playback(block("sounds"));
playback.setSpeaker(choices.value.speakerId);
const setSpeaker = (/** @type {string} */ id) => playback.setSpeaker(id);

const settings = new DeviceFields("settings", { local, choices, sounds, onSpeaker: setSpeaker });
const openSettings = () => {
  openDialog("settings-dialog", () => settings.show(false));
  settings.show(true);
};
const reporter = new Reporter(media, room);
const connection = new ConnectionPanel(app, reporter);
const prejoin = new Prejoin(app, sounds, setSpeaker);
new Lobby(app);
new Top(app);
new Panel(app);
new Chat(app, csrf);
new People(app);
new End(app);
new Troubles(app, openSettings);
const tiles = new Tiles(app);
const reactions = new Reactions(app, tiles);
const controls = new Controls(app, {
  onSettings: openSettings,
  onConnection: (opener) => connection.open(opener),
  onReact: (opener) => reactions.open(opener),
});
new Pointing(app, tiles);
const news = new News(app, sounds);

playback.on("blocked", (blocked) => {
  block("note-sound").hidden = !blocked;
});
button("hear").addEventListener("click", () => {
  sounds.unlock();
  playback.resume();
});
initKeyboard(
  (action) => {
    if (store.state.phase === "in" || action === "mic" || action === "camera") run(action);
  },
  () => store.dispatch({ type: "panel", panel: null }),
);

/** @param {string} action */
function run(action) {
  if (store.state.phase === "in") controls.run(action);
  else if (store.state.phase === "prejoin" || store.state.phase === "lobby") action === "mic" ? app.toggleMic() : app.toggleCamera();
}

keepIcons();
wire({ app, reporter, playback, tiles, news, prejoin, wake: new Wake() });
