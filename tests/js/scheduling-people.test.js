import assert from "node:assert/strict";
import test from "node:test";
import { readPeople, writePerson } from "../../static/js/portal/scheduling-people.js";

test("addresses are read one a line, or between commas and semicolons", () => {
  const { people, rest } = readPeople("a@b.de, C@d.de;e@f.de\n g@h.de ,, ");
  assert.deepEqual(people.map((one) => one.email), ["a@b.de", "c@d.de", "e@f.de", "g@h.de"]);
  assert.deepEqual(rest, []);
});

test("names may hold commas when they are quoted", () => {
  const { people } = readPeople('"Okafor, Jonas" <jonas@example.org>, Anna Keller <anna@example.org>');
  assert.deepEqual(people, [
    { email: "jonas@example.org", name: "Okafor, Jonas" },
    { email: "anna@example.org", name: "Anna Keller" },
  ]);
});

test("what is no address stays, so that nothing typed is lost", () => {
  const { people, rest } = readPeople("anna, b@c.de\nclass:12\nx@y");
  assert.deepEqual(people.map((one) => one.email), ["b@c.de"]);
  assert.deepEqual(rest, ["anna", "class:12", "x@y"]);
});

test("what is written is read back", () => {
  for (const person of [{ email: "a@b.de", name: "" }, { email: "a@b.de", name: "Keller, Anna" }, { email: "a@b.de", name: "王伟" }]) {
    assert.deepEqual(readPeople(writePerson(person)).people, [person]);
  }
  assert.deepEqual(readPeople(writePerson({ email: "a@b.de", name: 'Ben "B"' })).people, [{ email: "a@b.de", name: "Ben B" }]);
});
