#pragma once
/// Version of what lies in output folders: their layout, shards, checkpoints, study.h5 and analysis.h5.

#include <cstdint>

namespace aelle {

inline constexpr int64_t format_version = 1;

}  // namespace aelle
