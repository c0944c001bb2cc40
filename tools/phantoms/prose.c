/* prose.c - see prose.h. A template is expanded by a small recursive reader; the
 * tidying (spaces, articles, capitals, spelling) is done once on what came out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "prose.h"

#include "base/alloc.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 12, MAX_CHOICES = 32 };

/* ---- Variables ----------------------------------------------------------- */

void ph_set(ph_prose *p, const char *name, const char *value)
{
    size_t i = 0;

    while (i < p->n_vars && strcmp(p->vars[i].name, name) != 0)
        i++;
    assert(i < PH_MAX_VARS);
    p->vars[i] = (ph_var){name, value};
    if (i == p->n_vars)
        p->n_vars++;
}

static const char *value_of(const ph_prose *p, const char *name, size_t len)
{
    for (size_t i = 0; i < p->n_vars; i++)
        if (strlen(p->vars[i].name) == len && memcmp(p->vars[i].name, name, len) == 0)
            return p->vars[i].value;
    return NULL;
}

/* "54-year-old" for each age, made once so that a prose can borrow it. */
static const char *age_words(int age)
{
    static const char *const words[] = {
#define TEN(t) t "0-year-old", t "1-year-old", t "2-year-old", t "3-year-old", t "4-year-old", \
               t "5-year-old", t "6-year-old", t "7-year-old", t "8-year-old", t "9-year-old"
        TEN(""), TEN("1"), TEN("2"), TEN("3"), TEN("4"),
        TEN("5"), TEN("6"), TEN("7"), TEN("8"), TEN("9"),
#undef TEN
    };
    return words[age < 0 ? 0 : age > 99 ? 99 : age];
}

ph_prose ph_prose_new(const ph_case *c, rs_random *r)
{
    ph_prose p = {.r = rs_random_seed(rs_random_u64(r))};
    bool adult = c->age >= 18;

    p.american = rs_random_below(&p.r, 2) == 0;
    ph_set(&p, "sex", c->sex == 'F' ? (adult ? "woman" : "girl") : (adult ? "man" : "boy"));
    ph_set(&p, "gender", c->sex == 'F' ? "female" : "male");
    ph_set(&p, "age", age_words(c->age));
    ph_set(&p, "study", c->study ? c->study : "");
    return p;
}

void ph_set_finding(ph_prose *p, const ph_finding *f)
{
    static const struct { const char *side, *sided; } sided[] = {
        {"left", "left-sided"}, {"right", "right-sided"}, {"bilateral", "bilateral"},
        {"midline", "midline"},
    };
    const char *adjective = "";

    for (size_t i = 0; i < ph_count(sided); i++)
        if (strcmp(f->side, sided[i].side) == 0)
            adjective = sided[i].sided;
    ph_set(p, "kind", f->kind);
    ph_set(p, "side", f->side);
    ph_set(p, "site", f->site);
    ph_set(p, "size", f->size);
    ph_set(p, "sided", adjective);
}

/* ---- Expanding ------------------------------------------------------------- */

static void expand(rs_buf *out, ph_prose *p, const char *text, size_t len, int depth);

/* The end of the braces that open at text[0], past the closing one; 0 if open. */
static size_t matching(const char *text, size_t len)
{
    int open = 0;

    for (size_t i = 0; i < len; i++) {
        open += text[i] == '{';
        open -= text[i] == '}';
        if (open == 0)
            return i + 1;
    }
    return 0;
}

typedef struct { const char *text; size_t len; size_t weight; } choice;

/* A weight "*3" at the end of a choice. */
static choice weighed(const char *text, size_t len)
{
    if (len >= 2 && text[len - 2] == '*' && isdigit((unsigned char)text[len - 1]))
        return (choice){text, len - 2, (size_t)(text[len - 1] - '0')};
    return (choice){text, len, 1};
}

static size_t split(choice *list, const char *text, size_t len)
{
    size_t n = 0, from = 0;
    int open = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len) {
            open += text[i] == '{';
            open -= text[i] == '}';
        }
        if (i < len && (text[i] != '|' || open))
            continue;
        assert(n < MAX_CHOICES);
        list[n++] = weighed(text + from, i - from);
        from = i + 1;
    }
    return n;
}

static void expand_braces(rs_buf *out, ph_prose *p, const char *text, size_t len, int depth)
{
    choice list[MAX_CHOICES];
    size_t n = split(list, text, len), total = 0;

    if (n == 1) {
        const char *value = value_of(p, text, len);

        if (value)
            expand(out, p, value, strlen(value), depth + 1);
        else
            rs_buf_printf(out, "{%.*s}", (int)len, text);
        return;
    }
    for (size_t i = 0; i < n; i++)
        total += list[i].weight;
    size_t at = rs_random_below(&p->r, total), i = 0;

    for (; at >= list[i].weight; i++)
        at -= list[i].weight;
    expand(out, p, list[i].text, list[i].len, depth + 1);
}

static void expand(rs_buf *out, ph_prose *p, const char *text, size_t len, int depth)
{
    assert(depth < MAX_DEPTH);
    for (size_t i = 0; i < len; i++) {
        size_t end = text[i] == '{' ? matching(text + i, len - i) : 0;

        if (end) {
            expand_braces(out, p, text + i + 1, end - 2, depth);
            i += end - 1;
        } else {
            rs_buf_putc(out, text[i]);
        }
    }
}

/* ---- Tidying ---------------------------------------------------------------- */

static const struct { const char *british, *american; } spelling[] = {
    {"oedema", "edema"},       {"Oedema", "Edema"},         {"haem", "hem"},
    {"Haem", "Hem"},           {"tumour", "tumor"},         {"Tumour", "Tumor"},
    {"oesophag", "esophag"},   {"Oesophag", "Esophag"},     {"ischaemi", "ischemi"},
    {"Ischaemi", "Ischemi"},   {"anaemi", "anemi"},         {"centred", "centered"},
    {"centre", "center"},
    {"colour", "color"},       {"grey", "gray"},            {"Grey", "Gray"},
    {"paediatric", "pediatric"}, {"visualised", "visualized"}, {"localised", "localized"},
    {"mineralisation", "mineralization"}, {"fibre", "fiber"}, {"leucocyt", "leukocyt"},
    {"diarrhoea", "diarrhea"}, {"orthopaedic", "orthopedic"}, {"dyspnoea", "dyspnea"},
    {"Dyspnoea", "Dyspnea"},   {"generalised", "generalized"}, {"litre", "liter"},
    {"organised", "organized"}, {"characterised", "characterized"},
    {"catheterised", "catheterized"}, {"calibre", "caliber"}, {"favour", "favor"},
};

/* Does the number or word at s start with a vowel's sound? */
static bool vowel_sound(const char *s)
{
    if (strncmp(s, "11", 2) == 0 || strncmp(s, "18", 2) == 0)
        return !isdigit((unsigned char)s[2]);
    if (*s == '8')
        return true;
    if (strncmp(s, "uni", 3) == 0 || strncmp(s, "us", 2) == 0 || strncmp(s, "eu", 2) == 0)
        return false;
    if (strncmp(s, "MR", 2) == 0 || strncmp(s, "NG", 2) == 0 || strncmp(s, "AP", 2) == 0)
        return true;
    return *s && strchr("aeiouAEIOU", *s) != NULL;
}

/* Is out's last word an article whose n is open: "a" or "A" (or "an"/"An")? */
static void fix_article(rs_buf *out, const char *next)
{
    size_t n = out->len;

    if (n < 2 || out->data[n - 1] != ' ')
        return;
    bool a = (out->data[n - 2] == 'a' || out->data[n - 2] == 'A') &&
             (n == 2 || out->data[n - 3] == ' ' || out->data[n - 3] == '(');

    if (a && vowel_sound(next)) {
        out->len = n - 1;
        rs_buf_puts(out, "n ");
    }
}

/* The British word at s and its American form; NULL where there is none. */
static const char *american_of(const char *s, size_t *british_len)
{
    for (size_t i = 0; i < ph_count(spelling); i++)
        if (strncmp(s, spelling[i].british, strlen(spelling[i].british)) == 0) {
            *british_len = strlen(spelling[i].british);
            return spelling[i].american;
        }
    return NULL;
}

static bool ends_sentence(const rs_buf *b)
{
    size_t n = b->len;

    while (n > 0 && isspace((unsigned char)b->data[n - 1]))
        n--;
    return n == 0 || (b->data[n - 1] == '.' && n < b->len);
}

/* Copy `raw` to out with one space between words, none before . , ; and capitals. */
static void tidy(rs_buf *out, const char *raw, bool american)
{
    for (const char *s = raw; *s && !out->failed; s++) {
        bool start = ends_sentence(out), word = out->len == 0 || out->data[out->len - 1] == ' ';
        const char *other;
        size_t len;

        if (*s == ' ') {
            if (out->len && out->data[out->len - 1] != ' ')
                rs_buf_putc(out, ' ');
            continue;
        }
        if (strchr(".,;", *s) && out->len && out->data[out->len - 1] == ' ' &&
            !isdigit((unsigned char)s[1]))
            out->data[--out->len] = '\0';
        if (word)
            fix_article(out, s);
        if (american && (other = american_of(s, &len)) != NULL) {
            rs_buf_putc(out, start ? (char)toupper((unsigned char)*other) : *other);
            rs_buf_puts(out, other + 1);
            s += len - 1;
            continue;
        }
        rs_buf_putc(out, start ? (char)toupper((unsigned char)*s) : *s);
    }
    while (out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
}

/* ---- Saying -------------------------------------------------------------------- */

void ph_say(rs_buf *out, ph_prose *p, const char *text)
{
    rs_buf raw = {0};

    expand(&raw, p, text, strlen(text), 0);
    if (raw.failed)
        out->failed = true;
    if (raw.len && !raw.failed) {
        if (out->len)
            rs_buf_putc(out, ' ');
        tidy(out, raw.data, p->american);
    }
    rs_buf_clear(&raw);
}

void ph_say_one(rs_buf *out, ph_prose *p, const char *const *texts, size_t n)
{
    ph_say(out, p, texts[rs_random_below(&p->r, n)]);
}

void ph_say_some(rs_buf *out, ph_prose *p, const char *const *texts, size_t n, size_t k)
{
    size_t order[64];

    assert(n <= ph_count(order));
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    rs_random_shuffle(&p->r, order, n);
    for (size_t i = 0; i < k && i < n; i++)
        ph_say(out, p, texts[order[i]]);
}

char *ph_expand(ph_prose *p, const char *text)
{
    rs_buf out = {0};

    ph_say(&out, p, text);
    return rs_buf_take(&out);
}
