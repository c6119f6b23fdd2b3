#pragma once
/// Tiles of 16 columns for the QR factorisation of qr_team.hpp: reflections by blocks, C -= V T' V' C, on the units for matrices, while a
/// tile stays in registers.

#include "kernels/cuda/qr_panel.hpp"

namespace aelle::cuda::qr_detail {

/// Panels of a stage, from the rows that are left.
constexpr int panels_of_stage(int rows) { return rows > 512 ? 1 : rows > 320 ? 2 : most_panels; }
constexpr int whole_tiles(int n) { return (n + panel_columns - 1) / panel_columns * panel_columns; }
/// From one staged column to the next: 2 more than a multiple of 16, so that no loads of update_tiles() meet in a bank.
constexpr int staged_ld(int rows) { return rows + 2; }

/// Staged panels, whose rows begin at the row `base` of the matrix.
struct Stage {
    int index = 0, tile = 0, panels = 0, pivot = 0, base = 0, rows = 0;

    /// The stage from this panel on; the next reflector takes row `pivot`. `all_rows` and `tiles`: of the matrix.
    AELLE_DEVICE Stage(int index_, int tile_, int pivot_, int all_rows, int tiles)
        : index(index_), tile(tile_), pivot(pivot_), base(pivot_ / panel_columns * panel_columns), rows(all_rows - base) {
        panels = panels_of_stage(rows);
        if (panels > tiles - tile) panels = tiles - tile;
    }
    AELLE_DEVICE int end() const { return tile + panels; }
};

/// Tiles of 16 columns that a block takes: the `count` ones from the begin-th on of first, first + step + mirror, first + 2 step, ...
struct Tiles {
    const double* from;  ///< tile 0 from the first staged row on
    double* to;          ///< may be the same place
    int64_t from_ld, to_ld;
    int first, step, mirror, begin, count;
    AELLE_DEVICE int tile(int i) const { return first + i * step + (i % 2 != 0 ? mirror : 0); }
};

/// Reflections of staged panels, applied to tiles. With g = lane / 4 and t = lane % 4 a lane holds, of each 16 rows of a tile, rows 4t to
/// 4t + 3 of columns g and g + 8. For multiply_16x8x8 these are both C', to which is added, and the operand C' of C' V, rows in the order
/// 0, 2, 4, ... or 1, 3, 5, ...
class TileUpdate {
public:
    AELLE_DEVICE TileUpdate(const Block& block, const Stage& stage, const Tiles& tiles)
        : block_(block), memory_(block.shared()), tiles_(tiles), blocks_(stage.rows / 16), ld_(staged_ld(stage.rows)) {
        groups_ = blocks_ <= held ? 1 : blocks_ <= 2 * held ? 2 : blocks_ <= 4 * held ? 4 : panel_warps;
        chunks_ = (blocks_ + held * groups_ - 1) / (held * groups_);
        g_ = block.lane() / 4;
        t_ = block.lane() % 4;
    }

    /// `panels` of them, of which there is one where rows do not fit in registers; from the last to the first where `reversed`. 0: tiles are copied.
    AELLE_DEVICE void run(int panels, bool reversed) {
        const int at_once = panel_warps / groups_;
        for (int done = 0; done < tiles_.count; done += at_once) {
            const int mine = done + block_.warp() / groups_;
            active_ = mine < tiles_.count;
            const int64_t column = tiles_.tile(tiles_.begin + (active_ ? mine : done)) * panel_columns + g_;
            from_ = in_device(tiles_.from) + column * tiles_.from_ld + 4 * t_;
            to_ = tiles_.to + column * tiles_.to_ld + 4 * t_;
            if (panels == 0) copy();
            for (int p = 0; p < panels; ++p) reflect(reversed ? panels - 1 - p : p, p == 0, p + 1 == panels);
        }
    }

private:
    static constexpr int held = 4;  ///< times 16 rows

    /// The 16 rows that are number h of the chunk in this warp; past the end where there are none.
    AELLE_DEVICE int rows16(int chunk, int h) const {
        const int index = block_.warp() % groups_ + groups_ * (chunk * held + h);
        return active_ ? index : blocks_;
    }

    AELLE_DEVICE void load(int chunk) {
        AELLE_UNROLL
        for (int h = 0; h < held; ++h) {
            const int b = rows16(chunk, h);
            if (b >= blocks_) continue;
            const double* at = from_ + b * 16;
            const Pair low = load_pair(at), high = load_pair(at + 2);
            const Pair low8 = load_pair(at + 8 * tiles_.from_ld), high8 = load_pair(at + 8 * tiles_.from_ld + 2);
            x_[h][0][0] = low.first, x_[h][0][1] = high.first, x_[h][0][2] = low8.first, x_[h][0][3] = high8.first;
            x_[h][1][0] = low.second, x_[h][1][1] = high.second, x_[h][1][2] = low8.second, x_[h][1][3] = high8.second;
        }
    }
    AELLE_DEVICE void store(int chunk) const {
        AELLE_UNROLL
        for (int h = 0; h < held; ++h) {
            const int b = rows16(chunk, h);
            if (b >= blocks_) continue;
            double* at = to_ + b * 16;
            store_pair(at, x_[h][0][0], x_[h][1][0]);
            store_pair(at + 2, x_[h][0][1], x_[h][1][1]);
            store_pair(at + 8 * tiles_.to_ld, x_[h][0][2], x_[h][1][2]);
            store_pair(at + 8 * tiles_.to_ld + 2, x_[h][0][3], x_[h][1][3]);
        }
    }
    AELLE_DEVICE void copy() {
        for (int chunk = 0; chunk < chunks_; ++chunk) {
            load(chunk);
            store(chunk);
        }
    }

    /// C' -= (C' V) T V', or T' for T, as it was staged.
    AELLE_DEVICE void reflect(int panel, bool first, bool last) {
        const double* v = memory_.v + panel * panel_columns * ld_;
        const int begin = memory_.first[panel];
        double product[2][4] = {}, weight[2][4];
        for (int chunk = chunks_ - 1; chunk >= 0; --chunk) {
            if (first) load(chunk);
            multiply(v + g_ * ld_ + 4 * t_, chunk, begin, product);
        }
        weigh(memory_.t + panel * panel_square, product, weight);
        for (int chunk = 0; chunk < chunks_; ++chunk) {
            if (chunk > 0) load(chunk);
            subtract(v + 2 * t_ * ld_ + 2 * g_, chunk, begin, weight);
            if (last) store(chunk);
        }
    }

    /// product += C' V
    AELLE_DEVICE void multiply(const double* v, int chunk, int begin, double (&product)[2][4]) const {
        AELLE_UNROLL
        for (int h = 0; h < held; ++h) {
            const int b = rows16(chunk, h);
            if (b >= blocks_ || b < begin) continue;
            AELLE_UNROLL
            for (int half = 0; half < 2; ++half) {
                const double* at = v + half * 8 * ld_ + b * 16;
                const Pair low = load_pair(at), high = load_pair(at + 2);
                const double(&x)[2][4] = x_[h];
                block_.multiply_16x8x8(product[half], {x[0][0], x[0][2], x[0][1], x[0][3]}, {low.first, high.first});
                block_.multiply_16x8x8(product[half], {x[1][0], x[1][2], x[1][1], x[1][3]}, {low.second, high.second});
            }
        }
    }

    /// weight = -(sum of the products of all warps of a group) T, in the form of an operand, its index of reflectors in the order 0, 2, 4,
    /// 6, 1, 3, 5, 7.
    AELLE_DEVICE void weigh(const double* t, const double (&product)[2][4], double (&weight)[2][4]) const {
        double operand[2][4], result[2][4] = {};
        if (groups_ == 1) {
            AELLE_UNROLL
            for (int half = 0; half < 2; ++half) to_operand(product[half], 1.0, operand[half]);
        } else {
            store_square(block_, product, memory_.partial + block_.warp() * panel_square);
            block_.sync();
            add_parts();
            block_.sync();
            const double* sum = memory_.sums + block_.warp() / groups_ * panel_square;
            AELLE_UNROLL
            for (int half = 0; half < 2; ++half) {
                const Pair low = load_pair(sum + square_index(g_, 8 * half + 2 * t_));
                const Pair high = load_pair(sum + square_index(g_ + 8, 8 * half + 2 * t_));
                const double c[4] = {low.first, low.second, high.first, high.second};
                to_operand(c, 1.0, operand[half]);
            }
        }
        AELLE_UNROLL
        for (int k = 0; k < 2; ++k) {
            AELLE_UNROLL
            for (int half = 0; half < 2; ++half) {
                const Pair of_t = load_pair(t + square_index(8 * half + g_, 8 * k + 2 * t_));
                block_.multiply_16x8x8(result[half], operand[k], {of_t.first, of_t.second});
            }
        }
        const double scale = -power_of_two<double>(-3 * scale_of_v);
        AELLE_UNROLL
        for (int half = 0; half < 2; ++half) to_operand(result[half], scale, weight[half]);
    }
    AELLE_DEVICE static void to_operand(const double (&c)[4], double scale, double (&a)[4]) {
        a[0] = c[0] * scale, a[1] = c[2] * scale, a[2] = c[1] * scale, a[3] = c[3] * scale;
    }
    /// Sums over the warps of each group, a number by each thread, always in the order of warps.
    AELLE_DEVICE void add_parts() const {
        for (int group = 0; group * groups_ < panel_warps; ++group) {
            const double* part = memory_.partial + group * groups_ * panel_square + block_.thread();
            double sum = part[0];
            for (int w = 1; w < groups_; ++w) sum += part[w * panel_square];
            memory_.sums[group * panel_square + block_.thread()] = sum;
        }
    }

    /// C' += weight V'
    AELLE_DEVICE void subtract(const double* v, int chunk, int begin, const double (&weight)[2][4]) {
        AELLE_UNROLL
        for (int h = 0; h < held; ++h) {
            const int b = rows16(chunk, h);
            if (b >= blocks_ || b < begin) continue;
            AELLE_UNROLL
            for (int half = 0; half < 2; ++half) {
                const double* at = v + half * 8 * ld_ + b * 16;
                const Pair even = load_pair(at), odd = load_pair(at + ld_);
                block_.multiply_16x8x8(x_[h][0], weight[half], {even.first, odd.first});
                block_.multiply_16x8x8(x_[h][1], weight[half], {even.second, odd.second});
            }
        }
    }

    const Block& block_;
    PanelMemory memory_;
    const Tiles& tiles_;
    int blocks_, ld_;  ///< blocks of 16 rows; see staged_ld()
    int groups_;       ///< warps that share a tile
    int chunks_;       ///< of rows that a warp holds at once
    int g_, t_;
    bool active_ = false;
    const double* from_ = nullptr;
    double* to_ = nullptr;
    double x_[held][2][4] = {};  ///< columns g (rows 4t, 4t + 2) and g + 8 of even rows, then of odd ones
};

/// By all threads of a block. What is staged, and tiles in shared memory, must have passed a barrier.
AELLE_PHASE void update_tiles(const Block& block, const Stage& stage, const Tiles& tiles, int panels, bool reversed) {
    TileUpdate(block, stage, tiles).run(panels, reversed);
}

}  // namespace aelle::cuda::qr_detail
