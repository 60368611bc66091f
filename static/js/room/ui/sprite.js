/**
 * Takes the icons into the page, so that a change of state can be drawn while the server is away: just then.
 */
export async function keepIcons() {
  const { dataset } = document.documentElement;
  const address = dataset.sprite;
  if (!address) return;
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const sprite = new DOMParser().parseFromString(await response.text(), "image/svg+xml").documentElement;
    sprite.setAttribute("width", "0");
    sprite.setAttribute("height", "0");
    sprite.setAttribute("class", "visually-hidden");
    sprite.setAttribute("aria-hidden", "true");
    document.body.append(document.importNode(sprite, true));
    dataset.sprite = "";
  } catch (error) {
    // Icons go on coming from the server, as on every other page.
    console.warn("the icons could not be kept", error);
  }
}
