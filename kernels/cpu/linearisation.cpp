#include "kernels/cpu/linearisation.hpp"

#include <algorithm>
#include <utility>

#include "kernels/cpu/product.hpp"

namespace aelle::cpu {
namespace {

template <class T>
void grow(AlignedVector<T>& buffer, int64_t count) {
    if (static_cast<int64_t>(buffer.size()) < count) buffer.resize(static_cast<std::size_t>(count));
}

template <class T>
void clear(MatrixView<T> m) {
    for (int64_t k = 0; k < m.cols; ++k) std::fill_n(m.column(k), m.rows, T(0));
}

}  // namespace

template <class T>
Linearisation<T>::Linearisation(int readout_block, const Gates<T>& gates, std::vector<kernels::StagePattern> patterns,
                                backend::TangentSpace space)
    : gates_(gates),
      hidden_(gates.hidden()),
      blocks_(static_cast<int>(patterns.front().writes.size())),
      readout_(readout_block),
      space_(space),
      kernels_(cpu::kernels<T>(best_instruction_set())),
      patterns_(std::move(patterns)),
      sheared_(kernels::sheared_blocks(patterns_)),
      start_(static_cast<std::size_t>(blocks_)),
      current_(start_),
      seen_(start_),
      has_value_(static_cast<std::size_t>(gates.slots())),
      ones_(static_cast<std::size_t>(hidden_), T(1)),
      between_(patterns_.size()) {
    for (const kernels::StagePattern& pattern : patterns_) {
        partials_.emplace_back();
        partials_.back().d_a.resize(static_cast<std::size_t>(blocks_ * pattern.slots * hidden_));
        partials_.back().d_s.resize(static_cast<std::size_t>(blocks_ * blocks_ * hidden_));
    }
    const auto most = static_cast<std::size_t>(1 + blocks_ + gates.slots());
    weight_.resize(most);
    column_.resize(most);
    find_sums();
}

template <class T>
void Linearisation<T>::find_sums() {
    int products = 0;
    bool dense = true;
    for (const Product& product : gates_.state_products()) {
        products += product.slots;
        dense = dense && product.map.is_dense();
        for (int s = 0; s <= last_stage(); ++s) {
            for (int b = 0; b < blocks_; ++b) {
                bool needed = false;
                for (int slot = 0; slot < patterns_[s].slots; ++slot) needed = needed || feeds(product, s, b, slot);
                if (needed) sums_.push_back({.stage = s, .block = b, .product = &product});
            }
        }
    }
    if (!dense || static_cast<int>(sums_.size()) >= products) sums_.clear();
    for (Sum& sum : sums_) gather(sum);
    if (!full()) find_terms();
}

template <class T>
void Linearisation<T>::find_terms() {
    for (const Sum& sum : sums_) {
        const Product& product = *sum.product;
        if (product.of.source != cells::Source::state || gates_.slope(product) != nullptr) return terms_.clear();
        if (product.of.block != readout_) continue;  // another block's old tangent is 0
        std::size_t gate = 0;
        for (int slot = 0; slot < patterns_[sum.stage].slots; ++slot) {
            if (!feeds(product, sum.stage, sum.block, slot)) continue;
            const T* matrix = sum.gates[gate++].data();
            const auto same = [&](const Term& t) { return t.stage == sum.stage && t.slot == slot; };
            if (std::none_of(terms_.begin(), terms_.end(), same)) terms_.push_back({sum.stage, slot, matrix});
        }
    }
    for (auto& weights : term_weights_) weights.resize(static_cast<std::size_t>(blocks_ * hidden_) * (1 + terms_.size()));
    const std::size_t most = std::max(column_.size(), terms_.size() + 1);
    weight_.resize(most);
    column_.resize(most);
}

template <class T>
void Linearisation<T>::form_whole(MatrixView<T> whole) {
    if (terms_.empty()) return jacobian(whole);
    const auto parts = static_cast<int64_t>(terms_.size()) + 1;
    const auto at = [&](AlignedVector<T>& weights, int block, int64_t part) { return weights.data() + (block * parts + part) * hidden_; };
    auto& [before, after] = term_weights_;
    std::fill(before.begin(), before.end(), T(0));
    std::fill_n(at(before, readout_, 0), hidden_, T(1));
    for (int s = 0; s <= last_stage(); ++s) {
        after = before;
        for (int b = 0; b < blocks_; ++b) {
            if (!patterns_[s].writes[b]) continue;
            std::fill_n(at(after, b, 0), parts * hidden_, T(0));
            for (int c = 0; c < blocks_; ++c) {
                if (!patterns_[s].reads_block(b, c)) continue;
                for (int64_t part = 0; part < parts; ++part)
                    for (int64_t i = 0; i < hidden_; ++i) at(after, b, part)[i] += d_s(s, b, c)[i] * at(before, c, part)[i];
            }
            for (int64_t part = 1; part < parts; ++part) {
                const Term& term = terms_[part - 1];
                if (term.stage != s || !patterns_[s].reads_slot(b, term.slot)) continue;
                for (int64_t i = 0; i < hidden_; ++i) at(after, b, part)[i] += d_a(s, b, term.slot)[i];
            }
        }
        std::swap(before, after);
    }
    for (int64_t j = 0; j < hidden_; ++j) {
        for (int64_t part = 1; part < parts; ++part) {
            weight_[part - 1] = at(before, readout_, part);
            column_[part - 1] = terms_[part - 1].matrix + j * hidden_;
        }
        kernels_.weighted_sum(hidden_, parts - 1, weight_.data(), column_.data(), whole.column(j));
        whole(j, j) += at(before, readout_, 0)[j];
    }
}

template <class T>
void Linearisation<T>::gather(Sum& sum) {
    const auto size = static_cast<std::size_t>(hidden_ * hidden_);
    sum.matrix.resize(size);
    for (int slot = 0; slot < patterns_[sum.stage].slots; ++slot) {
        if (!feeds(*sum.product, sum.stage, sum.block, slot)) continue;
        const int64_t first_row = (gates_.first_slot(sum.stage) + slot - sum.product->first_slot) * hidden_;
        AlignedVector<T>& gate = sum.gates.emplace_back(size);
        for (int64_t i = 0; i < hidden_; ++i)
            for (int64_t j = 0; j < hidden_; ++j) gate[j * hidden_ + i] = sum.product->map.row(first_row + i)[j];
        sum.weights.push_back(d_a(sum.stage, sum.block, slot));
    }
}

template <class T>
void Linearisation<T>::filled() {
    for (Sum& sum : sums_) sum.formed = false;
    whole_formed_ = false;
}

template <class T>
void Linearisation<T>::tangent(MatrixView<const T> v, MatrixView<T> w) {
    if (!whole_pays(v.cols)) return propagate(columns_of(v), w, false);
    whole_.resize(static_cast<std::size_t>(hidden_ * hidden_));
    const MatrixView<T> whole{whole_.data(), hidden_, hidden_, hidden_};
    if (!whole_formed_) form_whole(whole);
    whole_formed_ = true;
    cpu::multiply<T>(false, false, whole, v, T(0), w);
}

template <class T>
bool Linearisation<T>::feeds(const Product& product, int stage, int block, int slot) const {
    const int global = gates_.first_slot(stage) + slot;
    return patterns_[stage].writes[block] && patterns_[stage].reads_slot(block, slot) && global >= product.first_slot &&
           global < product.first_slot + product.slots;
}

template <class T>
const typename Linearisation<T>::Tangent& Linearisation<T>::source(const Product& product, const Tangents& start,
                                                                   const Tangents& seen) const {
    return (product.of.source == cells::Source::state ? start : seen)[product.of.block];
}

template <class T>
typename Linearisation<T>::Tangents& Linearisation<T>::columns_of(MatrixView<const T> v) {
    for (int b = 0; b < blocks_; ++b) {
        start_[b] = {};
        if (wanted(b)) start_[b] = {Tangent::Kind::dense, full() ? v.block(b * hidden_, 0, hidden_, v.cols) : v, 0};
    }
    return start_;
}

template <class T>
typename Linearisation<T>::Tangents& Linearisation<T>::identity() {
    for (int b = 0; b < blocks_; ++b) {
        start_[b] = {};
        if (wanted(b)) start_[b] = {Tangent::Kind::identity, {}, full() ? b * hidden_ : 0};
    }
    return start_;
}

/// Sends the tangents of s_t through all stages; `out` receives those of s_{t+1}, or S of J = P S times them.
template <class T>
void Linearisation<T>::propagate(const Tangents& start, MatrixView<T> out, bool without_shear) {
    const bool summed = !sums_.empty() && out.cols >= few_columns;
    has_value_.assign(has_value_.size(), false);
    if (!summed) multiply(cells::Source::state, 0, start, out.cols);
    current_ = start;
    for (int s = 0; s <= last_stage(); ++s) {
        seen_ = current_;
        for (int b = 0; b < blocks_; ++b)
            if (s == last_stage() && without_shear && sheared_[b]) seen_[b] = {};
        if (!summed) multiply(cells::Source::updated_state, s, seen_, out.cols);
        for (int b = 0; b < blocks_; ++b) {
            if (!patterns_[s].writes[b] || (s == last_stage() && !wanted(b))) continue;
            const MatrixView<T> to = destination(s, b, out);
            combine(s, b, seen_, nullptr, to);
            add_identities(s, b, start, seen_, to);
            if (summed) add_sums(s, b, start, seen_, to);
            current_[b] = {Tangent::Kind::dense, to, 0};
        }
    }
    for (int b = 0; b < blocks_; ++b) {
        if (!wanted(b)) continue;
        const MatrixView<T> to = out.block(full() ? b * hidden_ : 0, 0, hidden_, out.cols);
        const Tangent& from = current_[b];
        if (from.kind == Tangent::Kind::dense && from.view.data == to.data) continue;
        clear(to);
        if (from.kind == Tangent::Kind::dense)
            for (int64_t k = 0; k < to.cols; ++k) std::copy_n(from.view.column(k), hidden_, to.column(k));
        if (from.kind == Tangent::Kind::identity)
            for (int64_t i = 0; i < hidden_; ++i) to(i, from.first_column + i) = T(1);
    }
}

template <class T>
bool Linearisation<T>::shears() const {
    return full() && std::find(sheared_.begin(), sheared_.end(), true) != sheared_.end();
}

template <class T>
void Linearisation<T>::shear(MatrixView<T> v) {
    if (!shears()) return;
    seen_ = columns_of(v);
    for (int b = 0; b < blocks_; ++b)
        if (!sheared_[b]) seen_[b] = {};
    has_value_.assign(has_value_.size(), false);
    multiply(cells::Source::updated_state, last_stage(), seen_, v.cols);
    for (int b = 0; b < blocks_; ++b) {
        if (!patterns_[last_stage()].writes[b]) continue;
        const MatrixView<T> to = v.block(b * hidden_, 0, hidden_, v.cols);
        combine(last_stage(), b, seen_, ones_.data(), to);
    }
}

/// Where the tangent of a block goes that the stage writes: to its final place unless a later stage writes it again.
template <class T>
MatrixView<T> Linearisation<T>::destination(int stage, int block, MatrixView<T> out) {
    bool rewritten = false;
    for (int s = stage + 1; s <= last_stage(); ++s) rewritten = rewritten || patterns_[s].writes[block];
    if (wanted(block) && !rewritten) return out.block(full() ? block * hidden_ : 0, 0, hidden_, out.cols);
    grow(between_[stage], blocks_ * hidden_ * out.cols);
    return {between_[stage].data() + block * hidden_ * out.cols, hidden_, out.cols, hidden_};
}

template <class T>
MatrixView<T> Linearisation<T>::slot_view(int slot, int slots, int64_t columns) {
    const int64_t rows = gates_.slots() * hidden_;
    return {slot_values_.data() + slot * hidden_, slots * hidden_, columns, rows};
}

template <class T>
void Linearisation<T>::multiply(cells::Source from, int stage, const Tangents& tangents, int64_t columns) {
    for (const Product& product : gates_.state_products()) {
        if (product.of.source != from || (from == cells::Source::updated_state && product.of.stage != stage)) continue;
        const Tangent& v = tangents[product.of.block];
        if (v.kind != Tangent::Kind::dense) continue;
        grow(slot_values_, gates_.slots() * hidden_ * columns);
        for (int slot = product.first_slot; slot < product.first_slot + product.slots; ++slot) {
            if (!has_value_[slot]) clear(slot_view(slot, 1, columns));
            has_value_[slot] = true;
        }
        product.map.apply(kernels_, gates_.slope(product), v.view, slot_view(product.first_slot, product.slots, columns), scratch_);
    }
}

template <class T>
void Linearisation<T>::combine(int stage, int block, const Tangents& seen, const T* added_weight, MatrixView<T> to) {
    const kernels::StagePattern& pattern = patterns_[stage];
    for (int64_t k = 0; k < to.cols; ++k) {
        int64_t count = 0;
        const auto add = [&](const T* weight, const T* column) {
            weight_[count] = weight;
            column_[count++] = column;
        };
        if (added_weight) add(added_weight, to.column(k));
        for (int slot = 0; slot < pattern.slots; ++slot) {
            const int global = gates_.first_slot(stage) + slot;
            if (has_value_[global] && pattern.reads_slot(block, slot))
                add(d_a(stage, block, slot), slot_view(global, 1, to.cols).column(k));
        }
        for (int c = 0; c < blocks_; ++c)
            if (seen[c].kind == Tangent::Kind::dense && pattern.reads_block(block, c)) add(d_s(stage, block, c), seen[c].view.column(k));
        if (count > 0) kernels_.weighted_sum(hidden_, count, weight_.data(), column_.data(), to.column(k));
        else std::fill_n(to.column(k), hidden_, T(0));
    }
}

template <class T>
void Linearisation<T>::add_identities(int stage, int block, const Tangents& start, const Tangents& seen, MatrixView<T> to) {
    for (Sum& sum : sums_) {
        const Tangent& v = source(*sum.product, start, seen);
        if (sum.stage == stage && sum.block == block && v.kind == Tangent::Kind::identity)
            add_matrix(sum, to.columns(v.first_column, hidden_));
    }
    for (const Product& product : gates_.state_products()) {
        const Tangent& v = source(product, start, seen);
        if (v.kind != Tangent::Kind::identity || !sums_.empty()) continue;
        for (int slot = 0; slot < patterns_[stage].slots; ++slot) {
            if (!feeds(product, stage, block, slot)) continue;
            const int64_t first_row = (gates_.first_slot(stage) + slot - product.first_slot) * hidden_;
            product.map.assemble(first_row, hidden_, d_a(stage, block, slot), gates_.slope(product), to.columns(v.first_column, hidden_));
        }
    }
    for (int c = 0; c < blocks_; ++c) {
        if (seen[c].kind != Tangent::Kind::identity || !patterns_[stage].reads_block(block, c)) continue;
        const T* weight = d_s(stage, block, c);
        for (int64_t i = 0; i < hidden_; ++i) to(i, seen[c].first_column + i) += weight[i];
    }
}

template <class T>
void Linearisation<T>::add_sums(int stage, int block, const Tangents& start, const Tangents& seen, MatrixView<T> to) {
    for (Sum& sum : sums_) {
        if (sum.stage != stage || sum.block != block) continue;
        const Tangent& v = source(*sum.product, start, seen);
        if (v.kind != Tangent::Kind::dense) continue;
        form(sum);
        cpu::multiply<T>(false, false, MatrixView<const T>{sum.matrix.data(), hidden_, hidden_, hidden_}, v.view, T(1), to);
    }
}

template <class T>
void Linearisation<T>::form(Sum& sum) {
    if (sum.formed) return;
    const T* slope = gates_.slope(*sum.product);
    for (int64_t j = 0; j < hidden_; ++j) {
        T* to = sum.matrix.data() + j * hidden_;
        kernels_.weighted_sum(hidden_, gate_columns(sum, j, nullptr), weight_.data(), column_.data(), to);
        for (int64_t i = 0; slope && i < hidden_; ++i) to[i] *= slope[j];
    }
    sum.formed = true;
}

template <class T>
int64_t Linearisation<T>::gate_columns(const Sum& sum, int64_t j, const T* added) {
    int64_t count = 0;
    if (added) {  // first, since sums of many terms are taken in place
        weight_[count] = ones_.data();
        column_[count++] = added;
    }
    for (std::size_t slot = 0; slot < sum.gates.size(); ++slot) {
        weight_[count] = sum.weights[slot];
        column_[count++] = sum.gates[slot].data() + j * hidden_;
    }
    return count;
}

template <class T>
void Linearisation<T>::add_matrix(Sum& sum, MatrixView<T> to) {
    const bool sloped = gates_.slope(*sum.product) != nullptr;
    if (sloped) form(sum);
    for (int64_t j = 0; j < hidden_; ++j) {
        T* column = to.column(j);
        if (sloped)
            for (int64_t i = 0; i < hidden_; ++i) column[i] += sum.matrix[j * hidden_ + i];
        else kernels_.weighted_sum(hidden_, gate_columns(sum, j, column), weight_.data(), column_.data(), column);
    }
}

template class Linearisation<float>;
template class Linearisation<double>;

}  // namespace aelle::cpu
