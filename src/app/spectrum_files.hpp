#pragma once
/// What aelle spectrum reads and writes.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "aelle/cells/spec.hpp"
#include "aelle/lyapunov/spectrum.hpp"
#include "options.hpp"

namespace aelle::app {

struct SpectrumCommand {
    CommonOptions common;
    std::string cell;
    std::filesystem::path weights, output;
    std::string inputs, initial_state;  // FILE or FILE:dataset
    std::vector<std::string> params;
    std::string state = "full", interval = "auto", precision = "double", log = "e", qr = "auto";
    std::optional<int64_t> layer;
    bool gated = false;
    int64_t warmup = 0;
    int64_t exponents = 0;
    int64_t extended_up_to = lyapunov::usual_extended_up_to;
};

struct GivenNetwork {
    const cells::CellSpec* cell = nullptr;
    cells::Shape shape;
    cells::Parameters parameters;  ///< complete

    int64_t state_dimension() const { return cell->blocks * shape.hidden; }
    int64_t tangent_dimension(const std::string& state) const { return state == "hidden" ? shape.hidden : state_dimension(); }
};

/// n sequences of T steps of d features, and one initial state each.
struct GivenSequences {
    int64_t count = 0, steps = 0, features = 0;
    std::vector<double> inputs;   ///< (n, T, d); empty for autonomous cells
    std::vector<double> initial;  ///< (n, D)
};

/// Results of all sequences, filled by ranks and threads in any order.
struct SpectrumResults {
    std::vector<double> exponents;  ///< (n, K) nats per step
    std::vector<uint8_t> reliable;  ///< (n, K)
    std::vector<double> defect;     ///< (n)
    std::vector<uint8_t> finite;    ///< (n)

    /// Row i of K = `width`.
    void store(int64_t i, int64_t width, const lyapunov::Spectrum& one) {
        std::copy(one.exponents.begin(), one.exponents.end(), exponents.begin() + i * width);
        std::copy(one.reliable.begin(), one.reliable.end(), reliable.begin() + i * width);
        defect[static_cast<std::size_t>(i)] = one.logdet_defect;
        finite[static_cast<std::size_t>(i)] = one.finite;
    }
};

/// What is known of the run beside its options.
struct SpectrumRecord {
    std::string device;
    int threads = 1, ranks = 1;
    double seconds = 0.0;
};

/// The weights, with the scalars of --param before those of the file.
GivenNetwork read_network(const SpectrumCommand& options);

/// Inputs and initial states that fit the network; DataError for other shapes and for values that are not finite.
GivenSequences read_sequences(const SpectrumCommand& options, const GivenNetwork& network);

/// Writes OUT.
void write_spectrum(const SpectrumCommand& options, const GivenNetwork& network, const SpectrumResults& results, int64_t count,
                    int64_t width, const SpectrumRecord& record);

}  // namespace aelle::app
