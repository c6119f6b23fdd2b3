#include "aelle/backend/extended.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include "aelle/base/double_double.hpp"
#include "aelle/base/error.hpp"
#include "kernels/cpu/simd.hpp"

// A body is inlined into one wrapper per instruction set and takes the wrapper's target.
#define AELLE_BODY [[gnu::always_inline]] inline

namespace aelle::backend {
namespace {

/// A column as two arrays, so that loops over it are loops over vector registers.
struct Parts {
    double *high, *low;
};

constexpr int64_t lanes = 8;

/// Columns of `length` numbers, a multiple of `lanes`.
class Columns {
public:
    Columns(int64_t rows, int64_t count) : length_((rows + lanes - 1) / lanes * lanes), data_(static_cast<std::size_t>(2 * length_ * count)) {}
    int64_t length() const { return length_; }
    Parts operator[](int64_t j) {
        double* high = data_.data() + 2 * length_ * j;
        return {high, high + length_};
    }

private:
    int64_t length_;
    AlignedVector<double> data_;
};

// The formulas of base/double_double.hpp on elements of arrays; errors of sums are relative to their terms, not to the sum.
struct Element {
    double high, low;
};
template <bool Fused>  // the error of a product is exact either way, so all instruction sets give the same bits
AELLE_BODY Element product(Element a, Element b) {
    const double p = a.high * b.high, small = a.high * b.low + a.low * b.high;
    if constexpr (Fused) return {p, __builtin_fma(a.high, b.high, -p) + small};
    constexpr double split = 0x1p27 + 1;
    const double ca = split * a.high, cb = split * b.high;
    const double ah = ca - (ca - a.high), al = a.high - ah, bh = cb - (cb - b.high), bl = b.high - bh;
    return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl + small};
}
AELLE_BODY Element sum(Element a, Element b) {
    const double s = a.high + b.high, t = s - a.high;
    const double e = (a.high - (s - t)) + (b.high - t) + (a.low + b.low);
    const double high = s + e;
    return {high, e - (high - s)};
}

/// y += x s
template <bool Fused>
AELLE_BODY void add_multiple_body(int64_t n, Element s, Parts x, Parts y) {
    double *yh = y.high, *yl = y.low;
    const double *xh = x.high, *xl = x.low;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        const Element r = sum({yh[i], yl[i]}, product<Fused>({xh[i], xl[i]}, s));
        yh[i] = r.high;
        yl[i] = r.low;
    }
}
template <bool Fused>
AELLE_BODY DoubleDouble dot_body(int64_t n, Parts x, Parts y) {
    double high[lanes] = {}, low[lanes] = {};
    for (int64_t i = 0; i < n; i += lanes) {
#pragma omp simd
        for (int64_t k = 0; k < lanes; ++k) {
            const Element r = sum({high[k], low[k]}, product<Fused>({x.high[i + k], x.low[i + k]}, {y.high[i + k], y.low[i + k]}));
            high[k] = r.high;
            low[k] = r.low;
        }
    }
    DoubleDouble total;
    for (int64_t k = 0; k < lanes; ++k) total += DoubleDouble(high[k], low[k]);
    return total;
}

struct ExtendedKernels {
    void (*add_multiple)(int64_t n, Element s, Parts x, Parts y);
    DoubleDouble (*dot)(int64_t n, Parts x, Parts y);
};
#define AELLE_EXTENDED(NAME, FUSED, TARGET)                                                                       \
    TARGET void add_multiple_##NAME(int64_t n, Element s, Parts x, Parts y) { add_multiple_body<FUSED>(n, s, x, y); } \
    TARGET DoubleDouble dot_##NAME(int64_t n, Parts x, Parts y) { return dot_body<FUSED>(n, x, y); }                \
    constexpr ExtendedKernels NAME{add_multiple_##NAME, dot_##NAME};
AELLE_EXTENDED(baseline, false, )
#if defined(__x86_64__)
AELLE_EXTENDED(avx2, true, [[gnu::target("arch=x86-64-v3")]])
AELLE_EXTENDED(avx512, true, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_EXTENDED

const ExtendedKernels& kernels() {
#if defined(__x86_64__)
    static const cpu::InstructionSet best = cpu::best_instruction_set();
    if (best == cpu::InstructionSet::avx512) return avx512;
    if (best == cpu::InstructionSet::avx2) return avx2;
#endif
    return baseline;
}

/// Householder's method from the left, one column after the other; rows stand in the order of the largest numbers in them.
class Householder {
public:
    Householder(MatrixView<DoubleDouble> z, MatrixView<float> ratios)
        : z_(z), ratios_(ratios), columns_(z.rows, z.cols), reflectors_(z.rows, z.cols), order_(static_cast<std::size_t>(z.rows)),
          direction_(static_cast<std::size_t>(z.cols), -1), exponent_(static_cast<std::size_t>(z.cols)) {}

    void run(std::span<double> log_r) {
        sort_rows();
        for (int64_t j = 0; j < z_.cols; ++j) {
            load(j);
            for (int64_t k = 0; k < count_; ++k) reflect(k, columns_[j]);
            log_r[j] = make_reflector(j);
        }
        if (ratios_.data != nullptr) store_ratios();
        // A zero column takes a direction that no other column needs.
        int64_t spare = count_;
        for (int64_t& direction : direction_)
            if (direction < 0) direction = spare++;
        for (int64_t j = 0; j < z_.cols; ++j) form(j);
    }

private:
    void sort_rows() {
        std::vector<double> largest(order_.size(), 0.0);
        for (int64_t j = 0; j < z_.cols; ++j)
            for (int64_t i = 0; i < z_.rows; ++i) largest[i] = std::max(largest[i], std::fabs(z_(i, j).high));
        std::iota(order_.begin(), order_.end(), int64_t{0});
        std::stable_sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) { return largest[a] > largest[b]; });
    }

    static int exponent_of(const double* x, int64_t n) {
        double largest = 0.0;
        for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
        int exponent = 0;
        std::frexp(largest, &exponent);
        return largest > 0.0 ? exponent : std::numeric_limits<int>::min();
    }

    void load(int64_t j) {
        const Parts to = columns_[j];
        for (int64_t i = 0; i < z_.rows; ++i) {
            to.high[i] = z_(order_[i], j).high;
            to.low[i] = z_(order_[i], j).low;
        }
        const int exponent = exponent_of(to.high, z_.rows);
        exponent_[j] = exponent == std::numeric_limits<int>::min() ? 0 : exponent;
        for (int64_t i = 0; i < z_.rows; ++i) {
            to.high[i] = std::ldexp(to.high[i], -exponent_[j]);
            to.low[i] = std::ldexp(to.low[i], -exponent_[j]);
        }
    }

    /// x -= tau_k v_k (v_k . x)
    void reflect(int64_t k, Parts x) {
        const int64_t first = k / lanes * lanes, n = columns_.length() - first;
        const Parts v = reflectors_[k], from{v.high + first, v.low + first}, to{x.high + first, x.low + first};
        const DoubleDouble s = -(tau_[k] * kernels_.dot(n, from, to));
        kernels_.add_multiple(n, {s.high, s.low}, from, to);
    }

    double make_reflector(int64_t j) {
        const int64_t pivot = count_;
        const Parts x = columns_[j];
        const int exponent = exponent_of(x.high + pivot, z_.rows - pivot);
        if (exponent == std::numeric_limits<int>::min()) return -std::numeric_limits<double>::infinity();
        const Parts v = reflectors_[pivot];
        for (int64_t i = pivot; i < z_.rows; ++i) {
            v.high[i] = std::ldexp(x.high[i], -exponent);
            v.low[i] = std::ldexp(x.low[i], -exponent);
        }
        const DoubleDouble norm = sqrt(kernels_.dot(columns_.length(), v, v)), top(v.high[pivot], v.low[pivot]);
        tau_.push_back(DoubleDouble(1.0) / (norm * (norm + fabs(top))));
        const DoubleDouble moved = top.high < 0 ? top - norm : top + norm;
        v.high[pivot] = moved.high;
        v.low[pivot] = moved.low;
        direction_[j] = pivot;
        column_.push_back(j);
        inverse_.push_back((top.high < 0 ? 1.0 : -1.0) / norm.high);
        shift_.push_back(exponent + exponent_[j]);
        ++count_;
        return std::log(norm.high) + norm.low / norm.high + shift_.back() * std::numbers::ln2;
    }

    void store_ratios() {
        for (int64_t l = 0; l < ratios_.cols; ++l) {
            std::fill_n(ratios_.column(l), ratios_.rows, 0.0f);
            for (int64_t k = 0; k < count_ && column_[k] < l; ++k)
                ratios_(column_[k], l) = static_cast<float>(
                    std::clamp(std::ldexp(columns_[l].high[k] * inverse_[k], exponent_[l] - shift_[k]), -1e30, 1e30));
            ratios_(l, l) = 1.0f;
        }
    }

    void form(int64_t j) {
        const Parts x = columns_[j];
        std::fill_n(x.high, 2 * columns_.length(), 0.0);
        x.high[direction_[j]] = 1.0;
        for (int64_t k = std::min(direction_[j] + 1, count_); k-- > 0;) reflect(k, x);
        for (int64_t i = 0; i < z_.rows; ++i) z_(order_[i], j) = DoubleDouble(x.high[i], x.low[i]);
    }

    const ExtendedKernels& kernels_ = kernels();
    MatrixView<DoubleDouble> z_;
    MatrixView<float> ratios_;
    Columns columns_, reflectors_;
    std::vector<int64_t> order_, direction_, column_;  ///< as in kernels/cpu/qr.cpp
    std::vector<int> exponent_, shift_;                ///< of columns as loaded; of r_jj of each reflector's column
    std::vector<double> inverse_;                      ///< 2^shift / r_jj
    std::vector<DoubleDouble> tau_;
    int64_t count_ = 0;
};

}  // namespace

void extended_multiply(MatrixView<const DoubleDouble> a, MatrixView<const DoubleDouble> b, MatrixView<DoubleDouble> c) {
    require(a.cols == b.rows && c.rows == a.rows && c.cols == b.cols, "multiply: wrong shape");
    Columns left(a.rows, a.cols), to(a.rows, 1);
    for (int64_t k = 0; k < a.cols; ++k) {
        for (int64_t i = 0; i < a.rows; ++i) {
            left[k].high[i] = a(i, k).high;
            left[k].low[i] = a(i, k).low;
        }
    }
    for (int64_t j = 0; j < c.cols; ++j) {
        std::fill_n(to[0].high, 2 * to.length(), 0.0);
        for (int64_t k = 0; k < a.cols; ++k) kernels().add_multiple(to.length(), {b(k, j).high, b(k, j).low}, left[k], to[0]);
        for (int64_t i = 0; i < c.rows; ++i) c(i, j) = DoubleDouble(to[0].high[i], to[0].low[i]);
    }
}

void extended_qr(MatrixView<DoubleDouble> z, std::span<double> log_r, MatrixView<float> ratios) {
    require(z.cols >= 1 && z.cols <= z.rows && static_cast<int64_t>(log_r.size()) == z.cols, "qr: wrong shape");
    for (int64_t j = 0; j < z.cols; ++j) {
        for (int64_t i = 0; i < z.rows; ++i) {
            if (std::isfinite(z(i, j).high) && std::isfinite(z(i, j).low)) continue;
            std::fill(log_r.begin(), log_r.end(), std::numeric_limits<double>::quiet_NaN());
            return;
        }
    }
    Householder(z, ratios).run(log_r);
}

}  // namespace aelle::backend
