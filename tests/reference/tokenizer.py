#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/data/tokenizer/strings.jsonl and digests.txt, made by the published tokenizer.

strings.jsonl   a string a line, as "text" or (bytes that JSON cannot hold) "hex", with
                its ids under the small vocabulary of this folder and under CLIP's own
digests.txt     a hash of the ids of each of 10,000 strings, whole and cut at 77: the
                captions of ../shared/data/roco_captions, then generated ones, which
                tests/embeddings/test_tokenizer.c generates again the same way

Needs ../shared/data and, under tests/data/tokenizer/small, the vocabulary that
`radscout vocab --size 900 --out tests/data/tokenizer/small tests/data/tokenizer/corpus.txt`
makes. CLIP's vocabulary is put together from its list of merges in a temporary folder.
"""
import gzip
import json
import os
import struct
import tempfile

from transformers import CLIPTokenizerFast

HERE = os.path.join(os.path.dirname(__file__), "..", "data", "tokenizer")
SHARED = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "data")
N_STRINGS = 10000
CONTEXT = 77


def clip_tokenizer():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    path = os.path.join(SHARED, "tokenizer", "bpe_simple_vocab_16e6.txt.gz")
    with gzip.open(path, "rt", encoding="utf-8") as f:
        merges = f.read().split("\n")[1:49152 - 256 - 2 + 1]
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(m.split()) for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as f:
            json.dump({t: i for i, t in enumerate(tokens)}, f)
        with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
            f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
        return load(folder)


def load(folder):
    return CLIPTokenizerFast(os.path.join(folder, "vocab.json"),
                             os.path.join(folder, "merges.txt"))


# ---- Self-made strings -------------------------------------------------------

def strings():
    words = ["don't", "it's", "we've", "I'LL", "he'd", "I'm", "they're", "DON'T", "'s", "''s",
             "'ſ", "'", "''", "x'", "'re'", "y'all've", "o'clock", "'tis", "'d've", "’s"]
    yield from words
    yield from (" ".join(words[i:i + 4]) for i in range(0, len(words), 4))
    for sign in "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~":
        yield from (sign, "a" + sign + "b", sign * 3 + " 1" + sign)
    yield from ["", " ", "\t\n\r", "  a  b  ", "a\u00a0b\u3000c\u2003d\u1680e\u0085f\u2028g\u202fh",
                "zero\u200bwidth\ufeffspace", "\v\f", "line\r\nline"]
    yield from ["0", "12", "3.5cm", "12x34", "1,000,000", "10%", "T2", "L4/L5", "H2O", "²³¹", "½", "Ⅷ",
                "٣٤", "①②", "१२", "𝟙𝟚", "1٣a"]
    yield from ["é", "e\u0301", "É", "E\u0301", "ÀÉÎÕÜ", "ß", "ẞ", "Ø", "Å", "\u212b", "\u2126", "Œuvre",
                "œdème", "größer", "ŉ", "ǅ", "ﬁﬂ", "ſt", "İstanbul", "I\u0307", "ı", "ΑΣ", "ΟΔΥΣΣΕΥΣ",
                "σς", "ΐ", "ЖЁЙ", "и\u0306", "Ⴀ", "Ა", "Ꭰ", "𐐀", "Ⅷ", "Ⓐ", "ＡＢＣ", "\u1e9b\u0323",
                "\u0344", "\u0958", "\u0f43", "\u2adc", "\u1d15e", "<\u0338", ">\u0338", "=\u0338"]
    yield from ["q\u0307\u0323", "q\u0323\u0307", "a\u0327\u0301\u0345", "a\u0345\u0301\u0327",
                "\u0301a", "\u0301", " \u0301", "1\u0301", "-\u0327\u0301", "a\u0315\u0300\u05ae\u0300b",
                "a\u0301\u0301\u0301", "x" + "\u0301\u0327" * 12, "e" + "\u0345\u0327\u0301" * 9 + "f",
                "o" + "\u0323" * 20 + "\u0302" * 20, "\u1100\u1161\u11a8", "각", "\u1100\u1161", "가\u11a8"]
    yield from ["漢字かな交じり文", "胸部X線写真", "한국어", "שלום עולם", "مرحبا بالعالم", "नमस्ते", "ภาษาไทย",
                "Ελληνικά", "Русский текст", "ქართული", "አማርኛ", "\u202eright to left\u202c"]
    yield from ["😀", "👩\u200d⚕️", "🏳️\u200d🌈", "🇩🇪🇫🇷", "👍🏽", "a😀b", "😀😀", "❤️", "™®©", "→←", "µg", "°C", "±5"]
    yield from ["\x00", "a\x00b", "\x01\x02\x1f", "\x7f", "\x80\x9f", "\x1b[31mred", "tab\tbed"]
    special = ["<|startoftext|>", "<|endoftext|>", "<|ENDOFTEXT|>", "<|StartOfText|>"]
    yield from special
    yield from ["a<|endoftext|>b", "<|endoftext|><|startoftext|>", "<|endoftext|>'s", "it<|endoftext|>'s",
                "<|endoftext|>\u0338", "\u0338<|endoftext|>", "<|endoftext", "<<|endoftext|>>",
                "<|end<|endoftext|>oftext|>", "<|endoftext|> <|endoftext|>", "<| endoftext |>", "</w>",
                "a</w> b</w>"]
    yield from ["\ue000\uf8ff", "\ufffd", "\uffff", "\U0010ffff", "\U000e0001", "\u0378"]
    yield from ["pneumothorax", "PNEUMOTHORAX", "Pneumothoraces", "no acute cardiopulmonary abnormality",
                "spiculated mass in the right upper lobe", "T2-weighted MRI", "Röntgenaufnahme der Hand",
                "épanchement pleural gauche", "BI-RADS 4", "(BI-RADS 4).", "effusion." * 3]
    yield from ["a" * n for n in (1, 2, 3, 4, 15, 16, 47, 48, 49, 50, 64, 100, 500)]
    yield from ["ab" * 40, "the" * 30, "-" * 70, "'" * 60, "é" * 40, "漢" * 40, "1" * 90, "a b " * 60,
                "effusion" * 12, "nopleuraleffusion" * 5, "in the " * 50]


def broken():
    """What is not UTF-8."""
    yield from [b"\xff", b"\xc3", b"a\xc3b", b"\xc3\xa9\xc3", b"\xe2\x82", b"\xe2\x82x", b"\xe2\x28\xa1",
                b"\xc0\xaf", b"\xc1\x81", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
                b"\xf0\x8f\xbf\xbf", b"\xf0\x9f\x98", b"\xf0\x9f\x98\xf0\x9f\x98\x80", b"\xf4\x90\x80\x80",
                b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80\x80\x80", b"\xfe\xff", b"caf\xe9 noir",
                b"\xe2<|endoftext|>", b"<|endof\xfftext|>", bytes(range(128, 256)), b"\xc3\x28\xa0\xa1"]


# ---- Generated strings: the C test holds the same lines of it ----------------

MASK = (1 << 64) - 1
RANGES = [(0x20, 560), (0x300, 112), (0x391, 57), (0x410, 64), (0x5d0, 27), (0x627, 36), (0x904, 54),
          (0x1100, 256), (0x2070, 32), (0x2160, 41), (0x3041, 86), (0x4e00, 20000), (0xac00, 11172),
          (0xfb00, 7), (0xff10, 75), (0x1d400, 80), (0x1f1e6, 26), (0x1f600, 80)]
SPACES = [" ", " ", " ", " ", "  ", "\t", "\n", "\u00a0"]
PIECES = ["<|endoftext|>", "<|startoftext|>", "n't", "'s", "'re", "'LL", "I'd", "X-ray", "\u0130", "\u03a3",
          "e\u0301", "\u200d", "\ufe0f", "effusion", "PNEUMOTHORAX", "5 mm"]


class Splitmix:
    def __init__(self, seed):
        self.s = seed

    def below(self, n):
        self.s = (self.s + 0x9e3779b97f4a7c15) & MASK
        z = self.s
        z = ((z ^ z >> 30) * 0xbf58476d1ce4e5b9) & MASK
        z = ((z ^ z >> 27) * 0x94d049bb133111eb) & MASK
        return (z ^ z >> 31) % n


def generated(seed):
    r = Splitmix(seed)
    out = b""
    for _ in range(1 + r.below(40)):
        kind = r.below(12)
        if kind < 4:
            for _ in range(1 + r.below(9)):
                upper = r.below(5) == 0
                out += bytes([(65 if upper else 97) + r.below(26)])
        elif kind < 7:
            out += SPACES[r.below(len(SPACES))].encode()
        elif kind == 7:
            out += PIECES[r.below(len(PIECES))].encode()
        elif kind < 10:
            first, n = RANGES[r.below(len(RANGES))]
            out += chr(first + r.below(n)).encode()
        elif kind == 10:
            out += bytes([r.below(256)])
        else:
            out += bytes([0x21 + r.below(31)])
    return out


def digest(*lists):
    h = 0xcbf29ce484222325
    for ids in lists:
        for byte in struct.pack(f"<{len(ids)}i", *ids):
            h = ((h ^ byte) * 0x100000001b3) & MASK
    return (h ^ h >> 32) & 0xffffffff


def main():
    clip, small = clip_tokenizer(), load(os.path.join(HERE, "small"))
    with open(os.path.join(HERE, "strings.jsonl"), "w", encoding="ascii") as f:
        for s in [*(s.encode() for s in strings()), *broken()]:
            text = s.decode("utf-8", "replace")
            plain = text.encode() == s and "\x00" not in text
            line = {"text": text} if plain else {"hex": s.hex()}
            line["small"] = small(text)["input_ids"]
            line["clip"] = clip(text)["input_ids"]
            f.write(json.dumps(line, separators=(",", ":")) + "\n")

    with open(os.path.join(SHARED, "roco_captions", "captions.jsonl"), encoding="utf-8") as f:
        texts = [json.loads(line)["text"] for line in f]
    texts += [generated(i).decode("utf-8", "replace") for i in range(N_STRINGS - len(texts))]
    whole = clip(texts)["input_ids"]
    cut = clip(texts, truncation=True, max_length=CONTEXT)["input_ids"]
    with open(os.path.join(HERE, "digests.txt"), "w", encoding="ascii") as f:
        f.write(f"{len(texts)} {sum(a != b for a, b in zip(whole, cut))}\n")
        for a, b in zip(whole, cut):
            f.write(f"{digest(a, b):08x}\n")


if __name__ == "__main__":
    main()
