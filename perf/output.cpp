#include "output.hpp"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"

namespace aelle::perf {
namespace {

using Json = nlohmann::ordered_json;

/// JSON knows no NaN.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(const Spread& spread) {
    return {{"median", number(spread.median)}, {"min", number(spread.least)}, {"max", number(spread.most)}};
}

Json json_of(const Opponent& opponent) {
    return {{"python", opponent.python},
            {"name", opponent.name},
            {"form", opponent.form},
            {"unit", opponent.unit},
            {"layout", opponent.layout},
            {"error", number(opponent.error)},
            {"seconds", json_of(opponent.seconds)},
            {"tried", opponent.tried}};
}

/// Three digits and a unit: "41.2 us".
std::string time_text(double seconds) {
    if (!std::isfinite(seconds)) return "";
    const char* unit = "s";
    if (seconds < 1e-3) seconds *= 1e6, unit = "us";
    else if (seconds < 1) seconds *= 1e3, unit = "ms";
    return rounded(seconds, 3) + " " + unit;
}

std::string range_text(const Spread& spread, std::string (*text)(double)) {
    return std::isfinite(spread.median) ? text(spread.median) + " [" + text(spread.least) + ", " + text(spread.most) + "]" : "";
}

std::string short_number(double value) { return rounded(value, 3); }

std::string cell(double value, const char* form) {
    char text[32] = "";
    if (std::isfinite(value)) std::snprintf(text, sizeof text, form, value);
    return text;
}

std::string details(const Result& result) {
    std::string line;
    const auto add = [&](const std::string& key, const std::string& value) { line += (line.empty() ? "" : " ") + key + "=" + value; };
    for (const auto& [key, value] : result.what->parameters) add(key, value);
    for (const auto& [key, value] : result.check.columns) add(key, rounded(value, 3));
    if (result.what->roof != Roof::none) add("roof", std::string(name(result.what->roof)));
    if (result.what->limit) add("roof", "limit");
    return line;
}

constexpr const char* row_format = "%-40s %8s  %-31s %9s %6s  %-31s %-20s %s\n";

}  // namespace

Output::Output(const std::string& json) : path_(json) {
    if (json.empty()) return;
    json_.open(json, std::ios::trunc);
    if (!json_) throw CannotCreate(json + ": cannot be written");
}

void Output::machine(const Machine& m, const Plan& plan) {
    std::printf("%s, %d cores, %s, %s; %s\n", m.processor.c_str(), m.cores, m.instruction_set.c_str(), byte_size(m.memory_bytes).c_str(),
                m.blas.c_str());
    std::printf("commit %s, %s, %s %s; %s, load %s; %d worker%s, %d rounds of %s a side\n", m.commit.c_str(), m.compiler.c_str(),
                m.build_type.c_str(), m.flags.c_str(), m.date.c_str(), m.load.c_str(), plan.threads,
                plan.threads == 1 ? "" : "s, one a core", plan.rounds, time_text(plan.seconds).c_str());
    json_ << Json{{"kind", "machine"},
                  {"processor", m.processor},
                  {"instruction_set", m.instruction_set},
                  {"cores", m.cores},
                  {"threads_per_core", m.threads_per_core},
                  {"memory_bytes", m.memory_bytes},
                  {"compiler", m.compiler},
                  {"build_type", m.build_type},
                  {"flags", m.flags},
                  {"blas", m.blas},
                  {"commit", m.commit},
                  {"date", m.date},
                  {"load", m.load},
                  {"threads", plan.threads},
                  {"full", plan.full},
                  {"seconds", plan.seconds},
                  {"rounds", plan.rounds},
                  {"pythons", plan.pythons}}
          << std::endl;
}

void Output::roofs(Roofline& roofline, int threads, const char* when) {
    for (int count = 1; count <= threads; count += std::max(1, threads - 1)) {
        std::printf("%s, %d core%s:", when, count, count == 1 ? "" : "s");
        for (const Roof roof : all_roofs) {
            const double rate = roofline.rate(roof, count, 4);
            std::printf("  %s %s %s", std::string(name(roof)).c_str(), rounded(1e-9 * rate, 3).c_str(),
                        counts_bytes(roof) ? "GB/s" : "GFLOP/s");
            json_ << Json{{"kind", "roof"}, {"when", when}, {"name", name(roof)}, {"cores", count}, {"per_second", rate}} << std::endl;
        }
        std::printf("\n");
    }
    roofline.forget_arrays();
    std::fflush(stdout);
}

void Output::header() {
    std::printf(
        "\ntimes: of the whole machine per unit, median of the rounds [least, most]; share: of the roof named behind; ratio: the "
        "opponent's time over ours\n");
    std::printf(row_format, "case", "error", "time", "GFLOP/s", "share", "opponent", "its time", "ratio");
    std::fflush(stdout);
}

void Output::row(const Result& result) {
    const Case& what = *result.what;
    const bool bytes = counts_bytes(what.roof);
    const double rate = result.amount > 0 ? result.amount / result.seconds.median : unknown;
    const std::string opponent = !result.opponent ? ""
                                 : result.opponent->python.empty()
                                     ? result.opponent->form
                                     : result.opponent->name + ", " + result.opponent->form + " " + result.opponent->layout;
    std::printf(row_format, what.name.c_str(), cell(result.check.error, result.check.error == 0 ? "%.0f" : "%.0e").c_str(),
                range_text(result.seconds, time_text).c_str(), (cell(1e-9 * rate, "%.3g") + (bytes ? " GB/s" : "")).c_str(),
                cell(result.share.median, "%.2f").c_str(), opponent.c_str(),
                result.opponent ? time_text(result.opponent->seconds.median).c_str() : "", range_text(result.ratio, short_number).c_str());
    if (const std::string line = details(result); !line.empty()) std::printf("    %s\n", line.c_str());
    for (const std::string& note : result.notes) std::printf("    ! %s\n", note.c_str());
    std::fflush(stdout);
    json_ << Json{{"kind", "case"},
                  {"name", what.name},
                  {"parameters", what.parameters},
                  {"unit", what.unit},
                  {"error", number(result.check.error)},
                  {"columns",
                   [&] {
                       Json columns = Json::object();
                       for (const auto& [key, value] : result.check.columns) columns[key] = number(value);
                       return columns;
                   }()},
                  {"amount", result.amount},
                  {"amount_is", bytes ? "bytes" : "flop"},
                  {"units", result.units},
                  {"rounds", result.rounds},
                  {"seconds", json_of(result.seconds)},
                  {"per_second", number(rate)},
                  {"roof", what.limit ? "limit" : name(what.roof)},
                  {"roof_per_second", json_of(result.roof)},
                  {"share", json_of(result.share)},
                  {"opponent", result.opponent ? json_of(*result.opponent) : Json(nullptr)},
                  {"ratio", json_of(result.ratio)},
                  {"notes", result.notes}}
          << std::endl;
}

void Output::failed(const Case& what, const std::string& why) {
    std::printf("%-40s FAILED: %s\n", what.name.c_str(), why.c_str());
    std::fflush(stdout);
    json_ << Json{{"kind", "failure"}, {"name", what.name}, {"why", why}} << std::endl;
}

void Output::say(const std::string& line) {
    std::printf("%s\n", line.c_str());
    std::fflush(stdout);
}

}  // namespace aelle::perf
