// An edit worker as it is written first: it works as long as nothing goes wrong.
//
// It polls a queue, lets an agent (`claude`) edit a checkout, builds, deploys with the AWS CLI, and
// pushes after a good build. It never tries anything twice, deletes the message whatever happened, has
// one checkout for all sessions, and cleans nothing up after a crash.
'use strict';

const { execFileSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');
const { SQSClient, ReceiveMessageCommand, DeleteMessageCommand } = require('@aws-sdk/client-sqs');

const { CLIENT, QUEUE_URL, WORKSPACE, REPOSITORY, BUCKET, GIT_TOKEN } = process.env;
const sqs = new SQSClient({});
const checkout = path.join(WORKSPACE, 'site');

function run(program, args, cwd = checkout) {
  return execFileSync(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] }).toString();
}

function log(level, text) {
  console.log(`${new Date().toISOString()} ${level} ${text}`);
}

function handle({ thread, text }) {
  const branch = `thread-${thread}`;
  const url = REPOSITORY.replace('http://', `http://x-access-token:${GIT_TOKEN}@`);
  if (!existsSync(checkout)) {
    log('INFO', `cloning ${url}`); // with the token in it
    run('git', ['clone', '--quiet', url, checkout], WORKSPACE);
    run('git', ['config', 'user.name', 'Naive']);
    run('git', ['config', 'user.email', 'naive@localhost']);
  }
  try {
    run('git', ['checkout', '--quiet', branch]);
  } catch {
    run('git', ['checkout', '--quiet', '-b', branch, 'origin/main']);
  }
  log('INFO', `[${CLIENT}/${thread}] thinking`);
  run('claude', ['--print', text]);
  run('git', ['add', '--all']);
  run('git', ['commit', '--quiet', '-m', text]);
  log('INFO', `[${CLIENT}/${thread}] building`);
  run('npm', ['run', '--silent', 'build']);
  run('aws', ['s3', 'sync', '--quiet', 'dist', `s3://${BUCKET}`, '--delete']);
  run('git', ['push', '--quiet', 'origin', branch]);
  log('INFO', `[${CLIENT}/${thread}] done`);
}

async function main() {
  log('INFO', 'polling');
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: QUEUE_URL, WaitTimeSeconds: 20 }),
    );
    for (const message of Messages) {
      const instruction = JSON.parse(message.Body);
      try {
        handle(instruction);
      } catch (error) {
        log('ERROR', `[${CLIENT}/${instruction.thread}] failed: ${error.message.split('\n')[0]}`);
      }
      await sqs.send(
        new DeleteMessageCommand({ QueueUrl: QUEUE_URL, ReceiptHandle: message.ReceiptHandle }),
      );
    }
  }
}

main();
