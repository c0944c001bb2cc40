/* test_check.c - answers beside their evidence: each flag by hand; planted contradictions and
 * clean answers by the hundred, of made reports and of real ones.
 * SPDX-License-Identifier: Apache-2.0 */
#include "answers.h"

#include "base/json.h"
#include "tiny_model.h"

#include <ctype.h>

#define OPENI "../shared/data/openi/corpus.jsonl"
#define MEDPIX "../shared/data/medpix-dev/cases.jsonl"

enum { CASES = 5, ANSWERS = 500, MAX_REPORTS = 4000 };

#define BIT(f) (1u << RS_FLAG_##f)

/* ---- By hand --------------------------------------------------------- */

static const char *const reports[] = {
    "There is a small left pleural effusion. No pneumothorax. The heart is normal in size. "
    "A 3.5 cm mass is seen in the right upper lobe.",
    "No pleural effusion. Moderate cardiomegaly. A 12 mm nodule in the left lower lobe.",
    "Possible pneumonia in the right lower lobe. Bilateral pleural effusions. T2 hyperintense "
    "lesion at L4.",
};

static void test_flags(void **state)
{
    static const struct { const char *text; unsigned want; } rows[] = {
        {"There is a small left pleural effusion [1].", 0},
        {"There is a small left pleural effusion. [1]", 0},
        {"A left effusion is present in [1].", 0},
        {"There is a small right pleural effusion [1].", BIT(SIDE)},
        {"There is no left pleural effusion [1].", BIT(NEGATION)},
        {"Pleural effusion [2].", BIT(NEGATION)},
        {"Pneumothorax [1].", BIT(NEGATION)},
        {"No pneumothorax [1].", 0},
        {"The heart is enlarged in [2].", 0},                 /* another name */
        {"The heart is not normal in size [1].", BIT(NEGATION)},
        {"A mass of 35 mm in the right upper lobe [1].", 0},
        {"A 3.5 mm mass is seen in the right upper lobe [1].", BIT(UNIT)},
        {"A 4.5 cm mass is seen in the right upper lobe [1].", BIT(NUMBER)},
        {"A 12 mm nodule in the right lower lobe [2].", BIT(SIDE)},
        {"T1 hyperintense lesion at L4 [3].", BIT(NUMBER)},
        {"T2 hyperintense lesion at L5 [3].", BIT(NUMBER)},
        {"A left effusion [3].", 0},                          /* bilateral has it */
        {"Pleural effusion: in 2 of 3 cases [1][3].", 0},
        {"Pleural effusion: in 3 of 3 cases [1][3].", BIT(COUNT)},
        {"Pleural effusion: in 2 of 9 cases [1][3].", BIT(COUNT)},
        {"Cases [1] and [3] show pleural effusion.", 0},
        {"There is a left pleural effusion in [1], no pleural effusion in [2].", 0},
        {"There is a left pleural effusion in [2], no pleural effusion in [1].",
         BIT(NEGATION) | BIT(SIDE)},
        {"Moderate cardiomegaly [2][7].", BIT(UNKNOWN)},
        {"Moderate cardiomegaly [0].", BIT(UNKNOWN)},
        {"Moderate cardiomegaly.", BIT(UNCITED)},
        {"Extensive emphysema with bullae throughout [1].", BIT(UNSUPPORTED)},
        {"Findings:", 0},
        {"Not enough evidence: nothing was found.", 0},
        {"None of the cases names emphysema [1][2][3].", 0},
        {"None of the cases names pneumothorax [1][2][3].", BIT(NEGATION)},
    };
    rs_arena mem = {0};
    rs_context c = context_of(reports, NULL, 3, &mem);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned got = flags_of(&c, rows[i].text, &mem);
        /* of what is contradicted more may be said, of what holds nothing */
        if ((rows[i].want == 0) != (got == 0) || (got & rows[i].want) == 0)
            if (got != rows[i].want)
                fail_msg("%s: flags %x, wanted %x", rows[i].text, got, rows[i].want);
    }
    rs_arena_clear(&mem);
}

static void test_policy(void **state)
{
    static const char text[] = "Moderate cardiomegaly [2].\nA right effusion [1].\nEmphysema [9].";
    rs_check_options o = rs_check_defaults();
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_context c = context_of(reports, NULL, 3, &mem);
    rs_verified v;
    rs_answer a;

    (void)state;
    ok(rs_answer_read(text, &mem, &a, &err), &err);
    assert_int_equal(a.n, 3);
    o.enough = 0.3;
    ok(rs_check(lexicon, &c, &a, &o, &mem, &v, &err), &err);
    assert_true(v.enough && v.claims == 3 && v.held == 1);
    assert_non_null(strstr(v.text, "A right effusion [1]. (?side)"));
    o.policy = RS_CHECK_WITHHOLD;
    ok(rs_check(lexicon, &c, &a, &o, &mem, &v, &err), &err);
    assert_string_equal(v.text, "Moderate cardiomegaly [2].");
    assert_int_equal(v.rows[0].item, 2);
    assert_string_equal(v.rows[0].nearest->text, "Moderate cardiomegaly.");
    o.enough = 0.5;
    ok(rs_check(lexicon, &c, &a, &o, &mem, &v, &err), &err);
    assert_false(v.enough);
    assert_string_equal(v.text, "Not enough evidence: 1 of 3 statements hold.");
    rs_arena_clear(&mem);
}

static void test_reading(void **state)
{
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_answer a;

    (void)state;
    ok(rs_answer_read("Findings:\n- A mass [1, 3-5]. No effusion. [2] [3]\n\n* Done [99999999999].",
                      &mem, &a, &err), &err);
    assert_int_equal(a.n, 4);
    assert_string_equal(a.sentences[1].bare, "A mass.");
    assert_int_equal(a.sentences[1].n_cites, 4);
    assert_int_equal(a.sentences[1].cites[3], 5);
    assert_int_equal(a.sentences[2].n_cites, 2);
    assert_int_equal(a.sentences[3].n_cites, 1);
    ok(rs_answer_read("", &mem, &a, &err), &err);
    assert_int_equal(a.n, 0);
    ok(rs_answer_read("[] [x] [1-] ][ [1-99999999]", &mem, &a, &err), &err);
    rs_arena_clear(&mem);
}

/* Nearness in meaning makes good for words, never for a sign. */
static void test_with_an_encoder(void **state)
{
    static const char text[] = "A small effusion on the left, trace in amount [1].\n"
                               "There is no left pleural effusion [1].";
    rs_check_options o = rs_check_defaults();
    rs_arena mem = {0};
    rs_err err = {RS_OK, ""};
    rs_context c = context_of(reports, NULL, 3, &mem);
    rs_encoder *e = NULL;
    rs_verified with, without;
    rs_answer a;
    char dir[64];

    (void)state;
    make_folder(dir);
    ok(tiny_model_write(dir, 7, &err), &err);
    ok(rs_encoder_open(&e, dir, &err), &err);
    ok(rs_answer_read(text, &mem, &a, &err), &err);
    ok(rs_check(lexicon, &c, &a, &o, &mem, &without, &err), &err);
    o.encoder = e;
    ok(rs_check(lexicon, &c, &a, &o, &mem, &with, &err), &err);
    assert_true(without.rows[0].support < 1);
    assert_true(with.rows[0].support >= without.rows[0].support && with.rows[0].support <= 1);
    assert_true(with.rows[1].flags & BIT(NEGATION));
    rs_encoder_close(e);
    remove_folder(dir);
    rs_arena_clear(&mem);
}

static void test_allocation_failures(void **state)
{
    rs_arena mem = {0}, once = {0};
    rs_context c = context_of(reports, NULL, 3, &mem);
    rs_check_options o = rs_check_defaults();
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_verified v;
        rs_answer a;
        rs_arena_clear(&once);
        rs_alloc_fail_after(k);
        st = rs_answer_read("There is a left effusion in [1], none in [2]. 2 cm.", &once, &a, NULL);
        if (st == RS_OK)
            st = rs_check(lexicon, &c, &a, &o, &once, &v, NULL);
        rs_alloc_fail_after(-1);
        assert_true(st == RS_OK || st == RS_ENOMEM);
    }
    rs_arena_clear(&once);
    rs_arena_clear(&mem);
}

/* ---- Planting -------------------------------------------------------- */

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The first whole word `word` (any case) of text, or NULL. */
static const char *find_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *s = text; *s; s++)
        if (strncasecmp(s, word, len) == 0 && (s == text || !isalpha((unsigned char)s[-1])) &&
            !isalpha((unsigned char)s[len]))
            return s;
    return NULL;
}

static char *replaced(const char *text, const char *at, size_t len, const char *with, rs_arena *mem)
{
    return rs_arena_sprintf(mem, "%.*s%s%s", (int)(at - text), text, with, at + len);
}

/* Does `name` alone mean the finding? "heart" of an enlarged one does not. */
static bool means(const char *name, const char *finding, rs_arena *mem)
{
    rs_err err = {RS_OK, ""};
    rs_token *tokens;
    const char *known;
    rs_term_kind kind;
    size_t n;

    ok(rs_tokens_cut(rs_lexicon_tokens(lexicon), name, strlen(name), mem, &tokens, &n, &err), &err);
    return rs_lexicon_mention(lexicon, tokens, n, &known, &kind) == n &&
           strcmp(known, finding) == 0;
}

/* The sentence in other words: a finding under the name that the lexicon lists it by, a length
 * in the other unit, without "There is". */
static const char *reworded(const rs_cited *c, rs_arena *mem)
{
    const char *text = c->text;

    for (size_t i = c->n_mentions; i-- > 0;) {
        const rs_mention *m = &c->mentions[i];
        const char *name = rs_arena_strndup(mem, c->text + m->begin, m->end - m->begin);
        if (means(name, m->finding, mem))
            text = replaced(text, text + m->begin, m->end - m->begin, m->finding, mem);
    }
    for (const char *s = text; *s; s++) {
        char *end, with[48];
        double value;
        if (!isdigit((unsigned char)*s) || (s > text && (isalnum((unsigned char)s[-1]) ||
                                                          strchr(".x ", s[-1]) == NULL)))
            continue;
        value = strtod(s, &end);
        if (strncmp(end, " cm ", 4) == 0 && (s < text + 2 || s[-2] != 'x')) {
            snprintf(with, sizeof with, "%g mm", value * 10);
            text = replaced(text, s, (size_t)(end + 3 - s), with, mem);
        }
        break;
    }
    return starts(text, "There is a ") ? text + 9 : text;
}

/* Left for right, everywhere. */
static char *plant_side(const char *text, rs_arena *mem)
{
    rs_buf b = {0};
    bool any = false;
    char *out;

    for (const char *s = text; *s;) {
        bool left = find_word(s, "left") == s, right = find_word(s, "right") == s;
        bool begin = s == text || !isalpha((unsigned char)s[-1]);
        if (begin && (left || right)) {
            rs_buf_puts(&b, left ? "right" : "left");
            s += left ? 4 : 5;
            any = true;
        } else {
            rs_buf_putc(&b, *s++);
        }
    }
    out = any ? rs_arena_strdup(mem, b.data) : NULL;
    rs_buf_clear(&b);
    return out;
}

/* What is there is denied, what is denied is there; NULL where that is not plain to do. */
static char *plant_negation(const rs_cited *c, const char *text, rs_arena *mem)
{
    static const struct { const char *from, *to; } rows[] = {
        {"There is no evidence of ", "There is "}, {"There is no ", "There is "},
        {"There are no ", "There are "}, {"No evidence of ", "Evidence of "}, {"No ", ""},
        {"There is a ", "There is no "}, {"There is an ", "There is no "},
        {"There are ", "There are no "}, {"There is ", "There is no "},
    };
    enum { FRAGMENT = 90 };                      /* bytes: "Small left effusion." */
    bool affirmed = c->n_mentions > 0, negated = c->n_mentions > 0;

    for (size_t i = 0; i < c->n_mentions; i++) {
        affirmed &= c->mentions[i].state == RS_STATE_AFFIRMED;
        negated &= c->mentions[i].state == RS_STATE_NEGATED;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows && (affirmed || negated); i++)
        if (starts(text, rows[i].from) && !find_word(text, "also") && (i < 5 ? negated : affirmed))
            return rs_arena_sprintf(mem, "%s%s", rows[i].to, text + strlen(rows[i].from));
    return affirmed && strlen(text) < FRAGMENT && !strpbrk(text, ":;\xe2") &&
           !find_word(text, "is") && !find_word(text, "are") && !find_word(text, "has") &&
           !find_word(text, "also") ?
           rs_arena_sprintf(mem, "No %c%s", tolower((unsigned char)text[0]), text + 1) : NULL;
}

/* The first measure becomes another, or another's unit. */
static char *plant_number(const char *text, bool unit, rs_arena *mem)
{
    for (const char *s = text; *s; s++) {
        char *end, with[48];
        double value;
        if (!isdigit((unsigned char)*s) || (s > text && (isalnum((unsigned char)s[-1]) ||
                                                          s[-1] == '.')))
            continue;
        value = strtod(s, &end);
        while (*end == ' ')
            end++;
        if ((strncmp(end, "cm", 2) != 0 && strncmp(end, "mm", 2) != 0) ||
            isalpha((unsigned char)end[2]))
            continue;
        snprintf(with, sizeof with, "%g %s", unit ? value : value * 2 + 1,
                 unit == (*end == 'c') ? "mm" : "cm");
        return replaced(text, s, (size_t)(end + 2 - s), with, mem);
    }
    return NULL;
}

/* ---- Many ------------------------------------------------------------ */

typedef struct {
    size_t planted[3], caught[3], answers, flagged, sentences, wrong, misattributed, seen;
} tally;

static const char *const plant_names[3] = {"side", "negation", "number"};

static const char *bare(const char *text, rs_arena *mem)
{
    size_t len = strlen(text);

    while (len && strchr(". ", text[len - 1]))
        len--;
    return rs_arena_strndup(mem, text, len);
}

/* A sentence as a generator may put it: as it is or in other words, led in, or two joined. */
static char *told(const rs_context *c, rs_random *rnd, size_t *item, size_t *at, rs_arena *mem)
{
    const rs_context_item *a = &c->items[*item = rs_random_below(rnd, c->n)], *b;
    const char *x, *y;

    while (a->n_sentences == 0)
        a = &c->items[*item = rs_random_below(rnd, c->n)];
    *at = rs_random_below(rnd, a->n_sentences);
    x = rs_random_below(rnd, 2) ? reworded(&a->sentences[*at], mem) : a->sentences[*at].text;
    x = bare(x, mem);
    switch (rs_random_below(rnd, 4)) {
    case 0:  return rs_arena_sprintf(mem, "%s [%zu].", x, a->number);
    case 1:  return rs_arena_sprintf(mem, "Case [%zu] shows: %s.", a->number, x);
    case 2:  return rs_arena_sprintf(mem, "%s. [%zu]", x, a->number);
    default: break;
    }
    b = &c->items[rs_random_below(rnd, c->n)];
    if (b->n_sentences == 0)
        b = a;
    y = bare(b->sentences[rs_random_below(rnd, b->n_sentences)].text, mem);
    return rs_arena_sprintf(mem, "%s [%zu]; %s [%zu].", x, a->number, y, b->number);
}

static void clean_answer(const rs_context *c, rs_random *rnd, tally *t, bool show, rs_arena *mem)
{
    bool flagged = false;

    for (size_t k = 0; k < 4; k++) {
        size_t item, at;
        char *text = told(c, rnd, &item, &at, mem);
        unsigned flags = flags_of(c, text, mem);
        t->sentences++;
        t->wrong += flags != 0;
        flagged |= flags != 0;
        if (flags && show)
            print_message("false flag %x: %s\n", flags, text);
    }
    t->answers++;
    t->flagged += flagged;
}

/* A sentence cited from a case that does not say it. */
static void misattribute(const rs_context *c, rs_random *rnd, tally *t, rs_arena *mem)
{
    const rs_context_item *a = &c->items[rs_random_below(rnd, c->n)];
    const rs_context_item *b = &c->items[rs_random_below(rnd, c->n)];
    const char *text;

    if (a == b || a->n_sentences == 0)
        return;
    text = bare(a->sentences[rs_random_below(rnd, a->n_sentences)].text, mem);
    for (size_t i = 0; i < b->n_sentences; i++)
        if (strcasecmp(bare(b->sentences[i].text, mem), text) == 0)
            return;
    t->misattributed++;
    t->seen += flags_of(c, rs_arena_sprintf(mem, "%s [%zu].", text, b->number), mem) != 0;
}

/* Says the cited case the planted sentence too, somewhere? Then it is none. */
static bool said_too(const rs_context_item *item, const char *text, rs_arena *mem)
{
    for (size_t i = 0; i < item->n_sentences; i++)
        if (strcasecmp(bare(item->sentences[i].text, mem), text) == 0)
            return true;
    return false;
}

static void plant(const rs_context *c, rs_random *rnd, tally *t, bool show, rs_arena *mem)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->items[i].n_sentences; k++) {
            const rs_cited *s = &c->items[i].sentences[k];
            const char *from = rs_random_below(rnd, 2) ? reworded(s, mem) : s->text;
            const char *with[3] = {plant_side(from, mem), plant_negation(s, from, mem),
                                   plant_number(from, rs_random_below(rnd, 2) == 1, mem)};
            for (size_t p = 0; p < 3; p++) {
                char *text;
                if (!with[p] || said_too(&c->items[i], bare(with[p], mem), mem))
                    continue;
                text = rs_arena_sprintf(mem, "%s [%zu].", bare(with[p], mem), i + 1);
                t->planted[p]++;
                if (flags_of(c, text, mem))
                    t->caught[p]++;
                else if (show)
                    print_message("missed %s: %s\n", plant_names[p], text);
            }
        }
}

static void report(const char *what, const tally *t)
{
    size_t planted = 0, caught = 0;

    for (size_t p = 0; p < 3; p++) {
        planted += t->planted[p];
        caught += t->caught[p];
        print_message("%s: %zu of %zu planted contradictions of %s flagged\n", what, t->caught[p],
                      t->planted[p], plant_names[p]);
    }
    print_message("%s: %.1f%% of all planted; of %zu clean answers %zu (%.1f%%) with a false flag,"
                  " of %zu sentences %zu (%.2f%%)\n", what,
                  100 * (double)caught / (double)planted, t->answers, t->flagged,
                  100 * (double)t->flagged / (double)t->answers, t->sentences, t->wrong,
                  100 * (double)t->wrong / (double)t->sentences);
    print_message("%s: %zu of %zu sentences cited from another case flagged\n", what, t->seen,
                  t->misattributed);
    assert_true((double)caught >= 0.95 * (double)planted);
    assert_true((double)t->flagged <= 0.05 * (double)t->answers);
}

/* Contexts of CASES reports each, ANSWERS answers to them. */
static void measure(const char *what, const char *const *texts, size_t n, uint64_t seed)
{
    const bool show = getenv("RADSCOUT_SHOW") != NULL;
    rs_random rnd = rs_random_seed(seed);
    tally t = {0};

    for (size_t round = 0; t.answers < ANSWERS; round++) {
        const char *some[CASES];
        rs_arena mem = {0};
        rs_context c;
        for (size_t i = 0; i < CASES; i++)
            some[i] = texts[rs_random_below(&rnd, n)];
        c = context_of(some, NULL, CASES, &mem);
        for (size_t i = 0; i < 5; i++)
            clean_answer(&c, &rnd, &t, show, &mem);
        plant(&c, &rnd, &t, show, &mem);
        for (size_t i = 0; i < 10; i++)
            misattribute(&c, &rnd, &t, &mem);
        rs_arena_clear(&mem);
    }
    report(what, &t);
}

/* ---- Made reports ---------------------------------------------------- */

/* A sentence; no finding twice in a report, so that none contradicts itself. */
static void add_made(rs_random *rnd, unsigned *used, rs_buf *b)
{
    static const char *const findings[] = {"pleural effusion", "pneumothorax", "consolidation",
        "atelectasis", "pulmonary nodule", "mass", "rib fracture", "pneumonia", "hilar adenopathy",
        "cavity", "interstitial opacity", "pleural thickening"};
    static const char *const places[] = {"upper lobe", "lower lobe", "lung base", "hemithorax",
                                         "costophrenic angle", "apex"};
    static const char *const sizes[] = {"small", "moderate", "large", "stable", "new"};
    static const char *const sides[] = {"left", "right"};
    const size_t i = rs_random_below(rnd, 12), k = (i + 1) % 12;
    const char *f = findings[i], *g = findings[k];
    const char *side = pick(rnd, sides, 2), *place = pick(rnd, places, 6);
    const char *size = pick(rnd, sizes, 5);

    if ((*used >> i | *used >> k) & 1)
        return;
    *used |= 1u << i | 1u << k;
    switch (rs_random_below(rnd, 8)) {
    case 0: rs_buf_printf(b, "There is a %s %s %s. ", size, side, f); break;
    case 1: rs_buf_printf(b, "No %s. ", f); break;
    case 2: rs_buf_printf(b, "There is no %s or %s. ", f, g); break;
    case 3: rs_buf_printf(b, "%s in the %s %s. ", f, side, place); break;
    case 4: rs_buf_printf(b, "A %.1f cm %s is seen in the %s %s. ",
                          1 + 0.1 * (double)rs_random_below(rnd, 60), f, side, place); break;
    case 5: rs_buf_printf(b, "The heart is %s. ", rs_random_below(rnd, 2) ? "enlarged" :
                          "normal in size"); break;
    case 6: rs_buf_printf(b, "%zu mm %s, %s. ", 3 + rs_random_below(rnd, 30), f, size); break;
    default: rs_buf_printf(b, "Possible %s in the %s %s. ", f, side, place); break;
    }
}

static void test_made_reports(void **state)
{
    enum { N = 300 };
    static char *texts[N];
    rs_random rnd = rs_random_seed(71);

    (void)state;
    for (size_t i = 0; i < N; i++) {
        rs_buf b = {0};
        unsigned used = 0;
        for (size_t k = 0; k < 24; k++)
            add_made(&rnd, &used, &b);
        texts[i] = rs_buf_take(&b);
    }
    measure("made reports", (const char *const *)texts, N, 72);
    for (size_t i = 0; i < N; i++)
        rs_free(texts[i]);
}

/* ---- Real reports ---------------------------------------------------- */

/* findings and impression of each line of a JSON lines file. */
static size_t read_reports(const char *path, const char *second, char **texts)
{
    FILE *in = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0, n = 0;

    while (in && n < MAX_REPORTS && getline(&line, &cap, in) > 0) {
        json_t *o = json_loads(line, 0, NULL);
        const char *a = json_string_value(json_object_get(o, "findings"));
        const char *b = json_string_value(json_object_get(o, second));
        if (a && b && strlen(a) > 40)
            texts[n++] = rs_sprintf("%s %s", a, b);
        json_decref(o);
    }
    free(line);
    if (in)
        fclose(in);
    return n;
}

static void measure_file(const char *what, const char *path, const char *second, uint64_t seed)
{
    static char *texts[MAX_REPORTS];
    size_t n;

    if (!rs_file_exists(path)) {
        print_message("skipped: ../shared/data is absent\n");
        skip();
    }
    n = read_reports(path, second, texts);
    assert_true(n > 100);
    measure(what, (const char *const *)texts, n, seed);
    for (size_t i = 0; i < n; i++)
        rs_free(texts[i]);
}

static void test_real_chest_reports(void **state)
{
    (void)state;
    measure_file("openi", OPENI, "impression", 73);
}

static void test_real_teaching_files(void **state)
{
    (void)state;
    measure_file("medpix", MEDPIX, "diagnosis", 74);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_with_an_encoder),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_made_reports),
        cmocka_unit_test(test_real_chest_reports),
        cmocka_unit_test(test_real_teaching_files),
    };

    return cmocka_run_group_tests_name("engine/check", tests, load_lexicon, free_lexicon);
}
