/* case_make.c - see case_make.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/case_make.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "embeddings/intake.h"
#include "embeddings/phash.h"
#include "engine/sections.h"
#include "engine/sentences.h"
#include "indexer/passages.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { TITLE_BYTES = 120 };
static const char RECIPE[] = "radscout case 1";      /* raise it when cases are read anew */

/* ---- Digest ---------------------------------------------------------- */

/* Length and bytes, so that no two different lists of texts give one stream. */
static void add_text(rs_sha256 *h, const char *text)
{
    char length[32];

    snprintf(length, sizeof length, "%zu:", text ? strlen(text) : 0);
    rs_sha256_add(h, length, strlen(length));
    if (text)
        rs_sha256_add(h, text, strlen(text));
}

static void stat_image(rs_case_job_image *im)
{
    struct stat sb;

    im->file = (rs_source_file){.file = im->from->given, .size_bytes = -1};
    if (stat(im->from->path, &sb) != 0)
        return;
    im->file.size_bytes = sb.st_size;
    im->file.mtime_ns = (int64_t)sb.st_mtim.tv_sec * 1000000000 + sb.st_mtim.tv_nsec;
}

rs_status rs_case_digest(rs_case_job *job, const char *regions, rs_arena *mem, rs_err *err)
{
    const rs_source_case *c = &job->from;
    const char *const texts[] = {RECIPE, c->title, c->modality, c->body_part, c->view, c->sex,
                                 c->patient, c->collection, c->report, c->attributes};
    rs_sha256 *h = rs_sha256_new();
    char number[96];

    job->images = rs_new(mem, rs_case_job_image, c->n_images);
    if (!h || !job->images) {
        char unused[RS_SHA256_HEX];
        if (h)
            rs_sha256_end(h, unused);
        return rs_fail(err, RS_ENOMEM, "%s: no memory", c->item);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add_text(h, texts[i]);
    snprintf(number, sizeof number, "%.6f %zu %zu %zu", c->age_years, c->n_parts, c->n_findings,
             c->n_images);
    add_text(h, number);
    for (size_t i = 0; i < c->n_parts; i++) {
        add_text(h, c->parts[i].name);
        add_text(h, c->parts[i].text);
    }
    for (size_t i = 0; i < c->n_findings; i++)
        add_text(h, c->findings[i]);
    for (size_t i = 0; i < c->n_images; i++) {
        job->images[i].from = &c->images[i];
        if (c->images[i].sha256) {              /* known by its bytes, wherever they are kept */
            add_text(h, c->images[i].sha256);
            add_text(h, c->images[i].view);
            continue;
        }
        stat_image(&job->images[i]);
        add_text(h, c->images[i].path);
        add_text(h, c->images[i].view);
        snprintf(number, sizeof number, "%lld %lld", (long long)job->images[i].file.size_bytes,
                 (long long)job->images[i].file.mtime_ns);
        add_text(h, number);
    }
    if (regions && c->n_images)                 /* without images nothing changes with them */
        add_text(h, regions);
    /* These fields came later: a case without them keeps the digest that it has. */
    if (c->study_date) {
        add_text(h, "study_date");
        add_text(h, c->study_date);
    }
    if (c->tier != RS_TIER_UNKNOWN) {
        add_text(h, "tier");
        add_text(h, rs_tier_name(c->tier));
    }
    rs_sha256_end(h, job->digest);
    return RS_OK;
}

/* ---- Report ---------------------------------------------------------- */

/* "History:\n...\n\nFindings:\n..." of the parts, and where each part lies in it. */
static const char *compose(const rs_source_case *c, rs_arena *mem, rs_section *sections)
{
    rs_buf b = {0};
    const char *text;

    for (size_t i = 0; i < c->n_parts; i++) {
        const rs_source_part *p = &c->parts[i];
        rs_buf_printf(&b, "%s%c%s: ", i ? "\n\n" : "", p->name[0] & ~0x20, p->name + 1);
        sections[i] = (rs_section){p->name, b.len, b.len + strlen(p->text)};
        rs_buf_puts(&b, p->text);
    }
    text = b.failed ? NULL : rs_arena_strndup(mem, b.data ? b.data : "", b.len);
    rs_buf_clear(&b);
    return text;
}

/* A title for a case that has none: its diagnosis, caption or impression, else the first
 * sentence of its report, cut at a word. */
static const char *make_title(const rs_case *r, rs_arena *mem)
{
    static const char *const from[] = {"diagnosis", "impression", "caption", "findings"};
    size_t begin = 0, end = r->report ? strlen(r->report) : 0, stop;
    bool found = false;

    for (size_t k = 0; k < 4 && !found; k++)
        for (size_t i = 0; i < r->n_sections && !found; i++)
            if (strcmp(r->sections[i].name, from[k]) == 0) {
                begin = r->sections[i].begin;
                end = r->sections[i].end;
                found = true;
            }
    if (begin == end)
        return NULL;
    stop = rs_sentence_end(r->report, begin, end);
    while (stop > begin && strchr(" \t\r\n", r->report[stop - 1]))
        stop--;
    if (stop - begin > TITLE_BYTES) {
        stop = begin + TITLE_BYTES;
        while (stop > begin && r->report[stop - 1] != ' ')
            stop--;
        if (stop == begin)
            for (stop = begin + TITLE_BYTES; ((unsigned char)r->report[stop] & 0xc0) == 0x80;)
                stop--;                        /* never inside a character */
        return rs_arena_sprintf(mem, "%.*s...", (int)(stop - begin), r->report + begin);
    }
    return rs_arena_strndup(mem, r->report + begin, stop - begin);
}

rs_status rs_case_read(rs_case_job *job, const rs_encoder *e, const rs_lexicon *l, rs_arena *mem,
                       size_t *cut, rs_err *err)
{
    const rs_source_case *c = &job->from;
    rs_case *r = &job->record;
    rs_section *sections;
    size_t n, more_cut;
    const char *given_title = c->title;
    rs_status st;

    r->modality = c->modality;
    r->body_part = c->body_part;
    r->view = c->view;
    r->sex = c->sex;
    r->patient = c->patient;
    r->collection = c->collection;
    r->age_years = c->age_years;
    r->study_date = c->study_date;
    r->tier = c->tier;
    r->attributes = c->attributes;
    r->digest = job->digest;
    r->findings = c->findings;
    r->n_findings = c->n_findings;
    if (c->report) {
        r->report = c->report;
        sections = rs_sections_find(l, c->report, mem, &n);
    } else {
        n = c->n_parts;
        sections = rs_new(mem, rs_section, n);
        r->report = sections && n ? compose(c, mem, sections) : NULL;
        if (n && !r->report)
            return rs_fail(err, RS_ENOMEM, "%s: no memory", c->item);
    }
    if (!sections)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", c->item);
    r->sections = sections;
    r->n_sections = n;
    r->title = given_title ? given_title : make_title(r, mem);
    st = rs_passages_make(given_title, r->report, sections, n, rs_encoder_tokenizer(e),
                          rs_encoder_max_tokens(e) - 2, mem, &job->passages, &r->n_passages,
                          &more_cut, err);
    r->passages = job->passages;
    *cut += st == RS_OK ? more_cut : 0;
    return st;
}

/* ---- Images ---------------------------------------------------------- */

void rs_case_decode(rs_case_job_image *im, const rs_preprocess *p)
{
    rs_intake_facts facts = {0};
    double start = rs_now_s();
    const void *bytes = im->from->bytes;
    char *file = NULL;
    size_t len = im->from->len;

    if (!bytes) {
        im->st = rs_file_read(&file, &len, im->from->path, RS_IMAGE_MAX_FILE, &im->err);
        bytes = file;
    }
    if (im->st == RS_OK)
        im->st = rs_sha256_of(im->sha256, bytes, len, &im->err);
    im->read_s = rs_now_s() - start;
    if (im->st == RS_OK)
        im->st = rs_intake_bytes(p, bytes, len, RS_INTAKE_MARGIN, im->pixels, &facts, &im->err);
    rs_free(file);
    if (im->st == RS_OK)
        im->hashed = rs_phash(&im->phash, im->pixels, p->crop_height, p->crop_width);
    im->width = facts.width;
    im->height = facts.height;
    im->decode_s = facts.decode_s;
    im->resize_s = facts.resize_s;
    im->file.sha256 = im->sha256;
}
