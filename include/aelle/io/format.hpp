#pragma once
/// The version of our own HDF5 files.

#include "aelle/base/format.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::io {

/// DataError unless the root attribute `format_version` is that of this program.
void check_format_version(const H5Reader& file);

}  // namespace aelle::io
