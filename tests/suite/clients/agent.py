"""The agent API as Anthropic's SDK for Python asks it. Arguments: the address, the key."""

import pathlib
import subprocess
import sys
import tempfile

import anthropic

url, key = sys.argv[1:]
folder = pathlib.Path(tempfile.mkdtemp())
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)


def tool(name, *fields):
    properties = {field: {"type": "string"} for field in fields}
    return {"name": name, "description": name,
            "input_schema": {"type": "object", "properties": properties, "required": list(fields)}}


TOOLS = [tool("create_file", "path", "content"), tool("read_file", "path"), tool("run_command", "command")]


def use(name, given):
    """Does what a tool is to do; what it answers, and whether that is an error."""
    if name == "run_command":
        done = subprocess.run(given["command"], shell=True, cwd=folder, capture_output=True, text=True)
        return done.stdout + done.stderr, done.returncode != 0
    path = folder / given["path"]
    if name == "create_file":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(given["content"])
        return "written", False
    return (path.read_text(), False) if path.exists() else (f"No such file: {path}", True)


def whole(asked):
    return client.messages.create(**asked)


def streamed(asked):
    with client.messages.stream(**asked) as stream:
        words = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert words == message.content[0].text
    assert stream.request_id.startswith("req_"), stream.request_id
    return message


def events(asked):
    """By the bare events."""
    kinds = [event.type for event in client.messages.create(**asked, stream=True)]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds
    return streamed(asked)


def instruct(ask, text):
    messages = [{"role": "user", "content": [{"type": "text", "text": "The site is here."}, {"type": "text", "text": text}]}]
    ids = set()
    for _ in range(6):
        said = ask({"model": "any", "max_tokens": 4096, "tools": TOOLS, "messages": messages})
        assert said.id not in ids
        ids.add(said.id)
        assert said.usage.input_tokens > 10 and said.usage.output_tokens > 0
        if said.stop_reason == "end_turn":
            return said.content[0].text
        assert said.stop_reason == "tool_use"
        results = []
        for block in said.content:
            if block.type == "tool_use":
                text, is_error = use(block.name, block.input)
                results.append({"type": "tool_result", "tool_use_id": block.id, "content": text, "is_error": is_error})
        messages += [{"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
    raise AssertionError("it does not end")


changes = folder / "content/changes.txt"
(folder / "package.json").write_text("{}")
assert instruct(whole, "Change the headline (edit-1)") == "Done."
assert changes.read_text() == "edit-1\n"
assert instruct(streamed, "Delete package.json file (edit-2)") == "Done."
assert changes.read_text() == "edit-1\nedit-2\n" and not (folder / "package.json").exists()
assert instruct(events, "Restore package.json file (edit-3)") == "Done."
assert changes.read_text() == "edit-1\nedit-2\nedit-3\n" and (folder / "package.json").exists()

title = [{"role": "user", "content": "A title for: Change the headline (edit-9)"}]
assert whole({"model": "any", "max_tokens": 10, "messages": title}).stop_reason == "end_turn"
assert client.messages.count_tokens(model="any", messages=title).input_tokens > 0
assert client.models.list().data[0].id == client.models.retrieve(client.models.list().data[0].id).id
assert whole({"model": "any", "max_tokens": 10, "messages": title})._request_id.startswith("req_")
token = anthropic.Anthropic(base_url=url, auth_token=key, max_retries=0)
assert token.messages.count_tokens(model="any", messages=title).input_tokens > 0
for wrong in [anthropic.Anthropic(base_url=url, api_key="wrong", max_retries=0)]:
    try:
        wrong.messages.create(model="any", max_tokens=10, messages=title)
        raise AssertionError("taken")
    except anthropic.AuthenticationError as error:
        assert error.status_code == 401 and error.request_id.startswith("req_"), error
        assert error.body["error"]["type"] == "authentication_error", error.body
