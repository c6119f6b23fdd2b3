#pragma once
/// Where and with what the numbers were taken.

#include <string>

namespace aelle::perf {

struct Machine {
    std::string processor, instruction_set, compiler, flags, build_type, blas, commit, date, load;
    int cores = 0, threads_per_core = 1;
    double memory_bytes = 0.0;
};

Machine this_machine();

}  // namespace aelle::perf
