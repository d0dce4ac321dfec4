// The official client decides whether test/openai speaks the protocol right.
// Run with: npm ci && npm test. It starts the server itself; the variable
// OPENAI_FAKE names one that was built before.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import OpenAI from 'openai';

const key = 'sk-test-0123456789';
const flags = ['-listen', '127.0.0.1:0', '-key', key, '-slow', '10ms'];
let server;
let baseURL;

before(async () => {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const built = process.env.OPENAI_FAKE;
  server = built
    ? spawn(built, flags, { stdio: ['ignore', 'pipe', 'inherit'] })
    : spawn('go', ['run', './test/openai', ...flags], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  server.viaGo = !built;
  for await (const line of createInterface({ input: server.stdout })) {
    baseURL = line;
    break;
  }
  assert.match(baseURL, /^http:\/\/127\.0\.0\.1:\d+\/v1$/);
});

after(() => {
  // "go run" does not pass signals on: end its whole group, which is ours.
  if (server.viaGo) process.kill(-server.pid);
  else server.kill();
});

const client = (options = {}) => new OpenAI({ apiKey: key, baseURL, maxRetries: 0, ...options });
const ask = (model, more = {}) => ({ model, messages: [{ role: 'user', content: 'Hello there friend' }], ...more });

test('lists and shows models', async () => {
  const names = [];
  for await (const model of client().models.list()) names.push(model.id);
  assert.ok(names.includes('gpt-4o-mini'));
  assert.equal((await client().models.retrieve('gpt-4o')).object, 'model');
  await assert.rejects(client().models.retrieve('none'), OpenAI.NotFoundError);
});

test('answers as a whole', async () => {
  const got = await client().chat.completions.create(
    ask('gpt-4o-mini', { messages: [{ role: 'system', content: 'Be kind' }, { role: 'user', content: [{ type: 'text', text: 'Hi' }] }] }),
  );
  assert.equal(got.choices[0].message.content, 'You said: Hi');
  assert.equal(got.choices[0].finish_reason, 'stop');
  assert.deepEqual(got.usage, { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 });
});

test('streams, with usage at the end', async () => {
  const stream = await client().chat.completions.create(ask('test-slow', { stream: true, stream_options: { include_usage: true } }));
  let text = '';
  let pieces = 0;
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? '';
    pieces++;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, 'You said: Hello there friend');
  assert.ok(pieces > 5);
  assert.equal(usage.total_tokens, 8);
});

test("the client's own helper for streams agrees", async () => {
  const final = await client().chat.completions.stream(ask('gpt-4o')).finalChatCompletion();
  assert.equal(final.choices[0].message.content, 'You said: Hello there friend');
});

test('caps the answer', async () => {
  for (const cap of [{ max_tokens: 2 }, { max_completion_tokens: 2 }]) {
    const got = await client().chat.completions.create(ask('gpt-4o-mini', cap));
    assert.equal(got.choices[0].message.content, 'You said:');
    assert.equal(got.choices[0].finish_reason, 'length');
  }
});

test('embeds, in both encodings', async () => {
  const input = ['red shoes', 'red boots'];
  const packed = await client().embeddings.create({ model: 'text-embedding-3-small', input });
  const plain = await client().embeddings.create({ model: 'text-embedding-3-small', input, encoding_format: 'float' });
  assert.equal(packed.data.length, 2);
  packed.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - plain.data[0].embedding[i]) < 1e-6));
});

test('fails in the ways that the client knows', async () => {
  const cases = [
    ['test-429', OpenAI.RateLimitError, 'rate_limit_exceeded'],
    ['test-no-credit', OpenAI.RateLimitError, 'insufficient_quota'],
    ['test-500', OpenAI.InternalServerError, undefined],
    ['test-wrong-key', OpenAI.AuthenticationError, 'invalid_api_key'],
    ['test-too-long', OpenAI.BadRequestError, 'context_length_exceeded'],
    ['test-echo-key', OpenAI.BadRequestError, undefined],
    ['no-such-model', OpenAI.NotFoundError, 'model_not_found'],
  ];
  for (const [model, kind, code] of cases) {
    await assert.rejects(client().chat.completions.create(ask(model)), (err) => {
      assert.ok(err instanceof kind, `${model}: ${err}`);
      assert.equal(err.code ?? undefined, code, model);
      return true;
    });
  }
  await assert.rejects(client({ apiKey: 'sk-other' }).models.list(), OpenAI.AuthenticationError);
  await assert.rejects(client().chat.completions.create(ask('gpt-4o', { surprise: 1 })), OpenAI.BadRequestError);
});

test("the client's retry ends well after a busy answer", async () => {
  const got = await client({ maxRetries: 2 }).chat.completions.create(ask('test-429-once'));
  assert.match(got.choices[0].message.content, /^You said/);
});

test('a stream that breaks off is an error', async () => {
  for (const model of ['test-broken', 'test-broken-error']) {
    await assert.rejects(async () => {
      const stream = await client().chat.completions.create(ask(model, { stream: true }));
      for await (const chunk of stream) assert.ok(chunk);
    }, model);
  }
});

test('an endless stream goes on until the client leaves', async () => {
  const stream = await client().chat.completions.create(ask('test-endless', { stream: true }));
  let pieces = 0;
  for await (const chunk of stream) {
    assert.ok(chunk);
    if (++pieces === 500) break;
  }
  assert.equal(pieces, 500);
});
