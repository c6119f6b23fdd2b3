#pragma once
/// What this program was built from and how.

#include <string>

namespace aelle {

struct BuildInfo {
    std::string version;     ///< "0.1.0"
    std::string commit;      ///< short git hash, with "-dirty", or "unknown" outside a checkout
    std::string compiler;    ///< "GNU 12.2.0"
    std::string flags;
    std::string build_type;  ///< "Release"
    std::string id;          ///< 16 hexadecimal digits that differ whenever one of the above does
};

const BuildInfo& build_info();

}  // namespace aelle
