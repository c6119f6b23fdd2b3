#pragma once
/// Training of one network, a batch of sequences at a time; knows a cell only by its plan and the kernels of its stages.
///
/// Layout: everything is a matrix of one column per (step, sequence), so that a step of the batch is a block of columns, weight gradients are
/// one product over all steps, and what the readout sees is a view. Pre-activations of all slots that a product adds to are stacked in one column.
/// Only pre-activations and states are kept; backward evaluates the pointwise functions again, on duals, and puts each gradient of a
/// pre-activation in its place.

#include <cstdint>
#include <span>
#include <vector>

#include "aelle/backend/backend.hpp"
#include "aelle/base/random.hpp"
#include "kernels/cpu/batch_plan.hpp"
#include "kernels/cpu/batch_stage.hpp"

namespace aelle::cpu {

template <class T>
class BatchEngine : public backend::BatchNetwork<T> {
public:
    /// What a cell adds to its plan; `scalars` must live as long as the engine.
    struct Cell {
        cells::CellSpec spec;
        std::vector<StageKernels<T>> stages;
        std::vector<kernels::StagePattern> patterns;
        const void* scalars;
    };
    BatchEngine(Cell cell, const cells::ParameterLayout& layout, const cells::Parameters& parameters, InstructionSet set);

    void set_parameters(std::span<const T> packed) override;
    MatrixView<const T> forward(const backend::SequenceBatch<T>& inputs, const backend::NoiseKey* noise, bool keep) override;
    void backward(MatrixView<const T> d_readout, std::span<T> gradient) override;
    std::span<const double> scalar_gradient() const override { return scalar_gradient_; }

private:
    using Buffer = AlignedVector<T>;
    struct Group : BatchGroup {
        Buffer matrix, gradient;               ///< (rows H x columns) row-major
        Buffer by_column, gradient_by_symbol;  ///< the same by columns, of which inputs that are symbols pick one each
        int states = -1;                       ///< in states_, of the block that is read; -1 for a block that no stage writes
        int squashed_states = -1;              ///< in squashed_
    };
    struct Slot : BatchSlot {
        Buffer quiet, noisy;             ///< (H) sum of constants, without and with the noises' own values
        Buffer noise;                    ///< (H x columns)
        Buffer step_gradient, gradient;  ///< (H) of the constants: of one step, and the sum over steps
    };
    /// A block as one stage leaves it, (H x (T + 1) batch): step t writes block of columns t + 1, the first is the initial state 0.
    struct States {
        int stage = 0, block = 0;
        Buffer values;
    };
    struct Squashed {
        int states = 0;
        bool updated = false;
        Buffer values;  ///< (H x T batch)
    };

    void prepare(bool keep);
    int states_of(int block, int before_stage) const;
    T* state(int states, int64_t step) {
        return states < 0 ? zeros_.data() : states_[states].values.data() + step * inputs_.batch * hidden_;
    }
    const T* source(const Group& group, int64_t step);
    MatrixView<T> stacked(const Group& group, int64_t step) {
        return {pre_.data() + place(step) * ld_ + group.first_row * hidden_, group.rows * hidden_, inputs_.batch, ld_};
    }
    int64_t place(int64_t step) const { return keep_ ? step * inputs_.batch : 0; }
    void add_product(const Group& group, int64_t step, uint64_t& filled);
    void clear_unfilled(uint64_t rows, uint64_t& filled, int64_t step);
    void draw_noise(const backend::NoiseKey& key, int64_t step);
    StageTask<T>& task(int stage, int64_t step);
    void stage_forward(int stage, int64_t step, uint64_t& filled);
    void stage_backward(int stage, int64_t step);
    void add_to_delta(const Group& group, int64_t step);
    void weight_gradient(Group& group);
    void symbol_gradient(Group& group);

    Cell cell_;
    int64_t hidden_, input_, ld_;
    const Elementwise<T>& elementwise_;
    Buffer packed_;
    std::vector<double> scalar_gradient_;
    std::vector<Slot> slots_;
    std::vector<Group> groups_;
    std::vector<States> states_;
    std::vector<Squashed> squashed_;
    std::vector<StageTask<T>> tasks_;
    std::vector<uint64_t> stage_rows_;  ///< the stacked slots of each stage, one bit each
    int readout_states_ = -1;
    bool noisy_ = false, keep_ = false;
    backend::SequenceBatch<T> inputs_;
    Buffer pre_, zeros_, product_;
    std::vector<Buffer> delta_;  ///< per block, (H x batch)
    std::vector<float> drawn_;
};

}  // namespace aelle::cpu
