#include "machine.hpp"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>

#include "aelle/backend/blas.hpp"
#include "aelle/base/build_info.hpp"
#include "crew.hpp"
#include "kernels/cpu/simd.hpp"

namespace aelle::perf {
namespace {

/// The value behind the colon of the first line that starts with `key`.
std::string value_in(const char* file, const std::string& key) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with(key) && colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown";
}

std::string date_now() {
    const std::time_t now = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    return text;
}

}  // namespace

Machine this_machine() {
    Machine machine;
    machine.processor = value_in("/proc/cpuinfo", "model name");
    machine.instruction_set = cpu::name(cpu::best_instruction_set());
    machine.compiler = build_info().compiler;
    machine.flags = build_info().flags;
    machine.build_type = build_info().build_type;
    machine.blas = backend::blas_description();
    machine.commit = build_info().commit;
    machine.date = date_now();
    std::ifstream load("/proc/loadavg");
    for (std::string word; machine.load.size() < 12 && load >> word;) machine.load += (machine.load.empty() ? "" : " ") + word;
    machine.cores = core_count();
    machine.threads_per_core = static_cast<int>(processors().size()) / std::max(1, core_count());
    machine.memory_bytes = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE));
    return machine;
}

}  // namespace aelle::perf
