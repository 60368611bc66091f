/**
 * An icon of the sprite for scripts; pages use `{% icon "name" %}`.
 * @param {string} name a Lucide name that the sprite holds (tools/vendor.lock.json)
 * @param {string} [size] "", "s" or "l"
 * @returns {SVGSVGElement}
 */
export function createIcon(name, size = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", size ? `icon icon-${size}` : "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${document.documentElement.dataset.sprite}#${name}`);
  svg.append(use);
  return svg;
}
