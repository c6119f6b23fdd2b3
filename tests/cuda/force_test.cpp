// FORCE and frozen rollouts as a device runs them, thread by thread on the host: against the reference backend, and bit for bit against themselves
// alone, cut into launches and in other orders of threads.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "fixtures/random_network.hpp"
#include "kernels/cuda/force.hpp"
#include "tests/cuda/emulation_order.hpp"

namespace aelle::cuda {
namespace {

using State = backend::ForceLoop::State;
using emulation::Order;

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
constexpr double alpha = 0.8;
/// Rounding errors do not grow in these networks: M has a spectral radius near 0.7, the loop through w_f and w_o adds little.
cells::Parameters parameters(int n, double density, uint64_t seed = 0) {
    auto p = fixtures::random_parameters(cells::find_cell("rank1"), {n, 0}, density, static_cast<uint64_t>(n) + 1000 * seed);
    for (double& w : p.tensors["weight_hh_l0"]) w *= 0.7;
    return p;
}

State start(int n, uint64_t seed = 0) {
    const auto x = fixtures::random_vector(n, 0.5, 77 + 2 * seed), w = fixtures::random_vector(n, 0.1, 78 + 2 * seed);
    return {{x.begin(), x.end()}, 0.3, {w.begin(), w.end()}, {}};
}

std::vector<double> target(int64_t steps) {
    std::vector<double> f;
    for (int64_t i = 0; i < steps; ++i)
        f.push_back(std::sin(0.02 * static_cast<double>(i)) + 0.4 * std::cos(0.05 * static_cast<double>(i)));
    return f;
}

/// Numbers as bits, so that NaN equals NaN.
std::vector<uint64_t> bits(const std::vector<double>& values) {
    std::vector<uint64_t> all(values.size());
    std::transform(values.begin(), values.end(), all.begin(), [](double x) { return std::bit_cast<uint64_t>(x); });
    return all;
}

/// Memory of one network in training. What a kernel has to write first is NaN.
struct HostForce {
    int n, rank;
    ForceMatrix m;
    std::vector<double> w_fb, x, w_out, tiles, v, c, f, output;
    double z, dt;
    int32_t pending = 0;

    HostForce(const cells::Parameters& p, const State& state, int rank_in)
        : n(static_cast<int>(state.x.size())),
          rank(rank_in),
          m(pack_force_matrix(n, p.tensors.at("weight_hh_l0").data())),
          w_fb(p.tensors.at("weight_fb")),
          x(state.x.begin(), state.x.end()),
          w_out(state.w_out.begin(), state.w_out.end()),
          tiles(static_cast<std::size_t>(inverse_size(n)), missing),
          v(static_cast<std::size_t>(rank * force_padded(n)), missing),
          c(static_cast<std::size_t>(rank), missing),
          z(state.z),
          dt(p.scalars.at("dt")) {
        pack_inverse(n, state.p, alpha, tiles.data());
    }

    /// For steps [first, first + count) of all.
    ForceNetwork work(int64_t first, int count, int64_t learn_every) {
        f = target(first + count);
        output.resize(std::max(output.size(), static_cast<std::size_t>(first + count)), missing);
        return {.m = m.view(),
                .w_fb = w_fb.data(),
                .x = x.data(),
                .z = &z,
                .w_out = w_out.data(),
                .tiles = tiles.data(),
                .v = v.data(),
                .c = c.data(),
                .pending = &pending,
                .target = f.data() + first,
                .output = output.data() + first,
                .dt = dt,
                .first_step = first,
                .learn_every = learn_every,
                .n = n,
                .rank = rank,
                .steps = count};
    }

    /// P, packed, as SettleInverse gives it.
    std::vector<double> packed() {
        std::vector<double> p(static_cast<std::size_t>(n * (n + 1) / 2), missing);
        const ForceNetwork net = work(0, 0, 1);
        EXPECT_EQ(launch(nullptr, 1, SettleInverse::shared_bytes, SettleInverse{&net, p.data(), 0}), 0);
        return p;
    }

    std::vector<uint64_t> everything() {
        std::vector<double> all = output;
        for (const auto* part : {&x, &w_out, &tiles}) all.insert(all.end(), part->begin(), part->end());
        const std::vector<double> p = packed();
        all.insert(all.end(), p.begin(), p.end());
        all.push_back(z);
        all.push_back(pending);
        return bits(all);
    }
};

template <int Threads>
void train(std::vector<HostForce*> group, int64_t first, int count, int64_t learn_every) {
    std::vector<ForceNetwork> work;
    int largest = 0;
    for (HostForce* net : group) {
        work.push_back(net->work(first, count, learn_every));
        largest = std::max(largest, net->n);
    }
    using Kernel = ForceTraining<Threads>;
    ASSERT_EQ(launch(nullptr, static_cast<int64_t>(work.size()), Kernel::shared_bytes(largest), Kernel{work.data()}), 0);
}

struct Expected {
    std::vector<double> output;
    State state;
};

Expected reference(const cells::Parameters& p, const State& first, int64_t steps, int64_t learn_every) {
    const auto loop = backend::make_reference()->force_loop({static_cast<int64_t>(first.x.size()), 0}, p, alpha);
    loop->set(first);
    Expected expected{std::vector<double>(static_cast<std::size_t>(steps)), {}};
    loop->run(0, learn_every, target(steps), expected.output);
    expected.state = loop->get();
    return expected;
}

void expect_near(const std::vector<double>& found, std::span<const double> expected, double tolerance, const char* what) {
    ASSERT_EQ(found.size(), expected.size()) << what;
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], tolerance) << what << ' ' << i;
}

/// 200 steps and updates with rounding errors of at most N terms of size 1 each, P of size 1 / alpha.
double tolerance(int n, int64_t steps) { return static_cast<double>(steps * (n + 8)) * std::numeric_limits<double>::epsilon() / alpha; }

template <int Threads>
void compare(int n, double density, int64_t learn_every, int rank, int steps) {
    SCOPED_TRACE("N " + std::to_string(n) + ", density " + std::to_string(density) + ", every " + std::to_string(learn_every) + ", rank " +
                 std::to_string(rank));
    const auto p = parameters(n, density);
    HostForce net(p, start(n), rank);
    train<Threads>({&net}, 0, steps, learn_every);
    const Expected expected = reference(p, start(n), steps, learn_every);
    const double allowed = tolerance(n, steps);
    expect_near(net.output, expected.output, allowed, "z");
    expect_near(net.x, expected.state.x, allowed, "x");
    expect_near(net.w_out, expected.state.w_out, allowed, "w_o");
    EXPECT_EQ(net.z, net.output.back());
    if (learn_every > 0) expect_near(net.packed(), expected.state.p, allowed, "P");
}

TEST(CudaForce, AgreesWithTheReference) {
    for (const int n : {13, 40, 96}) {
        for (const int64_t learn_every : {0, 1, 2, 3}) {
            const auto rank = static_cast<int>(1 + 5 * learn_every);
            compare<64>(n, 1.0, learn_every, rank, 210);
            compare<64>(n, 0.2, learn_every, 17 - rank, 210);
        }
    }
    compare<64>(1, 1.0, 1, 4, 210);
    compare<64>(40, 0.2, 1, 1, 210);
    compare<64>(40, 0.2, 1, 32, 210);
}

TEST(CudaForce, AgreesWithTheReferenceInBlocksOfFullSize) {
    compare<512>(200, 0.1, 1, 4, 12);
    compare<256>(200, 1.0, 2, 3, 12);
}

TEST(CudaForce, GivesTheSameBitsInAnyOrderOfThreads) {
    std::vector<std::vector<uint64_t>> found;
    for (const Order order : orders) {
        const EmulationOrder guard(order);
        HostForce sparse(parameters(96, 0.2), start(96), 3), dense(parameters(40, 1.0), start(40), 3);
        train<128>({&sparse, &dense}, 0, 20, 2);
        found.push_back(sparse.everything());
        found.push_back(dense.everything());
    }
    for (std::size_t i = 2; i < found.size(); ++i) EXPECT_EQ(found[i], found[i % 2]);
}

TEST(CudaForce, GivesTheSameBitsHoweverTheRunIsCut) {
    const auto p = parameters(40, 0.2);
    for (const int rank : {1, 4, 7}) {
        HostForce whole(p, start(40), rank);
        train<64>({&whole}, 0, 100, 2);
        const auto expected = whole.everything();
        for (const int piece : {1, 7, 50}) {
            HostForce cut(p, start(40), rank);
            for (int i = 0; i < 100; i += piece) train<64>({&cut}, i, std::min(piece, 100 - i), 2);
            EXPECT_EQ(cut.everything(), expected) << rank << ' ' << piece;
        }
    }
}

/// Steps [first, 60) with `learn_every` 2, handed over as a State before step `at`.
std::vector<uint64_t> handed_over(int first, int at, int rank) {
    const auto p = parameters(40, 0.2);
    HostForce before(p, start(40), rank);
    train<64>({&before}, first, at - first, 2);
    const auto inverse = before.packed();
    HostForce after(
        p, {{before.x.begin(), before.x.end()}, before.z, {before.w_out.begin(), before.w_out.end()}, {inverse.begin(), inverse.end()}},
        rank);
    after.output = before.output;
    train<64>({&after}, at, 60 - at, 2);
    std::vector<double> all = after.output;
    for (const auto& part : {after.x, after.w_out, after.packed()}) all.insert(all.end(), part.begin(), part.end());
    return bits(all);
}

TEST(CudaForce, GoesOnFromPAloneWhereP0IsWrittenNext) {
    const auto each = handed_over(0, 0, 1);
    for (const int at : {1, 2, 13, 32, 59}) EXPECT_EQ(handed_over(0, at, 1), each) << at;
    for (const int first : {0, 5}) {  // updates 8, 16 and 24 are steps 16, 32 and 48, wherever a run begins
        const auto eighth = handed_over(first, first, 8);
        for (const int at : {15, 16, 31, 32, 48}) EXPECT_EQ(handed_over(first, at, 8), eighth) << first << ' ' << at;
        EXPECT_NE(handed_over(first, 22, 8), eighth);  // rounding: the comparison can fail
    }
}

TEST(CudaForce, ChangingHowOftenItLearnsNeverOverrunsWhatIsPutOff) {
    const auto p = parameters(13, 1.0);
    HostForce net(p, start(13), 4);
    for (int64_t i = 0; i < 12; ++i) train<64>({&net}, 4 * i + 1, 1, 4 * i + 1);  // every update is number 1
    const auto loop = backend::make_reference()->force_loop({13, 0}, p, alpha);
    loop->set(start(13));
    const auto f = target(50);
    double z = 0.0;
    for (int64_t i = 0; i < 12; ++i) loop->run(4 * i + 1, 4 * i + 1, std::span(f).subspan(static_cast<std::size_t>(4 * i + 1), 1), {&z, 1});
    EXPECT_NEAR(net.z, z, tolerance(13, 12));
    expect_near(net.packed(), loop->get().p, tolerance(13, 12), "P");
    EXPECT_EQ(net.pending, 4);
}

TEST(CudaForce, NetworksOfAGroupAreEachAsAlone) {
    const int sizes[] = {40, 96, 13, 40};
    std::vector<HostForce> together, alone;
    for (uint64_t i = 0; i < 4; ++i) {
        together.emplace_back(parameters(sizes[i], i == 2 ? 1.0 : 0.2, i), start(sizes[i], i), 3 + static_cast<int>(i));
        alone.push_back(together.back());
    }
    together[0].x[5] = alone[0].x[5] = missing;
    std::vector<HostForce*> group;
    for (HostForce& net : together) group.push_back(&net);
    train<64>(group, 0, 30, 2);
    for (std::size_t i = 0; i < 4; ++i) {
        train<64>({&alone[i]}, 0, 30, 2);
        EXPECT_EQ(together[i].everything(), alone[i].everything()) << i;
        EXPECT_EQ(std::isnan(together[i].z), i == 0);
        for (const double p : together[i].packed()) ASSERT_EQ(std::isnan(p), i == 0);
    }
}

TEST(CudaForce, WithoutLearningNeedsNoP) {
    HostForce net(parameters(13, 1.0), start(13), 1);
    ForceNetwork work = net.work(0, 20, 0);
    work.tiles = work.v = work.c = nullptr;
    work.pending = nullptr;
    work.target = nullptr;
    ASSERT_EQ(launch(nullptr, 1, ForceTraining<64>::shared_bytes(13), ForceTraining<64>{&work}), 0);
    expect_near(net.output, reference(parameters(13, 1.0), start(13), 20, 0).output, tolerance(13, 20), "z");
}

/// M back from its slices.
std::vector<double> unpacked(const ForceMatrix& m) {
    std::vector<double> rows(static_cast<std::size_t>(m.n * m.n), 0.0);
    for (int slot = 0; slot < m.n; ++slot) {
        int k = 0;
        for (int e = m.start[slot / 32] + slot % 32; e < m.start[slot / 32 + 1]; e += 32, ++k) {
            if (m.value[e] == 0.0) continue;
            rows[m.row[slot] * m.n + (m.column.empty() ? k : m.column[e])] += m.value[e];
        }
    }
    return rows;
}

TEST(CudaForce, SlicesHoldTheMatrix) {
    for (const int n : {1, 13, 40, 96}) {
        for (const double density : {0.0, 0.1, 0.4, 0.6, 1.0}) {
            auto rows = fixtures::random_vector(n * n, 1.0, 5);
            RandomStream random(6, 0, Purpose::sampling);
            for (double& x : rows) x = random.uniform() < density ? x : 0.0;
            EXPECT_EQ(unpacked(pack_force_matrix(n, rows.data())), rows) << n << ' ' << density;
        }
    }
    const auto p = fixtures::random_parameters(cells::find_cell("rank1"), {512, 0}, 0.1, 3);
    const auto& rows = p.tensors.at("weight_hh_l0");
    const auto nonzeros = static_cast<double>(rows.size()) - static_cast<double>(std::count(rows.begin(), rows.end(), 0.0));
    // slots of one slice are equally long but for the two ends of the sorted rows; up to 3 entries of some 50 fill up
    EXPECT_LT(static_cast<double>(pack_force_matrix(512, rows.data()).bytes()), 1.1 * 10.0 * nonzeros);
}

TEST(CudaForce, EveryElementOfTheTriangleHasItsPlace) {
    for (const int n : {1, 13, 32, 40, 96, 257}) {
        std::set<int64_t> places;
        for (int j = 0; j < n; ++j)
            for (int i = j; i < n; ++i) {
                places.insert(inverse_place(n, i, j));
                ASSERT_LT(inverse_place(n, i, j), inverse_size(n));
            }
        EXPECT_EQ(places.size(), static_cast<std::size_t>(n * (n + 1) / 2));
        EXPECT_EQ(*places.begin(), 0);
    }
    EXPECT_EQ(inverse_size(512), 32 * 32 * (16 * 17 / 2));
    EXPECT_LT(ForceTraining<512>::shared_bytes(force_max_units), std::size_t{227 * 1024});
    EXPECT_GT(force_bytes(512, 16), 8 * inverse_size(512));
}

/// Loops of one network; matrices have a column a loop.
struct HostFrozen {
    int n, loops;
    ForceMatrix m;
    std::vector<double> w_fb, x, z, w_out;
    double dt;

    HostFrozen(const cells::Parameters& p, int n_in, const std::vector<State>& states)
        : n(n_in),
          loops(static_cast<int>(states.size())),
          m(pack_force_matrix(n, p.tensors.at("weight_hh_l0").data())),
          w_fb(p.tensors.at("weight_fb")),
          dt(p.scalars.at("dt")) {
        for (const State& state : states) {
            x.insert(x.end(), state.x.begin(), state.x.end());
            w_out.insert(w_out.end(), state.w_out.begin(), state.w_out.end());
            z.push_back(state.z);
        }
    }
    FrozenNetwork work(int steps, double* output) {
        return {.m = m.view(),
                .w_fb = w_fb.data(),
                .x = x.data(),
                .z = z.data(),
                .w_out = w_out.data(),
                .output = output,
                .ld = loops,
                .dt = dt,
                .n = n,
                .loops = loops,
                .steps = steps};
    }
    /// (loops x steps)
    template <int Width, int Threads>
    std::vector<double> run(int steps) {
        std::vector<double> output(static_cast<std::size_t>(loops * steps), missing);
        const FrozenNetwork net = work(steps, output.data());
        const int parts = (loops + Width - 1) / Width;
        using Kernel = FrozenRollouts<Width, Threads>;
        EXPECT_EQ(launch(nullptr, parts, Kernel::shared_bytes(n), Kernel{&net, parts}), 0);
        return output;
    }
    std::vector<uint64_t> state() const {
        std::vector<double> all = x;
        all.insert(all.end(), z.begin(), z.end());
        return bits(all);
    }
};

std::vector<State> starts(int n, int loops) {
    std::vector<State> all;
    for (int k = 0; k < loops; ++k) all.push_back(start(n, static_cast<uint64_t>(k)));
    return all;
}

template <int Width, int Threads>
void compare_frozen(int n, double density, int loops, int steps) {
    SCOPED_TRACE("N " + std::to_string(n) + ", density " + std::to_string(density) + ", loops " + std::to_string(loops));
    const auto p = parameters(n, density);
    const auto states = starts(n, loops);
    HostFrozen found(p, n, states);
    const auto reference = backend::make_reference()->frozen_loops({n, 0}, p, loops);
    for (int k = 0; k < loops; ++k) reference->set(k, states[static_cast<std::size_t>(k)]);
    Matrix<double> expected(loops, steps);
    reference->run(expected.view());
    const auto output = found.run<Width, Threads>(steps);
    expect_near(output, {expected.view().data, output.size()}, tolerance(n, steps), "z");
    for (int k = 0; k < loops; ++k) {
        const State state = reference->get(k);
        for (int i = 0; i < n; ++i) ASSERT_NEAR(found.x[k * n + i], state.x[i], tolerance(n, steps));
        EXPECT_EQ(found.z[k], output[loops * (steps - 1) + k]);
    }
}

TEST(CudaFrozen, AgreesWithTheReference) {
    compare_frozen<8, 64>(1, 1.0, 1, 210);
    compare_frozen<16, 64>(13, 1.0, 5, 210);
    compare_frozen<16, 64>(40, 0.2, 11, 210);
    compare_frozen<8, 64>(40, 1.0, 17, 210);
    compare_frozen<16, 64>(96, 0.1, 17, 210);
    compare_frozen<16, 512>(200, 0.1, 15, 10);
    compare_frozen<8, 512>(200, 0.1, 15, 10);
}

TEST(CudaFrozen, GivesTheSameBitsInAnyOrderOfThreadsAndHoweverTheRunIsCut) {
    const auto p = parameters(40, 0.2);
    HostFrozen whole(p, 40, starts(40, 9));
    const auto expected = whole.run<8, 128>(30);
    for (const Order order : orders) {
        const EmulationOrder guard(order);
        for (const int piece : {1, 7, 30}) {
            HostFrozen cut(p, 40, starts(40, 9));
            std::vector<double> output;
            for (int i = 0; i < 30; i += piece) {
                const auto part = cut.run<8, 128>(std::min(piece, 30 - i));
                output.insert(output.end(), part.begin(), part.end());
            }
            EXPECT_EQ(output, expected) << piece;
            EXPECT_EQ(cut.state(), whole.state()) << piece;
        }
    }
}

TEST(CudaFrozen, ALoopIsAsAloneWhateverBecomesOfOthers) {
    const auto p = parameters(40, 0.2);
    auto states = starts(40, 19);
    states[2].x[7] = missing;
    states[16].z = std::numeric_limits<double>::infinity();
    HostFrozen all(p, 40, states);
    const auto together = all.run<16, 64>(20);
    for (const int k : {0, 3, 15, 17, 18}) {
        HostFrozen one(p, 40, {states[static_cast<std::size_t>(k)]});
        const auto alone = one.run<16, 64>(20);
        for (int t = 0; t < 20; ++t) ASSERT_EQ(together[19 * t + k], alone[t]) << k;
    }
    EXPECT_TRUE(std::isnan(together[19 * 19 + 2]));
    EXPECT_TRUE(std::isinf(all.x[16 * 40]));
}

TEST(CudaFrozen, NetworksWithFewerLoopsLeaveBlocksIdle) {
    HostFrozen few(parameters(13, 1.0), 13, starts(13, 3)), many(parameters(40, 0.2), 40, starts(40, 10));
    HostFrozen few_alone = few, many_alone = many;
    std::vector<double> a(3 * 5, missing), b(10 * 5, missing);
    const FrozenNetwork work[] = {few.work(5, a.data()), many.work(5, b.data())};
    ASSERT_EQ(launch(nullptr, 4, FrozenRollouts<8, 64>::shared_bytes(40), FrozenRollouts<8, 64>{work, 2}), 0);
    EXPECT_EQ(a, (few_alone.run<8, 64>(5)));
    EXPECT_EQ(b, (many_alone.run<8, 64>(5)));
    EXPECT_EQ(many.state(), many_alone.state());
}

TEST(CudaFrozen, SharedMemoryIsEnoughForEverySize) {
    for (int n = 1; n <= force_max_units; ++n) {
        const auto bytes = frozen_width(n) == 16 ? FrozenRollouts<16>::shared_bytes(n) : FrozenRollouts<8>::shared_bytes(n);
        ASSERT_LE(bytes, std::size_t{227 * 1024}) << n;
    }
    EXPECT_EQ(frozen_bytes(512, 15), (2 * 15 * 512 + 15 + 512) * 8 + static_cast<int64_t>(sizeof(FrozenNetwork)));
}

}  // namespace
}  // namespace aelle::cuda
