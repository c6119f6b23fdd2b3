#pragma once
/// The table for people and one JSON object a line for programs (perf/compare).

#include <fstream>
#include <string>

#include "harness.hpp"
#include "machine.hpp"

namespace aelle::perf {

class Output {
public:
    /// `json`: the file to write, or empty. CannotCreate when it cannot be.
    explicit Output(const std::string& json);

    void machine(const Machine& machine, const Plan& plan);
    void roofs(Roofline& roofline, int threads, const char* when);  ///< measures and shows all of them
    void header();
    void row(const Result& result);
    void failed(const Case& what, const std::string& why);
    void say(const std::string& line);

private:
    std::string path_;
    std::ofstream json_;
};

}  // namespace aelle::perf
