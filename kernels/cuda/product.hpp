#pragma once
/// Matrix products in single precision by a team of blocks; product_units.hpp has those of doubles.
///
/// A block finds a tile of C at a time. Panels of the operands, so many of the inner index deep, pass through registers into one of two
/// buffers in shared memory: what the next panel needs is on its way while this one is multiplied, and one barrier a panel is enough. Where
/// a tile is too small for all threads at 8 x 8 numbers each, groups of threads take slices of each panel, and their sums are added at the end.

#include <algorithm>
#include <cstdint>
#include <functional>

#include "kernels/cuda/team.hpp"
#include "kernels/cuda/wide.hpp"

namespace aelle::cuda {

/// Along which index neighbouring threads read an operand: the inner one of the product (k) or the outer one (a row of A, a column of B).
/// Memory is read fastest where that index runs over neighbouring addresses. C is written as B is read: by neighbouring rows for Along::inner,
/// columns for Along::outer.
enum class Along { inner, outer };

/// An operand in memory: numbers line(l)[0], line(l)[1], ... run along the index named by Along, and l is the other index. aligned: all lines
/// begin at multiples of 16 bytes. finish(number) makes of it what is multiplied, long after it was read: what takes a while belongs there.
template <class Line, class Finish = std::identity>
struct Lines {
    Line line;
    bool aligned;
    Finish finish = {};
};

/// Lines that are `ld` numbers apart, the cheapest; fewer than 2^31 numbers in all.
template <class Finish = std::identity>
struct EvenLines {
    const float* data;
    int ld;
    bool aligned;
    Finish finish;
};
template <class Finish = std::identity>
AELLE_DEVICE EvenLines<Finish> lines(const float* data, int64_t ld, Finish finish = {}) {
    return {data, static_cast<int>(ld), reinterpret_cast<uintptr_t>(data) % 16 == 0 && ld % 4 == 0, finish};
}

/// A store that needs what was there: old(i, j) is read early, several at once, and put(i, j, sum, old) follows. One that does both in
/// store(i, j, sum) waits for each element in turn.
template <class Old, class Put>
struct ReadThenStore {
    Old old;
    Put put;
};
/// Who computes what of a tile of C: ThreadRows x ThreadColumns threads, 4 RowQuads x 4 ColumnQuads numbers each, in as many groups as there are.
template <int RowQuads, int ColumnQuads, int ThreadRows, int ThreadColumns, int Depth>
struct ProductShape {
    static constexpr int threads = 256, group_threads = ThreadRows * ThreadColumns, groups = threads / group_threads;
    static constexpr int rows = 4 * RowQuads, columns = 4 * ColumnQuads, thread_columns = ThreadColumns;
    static constexpr int tile_m = rows * ThreadRows, tile_n = columns * ThreadColumns;
    static constexpr int depth = Depth, steps = Depth / groups;  // of a panel, and a group's of it
    static constexpr int wide = std::min(Depth / 4, 8);          // quads of the inner index that a warp transposes at once
    static constexpr int panel_a = Depth * tile_m + Depth / 4 * (32 / wide), panel = panel_a + Depth * tile_n + Depth / 4 * (32 / wide);
    // Sums leave by parts of the tile: one quad of rows and columns of each thread.
    static constexpr int part_m = 4 * ThreadRows, part_n = 4 * ThreadColumns, ld_part = part_m + 4, part = part_n * ld_part;
    static constexpr int outputs = part_m * part_n / threads;  // of a part, a thread
    static constexpr int scratch = std::max(2 * panel, groups* part);
    static_assert(tile_m % 32 == 0 && tile_n % 32 == 0 && steps * groups == Depth && steps % 4 == 0);
};

namespace product_shapes {
using Large = ProductShape<2, 2, 16, 16, 8>;  // 128 x 128
using Tall = ProductShape<2, 2, 16, 4, 16>;   // 128 x 32
using Square = ProductShape<2, 2, 8, 8, 16>;  // 64 x 64
using Small = ProductShape<2, 2, 4, 4, 64>;   // 32 x 32
}  // namespace product_shapes

/// Numbers of shared memory that `product` needs.
inline constexpr int product_scratch = std::max(
    {product_shapes::Large::scratch, product_shapes::Tall::scratch, product_shapes::Square::scratch, product_shapes::Small::scratch});

/// The same number or pointer, of which the compiler knows nothing before: what follows from it is found where it is needed, not kept in
/// registers from the start, and what it follows from is not kept beside it.
template <class T>
AELLE_DEVICE T found_anew(T value) {
#if defined(__CUDACC__)
    if constexpr (sizeof(T) == 8) asm volatile("" : "+l"(value));
    else asm volatile("" : "+r"(value));
#endif
    return value;
}

/// The same number, known to the compiler as one that all threads of the warp have, all of which must come here: branches on it do not
/// diverge, and it takes a register of the warp's instead of the thread's.
AELLE_DEVICE int of_whole_warp(int number) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return static_cast<int>(__reduce_or_sync(0xFFFFFFFFu, static_cast<unsigned>(number)));
#else
    return number;
#endif
}

/// Whole warps come here, and the compiler moves nothing across: reads are not put off until they are needed, and a branch seldom taken is one,
/// rather than conditional instructions, issued though not executed.
AELLE_DEVICE void stay_in_order() {
#if defined(__CUDACC__)
    asm volatile("bar.warp.sync 0xFFFFFFFF;" : : : "memory");
#endif
}

/// The same object, in memory until it is needed: registers are for sums.
template <class T>
AELLE_DEVICE const T& out_of_registers(const T& object) {
#if defined(__CUDACC__)
    const T* place = &object;
    asm volatile("" : "+l"(place) : : "memory");
    return *place;
#else
    return object;
#endif
}

/// A panel of one operand in shared memory, Tile rows of A or columns of B by Depth of the inner index, and a thread's part in filling it:
/// quads of neighbours along the index named by Direction, on lines of the other one.
template <int Threads, int Tile, int Depth, Along Direction>
struct ProductPanel {
    static constexpr bool inward = Direction == Along::inner;
    static constexpr int wide = std::min(Depth / 4, 8);      // quads of the inner index that a warp transposes at once
    static constexpr int across = inward ? wide : Tile / 4;  // quads of a line that are read at once,
    static constexpr int down = Threads / across;            // on so many lines
    static constexpr int length = inward ? Tile : Depth;     // lines
    static constexpr int lines = std::max(1, length / down), quads = lines * (inward ? Depth : Tile) / 4 / across;  // a thread

    int line0, quad0;

    AELLE_DEVICE static ProductPanel of(int thread) { return {thread / across, thread % across}; }
    AELLE_DEVICE bool idle() const { return down > length && line0 >= length; }
    AELLE_DEVICE int line(int q) const { return line0 + q % lines * down; }
    AELLE_DEVICE int along(int q) const { return 4 * (quad0 + q / lines * across); }

    /// Where number (k, o) lies. A warp that transposes `wide` quads of k for 32 / wide rows meets every bank once, since each quad of k is
    /// shifted by so many; quads of rows stay together, read and written by 16 bytes, those of neighbouring threads side by side.
    AELLE_DEVICE static int place(int k, int o) { return k * Tile + k / 4 * (32 / wide) + o; }

    /// The panel holds zeros for the first `skipped` of the inner index.
    template <class Operand>
    AELLE_DEVICE void put(float* panel, float (&held)[quads][4], int skipped, const Operand& operand) const {
        if (idle()) return;
        AELLE_UNROLL
        for (int e = 0; e < 4 * quads; ++e) held[e / 4][e % 4] = operand.finish(held[e / 4][e % 4]);
        if (skipped > 0) {
            stay_in_order();
            AELLE_UNROLL
            for (int e = 0; e < 4 * quads; ++e) {
                const int k = inward ? along(e / 4) + e % 4 : line(e / 4);
                held[e / 4][e % 4] = k < skipped ? 0.0f : held[e / 4][e % 4];
            }
        }
        AELLE_UNROLL
        for (int q = 0; q < quads; ++q) {
            if constexpr (inward) {
                float* to = panel + place(4 * quad0, line0) + place(along(q) - 4 * quad0, line(q) - line0);
                AELLE_UNROLL
                for (int e = 0; e < 4; ++e) to[e * Tile] = held[q][e];
            } else {
                store_four(panel + place(line0, 4 * quad0) + place(line(q) - line0, along(q) - 4 * quad0), held[q]);
            }
        }
    }
};

/// Reads panels of an operand from its outer index `first` to `last`; the last for those beyond, and 0 for an inner index below 0.
template <class Panel, class Operand>
struct ProductReader {
    const Panel& panel;
    const Operand& operand;
    int first, last;
    bool by_quads;

    AELLE_DEVICE ProductReader(const Panel& of, const Operand& from, int begin, int size, int depth)
        : panel(of), operand(from), first(begin), last(size - 1), by_quads(from.aligned && (Panel::inward ? depth : size) % 4 == 0) {}
    AELLE_DEVICE int inner(int at) const { return at > 0 ? at : 0; }
    AELLE_DEVICE int outer(int at) const { return first + at < last ? first + at : last; }

    AELLE_DEVICE void fetch(float (&held)[Panel::quads][4], int base) const {
        if (panel.idle()) return;
        AELLE_UNROLL
        for (int q = 0; q < Panel::quads; ++q) {
            const int line = panel.line(q), along = panel.along(q);
            // A quad that begins beyond the last is of no use.
            const int begin = Panel::inward ? inner(base + along) : (by_quads && first + along > last ? last - 3 : outer(along));
            const float* from = operand.line(Panel::inward ? outer(line) : inner(base + line)) + begin;
            if (by_quads) {
                load_four(from, held[q]);
                continue;
            }
            AELLE_UNROLL
            for (int e = 0; e < 4; ++e) held[q][e] = from[Panel::inward ? inner(base + along + e) - begin : outer(along + e) - begin];
        }
        stay_in_order();
    }
};

/// Of lines that are evenly apart, from pointers that need no more than the beginning of the panel.
template <class Panel, class Finish>
struct ProductReader<Panel, EvenLines<Finish>> {
    static constexpr int starts = Panel::inward ? Panel::lines : 1;
    const Panel& panel;
    const float* start[starts];  // of the thread's quads: where the inner index is that of the first
    int ld, spare;               // numbers that follow the first one outwards
    bool by_quads;

    AELLE_DEVICE ProductReader(const Panel& of, const EvenLines<Finish>& from, int first, int size, int depth)
        : panel(of), ld(from.ld), by_quads(from.aligned && (Panel::inward ? depth : size) % 4 == 0) {
        const int last = size - 1, begin = first + panel.along(0);
        const int along = begin < last ? begin : (by_quads ? last - 3 : last);
        spare = last - along;
        AELLE_UNROLL
        for (int l = 0; l < starts; ++l) {
            const int o = first + panel.line(l), line = o < last ? o : last;
            start[l] = found_anew(Panel::inward ? from.data + int64_t{line} * ld + panel.along(0)
                                                : from.data + int64_t{panel.line(0)} * ld + along);
        }
    }
    AELLE_DEVICE void fetch(float (&held)[Panel::quads][4], int base) const {
        if (panel.idle()) return;
        const int zero = Panel::inward ? -panel.along(0) : -panel.line(0);  // where the inner index is 0
        AELLE_UNROLL
        for (int q = 0; q < Panel::quads; ++q) {
            const int at = base + (Panel::inward ? panel.along(q) : panel.line(q)) + zero, begin = at > zero ? at : zero;
            const float* from = start[q % starts] + (Panel::inward ? begin : begin * ld);
            if (by_quads) {
                load_four(from, held[q]);
                continue;
            }
            stay_in_order();
            AELLE_UNROLL
            for (int e = 0; e < 4; ++e) {
                const int inner = at + e > zero ? at + e - begin : zero - begin, outer = e < spare ? e : spare;
                held[q][e] = from[Panel::inward ? inner : outer];
            }
        }
    }
};

/// The thread's group, and its first row and column in the tile. Threads that share rows differ in the lowest bit and those that share columns
/// in the next: units that read shared memory serve such neighbours of half a warp at once.
template <class Shape>
struct ProductPlace {
    int group, row, column;
    AELLE_DEVICE explicit ProductPlace(int thread) {
        const int t = thread % Shape::group_threads, square = t / 16, squares = Shape::thread_columns / 4;
        group = thread / Shape::group_threads;
        row = 4 * ((t / 2 % 2 + t / 8 % 2 * 2) + square / squares * 4);
        column = 4 * ((t % 2 + t / 4 % 2 * 2) + square % squares * 4);
    }
};

/// sum += of the group's slice of a panel.
template <class Shape, class PanelA, class PanelB, int First, int End>
AELLE_DEVICE void add_panel(float (&sum)[Shape::rows][Shape::columns], const float* panel, const ProductPlace<Shape>& at) {
    const float* at_a = panel + PanelA::place(at.group * Shape::steps, at.row);
    const float* at_b = panel + Shape::panel_a + PanelB::place(at.group * Shape::steps, at.column);
    AELLE_UNROLL
    for (int step = First; step < End; ++step) {
        float x[Shape::rows], y[Shape::columns];
        AELLE_UNROLL
        for (int q = 0; q < Shape::rows; q += 4) load_four(at_a + PanelA::place(step, q / 4 * Shape::part_m), x + q);
        AELLE_UNROLL
        for (int q = 0; q < Shape::columns; q += 4) load_four(at_b + PanelB::place(step, q / 4 * Shape::part_n), y + q);
        AELLE_UNROLL
        for (int i = 0; i < Shape::rows; ++i) {
            AELLE_UNROLL
            for (int j = 0; j < Shape::columns; ++j) sum[i][j] = multiply_add(x[i], y[j], sum[i][j]);
        }
    }
}

/// Of a part of the tile, whose first element is (i0, j0): the sums of all groups, in their order.
template <class Shape, Along AlongC, class Store>
AELLE_DEVICE void store_part(int thread, const float* shared, int i0, int j0, int m, int n, const Store& store) {
    constexpr int at_once = std::min(Shape::outputs, 4);
    // Whole columns, or patches of 8 columns and 4 rows, which meet all banks too.
    const auto row = [](int p) { return AlongC == Along::inner ? p % Shape::part_m : p / 8 % 4 + p / 32 / (Shape::part_n / 8) * 4; };
    const auto column = [](int p) { return AlongC == Along::inner ? p / Shape::part_m : p % 8 + p / 32 % (Shape::part_n / 8) * 8; };
    for (int first = thread; first < Shape::part_m * Shape::part_n; first += at_once * Shape::threads) {
        float old[at_once], total[at_once];
        AELLE_UNROLL
        for (int e = 0; e < at_once; ++e) {
            const int p = first + e * Shape::threads, i = i0 + row(p), j = j0 + column(p);
            if constexpr (requires { store.old; }) old[e] = i < m && j < n ? store.old(i, j) : 0.0f;
        }
        AELLE_UNROLL
        for (int e = 0; e < at_once; ++e) {
            const int p = first + e * Shape::threads;
            const float* from = shared + column(p) * Shape::ld_part + row(p);
            total[e] = from[0];
            AELLE_UNROLL
            for (int g = 1; g < Shape::groups; ++g) total[e] += from[g * Shape::part];
        }
        AELLE_UNROLL
        for (int e = 0; e < at_once; ++e) {
            const int p = first + e * Shape::threads, i = i0 + row(p), j = j0 + column(p);
            if (i >= m || j >= n) continue;
            if constexpr (requires { store.old; }) store.put(i, j, total[e], old[e]);
            else store(i, j, total[e]);
        }
    }
}

template <class Shape, Along AlongC, class Call>
AELLE_DEVICE void store_tile(const Block& block, const float (&sum)[Shape::rows][Shape::columns], float* shared, int m0, int n0,
                             const Call& call) {
    const int thread = found_anew(block.thread());
    const ProductPlace<Shape> at(thread);
    float* mine = shared + at.group * Shape::part + at.column * Shape::ld_part + at.row;
    AELLE_UNROLL
    for (int part = 0; part < Shape::rows * Shape::columns / 16; ++part) {
        const int row = part % (Shape::rows / 4), column = part / (Shape::rows / 4), i = 4 * row;
        AELLE_UNROLL
        for (int j = 4 * column; j < 4 * column + 4; ++j)
            store_four(mine + j % 4 * Shape::ld_part, {sum[i][j], sum[i + 1][j], sum[i + 2][j], sum[i + 3][j]});
        block.sync();
        store_part<Shape, AlongC>(thread, shared, m0 + row * Shape::part_m, n0 + column * Shape::part_n, call.m, call.n, call.store);
        block.sync();
    }
}

template <class A, class B, class Store>
struct ProductCall {
    int m, n, k;
    A a;
    B b;
    Store store;
};

/// One tile of C, its first element at (m0, n0).
template <class Shape, Along AlongA, Along AlongB, class Call>
AELLE_DEVICE void product_tile(const Block& block, int m0, int n0, float* shared, const Call& call) {
    using PanelA = ProductPanel<Shape::threads, Shape::tile_m, Shape::depth, AlongA>;
    using PanelB = ProductPanel<Shape::threads, Shape::tile_n, Shape::depth, AlongB>;
    const int thread = found_anew(block.thread());
    const ProductPlace<Shape> place(thread);
    const PanelA panel_a = PanelA::of(thread);
    const PanelB panel_b = PanelB::of(thread);
    const auto a = call.a;
    const auto b = call.b;
    const int k = of_whole_warp(call.k);
    const ProductReader<PanelA, decltype(Call::a)> reader_a(panel_a, a, m0, call.m, k);
    const ProductReader<PanelB, decltype(Call::b)> reader_b(panel_b, b, n0, call.n, k);
    float sum[Shape::rows][Shape::columns] = {};
    float held_a[PanelA::quads][4] = {}, held_b[PanelB::quads][4] = {};
    // The last panel ends at k, and what an earlier one had of it counts as 0.
    const auto base = [k](int begin) { return begin < k - Shape::depth ? begin : k - Shape::depth; };
    const auto put_a = [&](float* panel, int begin) { panel_a.put(panel, held_a, begin - base(begin), a); };
    const auto put_b = [&](float* panel, int begin) { panel_b.put(panel + Shape::panel_a, held_b, begin - base(begin), b); };
    if (k > 0) {
        float *panel = shared, *next = shared + Shape::panel;
        reader_a.fetch(held_a, base(0));
        reader_b.fetch(held_b, base(0));
        put_a(panel, 0);
        put_b(panel, 0);
        block.sync();
        constexpr int middle = PanelA::quads + PanelB::quads > 2 ? Shape::steps / 2 : 0;  // more at once do not fit into registers
        for (int begin = Shape::depth; begin < k; begin += Shape::depth) {
            reader_a.fetch(held_a, base(begin));
            if (middle > 0) {
                add_panel<Shape, PanelA, PanelB, 0, middle>(sum, panel, place);
                put_a(next, begin);
            }
            reader_b.fetch(held_b, base(begin));
            add_panel<Shape, PanelA, PanelB, middle, Shape::steps>(sum, panel, place);
            if (middle == 0) put_a(next, begin);
            put_b(next, begin);
            block.sync();
            float* last = panel;
            panel = next;
            next = last;
        }
        add_panel<Shape, PanelA, PanelB, 0, Shape::steps>(sum, panel, place);
        block.sync();
    }
    store_tile<Shape, AlongB>(block, sum, shared, m0, n0, call);
}

template <class Shape, Along AlongA, Along AlongB, class Call>
AELLE_DEVICE void product_tiles(const Team& team, float* shared, const Call& call) {
    const int height = (call.m + Shape::tile_m - 1) / Shape::tile_m * Shape::tile_m;
    if (height == 0) return;
    for (int m0 = team.rank() * Shape::tile_m, n0 = 0;; m0 += team.size() * Shape::tile_m) {
        for (; m0 >= height; m0 -= height) n0 += Shape::tile_n;
        if (n0 >= call.n) return;
        product_tile<Shape, AlongA, AlongB>(team.block(), of_whole_warp(m0), of_whole_warp(n0), shared, call);
    }
}

struct TileSize {
    int rows, columns;
    constexpr int64_t count(int m, int n) const { return int64_t{(m + rows - 1) / rows} * ((n + columns - 1) / columns); }
};
/// Of a product. Large ones need fewer reads for a sum, but there must be enough for a team, unless each is short. Like all
/// else here that is decided by the sizes alone, so that bits do not depend on the team.
constexpr TileSize tile_size(int m, int n, int k) {
    const TileSize large{128, n <= 32 ? 32 : 128};
    if (m > 64 && (n <= 32 || n > 64) && (k <= 128 || large.count(m, n) >= Team::largest)) return large;
    return m <= 32 || n <= 32 ? TileSize{32, 32} : TileSize{64, 64};
}

/// store(i, j, sum over k' < k of a(i, k') b(k', j)) for i < m, j < n, each by one thread and summed in an order that (m, n, k) decide, so that
/// bits depend on the operands alone. a and b are lines, store is a function or ReadThenStore. By blocks of product_shapes::Large::threads;
/// product_scratch numbers from block.shared() on are used. Ends with a barrier of the team, and what operands read must have passed one; k may be 0.
template <Along AlongA, Along AlongB, class A, class B, class Store>
AELLE_DEVICE void product(const Team& team, int m, int n, int k, const A& a, const B& b, const Store& store) {
    using namespace product_shapes;
    auto* memory = reinterpret_cast<float*>(team.block().shared());
    const ProductCall<A, B, Store> all{m, n, k, a, b, store};
    const auto& call = out_of_registers(all);
    team.block().sync();  // threads may be at work in shared memory yet
    if (const TileSize tile = tile_size(m, n, k); tile.rows == Large::tile_m) {
        if (tile.columns == Tall::tile_n) product_tiles<Tall, AlongA, AlongB>(team, memory, call);
        else product_tiles<Large, AlongA, AlongB>(team, memory, call);
    } else {
        if (tile.rows == Small::tile_m) product_tiles<Small, AlongA, AlongB>(team, memory, call);
        else product_tiles<Square, AlongA, AlongB>(team, memory, call);
    }
    team.sync();
}

}  // namespace aelle::cuda
