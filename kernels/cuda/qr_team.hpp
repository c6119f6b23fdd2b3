#pragma once
/// QR factorisation of one matrix of up to 1024 rows by a team of blocks (performance.md 3.2, steps Q5 and Q6), with the guarantees of accurate_qr():
/// rows are sorted, columns scaled, and zero columns left out as there.
///
/// Blocked Householder reflections in compact WY form (Schreiber & Van Loan, SIAM J. Sci. Stat. Comput. 10, 1989; qr_panel.hpp), in device memory. A
/// stage is as many panels of 16 columns as have room for their reflectors in shared memory: 1, 2 or 4. One block, whose turn it is, factors
/// them. Then all blocks take tiles of 16 columns through the whole stage, C -= V T' V' C one panel after another while a tile stays in
/// registers; the block whose turn is next begins with the columns of the next stage, takes fewer of the others, and factors them: so there is
/// one barrier of the team for each stage. Q is formed from unit vectors by the stages in reverse order, every tile by one block from
/// beginning to end, without any barrier of the team.
///
/// What is added up, is added up by 8 warps of one block, as their number of rows says: the size of the team changes no bit.

#include "kernels/cuda/qr_tiles.hpp"
#include "kernels/cuda/team.hpp"

namespace aelle::cuda {
namespace qr_detail {

/// What a team keeps in device memory.
struct TeamMemory {
    static constexpr int parts = 8;  ///< of the columns, for row maxima

    int64_t ld;
    double* a;         ///< rows sorted, columns scaled; then R above the pivots and reflectors below
    double* q;         ///< columns by slot, rows sorted
    double* t;         ///< of each panel: as make_t() says, T and T'
    double* row_part;  ///< largest entry of each row in each part of the columns
    int* place;        ///< of each row in the sorted order
    int* panel_pivot;  ///< of each panel: its first pivot
    int* stage_pivot;  ///< of each stage
    char* rest;        ///< Work<double>

    static constexpr int64_t ld_of(int rows) { return whole_tiles(rows) + panel_columns; }  // no power of two
    static constexpr std::size_t matrix(int rows, int cols) { return static_cast<std::size_t>(ld_of(rows) * whole_tiles(cols)); }
    static constexpr std::size_t integers(int rows, int cols) {
        return static_cast<std::size_t>(whole_tiles(rows) + 2 * whole_tiles(cols));
    }
    static constexpr std::size_t bytes(int rows, int cols) {
        const auto m = static_cast<std::size_t>(rows), n = static_cast<std::size_t>(whole_tiles(cols));
        const std::size_t numbers = 2 * matrix(rows, cols) + 2 * n * panel_columns + parts * m;
        return (numbers * sizeof(double) + integers(rows, cols) * sizeof(int) + Work<double>::bytes(rows, cols) + 127) / 128 * 128;
    }
    AELLE_DEVICE TeamMemory(char* memory, int rows, int cols)
        : ld(ld_of(rows)),
          a(reinterpret_cast<double*>(memory)),
          q(a + matrix(rows, cols)),
          t(q + matrix(rows, cols)),
          row_part(t + 2 * whole_tiles(cols) * panel_columns),
          place(reinterpret_cast<int*>(row_part + parts * rows)),
          panel_pivot(place + whole_tiles(rows)),
          stage_pivot(panel_pivot + whole_tiles(cols)),
          rest(reinterpret_cast<char*>(place + integers(rows, cols))) {}
};

class TeamHouseholder {
public:
    AELLE_DEVICE TeamHouseholder(const Team& team, View<double> z, char* work)
        : team_(team),
          block_(team.block()),
          z_(z),
          memory_(work, z.rows, z.cols),
          work_(memory_.rest, z.rows, z.cols),
          shared_(block_.shared()),
          rows_(whole_tiles(z.rows)),
          tiles_(whole_tiles(z.cols) / panel_columns) {}

    AELLE_DEVICE void run(double* log_r, View<float> ratios) {
        if (!sort_rows()) {
            team_.each(z_.cols, [&](int64_t j) { log_r[j] = std::numeric_limits<double>::quiet_NaN(); });
            return;
        }
        gather();
        const int reflectors = factor();
        team_.each(z_.cols, [&](int64_t j) { work_.finish(static_cast<int>(j), reflectors, log_r); });
        if (ratios.data != nullptr) store_ratios(ratios);
        form_q();
        scatter();
        team_.sync();
    }

private:
    /// False where an entry is not finite.
    AELLE_DEVICE bool sort_rows() {
        team_.each(int64_t{TeamMemory::parts} * z_.rows, [&](int64_t e) {
            const int i = static_cast<int>(e % z_.rows);
            bool bad = false;
            double largest = 0.0;
            for (int j = static_cast<int>(e / z_.rows); j < z_.cols; j += TeamMemory::parts) {
                const double size = std::fabs(z_(i, j));
                bad = bad || !(size <= std::numeric_limits<double>::max());
                largest = size > largest ? size : largest;
            }
            memory_.row_part[e] = bad ? std::numeric_limits<double>::quiet_NaN() : largest;
        });
        double* largest = shared_.v;
        bool bad = false;
        for (int i = block_.thread(); i < z_.rows; i += block_.threads()) {
            double of_row = 0.0;
            for (int part = 0; part < TeamMemory::parts; ++part) {
                const double size = memory_.row_part[part * z_.rows + i];
                bad = bad || size != size;
                of_row = size > of_row ? size : of_row;
            }
            largest[i] = of_row;
        }
        if (block_.any(bad, shared_.first)) return false;  // with barriers
        for (int i = team_.thread(); i < z_.rows; i += team_.threads()) {
            const int place = sorted_place(largest, z_.rows, i);
            memory_.place[i] = place;
            work_.order[place] = i;
        }
        team_.sync();
        return true;
    }

    /// By one warp: to(i, from(i)) for i in [0, count), some of them read before any is written: a compiler cannot know that these are other places.
    template <class From, class To>
    AELLE_DEVICE void copy(int count, const From& from, const To& to) const {
        constexpr int at_once = 4;
        for (int first = block_.lane(); first < count; first += at_once * warp_size) {
            decltype(from(0)) x[at_once] = {};
            AELLE_UNROLL
            for (int c = 0; c < at_once; ++c)
                if (first + c * warp_size < count) x[c] = from(first + c * warp_size);
            AELLE_UNROLL
            for (int c = 0; c < at_once; ++c)
                if (first + c * warp_size < count) to(first + c * warp_size, x[c]);
        }
    }

    /// z to a, a column by each warp. What fills tiles up is zero.
    AELLE_DEVICE void gather() {
        for (int j = team_.warp(); j < tiles_ * panel_columns; j += team_.warps()) {
            const double* from = z_.column(j < z_.cols ? j : 0);
            double* to = memory_.a + j * memory_.ld;
            double largest = 0.0;
            if (j < z_.cols)
                for (int i = block_.lane(); i < z_.rows; i += warp_size) largest = std::fmax(largest, std::fabs(from[i]));
            largest = block_.warp_max(largest);
            const int exponent = largest > 0.0 ? Format<double>::target - exponent_of(largest) : 0;
            const PowerOfTwo<double> scale(exponent);
            copy(
                rows_, [&](int i) { return i < z_.rows && j < z_.cols ? from[work_.order[i]] : 0.0; },
                [&](int i, double x) { to[i] = scale(x); });
            if (j < z_.cols && block_.lane() == 0) work_.exponent[j] = exponent;
        }
        team_.sync();
    }

    AELLE_DEVICE int owner(const Stage& stage) const { return stage.index % team_.size(); }

    /// R above the pivots, reflectors below; the number of reflectors.
    AELLE_DEVICE int factor() {
        Stage stage(0, 0, 0, rows_, tiles_);
        if (team_.rank() == owner(stage)) factor_stage(stage);
        remember(stage);
        team_.sync();
        while (stage.end() < tiles_) {
            if (team_.rank() != owner(stage)) load_stage(stage, 0);
            block_.sync();
            const Stage next(stage.index + 1, stage.end(), memory_.stage_pivot[stage.index + 1], rows_, tiles_);
            update(stage, next);
            block_.sync();
            if (team_.rank() == owner(next)) factor_stage(next);
            stage = next;
            remember(stage);
            team_.sync();
        }
        stages_ = stage.index + 1;
        return memory_.stage_pivot[stages_];
    }
    AELLE_DEVICE void remember(const Stage& stage) const {
        if (block_.thread() != 0) return;
        shared_.stage_tile[stage.index] = stage.tile;
        shared_.stage_pivot[stage.index] = stage.pivot;
    }

    /// The columns after a stage: those of the next one by its owner, the others by all, so that all end together.
    AELLE_DEVICE void update(const Stage& stage, const Stage& next) const {
        const int blocks16 = stage.rows / 16;
        // A panel takes its owner as long as some 8 tiles take that share all warps of a block; fewer rows are shared by fewer warps.
        const int panel_tiles = blocks16 <= 4 ? 64 : blocks16 <= 8 ? 32 : blocks16 <= 16 ? 16 : 8;
        const int size = team_.size(), rest = tiles_ - next.end(), fair = (rest + panel_tiles) / size - panel_tiles;
        const int by_owner = size == 1 ? rest : fair > 0 ? fair : 0;
        Tiles mine{memory_.a + stage.base, memory_.a + stage.base, memory_.ld, memory_.ld, next.tile, 1, 0, 0, next.panels + by_owner};
        if (team_.rank() != owner(next)) {
            const int other = (team_.rank() - owner(next) - 1 + size) % size;
            mine.first = next.end() + by_owner + other;
            mine.step = size - 1;
            mine.count = (rest - by_owner - other + size - 2) / (size - 1);
        }
        update_tiles(block_, stage, mine, stage.panels, false);
    }

    /// By one block: the panels of a stage, which all earlier ones have passed; it leaves their reflectors staged.
    AELLE_DEVICE void factor_stage(const Stage& stage) const {
        const int ld = staged_ld(stage.rows);
        int pivot = stage.pivot;
        for (int p = 0; p < stage.panels; ++p) {
            const int index = stage.tile + p, column = index * panel_columns;
            if (block_.thread() == 0) {
                shared_.first[p] = (pivot - stage.base) / 16;
                memory_.panel_pivot[index] = pivot;
            }
            double* a = memory_.a + column * memory_.ld + stage.base;
            double* x = shared_.v + p * panel_columns * ld;
            update_tiles(block_, stage, {a, x, memory_.ld, ld, 0, 0, 0, 0, 1}, p, false);
            block_.sync();
            const int width = z_.cols - column < panel_columns ? z_.cols - column : panel_columns;
            const Panel panel{x, ld, stage.rows, stage.base, a, memory_.ld, column, width, pivot};
            pivot = factor_panel(block_, panel, work_);
            double* t = memory_.t + index * 2 * panel_square;
            make_t(block_, panel, t, t + panel_square);
            for (int e = block_.thread(); e < panel_square; e += panel_threads) shared_.t[p * panel_square + e] = t[e];
            block_.sync();
        }
        if (block_.thread() == 0) memory_.stage_pivot[stage.index + 1] = pivot;
    }

    /// Reflectors and T (0) or T' (1) of a stage to shared memory; a barrier must follow.
    AELLE_DEVICE void load_stage(const Stage& stage, int transposed) const {
        const int ld = staged_ld(stage.rows);
        for (int c = block_.warp(); c < stage.panels * panel_columns; c += panel_warps) {
            const int column = stage.tile * panel_columns + c;
            const int slot = column < z_.cols ? work_.slot_of[column] : -1, first = slot >= 0 ? slot - stage.base : stage.rows;
            const double* from = memory_.a + column * memory_.ld + stage.base;
            double* to = shared_.v + c * ld;
            copy(
                stage.rows / 2, [&](int i) { return load_pair(from + 2 * i); },
                [&](int i, Pair x) { store_pair(to + 2 * i, 2 * i >= first ? x.first : 0.0, 2 * i + 1 >= first ? x.second : 0.0); });
        }
        for (int e = block_.thread(); e < stage.panels * panel_square; e += panel_threads) {
            const int panel = stage.tile + e / panel_square;
            shared_.t[e] = memory_.t[(2 * panel + transposed) * panel_square + e % panel_square];
        }
        if (block_.thread() < stage.panels)
            shared_.first[block_.thread()] = (memory_.panel_pivot[stage.tile + block_.thread()] - stage.base) / 16;
    }

    AELLE_DEVICE void store_ratios(View<float> ratios) const {
        const View<double> r{memory_.a, z_.rows, z_.cols, memory_.ld};
        for (int k = team_.warp(); k < z_.cols; k += team_.warps())
            for (int j = block_.lane(); j < z_.cols; j += warp_size) ratios(j, k) = work_.ratio_of(r, j, k);
    }

    /// The tiles of Q that are this block's: there and back over the team, since later ones take more work.
    AELLE_DEVICE Tiles tiles_of_q(int base) const {
        double* at = memory_.q + base;
        Tiles mine{at, at, memory_.ld, memory_.ld, team_.rank(), team_.size(), team_.size() - 1 - 2 * team_.rank(), 0, 0};
        while (mine.tile(mine.count) < tiles_) ++mine.count;
        return mine;
    }

    /// H_0 H_1 ... times the unit vectors.
    AELLE_DEVICE void form_q() const {
        const Tiles all = tiles_of_q(0);
        for (int i = 0; i < all.count; ++i) {
            for (int c = block_.warp(); c < panel_columns; c += panel_warps) {
                const int slot = all.tile(i) * panel_columns + c;
                double* x = memory_.q + slot * memory_.ld;
                for (int row = block_.lane(); row < rows_; row += warp_size) x[row] = row == slot ? 1.0 : 0.0;
            }
        }
        for (int index = stages_ - 1; index >= 0; --index) {
            block_.sync();
            const Stage stage(index, shared_.stage_tile[index], shared_.stage_pivot[index], rows_, tiles_);
            load_stage(stage, 1);
            block_.sync();
            Tiles mine = tiles_of_q(stage.base);
            for (; mine.count > 0 && mine.tile(mine.begin) < stage.base / panel_columns; ++mine.begin) --mine.count;
            update_tiles(block_, stage, mine, stage.panels, true);
        }
        block_.sync();
    }

    /// Q to z, rows and columns in their places.
    AELLE_DEVICE void scatter() const {
        const Tiles all = tiles_of_q(0);
        for (int c = block_.warp(); c < all.count * panel_columns; c += panel_warps) {
            const int slot = all.tile(c / panel_columns) * panel_columns + c % panel_columns;
            if (slot >= z_.cols) continue;
            const double* from = memory_.q + slot * memory_.ld;
            double* to = z_.column(work_.column_of[slot]);
            copy(
                z_.rows, [&](int i) { return from[memory_.place[i]]; }, [&](int i, double x) { to[i] = x; });
        }
    }

    const Team& team_;
    const Block& block_;
    View<double> z_;
    TeamMemory memory_;
    Work<double> work_;
    PanelMemory shared_;
    int rows_, tiles_;  ///< of whole tiles; the number of tiles of columns
    int stages_ = 0;
};

}  // namespace qr_detail

/// Bytes of `work` for accurate_qr_team().
constexpr std::size_t accurate_qr_team_work(int rows, int cols) { return qr_detail::TeamMemory::bytes(rows, cols); }

/// Bytes of shared memory of each block, 194 KiB at the most.
constexpr std::size_t accurate_qr_team_shared(int rows) {
    std::size_t most = 0;
    for (const int limit : {320, 512, 1024}) {
        const int staged = qr_detail::whole_tiles(rows < limit ? rows : limit);
        const int columns = qr_detail::panels_of_stage(staged) * qr_detail::panel_columns;
        const std::size_t size = static_cast<std::size_t>(columns * qr_detail::staged_ld(staged)) * sizeof(double);
        most = size > most ? size : most;
    }
    return qr_detail::PanelMemory::bytes_before_v + most;
}

/// z (D x K, 1 <= K <= D <= 1024), in device memory, is replaced by Q of its reduced QR factorisation, log_r[K] and, where given, `ratios`
/// (K x K) are set as Backend::qr says; where z is not finite, log_r is NaN and all else stays as it was. By all threads of a team of
/// blocks of 256 threads, with the same bits for any number of blocks. `work`: accurate_qr_team_work() bytes of device memory, aligned to
/// 128; shared memory from block.shared() on: accurate_qr_team_shared() bytes, of which nothing is kept. Ends with a barrier of the team;
/// what z holds must have passed one.
AELLE_DEVICE void accurate_qr_team(const Team& team, View<double> z, double* log_r, View<float> ratios, char* work) {
    qr_detail::TeamHouseholder(team, z, work).run(log_r, ratios);
}

/// `stride` apart, matrices of rows x cols, one for each team, and `work_stride` bytes apart, a multiple of 128, their work; log_r (cols
/// each) and ratios (cols x cols each, or null) densely packed. accurate_qr_team_shared(rows) bytes of shared memory.
struct BatchedQrTeam {
    static constexpr int threads = qr_detail::panel_threads, blocks_per_multiprocessor = 1;
    double* z;
    int rows, cols;
    int64_t stride;
    double* log_r;
    float* ratios;
    char* work;
    int64_t work_stride;

    AELLE_DEVICE void operator()(const Block& block) const {
        const Team team(block);
        const int64_t index = team.index();
        View<float> mine_ratios;
        if (ratios != nullptr) mine_ratios = {ratios + index * cols * cols, cols, cols, cols};
        accurate_qr_team(team, {z + index * stride, rows, cols, rows}, log_r + index * cols, mine_ratios, work + index * work_stride);
    }
};

}  // namespace aelle::cuda
