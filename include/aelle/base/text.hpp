#pragma once
/// Small text helpers shared by messages and tables.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aelle {

/// The candidate with the least edit distance to `word`, or "" when none is within half of the word's length (at least 2).
std::string nearest(std::string_view word, std::span<const std::string> candidates);

/// ", did you mean 'x'?" for the nearest candidate, or "" when there is none.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

/// 17 significant digits: reading the text back gives the same double. NaN as "nan", infinities as "inf" and "-inf".
std::string exact(double value);

/// `digits` significant digits for people.
std::string rounded(double value, int digits = 4);

/// "1 h 02 min", "3 min 05 s", "4.2 s".
std::string duration(double seconds);

/// "12.3 MiB".
std::string byte_size(double bytes);

std::string join(std::span<const std::string> words, std::string_view separator);

}  // namespace aelle
