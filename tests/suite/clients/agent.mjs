// The agent API as Anthropic's SDK for Node asks it. Arguments: the address, the key.
import assert from "node:assert";
import { execSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey, maxRetries: 0 });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "agent-"));

const tool = (name, ...fields) => ({
  name,
  description: name,
  input_schema: {
    type: "object",
    properties: Object.fromEntries(fields.map((field) => [field, { type: "string" }])),
    required: fields,
  },
});
const bash = { type: "bash_20250124", name: "bash" };
const editor = { type: "text_editor_20250728", name: "str_replace_based_edit_tool" };
const own = [tool("write_file", "path", "content"), tool("read_file", "path"), tool("edit_file", "path", "old_text", "new_text"), bash];

function use(name, given) {
  if (name === "bash") return execSync(given.command, { cwd: folder }).toString();
  const file = path.join(folder, given.path);
  const command = given.command ?? { write_file: "create", read_file: "view", edit_file: "str_replace" }[name];
  if (command === "create") {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, given.file_text ?? given.content);
    return "written";
  }
  const text = fs.readFileSync(file).toString();
  if (command === "view") return text.split("\n").map((line, n) => `${String(n + 1).padStart(6)}\t${line}`).slice(0, -1).join("\n");
  assert.equal(command, "str_replace");
  const [old, next] = [given.old_str ?? given.old_text, given.new_str ?? given.new_text];
  assert.equal(text.split(old).length, 2);
  fs.writeFileSync(file, text.replace(old, next));
  return "edited";
}

const whole = (asked) => client.messages.create(asked);
async function streamed(asked) {
  let words = "";
  let json = "";
  const stream = client.messages.stream(asked);
  stream.on("text", (piece) => (words += piece)).on("inputJson", (piece) => (json += piece));
  const message = await stream.finalMessage();
  assert.equal(words, message.content[0].text);
  const inputs = message.content.filter((block) => block.type === "tool_use");
  assert.equal(json === "", inputs.length === 0);
  return message;
}
async function events(asked) {
  const kinds = [];
  for await (const event of await client.messages.create({ ...asked, stream: true })) kinds.push(event.type);
  assert.deepEqual([kinds[0], ...kinds.slice(-2)], ["message_start", "message_delta", "message_stop"]);
  return streamed(asked);
}

async function instruct(ask, tools, text) {
  const messages = [{ role: "user", content: text }];
  for (let turn = 0; turn < 6; turn++) {
    const said = await ask({ model: "any", max_tokens: 4096, tools, messages });
    if (said.stop_reason === "end_turn") return said.content[0].text;
    const results = said.content
      .filter((block) => block.type === "tool_use")
      .map((block) => {
        const result = { type: "tool_result", tool_use_id: block.id };
        try {
          return { ...result, content: use(block.name, block.input) };
        } catch (error) {
          return { ...result, content: String(error), is_error: true };
        }
      });
    messages.push({ role: "assistant", content: said.content }, { role: "user", content: results });
  }
  assert.fail("it does not end");
}

const changes = () => fs.readFileSync(path.join(folder, "content/changes.txt")).toString();
const there = () => fs.existsSync(path.join(folder, "package.json"));
assert.equal(await instruct(whole, own, "Change the headline (edit-1)"), "Done.");
assert.equal(changes(), "edit-1\n");
assert.equal(await instruct(streamed, own, "Restore package.json file (edit-2)"), "Done.");
assert.ok(there());
assert.equal(await instruct(events, [editor, bash], "Delete package.json file (edit-3)"), "Done.");
assert.equal(changes(), "edit-1\nedit-2\nedit-3\n");
assert.ok(!there());
const only = await instruct(streamed, [editor], "Delete package.json file (edit-4)");
assert.match(only, /cannot/);
assert.equal(changes(), "edit-1\nedit-2\nedit-3\n");

const messages = [{ role: "user", content: "A title for: Change the headline (edit-9)" }];
const title = await client.messages.create({ model: "any", max_tokens: 10, messages });
assert.equal(title.stop_reason, "end_turn");
assert.match(title._request_id, /^req_/);
assert.ok((await client.messages.countTokens({ model: "any", messages })).input_tokens > 0);
for await (const model of client.models.list()) assert.equal(model.type, "model");
const wrong = new Anthropic({ baseURL, apiKey: "wrong", maxRetries: 0 });
await assert.rejects(wrong.messages.create({ model: "any", max_tokens: 10, messages }), Anthropic.AuthenticationError);
