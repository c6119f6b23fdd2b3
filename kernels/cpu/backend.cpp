#include "aelle/backend/backend.hpp"

#include "aelle/cells/list.hpp"
#include "kernels/cpu/batch.hpp"
#include "kernels/cpu/force.hpp"
#include "kernels/cpu/frozen.hpp"
#include "kernels/cpu/network.hpp"
#include "kernels/cpu/product.hpp"
#include "kernels/cpu/qr.hpp"
#include "kernels/softmax.hpp"
#include "src/backend/factories.hpp"

// OpenBLAS only; other CBLAS libraries lack them.
extern "C" {
[[gnu::weak]] char* openblas_get_corename();
[[gnu::weak]] void openblas_set_num_threads(int);
}

namespace aelle::backend {
namespace {

class Cpu final : public Backend {
public:
    std::string_view name() const override { return "cpu"; }
    std::string device_kind() const override {
        std::string kind = "cpu " + std::string(cpu::name(set_));
        if (&openblas_get_corename) kind += " openblas " + std::string(openblas_get_corename());
        return kind;
    }
    std::unique_ptr<Network<double>> network(const cells::CellSpec& cell, const cells::Shape& shape, const cells::Parameters& parameters,
                                             TangentSpace space) const override {
        return kernels::make_for<cpu::CellNetwork, double, Network<double>>(cells::AllCells{}, cell, shape, parameters, space);
    }
    std::unique_ptr<Network<float>> network_single(const cells::CellSpec& cell, const cells::Shape& shape,
                                                   const cells::Parameters& parameters, TangentSpace space) const override {
        return kernels::make_for<cpu::CellNetwork, float, Network<float>>(cells::AllCells{}, cell, shape, parameters, space);
    }
    std::unique_ptr<BatchNetwork<float>> batch_network(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                       const cells::Parameters& parameters) const override {
        return kernels::make_for<cpu::BatchCell, float, BatchNetwork<float>>(cells::AllCells{}, cell, layout, parameters);
    }
    std::unique_ptr<BatchNetwork<double>> batch_network_double(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                               const cells::Parameters& parameters) const override {
        return kernels::make_for<cpu::BatchCell, double, BatchNetwork<double>>(cells::AllCells{}, cell, layout, parameters);
    }
    void multiply(bool a_transposed, bool b_transposed, MatrixView<const float> a, MatrixView<const float> b, float beta,
                  MatrixView<float> c) const override {
        cpu::multiply(a_transposed, b_transposed, a, b, beta, c);
    }
    void multiply(bool a_transposed, bool b_transposed, MatrixView<const double> a, MatrixView<const double> b, double beta,
                  MatrixView<double> c) const override {
        cpu::multiply(a_transposed, b_transposed, a, b, beta, c);
    }
    SoftmaxLoss softmax(std::span<const int32_t> targets, MatrixView<float> logits) const override { return softmax_of(targets, logits); }
    SoftmaxLoss softmax(std::span<const int32_t> targets, MatrixView<double> logits) const override { return softmax_of(targets, logits); }
    std::unique_ptr<ForceLoop> force_loop(const cells::Shape& shape, const cells::Parameters& parameters, double alpha) const override {
        return cpu::make_force_loop(shape, parameters, alpha);
    }
    std::unique_ptr<FrozenLoops> frozen_loops(const cells::Shape& shape, const cells::Parameters& parameters,
                                              int64_t count) const override {
        return cpu::make_frozen_loops(shape, parameters, count, set_);
    }
    void qr(QrMethod method, MatrixView<double> z, std::span<double> log_r, QrWork& work, MatrixView<float> ratios) const override {
        factor(method, z, log_r, work, ratios);
    }
    void qr(QrMethod method, MatrixView<float> z, std::span<double> log_r, QrWork& work, MatrixView<float> ratios) const override {
        factor(method, z, log_r, work, ratios);
    }
    using Backend::gram_qr;
    double gram_qr(MatrixView<double> z, GramArithmetic arithmetic, double least, std::span<double> log_r, QrWork& work,
                   MatrixView<float> ratios) const override {
        return cpu::gram_qr(z, arithmetic, least, log_r, work, ratios);
    }
    double log_abs_det(MatrixView<double> a, QrWork& work) const override { return cpu::log_abs_det(cpu::kernels<double>(set_), a, work); }

private:
    template <class T>
    SoftmaxLoss softmax_of(std::span<const int32_t> targets, MatrixView<T> logits) const {
        const auto& loops = cpu::elementwise<T>(set_);
        return kernels::softmax(targets, logits, loops.largest, loops.normalise);
    }
    template <class T>
    void factor(QrMethod method, MatrixView<T> z, std::span<double> log_r, QrWork& work, MatrixView<float> ratios) const {
        if (method == QrMethod::accurate) cpu::accurate_qr(set_, z, log_r, work, ratios);
        else cpu::library_qr(cpu::kernels<T>(set_), z, log_r, work, ratios);
    }
    cpu::InstructionSet set_ = cpu::best_instruction_set();
};

}  // namespace

std::unique_ptr<Backend> make_cpu() {
    if (&openblas_set_num_threads) openblas_set_num_threads(1);  // threads belong to networks, never to one matrix
    return std::make_unique<Cpu>();
}

}  // namespace aelle::backend
