/* service.c - see service.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "server/service.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "engine/query.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Workers --------------------------------------------------------- */

/* One search loads the vectors and the words' lengths, as every later one would. */
static rs_status warm_up(rs_archive *a, rs_err *err)
{
    rs_query *q = rs_calloc(1, sizeof *q);
    float *x = NULL;
    const rs_encoder_identity *e = rs_archive_encoder(a);
    rs_arena mem = {0};
    rs_result r;
    rs_status st;

    if (!q)
        return rs_fail(err, RS_ENOMEM, "no memory for a query");
    *q = rs_query_default();
    rs_query_add(q)->text = "chest";
    if (e && (x = rs_calloc(e->dim, sizeof *x)) != NULL) {
        x[0] = 1;
        q->parts[0].vector = x;
    }
    q->k = 1;
    st = rs_search(a, q, &mem, &r, err);
    rs_arena_clear(&mem);
    rs_free(x);
    rs_free(q);
    return st;
}

rs_status rs_worker_start(void *service, void **worker, rs_err *err)
{
    const rs_service *s = service;
    rs_worker *w = rs_calloc(1, sizeof *w);
    rs_status st;

    *worker = NULL;
    if (!w)
        return rs_fail(err, RS_ENOMEM, "no memory for a worker");
    w->service = s;
    if ((st = rs_archive_open(&w->archive, s->archive, RS_ARCHIVE_READ, err)) != RS_OK ||
        (s->lexicon && (st = rs_archive_use_lexicon(w->archive, s->lexicon, err)) != RS_OK) ||
        (st = rs_prompts_load(&w->prompts, s->prompts, err)) != RS_OK ||
        (st = warm_up(w->archive, err)) != RS_OK) {
        rs_worker_stop(service, w);
        return st;
    }
    *worker = w;
    return RS_OK;
}

void rs_worker_stop(void *service, void *worker)
{
    rs_worker *w = worker;

    (void)service;
    rs_archive_close(w->archive);
    rs_prompts_free(w->prompts);
    rs_free(w);
}

bool rs_worker_warm_words(rs_worker *w)
{
    const bool now = !w->words_warm;
    rs_err err = {0};

    if (now && rs_archive_warm_words(w->archive, &err) != RS_OK)
        rs_log_error(RS_LOG_WARN, "words are not warm", &err);     /* slower, not wrong */
    w->words_warm = true;
    return now;
}

/* ---- Digests --------------------------------------------------------- */

enum { DIGESTS = 4096, HASH_BLOCK = 1 << 18 };

typedef struct {
    dev_t   dev;
    ino_t   ino;
    int64_t size, mtime_ns, ctime_ns;
    char    hex[RS_SHA256_HEX];
} digest;

struct rs_digests {
    pthread_mutex_t lock;
    digest          slot[DIGESTS];       /* by inode; a newer file takes the place */
};

rs_status rs_digests_new(rs_digests **out, rs_err *err)
{
    *out = rs_calloc(1, sizeof **out);
    if (!*out)
        return rs_fail(err, RS_ENOMEM, "no memory for %d digests", DIGESTS);
    pthread_mutex_init(&(*out)->lock, NULL);
    return RS_OK;
}

void rs_digests_free(rs_digests *d)
{
    if (d)
        pthread_mutex_destroy(&d->lock);
    rs_free(d);
}

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static rs_status hash_file(int fd, char hex[RS_SHA256_HEX], rs_err *err)
{
    rs_sha256 *h = rs_sha256_new();
    char *block = rs_malloc(HASH_BLOCK);
    rs_status st = h && block ? RS_OK : rs_fail(err, RS_ENOMEM, "no memory to hash a file");
    off_t at = 0;
    ssize_t n = 1;

    while (st == RS_OK && n > 0) {
        n = pread(fd, block, HASH_BLOCK, at);
        if (n > 0)
            rs_sha256_add(h, block, (size_t)n);
        else if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            st = rs_fail_errno(err, "read an image");
        at += n > 0 ? n : 0;
    }
    if (h)
        rs_sha256_end(h, hex);
    rs_free(block);
    return st;
}

/* What stat says of one and the same content. */
static digest facts(const struct stat *sb)
{
    digest d = {.dev = sb->st_dev, .ino = sb->st_ino, .size = sb->st_size,
                .mtime_ns = nanoseconds(sb->st_mtim), .ctime_ns = nanoseconds(sb->st_ctim)};
    return d;
}

static bool same(const digest *a, const digest *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns && a->hex[0];
}

rs_status rs_digests_of(rs_digests *d, int fd, char hex[RS_SHA256_HEX], rs_err *err)
{
    struct stat sb;
    digest now, *slot;
    bool known = false;
    rs_status st;

    if (fstat(fd, &sb) != 0)
        return rs_fail_errno(err, "stat of an image");
    now = facts(&sb);
    slot = d ? &d->slot[now.ino % DIGESTS] : NULL;
    if (d) {
        pthread_mutex_lock(&d->lock);
        known = same(slot, &now);
        if (known)
            memcpy(hex, slot->hex, RS_SHA256_HEX);
        pthread_mutex_unlock(&d->lock);
    }
    if (known)
        return RS_OK;
    st = hash_file(fd, hex, err);
    if (st == RS_OK && d) {
        memcpy(now.hex, hex, RS_SHA256_HEX);
        pthread_mutex_lock(&d->lock);
        *slot = now;
        pthread_mutex_unlock(&d->lock);
    }
    return st;
}

/* ---- Watch ----------------------------------------------------------- */

static void stamp(const char *folder, const char *name, int64_t out[2])
{
    char *path = rs_path_join(folder, name);
    struct stat sb;

    out[0] = out[1] = -1;
    if (path && stat(path, &sb) == 0) {
        out[0] = nanoseconds(sb.st_mtim);
        out[1] = sb.st_size;
    }
    rs_free(path);
}

void rs_watch_look(rs_watch *w, rs_worker *worker)
{
    int64_t now[4];
    rs_arena mem = {0};
    rs_stats s;

    stamp(worker->service->archive, "catalog.db", now);
    stamp(worker->service->archive, "catalog.db-wal", now + 2);
    w->changed = false;
    if (w->known && w->st == RS_OK && memcmp(now, w->stamp, sizeof now) == 0)
        return;
    w->st = rs_archive_stats(worker->archive, &mem, &s, &w->err);
    if (w->st == RS_OK) {
        w->changed = !w->known || s.cases != w->cases || s.images != w->images ||
                     s.image_generation != w->image_generation ||
                     s.passage_generation != w->passage_generation;
        w->known = true;
        w->cases = s.cases;
        w->images = s.images;
        w->image_generation = s.image_generation;
        w->passage_generation = s.passage_generation;
        memcpy(w->stamp, now, sizeof now);
    }
    rs_arena_clear(&mem);
}
