#pragma once
/// Networks trained side by side in the device's memory.

#include <string>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "aelle/base/text.hpp"
#include "kernels/cuda/loader.hpp"

namespace aelle::cuda {

/// A cell as the library knows it.
struct PlannedCell {
    int place = -1;  ///< in cells::AllCells
    CellPlan plan;
};

template <class... Cells>
PlannedCell plan_for(cells::CellList<Cells...>, const cells::CellSpec& cell, const cells::ParameterLayout& layout,
                     const cells::Parameters& parameters) {
    PlannedCell planned;
    int place = 0;
    const auto try_cell = [&]<class C>() {
        if (cell.name == C::spec().name) planned = {place, plan_cell<C>(layout, parameters)};
        ++place;
    };
    (try_cell.template operator()<Cells>(), ...);
    require(planned.place >= 0, "the GPU library was not instantiated for the cell");
    return planned;
}

class Sequences final : public backend::DeviceSequences {
public:
    Sequences(const Library& library, const backend::SequenceTable& table);
    const SequenceData& data() const { return data_; }
    int64_t count() const { return count_; }

private:
    DeviceMemory values_, symbols_, targets_;
    SequenceData data_;
    int64_t count_;
};

class Group final : public backend::TrainingGroup {
public:
    Group(const Library& library, const DeviceFacts& facts, const PlannedCell& cell, const backend::GroupTraining& options,
          const backend::SequenceTable& data, int64_t networks);

    /// Instead of as many as team_size() gives, a power of two up to Team::largest; 0: those again. For measurements: no result depends on it.
    void use_teams_of(int32_t blocks) { team_ = blocks; }

    int64_t size() const override { return networks_; }
    void set(int64_t network, const backend::TrainingState& state) override;
    backend::TrainingState get(int64_t network) const override;
    std::vector<Outcome> train(const backend::DeviceSequences& data, std::span<const Work> work) override {
        return run(data, work, true, nullptr);
    }
    std::vector<Outcome> evaluate(const backend::DeviceSequences& data, std::span<const Work> work,
                                  std::vector<float>* probabilities) override {
        return run(data, work, false, probabilities);
    }

private:
    struct Buffers;
    std::vector<Outcome> run(const backend::DeviceSequences& data, std::span<const Work> work, bool learning,
                             std::vector<float>* probabilities);
    void check(const Sequences& data, const Work& work) const;
    std::size_t bytes_of(int64_t network, int64_t offset) const {
        return static_cast<std::size_t>(network * plan_.memory + offset) * sizeof(float);
    }

    /// Blocks of each of so many networks.
    int32_t team(int64_t networks) const;

    const Library& library_;
    const DeviceFacts& facts_;
    int cell_;
    int64_t networks_;
    int32_t team_ = 0;
    TrainingPlan plan_;
    DeviceMemory memory_, plan_memory_;
};

}  // namespace aelle::cuda
