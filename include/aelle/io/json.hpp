#pragma once
/// Pieces of JSON text.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace aelle::io {

/// A string literal of JSON; bytes that are not UTF-8 become replacement characters.
std::string json_string(std::string_view text);

std::string json_strings(const std::vector<std::string>& texts);

/// `digits` significant digits; null where the value is not finite.
std::string json_number(double value, int digits);

/// An array with `digits` significant digits; null where a value is not finite.
std::string json_numbers(const std::vector<double>& values, int digits);
std::string json_numbers(const std::vector<int64_t>& values);

}  // namespace aelle::io
