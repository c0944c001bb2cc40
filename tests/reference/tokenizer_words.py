#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tests/data/tokenizer_words: small Unigram and WordPiece vocabularies, and what the
published tokenizers make of strings with them.

spiece.model           Unigram with SentencePiece's nmt_nfkc, ids laid out as SigLIP's
vocab.txt              WordPiece
t5.json, odd.json      tokenizer.json files less what spiece.model holds (the C test puts
siglip.json            "vocab" and "precompiled_charsmap" back in)
strings.jsonl          a string a line ("text", or "hex" for bytes that JSON cannot hold)
                       with its ids by each tokenizer below
generated.txt          a line for each ten of 10,000 generated strings: a hash of their
                       ids by each; tests/embeddings/word_strings.h generates them again
captions.txt           the same for the captions of ../shared/data/roco_captions
tidy.jsonl             texts as open_clip tidies them, in its three ways
captions_tidy.txt      hashes of the captions' ids by bert after open_clip's "whitespace"
classes.txt            a hash of what BERT does with each code point

siglip   tokenizer.json as published for SigLIP: lower case, signs dropped, nmt_nfkc
spiece   SiglipTokenizer, which runs SentencePiece on spiece.model
t5       nmt_nfkc and Metaspace alone
odd      whatever else the files may ask for
bert     BertTokenizerFast, lower case; cased: without
The hashes are of each string's ids, then of those cut at 64.

Needs ../shared/data, `pip install sentencepiece==0.2.0 'protobuf<4' ftfy` and a folder that
`build/phantoms sample --cases 1200 --seed 1` has drawn: with --train the vocabularies
are trained anew from its reports, the texts of this repository and generated strings.
"""
import base64
import html
import json
import os
import string
import struct
import sys

import ftfy
import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)
from transformers import BertTokenizerFast, SiglipTokenizer
from transformers.convert_slow_tokenizer import import_protobuf

TOP = os.path.join(os.path.dirname(__file__), "..", "..")
HERE = os.path.join(TOP, "tests", "data", "tokenizer_words")
SHARED = os.path.join(TOP, "..", "shared", "data")
N_GENERATED = 10000
CONTEXT = 64
NAMES = ["siglip", "spiece", "t5", "odd", "bert", "cased"]


def path(name):
    return os.path.join(HERE, name)


# ---- Vocabularies ------------------------------------------------------------

def corpus():
    with open(os.path.join(TOP, "sample", "cases.jsonl"), encoding="utf-8") as f:
        for line in f:
            case = json.loads(line)
            yield from (case.get(k) or "" for k in ("title", "history", "findings", "impression"))
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "tests/README.md"):
        with open(os.path.join(TOP, name), encoding="utf-8") as f:
            yield from f.read().split("\n")
    for i in range(1500):
        yield generated(10**6 + i).decode("utf-8", "replace").replace("\n", " ").replace("\0", "")


def train():
    lines = [line for text in corpus() for line in text.split("\n") if line.strip()]
    lines = [s.translate(str.maketrans("", "", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")).lower()
             for s in lines[::2]] + lines[1::2]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=path("spiece"), model_type="unigram",
        vocab_size=1600, character_coverage=0.98, normalization_rule_name="nmt_nfkc",
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, hard_vocab_limit=False,
        minloglevel=2)
    os.remove(path("spiece.vocab"))
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator(lines, trainers.WordPieceTrainer(
        vocab_size=1500, limit_alphabet=250, show_progress=False,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    vocab = sorted(t.get_vocab().items(), key=lambda kv: kv[1])
    with open(path("vocab.txt"), "w", encoding="utf-8") as f:
        f.writelines(token + "\n" for token, _ in vocab)


# ---- Tokenizers --------------------------------------------------------------

def unigram(proto, normalizer, pre_tokenizer, eos=True):
    t = Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], 2))
    t.normalizer = normalizer
    t.pre_tokenizer = pre_tokenizer
    t.decoder = decoders.Metaspace()
    if eos:
        t.post_processor = processors.TemplateProcessing(single="$A </s>",
                                                         special_tokens=[("</s>", 1)])
    t.add_special_tokens([AddedToken(s, lstrip=True, rstrip=True, normalized=False, special=True)
                          for s in ("</s>", "<unk>")])
    return t


def tokenizers():
    proto = import_protobuf().ModelProto()
    with open(path("spiece.model"), "rb") as f:
        proto.ParseFromString(f.read())
    table = proto.normalizer_spec.precompiled_charsmap
    n = normalizers
    metaspace = pre_tokenizers.Metaspace(replacement="\u2581", add_prefix_space=True)
    siglip = unigram(proto, n.Sequence([
        n.Lowercase(), n.Replace(Regex(r"[!\"\#\$%\&'\(\)\*\+,\-\.:;=\?@\[\\\]\^_`\{\|\}\~]"), ""),
        n.Replace(Regex(r"\s+"), " "), n.Strip(), n.Precompiled(table),
        n.Replace(Regex(" {2,}"), " ")]), metaspace)
    t5 = unigram(proto, n.Precompiled(table), metaspace)
    odd = unigram(proto, n.Sequence([
        n.Nmt(), n.Sequence([n.Replace("``", '"'), n.Replace(Regex("[^\\S ]"), " "), n.NFKD()]),
        n.StripAccents(), n.NFKC(), n.Replace(Regex(r"\d{2}"), "#"), n.Strip(right=False),
        n.Replace("pneumothorax", "PTX"), n.Prepend("the "), n.Replace(Regex("  +"), "\u2581"),
        n.NFC(), n.NFD()]),
        pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(
            replacement="\u2581", add_prefix_space=True, prepend_scheme="first")]), eos=False)
    odd.add_tokens([AddedToken("[X]", normalized=True), AddedToken("[X]y", normalized=True),
                    AddedToken("Röntgen", normalized=True, rstrip=True)])
    for name, t in (("siglip", siglip), ("t5", t5), ("odd", odd)):
        root = json.loads(t.to_str())
        del root["model"]["vocab"]
        text = json.dumps(root, indent=1).replace(base64.b64encode(table).decode(), "")
        with open(path(name + ".json"), "w", encoding="ascii") as f:
            f.write(text + "\n")
    slow = SiglipTokenizer(path("spiece.model"))
    bert = BertTokenizerFast(path("vocab.txt"))
    cased = BertTokenizerFast(path("vocab.txt"), do_lower_case=False)
    return {
        "siglip": lambda s: siglip.encode(s).ids, "spiece": lambda s: slow(s)["input_ids"],
        "t5": lambda s: t5.encode(s).ids, "odd": lambda s: odd.encode(s).ids,
        "bert": lambda s: bert(s)["input_ids"], "cased": lambda s: cased(s)["input_ids"]}


def cut(ids, name):
    """What truncation to CONTEXT leaves."""
    end = 0 if name == "odd" else 1
    return ids if len(ids) <= CONTEXT else ids[:CONTEXT - end] + ids[-1:] * end


# ---- Strings -----------------------------------------------------------------

def strings():
    yield from ["", " ", "\t\n\r", "  a  b  ", "a\u00a0b\u3000c\u2003d\u1680e\u0085f\u2028g\u202fh",
                "zero\u200bwidth\ufeffspace\u200d", "\v\f", "line\r\nline", "\x1c\x1d a \x1e\x1f b"]
    for sign in "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'":
        yield from (sign, "a" + sign + "b", sign * 3 + " 1" + sign)
    yield from ["…", "–—", "«a»", "„a“", "’s", "¿a?", "、。", "·", "§5", "a\u2010b", "\u2e43\u2e5d", "\u166d"]
    special = ["</s>", "<unk>", "<pad>", "[SEP]", "[CLS]", "[UNK]", "[PAD]", "[MASK]"]
    for s in special:
        yield from (s, s.upper(), s.lower(), "a" + s + "b", "a " + s + " b", s + s, s + " " + s + "  ",
                    "  " + s + " x", "the lung" + s, s + ".", "." + s)
    yield from ["</s", "<</s>>", "</s>\u0338", "\u0338</s>", "<unk><unk>b<unk>", "[X]", "a[X]b", "[X]y[X]",
                "[x]", "Röntgen", "RÖNTGEN bild", "Ro\u0308ntgen  bild", "röntgen"]
    yield from ["\u2581", "\u2581a", "a\u2581b", "\u2581\u2581a \u2581b\u2581", "a \u2581", "\u2581</s>",
                " </s>", "\u2581 </s> b", ".</s>", "</s> \u2581"]
    yield from ["é", "e\u0301", "É", "E\u0301a\u0300", "ﬁﬂ ﬃ", "①⑫㍿", "ＦＵＬＬ　ｗｉｄｔｈ", "½ ¼", "x²", "µg", "Å Å",
                "\u1e9b\u0323", "ſ", "ẞ Straße", "İstanbul", "ΣΑΣ σας ς", "Ǆ ǅ", "№ ℡ ™", "㌀", "ﷺ", "\u0344",
                "①\u0301", "a\u0301\u0327\u0301", "q\u0307\u0323", "\u0301", " \u0301a", "e\u0301\u0301",
                "\u1100\u1161\u11a8", "각 한국어", "\u0915\u094d\u0937\u093f", "ก็ำ", "שָׁלוֹם", "العَرَبِيَّة"]
    yield from ["肺部 CT 检查", "胸部レントゲン", "漢字かな交じり文", "肺", "\u3400\U00020000\U0002b920\uf900", "한글肺abc",
                "Грудная клетка", "Ёлка Й", "Ελληνικά ά", "हिन्दी", "ภาษาไทย"]
    yield from ["😀", "👩\u200d⚕️", "🏳️\u200d🌈", "🇩🇪🇫🇷🇬", "👍🏽", "a😀b", "😀😀", "❤️", "™®©", "→←", "°C", "±5"]
    yield from ["\x00", "a\x00b", "\x01\x02\x1f", "\x7f", "\x80\x9f", "\x1b[31mred", "tab\tbed", "a\r\nb\r\r\n",
                "\u00ad", "a\u00adb", "\ue000\uf8ff", "\ufffd", "a\ufffdb", "\uffff", "\U0010ffff", "\U000e0001",
                "\u0378", "\ufeffa", "\u061c", "\u0890\u08e2", "\u1734\u111c9"]
    yield from ["pneumothorax", "PNEUMOTHORAX", "Pneumothoraces", "no acute cardiopulmonary abnormality",
                "No pleural effusion. The heart size is normal.", "Axial CT of the chest shows a 3.5 cm mass.",
                "T2-weighted MRI", "Röntgenaufnahme der Hand", "épanchement pleural gauche", "BI-RADS 4",
                "(BI-RADS 4).", "effusion." * 3, "There's a ``small'' apical pneumothorax; it's unchanged.",
                "a photo of a N/A.", "12 34 567", "<b>a</b> & c > d"]
    yield from ["a" * n for n in (1, 2, 3, 15, 16, 48, 99, 100, 101, 500)]
    yield from ["é" * 100, "é" * 101, "漢" * 40, "ab" * 60, "the" * 40, "-" * 70, "1" * 90, "a b " * 60,
                "effusion" * 13, "nopleuraleffusion" * 6, "in the " * 50, "the lung " * 40, "\u0301" * 30,
                "a" + "\u0301" * 40, "[SEP]" * 70, "</s>" * 70, "x </s>" * 40]


def broken():
    """What is not UTF-8."""
    yield from [b"\xff", b"\xc3", b"a\xc3b", b"\xc3\xa9\xc3", b"\xe2\x82x", b"\xed\xa0\x80", b"\xf0\x9f\x98",
                b"\xf4\x90\x80\x80", b"\x80\x80\x80", b"caf\xe9 noir", b"</s\xff>", b"\xe2\x96</s>\xe2",
                bytes(range(128, 256))]


MASK = (1 << 64) - 1
RANGES = [(0x20, 560), (0x300, 112), (0x391, 57), (0x410, 64), (0x5d0, 27), (0x627, 36), (0x904, 54),
          (0x1100, 256), (0x2000, 112), (0x2160, 41), (0x2460, 160), (0x3041, 86), (0x3300, 256),
          (0x4e00, 20000), (0xac00, 11172), (0xfb00, 7), (0xfe30, 32), (0xff01, 240), (0x1d400, 80),
          (0x1f1e6, 26), (0x1f600, 80)]
SPACES = [" ", " ", " ", " ", "  ", "\t", "\n", "\u00a0"]
PIECES = ["</s>", "<unk>", "[SEP]", "[MASK]", "[X]", "n't", "'s", "I'd", "X-ray", "\u0130", "\u03a3", "e\u0301",
          "\u200d", "\ufe0f", "effusion", "PNEUMOTHORAX", "5 mm", "the lung", "no pleural effusion", "\u2581",
          "\r\n", "lobe of the liver", "``", "R\u00f6ntgen"]


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
        kind = r.below(14)
        if kind < 4:
            for _ in range(1 + r.below(9)):
                upper = r.below(5) == 0
                out += bytes([(65 if upper else 97) + r.below(26)])
        elif kind < 7:
            out += SPACES[r.below(len(SPACES))].encode()
        elif kind < 9:
            out += PIECES[r.below(len(PIECES))].encode()
        elif kind < 12:
            first, n = RANGES[r.below(len(RANGES))]
            out += chr(first + r.below(n)).encode()
        elif kind == 12:
            out += bytes([r.below(256)])
        else:
            out += bytes([0x21 + r.below(31)])
    return out


# ---- What open_clip does first (its tokenizer.py, told in our words) -----------

def whitespace(text):
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return " ".join(text.split())


def canonicalize(text):
    text = whitespace(text).replace("_", " ")
    return " ".join(text.translate(str.maketrans("", "", string.punctuation)).lower().split())


def untidy():
    yield from ["", " ", " a  b ", "a\tb\nc\r\nd", "a\u00a0b\u3000c\u2028d", "No acute disease.", "X-ray_of (hand)"]
    yield from ["\u2018a\u2019 \u201cb\u201d \u201e \u201ac", "patient\u2019s", "\u02bcn", "it's \"so\"", "5\u2032 6\u2033"]
    yield from ["a &amp; b", "a &lt; b &gt; c", "&lt;b&gt;x", "<b>a &amp; b</b>", "&amp;lt;", "&amp;amp;lt;", "a&nbsp;b",
                "37&deg;C", "37&deg C", "&#176;C", "&#xb0;C", "&#x2019;s", "&rsquo;s", "&zzz;", "&", "a & b",
                "&;", "&#;", "&#x;", "&#0;", "&#150;", "&#1114112;", "&#xd800;", "R&D", "&alpha;-helix", "&ge; 5"]
    yield from ["\ufb01brosis e\ufb00usion", "\ufb03 \ufb04 \ufb05 \ufb06", "\u0132 \u0133 \u01c4 \u01c6 \u01f1"]
    yield from ["\uff21\uff22\uff23 \uff11\uff12", "\uff08a\uff09", "\uff76\uff9e", "a\u3000b"]
    yield from ["e\u0301", "R\u00f6ntgen", "RO\u0308NTGEN", "\u212b", "\u00bd", "\u80ba", "\u0130", "\ud55c\uae00", "\u2160"]
    yield from ["a\x00b", "a\x08b", "a\x0bb", "a\x0cb", "a\x1cb", "a\x7fb", "a\x85b", "a\ufeffb", "a\u200bb",
                "a\u206ab", "a\ufffcb", "\x93a\x94", "a\x96b"]
    yield from ["-5 HU", "3.5 cm \u00d7 2 cm", "T2-weighted", "BI-RADS\u00ae 4", "10 \u00b5m", "a\u2013b\u2014c\u2026"]


# ---- Writing -----------------------------------------------------------------

def digest(h, ids):
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        h = ((h ^ byte) * 0x100000001b3) & MASK
    return h


def write_digests(name, texts, by):
    with open(path(name), "w", encoding="ascii") as f:
        f.write(f"{len(texts)}\n")
        for i in range(0, len(texts), 10):
            row = []
            for tokenizer in NAMES:
                h = 0xcbf29ce484222325
                for s in texts[i:i + 10]:
                    ids = by[tokenizer](s)
                    h = digest(digest(h, ids), cut(ids, tokenizer))
                row.append(f"{(h ^ h >> 32) & 0xffffffff:08x}")
            f.write(" ".join(row) + "\n")


def write_tidy():
    bert = BertTokenizerFast(path("vocab.txt"))
    with open(path("tidy.jsonl"), "w", encoding="ascii") as f:
        for s in untidy():
            row = [s.replace("\0", "\x01"), whitespace(s), whitespace(s).lower(), canonicalize(s)]
            f.write(json.dumps(row, separators=(",", ":")) + "\n")
    with open(os.path.join(SHARED, "roco_captions", "captions.jsonl"), encoding="utf-8") as f:
        texts = [json.loads(line)["text"] for line in f]
    lines = []
    for i in range(0, len(texts), 10):
        h = 0xcbf29ce484222325
        for s in texts[i:i + 10]:
            h = digest(h, bert(whitespace(s))["input_ids"])
        lines.append(f"{(h ^ h >> 32) & 0xffffffff:08x}\n")
    with open(path("captions_tidy.txt"), "w", encoding="ascii") as f:
        f.writelines(lines)


def write_classes():
    clean = normalizers.BertNormalizer(True, False, False, False)
    fold = normalizers.BertNormalizer(False, True, True, True)
    signs = pre_tokenizers.BertPreTokenizer()
    with open(path("classes.txt"), "w", encoding="ascii") as f:
        for block in range(0, 0x110000, 0x2000):
            h = 0xcbf29ce484222325
            for c in range(block, block + 0x2000):
                if 0xd800 <= c < 0xe000:
                    continue
                a = clean.normalize_str("a" + chr(c) + "b")
                b = a and len(signs.pre_tokenize_str("a" + chr(c) + "b"))
                h = digest(h, [0 if a == "ab" else 1 if a == "a b" else 2, b,
                               chr(c) != " " and fold.normalize_str(chr(c)).count(" ")])
            f.write(f"{(h ^ h >> 32) & 0xffffffff:08x}\n")


def main():
    if "--train" in sys.argv:
        train()
    by = tokenizers()
    with open(path("strings.jsonl"), "w", encoding="ascii") as f:
        for s in [*(s.encode() for s in strings()), *broken()]:
            text = s.decode("utf-8", "replace")
            plain = text.encode() == s and "\x00" not in text
            line = {"text": text} if plain else {"hex": s.hex()}
            line.update((name, by[name](text)) for name in NAMES)
            f.write(json.dumps(line, separators=(",", ":")) + "\n")
    write_digests("generated.txt", [generated(i).decode("utf-8", "replace")
                                    for i in range(N_GENERATED)], by)
    with open(os.path.join(SHARED, "roco_captions", "captions.jsonl"), encoding="utf-8") as f:
        write_digests("captions.txt", [json.loads(line)["text"] for line in f], by)
    write_tidy()
    write_classes()


if __name__ == "__main__":
    main()
