/* rows.c - what a manifest's fields mean: rows of one case to a case. Two tables say
 * it: scalar fields by their names, report parts by their names; what neither names
 * is kept as an attribute.
 * SPDX-License-Identifier: Apache-2.0 */
#include "indexer/source_int.h"

#include "base/alloc.h"
#include "engine/dates.h"
#include "indexer/one.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IMAGES = 10000, MAX_PARTS = 256, MAX_KEY = 512 };

/* Names of one field, most telling first; the place in the case. */
static const struct { const char *names[4]; size_t at; } scalars[] = {
    {{"title"}, offsetof(rs_source_case, title)},
    {{"modality"}, offsetof(rs_source_case, modality)},
    {{"body_part", "location"}, offsetof(rs_source_case, body_part)},
    {{"view", "view_or_plane", "plane"}, offsetof(rs_source_case, view)},
    {{"sex"}, offsetof(rs_source_case, sex)},
    {{"patient", "patient_id"}, offsetof(rs_source_case, patient)},
    {{"collection", "dataset"}, offsetof(rs_source_case, collection)},
    {{"report"}, offsetof(rs_source_case, report)},
};

/* In the order in which a report is read. */
static const struct { const char *names[4]; const char *part; } parts[] = {
    {{"history", "indication"}, "history"},
    {{"exam", "technique"}, "technique"},
    {{"comparison"}, "comparison"},
    {{"findings"}, "findings"},
    {{"caption"}, "caption"},
    {{"impression"}, "impression"},
    {{"diagnosis"}, "diagnosis"},
    {{"differential"}, "differential"},
    {{"discussion", "topic_discussion"}, "discussion"},
};

static const char no_content[] = "it has neither an image nor a text";

/* Taken where they say something that can be read, else attributes. */
static const char *const date_names[4] = {"study_date", "date", "studydate", "StudyDate"};
static const char *const tier_names[4] = {"tier", "diagnosis_tier"};

static const char *const structural[] = {
    "id", "case_id", "images", "image", "labels", "age", NULL,
};

/* ---- Reading fields -------------------------------------------------- */

/* A string or number as text in `mem`; NULL for anything else and for "". */
static const char *text_of(const json_t *v, rs_arena *mem)
{
    if (json_is_string(v))
        return json_string_length(v) ? rs_arena_strdup(mem, json_string_value(v)) : NULL;
    if (json_is_integer(v))
        return rs_arena_sprintf(mem, "%lld", (long long)json_integer_value(v));
    if (json_is_real(v))
        return rs_arena_sprintf(mem, "%g", json_real_value(v));
    return NULL;
}

static const char *field_text(const json_t *row, const char *const *names, rs_arena *mem)
{
    for (size_t i = 0; i < 4 && names[i]; i++) {
        const char *s = text_of(json_object_get(row, names[i]), mem);
        if (s)
            return s;
    }
    return NULL;
}

static bool named(const char *key, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n && names[i]; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

/* A text, or a number such as 20240301. */
static bool read_date(const json_t *v, rs_date *out)
{
    char number[32];
    const char *s = json_string_value(v);

    if (json_is_integer(v)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
        s = number;
    }
    return s && rs_date_read(out, s, strlen(s));
}

static bool read_tier(const json_t *v, rs_tier *out)
{
    const char *s = json_string_value(v);

    *out = s ? rs_tier_of(s) : RS_TIERS;
    return *out < RS_TIERS;
}

/* Whether a field has a place of its own, so that it is no attribute. */
static bool known_field(const char *key, const json_t *v)
{
    rs_date date;
    rs_tier tier;

    if (named(key, date_names, 4))
        return read_date(v, &date);
    if (named(key, tier_names, 4))
        return read_tier(v, &tier);
    if (named(key, structural, sizeof structural / sizeof *structural))
        return true;
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (named(key, scalars[i].names, 4))
            return true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (named(key, parts[i].names, 4))
            return json_is_string(v) || strcmp(key, "findings") == 0;
    return false;
}

/* ---- Parts of the case ----------------------------------------------- */

static bool add_part(rs_source_case *c, rs_source_part *list, const char *name, const char *text)
{
    for (size_t i = 0; i < c->n_parts; i++)
        if (strcmp(list[i].name, name) == 0 && strcmp(list[i].text, text) == 0)
            return true;                          /* rows of one case repeat its text */
    if (c->n_parts == MAX_PARTS)
        return false;
    list[c->n_parts++] = (rs_source_part){name, text};
    return true;
}

static bool take_parts(rs_source_case *c, json_t *const *rows, size_t n, rs_arena *mem)
{
    rs_source_part *list = rs_new(mem, rs_source_part, MAX_PARTS);

    if (!list)
        return false;
    c->parts = list;
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (size_t i = 0; i < n; i++) {
            const char *text = field_text(rows[i], parts[p].names, mem);
            if (text)
                add_part(c, list, parts[p].part, text);
        }
    return true;
}

/* A field of several items: a list, or a text split at ';'. */
static size_t count_items(const json_t *v)
{
    size_t n = 1;

    if (json_is_array(v))
        return json_array_size(v);
    for (const char *s = json_string_value(v); s && *s; s++)
        n += *s == ';';
    return json_is_string(v) ? n : 0;
}

static const char *nth_item(const json_t *v, size_t i, rs_arena *mem)
{
    const char *s;
    size_t n;

    if (json_is_array(v))
        return text_of(json_array_get(v, i), mem);
    for (s = json_string_value(v); i > 0; i--)
        s = strchr(s, ';') + 1;
    while (*s == ' ')
        s++;
    for (n = strcspn(s, ";"); n > 0 && s[n - 1] == ' ';)
        n--;
    return n ? rs_arena_strndup(mem, s, n) : NULL;
}

static const char *view_of(const json_t *row, size_t i, rs_arena *mem)
{
    static const char *const names[] = {"view", "view_or_plane", "plane"};

    for (size_t k = 0; k < 3; k++) {
        const json_t *v = json_object_get(row, names[k]);
        const char *s = text_of(json_is_array(v) ? json_array_get(v, i) : v, mem);
        if (s)
            return s;
    }
    return NULL;
}

static const char *join(const char *base, const char *path, rs_arena *mem)
{
    return path[0] == '/' ? path : rs_arena_sprintf(mem, "%s/%s", base, path);
}

static rs_status take_images(rs_source_case *c, json_t *const *rows, size_t n, const char *base,
                             rs_arena *mem, rs_err *err)
{
    size_t total = 0;
    rs_source_image *list;

    for (size_t i = 0; i < n; i++)
        total += count_items(json_object_get(rows[i], "images")) +
                 count_items(json_object_get(rows[i], "image"));
    if (total > MAX_IMAGES) {
        c->problem = rs_arena_sprintf(mem, "%zu images, at most %d a case are read", total, MAX_IMAGES);
        return RS_OK;
    }
    list = rs_new(mem, rs_source_image, total + 1);
    if (!list)
        return rs_fail(err, RS_ENOMEM, "%s: no memory", c->item);
    for (size_t i = 0; i < n; i++) {
        for (int which = 0; which < 2; which++) {
            const json_t *v = json_object_get(rows[i], which ? "image" : "images");
            for (size_t k = 0, m = count_items(v); k < m; k++) {
                const char *given = nth_item(v, k, mem);
                if (given)
                    list[c->n_images++] = (rs_source_image){
                        .path = join(base, given, mem), .given = given,
                        .view = view_of(rows[i], k, mem)};
            }
        }
    }
    c->images = list;
    return RS_OK;
}

/* Labels from "labels" (a list, or a text split at ';') and from a "findings" that is a
 * list; no label twice. */
static bool take_findings(rs_source_case *c, json_t *const *rows, size_t n, rs_arena *mem)
{
    static const char *const names[] = {"labels", "findings"};
    const char **list;
    size_t total = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < 2; f++)
            total += count_items(json_object_get(rows[i], names[f]));
    list = rs_new(mem, const char *, total + 1);
    for (size_t i = 0; list && i < n; i++) {
        for (size_t f = 0; f < 2; f++) {
            const json_t *v = json_object_get(rows[i], names[f]);
            size_t m = f == 1 && !json_is_array(v) ? 0 : count_items(v);
            for (size_t k = 0; k < m; k++) {
                const char *s = nth_item(v, k, mem);
                if (s && !named(s, list, c->n_findings))
                    list[c->n_findings++] = s;
            }
        }
    }
    c->findings = list;
    return list != NULL;
}

static bool take_attributes(rs_source_case *c, json_t *const *rows, size_t n, rs_arena *mem)
{
    json_t *all = json_object();
    const char *key;
    json_t *v;
    char *text;

    for (size_t i = 0; all && i < n; i++)
        json_object_foreach(rows[i], key, v)
            if (!known_field(key, v) && !json_is_null(v) && !json_object_get(all, key))
                json_object_set(all, key, v);
    text = json_object_size(all) ? rs_json_text(all) : NULL;
    c->attributes = text ? rs_arena_strdup(mem, text) : NULL;
    rs_free(text);
    json_decref(all);
    return all != NULL;
}

/* The first date and the first tier that can be read. False on OOM. */
static bool take_date_and_tier(rs_source_case *c, json_t *const *rows, size_t n, rs_arena *mem)
{
    char text[RS_DATE_SIZE];
    rs_tier tier;
    rs_date date;

    for (size_t i = 0; i < 4 * n; i++) {
        const json_t *row = rows[i / 4];
        if (!c->study_date && read_date(json_object_get(row, date_names[i % 4]), &date)) {
            rs_date_text(date, text);
            if (!(c->study_date = rs_arena_strdup(mem, text)))
                return false;
        }
        if (c->tier == RS_TIER_UNKNOWN && tier_names[i % 4] &&
            read_tier(json_object_get(row, tier_names[i % 4]), &tier))
            c->tier = tier;
    }
    return true;
}

/* The key: case_id, else id, else the row. */
static const char *key_of(json_t *const *rows, const char *row_key, rs_arena *mem)
{
    static const char *const names[4] = {"case_id", "id"};
    const char *key = field_text(rows[0], names, mem);

    return key ? key : row_key;
}

rs_status rs_rows_to_case(json_t *const *rows, size_t n, const char *base, const char *item,
                          const char *row_key, rs_arena *mem, rs_source_case *out, rs_err *err)
{
    static const char *const age[4] = {"age"};
    rs_status st;

    *out = (rs_source_case){.item = item, .age_years = -1};
    out->key = key_of(rows, row_key, mem);
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        const char **place = (const char **)(void *)((char *)out + scalars[i].at);
        for (size_t k = 0; k < n && !*place; k++)
            *place = field_text(rows[k], scalars[i].names, mem);
    }
    if (!out->view)
        out->view = view_of(rows[0], 0, mem);
    for (size_t k = 0; k < n && out->age_years < 0; k++)
        out->age_years = rs_age_years(field_text(rows[k], age, mem));
    if (!out->key || !take_parts(out, rows, n, mem) || !take_findings(out, rows, n, mem) ||
        !take_date_and_tier(out, rows, n, mem) || !take_attributes(out, rows, n, mem))
        return rs_fail(err, RS_ENOMEM, "%s: no memory", item);
    st = take_images(out, rows, n, base, mem, err);
    if (st == RS_OK && !out->problem && strlen(out->key) > MAX_KEY)
        out->problem = rs_arena_sprintf(mem, "its key is longer than %d bytes", MAX_KEY);
    if (st == RS_OK && !out->problem && !out->n_images && !out->report && !out->n_parts && !out->title)
        out->problem = no_content;
    return st;
}

/* ---- A row that is sent ---------------------------------------------- */

static bool is_scalar(const json_t *v)
{
    return json_is_string(v) || json_is_number(v) || json_is_null(v);
}

/* A list of scalars may stand there, where `lists`. */
static bool is_read(const json_t *v, bool lists)
{
    const json_t *one;
    size_t i;

    if (!lists || !json_is_array(v))
        return is_scalar(v);
    json_array_foreach(v, i, one)
        if (!is_scalar(one))
            return false;
    return true;
}

static bool is_age(const json_t *v)
{
    const char *s = json_string_value(v);

    return json_is_null(v) || (json_is_number(v) && json_number_value(v) >= 0 &&
           json_number_value(v) <= 150) || (s && (*s == '\0' || rs_age_years(s) >= 0));
}

/* Why a field with a place of its own cannot be read; NULL: it can, or has none. */
static const char *unread(const char *key, const json_t *v)
{
    static const char *const lists[] = {"view", "view_or_plane", "plane", "labels", "findings"};
    static const char *const keys[] = {"case_id", "id"};
    const bool list = named(key, lists, sizeof lists / sizeof *lists);
    bool single = named(key, keys, 2);

    if (named(key, (const char *const[]){"image", "images"}, 2))
        return "images are sent as parts \"image\" of a form, they are not read from paths";
    if (strcmp(key, "age") == 0)
        return is_age(v) ? NULL : "wanted years, or a text such as 61Y, 18M, 3W or 10D";
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        single |= named(key, scalars[i].names, 4);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        single |= named(key, parts[i].names, 4);
    if (list)
        return is_read(v, true) ? NULL : "wanted a text, or a list of texts";
    return !single || is_scalar(v) ? NULL : "wanted a text";
}

const char *rs_row_unread(const json_t *row, const char **why)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)row, key, v)
        if ((*why = unread(key, v)) != NULL)
            return key;
    return NULL;
}

rs_status rs_row_sent(const json_t *row, const char *row_key, rs_source_image *images, size_t n,
                      rs_arena *mem, rs_source_case *out, rs_err *err)
{
    json_t *one = (json_t *)(uintptr_t)row;
    rs_status st = rs_rows_to_case(&one, 1, "", "case", row_key, mem, out, err);

    if (st != RS_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        images[i].view = view_of(row, i, mem);
    out->images = images;
    out->n_images = n;
    if (n && out->problem == no_content)
        out->problem = NULL;
    return RS_OK;
}
