#pragma once
/// Lyapunov chains side by side in the device's memory.

#include <span>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "kernels/cuda/chain_plan.hpp"
#include "kernels/cuda/training_group.hpp"

namespace aelle::cuda {

class Chain final : public backend::ChainGroup {
public:
    Chain(const Library& library, const DeviceFacts& facts, const PlannedCell& cell, std::span<const std::vector<double>> packed,
          const backend::ChainProblem& problem);
    /// As Group::use_teams_of, of chains that are factored by teams; for good.
    void use_teams_of(int32_t blocks) { plan_.team = plan_.large ? blocks : 1; }

    int64_t steps_done() const override { return done_; }
    void advance(int64_t steps) override;
    std::vector<backend::ChainResult> results() const override;

private:
    void start(const backend::ChainProblem& problem);

    const Library& library_;
    int cell_;
    int64_t chains_, done_ = 0;
    ChainPlan plan_;
    DeviceMemory packed_, matrices_, inputs_, noise_, memory_, finite_, plan_memory_, work_;
};

}  // namespace aelle::cuda
