#include "kernels/cpu/force.hpp"

#include <algorithm>
#include <optional>

#include "aelle/base/activations.hpp"
#include "aelle/base/error.hpp"
#include "aelle/cells/rank1.hpp"
#include "kernels/cpu/linear_map.hpp"
#include "kernels/cpu/rls.hpp"

namespace aelle::cpu {
namespace {

/// Vectors are padded to whole cache lines with zeros, which no sum notices.
class ForceLoop final : public backend::ForceLoop {
public:
    ForceLoop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha)
        : n_(shape.hidden),
          alpha_(alpha),
          scalars_{parameters.scalars.at("dt")},
          m_(LinearMap<double>::from_matrix(n_, n_, parameters.tensors.at("weight_hh_l0").data())),
          w_f_(parameters.tensors.at("weight_fb")),
          x_(static_cast<std::size_t>(padded<double>(n_))),
          r_(x_.size()),
          a_(x_.size()),
          gain_(x_.size()),
          w_out_(x_.size()) {
        std::ranges::copy(parameters.tensors.at("weight_out"), w_out_.begin());
    }

    void set(const State& state) override {
        const auto n = static_cast<std::size_t>(n_);
        require(state.x.size() == n && state.w_out.size() == n, "force loop: state of another size");
        require(state.p.empty() || state.p.size() == n * (n + 1) / 2, "force loop: P of another size");
        std::ranges::copy(state.x, x_.begin());
        std::ranges::copy(state.w_out, w_out_.begin());
        z_ = state.z;
        find_rates();
        p_.reset();
        if (!state.p.empty()) p_.emplace(n_, state.p, set_);
    }

    State get(bool with_p) const override {
        State state{{x_.begin(), x_.begin() + n_}, z_, {w_out_.begin(), w_out_.begin() + n_}, {}};
        if (with_p && p_) state.p = p_->packed();
        return state;
    }

    void run(int64_t first_step, int64_t learn_every, std::span<const double> target, std::span<double> output) override {
        require(target.size() == output.size(), "force loop: target and output of unlike length");
        if (learn_every > 0 && !p_) p_.emplace(n_, alpha_, set_);
        for (std::size_t i = 0; i < output.size(); ++i) {
            step();
            output[i] = z_;
            if (learn_every > 0 && (first_step + static_cast<int64_t>(i)) % learn_every == 0) learn(z_ - target[i]);
        }
    }

private:
    void find_rates() { tanh_(n_, x_.data(), r_.data()); }

    void step() {
        for (int64_t i = 0; i < n_; ++i) a_[i] = w_f_[i] * z_;
        m_.apply(kernels_, r_.data(), a_.data());
        for (int64_t i = 0; i < n_; ++i) {
            const double old = x_[i];
            cells::Rank1::pointwise<0, double>(&a_[i], &old, scalars_, &x_[i]);
        }
        find_rates();
        z_ = dot_(static_cast<int64_t>(r_.size()), w_out_.data(), r_.data());
    }

    void learn(double error) {
        p_->update(r_.data(), gain_.data());
        for (int64_t i = 0; i < n_; ++i) w_out_[i] -= error * gain_[i];
    }

    InstructionSet set_ = best_instruction_set();
    const Kernels<double>& kernels_ = kernels<double>(set_);
    DotProduct dot_ = dot_product(set_);
    VectorFunction tanh_ = vector_functions().tanh;
    int64_t n_;
    double alpha_;
    cells::Rank1::Scalars scalars_;
    LinearMap<double> m_;
    std::vector<double> w_f_;
    AlignedVector<double> x_, r_, a_, gain_, w_out_;  ///< r = tanh(x)
    double z_ = 0.0;
    std::optional<InverseCorrelation> p_;  ///< empty until something is learned: I / alpha
};

}  // namespace

std::unique_ptr<backend::ForceLoop> make_force_loop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha) {
    return std::make_unique<ForceLoop>(shape, parameters, alpha);
}

}  // namespace aelle::cpu
