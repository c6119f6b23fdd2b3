#include "roofline.hpp"

#include <cblas.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "aelle/base/matrix.hpp"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define AELLE_WIDEST_VECTORS [[gnu::target_clones("avx512f", "avx2", "default")]]
#else
#define AELLE_WIDEST_VECTORS
#endif

namespace aelle::perf {
namespace {

AELLE_WIDEST_VECTORS void triad(int64_t n, double s, const double* b, const double* c, double* a) {
    for (int64_t i = 0; i < n; ++i) a[i] = b[i] + s * c[i];
}

void product(int n, const double* a, const double* b, double* c) {
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0, a, n, b, n, 0.0, c, n);
}
void product(int n, const float* a, const float* b, float* c) {
    cblas_sgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, a, n, b, n, 0.0f, c, n);
}

/// A unit is so many products of the same matrices, about 2 GFLOP.
template <class T>
Work products(int n, int count) {
    const auto make = [n](T value) { return std::make_shared<AlignedVector<T>>(static_cast<std::size_t>(n) * n, value); };
    return [n, count, a = make(T(0.5)), b = make(T(0.25)), c = make(T(0))] {
        for (int i = 0; i < count; ++i) product(n, a->data(), b->data(), c->data());
    };
}

/// A unit passes over three arrays of n numbers so many times.
Work triads(int64_t n, int64_t passes) {
    const auto make = [n](double value) { return std::make_shared<AlignedVector<double>>(static_cast<std::size_t>(n), value); };
    return [n, passes, a = make(0), b = make(1), c = make(2)] {
        for (int64_t pass = 0; pass < passes; ++pass) triad(n, 0.5 * static_cast<double>(pass), b->data(), c->data(), a->data());
    };
}

int64_t cache_bytes(int which, int64_t otherwise) {
    const auto found = static_cast<int64_t>(sysconf(which));
    return found > 0 ? found : otherwise;
}

}  // namespace

std::string_view name(Roof roof) {
    switch (roof) {
        case Roof::dgemm: return "dgemm";
        case Roof::sgemm: return "sgemm";
        case Roof::memory: return "memory";
        case Roof::l2: return "l2";
        case Roof::none: break;
    }
    return "none";
}

bool counts_bytes(Roof roof) { return roof == Roof::memory || roof == Roof::l2; }

/// Ways to reach the same roof, of which the best counts, with the amount of a unit.
struct Roofline::Bench {
    std::vector<std::pair<std::unique_ptr<Crew>, double>> ways;

    Bench(Roof roof, int threads) {
        const auto add = [&](double amount, auto make) { ways.emplace_back(std::make_unique<Crew>(threads, make), amount); };
        constexpr double flop = 8.0 * 2 * 512 * 512 * 512;
        const auto add_triad = [&](int64_t numbers, int64_t passes) {
            add(24.0 * static_cast<double>(numbers * passes), [=] { return triads(numbers, passes); });
        };
        switch (roof) {
            case Roof::none: break;
            case Roof::dgemm:
                add(flop, [] { return products<double>(512, 8); });
                add(flop, [] { return products<double>(1024, 1); });
                break;
            case Roof::sgemm:
                add(flop, [] { return products<float>(512, 8); });
                add(flop, [] { return products<float>(1024, 1); });
                break;
            case Roof::memory:
                add_triad(std::clamp<int64_t>(4 * cache_bytes(_SC_LEVEL3_CACHE_SIZE, 32 << 20), 64 << 20, 512 << 20) / 24, 3);
                break;
            case Roof::l2: {
                const int64_t numbers = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 << 10) / 2 / 24 / 64 * 64;
                add_triad(numbers, (int64_t{1} << 30) / (24 * numbers));
                break;
            }
        }
        for (const auto& way : ways) way.first->run(1);
    }
};

Roofline::Roofline() = default;
Roofline::~Roofline() = default;

double Roofline::rate(Roof roof, int threads, int tries) {
    auto& bench = benches_[{roof, threads}];
    if (!bench) bench = std::make_unique<Bench>(roof, threads);
    double best = 0.0;
    for (int i = 0; i < tries; ++i) {
        for (const auto& [crew, amount] : bench->ways) best = std::max(best, amount * crew->run(1).rate);
    }
    return best;
}

void Roofline::forget_arrays() {
    std::erase_if(benches_, [](const auto& entry) { return counts_bytes(entry.first.first); });
}

}  // namespace aelle::perf
