/** The administration's page that keeps itself up to date. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pause, refresh } from "../../static/js/admin/live.js";

/** A page whose one live part remembers what took its place. */
function page(every = "3000") {
  const part = {
    replacedBy: /** @type {unknown} */ (null),
    getAttribute: () => every,
    replaceWith(/** @type {unknown} */ other) {
      part.replacedBy = other;
    },
  };
  const document = {
    part,
    location: { href: "http://localhost/admin/meetings/session/1/live/" },
    querySelector: () => /** @type {unknown} */ (part),
  };
  return document;
}

const answer = (/** @type {object} */ fields) => async () => ({ ok: true, text: async () => "<p>", ...fields });

test("the live part is replaced by the fresh one", async () => {
  const old = page();
  const fresh = page();
  const asked = [];
  const ask = async (/** @type {string} */ url, /** @type {object} */ init) => {
    asked.push([url, init]);
    return { ok: true, text: async () => "the page" };
  };
  const read = [];
  const parse = (/** @type {string} */ text) => {
    read.push(text);
    return fresh;
  };
  assert.equal(await refresh(old, ask, parse), true);
  assert.equal(old.part.replacedBy, fresh.part);
  assert.deepEqual(read, ["the page"]);
  assert.equal(asked[0][0], old.location.href);
});

test("an error, no network and another page leave everything as it is", async () => {
  const failing = async () => {
    throw new TypeError("no network");
  };
  const other = { querySelector: () => null };
  for (const [ask, parsed] of [
    [answer({ ok: false }), page()],
    [failing, page()],
    [answer({}), other],
  ]) {
    const old = page();
    assert.equal(await refresh(old, ask, () => parsed), false);
    assert.equal(old.part.replacedBy, null);
  }
});

test("the page says how often to look, and when to stop", () => {
  assert.equal(pause(page("3000")), 3000);
  assert.equal(pause(page("0")), 0);
  assert.equal(pause({ querySelector: () => null }), 0);
});
