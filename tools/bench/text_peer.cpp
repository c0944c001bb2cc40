/* text_peer.cpp - Xapian for tools/bench/text, rows as `radscout bench text` prints them. C++
 * because Xapian is.
 *
 *   text_peer DATA WORK K [--json]
 *
 * DATA is what --export wrote: the same stems, so both see the same words. Xapian's
 * BM25Weight gets k1 1.2, k2 0, k3 0, b 0.75, no least length: BM25 as FTS5 has it, but that
 * Xapian raises the weight of a word that more than about a quarter of the cases have (where
 * FTS5's falls to nothing). So scores are compared where no word of a query is that common,
 * and it is said how many were. Times are of this thread's processor time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <xapian.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

[[noreturn]] void die(const std::string &why)
{
    fprintf(stderr, "text_peer: %s\n", why.c_str());
    exit(1);
}

double cpu_s()
{
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct query {
    std::vector<std::string> words;
    std::vector<double> want;
};

std::vector<std::string> split(const std::string &line)
{
    std::istringstream in(line);
    std::vector<std::string> words;
    for (std::string w; in >> w;)
        words.push_back(w);
    return words;
}

double build(const std::string &data, const std::string &path, size_t *cases)
{
    std::ifstream in(data + "/cases.txt");
    if (!in)
        die("cannot read " + data + "/cases.txt");
    const double start = cpu_s();
    Xapian::WritableDatabase db(path, Xapian::DB_CREATE_OR_OVERWRITE | Xapian::DB_NO_SYNC);
    *cases = 0;
    for (std::string line; std::getline(in, line); ++*cases) {
        Xapian::Document doc;
        for (const auto &w : split(line))
            doc.add_term(w);
        db.add_document(doc);
    }
    db.commit();
    return cpu_s() - start;
}

std::map<std::string, std::vector<query>> read_queries(const std::string &data,
                                                       std::vector<std::string> *order)
{
    std::ifstream in(data + "/queries.txt"), scores(data + "/scores.txt");
    std::map<std::string, std::vector<query>> kinds;
    for (std::string line, row; std::getline(in, line) && std::getline(scores, row);) {
        const size_t tab = line.find('\t');
        const std::string kind = line.substr(0, tab);
        query q{split(line.substr(tab + 1)), {}};
        for (const auto &s : split(row))
            q.want.push_back(strtod(s.c_str(), nullptr));
        if (!kinds.count(kind))
            order->push_back(kind);
        kinds[kind].push_back(q);
    }
    if (kinds.empty())
        die("cannot read " + data + "/queries.txt");
    return kinds;
}

/* Does Xapian weigh all words of the query as FTS5 does? */
bool comparable(const Xapian::Database &db, const query &q)
{
    const double n = db.get_doccount();
    for (const auto &w : q.words)
        if ((n - db.get_termfreq(w) + 0.5) / (db.get_termfreq(w) + 0.5) < 2)
            return false;
    return true;
}

} // namespace

int main(int argc, char **argv)
try {
    if (argc < 4)
        die("usage: text_peer DATA WORK K [--json]");
    const bool json = argc > 4 && strcmp(argv[4], "--json") == 0;
    const std::string path = std::string(argv[2]) + "/xapian";
    const auto k = (Xapian::doccount)strtoul(argv[3], nullptr, 10);
    size_t cases = 0, same = 0, compared = 0, all = 0;
    const double build_s = build(argv[1], path, &cases);
    std::vector<std::string> order;
    const auto kinds = read_queries(argv[1], &order);
    Xapian::Database db(path);

    for (const auto &kind : order) {
        std::vector<double> ms;
        for (int again = 0; again < 2; again++) {
            ms.clear();
            for (const auto &q : kinds.at(kind)) {
                const double start = cpu_s();
                Xapian::Enquire ask(db);
                ask.set_weighting_scheme(Xapian::BM25Weight(1.2, 0, 0, 0.75, 0));
                ask.set_query(Xapian::Query(Xapian::Query::OP_OR, q.words.begin(), q.words.end()));
                const Xapian::MSet found = ask.get_mset(0, k);
                std::vector<double> got;
                for (auto i = found.begin(); i != found.end(); ++i)
                    got.push_back(i.get_weight());
                ms.push_back(1e3 * (cpu_s() - start));
                got.resize(k);
                if (!again)
                    continue;
                all++;
                if (!comparable(db, q))
                    continue;
                bool equal = true;
                for (size_t i = 0; i < k; i++)
                    equal = equal && std::fabs(got[i] - q.want[i]) < 1e-6;
                compared++;
                same += equal;
            }
            std::sort(ms.begin(), ms.end());
            const double p50 = ms[(ms.size() - 1) / 2], p99 = ms[(ms.size() - 1) * 99 / 100];
            if (json)
                printf("{\"way\":\"xapian\",\"words\":\"%s\",\"asked\":\"%s\",\"cases\":%zu,"
                       "\"queries\":%zu,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"build_s\":%.2f}\n",
                       kind.c_str(), again ? "again" : "first", cases, ms.size(), p50, p99,
                       build_s);
            else
                printf("%-13s %-15s %-7s %8s %9.3f %9.3f %8.1f %8s\n", kind.c_str(), "xapian",
                       again ? "again" : "first", "", p50, p99, build_s, "");
        }
    }
    fprintf(stderr, "xapian: %zu of %zu queries have only words that it weighs as FTS5 does; the "
            "scores of %zu are the same\n", compared, all, same);
    return same == compared ? 0 : 1;
} catch (const Xapian::Error &e) {
    die(e.get_description());
}
