// soak.mjs - a fixed rate of mixed requests to one server, for tools/bench/soak.
//
//   node soak.mjs URL PID MINUTES RATE CSV IMAGE...
//
// Requests begin at their times whatever became of those before (an open loop), so a server that
// slows down is not spared; only where 200 are under way is one left out, and counted. A sample of
// /proc/PID and /metrics goes to CSV every 10 s. What is printed: a line a minute, then what was
// asked and answered, and how memory and descriptors went after the warm-up (a tenth of the time,
// at most 10 minutes). Slopes are Theil and Sen's: the median of those between all pairs.
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';

const [url, pidArg, minutesArg, rateArg, csv, ...imageFiles] = process.argv.slice(2);
const { hostname: host, port } = new URL(url);
const pid = Number(pidArg), minutes = Number(minutesArg), rate = Number(rateArg);
const SAMPLE_MS = 10000, UNDER_WAY = 200, PATIENCE_MS = 30000;
const images = imageFiles.map((f) => fs.readFileSync(f));

let state = 1;                         // xorshift: the same run each time
function random(n) {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    return (state >>> 0) % n;
}
const one = (list) => list[random(list.length)];

// ---- What came of it -------------------------------------------------------------------------

const counts = new Map();              // kind -> Map(outcome -> n)
const wrong = new Map();               // "kind: outcome" -> [n, an example]
let ms = [], underWay = 0, leftOut = 0, begun = 0, everMs = [];

function tell(kind, outcome) {
    if (!counts.has(kind)) counts.set(kind, new Map());
    counts.get(kind).set(outcome, (counts.get(kind).get(outcome) ?? 0) + 1);
}

function judge(kind, outcome, good, example = '') {
    tell(kind, outcome);
    if (good) return;
    const key = `${kind}: ${outcome}`;
    if (!wrong.has(key)) wrong.set(key, [0, example.slice(0, 200)]);
    wrong.get(key)[0]++;
}

// ---- Requests through node's client -----------------------------------------------------------

const agent = new http.Agent({ keepAlive: true, maxSockets: 64, timeout: 20000 });

function ask(kind, method, path, { headers = {}, body, want = [200], then, again = true } = {}) {
    const start = performance.now();
    const req = http.request({ agent, host, port, method, path, headers: {
        ...(body ? { 'Content-Length': Buffer.byteLength(body) } : {}), ...headers } }, (res) => {
        const parts = [];
        res.on('data', (b) => parts.push(b));
        res.on('end', () => {
            const all = Buffer.concat(parts);
            underWay--;
            ms.push(performance.now() - start);
            judge(kind, res.statusCode, want.includes(res.statusCode), all.toString());
            if (then && want.includes(res.statusCode)) then(res, all);
        });
        res.on('error', () => {});
    });
    underWay++;
    req.setTimeout(PATIENCE_MS, () => req.destroy(new Error('no answer')));
    req.on('error', (e) => {
        underWay--;
        if (req.reusedSocket && e.code === 'ECONNRESET' && again)      // closed as we wrote
            ask(kind, method, path, { headers, body, want, then, again: false });
        else
            judge(kind, e.code ?? e.message, false, `${method} ${path}`);
    });
    req.end(body);
}

const post = (kind, path, o, more = {}) => ask(kind, 'POST', path, { body: JSON.stringify(o), ...more,
    headers: { 'Content-Type': 'application/json', ...more.headers } });

function form(parts) {                 // [name, bytes, file name?]
    const out = [];
    for (const [name, bytes, file] of parts)
        out.push(`--soak\r\nContent-Disposition: form-data; name="${name}"${file
            ? `; filename="${file}"\r\nContent-Type: image/png` : ''}\r\n\r\n`, bytes, '\r\n');
    out.push('--soak--\r\n');
    return { body: Buffer.concat(out.map((b) => Buffer.from(b))),
        headers: { 'Content-Type': 'multipart/form-data; boundary=soak' } };
}

// ---- Requests by hand -------------------------------------------------------------------------

// Writes pieces with pauses; the status of the first answer, or 0 where the connection is closed
// without one, goes to done(status, text). `leave`: go away after so many ms, however it stands.
function raw(pieces, { leave, reset = false, pause = 0, done = () => {} }) {
    const s = net.connect(Number(port), host);
    let text = '', over = false;
    const finish = (status) => {
        if (over) return;
        over = true;
        underWay--;
        if (reset) s.resetAndDestroy(); else s.destroy();
        done(status, text);
    };
    underWay++;
    s.setTimeout(PATIENCE_MS, () => finish('no answer'));
    s.on('error', () => finish(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0)));
    s.on('data', (b) => {
        if (text.length < 4096) text += b.toString('latin1');
        if (leave === undefined && text.includes('\r\n\r\n')) finish(Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0));
    });
    s.on('close', () => finish(0));
    let i = 0;
    const next = () => {
        if (over || i === pieces.length) return;
        s.write(pieces[i++]);
        if (pause) setTimeout(next, pause); else next();
    };
    s.on('connect', next);
    if (leave !== undefined) setTimeout(() => finish('gone'), leave);
}

const HEAD = `Host: localhost:${port}\r\n`;
const SEARCH = '{"text": "left pleural effusion"}';
const searchHead = `POST /v1/search HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\n`
    + `Content-Length: ${SEARCH.length}\r\n\r\n`;
const malformed = [                    // bytes, the status that they deserve
    ['GET\r\n\r\n', 400], ['GET / HTTP/1.1\r\n\r\n', 400], [`GET / HTTP/9.9\r\n${HEAD}\r\n`, 505],
    [`BREW /v1/stats HTTP/1.1\r\n${HEAD}\r\n`, 501], ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    [`GET /v1/stats HTTP/1.1\r\n${HEAD}Host: b\r\n\r\n`, 400],
    [`GET /v1/stats HTTP/1.1\r\n${HEAD}X: a\r\n b\r\n\r\n`, 400],
    [`GET /${'a'.repeat(20000)} HTTP/1.1\r\n${HEAD}\r\n`, 414],
    [`GET /v1/stats HTTP/1.1\r\n${HEAD}X: ${'a'.repeat(70000)}\r\n\r\n`, 431],
    [`POST /v1/search HTTP/1.1\r\n${HEAD}Content-Length: 99999999999\r\n\r\n`, 413],
    [`POST /v1/search HTTP/1.1\r\n${HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    [`POST /v1/search HTTP/1.1\r\n${HEAD}Transfer-Encoding: gzip\r\n\r\n`, 501],
    [`POST /v1/search HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    [`POST /v1/search HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\nContent-Length: 4\r\n\r\n{"te`, 400],
    [`POST /v1/search HTTP/1.1\r\n${HEAD}Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}`, 415],
    ['GET /v1/stats HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n', 421],
    [`GET /../../etc/passwd HTTP/1.1\r\n${HEAD}\r\n`, 400],
];

// ---- The mix ----------------------------------------------------------------------------------

const texts = ['left pleural effusion', 'no pneumothorax', 'pneumothorax', 'wrist fracture', 'hand radiograph',
    'normal chest radiograph', 'subdural haematoma', 'knee osteoarthritis', 'liver lesion', 'consolidation right',
    'mass of the left lung', 'brain tumour', 'oedema', 'dislocated finger', 'old fracture', 'cardiomegaly'];
const filters = ['modality:DX', 'modality:CT', 'sex:F and age:40..', 'not modality:MR', 'body_part:CHEST'];
const keys = [];                       // of cases with images that were hits before the start
const sent = [];                       // keys of our own that were put in
let etag = '"x"', sends = 0;

const caseUrl = (k) => `/v1/cases/${encodeURIComponent(k)}`;
const imageUrl = (k, rest = '') => `/v1/images/${encodeURIComponent(k)}/0${rest}`;
function learn(body) {
    for (const h of JSON.parse(body).hits)
        if (h.image && !keys.includes(h.case)) keys.push(h.case);
}
const aCase = () => `soak-${random(200)}`;
function aForm(key) {
    return form([['case', JSON.stringify({ ...(key ? { case_id: key } : {}), modality: 'DX', title: `sent ${sends++}`,
        report: `FINDINGS: ${one(texts)}. IMPRESSION: ${one(texts)}.` })], ['image', one(images), 'a.png']]);
}

// weight (in how many of the sum), kind, what is done; `route`: only where the server has it.
const mix = [
    [30, 'search words', () => post('search words', '/v1/search', { text: `${one(texts)} ${one(texts)}` })],
    [6, 'search filtered', () => post('search filtered', '/v1/search', { text: one(texts), filter: one(filters), k: 50, explain: true })],
    [6, 'search picture', () => ask('search picture', 'POST', '/v1/search', form([['image', one(images), 'a.png']]))],
    [3, 'search both', () => ask('search both', 'POST', '/v1/search', form([['image', one(images), 'a.png'], ['text', one(texts)]]))],
    [4, 'search like', () => post('search like', '/v1/search', { like: one(keys) })],
    [6, 'facets', () => ask('facets', 'GET', `/v1/facets?filter=${encodeURIComponent(one(filters))}`)],
    [8, 'case', () => ask('case', 'GET', caseUrl(one(keys)))],
    [2, 'case of none', () => ask('case of none', 'GET', '/v1/cases/nobody', { want: [404] })],
    [5, 'image', () => ask('image', 'GET', imageUrl(one(keys)), { then: (res) => { etag = res.headers.etag; } })],
    [6, 'image range', () => ask('image range', 'GET', imageUrl(one(keys)), { headers: { Range: `bytes=${random(50)}-${50 + random(500)}` }, want: [206] })],
    [1, 'image past end', () => ask('image past end', 'GET', imageUrl(one(keys)), { headers: { Range: 'bytes=999999999-' }, want: [416] })],
    [2, 'image known', () => ask('image known', 'GET', imageUrl(one(keys)), { headers: { 'If-None-Match': etag }, want: [200, 304] })],
    [2, 'stats', () => ask('stats', 'GET', '/v1/stats')],
    [1, 'description', () => ask('description', 'GET', '/v1/openapi.json', { headers: { 'Accept-Encoding': 'gzip' } })],
    [1, 'health', () => ask('health', 'GET', one(['/healthz', '/readyz']))],
    [2, 'ask', () => post('ask', '/v1/ask', { text: one(texts) })],
    [2, 'ask, streamed', () => post('ask, streamed', '/v1/ask', { text: one(texts) }, { headers: { Accept: 'text/event-stream' },
        then: (res, body) => judge('ask, streamed', 'done event', body.includes('event: done'), body.toString()) })],
    [1, 'context', () => post('context', '/v1/context', { text: one(texts) })],
    [2, 'events, dropped', () => raw([`GET /v1/events HTTP/1.1\r\n${HEAD}\r\n`], { leave: 500 + random(5000), reset: random(2) === 0,
        done: (s, text) => judge('events, dropped', s, text.startsWith('HTTP/1.1 200'), text) })],
    [3, 'gone', () => raw([searchHead + SEARCH], { leave: random(20), reset: random(2) === 0, done: (s) => tell('gone', s) })],
    [2, 'gone in the head', () => raw([searchHead.slice(0, 40)], { leave: random(3000), reset: random(2) === 0, done: (s) => tell('gone in the head', s) })],
    [2, 'gone in the body', () => raw([searchHead, SEARCH.slice(0, 9)], { leave: random(3000), done: (s) => tell('gone in the body', s) })],
    [2, 'gone in the answer', () => raw([`GET ${imageUrl(one(keys))} HTTP/1.1\r\n${HEAD}\r\n`], { leave: random(5), reset: true, done: (s) => tell('gone in the answer', s) })],
    [1, 'gone in an ask', () => raw([`POST /v1/ask HTTP/1.1\r\n${HEAD}Accept: text/event-stream\r\n${searchHead.slice(searchHead.indexOf('Content-Type'))}`
        + SEARCH], { leave: random(30), reset: true, done: (s) => tell('gone in an ask', s) })],
    [2, 'slow', () => raw([...(searchHead + SEARCH).match(/[^]{1,20}/g)], { pause: 100, done: (s, text) => judge('slow', s, s === 200, text) })],
    [6, 'malformed', () => { const [bytes, want] = one(malformed);
        raw([Buffer.from(bytes, 'latin1')], { done: (s, text) => judge('malformed', s, s === want,
            `wanted ${want} for ${JSON.stringify(bytes.slice(0, 90))}: ${text}`) }); }],
    [4, 'thumbnail', () => ask('thumbnail', 'GET', imageUrl(one(keys), '/thumbnail')), 'get /v1/images/{key}/{n}/thumbnail'],
    [1, 'display', () => ask('display', 'GET', imageUrl(one(keys), '/display')), 'get /v1/images/{key}/{n}/display'],
    [1, 'gray16', () => ask('gray16', 'GET', imageUrl(one(keys), '/gray16'), { want: [200, 415, 422] }), 'get /v1/images/{key}/{n}/gray16'],
    [2, 'similar', () => ask('similar', 'GET', `${caseUrl(one(keys))}/similar`), 'get /v1/cases/{key}/similar'],
    [1, 'case sent', () => ask('case sent', 'POST', '/v1/cases', { ...aForm(null), want: [200, 201],
        then: (res, body) => { const key = JSON.parse(body).case; if (key) sent.push(key); } }), 'post /v1/cases'],
    [2, 'case put', () => { const key = aCase(); ask('case put', 'PUT', caseUrl(key), { ...aForm(null), want: [200, 201],
        then: () => sent.push(key) }); }, 'put /v1/cases/{key}'],
    [3, 'case removed', () => ask('case removed', 'DELETE', caseUrl(sent.shift() ?? aCase()), { want: [204, 200, 404] }), 'delete /v1/cases/{key}'],
    [1, 'judgment', () => post('judgment', '/v1/judgments', { case: one(keys), query: { text: one(texts) }, verdict: 'relevant' }, { want: [200, 201] }), 'post /v1/judgments'],
    [1, 'judgments', () => ask('judgments', 'GET', '/v1/judgments?limit=10'), 'get /v1/judgments'],
];

// ---- Samples ----------------------------------------------------------------------------------

const samples = [];

async function sample() {
    let gauges = {};
    try {
        const r = await fetch(`${url}metrics`, { signal: AbortSignal.timeout(PATIENCE_MS) });
        for (const line of (await r.text()).split('\n')) {
            const m = /^(radscout_\w+) (\S+)$/.exec(line);
            if (m) gauges[m[1]] = Number(m[2]);
        }
        const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
        const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
        const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
        samples.push({ s: (performance.now() - begun) / 1000, rss_kib: number('VmRSS'), anon_kib: number('RssAnon'),
            threads: number('Threads'), fds: fs.readdirSync(`/proc/${pid}/fd`).length,
            cpu_s: (Number(stat[11]) + Number(stat[12])) / 100, queue: gauges.radscout_queue_depth,
            connections: gauges.radscout_connections, streams: gauges.radscout_event_streams,
            timeouts: gauges.radscout_timeouts_total, dropped: gauges.radscout_jobs_dropped_total, under_way: underWay });
        const last = samples.at(-1);
        if (samples.length === 1) fs.writeFileSync(csv, `${Object.keys(last).join(',')}\n`);
        fs.appendFileSync(csv, `${Object.values(last).map((x) => +Number(x).toFixed(2)).join(',')}\n`);
    } catch (e) {
        judge('sample', e.code ?? e.name, false, String(e.cause ?? e));
    }
}

const rank = (sorted, q) => sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] : NaN;
const sortedOf = (x) => [...x].sort((a, b) => a - b);

function slope(rows, key) {            // per hour
    const step = Math.ceil(rows.length / 1500), some = rows.filter((_, i) => i % step === 0), all = [];
    for (let i = 0; i < some.length; i++)
        for (let j = i + 1; j < some.length; j++)
            all.push((some[j][key] - some[i][key]) / (some[j].s - some[i].s) * 3600);
    return rank(sortedOf(all), 0.5);
}

function minute(n) {
    const x = sortedOf(ms), last = samples.at(-1) ?? {};
    everMs = everMs.length < 5e6 ? everMs.concat(ms) : everMs;
    ms = [];
    console.log(`${String(n).padStart(6)} ${String(x.length).padStart(8)} ${rank(x, 0.5)?.toFixed(1).padStart(8)} `
        + `${rank(x, 0.99)?.toFixed(1).padStart(8)} ${String(last.rss_kib).padStart(9)} ${String(last.anon_kib).padStart(9)} `
        + `${String(last.fds).padStart(5)} ${String(last.threads).padStart(7)} ${String(last.queue).padStart(5)}`);
}

function report() {
    console.log('\nasked, and what came of it');
    for (const [kind, outcomes] of counts)
        console.log(`  ${kind.padEnd(20)} ${[...outcomes].map(([o, n]) => `${o}: ${n}`).join(', ')}`);
    const x = sortedOf(everMs.concat(ms));
    console.log(`\np50 ${rank(x, 0.5).toFixed(1)} ms, p99 ${rank(x, 0.99).toFixed(1)} ms, slowest ${x.at(-1)?.toFixed(1)} ms`
        + ` of ${x.length}; left out for those under way: ${leftOut}`);
    const warm = Math.min(600, minutes * 6), rows = samples.filter((r) => r.s >= warm);
    if (rows.length > 1) {
        const hours = (rows.at(-1).s - rows[0].s) / 3600;
        console.log(`\nafter ${Math.round(warm)} s, ${rows.length} samples`);
        console.log(`${''.padEnd(12)} ${['first', 'median', 'last', 'most', 'an hour'].map((s) => s.padStart(10)).join('')}`);
        for (const key of ['rss_kib', 'anon_kib', 'fds', 'threads', 'connections', 'queue']) {
            const v = rows.map((r) => r[key]), s = sortedOf(v);
            console.log(`${key.padEnd(12)} ${[v[0], rank(s, 0.5), v.at(-1), s.at(-1)].map((n) => String(n).padStart(10)).join('')}`
                + `${slope(rows, key).toFixed(1).padStart(10)}`);
        }
        console.log(`processor: ${((rows.at(-1).cpu_s - rows[0].cpu_s) / hours / 36).toFixed(1)}% of one core`);
    }
    if (wrong.size) console.log('\nNOT AS IT HAD TO BE');
    for (const [key, [n, example]] of wrong) console.log(`  ${key}: ${n} times, as ${example}`);
}

// ---- Main -------------------------------------------------------------------------------------

const description = await (await fetch(`${url}v1/openapi.json`)).json();
const has = (route) => { const [method, path] = route.split(' '); return description.paths[path]?.[method] !== undefined; };
const used = mix.filter(([, , , route]) => !route || has(route));
const absent = mix.filter(([, , , route]) => route && !has(route)).map(([, , , route]) => route);
const wheel = used.flatMap(([weight, , act]) => Array(weight).fill(act));
if (absent.length) console.log(`not in this server: ${absent.join(', ')}`);

for (const text of texts)              // keys to ask for
    learn(await (await fetch(`${url}v1/search`, { method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ text, k: 50 }) })).text());
if (!keys.length) throw new Error('no case with an image was found');

console.log(`${minutes} minutes at ${rate} a second, ${used.length} kinds\n`);
console.log(`minute requests      p50      p99   RSS KiB  anon KiB   fds threads queue`);
begun = performance.now();
await sample();
let done = 0, minutesTold = 0;
const sampling = setInterval(sample, SAMPLE_MS);
const timer = setInterval(() => {
    const s = (performance.now() - begun) / 1000;
    while (done < s * rate) {
        done++;
        if (underWay >= UNDER_WAY) leftOut++;
        else one(wheel)();
    }
    while (minutesTold < Math.floor(s / 60)) minute(++minutesTold);
    if (s < minutes * 60) return;
    clearInterval(timer);
    clearInterval(sampling);
    setTimeout(async () => {           // what is under way may end
        await sample();
        report();
        process.exit(wrong.size ? 1 : 0);
    }, 8000);
}, 10);
