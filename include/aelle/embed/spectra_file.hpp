#pragma once
/// Spectra of networks from files of many kinds, one network a row.
///
/// HDF5: the dataset asked for; else `spectrum` where it has one dimension (what `aelle spectrum` writes: one network, the mean over its input
/// sequences), else `exponents`, else `spectrum`.
/// | shape | networks |
/// | --- | --- |
/// | (K) | one |
/// | (n, K) | n |
/// | (V, E, K), beside `epoch` (E): a study.h5 | V, at one of the epochs |
/// Spectra of one kind (lyapunov/kinds.hpp) say nothing of another. Where a kind is wanted, `exponents_KIND` goes before the datasets above unless
/// `exponents` says in its attribute `kind` that it is of that kind; a dataset that says it is of another is refused, except that "full" and "hidden" are
/// one for a cell (root attribute) whose state has one block.
///
/// A dataset with the attribute units = "bits per step" is converted to natural logarithms. Where a dataset `dimension` (n) lies beside `exponents`,
/// row i ends after dimension[i] of them; else NaN at the end of a row are padding where there are several rows.
///
/// CSV: comma-separated, one network a line, all lines of equal length; empty fields and NaN at the end are padding. Empty lines and lines that begin
/// with # are skipped; so is a header: a first line without a number, or the column numbers 0, 1, 2, ... that data frames write.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aelle::embed {

struct SpectraFile {
    std::vector<std::vector<double>> spectra;  ///< exponents of each network; empty where there are none
    std::string dataset;                       ///< that was read; empty for CSV
    std::optional<int64_t> epoch;              ///< at which the spectra of a study were taken
};

/// A file is HDF5 when it begins so or its name ends in .h5 or .hdf5, else CSV. `dataset`: empty for the rule above. `epoch`: of a study.h5, the last
/// one unless given. MissingInput without the file; DataError names dataset, or line and column, found and expected.
/// `kind`: of spectra that is wanted; empty for any.
SpectraFile read_spectra(const std::filesystem::path& file, const std::string& dataset = "", std::optional<int64_t> epoch = std::nullopt,
                         const std::string& kind = "");

/// The CSV part alone; `name` is for messages.
std::vector<std::vector<double>> parse_csv(std::string_view text, const std::string& name);

}  // namespace aelle::embed
