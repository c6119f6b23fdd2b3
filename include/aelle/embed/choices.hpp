#pragma once
/// Named alternatives of the analysis. Each enum lists its names in the order of its values; the names are those of study files.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::embed {

enum class Interpolation { linear, doubling };        ///< to the common length (spectra.hpp)
enum class SpectrumTransform { signed_log, raw };     ///< of the exponents (transform.hpp)
enum class TargetTransform { log, raw };              ///< of the loss that the autoencoder predicts (transform.hpp)
enum class LossChoice { final, best };                ///< loss at the end of training, or its minimum
enum class FitEpochs { pooled, last };                ///< epochs whose spectra models are fitted on (analysis.hpp)
enum class BoundaryEpochs { fitted, each };           ///< one boundary for all epochs, from the fitted ones; or one per epoch
enum class BoundarySet { both, validation };          ///< networks that choose boundaries: training and validation, or validation alone
enum class BoundaryRule { best_f1, median };          ///< which boundary the paper's tables show: the best F1's, or the median of the score
enum class SplitBy { networks, spectra };             ///< all spectra of a network in one part; or each for itself, which leaks (split.hpp)
enum class LabelReference { study, architecture };    ///< good = below the median loss of the study, or of the network's own architecture
enum class LogBase { e, two };                        ///< of the exponents: nats or bits per step
enum class Regressand { label, loss };                ///< what ridge regression fits
enum class BaselineSpectra { raw, transformed };      ///< what `le-pc1` and ridge regression see: exponents, or as the autoencoder does

constexpr std::array<std::string_view, 2> names_of(Interpolation) { return {"linear", "doubling"}; }
constexpr std::array<std::string_view, 2> names_of(SpectrumTransform) { return {"signed-log", "raw"}; }
constexpr std::array<std::string_view, 2> names_of(TargetTransform) { return {"log", "raw"}; }
constexpr std::array<std::string_view, 2> names_of(LossChoice) { return {"final", "best"}; }
constexpr std::array<std::string_view, 2> names_of(FitEpochs) { return {"pooled", "last"}; }
constexpr std::array<std::string_view, 2> names_of(BoundaryEpochs) { return {"fitted", "each"}; }
constexpr std::array<std::string_view, 2> names_of(BoundarySet) { return {"training+validation", "validation"}; }
constexpr std::array<std::string_view, 2> names_of(BoundaryRule) { return {"best-f1", "median"}; }
constexpr std::array<std::string_view, 2> names_of(SplitBy) { return {"networks", "spectra"}; }
constexpr std::array<std::string_view, 2> names_of(LabelReference) { return {"study", "architecture"}; }
constexpr std::array<std::string_view, 2> names_of(LogBase) { return {"e", "2"}; }
constexpr std::array<std::string_view, 2> names_of(Regressand) { return {"label", "loss"}; }
constexpr std::array<std::string_view, 2> names_of(BaselineSpectra) { return {"raw", "transformed"}; }

template <class E>
std::string name_of(E value) {
    return std::string(names_of(value)[static_cast<std::size_t>(value)]);
}

/// All names of an enum, for messages and study files.
template <class E>
std::vector<std::string> all_names() {
    const auto names = names_of(E{});
    return {names.begin(), names.end()};
}

/// DataError when there is no such name.
template <class E>
E from_name(std::string_view name) {
    const auto names = names_of(E{});
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == name) return static_cast<E>(i);
    }
    throw DataError("found \"" + std::string(name) + "\", expected one of " + join(all_names<E>(), ", "));
}

}  // namespace aelle::embed
