#pragma once
/// What all fuzz targets share. libFuzzer calls LLVMFuzzerTestOneInput with bytes of its own making; a crash, a sanitizer's finding, an input that
/// takes too long or too much memory, and any exception but ours about data is a failure. Built and run by tools/fuzz.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "aelle/base/error.hpp"

namespace aelle::fuzz {

/// Stops the fuzzer with a finding unless `condition` holds.
inline void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

/// Runs a reader, which may refuse its input, but only as bad data and with a message of at most `longest` characters that starts with the name
/// of the input.
template <class Action>
void reads(Action&& action, std::size_t longest = 4000) {
    try {
        action();
    } catch (const DataError& error) {
        const std::string_view message = error.what();
        expect(message.starts_with("input"), "the message does not start with the name of the file");
        expect(message.size() <= longest, "the message is too long");
    }
}

inline std::string_view text(const uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

}  // namespace aelle::fuzz
