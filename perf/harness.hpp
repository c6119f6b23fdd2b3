#pragma once
/// What a case is, and how it is measured.
///
/// A case does its unit of work on every core at once, one independent worker a core, and so does its opponent; the two take turns, with the
/// machine's limit measured between them, so that a machine that drifts drifts for all three. A case's time is that of the whole machine per
/// unit: 1 / (units of all workers per second). Ratios and shares are taken round by round; what is reported is their median.

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crew.hpp"
#include "roofline.hpp"

namespace aelle::perf {

inline constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// What is asked for on the command line.
struct Plan {
    bool full = false;
    int threads = 1;
    double seconds = 0.2;  ///< of one side in one round, at least one unit
    int rounds = 3;
    std::vector<std::string> pythons;  ///< that peers may run in
    std::string peer_script;
    std::string program;  ///< the program aelle; empty where there is none
};

/// Found once, before anything is timed.
struct Check {
    double error = unknown;  ///< largest difference from the reference or from another way to the same numbers
    std::map<std::string, double> columns = {};
    double amount = 0.0;  ///< goes before Case::amount where it depends on what was found
};

/// Arguments of the peers' script: WORK key=value ...
struct PeerWork {
    std::string work;
    std::map<std::string, std::string> arguments = {};
};

/// Another way to do the unit, in this program.
struct Rival {
    std::string form;
    std::function<std::unique_ptr<Side>(int threads)> side;
};

struct Case {
    std::string name;  ///< "spectra/lstm/hidden/64/every"
    std::map<std::string, std::string> parameters = {};
    std::string unit;     ///< in words
    double amount = 0.0;  ///< of a unit: FLOP, or bytes where the roof is one of memory
    Roof roof = Roof::none;
    std::function<Check()> check = {};
    std::function<std::unique_ptr<Side>(int threads)> side;
    std::optional<PeerWork> peer = {};
    std::optional<Rival> rival = {};
    std::function<Work()> limit = {};  ///< in place of a roof: work that no way to do the unit can undercut
    bool scaling = false;              ///< measure with each round what all cores gain over one in large products
};

/// Sides made of workers of this program.
std::function<std::unique_ptr<Side>(int threads)> crew_of(std::function<Work()> worker);

struct Spread {
    double median = unknown, least = unknown, most = unknown;
};
Spread spread(std::vector<double> values);

struct Opponent {
    std::string python, name, form, unit, layout;
    double error = unknown;
    Spread seconds = {};
    std::vector<std::string> tried = {};  ///< "python: name, form, layout: seconds"
};

struct Result {
    const Case* what = nullptr;
    Check check = {};
    double amount = 0.0;
    int64_t units = 0;  ///< of each worker in a round
    int rounds = 0;
    Spread seconds = {};  ///< of the whole machine per unit
    Spread share = {};    ///< of the roof, or of the limit
    Spread roof = {};     ///< FLOP or bytes a second
    std::optional<Opponent> opponent = {};
    Spread ratio = {};  ///< the opponent's time over ours
    std::vector<std::string> notes = {};
};

Result measure(const Case& what, const Plan& plan, Roofline& roofline);

}  // namespace aelle::perf
