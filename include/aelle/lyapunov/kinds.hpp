#pragma once
/// The kinds of spectra that a study can ask for by name (`[spectrum] kinds`).

#include <span>
#include <string_view>

#include "aelle/backend/backend.hpp"
#include "aelle/cells/spec.hpp"
#include "aelle/lyapunov/spectrum.hpp"

namespace aelle::lyapunov {

struct SpectrumKind {
    std::string_view name;
    std::string_view meaning;  ///< one line for help texts and files
    backend::TangentSpace space = backend::TangentSpace::full;
    /// As the authors' code (cells.md 6, items 1, 2 and 15): tangents multiplied by the transposed Jacobian (not where CellSpec says that theirs is
    /// transposed already), library QR at every step, exponents in the order of columns. Still in nats per step.
    bool as_published = false;
};

/// "full": the whole state's Jacobian; "hidden": its hidden-to-hidden block; "paper-code": the hidden block as published.
std::span<const SpectrumKind> spectrum_kinds();

/// DataError naming the nearest kind when there is none of that name.
const SpectrumKind& find_kind(std::string_view name);

/// Exponents of one spectrum of this kind, all of them.
int64_t tangent_dimension(const SpectrumKind& kind, const cells::CellSpec& cell, const cells::Shape& shape);

/// The kind's method put into `options`; the rest of them is left as it is.
void apply(const SpectrumKind& kind, const cells::CellSpec& cell, SpectrumOptions& options);

}  // namespace aelle::lyapunov
