#include "aelle/io/json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "aelle/base/text.hpp"

namespace aelle::io {
namespace {

template <class T, class Text>
std::string array(const std::vector<T>& values, Text text) {
    std::string json = "[";
    for (const T& value : values) {
        if (json.size() > 1) json += ',';
        json += text(value);
    }
    return json + "]";
}

}  // namespace

std::string json_string(std::string_view text) {
    return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_strings(const std::vector<std::string>& texts) { return array(texts, json_string); }

std::string json_number(double value, int digits) { return std::isfinite(value) ? rounded(value, digits) : "null"; }

std::string json_numbers(const std::vector<double>& values, int digits) {
    return array(values, [digits](double value) { return json_number(value, digits); });
}

std::string json_numbers(const std::vector<int64_t>& values) {
    return array(values, [](int64_t value) { return std::to_string(value); });
}

}  // namespace aelle::io
