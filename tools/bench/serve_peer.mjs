// serve_peer.mjs - LanceDB behind Node's http server, for tools/bench/serve.
//
//   node serve_peer.mjs build MODULES ARCHIVE FOLDER          tables of the archive's reports and
//                                                             vectors, three ways of indexing
//   node serve_peer.mjs serve MODULES FOLDER HOW PORT VECTORS answer POST /v1/search {"text": T}
//   node serve_peer.mjs overlap OURS THEIRS TEXTS             how alike two servers answer
//
// TEXTS is a file of the queries, one a line, VECTORS what `radscout encode --json` makes of them
// with the archive's model. MODULES is where @lancedb/lancedb and apache-arrow are installed. The vectors are those of
// the archive's catalog (read by sqlite3). LanceDB encodes nothing: a look-up in VECTORS stands in
// its place. What is asked is LanceDB's hybrid search as its documentation has it:
// nearest vectors by cosine and its FTS index (Index.fts(), the defaults), fused by its
// RRFReranker (k = 60), ten rows. HOW is the vector index: "none" (every vector is compared),
// "ivf_pq" or "ivf_hnsw_sq", each with the defaults for its size.
// SPDX-License-Identifier: Apache-2.0
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import readline from 'node:readline';
import { createRequire } from 'node:module';

const K = 10, PART = 20000, WAYS = ['none', 'ivf_pq', 'ivf_hnsw_sq'];
const [what, ...args] = process.argv.slice(2);
const lines = (file) => fs.readFileSync(file, 'utf8').trim().split('\n');
const modules = (folder) => createRequire(path.join(path.resolve(folder), 'package.json'));

// ---- The table -----------------------------------------------------------------------------

function fields(archive) {             // "key|report|hex of the vector" a line, in their order
    const p = spawn('sqlite3', ['-readonly', path.join(archive, 'catalog.db'),
        `SELECT c.key, replace(c.report, '|', ' '), hex(v.vector) FROM cases c
         JOIN passages p ON p.case_id = c.id JOIN passage_vectors v ON v.id = p.id
         WHERE p.ordinal = 0 ORDER BY c.id`], { stdio: ['ignore', 'pipe', 'inherit'] });
    p.on('error', (e) => { throw e; });
    return readline.createInterface({ input: p.stdout, crlfDelay: Infinity });
}

function half(bytes) {                 // the catalog's vectors are IEEE binary16
    const x = new Float32Array(bytes.length / 2);
    for (let i = 0; i < x.length; i++) {
        const h = bytes.readUInt16LE(2 * i), e = (h >> 10) & 31, m = h & 1023;
        x[i] = (h & 0x8000 ? -1 : 1) * (e ? (1024 + m) * 2 ** (e - 25) : m * 2 ** -24);
    }
    return x;
}

function batch(arrow, rows) {
    const dim = rows[0].vector.length, x = new Float32Array(rows.length * dim);
    rows.forEach((r, i) => x.set(r.vector, i * dim));
    const item = new arrow.Field('item', new arrow.Float32(), true);
    const child = arrow.makeData({ type: new arrow.Float32(), length: x.length, nullCount: 0, data: x });
    const list = arrow.makeData({ type: new arrow.FixedSizeList(dim, item), length: rows.length,
        nullCount: 0, child });
    const utf8 = (key) => arrow.vectorFromArray(rows.map((r) => r[key]), new arrow.Utf8());
    return new arrow.Table({ id: utf8('id'), text: utf8('text'), vector: arrow.makeVector(list) });
}

async function build(where, archive, folder) {
    const require = modules(where);
    const lancedb = require('@lancedb/lancedb'), arrow = require('apache-arrow');
    const db = await lancedb.connect(folder);
    const tables = [];
    let rows = [];
    const put = async () => {
        const b = batch(arrow, rows);
        for (let i = 0; i < WAYS.length; i++) {
            if (tables[i]) await tables[i].add(b);
            else tables[i] = await db.createTable(WAYS[i], b);
        }
        rows = [];
    };
    for await (const line of fields(archive)) {
        const [id, text, hex] = line.split('|');
        rows.push({ id, text, vector: half(Buffer.from(hex, 'hex')) });
        if (rows.length === PART) await put();
    }
    if (rows.length) await put();
    if (!tables.length) throw new Error(`${archive} has no passages with vectors`);
    const kinds = { ivf_pq: lancedb.Index.ivfPq, ivf_hnsw_sq: lancedb.Index.hnswSq };
    for (let i = 0; i < WAYS.length; i++) {
        await tables[i].createIndex('text', { config: lancedb.Index.fts() });
        if (kinds[WAYS[i]])
            await tables[i].createIndex('vector', { config: kinds[WAYS[i]]({ distanceType: 'cosine' }) });
        await tables[i].optimize();
    }
}


// ---- The server ----------------------------------------------------------------------------

async function serve(where, folder, how, port, vectorsFile) {
    const lancedb = modules(where)('@lancedb/lancedb');
    const table = await (await lancedb.connect(folder)).openTable(how);
    const rrf = await lancedb.rerankers.RRFReranker.create();
    const vectors = new Map(JSON.parse(fs.readFileSync(vectorsFile, 'utf8')).vectors
        .map((v) => [v.text, Float32Array.from(v.vector)]));
    for (const i of await table.listIndices()) await table.prewarmIndex(i.name);

    async function search({ text, weights }) {     // weights: vectors alone, for `overlap`
        const vector = vectors.get(text);
        if (!vector) throw new Error(`no vector of "${text}"`);
        const near = table.query().nearestTo(vector).distanceType('cosine');
        const rows = await (weights ? near : near.fullTextSearch(text).rerank(rrf))
            .select(weights ? ['id', 'text', '_distance'] : ['id', 'text']).limit(K).toArray();
        return { hits: rows.map((r, i) => ({ rank: i + 1, case: r.id, score: r._relevance_score, text: r.text })) };
    }
    http.createServer((req, res) => {
        const parts = [];
        req.on('data', (b) => parts.push(b));
        req.on('end', async () => {
            let status = 200, body;
            try {
                body = JSON.stringify(await search(JSON.parse(Buffer.concat(parts))));
            } catch (e) {
                status = 500;
                body = JSON.stringify({ detail: String(e) });
            }
            res.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
            res.end(body);
        });
    }).listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`));
}

// ---- What they answer ----------------------------------------------------------------------

async function answers(url, texts, more = {}) {
    const all = [];
    for (const text of texts) {
        const r = await fetch(`${url}v1/search`, { method: 'POST', body: JSON.stringify({ text, ...more }),
            headers: { 'Content-Type': 'application/json' } });
        if (r.status !== 200) throw new Error(`${url}: ${r.status} ${await r.text()}`);
        all.push((await r.json()).hits.map((h) => ({ id: h.case })));
    }
    return all;
}

// Reports of this collection are often word for word the same, and among equals either side
// may show any: beside the cases it is compared what their reports say, whether a hit has each
// word that was asked for, and what is nearest by vectors alone, where exact search leaves
// nothing to choose.
//
//   name, then tenths: hits with all words of the query, ours | theirs, then of their ten
//   those that are among ours: cases | reports | reports by vectors alone
async function overlap(ours, theirs, textsFile) {
    const texts = lines(textsFile);
    const a = await answers(ours, texts), b = await answers(theirs, texts);
    const alone = { weights: { bm25: 0, 'text-passage': 1 } };
    const near = [await answers(ours, texts, alone), await answers(theirs, texts, alone)];
    const report = new Map();
    for (const h of [a, b, ...near].flat(2)) {
        if (report.has(h.id)) continue;
        const r = await fetch(`${ours}v1/cases/${encodeURIComponent(h.id)}`);
        report.set(h.id, (await r.json()).report);
    }
    const words = (t) => t.toLowerCase().match(/[a-z]+/g);
    const share = (all, test) => {
        const n = all.flat().length;
        return (n ? all.reduce((sum, hits, i) => sum + hits.filter((h) => test(h, i)).length, 0) / n : 0).toFixed(2);
    };
    const asked = texts.map((t) => words(t).filter((w) => !['no', 'of', 'the'].includes(w)));
    const has = (h, i) => asked[i].every((w) => words(report.get(h.id)).includes(w));
    const shared = (mine, yours, key) => {         // as bags: an equal report counts once
        const left = mine.map((hits) => hits.map(key));
        return share(yours, (h, i) => {
            const at = left[i].indexOf(key(h));
            if (at >= 0) left[i].splice(at, 1);
            return at >= 0;
        });
    };
    const says = (h) => report.get(h.id);
    console.log([share(a, has), share(b, has), shared(a, b, (h) => h.id), shared(a, b, says),
        shared(...near, says)].join(' '));
}

await { build, serve, overlap }[what](...args);
