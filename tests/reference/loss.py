# loss.py - golden values of the contrastive losses and of AdamW, by PyTorch.
#
#   /opt/ref/bin/python tests/reference/loss.py
#
# writes tests/data/loss.bin and adamw.bin; the layouts are told by test_loss.c and test_optimizer.c.
#
# SPDX-License-Identifier: Apache-2.0
import math
import sys

import torch
import torch.nn.functional as F


def soft_targets(labels):
    same = (labels[:, None] == labels[None, :]).double()
    return same / same.sum(1, keepdim=True)


def contrastive(image, text, labels, log_scale):
    s = log_scale.exp() * F.normalize(image, dim=1) @ F.normalize(text, dim=1).T
    p = soft_targets(labels)
    return (F.cross_entropy(s, p) + F.cross_entropy(s.T, p)) / 2


def two_views(a, b, temperature):
    u = F.normalize(torch.cat([a, b]), dim=1)
    n = len(a)
    s = (u @ u.T / temperature).masked_fill(torch.eye(2 * n, dtype=torch.bool), -math.inf)
    return F.cross_entropy(s, torch.arange(2 * n).roll(n))


def write_loss(path):
    torch.manual_seed(7)
    n, d = 10, 12
    image = torch.randn(n, d).float().double().requires_grad_()
    text = torch.randn(n, d).float().double().requires_grad_()
    labels = torch.tensor([0, 1, 2, 1, 3, 0, 4, 5, 1, 6])
    log_scale = torch.tensor(2.6592).float().double().requires_grad_()
    out = [torch.tensor([n, d]), log_scale[None], image, text, labels]
    value = contrastive(image, text, labels, log_scale)
    out += [value[None], *torch.autograd.grad(value, [image, text, log_scale])]
    value = two_views(image, text, 0.1)
    out += [value[None], *torch.autograd.grad(value, [image, text])]
    flat = torch.cat([t.detach().float().reshape(-1) for t in out])
    flat.numpy().astype("<f4").tofile(path)


def write_adamw(path):
    """25 steps on a block of 300 floats of which the first 200 decay, lr falling."""
    torch.manual_seed(8)
    steps, n, decayed = 25, 300, 200
    start, grads = torch.randn(n), torch.randn(steps, n)
    a, b = start[:decayed].clone().requires_grad_(), start[decayed:].clone().requires_grad_()
    opt = torch.optim.AdamW([{"params": [a], "weight_decay": 0.1},
                             {"params": [b], "weight_decay": 0.0}],
                            lr=1e-2, betas=(0.9, 0.98), eps=1e-6)
    for i in range(steps):
        for group in opt.param_groups:
            group["lr"] = 1e-2 * (1 - i / steps)
        a.grad, b.grad = grads[i, :decayed].clone(), grads[i, decayed:].clone()
        opt.step()
    out = [start, grads.reshape(-1), a.detach(), b.detach()]
    torch.cat(out).numpy().astype("<f4").tofile(path)


folder = sys.argv[1] if len(sys.argv) > 1 else "tests/data"
write_loss(folder + "/loss.bin")
write_adamw(folder + "/adamw.bin")
