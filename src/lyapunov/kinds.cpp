#include "aelle/lyapunov/kinds.hpp"

#include <array>
#include <string>
#include <vector>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::lyapunov {

std::span<const SpectrumKind> spectrum_kinds() {
    using enum backend::TangentSpace;
    static constexpr std::array<SpectrumKind, 3> kinds{
        SpectrumKind{"full", "Jacobian of the whole state", full, false},
        SpectrumKind{"hidden", "hidden-to-hidden block of the Jacobian", hidden, false},
        SpectrumKind{"paper-code", "hidden-to-hidden block as in the authors' code: reverse order of time, not sorted", hidden, true}};
    return kinds;
}

const SpectrumKind& find_kind(std::string_view name) {
    std::vector<std::string> known;
    for (const SpectrumKind& kind : spectrum_kinds()) {
        if (kind.name == name) return kind;
        known.emplace_back(kind.name);
    }
    throw DataError("kind of spectrum: found '" + std::string(name) + "', expected one of " + join(known, ", ") +
                    did_you_mean(name, known));
}

int64_t tangent_dimension(const SpectrumKind& kind, const cells::CellSpec& cell, const cells::Shape& shape) {
    return kind.space == backend::TangentSpace::full ? cell.blocks * shape.hidden : shape.hidden;
}

void apply(const SpectrumKind& kind, const cells::CellSpec& cell, SpectrumOptions& options) {
    if (!kind.as_published) return;
    options.transposed = cell.published_transposed;
    options.sorted = false;
    options.qr = backend::QrMethod::library;
    options.interval = 1;
}

}  // namespace aelle::lyapunov
