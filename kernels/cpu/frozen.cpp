#include "kernels/cpu/frozen.hpp"

#include <algorithm>

#include "aelle/base/activations.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/vector.hpp"
#include "aelle/cells/rank1.hpp"
#include "kernels/cpu/linear_map.hpp"
#include "kernels/cpu/pack.hpp"

namespace aelle::cpu {
namespace {

/// What the loops share. Blocks hold numbers of N units by `width` loops, the loops of a unit next to each other: every entry of M meets
/// whole vectors. All sums run over units, so that a lane's arithmetic is the same in blocks of any width.
struct Shared {
    int64_t n;
    cells::Rank1::Scalars scalars;
    std::vector<double> w_f;
    Sparse<double> sparse;        ///< M, unless it is dense
    AlignedVector<double> dense;  ///< M in groups of `rows_together` rows, of each group column by column; filled up with rows of zeros
};

constexpr int64_t rows_together = 8;

/// x of one unit one step on, where the rest of the network sends it `sum`
template <int Bytes>
AELLE_BODY void move_unit(const Shared& m, double w_f, const typename Vector<double, Bytes>::type& sum,
                          const typename Vector<double, Bytes>::type& z, double* x) {
    using P = Pack<double, Bytes>;
    const P a = P::of(w_f * z + sum), old = P::load(x);
    P next;
    cells::Rank1::pointwise<0, double>(&a, &old, m.scalars, &next);
    next.store(x, P::lanes);
}

template <int Bytes, int Width>
AELLE_BODY void sparse_step(const Shared& m, const double* r, const double* z, double* x) {
    using Vec = typename Vector<double, Bytes>::type;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes, vectors = Width / lanes;
    const Vec* rates = reinterpret_cast<const Vec*>(r);
    const int32_t* column = m.sparse.column.data();
    const double* value = m.sparse.value.data();
    for (int64_t i = 0; i < m.n; ++i) {
        Vec even[vectors] = {}, odd[vectors] = {};
        int64_t p = m.sparse.row_start[i];
        const int64_t end = m.sparse.row_start[i + 1];
        for (; p + 1 < end; p += 2) {
            const Vec *one = rates + column[p] * vectors, *two = rates + column[p + 1] * vectors;
            for (int64_t v = 0; v < vectors; ++v) {
                even[v] += value[p] * one[v];
                odd[v] += value[p + 1] * two[v];
            }
        }
        if (p < end)
            for (int64_t v = 0; v < vectors; ++v) even[v] += value[p] * rates[column[p] * vectors + v];
        for (int64_t v = 0; v < vectors; ++v)
            move_unit<Bytes>(m, m.w_f[i], even[v] + odd[v], reinterpret_cast<const Vec*>(z)[v], x + i * Width + v * lanes);
    }
}

/// As many vectors of every group of rows at a time as leave its sums in registers.
template <int Bytes, int Width>
AELLE_BODY void dense_step(const Shared& m, const double* r, const double* z, double* x) {
    using Vec = typename Vector<double, Bytes>::type;
    constexpr int64_t lanes = Vector<double, Bytes>::lanes, vectors = Width / lanes, together = Bytes == 64 && vectors > 1 ? 2 : 1;
    for (int64_t first = 0; first < m.n; first += rows_together) {
        for (int64_t v0 = 0; v0 < vectors; v0 += together) {
            const Vec* rates = reinterpret_cast<const Vec*>(r) + v0;
            const double* value = m.dense.data() + first * m.n;
            Vec sum[rows_together][together] = {};
            for (int64_t j = 0; j < m.n; ++j, value += rows_together, rates += vectors)
                for (int64_t i = 0; i < rows_together; ++i)
                    for (int64_t v = 0; v < together; ++v) sum[i][v] += value[i] * rates[v];
            for (int64_t i = 0; i < rows_together && first + i < m.n; ++i)
                for (int64_t v = 0; v < together; ++v)
                    move_unit<Bytes>(m, m.w_f[first + i], sum[i][v], reinterpret_cast<const Vec*>(z)[v0 + v],
                                     x + (first + i) * Width + (v0 + v) * lanes);
        }
    }
}

/// z = w . r in every loop
template <int Bytes, int Width>
AELLE_BODY void readout_body(int64_t n, const double* w, const double* r, double* z) {
    using Vec = typename Vector<double, Bytes>::type;
    constexpr int64_t vectors = Width / Vector<double, Bytes>::lanes;
    const Vec *ws = reinterpret_cast<const Vec*>(w), *rs = reinterpret_cast<const Vec*>(r);
    Vec even[vectors] = {}, odd[vectors] = {};
    int64_t i = 0;
    for (; i + 1 < n; i += 2, ws += 2 * vectors, rs += 2 * vectors) {
        for (int64_t v = 0; v < vectors; ++v) {
            even[v] += ws[v] * rs[v];
            odd[v] += ws[vectors + v] * rs[vectors + v];
        }
    }
    if (i < n)
        for (int64_t v = 0; v < vectors; ++v) even[v] += ws[v] * rs[v];
    for (int64_t v = 0; v < vectors; ++v) reinterpret_cast<Vec*>(z)[v] = even[v] + odd[v];
}

struct Steps {
    void (*step)(const Shared& m, const double* r, const double* z, double* x);
    void (*readout)(int64_t n, const double* w, const double* r, double* z);
};

constexpr int64_t wide = 16;  ///< width of all blocks but the last

#define AELLE_STEPS(NAME, BYTES, TARGET)                                                                                               \
    template <int Width>                                                                                                               \
    struct NAME {                                                                                                                      \
        static constexpr int bytes = std::min(BYTES, Width* static_cast<int>(sizeof(double)));                                         \
        TARGET static void step(const Shared& m, const double* r, const double* z, double* x) {                                        \
            if (m.sparse.rows > 0) sparse_step<bytes, Width>(m, r, z, x);                                                              \
            else dense_step<bytes, Width>(m, r, z, x);                                                                                 \
        }                                                                                                                              \
        TARGET static void readout(int64_t n, const double* w, const double* r, double* z) { readout_body<bytes, Width>(n, w, r, z); } \
        static constexpr Steps table{step, readout};                                                                                   \
    };

AELLE_STEPS(Baseline, 16, )
#if defined(__x86_64__)
AELLE_STEPS(Avx2, 32, [[gnu::target("arch=x86-64-v3")]])
AELLE_STEPS(Avx512, 64, [[gnu::target("arch=x86-64-v4")]])
#endif
#undef AELLE_STEPS

template <int Width>
const Steps& steps_for(InstructionSet set) {
#if defined(__x86_64__)
    if (set == InstructionSet::avx512) return Avx512<Width>::table;
    if (set == InstructionSet::avx2) return Avx2<Width>::table;
#endif
    static_cast<void>(set);
    return Baseline<Width>::table;
}

const Steps& steps_for(InstructionSet set, int64_t width) {
    return width == wide ? steps_for<wide>(set) : width == 8 ? steps_for<8>(set) : steps_for<4>(set);
}

/// Up to `width` loops; lanes without one stay at zero.
struct Block {
    int64_t width;
    const Steps* steps;
    AlignedVector<double> x, r, w_out;  ///< (N x width), r = tanh(x)
    AlignedVector<double> z;            ///< (width)
};

class FrozenLoops final : public backend::FrozenLoops {
public:
    FrozenLoops(const cells::Shape& shape, const cells::Parameters& parameters, int64_t count, InstructionSet set)
        : count_(count),
          tanh_(all_vector_functions()[static_cast<std::size_t>(set)]->tanh),
          shared_{shape.hidden, {parameters.scalars.at("dt")}, parameters.tensors.at("weight_fb"), {}, {}} {
        require(count >= 1, "frozen loops: none asked for");
        take_matrix(parameters.tensors.at("weight_hh_l0"));
        for (int64_t first = 0; first < count; first += wide) {
            const int64_t left = count - first, width = left > 8 ? wide : left > 4 ? 8 : 4;
            const auto size = static_cast<std::size_t>(shape.hidden * width);
            blocks_.push_back({width, &steps_for(set, width), AlignedVector<double>(size), AlignedVector<double>(size),
                               AlignedVector<double>(size), AlignedVector<double>(static_cast<std::size_t>(width))});
        }
        const std::vector<double>& w_out = parameters.tensors.at("weight_out");
        const auto n = static_cast<std::size_t>(shape.hidden);
        for (int64_t k = 0; k < count; ++k) set_state(k, AlignedVector<double>(n), 0.0, {w_out.begin(), w_out.end()});
    }

    int64_t count() const override { return count_; }

    void set(int64_t loop, const backend::ForceLoop::State& state) override { set_state(loop, state.x, state.z, state.w_out); }

    backend::ForceLoop::State get(int64_t loop) const override {
        const Block& block = blocks_[static_cast<std::size_t>(loop / wide)];
        const int64_t lane = loop % wide;
        backend::ForceLoop::State state;
        state.z = block.z[lane];
        for (int64_t i = 0; i < shared_.n; ++i) {
            state.x.push_back(block.x[i * block.width + lane]);
            state.w_out.push_back(block.w_out[i * block.width + lane]);
        }
        return state;
    }

    /// Block after block, so that M and one block's numbers stay in cache.
    void run(MatrixView<double> output) override {
        require(output.rows == count_, "frozen loops: output for another number of loops");
        for (std::size_t b = 0; b < blocks_.size(); ++b) {
            Block& block = blocks_[b];
            const int64_t first = static_cast<int64_t>(b) * wide, here = std::min(block.width, count_ - first);
            for (int64_t t = 0; t < output.cols; ++t) {
                block.steps->step(shared_, block.r.data(), block.z.data(), block.x.data());
                tanh_(shared_.n * block.width, block.x.data(), block.r.data());
                block.steps->readout(shared_.n, block.w_out.data(), block.r.data(), block.z.data());
                std::copy_n(block.z.data(), here, output.column(t) + first);
            }
        }
    }

private:
    void take_matrix(const std::vector<double>& rows) {
        const int64_t n = shared_.n;
        shared_.sparse = compressed<double>(n, n, rows.data());
        if (shared_.sparse.rows > 0) return;
        shared_.dense.resize(static_cast<std::size_t>((n + rows_together - 1) / rows_together * rows_together * n));
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < n; ++j)
                shared_.dense[i / rows_together * rows_together * n + j * rows_together + i % rows_together] =
                    rows[static_cast<std::size_t>(i * n + j)];
    }

    void set_state(int64_t loop, const AlignedVector<double>& x, double z, const AlignedVector<double>& w_out) {
        require(loop >= 0 && loop < count_, "frozen loops: no such loop");
        const auto n = static_cast<std::size_t>(shared_.n);
        require(x.size() == n && w_out.size() == n, "frozen loops: state of another size");
        Block& block = blocks_[static_cast<std::size_t>(loop / wide)];
        const int64_t lane = loop % wide;
        block.z[lane] = z;
        for (int64_t i = 0; i < shared_.n; ++i) {
            const int64_t at = i * block.width + lane;
            block.x[at] = x[i];
            block.w_out[at] = w_out[i];
            tanh_(1, &block.x[at], &block.r[at]);
        }
    }

    int64_t count_;
    VectorFunction tanh_;
    Shared shared_;
    std::vector<Block> blocks_;  ///< of `wide` loops, the last one of 4 or 8 where that is enough
};

}  // namespace

std::unique_ptr<backend::FrozenLoops> make_frozen_loops(const cells::Shape& shape, const cells::Parameters& parameters, int64_t count,
                                                        InstructionSet set) {
    return std::make_unique<FrozenLoops>(shape, parameters, count, set);
}

}  // namespace aelle::cpu
