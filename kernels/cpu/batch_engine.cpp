#include "kernels/cpu/batch_engine.hpp"

#include <algorithm>

#include "kernels/cpu/product.hpp"

namespace aelle::cpu {
namespace {

template <class Buffer>
void grow(Buffer& buffer, int64_t count) {
    if (static_cast<int64_t>(buffer.size()) < count) buffer.resize(static_cast<std::size_t>(count));
}

uint64_t row_bits(int first, int count) { return ((uint64_t{1} << count) - 1) << first; }

}  // namespace

template <class T>
BatchEngine<T>::BatchEngine(Cell cell, const cells::ParameterLayout& layout, const cells::Parameters& parameters, InstructionSet set)
    : cell_(std::move(cell)),
      hidden_(layout.shape().hidden),
      input_(layout.shape().input),
      elementwise_(elementwise<T>(set)),
      scalar_gradient_(cell_.spec.scalars.size()),
      tasks_(cell_.stages.size()),
      stage_rows_(cell_.stages.size(), 0),
      delta_(static_cast<std::size_t>(cell_.spec.blocks)) {
    const BatchPlan plan = batch_plan(cell_.spec, layout, parameters);
    require(plan.rows < 64, "a cell has more than 63 pre-activations");
    ld_ = plan.rows * hidden_;
    const auto units = static_cast<std::size_t>(hidden_);
    for (const BatchSlot& slot : plan.slots) {
        slots_.push_back({slot, Buffer(units), Buffer(units), {}, Buffer(units), Buffer(units)});
        if (slot.row >= 0) stage_rows_[slot.stage] |= uint64_t{1} << slot.row;
    }
    for (int s = 0; s < static_cast<int>(tasks_.size()); ++s)
        for (int b = 0; b < cell_.spec.blocks; ++b)
            if (cell_.patterns[s].writes[b]) states_.push_back({s, b, {}});
    readout_states_ = states_of(cell_.spec.readout_block, static_cast<int>(tasks_.size()));
    for (const BatchGroup& group : plan.groups) {
        const auto count = static_cast<std::size_t>(group.rows * hidden_ * group.columns);
        groups_.push_back({group, Buffer(count), Buffer(count), Buffer(count), {}, -1, -1});
        if (group.source == cells::Source::input) continue;
        const bool updated = group.source == cells::Source::updated_state;
        const int states = states_of(group.block, updated ? group.stage : static_cast<int>(tasks_.size()));
        require(!updated || states >= 0, "a cell reads an updated block that no earlier stage writes");
        groups_.back().states = states;
        if (!group.squashed || states < 0) continue;
        const auto same =
            std::find_if(squashed_.begin(), squashed_.end(), [&](const Squashed& q) { return q.states == states && q.updated == updated; });
        groups_.back().squashed_states = static_cast<int>(same - squashed_.begin());
        if (same == squashed_.end()) squashed_.push_back({states, updated, {}});
    }
    for (std::size_t s = 0; s < tasks_.size(); ++s) {
        tasks_[s].slots.resize(static_cast<std::size_t>(cell_.spec.stages[s].slots));
        tasks_[s].state.resize(delta_.size());
        tasks_[s].next.resize(delta_.size());
        tasks_[s].delta.resize(delta_.size());
    }
    const std::vector<T> packed = layout.pack<T>(parameters);
    packed_.resize(packed.size());
    set_parameters(packed);
}

/// The last write of a block by the stages before `before_stage`, -1 when there is none.
template <class T>
int BatchEngine<T>::states_of(int block, int before_stage) const {
    int found = -1;
    for (int i = 0; i < static_cast<int>(states_.size()); ++i)
        if (states_[i].block == block && states_[i].stage < before_stage) found = i;
    return found;
}

template <class T>
void BatchEngine<T>::set_parameters(std::span<const T> packed) {
    require(packed.size() == packed_.size(), "training: parameters of another size");
    std::copy(packed.begin(), packed.end(), packed_.begin());
    for (Group& group : groups_) {
        std::fill(group.matrix.begin(), group.matrix.end(), T(0));
        for (const auto& part : group.parts)
            kernels::add_matrix(part.term, hidden_, packed_.data(),
                                group.matrix.data() + (slots_[part.slot].row - group.first_row) * hidden_ * group.columns);
        const int64_t rows = group.rows * hidden_;
        for (int64_t c = 0; c < group.columns; ++c)
            for (int64_t r = 0; r < rows; ++r) group.by_column[c * rows + r] = group.matrix[r * group.columns + c];
    }
    for (Slot& slot : slots_) {
        std::fill(slot.noisy.begin(), slot.noisy.end(), T(0));
        for (const kernels::BatchTerm& term : slot.constants) kernels::add_matrix(term, hidden_, packed_.data(), slot.noisy.data());
        double quiet = 0.0;
        for (const kernels::BatchTerm& term : slot.noises) quiet += term.quiet();
        for (int64_t i = 0; i < hidden_; ++i) slot.quiet[i] = slot.noisy[i] + static_cast<T>(quiet);
    }
}

template <class T>
void BatchEngine<T>::prepare(bool keep) {
    const int64_t batch = inputs_.batch, columns = inputs_.steps * batch;
    keep_ = keep;
    grow(pre_, (keep ? columns : batch) * ld_);
    grow(zeros_, hidden_ * batch);
    grow(product_, hidden_ * batch);
    for (Buffer& delta : delta_) grow(delta, hidden_ * batch);
    for (States& states : states_) {
        grow(states.values, hidden_ * (columns + batch));
        std::fill_n(states.values.begin(), hidden_ * batch, T(0));
    }
    for (Squashed& squashed : squashed_) grow(squashed.values, hidden_ * columns);
    for (Slot& slot : slots_)
        if (noisy_ && !slot.noises.empty()) grow(slot.noise, hidden_ * (keep ? columns : batch));
    grow(drawn_, hidden_);
    for (Group& group : groups_)
        if (inputs_.symbols && group.source == cells::Source::input) grow(group.gradient_by_symbol, group.rows * hidden_ * group.columns);
}

template <class T>
MatrixView<const T> BatchEngine<T>::forward(const backend::SequenceBatch<T>& inputs, const backend::NoiseKey* noise, bool keep) {
    require(inputs.steps >= 1 && inputs.batch >= 1, "training: an empty batch");
    require(input_ == 0 || inputs.values || inputs.symbols, "training: inputs are missing");
    if (inputs.symbols)
        require(std::all_of(inputs.symbols, inputs.symbols + inputs.steps * inputs.batch, [&](int32_t s) { return s >= 0 && s < input_; }),
                "training: a symbol is not below the number of inputs");
    inputs_ = inputs;
    noisy_ = noise != nullptr;
    prepare(keep);
    for (int64_t t = 0; t < inputs.steps; ++t) {
        uint64_t filled = 0;
        for (const Group& group : groups_) {
            const bool from_values = group.source == cells::Source::input && !inputs.symbols;
            // The initial state is 0.
            if (from_values || (group.source == cells::Source::state && t > 0)) add_product(group, t, filled);
        }
        if (noise) draw_noise(*noise, t);
        for (int s = 0; s < static_cast<int>(tasks_.size()); ++s) stage_forward(s, t, filled);
    }
    return {state(readout_states_, readout_states_ < 0 ? 0 : 1), hidden_, inputs.steps * inputs.batch, hidden_};
}

template <class T>
const T* BatchEngine<T>::source(const Group& group, int64_t step) {
    const int64_t column = step * inputs_.batch;
    if (group.source == cells::Source::input) return inputs_.values + column * input_;
    if (group.squashed_states >= 0) return squashed_[group.squashed_states].values.data() + column * hidden_;
    return state(group.states, group.source == cells::Source::updated_state ? step + 1 : step);
}

template <class T>
void BatchEngine<T>::clear_unfilled(uint64_t rows, uint64_t& filled, int64_t step) {
    const uint64_t open = rows & ~filled;
    filled |= rows;
    if (open == 0) return;
    for (int64_t column = 0; column < inputs_.batch; ++column)
        for (int row = 0; open >> row; ++row)
            if (open >> row & 1) std::fill_n(pre_.data() + (place(step) + column) * ld_ + row * hidden_, hidden_, T(0));
}

template <class T>
void BatchEngine<T>::add_product(const Group& group, int64_t step, uint64_t& filled) {
    if (group.squashed_states >= 0) {
        Squashed& squashed = squashed_[group.squashed_states];
        const T* from = state(group.states, group.source == cells::Source::updated_state ? step + 1 : step);
        elementwise_.tanh(hidden_ * inputs_.batch, from, squashed.values.data() + step * inputs_.batch * hidden_);
    }
    const uint64_t rows = row_bits(group.first_row, group.rows);
    const bool fresh = (rows & filled) == 0;
    if (fresh) filled |= rows;
    else clear_unfilled(rows, filled, step);
    const MatrixView<const T> matrix{group.by_column.data(), group.rows * hidden_, group.columns, group.rows * hidden_};
    multiply<T>(false, false, matrix, {source(group, step), group.columns, inputs_.batch, group.columns}, fresh ? T(0) : T(1),
                stacked(group, step));
}

template <class T>
void BatchEngine<T>::draw_noise(const backend::NoiseKey& key, int64_t step) {
    const RandomField field(key.seed, key.variant, Purpose::noise, key.update, static_cast<uint32_t>(step));
    const std::span<float> drawn(drawn_.data(), static_cast<std::size_t>(hidden_));
    for (Slot& slot : slots_) {
        if (slot.noises.empty()) continue;
        T* values = slot.noise.data() + place(step) * hidden_;
        std::fill_n(values, hidden_ * inputs_.batch, T(0));
        for (const kernels::BatchTerm& term : slot.noises) {
            const T v = static_cast<T>(term.strength);
            for (int64_t b = 0; b < inputs_.batch; ++b) {
                T* column = values + b * hidden_;
                if (term.spec.source == cells::Source::factor_noise) {
                    field.uniform(term.noise_index, static_cast<uint32_t>(b), drawn);
                    for (int64_t i = 0; i < hidden_; ++i) column[i] += T(1) - v * (T(1) - T(drawn[i]));
                } else {
                    field.normal(term.noise_index, static_cast<uint32_t>(b), drawn);
                    for (int64_t i = 0; i < hidden_; ++i) column[i] += v * T(drawn[i]);
                }
            }
        }
    }
}

template <class T>
StageTask<T>& BatchEngine<T>::task(int stage, int64_t step) {
    StageTask<T>& task = tasks_[stage];
    task.hidden = hidden_;
    task.batch = inputs_.batch;
    task.ld = ld_;
    task.scalars = cell_.scalars;
    task.symbols = inputs_.symbols ? inputs_.symbols + step * inputs_.batch : nullptr;
    for (Slot& slot : slots_) {
        if (slot.stage != stage) continue;
        auto& to = task.slots[slot.index];
        to.constant = (noisy_ ? slot.noisy : slot.quiet).data();
        to.noise = noisy_ && !slot.noises.empty() ? slot.noise.data() + place(step) * hidden_ : nullptr;
        to.gradient = slot.row >= 0 ? pre_.data() + place(step) * ld_ + slot.row * hidden_ : nullptr;
        to.sum = to.gradient;
        to.symbol = nullptr;
        to.constant_gradient = slot.constants.empty() ? nullptr : slot.step_gradient.data();
    }
    for (const Group& group : groups_) {
        if (group.source != cells::Source::input || !inputs_.symbols) continue;
        for (const auto& part : group.parts) {
            const Slot& slot = slots_[part.slot];
            if (slot.stage != stage) continue;
            task.slots[slot.index].symbol = group.by_column.data() + (slot.row - group.first_row) * hidden_;
            task.slots[slot.index].symbol_ld = group.rows * hidden_;
        }
    }
    for (int b = 0; b < cell_.spec.blocks; ++b) {
        const int written = states_of(b, stage), last = states_of(b, static_cast<int>(tasks_.size()));
        task.state[b] = written >= 0 ? state(written, step + 1) : state(last, step);
        const int here = cell_.patterns[stage].writes[b] ? states_of(b, stage + 1) : -1;
        task.next[b] = here >= 0 ? state(here, step + 1) : nullptr;
        task.delta[b] = delta_[b].data();
    }
    return task;
}

template <class T>
void BatchEngine<T>::stage_forward(int stage, int64_t step, uint64_t& filled) {
    for (const Group& group : groups_)
        if (group.source == cells::Source::updated_state && group.stage == stage) add_product(group, step, filled);
    clear_unfilled(stage_rows_[stage], filled, step);
    cell_.stages[stage].forward(task(stage, step));
}

template <class T>
void BatchEngine<T>::backward(MatrixView<const T> d_readout, std::span<T> gradient) {
    const int64_t batch = inputs_.batch, columns = inputs_.steps * batch, unseen = columns - d_readout.cols;
    require(keep_, "training: a backward pass needs a forward pass of its own that keeps what it saw");
    require(d_readout.rows == hidden_ && unseen >= 0 && d_readout.cols % batch == 0 && gradient.size() == packed_.size(),
            "training: a gradient of another size");
    for (Buffer& delta : delta_) std::fill_n(delta.begin(), hidden_ * batch, T(0));
    for (Slot& slot : slots_) std::fill(slot.gradient.begin(), slot.gradient.end(), T(0));
    for (int64_t t = inputs_.steps - 1; t >= 0; --t) {
        for (int64_t b = 0; b < batch && t * batch >= unseen; ++b)
            elementwise_.add(hidden_, d_readout.column(t * batch + b - unseen), delta_[cell_.spec.readout_block].data() + b * hidden_);
        for (int s = static_cast<int>(tasks_.size()) - 1; s >= 0; --s) stage_backward(s, t);
        for (const Group& group : groups_)
            if (group.source == cells::Source::state && t > 0) add_to_delta(group, t);
    }
    std::fill(gradient.begin(), gradient.end(), T(0));
    std::fill(scalar_gradient_.begin(), scalar_gradient_.end(), 0.0);
    for (Group& group : groups_) {
        if (group.source == cells::Source::input && inputs_.symbols) symbol_gradient(group);
        else weight_gradient(group);
        for (const auto& part : group.parts)
            kernels::pull_back(part.term, hidden_, packed_.data(),
                               group.gradient.data() + (slots_[part.slot].row - group.first_row) * hidden_ * group.columns, gradient,
                               std::span<double>(scalar_gradient_));
    }
    for (Slot& slot : slots_)
        for (const kernels::BatchTerm& term : slot.constants)
            kernels::pull_back(term, hidden_, packed_.data(), slot.gradient.data(), gradient, std::span<double>(scalar_gradient_));
    keep_ = false;  // gradients have taken the place of the pre-activations
}

template <class T>
void BatchEngine<T>::stage_backward(int stage, int64_t step) {
    for (Slot& slot : slots_)
        if (slot.stage == stage && !slot.constants.empty()) std::fill(slot.step_gradient.begin(), slot.step_gradient.end(), T(0));
    cell_.stages[stage].backward(task(stage, step));
    for (Slot& slot : slots_)
        if (slot.stage == stage && !slot.constants.empty()) elementwise_.add(hidden_, slot.step_gradient.data(), slot.gradient.data());
    for (const Group& group : groups_)
        if (group.source == cells::Source::updated_state && group.stage == stage) add_to_delta(group, step);
}

template <class T>
void BatchEngine<T>::add_to_delta(const Group& group, int64_t step) {
    const MatrixView<const T> matrix{group.matrix.data(), group.columns, group.rows * hidden_, group.columns};
    const MatrixView<T> above = stacked(group, step);
    T* delta = delta_[group.block].data();
    const bool through = group.squashed_states >= 0;
    multiply<T>(false, false, matrix, above, through ? T(0) : T(1), {through ? product_.data() : delta, hidden_, inputs_.batch, hidden_});
    if (!through) return;
    const T* x = state(group.states, group.source == cells::Source::updated_state ? step + 1 : step);
    elementwise_.add_through_tanh(hidden_ * inputs_.batch, x, product_.data(), delta);
}

/// gradient^T = sources gradients^T over all steps, but the first where the source is the initial state 0.
template <class T>
void BatchEngine<T>::weight_gradient(Group& group) {
    const int64_t first = group.source == cells::Source::state ? 1 : 0, columns = (inputs_.steps - first) * inputs_.batch;
    const MatrixView<T> sum{group.gradient.data(), group.columns, group.rows * hidden_, group.columns};
    if (columns == 0 || (group.source != cells::Source::input && group.states < 0)) {
        std::fill(group.gradient.begin(), group.gradient.end(), T(0));
        return;
    }
    MatrixView<const T> above = stacked(group, first);
    above.cols = columns;
    multiply<T>(false, true, {source(group, first), group.columns, columns, group.columns}, above, T(0), sum);
}

/// As weight_gradient, for columns of a unit matrix.
template <class T>
void BatchEngine<T>::symbol_gradient(Group& group) {
    const int64_t rows = group.rows * hidden_;
    std::fill(group.gradient_by_symbol.begin(), group.gradient_by_symbol.end(), T(0));
    for (int64_t column = 0; column < inputs_.steps * inputs_.batch; ++column)
        elementwise_.add(rows, pre_.data() + column * ld_ + group.first_row * hidden_,
                         group.gradient_by_symbol.data() + inputs_.symbols[column] * rows);
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < group.columns; ++c) group.gradient[r * group.columns + c] = group.gradient_by_symbol[c * rows + r];
}

template class BatchEngine<float>;
template class BatchEngine<double>;

}  // namespace aelle::cpu
