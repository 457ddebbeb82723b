"""Claude Code, as a shell starts it: edits a repository of the loopback cloud.

Arguments: the tester's program, then the command of Claude Code.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

tester, *claude = sys.argv[1:]
home = pathlib.Path(tempfile.mkdtemp())
cloud = subprocess.Popen(
    [tester, "cloud", "--quiet", "acme/home"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
given = {}
for line in cloud.stdout:
    if line.startswith("export "):
        name, value = line[len("export "):].strip().split("=", 1)
        given[name] = value.strip("'")
    if line.startswith("export TIME_SCALE="):
        break

environment = {
    "PATH": os.environ["PATH"],
    "HOME": str(home),
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@localhost",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@localhost",
    "ANTHROPIC_BASE_URL": given["ANTHROPIC_BASE_URL"],
    "ANTHROPIC_API_KEY": given["ANTHROPIC_API_KEY"],
    # Nothing but the API is asked, and root may use it here.
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "IS_SANDBOX": "1",
}
work = home / "work"


def run(*command, folder=work):
    done = subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


remote = given["GIT_BASE_URL"].replace("http://", f"http://x-access-token:{given['GIT_TOKEN']}@")
run("git", "clone", "--quiet", f"{remote}/acme.git", str(work), folder=home)
used = set()


def instruct(text, tools="Read,Write,Edit,Bash", without=()):
    """Has an instruction done; returns the lines of the list of changes."""
    said = run(*claude, "-p", text, "--output-format", "stream-json", "--verbose",
               "--permission-mode", "acceptEdits", "--allowedTools", tools, *without)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    result = lines[-1]
    assert result["subtype"] == "success" and not result["is_error"], said
    assert result["result"] == "Done.", said
    for line in lines:
        content = line.get("message", {}).get("content", [])
        used.update(part["name"] for part in content if isinstance(part, dict) and part["type"] == "tool_use")
    return (work / "content/changes.txt").read_text()


package = (work / "package.json").read_text()
assert instruct("Delete package.json file (edit-3)") == "edit-3\n"
assert not (work / "package.json").exists()
run("git", "commit", "--quiet", "--all", "--message", "Delete package.json file (edit-3)")
assert instruct("Restore package.json file (edit-4)") == "edit-3\nedit-4\n"
assert (work / "package.json").read_text() == package
assert instruct("Create 1000 large files (edit-5)") == "edit-3\nedit-4\nedit-5\n"
assert len(list((work / "public").iterdir())) == 1000
assert used == {"Read", "Write", "Edit", "Bash"}, used
expected = "edit-3\nedit-4\nedit-5\n"
if claude[-1].endswith("cli.js"):
    # Without Edit, this version changes a file by MultiEdit; newer ones have no such tool.
    used.clear()
    expected += "edit-6\n"
    changed = instruct("Change the headline (edit-6)", "Read,Write,MultiEdit", ["--disallowedTools", "Edit,Bash"])
    assert changed == expected, changed
    assert used == {"Read", "MultiEdit"}, used
# By way of Bedrock it asks for a stream of a kind that there is none of, and then without.
environment |= {
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "ANTHROPIC_BEDROCK_BASE_URL": given["AWS_ENDPOINT_URL"],
    **{name: given[name] for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]},
}
del environment["ANTHROPIC_API_KEY"]
expected += "edit-7\n"
assert instruct("Change the headline (edit-7)") == expected
cloud.stdin.close()
assert cloud.wait(timeout=20) == 0
