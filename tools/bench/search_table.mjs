// search_table.mjs - rows of tools/bench/search as a table.
//   node search_table.mjs ROWS
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';

const rows = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n').map((l) => JSON.parse(l));
const shares = [...new Set(rows.map((r) => r.share))].sort((a, b) => b - a);
const lines = new Map();
for (const r of rows) {
    const key = `${r.engine} ${r.index} | ${r.effort || ''} | ${r.build_s.toFixed(1)} | ${r.disk_mib.toFixed(0)}`;
    if (!lines.has(key)) lines.set(key, new Map());
    lines.get(key).set(r.share, r);
}
console.log(`| recall, QPS, p50 / p99 ms | effort | build s | disk MiB | ${shares.map((s) => (s === 1
    ? 'no filter' : `${100 * s}% pass`)).join(' | ')} |`);
console.log(`|---|---:|---:|---:|${shares.map(() => '---:').join('|')}|`);
for (const [key, cells] of lines)
    console.log(`| ${key} | ${shares.map((s) => {
        const r = cells.get(s);
        return r ? `${r.recall_10.toFixed(3)}, ${r.per_second.toFixed(0)}, `
            + `${r.p50_ms.toFixed(3)} / ${r.p99_ms.toFixed(3)}` : '';
    }).join(' | ')} |`);
