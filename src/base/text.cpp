#include "aelle/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace aelle {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t substitution = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({substitution, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

template <class... Args>
std::string format(const char* pattern, Args... args) {
    std::array<char, 64> buffer;
    std::snprintf(buffer.data(), buffer.size(), pattern, args...);
    return buffer.data();
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 2) + 1;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
    const std::string found = nearest(word, candidates);
    return found.empty() ? "" : ", did you mean '" + found + "'?";
}

std::string exact(double value) {
    if (std::isnan(value)) return "nan";  // printf may write "-nan"
    return format("%.17g", value);
}

std::string rounded(double value, int digits) {
    if (std::isnan(value)) return "nan";
    return format("%.*g", digits, value);
}

std::string duration(double seconds) {
    if (!(seconds >= 0) || std::isinf(seconds)) return "unknown";
    if (seconds < 60) return format("%.1f s", seconds);
    const auto whole = static_cast<long long>(seconds + 0.5);
    if (whole < 3600) return format("%lld min %02lld s", whole / 60, whole % 60);
    return format("%lld h %02lld min", whole / 3600, whole / 60 % 60);
}

std::string byte_size(double bytes) {
    const std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return format(unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

std::string join(std::span<const std::string> words, std::string_view separator) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += separator;
        text += words[i];
    }
    return text;
}

}  // namespace aelle
