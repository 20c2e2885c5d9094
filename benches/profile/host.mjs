// A proxy-wasm host (ABI 0.2.1) for one module and one worker, which answers every call at once, with V8's own profiler.
//
// node host.mjs MODULE INPUT, where INPUT is JSON: the rules, and requests as HTTP/1.1 texts. What of a host the filter does not ask
// for with such requests is missing: a call of it answers that all is well.

import crypto from 'node:crypto';
import fs from 'node:fs';
import { Session } from 'node:inspector/promises';

const SECONDS = Number(process.env.PROFILE_SECONDS ?? 4);
const ROWS = 40;
const BATCH = 80;
const [OK, NOT_FOUND, MISMATCH] = [0, 1, 8];
const [ROOT, FIRST_STREAM] = [1, 10];
const ANSWER = Buffer.from('{"order":"o-1001","total":1999}\n');

const [modulePath, inputPath] = process.argv.slice(2);
const input = JSON.parse(fs.readFileSync(inputPath, 'utf8'));
const rules = Buffer.from(input.rules);

let guest, memory, stream, path;
const shared = new Map();
const calls = new Map();
let version = 0;
let metrics = 0;

const view = () => new DataView(memory.buffer);
const bytes = (at, size) => Buffer.from(memory.buffer, at, size);
const text = (at, size) => bytes(at, size).toString('latin1');
const number = (value) => { const field = Buffer.alloc(8); field.writeUInt32LE(value); return field; };
const writeNumber = (at, value) => { view().setUint32(at, value, true); return OK; };
const writeTime = (at) => { view().setBigUint64(at, BigInt(Date.now()) * 1_000_000n, true); return OK; };

// Hands bytes to the module, in memory that it allocates.
function give(value, dataAt, sizeAt) {
  if (value === undefined) return NOT_FOUND;
  const at = guest.proxy_on_memory_allocate(value.length);
  bytes(at, value.length).set(value);
  writeNumber(dataAt, at);
  return writeNumber(sizeAt, value.length);
}

const PROPERTIES = {
  'source\0address': Buffer.from('127.0.0.1:40000'),
  'response\0code': number(200),
  'response\0size': number(ANSWER.length),
  'response\0flags': number(0),
};

const HOST = {
  proxy_log: (level, at, size) => { if (level > 2) console.error(text(at, size)); return OK; },
  proxy_get_current_time_nanoseconds: writeTime,
  proxy_get_buffer_bytes: (kind, start, size, dataAt, sizeAt) => {
    const buffer = { 0: stream?.body, 1: ANSWER, 7: rules }[kind];
    return give(buffer?.subarray(start, start + (size >>> 0)), dataAt, sizeAt);
  },
  proxy_get_header_map_pairs: (map, dataAt, sizeAt) => give({ 0: stream.head, 2: ANSWER_HEAD }[map], dataAt, sizeAt),
  proxy_get_property: (at, size, dataAt, sizeAt) => give(PROPERTIES[text(at, size)], dataAt, sizeAt),
  proxy_get_shared_data: (at, size, dataAt, sizeAt, versionAt) => {
    const known = shared.get(text(at, size));
    if (known) writeNumber(versionAt, known.version);
    return give(known?.value, dataAt, sizeAt);
  },
  proxy_set_shared_data: (at, size, valueAt, valueSize, expected) => {
    const known = shared.get(text(at, size));
    if (known && expected !== 0 && known.version !== expected) return MISMATCH;
    shared.set(text(at, size), { value: Buffer.from(bytes(valueAt, valueSize)), version: ++version });
    return OK;
  },
  proxy_define_metric: (kind, at, size, idAt) => writeNumber(idAt, ++metrics),
  proxy_call_foreign_function: (at, size, argumentAt, argumentSize, dataAt, sizeAt) =>
    text(at, size) === 'verify_signature' ? give(verified(bytes(argumentAt, argumentSize)), dataAt, sizeAt) : NOT_FOUND,
  proxy_send_local_response: (status, at, size) => { throw new Error(`refused: ${status} ${text(at, size)}`); },
  random_get: (at, size) => { crypto.randomFillSync(bytes(at, size)); return OK; },
  environ_sizes_get: (countAt, sizeAt) => writeNumber(countAt, 0) || writeNumber(sizeAt, 0),
  clock_time_get: (clock, precision, at) => writeTime(at),
  portcullis_entry: (number) => { if (path) add(path.entered, number, 1); },
  portcullis_branch: (condition, number) => { if (path) add(condition ? path.taken : path.passed, number, 1); return condition; },
  proc_exit: (code) => { throw new Error(`the module ended with ${code}`); },
};

// Envoy's `verify_signature`: hash, key, signature and text, in protobuf.
function verified(message) {
  const fields = [];
  for (let at = 0; at < message.length;) {
    const field = message[at++] >> 3;
    let [size, shift] = [0, 0];
    do { size |= (message[at] & 0x7f) << shift; shift += 7; } while (message[at++] & 0x80);
    fields[field] = message.subarray(at, at += size);
  }
  const [, hash, key, signature, signed] = fields;
  const holds = crypto.verify(hash.toString(), signed, { key, format: 'der', type: 'spki' }, signature);
  return holds ? Buffer.from([8, 1]) : Buffer.alloc(0);
}

// The host's encoding of header fields.
function encoded(pairs) {
  const sizes = pairs.flatMap(([name, value]) => [name.length, value.length]);
  const table = Buffer.alloc(4 + 4 * sizes.length);
  [pairs.length, ...sizes].forEach((size, at) => table.writeUInt32LE(size, 4 * at));
  return Buffer.concat([table, Buffer.from(pairs.map(([name, value]) => `${name}\0${value}\0`).join(''), 'latin1')]);
}

const ANSWER_HEAD = encoded([[':status', '200'], ['content-type', 'application/json']]);

// A request as Envoy shows it.
function request(http) {
  const end = http.indexOf('\r\n\r\n');
  const [line, ...fields] = http.slice(0, end).split('\r\n');
  const [method, target] = line.split(' ');
  const sent = fields.map((field) => field.split(/: (.*)/s, 2)).filter(([name]) => name !== 'host');
  const pseudo = [[':authority', 'shop.example'], [':path', target], [':method', method], [':scheme', 'http']];
  const added = [['x-forwarded-proto', 'http'], ['x-request-id', crypto.randomUUID()]];
  const pairs = [...pseudo, ...sent, ...added];
  return { head: encoded(pairs), fields: pairs.length, body: Buffer.from(http.slice(end + 4)) };
}

// All that Envoy calls for one request.
function exchange(id, sent) {
  stream = sent;
  const hasBody = sent.body.length > 0;
  guest.proxy_on_context_create(id, ROOT);
  guest.proxy_on_request_headers(id, sent.fields, hasBody ? 0 : 1);
  if (hasBody) guest.proxy_on_request_body(id, sent.body.length, 1);
  guest.proxy_on_response_headers(id, 2, 0);
  guest.proxy_on_response_body(id, ANSWER.length, 1);
  guest.proxy_on_done?.(id);
  guest.proxy_on_log(id);
  guest.proxy_on_delete(id);
}

// A counter of its own in each call would be in the profile, so calls are counted beforehand.
function imports(module, counts) {
  const all = {};
  for (const { module: owner, name } of WebAssembly.Module.imports(module)) {
    const answer = HOST[name] ?? (() => OK);
    const counted = (...given) => { calls.set(name, (calls.get(name) ?? 0) + 1); return answer(...given); };
    (all[owner] ??= {})[name] = counts ? counted : answer;
  }
  return all;
}

function start(module, counts) {
  guest = new WebAssembly.Instance(module, imports(module, counts)).exports;
  memory = guest.memory;
  shared.clear();
  guest._initialize();
  guest.proxy_on_context_create(ROOT, 0);
  if (!guest.proxy_on_configure(ROOT, rules.length)) throw new Error('the rules were refused');
}

// Rust's names as they are written, without their hashes.
function readable(name) {
  let rest = /^_ZN(.*)17h[0-9a-f]{16}E$/.exec(name)?.[1];
  if (rest === undefined) return name;
  const parts = [];
  for (let size; (size = /^\d+/.exec(rest)?.[0]); rest = rest.slice(size.length + Number(size))) {
    parts.push(rest.slice(size.length, size.length + Number(size)));
  }
  return parts.join('::').replaceAll('..', '::').replaceAll('$LT$', '<').replaceAll('$GT$', '>').replaceAll('$u20$', ' ');
}

const add = (sums, name, amount) => sums.set(name, (sums.get(name) ?? 0) + amount);

function print(title, sums, count) {
  console.log(`\n${title}`);
  const rows = [...sums].sort(([, one], [, other]) => other - one).slice(0, ROWS);
  for (const [name, micros] of rows) console.log(`${(micros / count).toFixed(3).padStart(10)}  ${name}`);
}

const module = new WebAssembly.Module(fs.readFileSync(modulePath));
// Where a number is to be another one each time (`shapes.rs`), so many different requests are made beforehand.
const NUMBERED = 4096;
const requests = input.requests.flatMap((http) =>
  Array.from({ length: http.includes('{number}') ? NUMBERED : 1 }, (_, number) => request(http.replaceAll('{number}', String(number).padStart(8, '0')))));
let id = FIRST_STREAM;
const run = (count) => { for (let at = 0; at < count; at++) exchange(id++, requests[id % requests.length]); };

// Which way requests go through the module: what is entered, in the order of the first time, and how branches end (`layout.rs`).
if (process.env.PROFILE_PATH) {
  start(module, false);
  run(20 * BATCH);
  path = { entered: new Map(), taken: new Map(), passed: new Map() };
  run(10 * BATCH);
  const { entered, taken, passed } = path;
  console.log(JSON.stringify({ requests: 10 * BATCH, entered: [...entered], taken: Object.fromEntries(taken), passed: Object.fromEntries(passed) }));
  process.exit();
}

start(module, true);
run(BATCH);
calls.clear();
run(BATCH);
console.log('calls of the host for a request');
for (const [name, count] of calls) console.log(`${(count / BATCH).toFixed(2).padStart(10)}  ${name}`);

start(module, false);
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.setSamplingInterval', { interval: 50 });
// What is not profiled yet is compiled first.
for (const until = performance.now() + 1000; performance.now() < until;) run(BATCH);
await session.post('Profiler.start');
let [count, least] = [0, Infinity];
for (const until = performance.now() + 1000 * SECONDS; performance.now() < until;) {
  const began = performance.now();
  run(BATCH);
  least = Math.min(least, (performance.now() - began) * 1000 / BATCH);
  count += BATCH;
}
const { profile } = await session.post('Profiler.stop');

const nodes = new Map(profile.nodes.map((node) => [node.id, { ...node, name: readable(node.callFrame.functionName) }]));
for (const node of nodes.values()) for (const child of node.children ?? []) nodes.get(child).parent = node.id;
const [own, whole] = [new Map(), new Map()];
let inModule = 0;
profile.samples.forEach((sample, at) => {
  const micros = profile.timeDeltas[at];
  const isOfModule = ({ callFrame }) => callFrame.url.startsWith('wasm:');
  const node = nodes.get(sample);
  if (!isOfModule(node)) return;
  inModule += micros;
  add(own, node.name, micros);
  const callers = new Set();
  for (let caller = node; caller; caller = nodes.get(caller.parent)) if (isOfModule(caller)) callers.add(caller.name);
  for (const name of callers) add(whole, name, micros);
});
console.log(`\n${least.toFixed(2)} us for a request with this host, in the best of many runs; ${(inModule / count).toFixed(2)} in the module on average`);
print('us of a request in the function itself', own, count);
print('us of a request in the function and what it calls in the module', whole, count);
