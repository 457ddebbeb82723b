// Pull requests as GitHub's own client asks for them. Arguments: the address, the token, the URL of git.
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Octokit } from "@octokit/rest";

const [baseUrl, auth, gitUrl] = process.argv.slice(2);
const work = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "git-")), "work");
const git = (...args) => execFileSync("git", args, { stdio: "pipe" });
git("clone", "--quiet", `${gitUrl.replace("//", `//${auth}@`)}/acme.git`, work);
git("-C", work, "-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "--allow-empty", "-m", "x");
git("-C", work, "push", "--quiet", "origin", "HEAD:agent/1", "HEAD:agent/2");
const tip = git("-C", work, "rev-parse", "HEAD").toString().trim();

const octokit = new Octokit({ auth, baseUrl });
const repository = { owner: "owner", repo: "acme" };
assert.equal((await octokit.repos.get(repository)).data.default_branch, "main");
const create = (head) => octokit.pulls.create({ ...repository, title: head, head, base: "main", body: "by an agent" });
const { data: first, status } = await create("agent/1");
assert.equal(status, 201);
assert.deepEqual([first.number, first.state, first.head.ref, first.head.sha, first.base.ref, first.body], [1, "open", "agent/1", tip, "main", "by an agent"]);
await create("owner:agent/2");
await assert.rejects(create("agent/1"), { status: 422 });
await assert.rejects(create("agent/3"), { status: 422 });
const numbers = async (query) => (await octokit.paginate(octokit.pulls.list, { ...repository, ...query })).map(({ number }) => number);
assert.deepEqual(await numbers({}), [2, 1]);
assert.deepEqual(await numbers({ head: "owner:agent/1" }), [1]);
await octokit.pulls.update({ ...repository, pull_number: 1, state: "closed", title: "done" });
assert.deepEqual([await numbers({}), await numbers({ state: "closed" }), await numbers({ state: "all", per_page: 1, page: 2 })], [[2], [1], [1]]);
const { data: closed } = await octokit.pulls.get({ ...repository, pull_number: 1 });
assert.deepEqual([closed.state, closed.title, closed.merged], ["closed", "done", false]);
const comments = { ...repository, issue_number: 2 };
await octokit.issues.createComment({ ...comments, body: "built" });
assert.deepEqual((await octokit.issues.listComments(comments)).data.map(({ body }) => body), ["built"]);
await assert.rejects(octokit.pulls.merge({ ...repository, pull_number: 2 }), { status: 404 });
await assert.rejects(new Octokit({ auth: "wrong", baseUrl }).pulls.list(repository), { status: 401 });
