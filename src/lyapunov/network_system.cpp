#include <string>
#include <utility>

#include "aelle/base/double_double.hpp"
#include "aelle/base/error.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace aelle::lyapunov {
namespace {

template <class T>
class NetworkSystem final : public TangentSystem<T> {
public:
    NetworkSystem(std::shared_ptr<backend::Network<T>> network, std::vector<T> inputs, std::vector<T> initial_state,
                  std::shared_ptr<backend::Network<DoubleDouble>> extended)
        : network_(std::move(network)), extended_(std::move(extended)), inputs_(std::move(inputs)), state_(std::move(initial_state)) {
        if (static_cast<int64_t>(state_.size()) != network_->state_dimension())
            throw DataError("initial state: found " + std::to_string(state_.size()) + " values, expected " +
                            std::to_string(network_->state_dimension()));
        const int64_t width = network_->input_dimension();
        if (width > 0 && static_cast<int64_t>(inputs_.size()) % width != 0)
            throw DataError("inputs: found " + std::to_string(inputs_.size()) + " values, expected a multiple of " + std::to_string(width));
    }

    int64_t dimension() const override { return network_->tangent_dimension(); }
    std::span<T> state() override { return state_; }
    void advance(int64_t step) override {
        const int64_t width = network_->input_dimension();
        if ((step + 1) * width > static_cast<int64_t>(inputs_.size()))
            throw DataError("inputs: found " + std::to_string(static_cast<int64_t>(inputs_.size()) / width) + " steps, expected at least " +
                            std::to_string(step + 1));
        const T* input = width > 0 ? inputs_.data() + step * width : nullptr;
        if (extended_) {
            before_.assign(state_.begin(), state_.end());
            input_.assign(input, input + width);
        }
        network_->step(state_.data(), input, state_.data());
    }
    void tangent(MatrixView<const T> v, MatrixView<T> w) override { network_->tangent(v, w); }
    void jacobian(MatrixView<T> j) override { network_->jacobian(j); }
    void unsheared_tangent(MatrixView<const T> v, MatrixView<T> w) override { network_->unsheared_tangent(v, w); }
    void unsheared_jacobian(MatrixView<T> s) override { network_->unsheared_jacobian(s); }
    void shear(MatrixView<T> v) override { network_->shear(v); }
    bool shears() const override { return network_->shears(); }
    bool extended() const override { return extended_ != nullptr; }
    void extended_jacobian(MatrixView<DoubleDouble> j) override {
        std::vector<DoubleDouble> after(before_.size());
        extended_->step(before_.data(), input_.data(), after.data());
        extended_->unsheared_jacobian(j);
    }
    void extended_shear(MatrixView<DoubleDouble> v) override { extended_->shear(v); }

private:
    std::shared_ptr<backend::Network<T>> network_;
    std::shared_ptr<backend::Network<DoubleDouble>> extended_;
    std::vector<DoubleDouble> before_, input_;  ///< state and input of the last step
    std::vector<T> inputs_;
    std::vector<T> state_;
};

}  // namespace

template <class T>
std::unique_ptr<TangentSystem<T>> network_system(std::shared_ptr<backend::Network<T>> network, std::vector<T> inputs,
                                                 std::vector<T> initial_state, std::shared_ptr<backend::Network<DoubleDouble>> extended) {
    return std::make_unique<NetworkSystem<T>>(std::move(network), std::move(inputs), std::move(initial_state), std::move(extended));
}

template std::unique_ptr<TangentSystem<float>> network_system(std::shared_ptr<backend::Network<float>>, std::vector<float>,
                                                              std::vector<float>, std::shared_ptr<backend::Network<DoubleDouble>>);
template std::unique_ptr<TangentSystem<double>> network_system(std::shared_ptr<backend::Network<double>>, std::vector<double>,
                                                               std::vector<double>, std::shared_ptr<backend::Network<DoubleDouble>>);

}  // namespace aelle::lyapunov
