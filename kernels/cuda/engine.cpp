// The GPU as the rest of the program sees it: groups of networks in its memory, and calls into libaelle_cuda.so.

#include <algorithm>
#include <utility>

#include "aelle/backend/groups.hpp"
#include "aelle/base/text.hpp"
#include "aelle/cells/list.hpp"
#include "kernels/cuda/chain_group.hpp"
#include "kernels/cuda/force_group.hpp"
#include "kernels/cuda/loader.hpp"
#include "kernels/cuda/training_group.hpp"
#include "src/backend/factories.hpp"

namespace aelle::cuda {
namespace {

class Engine final : public backend::GroupEngine {
public:
    Engine(const Table& table, int device, const DeviceFacts& facts) : library_(table, device), facts_(facts) {}

    std::string device_kind() const override {
        if (facts_.emulated) return "cuda emulated";
        return "cuda sm_" + std::to_string(facts_.major) + std::to_string(facts_.minor);
    }
    std::string description() const override {
        return "GPU " + std::to_string(library_.device()) + ": " + facts_.name + ", " + std::to_string(facts_.multiprocessors) +
               " multiprocessors, " + byte_size(static_cast<double>(facts_.memory));
    }
    bool usable() const override {
        void* address = nullptr;
        const int number = 1;
        const Table& table = library_.table();
        const int device = library_.device();
        if (table.allocate(device, &address, sizeof number) != 0) return false;
        const bool copied = table.upload(device, address, &number, sizeof number) == 0;
        return table.release(device, address) == 0 && copied;
    }
    int64_t wanted() const override { return int64_t{8} * facts_.multiprocessors; }  // so that few wait for the last ones

    std::unique_ptr<backend::DeviceSequences> sequences(const backend::SequenceTable& table) const override {
        return std::make_unique<Sequences>(library_, table);
    }
    std::unique_ptr<backend::TrainingGroup> training(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                     const cells::Parameters& parameters, const backend::GroupTraining& options,
                                                     const backend::SequenceTable& data, int64_t networks) const override {
        const PlannedCell planned = plan_for(cells::AllCells{}, cell, layout, parameters);
        return std::make_unique<Group>(library_, facts_, planned, options, data, networks);
    }
    std::unique_ptr<backend::ChainGroup> chains(const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                                                const cells::Parameters& parameters, std::span<const std::vector<double>> packed,
                                                const backend::ChainProblem& problem) const override {
        return std::make_unique<Chain>(library_, facts_, plan_for(cells::AllCells{}, cell, layout, parameters), packed, problem);
    }
    int64_t largest_force() const override { return facts_.force_units; }
    std::unique_ptr<backend::ForceGroup> force(const cells::Shape& shape, std::span<const cells::Parameters> networks, double alpha,
                                               int64_t longest) const override {
        require(shape.hidden >= 1 && shape.hidden <= facts_.force_units, "GPU: a network too large for FORCE");
        return std::make_unique<Force>(
            library_, static_cast<int>(shape.hidden), networks,
            ForceSettings{.alpha = alpha, .longest = longest, .at_once = facts_.multiprocessors, .shared_memory = facts_.shared_memory});
    }

private:
    Library library_;
    DeviceFacts facts_;
};

/// The device of a rank: ranks of one node take them in turn.
int device_of(const backend::Place& place, int devices) {
    if (place.ranks_on_node > devices && !place.share) {
        throw UsageError(
            "--device cuda: found " + std::to_string(place.ranks_on_node) + " ranks for " + std::to_string(devices) +
            " GPUs on a node, expected no more ranks than GPUs, or --share-gpus (also where every rank sees a GPU of its own)");
    }
    return place.rank_on_node % devices;
}

}  // namespace
}  // namespace aelle::cuda

namespace aelle::backend {

CudaFound make_cuda(const Place& place) {
    static const cuda::Opened opened = cuda::open_library();
    if (!opened.ok) return {nullptr, opened.note};
    int devices = 0;
    const int status = opened.table.device_count(&devices);
    if (status != 0 || devices == 0)
        return {nullptr, std::string("no device: ") + (status != 0 ? opened.table.message(status) : "the driver names none")};
    const int device = cuda::device_of(place, devices);
    cuda::DeviceFacts facts;
    if (const int failed = opened.table.facts(device, &facts)) return {nullptr, std::string("no device: ") + opened.table.message(failed)};
    auto engine = std::make_unique<cuda::Engine>(opened.table, device, facts);
    const std::string note =
        engine->description() + " (" + std::to_string(device + 1) + " of " + std::to_string(devices) + " on this node)";
    return {std::move(engine), note};
}

}  // namespace aelle::backend
