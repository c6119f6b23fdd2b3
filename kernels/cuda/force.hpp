#pragma once
/// FORCE on a device: recursive least squares in a closed loop, one block a network, and rollouts with frozen weights, one block for 8 or 16
/// loops of one network. The equations are those of backend::ForceLoop and backend::FrozenLoops (cells.md "rank1"; Sussillo & Abbott 2009), all
/// in double precision, time in steps of dt; performance.md section 5 has the counts of bytes. N <= 1024; vectors in shared memory are padded
/// with zeros to whole chunks of 32.
///
/// P is put off by rank m: with P0 in memory and the v_k and c_k = 1 / (1 + r_k.v_k) of the updates since,
///
///     P = P0 - sum_k c_k v_k v_k^T,    P r = P0 r - sum_k v_k c_k (v_k.r)
///
/// so that an update reads P0 once and writes it once in m updates, in the same pass as the next product. When that happens is fixed by the
/// number of the step alone: before the update in step s where s / learn_every is a multiple of m. P0, the v_k, the c_k and their count stay in
/// memory from launch to launch, so how a run is cut changes no bit. Where only P itself is carried on (SettleInverse gives it), a run goes on
/// with the same bits if its next update is one that begins with writing P0: with m = 1 that is every update.
///
/// Every sum is taken in an order that is fixed by N, M and the number of threads; blocks share nothing but what they read. P0 passes by
/// once per update while M is read in every step: launch no more networks at a time than there are multiprocessors, so that their M stay in L2.

#include <cmath>

#include "aelle/cells/rank1.hpp"
#include "kernels/cuda/block.hpp"
#include "kernels/cuda/force_plan.hpp"
#include "kernels/cuda/wide.hpp"

namespace aelle::cuda {

namespace force {

/// Constant for as long as the kernel runs.
template <class T>
AELLE_DEVICE T constant(const T* p) {
#if defined(__CUDACC__)
    return __ldg(p);
#else
    return *p;
#endif
}
/// Numbers of P0 come by once per update and should not drive M out of the cache.
AELLE_DEVICE double load_passing(const double* p) {
#if defined(__CUDACC__)
    return __ldcs(p);
#else
    return *p;
#endif
}
AELLE_DEVICE void store_passing(double* p, double value) {
#if defined(__CUDACC__)
    __stcs(p, value);
#else
    *p = value;
#endif
}

AELLE_DEVICE void add_product(double& sum, double factor, double x) { sum = multiply_add(factor, x, sum); }
AELLE_DEVICE void add_product(Pair& sum, double factor, const Pair& x) {
    sum.first = multiply_add(factor, x.first, sum.first);
    sum.second = multiply_add(factor, x.second, sum.second);
}
AELLE_DEVICE double plus(double a, double b) { return a + b; }
AELLE_DEVICE Pair plus(const Pair& a, const Pair& b) { return {a.first + b.first, a.second + b.second}; }

/// Sum over the row of a slot of M_ij rate(j): even and odd entries apart.
template <class T, class Rate>
AELLE_DEVICE T row_sum(const SlicedRows& m, int slot, const Rate& rate) {
    const int slice = slot / force_chunk, first = constant(m.start + slice), count = (constant(m.start + slice + 1) - first) / force_chunk;
    const int64_t entry = first + slot % force_chunk;
    const double* value = m.value + entry;
    T even{}, odd{};
    const auto add_four = [&](int k, const auto& column) {
        AELLE_UNROLL
        for (int e = k; e < k + 4; e += 2) {
            add_product(even, constant(value + e * force_chunk), rate(column(e)));
            add_product(odd, constant(value + (e + 1) * force_chunk), rate(column(e + 1)));
        }
    };
    if (m.column == nullptr) {
        for (int k = 0; k < count; k += 4) add_four(k, [](int e) { return e; });
    } else {
        const uint16_t* column = m.column + entry;
        for (int k = 0; k < count; k += 4) add_four(k, [column](int e) { return int{constant(column + e * force_chunk)}; });
    }
    return plus(even, odd);
}

/// x of a unit one step on, where M r sends it `sum`.
AELLE_DEVICE double moved(double w_fb, double z, double sum, double x, double dt) {
    const double a = multiply_add(w_fb, z, sum);
    double next = 0.0;
    cells::Rank1::pointwise<0, double>(&a, &x, cells::Rank1::Scalars{dt}, &next);
    return next;
}

/// p - c v_i v_j, with `left` = c v_i: the one way in which P0 changes.
AELLE_DEVICE double settled(double p, double left, double v_j) { return multiply_add(-left, v_j, p); }

/// Whatever all threads of a block are to know, copied to where they read it fast.
template <class T>
AELLE_DEVICE const T& shared_copy(const Block& block, const T& from, void* to) {
    T& copy = *static_cast<T*>(to);
    if (block.thread() == 0) copy = from;
    block.sync();
    return copy;
}

/// One network in training, as the threads of its block see it.
template <int Threads>
class Run {
public:
    static constexpr int warps = Threads / warp_size;
    /// Numbers of shared memory in front of the copy of ForceNetwork.
    static constexpr int numbers(int n) { return (5 + warps) * force_padded(n) + 2 * force_max_rank; }

    AELLE_DEVICE Run(const Block& block, const ForceNetwork& network)
        : block_(block),
          n_(network.n),
          padded_(force_padded(network.n)),
          x_(reinterpret_cast<double*>(block.shared())),
          w_(x_ + padded_),
          r_(w_ + padded_),
          next_(r_ + padded_),
          y_(next_ + padded_),
          partial_(y_ + padded_),
          scratch_(partial_ + warps * padded_),
          share_(scratch_ + force_max_rank),
          net_(shared_copy(block, network, share_ + force_max_rank)) {}

    AELLE_DEVICE void operator()() {
        pending_ = net_.learn_every > 0 ? *net_.pending : 0;
        block_.each(padded_, [&](int64_t i) {
            x_[i] = i < n_ ? net_.x[i] : 0.0;
            w_[i] = i < n_ ? net_.w_out[i] : 0.0;
            r_[i] = i < n_ ? std::tanh(x_[i]) : 0.0;
            next_[i] = 0.0;
        });
        double z = *net_.z;
        for (int t = 0; t < net_.steps; ++t) {
            z = step(z);
            if (block_.thread() == 0) net_.output[t] = z;
            const int64_t number = net_.first_step + t;
            if (net_.learn_every > 0 && number % net_.learn_every == 0) learn(number / net_.learn_every, z - net_.target[t]);
        }
        block_.each(n_, [&](int64_t i) {
            net_.x[i] = x_[i];
            net_.w_out[i] = w_[i];
        });
        if (block_.thread() != 0) return;
        *net_.z = z;
        if (net_.learn_every > 0) *net_.pending = pending_;
    }

private:
    /// The new z. The rates of old and new states lie apart, so that a thread can go on to its new rates while others read the old ones.
    AELLE_DEVICE double step(double z) {
        const double* r = r_;
        double sum = 0.0;
        for (int slot = block_.thread(); slot < n_; slot += Threads) {
            const int i = constant(net_.m.row + slot);
            const double from_others = row_sum<double>(net_.m, slot, [r](int j) { return r[j]; });
            x_[i] = moved(constant(net_.w_fb + i), z, from_others, x_[i], net_.dt);
            next_[i] = std::tanh(x_[i]);
            sum = multiply_add(w_[i], next_[i], sum);
        }
        double* old = r_;
        r_ = next_;
        next_ = old;
        return block_.sum(sum, scratch_);
    }

    /// Update number `number` of all training with the newest rates.
    AELLE_DEVICE void learn(int64_t number, double error) {
        if (pending_ > 0 && (number % net_.rank == 0 || pending_ == net_.rank)) {
            pass<true>();
            pending_ = 0;
        } else {
            share_pending();
            pass<false>();
        }
        block_.sync();
        double rv = 0.0;
        for (int i = block_.thread(); i < n_; i += Threads) {
            const double y = corrected(i);
            y_[i] = y;
            rv = multiply_add(r_[i], y, rv);
        }
        const double c = 1.0 / (1.0 + block_.sum(rv, scratch_));
        double* v = net_.v + pending_ * padded_;
        for (int i = block_.thread(); i < padded_; i += Threads) {
            const double y = i < n_ ? y_[i] : 0.0;
            v[i] = y;
            w_[i] = multiply_add(-error, c * y, w_[i]);
        }
        if (block_.thread() == 0) net_.c[pending_] = c;
        ++pending_;
        block_.sync();
    }

    /// share_[k] = c_k (v_k.r)
    AELLE_DEVICE void share_pending() {
        for (int k = block_.warp(); k < pending_; k += warps) {
            const double* v = net_.v + k * padded_;
            double sum = 0.0;
            for (int i = block_.lane(); i < padded_; i += warp_size) sum = multiply_add(v[i], r_[i], sum);
            sum = block_.warp_sum(sum);
            if (block_.lane() == 0) share_[k] = net_.c[k] * sum;
        }
    }

    /// Element i of P r from what the warps found.
    AELLE_DEVICE double corrected(int i) const {
        double y = y_[i];
        AELLE_UNROLL
        for (int w = 0; w < warps; ++w) y += partial_[w * padded_ + i];
        for (int k = 0; k < pending_; ++k) y = multiply_add(-net_.v[k * padded_ + i], share_[k], y);
        return y;
    }

    /// P0 r, each element of P0 read once: what panels of columns send to rows goes to a vector of each warp, what rows send to the columns of a
    /// panel to y. Panels are dealt there and back, since they grow shorter. Settle: P0 takes what is pending first.
    template <bool Settle>
    AELLE_DEVICE void pass() {
        double* partial = partial_ + block_.warp() * padded_;
        for (int i = block_.lane(); i < padded_; i += warp_size) partial[i] = 0.0;
        const int panels = padded_ / force_panel;
        for (int first = 0; first < panels; first += warps) {
            const int place = first / warps % 2 == 0 ? block_.warp() : warps - 1 - block_.warp();
            if (first + place < panels) panel<Settle>(first + place, partial);
        }
    }

    template <bool Settle>
    AELLE_DEVICE void panel(int number, double* partial) {
        constexpr int chunk_size = force_chunk * force_panel;
        const int first = number * force_panel, lane = block_.lane();
        double* tile = net_.tiles + inverse_chunks_before(n_, number) * chunk_size + lane;
        double column[force_panel] = {}, now[force_panel], next[force_panel] = {};
        load(tile, now);
        for (int row = first / force_chunk * force_chunk; row < padded_; row += force_chunk, tile += chunk_size) {
            if (row + force_chunk < padded_) load(tile + chunk_size, next);
            const int i = row + lane;
            if constexpr (Settle) settle(tile, i, first, now);
            const double r_i = r_[i];
            double sum = 0.0;
            AELLE_UNROLL
            for (int c = 0; c < force_panel; ++c) {
                sum = multiply_add(now[c], r_[first + c], sum);
                column[c] = multiply_add(now[c], i > first + c ? r_i : 0.0, column[c]);
            }
            partial[i] += sum;
            AELLE_UNROLL
            for (int c = 0; c < force_panel; ++c) now[c] = next[c];
        }
        const double total = fold(column);
        if (lane % 4 == 0) y_[first + lane / 4] = total;
    }

    AELLE_DEVICE static void load(const double* tile, double (&p)[force_panel]) {
        AELLE_UNROLL
        for (int c = 0; c < force_panel; ++c) p[c] = load_passing(tile + c * force_chunk);
    }

    AELLE_DEVICE void settle(double* tile, int i, int first, double (&p)[force_panel]) {
        for (int k = 0; k < pending_; ++k) {
            const double* v = net_.v + k * padded_;
            const double left = net_.c[k] * v[i];
            const Pair* right = reinterpret_cast<const Pair*>(v + first);
            AELLE_UNROLL
            for (int c = 0; c < force_panel; c += 2) {
                const Pair two = right[c / 2];
                p[c] = i >= first + c ? settled(p[c], left, two.first) : 0.0;
                p[c + 1] = i >= first + c + 1 ? settled(p[c + 1], left, two.second) : 0.0;
            }
        }
        AELLE_UNROLL
        for (int c = 0; c < force_panel; ++c) store_passing(tile + c * force_chunk, p[c]);
    }

    /// Sums over the lanes of a warp of eight numbers each: number l / 4 in lane l. Halves are handed over while the numbers halve.
    AELLE_DEVICE double fold(const double (&p)[force_panel]) const {
        const bool upper = (block_.lane() & 16) != 0, odd = (block_.lane() & 8) != 0, last = (block_.lane() & 4) != 0;
        double four[4], two[2];
        AELLE_UNROLL
        for (int k = 0; k < 4; ++k) four[k] = (upper ? p[k + 4] : p[k]) + block_.shuffle_xor(upper ? p[k] : p[k + 4], 16);
        AELLE_UNROLL
        for (int k = 0; k < 2; ++k) two[k] = (odd ? four[k + 2] : four[k]) + block_.shuffle_xor(odd ? four[k] : four[k + 2], 8);
        double one = (last ? two[1] : two[0]) + block_.shuffle_xor(last ? two[0] : two[1], 4);
        one += block_.shuffle_xor(one, 2);
        return one + block_.shuffle_xor(one, 1);
    }

    const Block& block_;
    int n_, padded_, pending_ = 0;
    double *x_, *w_, *r_, *next_, *y_, *partial_;
    double *scratch_, *share_;  ///< one for each warp, one for each pending update
    const ForceNetwork& net_;
};

/// Up to Width loops of one network, loops 2q and 2q + 1 in every thread whose number is q modulo Width / 2; such threads take the slots of M
/// in turn.
template <int Width, int Threads>
class Loops {
public:
    static constexpr int pairs = Width / 2, together = Threads / pairs, warps = Threads / warp_size;
    static constexpr int numbers(int n) { return 3 * Width * force_padded(n) + Width + warps * Width; }

    AELLE_DEVICE Loops(const Block& block, const FrozenNetwork& network, int first)
        : block_(block),
          first_(first),
          n_(network.n),
          pair_(block.thread() % pairs),
          slot_(block.thread() / pairs),
          x_(reinterpret_cast<double*>(block.shared())),
          w_(x_ + Width * force_padded(n_)),
          r_(w_ + Width * force_padded(n_)),
          z_(r_ + Width * force_padded(n_)),
          partial_(z_ + Width),
          net_(shared_copy(block, network, partial_ + warps * Width)) {}

    AELLE_DEVICE void operator()() {
        load();
        for (int t = 0; t < net_.steps; ++t) {
            move();
            block_.sync();
            read_out();
            block_.sync();
            if (block_.thread() < Width) {
                double z = partial_[block_.thread()];
                for (int w = 1; w < warps; ++w) z += partial_[w * Width + block_.thread()];
                z_[block_.thread()] = z;
                if (first_ + block_.thread() < net_.loops) net_.output[t * net_.ld + first_ + block_.thread()] = z;
            }
            block_.sync();
        }
        store();
    }

private:
    /// x and w_o lie by slots, the rates by units, the loops of one next to each other. Loops that are not there rest at 0.
    AELLE_DEVICE void load() const {
        block_.each(int64_t{Width} * force_padded(n_), [&](int64_t e) {
            const int64_t k = e / force_padded(n_), slot = e % force_padded(n_);
            const bool there = slot < n_ && first_ + k < net_.loops;
            const int64_t unit = slot < n_ ? net_.m.row[slot] : slot, from = (first_ + k) * n_ + unit;
            const double x = there ? net_.x[from] : 0.0;
            x_[slot * Width + k] = x;
            w_[slot * Width + k] = there ? net_.w_out[from] : 0.0;
            r_[unit * Width + k] = std::tanh(x);
        });
        block_.each(Width, [&](int64_t k) { z_[k] = first_ + k < net_.loops ? net_.z[first_ + k] : 0.0; });
    }

    AELLE_DEVICE void store() const {
        block_.each(int64_t{Width} * n_, [&](int64_t e) {
            const int64_t k = e / n_, slot = e % n_;
            if (first_ + k < net_.loops) net_.x[(first_ + k) * n_ + net_.m.row[slot]] = x_[slot * Width + k];
        });
        if (block_.thread() < Width && first_ + block_.thread() < net_.loops) net_.z[first_ + block_.thread()] = z_[block_.thread()];
    }

    AELLE_DEVICE void move() const {
        const Pair z = reinterpret_cast<const Pair*>(z_)[pair_];
        const Pair* r = reinterpret_cast<const Pair*>(r_) + pair_;
        for (int slot = slot_; slot < n_; slot += together) {
            const double w_fb = constant(net_.w_fb + constant(net_.m.row + slot));
            const Pair sum = row_sum<Pair>(net_.m, slot, [r](int j) { return r[j * pairs]; });
            Pair& x = reinterpret_cast<Pair*>(x_)[slot * pairs + pair_];
            x = {moved(w_fb, z.first, sum.first, x.first, net_.dt), moved(w_fb, z.second, sum.second, x.second, net_.dt)};
        }
    }

    AELLE_DEVICE void read_out() const {
        Pair sum;
        for (int slot = slot_; slot < n_; slot += together) {
            const Pair x = reinterpret_cast<const Pair*>(x_)[slot * pairs + pair_],
                       w = reinterpret_cast<const Pair*>(w_)[slot * pairs + pair_];
            const Pair r = {std::tanh(x.first), std::tanh(x.second)};
            reinterpret_cast<Pair*>(r_)[constant(net_.m.row + slot) * pairs + pair_] = r;
            sum = {multiply_add(w.first, r.first, sum.first), multiply_add(w.second, r.second, sum.second)};
        }
        AELLE_UNROLL
        for (int mask = pairs; mask < warp_size; mask *= 2)
            sum = plus(sum, {block_.shuffle_xor(sum.first, mask), block_.shuffle_xor(sum.second, mask)});
        if (block_.lane() < pairs) reinterpret_cast<Pair*>(partial_)[block_.warp() * pairs + pair_] = sum;
    }

    const Block& block_;
    int first_, n_, pair_, slot_;
    double *x_, *w_, *r_, *z_, *partial_;
    const FrozenNetwork& net_;
};

}  // namespace force

/// Block b trains networks[b].
template <int Threads = 512>
struct ForceTraining {
    static constexpr int threads = Threads, blocks_per_multiprocessor = 1;
    static constexpr std::size_t shared_bytes(int largest_n) {
        return static_cast<std::size_t>(force::Run<Threads>::numbers(largest_n)) * sizeof(double) + sizeof(ForceNetwork);
    }
    const ForceNetwork* networks;
    AELLE_DEVICE void operator()(const Block& block) const { force::Run<Threads>(block, networks[block.index()])(); }
};

/// Block b writes P of networks[b], with what is pending, to packed + b * stride: the lower triangle by columns, N(N+1)/2 numbers, the bits that
/// P0 will have once it is written. The networks stay as they are.
struct SettleInverse {
    static constexpr int threads = 256, blocks_per_multiprocessor = 1;
    static constexpr std::size_t shared_bytes = 0;
    const ForceNetwork* networks;
    double* packed;
    int64_t stride;
    AELLE_DEVICE void operator()(const Block& block) const {
        const ForceNetwork& net = networks[block.index()];
        const int n = net.n, pending = *net.pending;
        for (int j = block.warp(); j < n; j += block.warps()) {
            double* to = packed + block.index() * stride + int64_t{j} * (2 * n - j - 1) / 2;
            for (int i = j + block.lane(); i < n; i += warp_size) {
                double p = net.tiles[inverse_place(n, i, j)];
                for (int k = 0; k < pending; ++k) {
                    const double* v = net.v + k * force_padded(n);
                    p = force::settled(p, net.c[k] * v[i], v[j]);
                }
                to[i] = p;
            }
        }
    }
};

/// Block b runs loops [b % parts * Width, + Width) of networks[b / parts]; `parts` covers the network that has most loops. A loop's bits depend
/// on Width: take frozen_width(N), whatever their number.
template <int Width, int Threads = 512>
struct FrozenRollouts {
    static constexpr int threads = Threads, blocks_per_multiprocessor = 1;
    static constexpr std::size_t shared_bytes(int largest_n) {
        return static_cast<std::size_t>(force::Loops<Width, Threads>::numbers(largest_n)) * sizeof(double) + sizeof(FrozenNetwork);
    }
    const FrozenNetwork* networks;
    int parts;
    AELLE_DEVICE void operator()(const Block& block) const {
        const FrozenNetwork& network = networks[block.index() / parts];
        const int first = block.index() % parts * Width;
        if (first < network.loops) force::Loops<Width, Threads>(block, network, first)();
    }
};

}  // namespace aelle::cuda
