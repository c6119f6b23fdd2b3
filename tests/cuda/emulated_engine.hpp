#pragma once
/// The GPU of the program as tests have it: libaelle_cuda_emulated.so behind the program's own loader.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "aelle/backend/choose.hpp"
#include "aelle/backend/groups.hpp"

namespace aelle::cuda {

/// Where it was built, or on another machine beside the test program.
inline std::string emulated_library() {
    namespace fs = std::filesystem;
    if (fs::exists(AELLE_EMULATED_LIBRARY)) return AELLE_EMULATED_LIBRARY;
    return fs::read_symlink("/proc/self/exe").parent_path() / fs::path(AELLE_EMULATED_LIBRARY).filename();
}

inline const backend::GroupEngine& emulated_engine() {
    static const backend::Choice choice = [] {
        setenv("AELLE_CUDA_LIBRARY", emulated_library().c_str(), 1);
        return backend::choose(backend::Device::cuda);
    }();
    return *choice.groups;
}

}  // namespace aelle::cuda
