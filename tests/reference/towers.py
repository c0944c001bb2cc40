#!/usr/bin/env python3
"""towers.py - what the CLIP towers of the transformers library compute, for the C tests.

Needs tests/data/clip_tiny_{quick,gelu}/ (clip_tiny.py). Writes

  tests/data/towers_{quick,gelu}.safetensors, of those models:
    pixels [3 x 3 x size x size], ids I32 [3 x max_tokens], length I32 [3]
    vision.hidden.I, text.hidden.I      the residual stream before layer I (and after the last)
    vision.probs.I, text.probs.I        attention of layer I, [3 x heads x rows x rows]
    image_features, text_features       projected, not normalised
    d_image, d_text                     a fixed loss: <d_image, image_features> +
                                        <d_text, text_features>
    grad.NAME                           its gradient by every parameter

  tests/data/layers.safetensors, single layers of torch on x [5 x 37] and dy:
    NAME.y and NAME.dx for gelu, quick_gelu, softmax (by row), layer_norm (g, b, eps 1e-5,
    also layer_norm.dg, .db)

  tests/data/adamw_steps.safetensors, ten steps of PyTorch's AdamW on `quick`:
    pixels [6 x ...], ids, length as above; a symmetric contrastive loss over the 6 pairs,
    logit_scale trained too
    hyper [5]        lr, beta1, beta2, eps, weight decay (of matrices only: rs_param.decay)
    loss [11]        before each step and after the last
    logit_scale [1]  after the last step
    last.NAME        three tensors after the last step

  tests/data/towers_full.safetensors: features of ViT-B/32, B/16 and L/14 shaped models
    whose parameters, pixels and texts come from a formula (formula() below; the same in
    tests/embeddings/formula.h), of 2 images and 2 texts each.

With the argument "full" only the last (needs 6 GB and a minute), with "tiny" only the rest.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"


def inputs(config, n, rnd):
    """n random images; n texts of different lengths, ended by the end token and padded."""
    v, t = config.vision_config, config.text_config
    pixels = torch.randn((n, 3, v.image_size, v.image_size), generator=rnd)
    old = t.eos_token_id == 2
    bos, eos = (t.vocab_size - 2, t.vocab_size - 1) if old else (t.bos_token_id, t.eos_token_id)
    ids = torch.full((n, t.max_position_embeddings), 1, dtype=torch.int64)
    length = torch.zeros(n, dtype=torch.int64)
    for i in range(n):
        words = [t.max_position_embeddings - 2, 1, 5, 3, 7, 2][i]
        ids[i, 0] = bos
        ids[i, 1:1 + words] = torch.randint(3, t.vocab_size - 3, (words,), generator=rnd)
        ids[i, 1 + words] = eos
        length[i] = words + 2
    return pixels, ids, length


def save(path, tensors):
    out = {}
    for k, v in tensors.items():
        v = v.detach().contiguous().clone()
        out[k] = v.to(torch.int32) if v.dtype == torch.int64 else v.to(torch.float32)
    save_file(out, path)
    path.chmod(0o644)


def features(model, pixels, ids):
    """As CLIPModel.get_*_features, with everything in between."""
    v = model.vision_model(pixel_values=pixels, output_hidden_states=True, output_attentions=True)
    t = model.text_model(input_ids=ids, output_hidden_states=True, output_attentions=True)
    return v, t, model.visual_projection(v[1]), model.text_projection(t[1])


def towers(name, seed):
    model = CLIPModel.from_pretrained(DATA / f"clip_tiny_{name}").eval()
    rnd = torch.Generator().manual_seed(seed)
    pixels, ids, length = inputs(model.config, 3, rnd)
    v, t, image, text = features(model, pixels, ids)
    d_image = torch.randn(image.shape, generator=rnd)
    d_text = torch.randn(text.shape, generator=rnd)
    out = dict(pixels=pixels, ids=ids, length=length, image_features=image, text_features=text,
               d_image=d_image, d_text=d_text)
    for tower, o in (("vision", v), ("text", t)):
        for i, h in enumerate(o.hidden_states):
            out[f"{tower}.hidden.{i}"] = h
        for i, p in enumerate(o.attentions):
            out[f"{tower}.probs.{i}"] = p
    ((d_image * image).sum() + (d_text * text).sum()).backward()
    for k, p in model.named_parameters():
        out["grad." + k] = torch.zeros_like(p) if p.grad is None else p.grad
    save(DATA / f"towers_{name}.safetensors", out)


# ---- Single layers --------------------------------------------------------------

def layers():
    rnd = torch.Generator().manual_seed(3)
    x = 3 * torch.randn((5, 37), generator=rnd)
    dy = torch.randn((5, 37), generator=rnd)
    g = (1 + 0.3 * torch.randn(37, generator=rnd)).requires_grad_()
    b = torch.randn(37, generator=rnd).requires_grad_()
    nn = torch.nn.functional
    out = dict(x=x, dy=dy, g=g, b=b)
    for name, f in [("gelu", nn.gelu), ("quick_gelu", lambda v: v * torch.sigmoid(1.702 * v)),
                    ("softmax", lambda v: torch.softmax(v, -1)),
                    ("layer_norm", lambda v: nn.layer_norm(v, (37,), g, b, 1e-5))]:
        v = x.clone().requires_grad_()
        y = f(v)
        (y * dy).sum().backward()
        out[name + ".y"], out[name + ".dx"] = y, v.grad
    out["layer_norm.dg"], out["layer_norm.db"] = g.grad, b.grad
    save(DATA / "layers.safetensors", out)


# ---- Ten steps ----------------------------------------------------------------

def decays(name, p):
    return p.dim() > 1 and not ("embedding" in name and "patch" not in name)


def contrastive(model, pixels, ids):
    _, _, image, text = features(model, pixels, ids)
    image = image / image.norm(dim=-1, keepdim=True)
    text = text / text.norm(dim=-1, keepdim=True)
    logits = model.logit_scale.exp() * text @ image.t()
    want = torch.arange(len(logits))
    ce = torch.nn.functional.cross_entropy
    return (ce(logits, want) + ce(logits.t(), want)) / 2


def adamw_steps():
    model = CLIPModel.from_pretrained(DATA / "clip_tiny_quick").eval()
    pixels, ids, length = inputs(model.config, 6, torch.Generator().manual_seed(7))
    lr, b1, b2, eps, decay = 1e-3, 0.9, 0.98, 1e-6, 0.2
    named = list(model.named_parameters())
    groups = [dict(params=[p for k, p in named if decays(k, p)], weight_decay=decay),
              dict(params=[p for k, p in named if not decays(k, p)], weight_decay=0.0)]
    opt = torch.optim.AdamW(groups, lr=lr, betas=(b1, b2), eps=eps)
    losses = []
    for _ in range(10):
        opt.zero_grad()
        loss = contrastive(model, pixels, ids)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    losses.append(contrastive(model, pixels, ids).item())
    out = dict(pixels=pixels, ids=ids, length=length, hyper=torch.tensor([lr, b1, b2, eps, decay]),
               loss=torch.tensor(losses), logit_scale=model.logit_scale.reshape(1))
    for k in ("vision_model.embeddings.patch_embedding.weight", "text_projection.weight",
              "text_model.encoder.layers.0.self_attn.q_proj.bias"):
        out["last." + k] = dict(named)[k]
    save(DATA / "adamw_steps.safetensors", out)
    print("losses", losses)


# ---- Full size ------------------------------------------------------------------

def formula(tensor, count, mean, std):
    """count floats of tensor number `tensor`: splitmix64's finaliser of
    (tensor << 40) + i, its top 24 bits as u in [0, 1), then mean + std sqrt(3) (2u - 1)."""
    out = np.empty(count, dtype=np.float32)
    step = 1 << 22
    for at in range(0, count, step):
        n = min(step, count - at)
        z = np.arange(at, at + n, dtype=np.uint64) + np.uint64(tensor << 40)
        with np.errstate(over="ignore"):
            z = (z + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
        u = (z >> np.uint64(40)).astype(np.float64) * 2.0 ** -24
        out[at:at + n] = (mean + std * np.sqrt(3.0) * (2 * u - 1)).astype(np.float32)
    return torch.from_numpy(out)


def spread(name, shape):
    """(mean, std) of a tensor by its name and shape."""
    if name == "logit_scale":
        return 2.6592, 0.0
    if ("norm" in name.lower() or "ln_" in name) and name.endswith("weight"):
        return 1.0, 0.1
    if len(shape) == 1:
        return 0.0, 0.05
    if ("embedding" in name and "patch" not in name) or "pos_embed" in name:
        return 0.0, 0.25
    return 0.0, (int(np.prod(shape)) / shape[0]) ** -0.5


# name: vision width, layers, heads; patch; text width, heads; dim
FULL = {"b32": (768, 12, 12, 32, 512, 8, 512),
        "b16": (768, 12, 12, 16, 512, 8, 512),
        "l14": (1024, 24, 16, 14, 768, 12, 768)}


def full_config(vw, vl, vh, patch, tw, th, dim):
    return CLIPConfig(
        text_config=dict(vocab_size=1000, hidden_size=tw, intermediate_size=4 * tw,
                         num_hidden_layers=12, num_attention_heads=th,
                         max_position_embeddings=77, hidden_act="quick_gelu",
                         bos_token_id=998, eos_token_id=999, pad_token_id=0),
        vision_config=dict(hidden_size=vw, intermediate_size=4 * vw, num_hidden_layers=vl,
                           num_attention_heads=vh, image_size=224, patch_size=patch,
                           hidden_act="quick_gelu"),
        projection_dim=dim)


def full():
    out = {}
    for name, shape in FULL.items():
        model = CLIPModel(full_config(*shape)).eval()
        with torch.no_grad():
            for i, (k, p) in enumerate(sorted(model.named_parameters())):
                mean, std = spread(k, p.shape)
                p.copy_(formula(i, p.numel(), mean, std).reshape(p.shape))
            pixels = formula(1000, 2 * 3 * 224 * 224, 0, 1).reshape(2, 3, 224, 224)
            # a text of 77 tokens and one of 10: word i is 1 + 7 i mod 997
            ids = torch.zeros((2, 77), dtype=torch.int64)
            for row, n in ((0, 77), (1, 10)):
                ids[row, :n] = 1 + 7 * torch.arange(n) % 997
                ids[row, 0], ids[row, n - 1] = 998, 999
            _, _, image, text = features(model, pixels, ids)
        out[name + ".image"], out[name + ".text"] = image, text
        print(name, image[0, :3], text[0, :3])
        del model
    save(DATA / "towers_full.safetensors", out)


def main():
    which = sys.argv[1] if len(sys.argv) > 1 else "all"
    if which in ("tiny", "all"):
        towers("quick", 11)
        towers("gelu", 12)
        layers()
        adamw_steps()
    if which in ("full", "all"):
        full()


if __name__ == "__main__":
    main()
