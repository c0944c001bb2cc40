/* peers.cpp - hnswlib and sqlite-vec for tools/bench/search, rows as `radscout bench search
 * --json` prints them. C++ because hnswlib is.
 *
 *   peers hnswlib|sqlite-vec DATA N DIM WORK VEC0
 *
 * Debian's hnswlib 0.6 has no filter. Times are of this thread's processor time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <hnswlib/hnswlib.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace {

const size_t K = 10;
const double SHARES[] = {1, 0.5, 0.1, 0.01, 0.0001};
const uint32_t NONE = 0xFFFFFFFF;

[[noreturn]] void die(const std::string &why)
{
    fprintf(stderr, "peers: %s\n", why.c_str());
    exit(1);
}

double cpu_s()
{
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

template <typename T> std::vector<T> read_file(const std::string &path)
{
    struct stat sb;
    FILE *f = fopen(path.c_str(), "rb");
    if (!f || fstat(fileno(f), &sb) != 0)
        die("cannot read " + path);
    std::vector<T> x((size_t)sb.st_size / sizeof(T));
    if (fread(x.data(), sizeof(T), x.size(), f) != x.size())
        die("cannot read " + path);
    fclose(f);
    return x;
}

double file_mib(const std::string &path)
{
    struct stat sb;
    return stat(path.c_str(), &sb) == 0 ? (double)sb.st_size / 1048576 : 0;
}

double rss_mib()
{
    unsigned long total = 0, resident = 0;
    if (FILE *f = fopen("/proc/self/statm", "r")) {
        if (fscanf(f, "%lu %lu", &total, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return (double)resident * 4096 / 1048576;
}

struct bench {
    std::string peer, data;
    size_t n, dim, queries;
    std::vector<float> q;
    double build_s = 0, disk_mib = 0, recall = 0, per_second = 0, p50 = 0, p99 = 0;

    using ask = std::function<std::vector<uint32_t>(const float *q)>;

    void measure(const ask &f, double share, double seconds)
    {
        char name[48];
        snprintf(name, sizeof name, "/truth-%g.u32", share);
        const auto truth = read_file<uint32_t>(data + name);
        std::vector<double> ms;
        size_t hits = 0, all = 0;
        double sum = 0;
        for (size_t i = 0; i < 3; i++)
            f(&q[i * dim]);
        for (size_t i = 0; i < queries && (i < 10 || sum < seconds); i++) {
            const double start = cpu_s();
            const auto got = f(&q[i * dim]);
            const double took = cpu_s() - start;
            ms.push_back(1e3 * took);
            sum += took;
            for (size_t k = 0; k < K; k++) {
                const uint32_t row = truth[i * K + k];
                all += row != NONE;
                hits += row != NONE && std::find(got.begin(), got.end(), row) != got.end();
            }
        }
        std::sort(ms.begin(), ms.end());
        recall = all ? (double)hits / (double)all : 1;
        per_second = (double)ms.size() / sum;
        p50 = ms[(ms.size() - 1) / 2];
        p99 = ms[(ms.size() - 1) * 99 / 100];
    }

    void tell(const char *index, size_t effort, double share) const
    {
        printf("{\"engine\":\"%s\",\"index\":\"%s\",\"n\":%zu,\"dim\":%zu,\"effort\":%zu,\"share\":%g,"
               "\"recall_10\":%.4f,\"per_second\":%.1f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,"
               "\"build_s\":%.2f,\"rss_mib\":%.1f,\"disk_mib\":%.1f}\n",
               peer.c_str(), index, n, dim, effort, share, recall, per_second, p50, p99, build_s,
               rss_mib(), disk_mib);
        fflush(stdout);
    }
};

void run_hnswlib(bench &b, const std::string &work)
{
    const auto x = read_file<float>(b.data + "/base.f32");
    hnswlib::InnerProductSpace space(b.dim);
    hnswlib::HierarchicalNSW<float> index(&space, b.n, 32, 200);
    const std::string path = work + "/peer.hnsw";
    size_t ef = 16;

    const double start = cpu_s();
    for (size_t i = 0; i < b.n; i++)
        index.addPoint(&x[i * b.dim], i);
    b.build_s = cpu_s() - start;
    index.saveIndex(path);
    b.disk_mib = file_mib(path);
    remove(path.c_str());
    for (;; ef *= 2) {
        index.setEf(ef);
        b.measure([&](const float *q) {
            std::vector<uint32_t> rows;
            for (auto found = index.searchKnn(q, K); !found.empty(); found.pop())
                rows.push_back((uint32_t)found.top().second);
            return rows;
        }, 1, 5);
        if (b.recall >= 0.99 || ef >= 512)
            break;
    }
    b.tell("hnsw", ef, 1);
}

void run_sqlite_vec(bench &b, const std::string &work, const char *vec0)
{
    const std::string path = work + "/peer.db";
    sqlite3_stmt *s = nullptr;
    sqlite3 *db = nullptr;
    char *why = nullptr, sql[256];
    auto must = [&](int rc) {
        if (rc != SQLITE_OK && rc != SQLITE_DONE)
            die(std::string("sqlite: ") + sqlite3_errmsg(db));
    };

    must(sqlite3_open(path.c_str(), &db));
    sqlite3_enable_load_extension(db, 1);
    if (sqlite3_load_extension(db, vec0, "sqlite3_vec_init", &why) != SQLITE_OK)
        die(std::string("sqlite-vec: ") + (why ? why : ""));
    const double start = cpu_s();
    {
        const auto x = read_file<float>(b.data + "/base.f32");
        const auto rank = read_file<uint32_t>(b.data + "/rank.u32");
        snprintf(sql, sizeof sql, "CREATE VIRTUAL TABLE v USING vec0("
                 "x float[%zu] distance_metric=cosine, rank integer)", b.dim);
        must(sqlite3_exec(db, sql, nullptr, nullptr, nullptr));
        must(sqlite3_exec(db, "BEGIN", nullptr, nullptr, nullptr));
        must(sqlite3_prepare_v2(db, "INSERT INTO v(rowid, x, rank) VALUES(?1, ?2, ?3)", -1, &s,
                                nullptr));
        for (size_t i = 0; i < b.n; i++) {
            sqlite3_bind_int64(s, 1, (sqlite3_int64)i + 1);
            sqlite3_bind_blob(s, 2, &x[i * b.dim], (int)(b.dim * sizeof(float)), SQLITE_STATIC);
            sqlite3_bind_int64(s, 3, rank[i]);
            must(sqlite3_step(s));
            sqlite3_reset(s);
        }
        must(sqlite3_finalize(s));
        must(sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr));
    }
    b.build_s = cpu_s() - start;
    b.disk_mib = file_mib(path);
    for (double share : SHARES) {
        must(sqlite3_prepare_v2(db, share < 1
            ? "SELECT rowid FROM v WHERE x MATCH ?1 AND k = 10 AND rank < ?2"
            : "SELECT rowid FROM v WHERE x MATCH ?1 AND k = 10", -1, &s, nullptr));
        b.measure([&](const float *q) {
            std::vector<uint32_t> rows;
            sqlite3_bind_blob(s, 1, q, (int)(b.dim * sizeof *q), SQLITE_STATIC);
            if (share < 1)
                sqlite3_bind_int64(s, 2, (sqlite3_int64)(share * 1e6));
            while (sqlite3_step(s) == SQLITE_ROW)
                rows.push_back((uint32_t)(sqlite3_column_int64(s, 0) - 1));
            sqlite3_reset(s);
            return rows;
        }, share, 2);
        must(sqlite3_finalize(s));
        b.tell("flat", 0, share);
    }
    sqlite3_close(db);
    remove(path.c_str());
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 7)
        die("usage: peers hnswlib|sqlite-vec DATA N DIM WORK VEC0");
    bench b;
    b.peer = argv[1];
    b.data = argv[2];
    b.n = strtoull(argv[3], nullptr, 10);
    b.dim = strtoull(argv[4], nullptr, 10);
    b.q = read_file<float>(b.data + "/queries.f32");
    b.queries = b.q.size() / b.dim;
    if (b.peer == "hnswlib")
        run_hnswlib(b, argv[5]);
    else
        run_sqlite_vec(b, argv[5], argv[6]);
    return 0;
}
