#pragma once
/// Softmax and cross-entropy column by column, around the two loops that backends write for themselves.

#include <cmath>
#include <cstdint>
#include <span>

#include "aelle/backend/backend.hpp"
#include "aelle/base/error.hpp"
#include "aelle/base/matrix.hpp"

namespace aelle::kernels {

/// See backend::Backend::softmax. largest(n, x): of n numbers; normalise(n, x, top): x becomes exp(x - top) over the sum of these, which is returned.
template <class T, class Largest, class Normalise>
backend::SoftmaxLoss softmax(std::span<const int32_t> targets, MatrixView<T> logits, Largest largest, Normalise normalise) {
    require(logits.rows >= 1 && static_cast<int64_t>(targets.size()) == logits.cols, "softmax: wrong shape");
    backend::SoftmaxLoss loss;
    for (int64_t j = 0; j < logits.cols; ++j) {
        T* p = logits.column(j);
        const int64_t target = targets[static_cast<std::size_t>(j)];
        const T top = largest(logits.rows, p);
        bool first = std::isfinite(p[target]) && p[target] == top;
        for (int64_t c = 0; first && c < target; ++c) first = p[c] != top;
        loss.correct += first ? 1 : 0;
        const T margin = p[target] - top;
        // -log p_target without overflow, and exact where p rounds to 0 or 1.
        loss.sum += std::log(static_cast<double>(normalise(logits.rows, p, top))) - static_cast<double>(margin);
    }
    return loss;
}

}  // namespace aelle::kernels
