// The worker of worker.js with its mistakes repaired; docs/your-worker.md goes through them one by one.
'use strict';

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');
const {
  SQSClient,
  ReceiveMessageCommand,
  DeleteMessageCommand,
  ChangeMessageVisibilityCommand,
} = require('@aws-sdk/client-sqs');

const { CLIENT, QUEUE_URL, WORKSPACE, REPOSITORY, BUCKET } = process.env;
const SECOND = 1000 * Number(process.env.TIME_SCALE ?? 1);
const VISIBILITY = 30;
const sqs = new SQSClient({ maxAttempts: 1 });
const execute = promisify(execFile);

/** What ends an instruction for good; everything else is tried again. */
class Failed extends Error {}

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * SECOND));
const jittered = (seconds) => seconds * (0.5 + Math.random() / 2);

function log(level, text, thread) {
  const session = thread ? `[${CLIENT}/${thread}] ` : '';
  console.log(`${new Date().toISOString()} ${level} ${session}${text.split('\n')[0]}`);
}

async function run(program, args, cwd, seconds = 120) {
  const { stdout } = await execute(program, args, { cwd, timeout: seconds * SECOND, maxBuffer: 1 << 26 });
  return stdout;
}

const succeeds = (promise) => promise.then(() => true, () => false);

/** Tries a step until it succeeds: three times with growing waits, then at an interval. */
async function persist(what, thread, step) {
  for (;;) {
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      try {
        return await step();
      } catch (error) {
        if (error instanceof Failed) throw error;
        log('WARN', `${what} failed: ${error.message}`, thread);
        if (attempt < 3) await sleep(jittered(2 ** attempt));
      }
    }
    log('ERROR', `${what} is put off`, thread);
    await sleep(jittered(20));
  }
}

// What has to outlive a crash: the instructions that ended, and the deploy that was begun.
const stateFile = path.join(WORKSPACE, 'state.json');
function readState() {
  try {
    return JSON.parse(fs.readFileSync(stateFile));
  } catch {
    return { ended: [], deploying: null };
  }
}
function change(changed) {
  fs.writeFileSync(`${stateFile}.new`, JSON.stringify({ ...readState(), ...changed }));
  fs.renameSync(`${stateFile}.new`, stateFile);
}

/** A checkout of the session alone, without whatever a crash left in it. */
async function checkout(thread) {
  const folder = path.join(WORKSPACE, thread);
  const git = (...args) => run('git', args, folder, 30);
  if (!fs.existsSync(folder)) {
    await persist('the clone', thread, async () => {
      fs.rmSync(`${folder}.new`, { recursive: true, force: true });
      await run('git', ['clone', '--quiet', REPOSITORY, `${folder}.new`], WORKSPACE, 30);
    });
    const exclude = path.join(`${folder}.new`, '.git/info/exclude');
    fs.writeFileSync(exclude, '/dist/\n');
    await run('git', ['config', 'user.name', 'Mended'], `${folder}.new`);
    await run('git', ['config', 'user.email', 'mended@localhost'], `${folder}.new`);
    // Only a whole one has the name.
    fs.renameSync(`${folder}.new`, folder);
  }
  fs.rmSync(path.join(folder, '.git/index.lock'), { force: true });
  fs.rmSync(path.join(folder, '.git/HEAD.lock'), { force: true });
  await succeeds(git('rebase', '--abort'));
  await succeeds(git('merge', '--abort'));
  await git('reset', '--quiet', '--hard');
  await git('clean', '--quiet', '-ffdx');
  const branch = `thread-${thread}`;
  await persist('the fetch', thread, () => git('fetch', '--quiet', 'origin'));
  if (!(await succeeds(git('checkout', '--quiet', branch)))) {
    await git('checkout', '--quiet', '-b', branch, 'origin/main');
  }
  return { thread, folder, branch, git };
}

/** Takes in what others have pushed; nothing of either side is dropped. */
async function takeIn({ thread, branch, git }) {
  const theirs = `origin/${branch}`;
  if (!(await succeeds(git('rev-parse', '--quiet', '--verify', theirs)))) return;
  if (await succeeds(git('merge-base', '--is-ancestor', theirs, 'HEAD'))) return;
  if (await succeeds(git('rebase', '--quiet', theirs))) return;
  await succeeds(git('rebase', '--abort'));
  log('WARN', 'a conflict is resolved for the session', thread);
  if (await succeeds(git('merge', '--quiet', '--no-edit', '-X', 'ours', theirs))) return;
  await succeeds(git('merge', '--abort'));
  await git('merge', '--quiet', '--no-edit', '-s', 'ours', theirs);
}

async function push(own) {
  await persist('the push', own.thread, async () => {
    await own.git('fetch', '--quiet', 'origin');
    await takeIn(own);
    await own.git('push', '--quiet', 'origin', own.branch);
  });
}

async function edit({ thread, folder, git }, text) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run('claude', ['--print', text], folder, 30);
      return;
    } catch (error) {
      await git('reset', '--quiet', '--hard');
      await git('clean', '--quiet', '-ffdx');
      if (attempt === 5) throw new Failed(`the agent failed: ${error.message}`);
      log('WARN', `the agent failed: ${error.message}`, thread);
      await sleep(jittered(2 ** attempt));
    }
  }
}

async function build({ thread, folder }) {
  log('INFO', 'building', thread);
  fs.rmSync(path.join(folder, 'dist'), { recursive: true, force: true });
  try {
    await run('npm', ['run', '--silent', 'build'], folder);
  } catch (error) {
    throw new Failed(`the build failed: ${error.message}`);
  }
}

/** Assets before pages, and deletions of assets last: no page ever names what is not there. */
async function deploy({ thread, folder }) {
  change({ deploying: thread });
  const pages = ['--exclude', '*', '--include', '*.html'];
  const sync = (...args) =>
    run('aws', ['s3', 'sync', '--quiet', '--cli-read-timeout', '20', 'dist', `s3://${BUCKET}`, ...args], folder);
  await persist('the deploy', thread, async () => {
    await sync('--exclude', '*.html');
    await sync('--delete', ...pages);
    await sync('--delete', '--exclude', '*.html');
  });
  change({ deploying: null });
}

async function handle({ thread, text }) {
  const own = await checkout(thread);
  await takeIn(own);
  const subjects = await own.git('log', '--format=%s');
  if (!subjects.split('\n').includes(text)) {
    log('INFO', 'thinking', thread);
    await edit(own, text);
    await own.git('add', '--all');
    await own.git('commit', '--quiet', '--allow-empty', '-m', text);
  }
  await push(own);
  await build(own);
  await deploy(own);
  log('INFO', 'done', thread);
}

/** Finishes what a crash cut off, and whose message may be gone. */
async function resume() {
  const { deploying } = readState();
  for (const name of fs.readdirSync(WORKSPACE)) {
    if (!fs.existsSync(path.join(WORKSPACE, name, '.git/info/exclude')) || name.endsWith('.new')) continue;
    const own = await checkout(name);
    if (await succeeds(own.git('rev-parse', '--quiet', '--verify', own.branch))) await push(own);
    if (deploying === name) {
      await build(own).then(() => deploy(own), () => change({ deploying: null }));
    }
  }
}

async function work(message) {
  const instruction = JSON.parse(message.Body);
  const of = { QueueUrl: QUEUE_URL, ReceiptHandle: message.ReceiptHandle };
  const longer = new ChangeMessageVisibilityCommand({ ...of, VisibilityTimeout: VISIBILITY });
  const extending = setInterval(() => sqs.send(longer).catch(() => {}), (VISIBILITY / 3) * SECOND);
  try {
    if (!readState().ended.includes(instruction.text)) {
      await handle(instruction).catch((error) => log('ERROR', error.message, instruction.thread));
      change({ ended: [...readState().ended, instruction.text] });
    }
    await persist('the deletion', instruction.thread, () => sqs.send(new DeleteMessageCommand(of)));
  } finally {
    clearInterval(extending);
  }
}

async function main() {
  log('INFO', 'polling');
  await resume();
  for (let failures = 0; ; ) {
    try {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: QUEUE_URL, WaitTimeSeconds: 20 }),
      );
      failures = 0;
      for (const message of Messages) await work(message);
    } catch (error) {
      failures += 1;
      log('WARN', `the queue failed: ${error.message}`);
      await sleep(jittered(Math.min(30, 2 ** failures)));
    }
  }
}

main();
