#pragma once
/// Networks trained by FORCE side by side in the device's memory, and their frozen loops (force.hpp).

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "kernels/cuda/force_plan.hpp"
#include "kernels/cuda/loader.hpp"

namespace aelle::cuda {

struct ForceSettings {
    double alpha = 1.0;
    int64_t longest = 1;        ///< steps of one call at most
    int32_t at_once = 1;        ///< networks of one launch of training: multiprocessors, whose cache their M share
    int64_t shared_memory = 0;  ///< bytes that one block may have
};

/// Updates that P is put off by, in every group: it says which bits a network has.
inline constexpr int force_rank = 16;

/// M, w_f and dt of networks of one size.
class ForceWeights {
public:
    ForceWeights(const Library& library, int n, std::span<const cells::Parameters> networks);
    SlicedRows m(int64_t network) const;
    const double* w_fb(int64_t network) const { return w_fb_.as<double>() + network * n_; }
    double dt(int64_t network) const { return dt_[static_cast<std::size_t>(network)]; }

private:
    /// Where the parts of one network's M begin.
    struct Place {
        std::size_t start = 0, column = 0, value = 0;
        bool dense = false;
    };
    int n_;
    std::vector<Place> places_;
    std::vector<double> dt_;
    DeviceMemory start_, row_, column_, value_, w_fb_;
};

class Force final : public backend::ForceGroup {
public:
    /// `n` at most force_max_units. The library must outlive it.
    Force(const Library& library, int n, std::span<const cells::Parameters> networks, const ForceSettings& settings);

    int64_t size() const override { return networks_; }
    void set(int64_t network, const backend::ForceState& state) override;
    backend::ForceState get(int64_t network, bool with_p) const override;
    void run(int64_t learn_every, std::span<const Work> work) override;
    std::unique_ptr<backend::FrozenGroup> frozen(std::span<const Loops> parts, int64_t longest) const override;

private:
    void check(int64_t network) const;
    ForceNetwork descriptor(int64_t learn_every, const Work& work, int64_t first) const;

    const Library& library_;
    int n_;
    int64_t networks_;
    ForceSettings settings_;
    ForceWeights weights_;
    DeviceMemory x_, z_, w_out_, tiles_, v_, c_, pending_;
    DeviceMemory target_, output_, work_;
};

class Frozen final : public backend::FrozenGroup {
public:
    /// Library and weights must outlive it.
    Frozen(const Library& library, int n, const ForceWeights& weights, std::span<const backend::ForceGroup::Loops> parts, int64_t longest,
           int64_t shared_memory);

    int64_t loops(int64_t part) const override { return parts_.at(static_cast<std::size_t>(part)).loops; }
    backend::ForceState get(int64_t part, int64_t loop) const override;
    void run(std::span<const Work> work) override;

private:
    struct Part {
        int64_t network = 0, first = 0, loops = 0;  ///< the number of its first loop among all
    };
    const Library& library_;
    int n_;
    const ForceWeights& weights_;
    int64_t longest_, shared_memory_;
    std::vector<Part> parts_;
    DeviceMemory x_, z_, w_out_, output_, work_;
};

}  // namespace aelle::cuda
