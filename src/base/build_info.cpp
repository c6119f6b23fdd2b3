#include "aelle/base/build_info.hpp"

#include "build_info_values.hpp"  // written by tools/cmake/build_info.cmake

namespace aelle {

const BuildInfo& build_info() {
    static const BuildInfo info{AELLE_VERSION, AELLE_COMMIT, AELLE_COMPILER, AELLE_FLAGS, AELLE_BUILD_TYPE, AELLE_BUILD_ID};
    return info;
}

}  // namespace aelle
