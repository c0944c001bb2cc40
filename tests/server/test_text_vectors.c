/* test_text_vectors.c - texts of queries: remembered, encoded with those of others, and a search
 * does not depend on either.
 * SPDX-License-Identifier: Apache-2.0 */
#include "served.h"

#include "base/json.h"
#include "indexer/index.h"
#include "server/text_vectors.h"
#include "tiny_model.h"

#include <math.h>

enum { CLIENTS = 24, ROUNDS = 60, THREADS = 4 };

static char folder[64];            /* model and manifest */
static rs_encoder *encoder;

static const char *const things[] = {"effusion", "nodule", "mass", "fracture", "cyst", "cavity"};
static const char *const sides[] = {"left", "right"};
static const char *const places[] = {"upper lobe", "lower lobe", "pleura", "hilum", "kidney"};

static void nth_text(char text[96], size_t i)
{
    snprintf(text, 96, "%s %s of the %s number %zu", sides[i % 2], things[i / 2 % 6],
             places[i / 12 % 5], i);
}

static int make_archive(void **state)
{
    rs_index_report r;
    rs_archive *a;
    rs_buf rows = {0};
    rs_err err = {0};
    char path[160], text[96];

    (void)state;
    make_folder(serve_folder);
    make_folder(folder);
    ok(tiny_model_write(folder, 7, &err), &err);
    ok(rs_encoder_open(&encoder, folder, &err), &err);
    for (size_t i = 0; i < 60; i++) {
        nth_text(text, i);
        rs_buf_printf(&rows, "{\"case_id\": \"c%zu\", \"report\": \"FINDINGS: A %s. No pneumothorax.\"}\n",
                      i, text);
    }
    snprintf(path, sizeof path, "%s/cases.jsonl", folder);
    ok(rs_file_write(path, rows.data, rows.len, &err), &err);
    rs_buf_clear(&rows);
    ok(rs_archive_open(&a, serve_folder, RS_ARCHIVE_WRITE, &err), &err);
    ok(rs_archive_bind_encoder(a, &(rs_encoder_identity){rs_encoder_id(encoder), "tiny", folder,
                                                         rs_encoder_dim(encoder)}, &err), &err);
    ok(rs_index_run(a, encoder, path, &(rs_index_options){0}, &r, &err), &err);
    assert_int_equal(r.added, 60);
    rs_archive_close(a);
    return 0;
}

static int drop_archive(void **state)
{
    (void)state;
    rs_encoder_close(encoder);
    remove_folder(serve_folder);
    remove_folder(folder);
    return 0;
}

/* ---- The memory of vectors ---------------------------------------------- */

/* Are n vectors those of the encoder, text by text? */
static void check_vectors(const char *const *texts, size_t n, const float *x)
{
    float alone[TINY_DIM];
    rs_err err = {0};

    for (size_t i = 0; i < n; i++) {
        ok(rs_encoder_texts(encoder, &texts[i], 1, NULL, alone, NULL, &err), &err);
        for (size_t k = 0; k < TINY_DIM; k++)
            assert_true(fabsf(alone[k] - x[i * TINY_DIM + k]) < 1e-5f);
    }
}

static void test_kept_and_ahead(void **state)
{
    static const char *const texts[] = {"left effusion", "right nodule", "left effusion", "a cyst"};
    char long_text[RS_TEXT_KEPT + 2];
    const char *longs[] = {long_text};
    rs_text_use use = {0};
    float x[4 * TINY_DIM];
    rs_err err = {0};

    (void)state;
    ok(rs_text_vectors_new(&use.from, encoder, &err), &err);
    rs_text_vectors_ahead(use.from, texts, 3);
    ok(rs_text_vectors_of(&use, texts, 4, x, &err), &err);
    check_vectors(texts, 4, x);
    assert_int_equal(use.ahead, 2);                      /* the first asking of each */
    assert_int_equal(use.kept, 1);
    assert_int_equal(use.alone, 1);
    ok(rs_text_vectors_of(&use, texts + 3, 1, x, &err), &err);
    check_vectors(texts + 3, 1, x);
    assert_int_equal(use.kept, 2);
    memset(long_text, 'x', sizeof long_text - 1);        /* longer ones are nobody's twice */
    long_text[sizeof long_text - 1] = '\0';
    rs_text_vectors_ahead(use.from, longs, 1);
    for (int i = 0; i < 2; i++)
        ok(rs_text_vectors_of(&use, longs, 1, x, &err), &err);
    assert_int_equal(use.alone, 3);
    rs_text_vectors_free(use.from);
    rs_text_vectors_free(NULL);
}

/* More texts than there is room for: the vectors stay right, the latest are there. */
static void test_more_than_fit(void **state)
{
    rs_text_use use = {0};
    float x[TINY_DIM];
    char text[96];
    const char *list[] = {text};
    rs_err err = {0};

    (void)state;
    ok(rs_text_vectors_new(&use.from, encoder, &err), &err);
    for (size_t i = 0; i < 3 * RS_TEXT_VECTORS; i++) {
        nth_text(text, i);
        ok(rs_text_vectors_of(&use, list, 1, x, &err), &err);
        if (i % 500 == 0)
            check_vectors(list, 1, x);
        ok(rs_text_vectors_of(&use, list, 1, x, &err), &err);
        assert_int_equal(use.kept, i + 1);
    }
    rs_text_vectors_free(use.from);
}

/* Where memory fails, the search fails or the text is not kept; nothing else. */
static void test_no_memory(void **state)
{
    static const char *const texts[] = {"left effusion", "right nodule"};
    rs_text_use use = {0};
    float x[2 * TINY_DIM];
    rs_err err = {0};
    rs_status st = RS_ENOMEM;

    (void)state;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        st = rs_text_vectors_new(&use.from, encoder, &err);
        rs_alloc_fail_after(-1);
    }
    st = RS_ENOMEM;
    for (long k = 0; st != RS_OK; k++) {
        rs_alloc_fail_after(k);
        rs_text_vectors_ahead(use.from, texts, 1);
        st = rs_text_vectors_of(&use, texts, 2, x, &err);
        rs_alloc_fail_after(-1);
    }
    check_vectors(texts, 2, x);
    rs_text_vectors_free(use.from);
}

typedef struct { rs_text_vectors *v; size_t seed; bool right; } hammer;

static void *hammer_main(void *arg)
{
    hammer *h = arg;
    rs_text_use use = {.from = h->v};
    float x[8 * TINY_DIM], alone[TINY_DIM];
    char text[8][96];
    const char *list[8];

    h->right = true;
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < 8; i++) {
            nth_text(text[i], (h->seed + round * 3 + i * 7) % 300);
            list[i] = text[i];
        }
        if (round % 2)
            rs_text_vectors_ahead(h->v, list, 8);
        h->right &= rs_text_vectors_of(&use, list, 8, x, NULL) == RS_OK;
        h->right &= rs_encoder_texts(encoder, &list[round % 8], 1, NULL, alone, NULL, NULL) == RS_OK;
        for (size_t k = 0; k < TINY_DIM; k++)
            h->right &= fabsf(alone[k] - x[round % 8 * TINY_DIM + k]) < 1e-5f;
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    hammer h[THREADS];
    pthread_t thread[THREADS];
    rs_text_vectors *v;
    rs_err err = {0};

    (void)state;
    ok(rs_text_vectors_new(&v, encoder, &err), &err);
    for (size_t i = 0; i < THREADS; i++) {
        h[i] = (hammer){.v = v, .seed = i * 11};
        assert_int_equal(pthread_create(&thread[i], NULL, hammer_main, &h[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_true(h[i].right);
    }
    rs_text_vectors_free(v);
}

static void test_gain(void **state)
{
    double gain = rs_text_vectors_gain(encoder, 16);

    (void)state;
    assert_true(gain > 0 && gain < 100);                 /* a figure; which, nobody can say */
}

/* ---- Behind the server --------------------------------------------------- */

static void begin(served *v, bool remember)
{
    rs_err err = {0};

    serve_plan(v);
    v->plan.service.encoder = encoder;
    v->plan.config.workers = 1;
    v->plan.config.rate = 0;
    v->plan.config.together = 16;
    if (remember)
        ok(rs_text_vectors_new(&v->plan.service.texts, encoder, &err), &err);
    serve_begin(v);
}

static void end(served *v)
{
    serve_end(v);
    rs_text_vectors_free(v->plan.service.texts);
}

static void send_search(int fd, size_t i)
{
    static const char *const forms[] = {
        "{\"text\": \"%s\", \"k\": 5}", "{\"text\": [\"%s\", \"mass\"], \"not_text\": \"cyst\"}",
        "{\"parts\": [{\"text\": \"%s\", \"weight\": 2}]}"};
    char text[96], json[200], request[512];

    nth_text(text, i);
    snprintf(json, sizeof json, forms[i % 3], text);
    snprintf(request, sizeof request, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(json), json);
    assert_true(say(fd, request));
}

/* Keys in order, and scores. */
static size_t hits_of(const answer *a, char keys[400], double scores[10])
{
    json_t *o = NULL, *hits;
    rs_err err = {0};
    size_t len = 0, n;

    assert_int_equal(a->status, 200);
    ok(rs_json_parse(&o, a->body, a->body_len, "answer", &err), &err);
    hits = json_object_get(o, "hits");
    n = json_array_size(hits);
    keys[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        json_t *hit = json_array_get(hits, i);
        assert_non_null(json_string_value(json_object_get(hit, "case")));
        len += (size_t)snprintf(keys + len, 400 - len, "%s ",
                                json_string_value(json_object_get(hit, "case")));
        scores[i] = json_number_value(json_object_get(hit, "score"));
    }
    json_decref(o);
    return n;
}

/* All at once to the one; one after the other to the other. */
static void compare_round(served *together, served *plain, size_t first)
{
    char keys[CLIENTS][400], alone[400];
    double scores[CLIENTS][10], x[10];
    size_t n[CLIENTS];
    int fd[CLIENTS];

    for (size_t i = 0; i < CLIENTS; i++)
        fd[i] = dial(together->port);
    for (size_t i = 0; i < CLIENTS; i++)
        send_search(fd[i], first + i);
    for (size_t i = 0; i < CLIENTS; i++) {
        answer_kept = answer_end = 0;
        answer a = hear(fd[i]);
        n[i] = hits_of(&a, keys[i], scores[i]);
        hang_up(fd[i]);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        int one = dial(plain->port);
        answer a;
        send_search(one, first + i);
        a = hear(one);
        assert_int_equal(hits_of(&a, alone, x), n[i]);
        assert_string_equal(alone, keys[i]);
        for (size_t k = 0; k < n[i]; k++)
            assert_true(fabs(x[k] - scores[i][k]) < 1e-4);
        hang_up(one);
    }
}

static void test_searches_alike(void **state)
{
    served together, plain;
    double ahead = 0;

    (void)state;
    begin(&together, true);
    begin(&plain, false);
    for (size_t round = 0; round < ROUNDS && ahead < 20; round++) {
        compare_round(&together, &plain, round * CLIENTS);
        ahead = metric(together.port, "radscout_query_texts_total{vector=\"ahead\"}");
    }
    assert_true(ahead >= 20);                            /* it did happen */
    compare_round(&together, &plain, 0);                 /* and these are remembered */
    assert_true(metric(together.port, "radscout_query_texts_total{vector=\"kept\"}") >= CLIENTS);
    end(&together);
    end(&plain);
}

/* Requests that are none wait among others: looked at, and answered with what is wrong. */
static void test_broken_among_them(void **state)
{
    static const char *const bodies[] = {"{\"text\": 5}", "{", "[]", "{\"text\": [1, {}, \"mass\"]}",
                                         "{\"parts\": {\"text\": \"x\"}}", "{\"parts\": [5]}"};
    enum { BROKEN = sizeof bodies / sizeof *bodies };
    int fd[CLIENTS + BROKEN];
    served v;

    (void)state;
    begin(&v, true);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < CLIENTS + BROKEN; i++)
            fd[i] = dial(v.port);
        for (size_t i = 0; i < CLIENTS + BROKEN; i++) {
            char request[512];
            if (i % 5 || i / 5 >= BROKEN) {
                send_search(fd[i], 2000 + i);
                continue;
            }
            snprintf(request, sizeof request, "POST /v1/search HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     strlen(bodies[i / 5]), bodies[i / 5]);
            say(fd[i], request);
        }
        for (size_t i = 0; i < CLIENTS + BROKEN; i++) {
            answer a;
            answer_kept = answer_end = 0;
            a = hear(fd[i]);
            assert_int_equal(a.status, i % 5 || i / 5 >= BROKEN ? 200 : 400);
            hang_up(fd[i]);
        }
    }
    end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_and_ahead),
        cmocka_unit_test(test_more_than_fit),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_gain),
        cmocka_unit_test(test_searches_alike),
        cmocka_unit_test(test_broken_among_them),
    };
    return cmocka_run_group_tests(tests, make_archive, drop_archive);
}
