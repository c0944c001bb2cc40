// table.mjs - rows of tools/bench/encode as a table, ONNX Runtime beside radscout.
//   node table.mjs ROWS
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';

const rows = fs.readFileSync(process.argv[2], 'utf8').trim().split('\n').map((l) => JSON.parse(l));
const cells = new Map();
for (const r of rows) {
    const what = r.tower === 'image' ? 'images' : `texts of ${r.tokens} tokens`;
    const key = `${what} | ${r.threads} | ${r.batch}`;
    if (!cells.has(key)) cells.set(key, {});
    cells.get(key)[`${r.engine} ${r.precision}`] = r;
}
const columns = [...new Set(rows.map((r) => `${r.engine} ${r.precision}`))];
console.log(`| a second (ms a batch) | threads | batch | ${columns.join(' | ')} |`);
console.log(`|---|---:|---:|${columns.map(() => '---:').join('|')}|`);
for (const [key, row] of cells)
    console.log(`| ${key} | ${columns.map((c) => row[c]
        ? `${row[c].per_second.toFixed(1)} (${row[c].ms.toFixed(1)})` : '').join(' | ')} |`);
