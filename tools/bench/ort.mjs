// ort.mjs - the other side of tools/bench/encode: ONNX Runtime on the files of make_onnx,
// rows as `radscout bench encode --json` prints them.
//
//   node ort.mjs FOLDER MODEL-NAME SECONDS THREADS IMAGE-SIZE PATCH MAX-TOKENS VOCAB EOS
//
// The module is looked for from the folder of NODE_PATH's caller: tools/bench/encode
// installs it into the cache and links it beside a copy of this file.
// SPDX-License-Identifier: Apache-2.0
import fs from 'node:fs';
import path from 'node:path';
import * as ort from 'onnxruntime-node';

const [folder, model, secondsArg, threadsArg, ...sizes] = process.argv.slice(2);
const [imageSize, patch, maxTokens, vocab, eos] = sizes.map(Number);
const seconds = Number(secondsArg);
const cores = Number(threadsArg);

// The same numbers as rs_bench_pixels and rs_bench_ids.
function pixels(batch) {
    const x = new Float32Array(batch * 3 * imageSize * imageSize);
    for (let i = 0; i < x.length; i++) x[i] = Math.fround(Math.fround((i % 255) / 128) - 1);
    return { pixels: new ort.Tensor('float32', x, [batch, 3, imageSize, imageSize]) };
}

function ids(batch, tokens) {
    const x = new BigInt64Array(batch * tokens);
    for (let i = 0; i < batch; i++)
        for (let j = 0; j < tokens; j++) {
            let id = (7 * i + 13 * j) % (vocab - 1);
            if (id === eos) id = 0;
            if (j === tokens - 1) id = eos === 2 ? vocab - 1 : eos;
            x[i * tokens + j] = BigInt(id);
        }
    return { ids: new ort.Tensor('int64', x, [batch, tokens]) };
}

function cosine(a, b) {
    let ab = 0, aa = 0, bb = 0;
    for (let i = 0; i < b.length; i++) { ab += a[i] * b[i]; aa += a[i] * a[i]; bb += b[i] * b[i]; }
    return ab / Math.sqrt(aa * bb);
}

async function row(session, tower, precision, threads, batch, tokens) {
    const feeds = tower === 'image' ? pixels(batch) : ids(batch, tokens);
    const first = (await session.run(feeds)).features.data;
    const runs = [];
    for (let all = 0; runs.length === 0 || all < seconds;) {
        const start = process.hrtime.bigint();
        await session.run(feeds);
        const took = Number(process.hrtime.bigint() - start) / 1e6;
        runs.push(took);
        all += took / 1e3;
    }
    runs.sort((a, b) => a - b);
    const ms = runs[Math.floor(runs.length / 2)];
    const out = {
        engine: 'onnxruntime', model, tower, precision, threads, batch, tokens,
        per_second: +(1e3 * batch / ms).toFixed(2), ms: +ms.toFixed(3),
        rss_mib: +(process.memoryUsage.rss() / 2 ** 20).toFixed(1),
    };
    if (batch === 1 && (tower === 'image' || tokens === Math.min(77, maxTokens))) {
        const ours = fs.readFileSync(path.join(folder, `${tower}.f32`));
        out.cosine_to_ours = +cosine(first, new Float32Array(ours.buffer, ours.byteOffset,
            ours.length / 4)).toFixed(6);
    }
    console.log(JSON.stringify(out));
}

const rows = (imageSize / patch) ** 2 + 1;
for (const threads of cores > 1 ? [1, cores] : [1])
    for (const precision of ['f32', 'int8'])
        for (const tower of ['image', 'text']) {
            const session = await ort.InferenceSession.create(
                path.join(folder, `${tower}-${precision}.onnx`),
                { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' });
            for (const tokens of tower === 'image' ? [rows] : [10, Math.min(77, maxTokens)])
                for (const batch of [1, 16, 32])
                    await row(session, tower, precision, threads, batch, tokens);
            await session.release();
        }
