"""preprocess.py - golden files for resizing, preprocessing and JPEG decoding.

Runs the published Python libraries (PIL, transformers' image processors) on pictures
that the C tests make by the same formula, and on a few tiny files, and writes

    tests/data/images/*          tiny files of every PIL mode; x.jpg with x.jpg.png = its pixels
    tests/data/preprocess/*.json processor configs in the spellings found in the wild
    tests/data/preprocess.json   digests and samples of what came out

    python3 tests/reference/preprocess.py        (from the project's root)

Made with Pillow 9.4, transformers 4.38.2, libjpeg-turbo 2.1.5.
SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os

import numpy as np
import PIL.Image as Image
from transformers import CLIPImageProcessor, SiglipImageProcessor, ViTImageProcessor

DATA = "tests/data"
FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR,
           "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS}


def pattern(width, height, channels, bits=8):
    """Slopes, edges where they wrap, and noise; test_preprocess.c has the same formula."""
    y, x, c = np.meshgrid(np.arange(height, dtype=np.uint32), np.arange(width, dtype=np.uint32),
                          np.arange(channels, dtype=np.uint32), indexing="ij")
    h = x * np.uint32(374761393) + y * np.uint32(668265263) + c * np.uint32(2246822519)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    v = x * np.uint32(5) + y * np.uint32(3) + c * np.uint32(40)
    if bits == 16:                       # a scanner's 12 bits with an offset
        v = (v * np.uint32(16) + (h >> np.uint32(24))) % np.uint32(4096) + np.uint32(900)
        return v[:, :, 0].astype(np.uint16)
    v = ((v + ((h >> np.uint32(24)) & np.uint32(63))) & np.uint32(255)).astype(np.uint8)
    return v[:, :, 0] if channels == 1 else v


def digest(a):
    return hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()


# ---- Resizing ---------------------------------------------------------------

RESIZES = [
    # width, height, channels, to width, to height
    (64, 48, 1, 32, 24), (64, 48, 1, 31, 23), (64, 48, 3, 20, 40), (33, 17, 1, 100, 90),
    (33, 17, 3, 99, 51), (5, 7, 1, 224, 313), (7, 1, 1, 1568, 224), (1, 9, 3, 16, 144),
    (1, 1, 1, 8, 8), (2, 2, 3, 3, 5), (500, 3, 1, 7, 3), (300, 200, 1, 1, 1),
    (640, 480, 1, 298, 224), (512, 512, 3, 224, 224), (40, 30, 3, 40, 15), (40, 30, 1, 20, 30),
]


def resizes():
    out = []
    for i, (w, h, c, tw, th) in enumerate(RESIZES):
        for j, (name, how) in enumerate(FILTERS.items()):
            if name == "nearest" and i % 2:
                continue
            a = np.asarray(Image.fromarray(pattern(w, h, c)).resize((tw, th), how))
            out.append({"width": w, "height": h, "channels": c, "to_width": tw, "to_height": th,
                        "resample": name, "sha256": digest(a),
                        "begins": [int(v) for v in a.reshape(-1)[:6]]})
    return out


# ---- Processor configs ------------------------------------------------------

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
HALF = [0.5, 0.5, 0.5]
OLD = {"do_center_crop": True, "do_normalize": True, "do_resize": True,
       "feature_extractor_type": "CLIPFeatureExtractor",
       "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "resample": 3}
NEW = {"do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True,
       "do_resize": True, "image_mean": CLIP_MEAN, "image_processor_type": "CLIPImageProcessor",
       "image_std": CLIP_STD, "resample": 3, "rescale_factor": 0.00392156862745098}


def square(n):
    return {"height": n, "width": n}


CONFIGS = {
    # as OpenAI published B/32, B/16 and L/14: numbers
    "clip_numbers": {**OLD, "crop_size": 224, "size": 224},
    # L/14 at 336
    "clip_336": {**OLD, "crop_size": 336, "size": 336},
    # later revisions and PubMedCLIP: objects beside the old type
    "clip_objects": {**OLD, "crop_size": square(224), "size": {"shortest_edge": 224},
                     "do_convert_rgb": True},
    "pubmed_clip": {**NEW, "feature_extractor_type": "CLIPFeatureExtractor",
                    "crop_size": square(224), "size": {"shortest_edge": 224}},
    # written by later libraries: names of keys and of the processor come along
    "clip_late": {**NEW, "crop_size": square(224), "size": {"shortest_edge": 224},
                  "processor_class": "CLIPProcessor",
                  "_valid_processor_keys": ["images", "do_resize", "size", "resample"]},
    "clip_empty": {},
    "clip_nulls": {"image_mean": None, "size": None, "crop_size": None, "resample": None},
    "small_128": {**NEW, "crop_size": square(128), "size": {"shortest_edge": 128}},
    "exact_size": {**NEW, "crop_size": {"height": 96, "width": 80},
                   "size": {"height": 100, "width": 90}},
    "crop_larger": {**NEW, "crop_size": {"height": 100, "width": 64},
                    "size": {"shortest_edge": 48}},
    "no_resize": {**NEW, "do_resize": False, "crop_size": {"height": 51, "width": 60}},
    "no_crop": {**NEW, "do_center_crop": False, "size": {"height": 72, "width": 64},
                "crop_size": square(224)},
    "bilinear_no_norm": {**NEW, "do_normalize": False, "resample": 2, "crop_size": square(64),
                         "size": {"shortest_edge": 70}},
    "lanczos_no_rescale": {**NEW, "do_rescale": False, "resample": 1, "crop_size": square(65),
                           "size": {"shortest_edge": 65}},
    "rescale_127": {**NEW, "rescale_factor": 0.00784313725490196, "crop_size": square(64),
                    "size": {"shortest_edge": 64}, "image_mean": [1.0, 1.0, 1.0],
                    "image_std": [1.0, 1.0, 1.0]},
    "siglip": {"do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": HALF,
               "image_processor_type": "SiglipImageProcessor", "image_std": HALF,
               "processor_class": "SiglipProcessor", "resample": 3,
               "rescale_factor": 0.00392156862745098, "size": square(224)},
    "vit_number": {"do_normalize": True, "do_resize": True,
                   "feature_extractor_type": "ViTFeatureExtractor", "image_mean": HALF,
                   "image_std": HALF, "resample": 2, "size": 224},
}


def processor(config):
    kind = config.get("image_processor_type") or config.get("feature_extractor_type") or "CLIP"
    cls = (SiglipImageProcessor if "Siglip" in kind else
           ViTImageProcessor if "ViT" in kind else CLIPImageProcessor)
    known = {k: v for k, v in config.items() if k.startswith(("do_", "image_m", "image_s", "size",
             "crop", "res")) and v is not None}
    return cls(**known)


# ---- Tiny files -------------------------------------------------------------

def files():
    """Name -> PIL image as it will be opened."""
    rgb = Image.fromarray(pattern(37, 29, 3))
    smooth = Image.fromarray(pattern(37, 29, 3) // 8 + np.arange(37, dtype=np.uint8)[None, :, None])
    grey = Image.fromarray(pattern(37, 29, 1))
    soft = smooth.convert("L")
    alpha = Image.fromarray(pattern(29, 37, 1).T.copy())
    rgba, la = rgb.copy(), grey.copy()
    rgba.putalpha(alpha)
    la.putalpha(alpha)
    palette = rgb.quantize(11)
    exif = Image.Exif()
    exif[0x0112] = 6                                    # rotated: must not be applied
    save = {
        "grey.png": (grey, {}), "rgb.png": (rgb, {}), "rgba.png": (rgba, {}), "la.png": (la, {}),
        "one_bit.png": (grey.point(lambda v: 255 * (v > 99)).convert("1"), {}),
        "palette.png": (palette, {}), "palette_clear.png": (palette, {"transparency": 3}),
        "palette_2.png": (rgb.quantize(3), {"bits": 2}), "rgb_clear.png":
        (rgb, {"transparency": (7, 8, 9)}),
        "grey.jpg": (soft, {"quality": 90}), "rgb_420.jpg": (smooth, {"quality": 85}),
        "rgb_444.jpg": (smooth, {"quality": 95, "subsampling": 0}),
        "progressive.jpg": (smooth, {"quality": 80, "progressive": True}),
        "rotated.jpg": (soft, {"quality": 70, "exif": exif.tobytes()}),
        "cmyk.jpg": (smooth.convert("CMYK"), {"quality": 90}),
        "wide.jpg": (Image.fromarray(pattern(200, 3, 1) // 4), {"quality": 60}),
    }
    for name, (im, options) in save.items():
        path = f"{DATA}/images/{name}"
        im.save(path, optimize=name.endswith("png"), **options)
        if name.endswith(".jpg"):
            opened = Image.open(path)
            (opened if opened.mode == "L" else opened.convert("RGB")).save(path + ".png",
                                                                          optimize=True)
    return sorted(save)


# ---- Processing -------------------------------------------------------------

SHAPES = [(320, 240, 3), (200, 333, 1), (64, 64, 1), (50, 51, 3), (7, 1, 1), (1, 40, 3)]


def scaled_by_range(a):
    lo, hi = int(a.min()), int(a.max())
    d = hi - lo
    return ((a.astype(np.int64) - lo) * 510 + d) // (2 * d)


def process(config_name, image, label):
    config = CONFIGS[config_name]
    p = processor(config)
    if image.mode != "RGB":
        image = image.convert("RGB")
    # a picture 1 or 3 pixels high would be taken for channels first
    values = p(image, return_tensors="np", input_data_format="channels_last").pixel_values[0]
    plain = p(image, do_rescale=False, do_normalize=False, return_tensors="np",
              input_data_format="channels_last").pixel_values[0]
    assert plain.min() >= 0 and plain.max() <= 255
    _, h, w = values.shape
    if p.to_dict().get("do_center_crop") and {"height": h, "width": w} != p.crop_size:
        return None         # 4.38 loses a row where it pads by an odd number; mended later
    spots = [(0, 0, 0), (1, h // 2, w // 2), (2, h - 1, w - 1), (0, h // 3, w // 4),
             (1, h - 1, 0), (2, 0, w - 1)]
    return {"config": config_name, **label, "out_height": h, "out_width": w,
            "sha256": digest(plain.astype(np.uint8)),
            "at": [[c, y, x, float(values[c, y, x])] for c, y, x in spots]}


def processes(names):
    out = []
    for config in CONFIGS:
        for w, h, c in SHAPES:
            image = Image.fromarray(pattern(w, h, c))
            out.append(process(config, image, {"width": w, "height": h, "channels": c, "depth": 8}))
    for w, h in ((64, 48), (97, 131)):
        image = Image.fromarray(scaled_by_range(pattern(w, h, 1, 16)).astype(np.uint8))
        out.append(process("small_128", image, {"width": w, "height": h, "channels": 1,
                                                "depth": 16}))
    for name in names:
        if name.endswith(".png"):
            out.append(process("bilinear_no_norm", Image.open(f"{DATA}/images/{name}"),
                               {"file": name}))
    return [row for row in out if row]


def main():
    os.makedirs(f"{DATA}/preprocess", exist_ok=True)
    os.makedirs(f"{DATA}/images", exist_ok=True)
    for name, config in CONFIGS.items():
        with open(f"{DATA}/preprocess/{name}.json", "w") as f:
            json.dump(config, f, indent=2)
            f.write("\n")
    golden = {"resize": resizes(), "process": processes(files())}
    with open(f"{DATA}/preprocess.json", "w") as f:
        f.write('{"resize": [\n' + ",\n".join(json.dumps(r) for r in golden["resize"]))
        f.write('\n], "process": [\n' + ",\n".join(json.dumps(r) for r in golden["process"]))
        f.write("\n]}\n")


main()
