#include "peers.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "process.hpp"

namespace aelle::perf {
namespace {

constexpr double time_to_start = 300, time_for_first_unit = 180;

double number(const std::string& line) {
    char* end = nullptr;
    const double value = std::strtod(line.c_str(), &end);
    if (end == line.c_str() || !(value > 0)) throw DataError("peer: found '" + line + "', expected seconds");
    return value;
}

/// Processes that do the same work side by side.
class PeerGroup final : public Side {
public:
    PeerGroup(const std::string& python, const PeerWork& work, const std::string& script, int count, int threads) : threads_(threads) {
        std::vector<std::string> command{python, script, work.work};
        for (const auto& [key, value] : work.arguments) command.push_back(key + "=" + value);
        command.push_back("threads=" + std::to_string(threads));
        for (int i = 0; i < count; ++i) processes_.push_back(std::make_unique<Process>(command, i * threads, threads));
        for (auto& process : processes_) greetings_.push_back(process->read_line(time_to_start));
    }

    Opponent facts(const std::string& python) const {
        Opponent facts;
        facts.python = python;
        facts.layout = std::to_string(processes_.size()) + "x" + std::to_string(threads_);
        for (const std::string& line : greetings_) {
            const auto greeting = nlohmann::json::parse(line, nullptr, false);
            if (!greeting.is_object()) throw DataError(python + ": found '" + line + "', expected a line of JSON");
            facts.name = greeting.value("peer", "?");
            facts.unit = greeting.value("unit", "?");
            // Each process chooses its own way to do the work.
            const std::string form = greeting.value("form", "?");
            if (facts.form.find(form) == std::string::npos) facts.form += (facts.form.empty() ? "" : " and ") + form;
            if (greeting.contains("error") && greeting["error"].is_number()) facts.error = greeting["error"];
        }
        return facts;
    }

    Sample run(int64_t units) override {
        std::vector<double> before;
        for (auto& process : processes_) before.push_back(process->processor_seconds());
        for (auto& process : processes_) process->write_line(std::to_string(units));
        // A peer that needs ten times as long as it did has stopped working.
        const double timeout = time_for_first_unit + 10 * slowest_ * static_cast<double>(units);
        Sample sample;
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            const double seconds = number(processes_[i]->read_line(timeout));
            sample.rate += static_cast<double>(units) / seconds;
            sample.seconds = std::max(sample.seconds, seconds);
            if (threads_ == 1) sample.busy = std::min(sample.busy, (processes_[i]->processor_seconds() - before[i]) / seconds);
        }
        slowest_ = sample.seconds / static_cast<double>(units);
        return sample;
    }

private:
    int threads_;
    std::vector<std::unique_ptr<Process>> processes_;
    std::vector<std::string> greetings_;
    double slowest_ = 0.0;
};

}  // namespace

std::vector<std::string> usual_pythons() {
    std::vector<std::string> pythons;
    if (const char* given = std::getenv("AELLE_PEERS")) {
        std::istringstream words(given);
        for (std::string python; std::getline(words, python, ',');)
            if (!python.empty()) pythons.push_back(python);
    } else if (run_command({"python3", "-c", "import torch"}).status == 0) {
        pythons.push_back("python3");
    }
    return pythons;
}

Challenger fastest_peer(const PeerWork& work, const Plan& plan) {
    Challenger best;
    double best_rate = 0.0;
    const auto meet = [&](const std::string& python, int count, int threads) {
        try {
            auto group = std::make_unique<PeerGroup>(python, work, plan.peer_script, count, threads);
            const Opponent facts = group->facts(python);
            group->run(1);  // the first unit is often slower than the rest
            const double rate = group->run(1).rate;
            best.facts.tried.push_back(python + ": " + facts.name + ", " + facts.form + ", " + facts.layout + ": " + rounded(1 / rate) +
                                       " s");
            if (rate <= best_rate) return;
            best_rate = rate;
            const auto tried = std::move(best.facts.tried);
            best.facts = facts;
            best.facts.tried = tried;
            best.side = std::move(group);
        } catch (const Error& error) {
            best.facts.tried.push_back(python + ": " + error.what());
            best.notes.push_back(std::string("peer ") + work.work + ": " + error.what());
        }
    };
    for (const std::string& python : plan.pythons) {
        meet(python, plan.threads, 1);
        if (plan.full && plan.threads > 1) meet(python, 1, plan.threads);
    }
    return best;
}

}  // namespace aelle::perf
