#include "kernels/cpu/gates.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace aelle::cpu {

/// Sorts a cell's terms by what they read, and stacks the matrices of neighbouring slots.
template <class T>
struct Gates<T>::Builder {
    /// The dense terms that read one source through one function.
    struct Collector {
        Reading of;
        cells::Through through;
        int squashed;
        std::vector<std::vector<double>> matrix;  ///< per slot (H x columns) row-major; empty: none
    };

    Gates& gates;
    const cells::Parameters& parameters;
    const std::vector<kernels::StagePattern>& patterns;
    std::vector<double> constant = std::vector<double>(static_cast<std::size_t>(gates.slots() * gates.hidden_), 0.0);
    std::vector<Collector> collectors{};

    int64_t columns(cells::Source source) const { return source == cells::Source::input ? gates.input_ : gates.hidden_; }

    /// A block that no earlier stage wrote is the old one.
    cells::Source effective_source(const cells::LinearTerm& term, int stage) const {
        if (term.source != cells::Source::updated_state) return term.source;
        for (int s = 0; s < stage; ++s)
            if (patterns[s].writes[term.block]) return term.source;
        return cells::Source::state;
    }

    void add(const cells::LinearTerm& term, int stage) {
        const int64_t hidden = gates.hidden_;
        const int slot = gates.first_slot_[stage] + term.slot;
        if (!kernels::reads_state(term) && term.source != cells::Source::input) {
            const std::vector<double> value = kernels::term_constant(term, hidden, parameters);
            for (int64_t i = 0; i < hidden; ++i) constant[slot * hidden + i] += value[i];
            return;
        }
        const cells::Source source = effective_source(term, stage);
        if (columns(source) == 0) return;
        if (term.form == cells::Form::outer) {
            const auto left = parameters.tensors.find(term.tensor), right = parameters.tensors.find(term.tensor2);
            if (left == parameters.tensors.end() || right == parameters.tensors.end()) return;
            add_product(collector(term, source, stage), slot, 1, LinearMap<T>::from_outer(left->second, right->second));
            return;
        }
        std::vector<double> matrix = kernels::term_matrix(term, hidden, columns(source), parameters);
        if (matrix.empty()) return;
        std::vector<double>& sum = collector(term, source, stage).matrix[slot];
        if (sum.empty()) sum = std::move(matrix);
        else std::transform(sum.begin(), sum.end(), matrix.begin(), sum.begin(), std::plus<>());
    }

    Collector& collector(const cells::LinearTerm& term, cells::Source source, int stage) {
        const int block = source == cells::Source::input ? 0 : term.block;
        for (Collector& c : collectors) {
            const bool same_time = source != cells::Source::updated_state || c.of.stage == stage;
            if (c.of.source == source && c.of.block == block && c.through == term.through && same_time) return c;
        }
        const Reading of{source, stage, block};
        int squashed = -1;
        if (term.through == cells::Through::tanh) {
            squashed = static_cast<int>(gates.squashed_.size());
            const auto count = static_cast<std::size_t>(columns(source));
            gates.squashed_.push_back({of, AlignedVector<T>(count), AlignedVector<T>(count)});
        }
        collectors.push_back({of, term.through, squashed, {}});
        collectors.back().matrix.resize(static_cast<std::size_t>(gates.slots()));
        return collectors.back();
    }

    void add_product(const Collector& c, int first_slot, int slots, LinearMap<T> map) {
        auto& products = c.of.source == cells::Source::input ? gates.input_products_ : gates.state_;
        products.push_back({c.of, c.squashed, first_slot, slots, std::move(map)});
    }

    void stack() {
        for (const Collector& c : collectors) {
            for (std::size_t first = 0; first < c.matrix.size(); ++first) {
                std::vector<double> stacked;
                int count = 0;
                for (std::size_t s = first; s < c.matrix.size() && !c.matrix[s].empty(); ++s, ++count)
                    stacked.insert(stacked.end(), c.matrix[s].begin(), c.matrix[s].end());
                if (count == 0) continue;
                add_product(c, static_cast<int>(first), count,
                            LinearMap<T>::from_matrix(count * gates.hidden_, columns(c.of.source), stacked.data()));
                first += static_cast<std::size_t>(count);  // the slot after these has no such term
            }
        }
    }
};

template <class T>
Gates<T>::Gates(const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters,
                const std::vector<kernels::StagePattern>& patterns)
    : hidden_(shape.hidden), input_(shape.input), first_slot_{0} {
    for (const cells::StageSpec& stage : cell.stages) first_slot_.push_back(first_slot_.back() + stage.slots);
    Builder builder{*this, parameters, patterns};
    for (std::size_t s = 0; s < cell.stages.size(); ++s)
        for (const cells::LinearTerm& term : cell.stages[s].terms) builder.add(term, static_cast<int>(s));
    builder.stack();
    constant_.assign(builder.constant.begin(), builder.constant.end());
}

template <class T>
void Gates<T>::add(const Kernels<T>& kernels, cells::Source source, int stage, const T* from, T* pre) {
    const auto read_now = [&](const Reading& r) { return r.source == source && (source != cells::Source::updated_state || r.stage == stage); };
    for (Squashed& squashed : squashed_) {
        if (!read_now(squashed.of)) continue;
        const T* x = from + squashed.of.block * hidden_;
        for (std::size_t i = 0; i < squashed.value.size(); ++i) {
            squashed.value[i] = std::tanh(x[i]);
            squashed.slope[i] = tanh_derivative(x[i]);
        }
    }
    for (const Product& product : source == cells::Source::input ? input_products_ : state_) {
        if (!read_now(product.of)) continue;
        const T* x = product.squashed < 0 ? from + product.of.block * hidden_ : squashed_[product.squashed].value.data();
        product.map.apply(kernels, x, pre + product.first_slot * hidden_);
    }
}

template <class T>
void Gates<T>::start(const Kernels<T>& kernels, const T* state, const T* input, T* pre) {
    std::copy(constant_.begin(), constant_.end(), pre);
    add(kernels, cells::Source::input, 0, input, pre);
    add(kernels, cells::Source::state, 0, state, pre);
}

template <class T>
void Gates<T>::add_updated(const Kernels<T>& kernels, int stage, const T* current, T* pre) {
    add(kernels, cells::Source::updated_state, stage, current, pre);
}

template class Gates<float>;
template class Gates<double>;

}  // namespace aelle::cpu
