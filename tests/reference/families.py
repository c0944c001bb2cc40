#!/usr/bin/env python3
"""families.py - what the encoders of other families than CLIP compute, for the C tests.

SigLIP is transformers' SiglipModel; open_clip's CLIP, its adapters of a timm ViT and of a
BERT are open_clip's own classes (BiomedCLIP is the latter two). Writes

  tests/data/{siglip,open_clip,biomed}_tiny/   model folders, every weight drawn wide enough
                                               that a mistake in any layer shows
  tests/data/towers_{siglip,open_clip,biomed}.safetensors, of those models:
    pixels, ids I32 [3 x max_tokens], length I32 [3], image_features, text_features,
    d_image, d_text, grad.NAME                 as in towers.py
  tests/data/open_clip_pixels.safetensors      what open_clip's image_transform makes of pictures
  tests/data/families_full.safetensors, of the published sizes with 1000 words and weights
  by a formula: NAME.image and NAME.text [2 x dim], NAME of siglip, open_clip, biomed;
  given as arguments, only these are made anew

SigLIP's texts are padded to max_tokens with the pad token and computed whole, BERT's
padding is masked.

SPDX-License-Identifier: Apache-2.0
"""
import json
import sys

import numpy as np
import open_clip
import timm
import torch
from open_clip.hf_model import HFTextEncoder
from open_clip.timm_model import TimmModel
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.models.vision_transformer import VisionTransformer
from transformers import BertConfig, SiglipConfig, SiglipModel

from towers import DATA, formula, save, spread


# ---- The models -----------------------------------------------------------------

class Custom(torch.nn.Module):
    """The two towers of open_clip's CustomTextCLIP, under its names."""

    def __init__(self, visual, text):
        super().__init__()
        self.visual, self.text = visual, text
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.6592))

    def encode_image(self, x):
        return self.visual(x)

    def encode_text(self, x):
        return self.text(x)


@timm.models.register_model
def vit_base_patch4_12(pretrained=False, **kwargs):
    """A tiny ViT that timm makes by its name."""
    vit = VisionTransformer(img_size=12, patch_size=4, embed_dim=16, depth=2, num_heads=2,
                            mlp_ratio=2)
    vit.default_cfg = {}
    return vit


def siglip(vision, text):
    return SiglipModel(SiglipConfig(text_config=text, vision_config=vision))


def biomed(vit, bert, dim):
    text = HFTextEncoder("", output_dim=dim, config=BertConfig(**bert), proj="mlp",
                         pooler_type="cls_last_hidden_state_pooler")
    text.transformer.pooler = None      # as with pretrained towers of this pooler type
    return Custom(TimmModel(vit, dim, pool="", proj="linear"), text)


def image_features(model, pixels):
    if isinstance(model, SiglipModel):
        return model.get_image_features(pixel_values=pixels)
    return model.encode_image(pixels)


def text_features(model, ids):
    if isinstance(model, SiglipModel):
        return model.get_text_features(input_ids=ids)
    return model.encode_text(ids)


def draw(model, seed):
    rnd = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=rnd)
            mean, std = spread(name, p.shape)
            p.copy_(mean + 2 * std * noise if len(p.shape) <= 1 else mean + std * noise)
    return model.eval()


# ---- Tiny -----------------------------------------------------------------------

SIGLIP_VISION = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=2,
                     num_attention_heads=3, image_size=12, patch_size=4)
SIGLIP_TEXT = dict(vocab_size=40, hidden_size=12, intermediate_size=28, num_hidden_layers=2,
                   num_attention_heads=2, max_position_embeddings=9, pad_token_id=1,
                   bos_token_id=2, eos_token_id=1)
OWN_VISION = dict(image_size=12, patch_size=4, width=12, layers=2, head_width=4, mlp_ratio=2.0)
OWN_TEXT = dict(context_length=9, vocab_size=40, width=16, heads=2, layers=2)
BERT = dict(vocab_size=40, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
            intermediate_size=20, max_position_embeddings=14, pad_token_id=0)


def write_open_clip(model, folder, config):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {k: v.detach().contiguous().clone() for k, v in model.state_dict().items()}
    path = folder / "open_clip_model.safetensors"
    save_file(state, path, metadata={"format": "pt"})
    path.chmod(0o644)


def texts(vocab, most, pad, end, rnd):
    """Three texts: one that fills its row, one of a word, one in between."""
    ids = torch.full((3, most), pad, dtype=torch.int64)
    length = torch.tensor([most, 3, 5])
    for i, n in enumerate(length):
        ids[i, :n] = torch.randint(3, vocab - 2, (int(n),), generator=rnd)
        ids[i, n - 1] = end
    return ids, length


def golden(name, model, pad, end, most, vocab, seed):
    rnd = torch.Generator().manual_seed(seed)
    pixels = torch.randn((3, 3, 12, 12), generator=rnd)
    ids, length = texts(vocab, most, pad, end, rnd)
    image, text = image_features(model, pixels), text_features(model, ids)
    d_image = torch.randn(image.shape, generator=rnd)
    d_text = torch.randn(text.shape, generator=rnd)
    ((d_image * image).sum() + (d_text * text).sum()).backward()
    out = dict(pixels=pixels, ids=ids, length=length, image_features=image, text_features=text,
               d_image=d_image, d_text=d_text)
    for k, p in model.named_parameters():
        out["grad." + k] = torch.zeros_like(p) if p.grad is None else p.grad
    save(DATA / f"towers_{name}.safetensors", out)
    print(name, image[0, :3], text[0, :3])


def tiny():
    model = draw(siglip(SIGLIP_VISION, SIGLIP_TEXT), 21)
    model.save_pretrained(DATA / "siglip_tiny", safe_serialization=True)
    (DATA / "siglip_tiny/model.safetensors").chmod(0o644)
    golden("siglip", model, pad=1, end=1, most=9, vocab=40, seed=31)

    config = dict(embed_dim=8, vision_cfg=OWN_VISION, text_cfg=OWN_TEXT)
    model = draw(open_clip.CLIP(8, OWN_VISION, OWN_TEXT), 22)
    write_open_clip(model, DATA / "open_clip_tiny", dict(
        model_cfg=config, preprocess_cfg=dict(mean=[0.5, 0.4, 0.3], std=[0.25, 0.2, 0.3],
                                              interpolation="bilinear", resize_mode="squash")))
    golden("open_clip", model, pad=0, end=39, most=9, vocab=40, seed=32)

    model = draw(biomed("vit_base_patch4_12", BERT, 10), 23)
    write_open_clip(model, DATA / "biomed_tiny", dict(
        model_cfg=dict(embed_dim=10, vision_cfg=dict(
            timm_model_name="vit_base_patch4_12", timm_model_pretrained=False, timm_pool="",
            timm_proj="linear", image_size=12, head_width=8), text_cfg=dict(
            hf_model_name="microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
            hf_tokenizer_name="microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
            hf_proj_type="mlp", hf_pooler_type="cls_last_hidden_state_pooler",
            context_length=9, heads=3)),
        preprocess_cfg=dict(mean=[0.48145466, 0.4578275, 0.40821073],
                            std=[0.26862954, 0.26130258, 0.27577711])))
    golden("biomed", model, pad=0, end=3, most=9, vocab=40, seed=33)


# ---- Preprocessing --------------------------------------------------------------

# widths and heights whose crop of 12 cannot be in the middle, odd either way
CROPS = [(45, 24), (24, 47), (31, 12), (12, 31), (13, 50), (50, 13), (17, 64), (9, 40)]


def preprocess():
    """pixels [8 x 3 x 12 x 12] of preprocess.py's pattern, as open_clip prepares them."""
    y, x, c = np.meshgrid(np.arange(64, dtype=np.uint32), np.arange(64, dtype=np.uint32),
                          np.arange(3, dtype=np.uint32), indexing="ij")
    h = x * np.uint32(374761393) + y * np.uint32(668265263) + c * np.uint32(2246822519)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    v = x * np.uint32(5) + y * np.uint32(3) + c * np.uint32(40)
    pattern = ((v + ((h >> np.uint32(24)) & np.uint32(63))) & np.uint32(255)).astype(np.uint8)
    run = open_clip.image_transform(12, is_train=False)
    out = [run(Image.fromarray(pattern[:height, :width].copy())) for width, height in CROPS]
    save(DATA / "open_clip_pixels.safetensors", dict(pixels=torch.stack(out)))


# ---- Full size ------------------------------------------------------------------

def full_ids(most, pad, ends):
    """A text of `most` tokens and one of 10: word i is 1 + 7 i mod 997."""
    ids = torch.full((2, most), pad, dtype=torch.int64)
    for row, n in ((0, most), (1, 10)):
        ids[row, :n] = 1 + 7 * torch.arange(n) % 997
        if ends:
            ids[row, n - 1] = 999
    return ids


def full_one(out, name, model, ids):
    model = model.eval()
    with torch.no_grad():
        for i, (k, p) in enumerate(sorted(model.named_parameters())):
            mean, std = spread(k, p.shape)
            p.copy_(formula(i, p.numel(), mean, std).reshape(p.shape))
        pixels = formula(1000, 2 * 3 * 224 * 224, 0, 1).reshape(2, 3, 224, 224)
        out[name + ".image"] = image_features(model, pixels)
        out[name + ".text"] = text_features(model, ids)
    print(name, out[name + ".image"][0, :3], out[name + ".text"][0, :3])


FULL = {
    "siglip": lambda: (siglip(dict(), dict(vocab_size=1000)), full_ids(64, 1, False)),
    "open_clip": lambda: (open_clip.CLIP(
        512, dict(image_size=224, layers=12, width=768, patch_size=32),
        dict(context_length=77, vocab_size=1000, width=512, heads=8, layers=12),
        quick_gelu=True), full_ids(77, 0, True)),
    "biomed": lambda: (biomed("vit_base_patch16_224", dict(vocab_size=1000), 512),
                       full_ids(256, 0, False)),
}


def full(names):
    """One model at a time is in memory, its library's own start is not waited for."""
    for name in ("kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_"):
        setattr(torch.nn.init, name, lambda p, *args, **kwargs: p)
    path = DATA / "families_full.safetensors"
    out = load_file(path) if path.exists() else {}
    for name in names:
        full_one(out, name, *FULL[name]())
        save(path, out)


def main():
    which = sys.argv[1:] or ["tiny", *FULL]
    if "tiny" in which:
        tiny()
        preprocess()
    if "preprocess" in which:
        preprocess()
    full([name for name in FULL if name in which])


if __name__ == "__main__":
    main()
