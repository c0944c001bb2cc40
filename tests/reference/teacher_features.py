# teacher_features.py - features of a manifest's images by an ImageNet encoder, to be
# distilled (config "distill"): one row a manifest line, in order.
#
#   python -m venv V && V/bin/pip install ai-edge-litert "numpy<2" pillow
#   V/bin/python tests/reference/teacher_features.py MODEL.tflite OUT.safetensors \
#       [--squash] MANIFEST.jsonl...
#
# The model is an int8 MobileNetV2 (TFLite, 224x224). Its last feature map [7x7x1280] is
# averaged in float: the file's own pooled features are rounded to 8 bits once more. An
# image is cut as the trained model sees it: the central square, or with --squash the
# whole image brought to a square. A row of zeros: test rows and images that cannot be
# read. About 60 images a second a core; all cores are used.
#
# SPDX-License-Identifier: Apache-2.0
import json
import multiprocessing
import os
import struct
import sys

import numpy as np
from PIL import Image

SIZE, DIM = 224, 1280
state = {}


def start(model, squash):
    from ai_edge_litert.interpreter import Interpreter
    it = Interpreter(model_path=model, num_threads=1, experimental_preserve_all_tensors=True)
    it.allocate_tensors()
    maps = [d for d in it.get_tensor_details() if list(d["shape"]) == [1, 7, 7, DIM]]
    state.update(it=it, map=maps[-1], input=it.get_input_details()[0]["index"], squash=squash)


def to_eight_bits(im):
    if im.mode in ("I;16", "I;16B", "I", "F"):
        a = np.asarray(im).astype(np.float64)
        span = a.max() - a.min()
        im = Image.fromarray(((a - a.min()) * (255 / span if span else 0)).astype(np.uint8))
    return im.convert("RGB")


def features(path):
    if path is None:
        return np.zeros(DIM, np.float16)
    try:
        im = to_eight_bits(Image.open(path))
    except OSError as e:
        print(f"skipped: {path}: {e}", file=sys.stderr)
        return np.zeros(DIM, np.float16)
    side = min(im.size)
    left, top = (im.width - side) // 2, (im.height - side) // 2
    box = None if state["squash"] else (left, top, left + side, top + side)
    im = im.resize((SIZE, SIZE), Image.BILINEAR, box=box, reducing_gap=None)
    it, where = state["it"], state["map"]
    it.set_tensor(state["input"], np.asarray(im, np.uint8)[None])
    it.invoke()
    scale, zero = where["quantization"]
    pooled = it.get_tensor(where["index"]).astype(np.float32).mean((0, 1, 2))
    return ((pooled - zero) * scale).astype(np.float16)


def rows(manifests):
    for manifest in manifests:
        with open(manifest) as f:
            for line in f:
                if line.strip():
                    r = json.loads(line)
                    yield None if r["split"] == "test" else \
                        os.path.join(os.path.dirname(manifest), r["image"])


def write(path, table):
    header = json.dumps({"features": {"dtype": "F16", "shape": list(table.shape),
                                      "data_offsets": [0, table.nbytes]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(path + ".tmp", "wb") as f:
        f.write(struct.pack("<Q", len(header)) + header + table.astype("<f2").tobytes())
    os.replace(path + ".tmp", path)


if __name__ == "__main__":
    args = [a for a in sys.argv[1:] if a != "--squash"]
    model, out, manifests = args[0], args[1], args[2:]
    paths = list(rows(manifests))
    with multiprocessing.Pool(initializer=start, initargs=(model, "--squash" in sys.argv)) as pool:
        table = np.stack(pool.map(features, paths, chunksize=64))
    write(out, table)
    known = int((table != 0).any(1).sum())
    print(f"{len(table)} rows, {known} with features")
