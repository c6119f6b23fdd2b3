#pragma once
/// One minibatch of many networks by products of a library (performance.md 4.3, T0): what a good user of cuBLAS writes. Every product is a strided-batched
/// gemm over networks, whose memories lie TrainingPlan::memory floats apart; inputs of all steps are one product, and so is every weight
/// gradient, over all steps and sequences; kernels do the rest. All networks of a call do the same minibatch at the same time.
///
/// A Device queues work and is CUDA's (library_path.cu) or, in tests, plain loops:
///     int run(int64_t blocks, std::size_t shared_bytes, const Kernel&)   a kernel
///     int product(const Product<T>&)                                      a batch of products
///     int repeat(int64_t times, body)                                     body() so many times; it may be recorded once and replayed

#include <algorithm>

#include "kernels/cuda/library_kernels.hpp"

namespace aelle::cuda {

/// C = op(A) op(B) + beta C of `count` column-major matrices each, `apart` numbers from one to the next; 0: all the same.
template <class T>
struct Operand {
    T* data = nullptr;
    int64_t ld = 0, apart = 0;
    bool transposed = false;
};
template <class T>
struct Product {
    int m = 0, n = 0, k = 0;
    Operand<const T> a, b;
    T beta = T(0);
    Operand<T> c;
    int64_t count = 1;
};

template <class Cell, class Device>
class LibraryUpdate {
public:
    static constexpr int stages = static_cast<int>(Cell::slots.size());

    /// `plan` as step.plan on the device; `memory`: of the first network; `ones`: as many as there are columns.
    LibraryUpdate(Device& device, const TrainingPlan& plan, const LockStep& step, float* memory, const float* ones, int64_t networks,
                  bool learning)
        : device_(device),
          plan_(plan),
          cell_(plan.cell),
          step_(step),
          memory_(memory),
          ones_(ones),
          networks_(networks),
          learning_(learning) {}

    /// Queues minibatch *step.number, of so many sequences. 0 or the first status that was not.
    int enqueue(int32_t batch) {
        status_ = 0;
        step_.batch = batch;
        run(elements() * 8, 0, StartUpdate{});
        for (int n = 0; n < cell_.first_term[cell_.stages]; ++n)
            if (cell_.term[n].source == cells::Source::input) add_inputs(cell_.term[n], stage_of(n));
        for (int t = 0; t < plan_.steps; ++t) forward<0>(t);
        run(1, ReadoutPass::shared_bytes, ReadoutPass{});
        if (learning_) {
            for (int t = plan_.steps - 1; t >= 0; --t) backward<stages - 1>(t);
            for (int n = 0; n < cell_.first_term[cell_.stages]; ++n)
                if (cell_.term[n].offset >= 0) add_gradient(n);
            run(1, 0, Descend{});
        }
        LockStep one = step_;
        one.parts = 1;
        if (status_ == 0) status_ = device_.run(1, 0, AdvanceLockStep{{one}});
        return status_;
    }

private:
    using In = Operand<const float>;

    int64_t elements() const { return int64_t{cell_.hidden} * step_.batch; }
    int columns() const { return plan_.steps * step_.batch; }
    int stage_of(int term) const { return term < cell_.first_term[1] ? 0 : 1; }
    int64_t pre_rows(int stage) const { return int64_t{cell_.slots[stage]} * cell_.hidden; }

    /// A kernel whose blocks share `count` units of work of every network; 1: one block each.
    template <class Kernel>
    void run(int64_t count, std::size_t shared_bytes, Kernel kernel) {
        if (status_ != 0) return;
        kernel.step = step_;
        kernel.step.parts = static_cast<int32_t>(std::clamp<int64_t>((count + Kernel::threads - 1) / Kernel::threads, 1, 64));
        status_ = device_.run(networks_ * kernel.step.parts, shared_bytes, kernel);
    }
    void product(int m, int n, int k, const In& a, const In& b, float beta, const Operand<float>& c) {
        if (status_ == 0) status_ = device_.product(Product<float>{m, n, k, a, b, beta, c, networks_});
    }

    /// Something in every network's memory.
    Operand<float> at(int64_t offset, int64_t ld) const { return {memory_ + offset, ld, plan_.memory, false}; }
    static In read(const Operand<float>& x, bool transposed = false) { return {x.data, x.ld, x.apart, transposed}; }
    In inputs(bool transposed = false) const { return {step_.scratch, cell_.input, step_.scratch_apart, transposed}; }
    Operand<float> sources() const { return {step_.scratch + step_.sources, cell_.hidden, step_.scratch_apart, false}; }
    /// Weights lie row-major: as a column-major matrix (columns x rows) they are transposed.
    Operand<float> weights(const TermPlan& term) const {
        return at(term.matrix >= 0 ? plan_.matrices + term.matrix : plan_.parameters + term.offset, term.columns);
    }
    /// Pre-activations of a term from a step on, or their gradients.
    Operand<float> pre(const TermPlan& term, int stage, int t) const {
        return at(plan_.pre[stage] + int64_t{t} * step_.batch * pre_rows(stage) + int64_t{term.slot} * cell_.hidden, pre_rows(stage));
    }
    Operand<float> source(const TermPlan& term, int t) const {
        const int64_t step = term.source == cells::Source::updated_state ? t + 1 : t;
        return at(plan_.states + (step * cell_.blocks + term.block) * plan_.batch * cell_.hidden, cell_.hidden);
    }

    void add_inputs(const TermPlan& term, int stage) {
        product(term.rows, columns(), term.columns, read(weights(term), true), inputs(), 1.0f, pre(term, stage, 0));
    }

    template <int Stage>
    void forward(int t) {
        for (int n = cell_.first_term[Stage]; n < cell_.first_term[Stage + 1]; ++n) {
            const TermPlan& term = cell_.term[n];
            if (!term.reads_state()) continue;
            const bool tanh = term.through == cells::Through::tanh;
            if (tanh) run(elements(), 0, GatherSources{{}, n, t, 1});
            product(term.rows, step_.batch, cell_.hidden, read(weights(term), true), read(tanh ? sources() : source(term, t)), 1.0f,
                    pre(term, Stage, t));
        }
        run(elements(), 0, ForwardUnits<Cell, Stage>{{}, t});
        if constexpr (Stage + 1 < stages) forward<Stage + 1>(t);
    }

    template <int Stage>
    void backward(int t) {
        run(elements(), 0, BackwardUnits<Cell, Stage>{{}, t});
        for (int n = cell_.first_term[Stage]; n < cell_.first_term[Stage + 1]; ++n) {
            const TermPlan& term = cell_.term[n];
            if (!term.reads_state() || (t == 0 && term.source == cells::Source::state)) continue;
            const bool tanh = term.through == cells::Through::tanh;
            const int64_t to =
                (term.source == cells::Source::state ? plan_.delta_old : plan_.delta) + int64_t{term.block} * plan_.batch * cell_.hidden;
            product(cell_.hidden, step_.batch, term.rows, read(weights(term)), read(pre(term, Stage, t)), tanh ? 0.0f : 1.0f,
                    tanh ? sources() : at(to, cell_.hidden));
            if (tanh) run(elements(), 0, AddThroughTanh{{}, n, t});
        }
        if constexpr (Stage > 0) backward<Stage - 1>(t);
    }

    /// Of the parameters of term n: one product over all columns, of a bias with ones.
    void add_gradient(int n) {
        const TermPlan& term = cell_.term[n];
        const bool structured = term.matrix >= 0;
        const Operand<float> to = at(structured ? plan_.matrix_gradients + term.matrix : plan_.gradient + term.offset, term.columns);
        In seen{ones_, 1, 0, false};
        if (term.source == cells::Source::input) seen = inputs();
        if (term.reads_state()) {
            run(elements() * plan_.steps, 0, GatherSources{{}, n, 0, plan_.steps});
            seen = read(sources());
        }
        product(term.columns, term.rows, columns(), seen, read(pre(term, stage_of(n), 0), true), structured ? 0.0f : 1.0f, to);
        if (structured) run(1, 0, PullBackMatrix{{}, n});
    }

    Device& device_;
    const TrainingPlan& plan_;
    const CellPlan& cell_;
    LockStep step_;
    float* memory_;
    const float* ones_;
    int64_t networks_;
    bool learning_;
    int status_ = 0;
};

/// All minibatches of networks whose memories lie plan.memory apart and which have as many sequences each. work: on the device; first: its first.
/// `scratch`: library_training_floats(plan, networks) of them.
template <class Cell, class Device>
int library_train(Device& device, const TrainingPlan& plan, const TrainingPlan* device_plan, const SequenceData& data,
                  const TrainingWork* work, const TrainingWork& first, int64_t networks, float* scratch) {
    const LibraryScratch layout(plan);
    float* ones = scratch + layout.memory * networks;
    auto* number = reinterpret_cast<int32_t*>(ones + int64_t{plan.steps} * plan.batch);
    const LockStep step{device_plan, data, work, number, plan.batch, scratch, layout.memory, layout.sources, 1};
    if (const int status = device.run(1, 0, BeginLockStep{{step}, networks})) return status;
    if (const int status = device.run(1, 0, FillNumbers{ones, int64_t{plan.steps} * plan.batch, 1.0f})) return status;
    LibraryUpdate<Cell, Device> update(device, plan, step, first.memory, ones, networks, first.learning);
    const int64_t whole = first.count / plan.batch;
    if (whole > 0) {
        if (const int status = device.repeat(whole, [&] { return update.enqueue(plan.batch); })) return status;
    }
    return first.count % plan.batch == 0 ? 0 : update.enqueue(first.count % plan.batch);
}

inline int64_t library_training_floats(const TrainingPlan& plan, int64_t networks) {
    return LibraryScratch(plan).memory * networks + int64_t{plan.steps} * plan.batch + 32;
}

}  // namespace aelle::cuda
