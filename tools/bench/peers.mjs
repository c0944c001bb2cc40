// peers.mjs - usearch and LanceDB for tools/bench/search, rows as `radscout bench search
// --json` prints them.
//
//   node peers.mjs usearch|usearch/PRECISION|lancedb DATA N DIM WORK
//
// usearch's JavaScript has no filter: as its users do, more are asked for and those that do
// not pass are left out. Times are of the processor, all threads of the process.
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const [what, data, nArg, dimArg, work] = process.argv.slice(2);
const [peer, only] = what.split('/');
const n = Number(nArg), dim = Number(dimArg), K = 10, RANKS = 1e6;
const shares = [1, 0.5, 0.1, 0.01, 0.0001];

const bytes = (name) => { const b = fs.readFileSync(path.join(data, name)); return b.buffer.slice(b.byteOffset, b.byteOffset + b.length); };
function floats(name, rows) {          // a file larger than one Buffer may be
    const x = new Float32Array(rows * dim);
    const fd = fs.openSync(path.join(data, name));
    const raw = new Uint8Array(x.buffer);
    for (let at = 0; at < raw.length;) at += fs.readSync(fd, raw, at, Math.min(1 << 28, raw.length - at), at);
    fs.closeSync(fd);
    return x;
}
const queries = fs.statSync(path.join(data, 'queries.f32')).size / 4 / dim;
const q = floats('queries.f32', queries);
const rank = new Uint32Array(bytes('rank.u32'));
const truth = new Map(shares.map((s) => [s, new Uint32Array(bytes(`truth-${s}.u32`))]));
const query = (i) => q.subarray(i * dim, (i + 1) * dim);

const cpu = () => { const c = process.cpuUsage(); return (c.user + c.system) / 1e6; };

// ask(i, share) gives rows; at most `seconds` are spent.
async function measure(ask, share, seconds) {
    const want = truth.get(share), ms = [];
    let hits = 0, all = 0, sum = 0;
    for (let i = 0; i < 3; i++) await ask(i, share);
    for (let i = 0; i < queries && (i < 10 || sum < seconds); i++) {
        const start = cpu();
        const got = await ask(i, share);
        const took = cpu() - start;
        ms.push(1e3 * took);
        sum += took;
        for (let k = 0; k < K; k++) {
            const row = want[i * K + k];
            if (row === 0xFFFFFFFF) continue;
            all++;
            hits += got.includes(row) ? 1 : 0;
        }
    }
    ms.sort((a, b) => a - b);
    return { share, recall_10: all ? +(hits / all).toFixed(4) : 1, per_second: +(ms.length / sum).toFixed(1),
        p50_ms: +ms[(ms.length - 1) >> 1].toFixed(4),
        p99_ms: +ms[Math.floor((ms.length - 1) * 0.99)].toFixed(4) };
}

function tell(index, effort, build, disk, m) {
    console.log(JSON.stringify({ engine: peer, index, n, dim, effort, ...m, build_s: +build.toFixed(2),
        rss_mib: +(process.memoryUsage.rss() / 2 ** 20).toFixed(1), disk_mib: +(disk / 2 ** 20).toFixed(1) }));
}

function sizeOf(folder) {
    let sum = 0;
    for (const e of fs.readdirSync(folder, { withFileTypes: true, recursive: true }))
        if (e.isFile()) sum += fs.statSync(path.join(e.path, e.name)).size;
    return sum;
}

async function usearch() {
    const { Index, MetricKind } = require('usearch');
    const x = floats('base.f32', n);
    const file = path.join(work, 'peer.usearch');
    const config = (quantization, ef) => ({ dimensions: dim, metric: MetricKind.Cos, quantization,
        connectivity: 32, expansion_add: 128, expansion_search: ef, multi: false });
    for (const kind of only ? [only] : ['f32', 'bf16', 'i8']) {
        const start = cpu();
        const made = new Index(config(kind, 64));
        for (let at = 0; at < n; at += 1000) {
            const m = Math.min(1000, n - at);
            made.add(BigUint64Array.from({ length: m }, (_, i) => BigInt(at + i)),
                x.subarray(at * dim, (at + m) * dim), 1);
        }
        const build = cpu() - start;
        made.save(file);
        let index, best, effort;
        const ask = (i, share) => {
            const k = share === 1 ? K : Math.min(n, Math.ceil(2 * K / share));
            const got = [];
            for (const key of index.search(query(i), k, 1).keys) {
                const row = Number(key);
                if (share === 1 || rank[row] < share * RANKS) got.push(row);
                if (got.length === K) break;
            }
            return got;
        };
        for (effort of [16, 32, 64, 128, 256, 512]) {
            index = new Index(config(kind, effort));
            index.load(file);
            best = await measure(ask, 1, 5);
            if (best.recall_10 >= 0.99) break;
        }
        tell(kind, effort, build, fs.statSync(file).size, best);
        for (const share of shares.slice(1, 4))
            tell(kind, effort, build, fs.statSync(file).size, await measure(ask, share, 5));
        fs.unlinkSync(file);
    }
}

async function lancedb() {
    const lancedb = require('@lancedb/lancedb');
    const arrow = require('apache-arrow');
    const folder = path.join(work, 'lance');
    const db = await lancedb.connect(folder);
    const part = 50000;
    const base = floats('base.f32', n);
    let table;
    const start = cpu();
    for (let at = 0; at < n; at += part) {
        const m = Math.min(part, n - at);
        const item = new arrow.Field('item', new arrow.Float32(), true);
        const child = arrow.makeData({ type: new arrow.Float32(), length: m * dim, nullCount: 0,
            data: base.slice(at * dim, (at + m) * dim) });
        const list = arrow.makeData({ type: new arrow.FixedSizeList(dim, item), length: m, nullCount: 0, child });
        const rows = new arrow.Table({ vector: arrow.makeVector(list),
            id: arrow.makeVector(Int32Array.from({ length: m }, (_, i) => at + i)),
            rank: arrow.makeVector(Int32Array.from(rank.subarray(at, at + m))) });
        if (table) await table.add(rows); else table = await db.createTable('v', rows);
    }
    await table.createIndex('vector', { config: lancedb.Index.hnswSq({ distanceType: 'cosine' }) });
    const build = cpu() - start, disk = sizeOf(folder);
    let effort, best;
    const ask = async (i, share) => {
        let s = table.search(query(i)).distanceType('cosine').ef(effort).refineFactor(4)
            .nprobes(20).select(['id', '_distance']).limit(K);
        if (share < 1) s = s.where(`rank < ${share * RANKS}`);
        return (await s.toArray()).map((r) => r.id);
    };
    for (effort of [64, 128, 256, 512]) {      // at least k times what is refined
        best = await measure(ask, 1, 5);
        if (best.recall_10 >= 0.99) break;
    }
    tell('ivf_hnsw_sq', effort, build, disk, best);
    for (const share of shares.slice(1))
        tell('ivf_hnsw_sq', effort, build, disk, await measure(ask, share, 5));
}

await { usearch, lancedb }[peer]();
