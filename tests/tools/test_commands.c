/* test_commands.c - the radscout command as a user meets it: what it prints, what it
 * says when something is wrong, and its exit codes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "embeddings/encoder.h"
#include "engine/archive.h"
#include "run.h"
#include "tiny_model.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <pty.h>

static char archive[300], model[300];

/* A report that would, if a terminal obeyed it, clear the screen, set the title, come as
 * C1 control codes, turn the line round, and fake a line of results. */
static const char hostile[] =
    "{\"id\":\"evil\",\"image\":\"p/5.png\",\"title\":\"ti\\u001b[2Jtle\\n  1  0.9999  fake\","
    "\"view\":\"v\\u001b[31m\",\"labels\":[\"la\\u001bbel\"],\"report\":\"FINDINGS: venom \\u001b]0;owned\\u0007 "
    "\\u009b31m \\u202egnorw\\r over \\b\\b back.\",\"note\\u001b\":\"no\\u001b[7mte\"}\n";

static int make_all(void **state)
{
    rs_buf rows = {0};
    rs_err err = {0};
    char name[32];

    (void)state;
    if (!mkdtemp(scratch) || tiny_model_write(at("model"), 7, &err) != RS_OK)
        return -1;
    snprintf(archive, sizeof archive, "%s/archive", scratch);
    snprintf(model, sizeof model, "%s/model", scratch);
    unsetenv("RADSCOUT_MODEL");
    unsetenv("RADSCOUT_THUMBS");
    for (unsigned i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "p/%u.png", i);
        put_picture(name, i + 50);
    }
    rs_buf_puts(&rows,
        "{\"id\":\"a\",\"image\":\"p/0.png\",\"title\":\"Pleural effusion\",\"modality\":\"CR\",\"age\":61,"
        "\"sex\":\"F\",\"labels\":[\"effusion\"],\"findings\":\"A left pleural effusion.\",\"patient\":\"p1\"}\n"
        "{\"id\":\"b\",\"images\":[\"p/1.png\",\"p/2.png\"],\"modality\":\"CT\",\"age\":30,\"sex\":\"M\","
        "\"view\":[\"axial\",\"coronal\"],\"date\":\"20230501\",\"tier\":\"Proven\",\"scanner\":\"GE 1\","
        "\"findings\":\"A fracture of the left wrist.\",\"impression\":\"Fracture.\"}\n"
        "{\"id\":\"c\",\"image\":\"p/3.png\",\"modality\":\"CT\",\"body_part\":\"HEAD\",\"collection\":\"teach\","
        "\"findings\":\"No haemorrhage.\"}\n"
        "{\"id\":\"d\",\"image\":\"p/4.png\"}\n"
        "{\"id\":\"broken\",\"image\":\"p/none.png\"}\n");
    rs_buf_puts(&rows, hostile);
    put("cases.jsonl", rows.data);
    rs_buf_clear(&rows);
    return radscout("index", archive, at("cases.jsonl"), "--model", model, "--quiet") == 3 ? 0 : -1;
}

static int drop_all(void **state)
{
    forget_said();
    return scratch_drop(state);
}

/* What was printed as JSON; the caller decrefs. */
static json_t *parsed(void)
{
    json_error_t e;
    json_t *v = json_loadb(said_out, said_out_len, 0, &e);

    if (!v)
        fail_msg("not JSON: %s: %s", e.text, said_out);
    return v;
}

/* The object has these keys, in this order, and no others. */
static void assert_keys(json_t *o, const char *const *want)
{
    const char *key;
    json_t *v;
    size_t i = 0;

    assert_true(json_is_object(o));
    json_object_foreach(o, key, v) {
        assert_non_null(want[i]);
        assert_string_equal(key, want[i]);
        i++;
    }
    assert_null(want[i]);
}
#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *text_at(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    assert_non_null(s);
    return s;
}

/* ---- Help, usage, messages ------------------------------------------- */

static void test_help_of_every_command(void **state)
{
    char *overview, *line, *rest;
    size_t commands = 0;

    (void)state;
    assert_exit(0, "--help");
    overview = rs_strdup(said_out);
    line = strstr(overview, "Commands:\n");
    assert_non_null(line);
    for (line = strtok_r(line, "\n", &rest); (line = strtok_r(NULL, "\n", &rest)) != NULL && line[0] == ' ';) {
        char name[64] = "", usage[128], *two;
        sscanf(line, "  %63[a-z -]", name);
        for (size_t n = strlen(name); n && name[n - 1] == ' ';)
            name[--n] = '\0';
        if ((two = strstr(name, "  ")) != NULL)
            *two = '\0';
        two = strchr(name, ' ');
        if (two && strncmp(name, "bench ", 6) != 0 && strncmp(name, "model ", 6) != 0 &&
            strncmp(name, "token ", 6) != 0 && strncmp(name, "audit-log ", 10) != 0)
            *two = '\0', two = NULL;
        snprintf(usage, sizeof usage, "usage: radscout %s ", name);
        if (two) {
            *two++ = '\0';
            assert_exit(0, name, two, "--help");
        } else {
            assert_exit(0, name, "--help");
        }
        assert_memory_equal(said_out, usage, strlen(usage));
        assert_says(said_out, "\nOptions:\n");
        assert_int_equal(said_err_len, 0);
        for (char *s = said_out; *s; s += strcspn(s, "\n") + (s[strcspn(s, "\n")] == '\n'))
            if (strcspn(s, "\n") > 100)
                fail_msg("%s --help has a line of %zu characters", name, strcspn(s, "\n"));
        commands++;
    }
    assert_true(commands >= 7);
    rs_free(overview);
    assert_exit(0, "help", "search");
    assert_says(said_out, "usage: radscout search ");
    assert_exit(0, "--version");
    assert_memory_equal(said_out, "radscout ", 9);
    assert_true(isdigit((unsigned char)said_out[9]));
}

static void test_wrong_usage(void **state)
{
    static const struct { const char *args[6]; const char *want; } rows[] = {
        {{NULL}, "usage: radscout COMMAND"},
        {{"serch"}, "did you mean search?"},
        {{"nonsense"}, "there is no command 'nonsense'"},
        {{"bench"}, "bench encode"},
        {{"e\x1b[2Jvil"}, "'e?[2Jvil'"},
        {{"search"}, "wants ARCHIVE"},
        {{"search", "x"}, "--text, --image or --like"},
        {{"search", "x", "y", "--text", "t"}, "'y'"},
        {{"search", "x", "--txt", "t"}, "did you mean --text?"},
        {{"search", "x", "--\x1b[2J", "t"}, "unknown option '--?[2J'"},
        {{"search", "x", "--text"}, "--text wants a value: TEXT"},
        {{"search", "x", "--text", "t", "-k0"}, "-k wants a whole number from 1 to 10000, not '0'"},
        {{"search", "x", "--text", "t", "-k", "ten"}, "not 'ten'"},
        {{"search", "x", "--text", "t", "--k=9e9"}, "not '9e9'"},
        {{"search", "x", "--text", "t", "--age-min=old"}, "--age-min wants a number"},
        {{"search", "x", "--text", "t", "--filter", "sex:F)"}, "--filter: at character 6, ')'"},
        {{"search", "x", "--text", "t", "--tier=best"}, "wanted unknown, reported,"},
        {{"search", "x", "--text", "t", "--date=2020-13"}, "wanted a date such as"},
        {{"facets", "x", "--filter", "age:old"}, "--filter: at character 5"},
        {{"search", "x", "--text", "t", "--json=1"}, "--json takes no value"},
        {{"search", "x", "--text", "t", "-t0"}, "--threads wants"},
        {{"show", "x"}, "wants ARCHIVE CASE"},
        {{"index", "x"}, "wants ARCHIVE SOURCE..."},
        {{"index", "x", "y", "--batch", "0"}, "--batch wants"},
        {{"encode", "x"}, "--text or --image"},
        {{"stats"}, "wants ARCHIVE"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = end_radscout(start_radscout(rows[i].args));
        if (code != 2 || !strstr(said_err, rows[i].want) || said_out_len)
            fail_msg("row %zu: exit %d, wanted '%s': %s", i, code, rows[i].want, said_err);
        assert_null(strchr(said_err, '\x1b'));
    }
}

static void test_messages(void **state)
{
    char damaged[300];

    (void)state;
    assert_exit(1, "search", at("nowhere"), "--text", "x");
    assert_says(said_err, "there is no archive");
    assert_says(said_err, "radscout index");
    assert_exit(1, "stats", at("nowhere"));
    assert_false(rs_is_folder(at("nowhere")));
    assert_exit(1, "index", at("new"), at("nowhere"), "--model", model);
    assert_says(said_err, "nowhere: No such file");
    assert_exit(1, "index", at("new"), at("cases.jsonl"), "--model", at("nomodel"));
    assert_says(said_err, "nomodel: there is no such folder");
    assert_exit(1, "index", at("new"), at("p/1.png"), "--model", model);
    assert_says(said_err, "p/1.png: a source is a folder or a .jsonl, .csv or .tsv manifest");
    put("empty.csv", "");
    assert_exit(1, "index", at("new"), at("cases.jsonl"), at("empty.csv"), "--model", model);
    assert_says(said_err, "empty.csv");
    assert_false(rs_is_folder(at("new")));         /* nothing is made for a mistyped line */
    assert_exit(1, "search", archive, "--image", at("cases.jsonl"));
    assert_says(said_err, "cases.jsonl: neither PNG nor JPEG");
    assert_exit(1, "search", archive, "--image", at("none.png"));
    assert_says(said_err, "none.png: No such file");
    assert_exit(1, "search", archive, "--like", "zebra");
    assert_says(said_err, "no case 'zebra'");
    assert_exit(1, "show", archive, "zebra\x1b[2J");
    assert_says(said_err, "'zebra?[2J'");
    assert_exit(1, "encode", at("p"), "--text", "x");
    assert_says(said_err, "config.json");

    snprintf(damaged, sizeof damaged, "%s/damaged", scratch);
    put("damaged/catalog.db", "this is no database, although it is long enough to look at");
    assert_exit(1, "search", damaged, "--text", "x");
    assert_says(said_err, "catalog.db");
    assert_int_equal(strchr(said_err, '\n') - said_err, said_err_len - 1);   /* one line */
}

/* The archive knows its model; when that is gone, the message says what to give. */
static void test_which_model(void **state)
{
    rs_err err = {0};

    (void)state;
    ok(tiny_model_write(at("other"), 8, &err), &err);
    assert_exit(0, "search", archive, "--text", "effusion");
    assert_exit(1, "search", archive, "--text", "effusion", "--model", at("other"));
    assert_says(said_err, "was made with the model model");
    setenv("RADSCOUT_MODEL", at("other"), 1);
    assert_exit(0, "search", archive, "--text", "effusion");       /* the archive's own first */
    assert_int_equal(rename(at("model"), at("moved")), 0);
    assert_exit(1, "search", archive, "--text", "effusion");
    assert_says(said_err, "no longer there");
    assert_says(said_err, "--model");
    assert_exit(0, "search", archive, "--text", "effusion", "--model", at("moved"));
    assert_int_equal(rename(at("moved"), at("model")), 0);
    unsetenv("RADSCOUT_MODEL");
}

/* ---- Search ---------------------------------------------------------- */

static void test_search_json(void **state)
{
    json_t *all, *hit, *probe, *query;
    size_t i, k;
    double last = INFINITY;

    (void)state;
    assert_exit(0, "search", archive, "--text", "left pleural effusion", "--image", at("p/1.png"),
                "-k", "4", "--json");
    all = parsed();
    assert_keys(all, KEYS("query", "took_ms", "similarity", "hits"));
    query = json_object_get(all, "query");
    assert_keys(query, KEYS("text", "images", "like", "k"));
    assert_string_equal(text_at(query, "text"), "left pleural effusion");
    assert_int_equal(json_array_size(json_object_get(query, "images")), 1);
    assert_int_equal(json_integer_value(json_object_get(query, "k")), 4);
    assert_true(json_real_value(json_object_get(all, "took_ms")) > 0);
    assert_int_equal(json_array_size(json_object_get(all, "hits")), 4);
    json_array_foreach(json_object_get(all, "hits"), i, hit) {
        json_t *score = json_object_get(hit, "score");
        assert_keys(hit, KEYS("rank", "case", "score", "title", "probes", "image", "snippet",
                               "folded"));
        assert_int_equal(json_integer_value(json_object_get(hit, "rank")), i + 1);
        assert_true(json_is_real(score) && json_real_value(score) <= last);
        last = json_real_value(score);
        assert_true(json_array_size(json_object_get(hit, "probes")) > 0);
        json_array_foreach(json_object_get(hit, "probes"), k, probe) {
            assert_keys(probe, KEYS("probe", "rank", "score"));
            assert_true(json_integer_value(json_object_get(probe, "rank")) > 0);
            assert_true(json_is_real(json_object_get(probe, "score")));
            text_at(probe, "probe");
        }
    }
    json_decref(all);

    assert_exit(0, "search", archive, "--text", "effusion", "-k1", "--json", "--explain");
    all = parsed();
    probe = json_array_get(json_object_get(json_array_get(json_object_get(all, "hits"), 0), "probes"), 0);
    assert_keys(probe, KEYS("probe", "rank", "score", "part", "image", "passage"));
    json_decref(all);
}

/* The case of hit `i` of the JSON just printed. */
static const char *hit_case(size_t i)
{
    static char key[64];
    json_t *all = parsed(), *hit = json_array_get(json_object_get(all, "hits"), i);

    snprintf(key, sizeof key, "%s", hit ? text_at(hit, "case") : "");
    json_decref(all);
    return key;
}

static size_t hit_count(void)
{
    json_t *all = parsed();
    size_t n = json_array_size(json_object_get(all, "hits"));

    json_decref(all);
    return n;
}

static void test_search_finds(void **state)
{
    static const struct { const char *option, *value, *want; size_t n; } filters[] = {
        {"--modality", "ct", "b", 2}, {"--body-part", "head", "c", 1}, {"--sex", "F", "a", 1},
        {"--view", "axial", "b", 1}, {"--age-min", "31", "a", 1}, {"--age-max", "60.5", "b", 1},
        {"--patient", "p1", "a", 1}, {"--collection", "TEACH", "c", 1}, {"--finding", "effusion", "a", 1},
        {"--modality", "PET", "", 0},
        {"--date", "2020..2023-06", "b", 1}, {"--tier", ">=reviewed", "b", 1},
        {"--filter", "modality:CT and not (sex:M or body_part:chest)", "c", 1},
        {"--filter", "attr.scanner:\"GE 1\" or patient:p1", "", 2},
    };

    (void)state;
    assert_exit(0, "search", archive, "--image", at("p/3.png"), "--json");
    assert_string_equal(hit_case(0), "c");         /* an indexed image finds itself first */
    assert_exit(0, "search", archive, "--image", at("p/2.png"), "--json", "-k1");
    assert_string_equal(hit_case(0), "b");
    assert_exit(0, "search", archive, "--text", "wrist fracture", "--json", "-k1");
    assert_string_equal(hit_case(0), "b");
    assert_exit(0, "search", archive, "--like", "b", "--json");
    assert_int_equal(hit_count(), 4);              /* all but itself; "broken" is none */
    for (size_t i = 0; i < 4; i++)
        assert_string_not_equal(hit_case(i), "b");
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        assert_exit(0, "search", archive, "--image", at("p/0.png"), filters[i].option,
                    filters[i].value, "--json", "--text", "left");
        assert_int_equal(hit_count(), filters[i].n);
        if (filters[i].n == 1)
            assert_string_equal(hit_case(0), filters[i].want);
    }
    assert_exit(0, "search", archive, "--image", at("p/0.png"), "--modality", "PET");
    assert_says(said_out, "nothing found");
    assert_exit(0, "search", archive, "--text", "effusion", "-k", "1");
    assert_says(said_out, "a  Pleural effusion  [");
    assert_says(said_out, "1 hit in ");
    assert_null(strchr(said_out, '\x1b'));         /* no terminal: nothing bold */
    assert_exit(0, "search", archive, "--text", "wrist", "-k", "1", "--explain");
    assert_says(said_out, "bm25          #1 ");
}

/* Words may be any bytes: no error, no crash, and JSON that parses. */
static void test_queries_of_any_bytes(void **state)
{
    static const char *const texts[] = {
        "\"", "\"\"", "*", "-", "--", "- -", "a\"b", "NEAR(", "(", ")", "AND OR NOT", "title:x", "^", "{}",
        "\xff\xfe", "\xc3", "\xe2\x80", "\x01\x02\x1b[2J", "\xf0\x9f\xa9\xbb", "'; DROP TABLE cases; --",
        "\xe2\x80\xae rtl", "%s%n", "", " ", "\n\t", "-effusion", "+", "a AND", "\"unclosed phrase",
    };
    char longer[20001];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char option[64];
        int code;
        snprintf(option, sizeof option, "--text=%s", texts[i]);
        code = radscout("search", archive, option, "--json");
        if (code != 0)
            fail_msg("query %zu: exit %d: %s", i, code, said_err);
        json_decref(parsed());
    }
    memset(longer, 'x', sizeof longer - 1);
    for (size_t i = 7; i < sizeof longer - 1; i += 8)
        longer[i] = ' ';
    longer[sizeof longer - 1] = '\0';
    assert_exit(0, "search", archive, "--text", longer, "--json");
}

/* ---- Show, stats, encode, index -------------------------------------- */

static void test_show(void **state)
{
    json_t *all;

    (void)state;
    assert_exit(0, "show", archive, "b");
    assert_says(said_out, "case        b\n");
    assert_says(said_out, "title       Fracture.\n");
    assert_says(said_out, "p/2.png  (");
    assert_says(said_out, ", coronal)");
    assert_says(said_out, "Findings: A fracture of the left wrist.");
    assert_exit(0, "show", archive, "a", "--json");
    all = parsed();
    assert_keys(all, KEYS("case", "source", "title", "modality", "body_part", "view", "sex", "patient",
                          "collection", "age_years", "study_date", "tier", "findings", "report", "images", "passages", "mentions",
                          "attributes"));
    assert_keys(json_array_get(json_object_get(all, "images"), 0),
                KEYS("path", "given", "sha256", "view", "width", "height"));
    assert_keys(json_array_get(json_object_get(all, "passages"), 0), KEYS("section", "text", "begin", "end"));
    assert_true(json_is_null(json_object_get(all, "body_part")));
    assert_true(json_number_value(json_object_get(all, "age_years")) == 61);
    json_decref(all);
}

static void test_facets(void **state)
{
    json_t *all, *facet, *value;

    (void)state;
    assert_exit(0, "facets", archive, "--filter", "modality:CT", "--json", "--attribute", "scanner");
    all = parsed();
    assert_keys(all, KEYS("cases", "passing", "facets"));
    assert_int_equal(json_integer_value(json_object_get(all, "cases")), 5);
    assert_int_equal(json_integer_value(json_object_get(all, "passing")), 2);
    assert_int_equal(json_array_size(json_object_get(all, "facets")), 10);
    facet = json_array_get(json_object_get(all, "facets"), 4);
    assert_keys(facet, KEYS("facet", "values", "unknown"));
    assert_string_equal(text_at(facet, "facet"), "age");
    assert_int_equal(json_integer_value(json_object_get(facet, "unknown")), 1);
    value = json_array_get(json_object_get(facet, "values"), 0);
    assert_keys(value, KEYS("value", "cases"));
    assert_string_equal(text_at(value, "value"), "30..39");
    json_decref(all);
    assert_exit(0, "facets", archive);
    assert_says(said_out, "modality             2  CT\n                     1  CR\n");
    assert_says(said_out, "tier                 1  proven\n                     4  (not known)\n");
    assert_exit(1, "facets", at("nowhere"));
    assert_exit(0, "show", archive, "b");
    assert_says(said_out, "date        2023-05-01\n");
    assert_says(said_out, "tier        proven\n");
}

static void test_stats(void **state)
{
    json_t *all, *problems;

    (void)state;
    assert_exit(0, "stats", archive, "--json");
    all = parsed();
    assert_int_equal(json_integer_value(json_object_get(all, "cases")), 5);
    assert_int_equal(json_integer_value(json_object_get(all, "images")), 6);
    assert_int_equal(json_integer_value(json_object_get(all, "image_vectors")), 6);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(all, "modalities"), "CT")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(all, "encoder"), "dim")), TINY_DIM);
    problems = json_object_get(all, "problems");
    assert_int_equal(json_array_size(problems), 1);
    assert_keys(json_array_get(problems, 0), KEYS("source", "item", "reason", "at"));
    assert_string_equal(text_at(json_array_get(problems, 0), "item"), "p/none.png");
    json_decref(all);
    assert_exit(0, "stats", archive);
    assert_says(said_out, "(--problems lists them)");
    assert_exit(0, "stats", archive, "--problems");
    assert_says(said_out, "p/none.png: ");
    assert_says(said_out, "No such file");
}

static void test_index_report(void **state)
{
    json_t *all;

    (void)state;
    assert_exit(3, "index", archive, at("cases.jsonl"), "--json");     /* known, and still wrong */
    all = parsed();
    assert_keys(all, KEYS("source", "cases", "added", "updated", "unchanged", "pruned", "gone", "images",
                          "passages", "regions", "refused_cases", "refused_images", "texts_cut", "seconds",
                          "decode_s", "encode_s", "write_s", "problems"));
    assert_int_equal(json_integer_value(json_object_get(all, "unchanged")), 5);
    assert_int_equal(json_array_size(json_object_get(all, "problems")), 1);
    json_decref(all);
    for (char *s = said_err, *end; *s; s = end + 1) {      /* progress: JSON lines */
        json_t *line = json_loadb(s, (size_t)((end = strchr(s, '\n')) - s), 0, NULL);
        assert_keys(line, KEYS("progress", "unit", "done", "total", "per_second", "elapsed_s", "end"));
        json_decref(line);
    }
    assert_exit(3, "index", archive, at("cases.jsonl"), "--quiet");
    assert_int_equal(said_err_len, 0);
    assert_says(said_out, "6 cases: 0 added, 0 updated, 5 unchanged; refused: 1 case, 1 image");
    assert_says(said_out, "  refused: p/none.png: ");
    put("fine.jsonl", "{\"id\":\"fine\",\"title\":\"Words\"}\n");
    assert_exit(0, "index", archive, at("fine.jsonl"), "--quiet");
    put("fine.jsonl", "");
    assert_exit(0, "index", archive, at("fine.jsonl"), "--quiet", "--prune");
    assert_says(said_out, "1 removed");
}

static void test_encode(void **state)
{
    rs_encoder *e;
    rs_image im;
    float want[2][TINY_DIM];
    const char *const texts[] = {"left effusion"};
    json_t *all, *list;
    rs_err err = {0};

    (void)state;
    ok(rs_encoder_open(&e, model, &err), &err);
    ok(rs_image_load(&im, at("p/1.png"), &err), &err);
    ok(rs_encoder_texts(e, texts, 1, NULL, want[0], NULL, &err), &err);
    ok(rs_encoder_images(e, &im, 1, NULL, want[1], &err), &err);
    assert_exit(0, "encode", model, "--json", "--image", at("p/1.png"), "--text", "left effusion");
    all = parsed();
    assert_keys(all, KEYS("model", "id", "dim", "texts_cut", "vectors"));
    assert_string_equal(text_at(all, "id"), rs_encoder_id(e));
    assert_int_equal(json_integer_value(json_object_get(all, "dim")), TINY_DIM);
    list = json_object_get(all, "vectors");
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *v = json_object_get(json_array_get(list, i), "vector");
        double length = 0;
        assert_int_equal(json_array_size(v), TINY_DIM);
        for (size_t k = 0; k < TINY_DIM; k++) {
            double x = json_number_value(json_array_get(v, k));
            length += x * x;
            if (!(fabs(x - (double)want[i][k]) < 1e-6))
                fail_msg("vector %zu float %zu: %g, wanted %g", i, k, x, (double)want[i][k]);
        }
        assert_true(fabs(length - 1) < 1e-5);
    }
    assert_string_equal(text_at(json_array_get(list, 0), "text"), "left effusion");
    text_at(json_array_get(list, 1), "image");
    json_decref(all);
    rs_image_clear(&im);
    rs_encoder_close(e);
    assert_exit(0, "encode", model, "--text", "one", "--text", "one");
    assert_says(said_out, "  2    1.000  1.000   text one\n");
    {
        char longer[2000] = "";
        for (int i = 0; i < 90; i++)
            strcat(longer, "effusion ");
        assert_exit(0, "encode", model, "--text", longer);
        assert_says(said_err, "longer than the 32 tokens");
    }
}

/* ---- Terminals ------------------------------------------------------- */

/* Run on a terminal of its own and collect what it shows; lines end in \r\n there. */
static int on_terminal(char *shown, size_t size, const char *const *args)
{
    int master, slave, status = 0;
    size_t n = 0;
    char *argv[MAX_ARGS + 2] = {(char *)(uintptr_t)getenv("RADSCOUT_BIN")};
    pid_t pid;

    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    for (int i = 0; args[i]; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
            _exit(126);
        close(slave);
        close(master);
        execv(argv[0], argv);
        _exit(127);
    }
    close(slave);
    for (ssize_t got; n + 1 < size && (got = read(master, shown + n, size - 1 - n)) > 0;)
        n += (size_t)got;                      /* ends with EIO when the last writer is gone */
    assert_int_equal(waitpid(pid, &status, 0), pid);
    shown[n] = '\0';
    close(master);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* No control character but line ends, and of sequences only bold on and off and the
 * erasing of a line's rest. */
static void assert_harmless(const char *shown)
{
    for (const char *s = shown; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == 0x1b && (strncmp(s, "\x1b[1m", 4) == 0 || strncmp(s, "\x1b[22m", 5) == 0 ||
                          strncmp(s, "\x1b[K", 3) == 0))
            continue;
        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f ||
            (c == 0xc2 && (unsigned char)s[1] < 0xa0) || strncmp(s, "\xe2\x80\xae", 3) == 0)
            fail_msg("byte %02x at %zu: %s", c, (size_t)(s - shown), shown);
    }
}

static void test_hostile_text_never_reaches_a_terminal(void **state)
{
    static char shown[1 << 16];
    const char *const runs[][8] = {
        {"search", archive, "--text", "venom", NULL}, {"search", archive, "--text", "venom", "--explain", NULL},
        {"show", archive, "evil", NULL}, {"stats", archive, "--problems", NULL},
        {"search", archive, "--like", "evil", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        assert_int_equal(on_terminal(shown, sizeof shown, runs[i]), 0);
        assert_harmless(shown);
        assert_null(strstr(shown, "\n  1  0.9999  fake"));         /* no line of its own */
    }
    assert_int_equal(on_terminal(shown, sizeof shown, runs[0]), 0);
    assert_says(shown, "\x1b[1mvenom\x1b[22m");
    assert_exit(0, "show", archive, "evil", "--json");     /* JSON escapes, and keeps */
    {
        json_t *all = parsed();
        assert_non_null(strstr(text_at(all, "report"), "\x1b]0;owned"));
        json_decref(all);
    }
    assert_null(strchr(said_out, '\x1b'));
    assert_int_equal(on_terminal(shown, sizeof shown, (const char *const[]){"index", at("bar"),
        at("cases.jsonl"), "--model", model, "--batch", "1", NULL}), 3);
    assert_harmless(shown);
    assert_says(shown, "\rindexing [########################] 100%  6/6 cases");
}

/* Nobody reads: it ends, without a word. A full disk is told. */
static void test_output_that_does_not_arrive(void **state)
{
    const char *bin = getenv("RADSCOUT_BIN");
    char command[800], *text;
    size_t len;

    (void)state;
    snprintf(command, sizeof command, "(sleep 0.2; '%s' stats '%s' --json; echo $? >'%s/code') "
             "2>'%s/words' | true; sleep 0.1; while [ ! -s '%s/code' ]; do sleep 0.1; done",
             bin, archive, scratch, scratch, scratch);
    assert_int_equal(system(command), 0);
    assert_int_equal(rs_file_read(&text, &len, at("code"), 100, NULL), RS_OK);
    assert_string_equal(text, "1\n");
    rs_free(text);
    assert_int_equal(rs_file_read(&text, &len, at("words"), 10000, NULL), RS_OK);
    assert_string_equal(text, "");
    rs_free(text);
    snprintf(command, sizeof command, "'%s' stats '%s' >/dev/full 2>'%s/words'; [ $? = 1 ] && "
             "grep -q 'No space left' '%s/words'", bin, archive, scratch, scratch);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "'%s' stats '%s' >&- 2>'%s/words'; [ $? = 1 ]", bin, archive, scratch);
    assert_int_equal(system(command), 0);
}

/* ---- Pictures -------------------------------------------------------- */

/* RFC 4648; the value of one digit, or -1. */
static int digit(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 :
           c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The PNG within kitty's escape sequences, the first of `text`. */
static rs_image kitty_image(const char *text)
{
    rs_buf png = {0};
    rs_image im;
    rs_err err = {0};
    uint32_t bits = 0;
    int have = 0;
    bool more = true;

    for (size_t chunk = 0; more; chunk++) {
        const char *begin = strstr(text, "\x1b_G"), *data, *end;
        assert_non_null(begin);
        data = strchr(begin, ';') + 1;
        end = strstr(data, "\x1b\\");
        assert_true(end - data <= 4096);           /* as the protocol wants */
        assert_true((strncmp(begin + 3, "a=T,f=100,", 10) == 0) == (chunk == 0));
        more = strncmp(data - 4, "m=1", 3) == 0;
        for (; data < end; data++) {
            if (*data == '=')
                continue;
            assert_true(digit(*data) >= 0);
            bits = bits << 6 | (uint32_t)digit(*data);
            if ((have += 6) >= 8)
                rs_buf_putc(&png, (char)(bits >> (have -= 8) & 0xff));
        }
        text = end + 2;
    }
    ok(rs_image_decode(&im, png.data, png.len, &err), &err);
    rs_buf_clear(&png);
    return im;
}

/* Draw the sixels into a picture of percents; each pixel has to be painted once. */
static rs_image sixel_image(const char *text)
{
    const char *s = strstr(text, "\x1bPq\"1;1;");
    unsigned width, height, percent[256] = {0}, colour = 0;
    size_t x = 0, y = 0;
    int used = 0;
    rs_image im;
    rs_err err = {0};

    assert_non_null(s);
    assert_int_equal(sscanf(s, "\x1bPq\"1;1;%u;%u%n", &width, &height, &used), 2);
    ok(rs_image_new(&im, width, height, 1, 8, &err), &err);
    memset(im.pixels, 255, (size_t)width * height);
    for (s += used; *s && *s != '\x1b';) {
        unsigned run = 1, r, g, b;
        if (*s == '#') {
            assert_int_equal(sscanf(s, "#%u%n", &colour, &used), 1);
            s += used;
            if (*s == ';') {
                assert_int_equal(sscanf(s, ";2;%u;%u;%u%n", &r, &g, &b, &used), 3);
                assert_true(r == g && g == b && r <= 100 && colour < 256);
                percent[colour] = r;
                s += used;
            }
            continue;
        }
        if (*s == '$' || *s == '-') {
            x = 0;
            y += *s++ == '-' ? 6 : 0;
            continue;
        }
        if (*s == '!') {
            assert_int_equal(sscanf(s, "!%u%n", &run, &used), 1);
            s += used;
        }
        assert_in_range(*s, '?', '~');
        for (; run > 0; run--, x++)
            for (size_t i = 0; i < 6; i++)
                if ((*s - '?') >> i & 1) {
                    uint8_t *p = (uint8_t *)im.pixels + (y + i) * width + x;
                    assert_true(x < width && y + i < height);
                    assert_int_equal(*p, 255);
                    *p = (uint8_t)percent[colour];
                }
        s++;
    }
    assert_memory_equal(s, "\x1b\\", 2);
    return im;
}

/* How far `im` (times `scale`) is from the picture of the file, at most. */
static double worst(const rs_image *im, const char *path, double scale)
{
    rs_image want;
    rs_err err = {0};
    double most = 0;

    ok(rs_image_load(&want, path, &err), &err);
    assert_int_equal(want.width, im->width);
    assert_int_equal(want.height, im->height);
    for (size_t i = 0; i < want.width * want.height; i++) {
        double d = fabs(((uint8_t *)im->pixels)[i] * scale - ((uint8_t *)want.pixels)[i]);
        most = d > most ? d : most;
    }
    rs_image_clear(&want);
    return most;
}

static void test_thumbs(void **state)
{
    rs_image im, large = picture(3, 90, 400, 1, 16);
    rs_err err = {0};

    (void)state;
    setenv("RADSCOUT_THUMBS", "kitty", 1);
    assert_exit(0, "search", archive, "--image", at("p/0.png"), "-k1", "--thumbs");
    im = kitty_image(said_out);
    assert_true(worst(&im, at("p/0.png"), 1) == 0);
    rs_image_clear(&im);
    setenv("RADSCOUT_THUMBS", "sixel", 1);
    assert_exit(0, "show", archive, "a", "--thumbs");
    im = sixel_image(said_out);
    assert_true(worst(&im, at("p/0.png"), 2.55) <= 17);    /* sixteen greys */
    rs_image_clear(&im);

    /* 16 bits, and taller than a thumb may be. */
    ok(rs_image_save_png(&large, at("p/large.png"), &err), &err);
    rs_image_clear(&large);
    put("large.jsonl", "{\"id\":\"large\",\"image\":\"p/large.png\"}\n");
    assert_exit(0, "index", at("large"), at("large.jsonl"), "--model", model, "--quiet");
    setenv("RADSCOUT_THUMBS", "kitty", 1);
    assert_exit(0, "show", at("large"), "large", "--thumbs");
    im = kitty_image(said_out);
    assert_int_equal(im.height, 160);
    assert_int_equal(im.width, 36);
    assert_int_equal(im.depth, 8);
    rs_image_clear(&im);
    setenv("RADSCOUT_THUMBS", "sixel", 1);
    assert_exit(0, "show", at("large"), "large", "--thumbs");
    im = sixel_image(said_out);
    rs_image_clear(&im);
    assert_int_equal(unlink(at("p/large.png")), 0);
    assert_exit(0, "show", at("large"), "large", "--thumbs");
    assert_says(said_out, "(no picture: ");

    setenv("RADSCOUT_THUMBS", "none", 1);
    assert_exit(0, "search", archive, "--image", at("p/0.png"), "-k1", "--thumbs");
    assert_says(said_err, "shows no pictures");
    assert_null(strchr(said_out, '\x1b'));
    unsetenv("RADSCOUT_THUMBS");
    assert_exit(0, "search", archive, "--image", at("p/0.png"), "-k1", "--thumbs");
    assert_null(strchr(said_out, '\x1b'));         /* no terminal */
}

/* ---- Man pages ------------------------------------------------------- */

static void test_man_pages(void **state)
{
    char command[1000];

    (void)state;
    assert_exit(0, "--man", "search");
    assert_memory_equal(said_out, ".TH RADSCOUT-SEARCH 1 ", 22);
    ok(rs_mkdirs(at("man"), NULL), &(rs_err){0});
    assert_exit(0, "--man-pages", at("man"));
    assert_true(rs_file_exists(at("man/radscout.1")) && rs_file_exists(at("man/radscout-bench-encode.1")));
    snprintf(command, sizeof command, "cd '%s/man' && for p in *.1; do grep -q '^.SH NAME' $p && "
             "{ [ $p = radscout.1 ] || grep -q '^.SH OPTIONS' $p; } || exit 1; done", scratch);
    assert_int_equal(system(command), 0);
    if (system("command -v groff >/dev/null") != 0) {
        print_message("skipped: groff is absent, the pages are not set\n");
        return;
    }
    snprintf(command, sizeof command, "cd '%s/man' && for p in *.1; do groff -ww -man -Tutf8 $p 2>&1 "
             ">/dev/null; done >warnings; cat warnings; [ ! -s warnings ]", scratch);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_of_every_command), cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_which_model),
        cmocka_unit_test(test_search_json), cmocka_unit_test(test_search_finds),
        cmocka_unit_test(test_queries_of_any_bytes), cmocka_unit_test(test_show),
        cmocka_unit_test(test_facets), cmocka_unit_test(test_stats), cmocka_unit_test(test_index_report), cmocka_unit_test(test_encode),
        cmocka_unit_test(test_hostile_text_never_reaches_a_terminal),
        cmocka_unit_test(test_output_that_does_not_arrive), cmocka_unit_test(test_thumbs),
        cmocka_unit_test(test_man_pages),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
