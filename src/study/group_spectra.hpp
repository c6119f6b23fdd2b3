#pragma once
/// The spectra that a study takes of many networks at one epoch, on a device: of every kind asked for, the mean over some sequences, in slices.
/// Kinds that devices do not know are taken on the host.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "aelle/backend/groups.hpp"
#include "aelle/lyapunov/group.hpp"
#include "aelle/study/spectra.hpp"
#include "pace.hpp"

namespace aelle::study {

/// Where spectra are taken: `backend` is the host's, for what devices do not do.
struct SpectraDevice {
    const backend::GroupEngine& engine;
    const backend::Backend& backend;
    lyapunov::ParallelFor parallel;
    int threads = 1;  ///< of `parallel`
};

class StudyGroupSpectra {
public:
    struct Network {
        cells::Parameters parameters;       ///< complete
        std::vector<double> initial_state;  ///< empty: that of the inputs
    };

    /// Of networks of one cell and shape along the same inputs. What is given by reference must outlive it.
    StudyGroupSpectra(SpectraDevice device, const SpectrumConfig& config, const cells::CellSpec& cell, const cells::Shape& shape,
                      SpectrumInputs inputs);

    /// Some are in work, or done and not yet taken.
    bool busy() const { return !who_.empty(); }
    /// Begins with the first of these, as many as take about half a second, since spectra in work are not saved, and as the device holds; the
    /// others want another call. None has begun where not busy() afterwards: fewer will be tried next. OutOfDeviceMemory where a single one does
    /// not fit.
    void begin(std::span<const std::size_t> who, const std::function<Network(std::size_t)>& network);
    /// One slice.
    void advance();
    bool done() const { return kind_ == config_.kinds.size(); }

    /// take(who, sums) for each of them, once done; then others can begin.
    void take(const std::function<void(std::size_t, const SpectraSums&)>& take);

private:
    void begin_kind();
    void start_chains(const lyapunov::SpectrumOptions& options);
    void take_on_host();
    void take_results();
    const std::vector<double>& initial_state(const Network& network) const {
        return network.initial_state.empty() ? inputs_.initial_state : network.initial_state;
    }
    void clear();

    SpectraDevice device_;
    const SpectrumConfig& config_;
    const cells::CellSpec& cell_;
    cells::Shape shape_;
    SpectrumInputs inputs_;
    std::vector<std::size_t> who_;
    std::vector<Network> networks_;
    std::vector<SpectraSums> sums_;
    std::size_t kind_ = 0, at_once_ = 1, most_ = static_cast<std::size_t>(-1);
    std::size_t least_ = 1;  ///< that fill the device, or the threads of the host
    std::chrono::steady_clock::time_point start_{};
    std::unique_ptr<lyapunov::GroupSpectra> run_;  ///< of all of them
    Pace pace_;
};

}  // namespace aelle::study
