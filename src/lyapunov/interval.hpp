#pragma once
/// Steps between re-orthonormalisations, chosen from what accepted and refused blocks showed. Trivially copyable: part of snapshots.

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace aelle::lyapunov {

/// Whether something that fails for whole stretches of a run is worth another try: after each failure it rests, the longer the more often it failed.
class Patience {
public:
    bool tries() {
        if (rest_ == 0) return true;
        --rest_;
        return false;
    }
    void report(bool success) {
        if (success) {
            next_rest_ = 1;
        } else {
            rest_ = next_rest_;
            next_rest_ = std::min<int64_t>(2 * next_rest_, 512);
        }
    }

private:
    int64_t rest_ = 0, next_rest_ = 1;
};

class Interval {
public:
    /// `fixed` = 0 for automatic.
    explicit Interval(int64_t fixed) : fixed_(fixed), length_(fixed == 0 ? 1 : fixed) {}

    bool automatic() const { return fixed_ == 0; }
    int64_t length() const { return length_; }

    /// A block of `length` > 1 steps was not accurate enough and will be redone with length(). amplification, budget: as for accept; infinite where nothing
    /// is known.
    void refuse(int64_t length, double amplification, double budget) {
        length_ = std::clamp<int64_t>(fitting(length, amplification, budget), 1, length > few ? length / 2 : length - 1);
        if (length_ > few) return;
        most_ = length_;
        wait_ = patience_;
        if (!refused_) patience_ = std::min<int64_t>(2 * patience_, 512);
        refused_ = true;
    }

    /// A block of `length` steps was good. spread: log of its largest over its smallest |r_jj|; amplification: its error bound in units
    /// of that of an orthogonal product; budget: the largest log(amplification) allowed; columns: of the block, whose log is about what the norms in an amplification
    /// add to the spread.
    void accept(int64_t length, double spread, double amplification, double budget, int64_t columns) {
        refused_ = false;
        if (length != length_) return;  // shortened by the end of the run
        if (wait_ > 0) --wait_;
        else most_ = longest;
        const double two = 2 * spread + 0.75 * std::log(static_cast<double>(columns));  // what a block of two steps will show
        const int64_t next = length > 1 ? fitting(length, amplification, budget) : two <= use_of_budget * budget ? 2 : 1;
        length_ = std::clamp<int64_t>(next, 1, most_);
    }

private:
    /// The length that uses most of the budget, if errors grow by the same factor at every step; at most twice `length`.
    static int64_t fitting(int64_t length, double amplification, double budget) {
        const double used = std::max(std::log(amplification), budget / 8);
        return static_cast<int64_t>(static_cast<double>(length) * std::min(2.0, use_of_budget * budget / used));
    }

    static constexpr double use_of_budget = 0.8;
    static constexpr int64_t longest = 256, few = 4;
    int64_t fixed_, length_;
    int64_t most_ = longest;
    int64_t wait_ = 0;      ///< accepted blocks before longer ones than most_ are tried again
    int64_t patience_ = 8;  ///< the next wait_
    bool refused_ = false;  ///< the last block
};

}  // namespace aelle::lyapunov
