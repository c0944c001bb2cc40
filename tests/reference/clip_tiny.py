#!/usr/bin/env python3
"""clip_tiny.py - tiny random CLIP models in Hugging Face layout, for the C tests.

Writes tests/data/clip_tiny_{quick,gelu}/ with config.json and model.safetensors:
CLIPModel of the transformers library, seeded, every weight drawn wide enough that a
mistake in any layer shows (the library's own start leaves biases zero and norms one).

  quick   quick_gelu in both towers, eos_token_id 2 (the old spelling: the text is
          pooled at its largest id)
  gelu    gelu in both towers, eos_token_id 58 (the new spelling: pooled at the first
          end token), other sizes, layer_norm_eps 1e-6

and tests/data/clip_tiny_mixed/: the same numbers as `quick` in F32, F16 and BF16
shards named by model.safetensors.index.json.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"

QUICK = dict(
    text_config=dict(vocab_size=60, hidden_size=12, intermediate_size=32, num_hidden_layers=2,
                     num_attention_heads=2, max_position_embeddings=16, hidden_act="quick_gelu",
                     layer_norm_eps=1e-5, bos_token_id=0, eos_token_id=2, pad_token_id=1),
    vision_config=dict(hidden_size=16, intermediate_size=40, num_hidden_layers=2,
                       num_attention_heads=2, image_size=24, patch_size=8,
                       hidden_act="quick_gelu", layer_norm_eps=1e-5),
    projection_dim=8)

GELU = dict(
    text_config=dict(vocab_size=60, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
                     num_attention_heads=4, max_position_embeddings=12, hidden_act="gelu",
                     layer_norm_eps=1e-6, bos_token_id=57, eos_token_id=58, pad_token_id=1),
    vision_config=dict(hidden_size=12, intermediate_size=36, num_hidden_layers=3,
                       num_attention_heads=3, image_size=20, patch_size=5, hidden_act="gelu",
                       layer_norm_eps=1e-6),
    projection_dim=10)


def model_of(config, seed):
    """A CLIPModel whose every tensor is drawn from its own seeded normal."""
    model = CLIPModel(CLIPConfig(**config)).eval()
    rnd = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            noise = torch.randn(p.shape, generator=rnd)
            if name == "logit_scale":
                p.fill_(2.6592)
            elif "norm" in name and name.endswith("weight"):
                p.copy_(1 + 0.2 * noise)
            elif p.dim() <= 1:
                p.copy_(0.1 * noise)
            elif "embedding" in name and "patch" not in name:
                p.copy_(0.5 * noise)
            else:
                p.copy_(noise / p[0].numel() ** 0.5)
    return model


def save_mixed(model, folder):
    """The model in three shards of three dtypes, an integer buffer beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    kinds = [torch.float32, torch.float16, torch.bfloat16]
    shards = [{}, {}, {}]
    for i, (name, p) in enumerate(sorted(model.named_parameters())):
        shards[i % 3][name] = p.detach().to(kinds[i % 3]).contiguous()
    positions = torch.arange(model.config.text_config.max_position_embeddings)[None]
    shards[0]["text_model.embeddings.position_ids"] = positions
    where = {}
    for i, shard in enumerate(shards):
        name = f"model-{i + 1:05d}-of-00003.safetensors"
        save_file(shard, folder / name, metadata={"format": "pt"})
        where.update({k: name for k in shard})
    size = sum(t.numel() * t.element_size() for s in shards for t in s.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    for name, config, seed in [("quick", QUICK, 1), ("gelu", GELU, 2)]:
        model_of(config, seed).save_pretrained(DATA / f"clip_tiny_{name}", safe_serialization=True)
    save_mixed(model_of(QUICK, 1), DATA / "clip_tiny_mixed")


if __name__ == "__main__":
    main()
