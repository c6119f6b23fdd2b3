#include "explore.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "aelle/embed/spectra.hpp"
#include "aelle/io/json.hpp"
#include "report_page.hpp"
#include "text_columns.hpp"

namespace aelle::report {
namespace {

constexpr int64_t most_samples = 1'500'000;  ///< of spectra: 4 MB of the page
constexpr int64_t fewest_points = 16;        ///< of a spectrum
constexpr double spectrum_scale = 0.01;      ///< codes are even in sign(x) ln(1 + |x| / scale)
constexpr uint16_t minus_infinity = 0, no_exponent = 65535;
constexpr double lowest_code = 1.0, highest_code = 65534.0;  ///< of finite exponents

constexpr double infinity = std::numeric_limits<double>::infinity();

double signed_log(double x) { return std::copysign(std::log1p(std::fabs(x) / spectrum_scale), x); }

std::string base64(const std::vector<uint16_t>& values) {
    static constexpr const char* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<uint8_t> bytes;  // the lower byte first
    for (const uint16_t value : values) bytes.insert(bytes.end(), {static_cast<uint8_t>(value & 0xFF), static_cast<uint8_t>(value >> 8)});
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        uint32_t three = 0;
        for (std::size_t k = 0; k < 3; ++k) three = three << 8 | (k < count ? bytes[i + k] : 0u);
        for (std::size_t k = 0; k < 4; ++k) text += k <= count ? letters[three >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

/// All spectra as 16-bit codes, `points` samples of each.
struct Coded {
    int64_t points = 0;
    double low = 0.0, high = 1.0;  ///< of the signed logarithm
    std::vector<int64_t> dimension;
    std::vector<int64_t> infinite;  ///< (V, E) exponents of minus infinity, counted before sampling
    std::vector<uint16_t> codes;    ///< (V, E, points)
};

uint16_t code_of(double sample, const Coded& coded) {
    if (sample == -infinity) return minus_infinity;
    if (!std::isfinite(sample)) return no_exponent;
    const double share = (signed_log(sample) - coded.low) / (coded.high - coded.low);
    return static_cast<uint16_t>(std::lround(lowest_code + (highest_code - lowest_code) * share));
}

Coded code_spectra(const Results& results) {
    Coded coded;
    const int64_t spectra = std::max<int64_t>(1, results.variants() * results.epochs());
    coded.points = std::min(results.exponent_count, std::max(fewest_points, most_samples / spectra));
    std::vector<double> samples;  // NaN: none
    for (int64_t v = 0; v < results.variants(); ++v) {
        coded.dimension.push_back(0);
        for (int64_t e = 0; e < results.epochs(); ++e) {
            std::vector<double> spectrum = results.spectrum(v, e);
            coded.dimension.back() = std::max(coded.dimension.back(), static_cast<int64_t>(spectrum.size()));
            coded.infinite.push_back(std::count(spectrum.begin(), spectrum.end(), -infinity));
            if (static_cast<int64_t>(spectrum.size()) > coded.points) spectrum = embed::interpolate_linear(spectrum, coded.points);
            spectrum.resize(static_cast<std::size_t>(coded.points), std::nan(""));
            samples.insert(samples.end(), spectrum.begin(), spectrum.end());
        }
    }
    bool first = true;
    for (const double sample : samples) {
        if (!std::isfinite(sample)) continue;
        const double g = signed_log(sample);
        coded.low = first ? g : std::min(coded.low, g);
        coded.high = first ? g : std::max(coded.high, g);
        first = false;
    }
    if (!(coded.high > coded.low)) coded.high = coded.low + 1.0;
    for (const double sample : samples) coded.codes.push_back(code_of(sample, coded));
    return coded;
}

/// Names in order of appearance and the place of each value among them.
std::string dictionary(const std::vector<std::string>& values, const std::string& names_key, const std::string& key) {
    std::vector<std::string> names;
    std::vector<int64_t> places;
    for (const std::string& value : values) {
        const auto found = std::find(names.begin(), names.end(), value);
        places.push_back(found - names.begin());
        if (found == names.end()) names.push_back(value);
    }
    return "\"" + names_key + "\":" + io::json_strings(names) + ",\"" + key + "\":" + io::json_numbers(places) + ",\n";
}

/// What the analysis itself counts with: exact, minus infinity and all below the floor raised to it, in its own unit.
std::string statistics_of(const Results& results) {
    return "\"mean\":" + io::json_numbers(results.statistic_mean, 6) + ",\"max\":" + io::json_numbers(results.statistic_max, 6) +
           ",\"floor\":" + io::json_string(results.option("floor", "")) + ",\"unit\":" + io::json_string(exponent_unit(results)) + ",\n";
}

std::string data_of(const Results& results) {
    std::vector<double> pc1, pc2, boundary;
    std::vector<int64_t> test;
    std::vector<std::string> seeds;  // as text: JavaScript has no integers of 63 bits
    const int64_t c = results.find_classifier("aelle-pc1");
    for (int64_t v = 0; v < results.variants(); ++v) {
        test.push_back(results.repeats > 0 && results.split_of(0, v) == 2);
        seeds.push_back(std::to_string(results.variant_seed[static_cast<std::size_t>(v)]));
        for (int64_t e = 0; e < results.epochs(); ++e) {
            pc1.push_back(results.component(v, e, 0));
            pc2.push_back(results.latent > 1 ? results.component(v, e, 1) : 0.0);
        }
    }
    for (int64_t e = 0; e < results.epochs(); ++e) {
        boundary.push_back(c < 0 || results.repeats == 0 ? std::nan("") : results.boundary[results.at(c, 0, e)]);
    }
    const Coded coded = code_spectra(results);
    std::string json = "{\"lossName\":" + io::json_string(results.loss_name) + ",\"initName\":" + io::json_string(results.init_name) +
                       ",\"epochs\":" + io::json_numbers(results.epoch) + ",\"boundary\":" + io::json_numbers(boundary, 6) + ",\n";
    json += "\"variant\":" + io::json_numbers(results.variant) + ",\"hidden\":" + io::json_numbers(results.hidden) +
            ",\"init\":" + io::json_numbers(results.init, 6) + ",\"seed\":" + io::json_strings(seeds) + ",\n";
    json += dictionary(results.cell, "cells", "cell") + dictionary(results.status, "statuses", "status");
    json += "\"loss\":" + io::json_numbers(results.loss, 6) + ",\"label\":" + io::json_numbers(results.label) +
            ",\"test\":" + io::json_numbers(test) + ",\n";
    json += "\"pc1\":" + io::json_numbers(pc1, 4) + ",\n\"pc2\":" + io::json_numbers(pc2, 4) +
            ",\n\"dimension\":" + io::json_numbers(coded.dimension) + ",\"infinite\":" + io::json_numbers(coded.infinite) + ",\n";
    json += statistics_of(results);
    json += "\"spectrum\":{\"points\":" + std::to_string(coded.points) + ",\"scale\":" + io::json_number(spectrum_scale, 6) +
            ",\"low\":" + io::json_number(coded.low, 9) + ",\"high\":" + io::json_number(coded.high, 9);
    json += ",\"codes\":\"" + base64(coded.codes) + "\"}}";
    // Inside a script element nothing may look like its end.
    std::string safe;
    for (const char letter : json) safe += letter == '<' ? "\\u003c" : std::string(1, letter);
    return safe;
}

}  // namespace

std::string explore_section(const Results& results) {
    if (std::none_of(results.pc.begin(), results.pc.end(), [](double value) { return std::isfinite(value); })) return "";
    return "<script type=\"application/json\" id=\"explore-data\">" + data_of(results) + "</script>\n" + std::string(page::explore_html) +
           "<script>\n" + std::string(page::explore_js) + "</script>\n";
}

}  // namespace aelle::report
