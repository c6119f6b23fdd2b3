#include "kernels/reference/force.hpp"

#include <cmath>

#include "aelle/base/error.hpp"
#include "aelle/cells/rank1.hpp"

namespace aelle::reference {
namespace {

/// Dense matrices, one equation of cells.md "rank1" after the other.
class ForceLoop final : public backend::ForceLoop {
public:
    ForceLoop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha)
        : n_(shape.hidden),
          dt_{parameters.scalars.at("dt")},
          alpha_(alpha),
          m_(n_, n_),
          w_f_(parameters.tensors.at("weight_fb")),
          x_(static_cast<std::size_t>(n_)),
          w_out_(parameters.tensors.at("weight_out")) {
        const std::vector<double>& rows = parameters.tensors.at("weight_hh_l0");
        for (int64_t i = 0; i < n_; ++i)
            for (int64_t j = 0; j < n_; ++j) m_(i, j) = rows[static_cast<std::size_t>(i * n_ + j)];
    }

    void set(const State& state) override {
        const auto n = static_cast<std::size_t>(n_);
        require(state.x.size() == n && state.w_out.size() == n, "force loop: state of another size");
        require(state.p.empty() || state.p.size() == n * (n + 1) / 2, "force loop: P of another size");
        x_.assign(state.x.begin(), state.x.end());
        w_out_.assign(state.w_out.begin(), state.w_out.end());
        z_ = state.z;
        p_ = Matrix<double>();
        if (state.p.empty()) return;
        p_ = Matrix<double>(n_, n_);
        std::size_t next = 0;
        for (int64_t j = 0; j < n_; ++j)
            for (int64_t i = j; i < n_; ++i) p_(i, j) = p_(j, i) = state.p[next++];
    }

    State get(bool with_p) const override {
        State state{{x_.begin(), x_.end()}, z_, {w_out_.begin(), w_out_.end()}, {}};
        if (!with_p) return state;
        for (int64_t j = 0; j < p_.cols(); ++j)
            for (int64_t i = j; i < n_; ++i) state.p.push_back(p_(i, j));
        return state;
    }

    void run(int64_t first_step, int64_t learn_every, std::span<const double> target, std::span<double> output) override {
        require(target.size() == output.size(), "force loop: target and output of unlike length");
        for (std::size_t i = 0; i < output.size(); ++i) {
            step();
            output[i] = z_;
            if (learn_every > 0 && (first_step + static_cast<int64_t>(i)) % learn_every == 0) learn(z_ - target[i]);
        }
    }

private:
    std::vector<double> rates() const {
        std::vector<double> r;
        for (const double x : x_) r.push_back(std::tanh(x));
        return r;
    }

    void step() {
        const std::vector<double> r = rates();
        for (int64_t i = 0; i < n_; ++i) {
            double a = w_f_[i] * z_;
            for (int64_t j = 0; j < n_; ++j) a += m_(i, j) * r[j];
            const double old = x_[i];
            cells::Rank1::pointwise<0, double>(&a, &old, dt_, &x_[i]);
        }
        const std::vector<double> next = rates();
        z_ = 0.0;
        for (int64_t i = 0; i < n_; ++i) z_ += w_out_[i] * next[i];
    }

    void learn(double error) {
        if (p_.rows() == 0) {
            p_ = Matrix<double>(n_, n_);
            for (int64_t i = 0; i < n_; ++i) p_(i, i) = 1.0 / alpha_;
        }
        const std::vector<double> r = rates();
        std::vector<double> v(r.size(), 0.0);
        double rv = 0.0;
        for (int64_t i = 0; i < n_; ++i) {
            for (int64_t j = 0; j < n_; ++j) v[i] += p_(i, j) * r[j];
            rv += r[i] * v[i];
        }
        for (int64_t j = 0; j < n_; ++j) {
            const double k = v[j] / (1.0 + rv);
            for (int64_t i = j; i < n_; ++i) p_(i, j) = p_(j, i) = p_(i, j) - v[i] * k;
            w_out_[j] -= error * k;
        }
    }

    int64_t n_;
    cells::Rank1::Scalars dt_;
    double alpha_;
    Matrix<double> m_;
    std::vector<double> w_f_, x_, w_out_;
    double z_ = 0.0;
    Matrix<double> p_;  ///< (N x N) once something was learned, until then I / alpha
};

class FrozenLoops final : public backend::FrozenLoops {
public:
    FrozenLoops(const cells::Shape& shape, const cells::Parameters& parameters, int64_t count) {
        for (int64_t k = 0; k < count; ++k) loops_.push_back(std::make_unique<ForceLoop>(shape, parameters, 1.0));
    }
    int64_t count() const override { return static_cast<int64_t>(loops_.size()); }
    void set(int64_t loop, const backend::ForceLoop::State& state) override {
        loops_[static_cast<std::size_t>(loop)]->set({state.x, state.z, state.w_out, {}});
    }
    backend::ForceLoop::State get(int64_t loop) const override { return loops_[static_cast<std::size_t>(loop)]->get(false); }
    void run(MatrixView<double> output) override {
        require(output.rows == count(), "frozen loops: output for another number of loops");
        const double target = 0.0;  // not read
        for (int64_t t = 0; t < output.cols; ++t)
            for (int64_t k = 0; k < count(); ++k) loops_[static_cast<std::size_t>(k)]->run(t, 0, {&target, 1}, {&output(k, t), 1});
    }

private:
    std::vector<std::unique_ptr<ForceLoop>> loops_;
};

}  // namespace

std::unique_ptr<backend::ForceLoop> make_force_loop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha) {
    return std::make_unique<ForceLoop>(shape, parameters, alpha);
}

std::unique_ptr<backend::FrozenLoops> make_frozen_loops(const cells::Shape& shape, const cells::Parameters& parameters, int64_t count) {
    return std::make_unique<FrozenLoops>(shape, parameters, count);
}

}  // namespace aelle::reference
