#include "kernels/cpu/rls.hpp"

#include <algorithm>
#include <cmath>

#include "aelle/base/vector.hpp"

namespace aelle::cpu {
namespace {

constexpr int64_t side = vector_length<double>;  // of a tile
constexpr int64_t tile_size = side * side;

template <int Bytes>
AELLE_BODY double dot_body(int64_t n, const double* a, const double* b) {
    using Vec = typename Vector<double, Bytes>::type;
    constexpr int64_t parts = side / Vector<double, Bytes>::lanes;
    const Vec* as = reinterpret_cast<const Vec*>(a);
    const Vec* bs = reinterpret_cast<const Vec*>(b);
    Vec sum[parts] = {};
    for (int64_t i = 0; i < n / Vector<double, Bytes>::lanes; i += parts)
        for (int64_t p = 0; p < parts; ++p) sum[p] += as[i + p] * bs[i + p];
    for (int64_t p = 1; p < parts; ++p) sum[0] += sum[p];
    return lane_sum<double, Bytes>(sum[0]);
}

template <int Bytes>
AELLE_BODY void pass_body(int64_t panels, double* tiles, const double* u, const double* r, double* y) {
    using Vec = typename Vector<double, Bytes>::type;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes;
    constexpr int64_t parts = side / lanes;
    std::fill_n(y, panels * side, 0.0);
    for (int64_t panel = 0; panel < panels; ++panel) {
        const double* column_u = u + panel * side;
        const double* column_r = r + panel * side;
        Vec column_y[side] = {};
        for (int64_t row = panel; row < panels; ++row, tiles += tile_size) {
            for (int64_t part = 0; part < parts; ++part) {
                const int64_t first = row * side + part * lanes;
                const Vec row_u = *reinterpret_cast<const Vec*>(u + first);
                const Vec row_r = *reinterpret_cast<const Vec*>(r + first);
                Vec row_y = *reinterpret_cast<const Vec*>(y + first);
                for (int64_t c = 0; c < side; ++c) {
                    Vec& p = *reinterpret_cast<Vec*>(tiles + c * side + part * lanes);
                    const Vec now = p - row_u * column_u[c];
                    p = now;
                    row_y += now * column_r[c];
                    if (row != panel) column_y[c] += now * row_r;
                }
                *reinterpret_cast<Vec*>(y + first) = row_y;
            }
        }
        for (int64_t c = 0; c < side; ++c) y[panel * side + c] += lane_sum<double, Bytes>(column_y[c]);
    }
}

#define AELLE_RLS(NAME, BYTES, TARGET)                                                                             \
    struct NAME {                                                                                                  \
        TARGET static double dot(int64_t n, const double* a, const double* b) { return dot_body<BYTES>(n, a, b); } \
        TARGET static void pass(int64_t panels, double* tiles, const double* u, const double* r, double* y) {      \
            pass_body<BYTES>(panels, tiles, u, r, y);                                                              \
        }                                                                                                          \
    };

AELLE_RLS(Baseline, 16, )
#if defined(__x86_64__)
AELLE_RLS(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_RLS(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_RLS

}  // namespace

DotProduct dot_product(InstructionSet set) {
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return Avx512::dot;
    if (set == InstructionSet::avx2) return Avx2::dot;
#endif
    static_cast<void>(set);
    return Baseline::dot;
}

InverseCorrelation::Pass InverseCorrelation::pass(InstructionSet set) {
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return Avx512::pass;
    if (set == InstructionSet::avx2) return Avx2::pass;
#endif
    static_cast<void>(set);
    return Baseline::pass;
}

InverseCorrelation::InverseCorrelation(int64_t n, InstructionSet set)
    : n_(n),
      panels_(padded<double>(n) / side),
      pass_(pass(set)),
      dot_(dot_product(set)),
      tiles_(static_cast<std::size_t>(panels_ * (panels_ + 1) / 2 * tile_size)),
      pending_(static_cast<std::size_t>(panels_ * side)) {}

InverseCorrelation::InverseCorrelation(int64_t n, double alpha, InstructionSet set) : InverseCorrelation(n, set) {
    double* diagonal = tiles_.data();
    for (int64_t i = 0; i < n_; ++i) {
        diagonal[i % side * (side + 1)] = 1.0 / alpha;
        if (i % side == side - 1) diagonal += (panels_ - i / side) * tile_size;
    }
}

namespace {

/// Calls f(packed index, row in tile, column in tile, tile number) for each element of the lower triangle, packed by columns.
template <class F>
void for_each_packed(int64_t n, int64_t panels, F&& f) {
    int64_t packed = 0, panel_start = 0;
    for (int64_t j = 0; j < n; ++j) {
        const int64_t panel = j / side;
        for (int64_t i = j; i < n; ++i) f(packed++, i % side, j % side, panel_start + i / side - panel);
        if (j % side == side - 1) panel_start += panels - panel;
    }
}

}  // namespace

InverseCorrelation::InverseCorrelation(int64_t n, std::span<const double> packed, InstructionSet set) : InverseCorrelation(n, set) {
    for_each_packed(n_, panels_, [&](int64_t from, int64_t row, int64_t column, int64_t tile) {
        tiles_[tile * tile_size + column * side + row] = packed[from];
    });
    double* diagonal = tiles_.data();
    for (int64_t panel = 0; panel < panels_; diagonal += (panels_ - panel) * tile_size, ++panel)
        for (int64_t c = 0; c < side; ++c)
            for (int64_t row = 0; row < c; ++row) diagonal[c * side + row] = diagonal[row * side + c];
}

void InverseCorrelation::update(const double* r, double* k) {
    pass_(panels_, tiles_.data(), pending_.data(), r, k);
    const double c = 1.0 / (1.0 + dot_(panels_ * side, r, k));
    const double root = std::sqrt(c);
    for (int64_t i = 0; i < panels_ * side; ++i) {
        pending_[i] = root * k[i];
        k[i] *= c;
    }
}

AlignedVector<double> InverseCorrelation::packed() const {
    AlignedVector<double> tiles = tiles_;
    const AlignedVector<double> zero(pending_.size());
    AlignedVector<double> product(pending_.size());
    pass_(panels_, tiles.data(), pending_.data(), zero.data(), product.data());
    AlignedVector<double> result(static_cast<std::size_t>(n_ * (n_ + 1) / 2));
    for_each_packed(n_, panels_, [&](int64_t to, int64_t row, int64_t column, int64_t tile) {
        result[to] = tiles[tile * tile_size + column * side + row];
    });
    return result;
}

}  // namespace aelle::cpu
