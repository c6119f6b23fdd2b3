#include <algorithm>
#include <cmath>

#include "aelle/base/error.hpp"
#include "aelle/base/text.hpp"
#include "harness.hpp"
#include "peers.hpp"

namespace aelle::perf {
namespace {

constexpr double least_busy = 0.95;

/// Units for each worker such that they take about `seconds`; the runs before it warm up.
int64_t suitable_units(Side& side, double seconds) {
    int64_t units = 1;
    for (;;) {
        const Sample sample = side.run(units);
        if (sample.seconds >= seconds / 4) {
            return std::max<int64_t>(1, std::llround(static_cast<double>(units) * seconds / sample.seconds));
        }
        const double growth = std::clamp(0.5 * seconds / sample.seconds, 2.0, 100.0);
        units = static_cast<int64_t>(static_cast<double>(units) * growth) + 1;
    }
}

/// Both sides, the limit and what was seen of them round by round.
struct Rounds {
    std::vector<double> ours, theirs, ratio, share, roof, dgemm_gain, sgemm_gain, busy, peer_busy;
};

/// One disturbance is what medians are for; half of the rounds are too many.
void add_note_of_company(Result& result, const std::vector<double>& busy_rounds, const std::string& whom) {
    const double busy = spread(busy_rounds).median;
    if (!(busy < least_busy)) return;
    result.notes.push_back("other programs took " + rounded(100 * (1 - busy), 2) + " % of the processor time from " + whom);
}

void measure_roof(const Case& what, const Plan& plan, Roofline& roofline, Side* limit, int64_t limit_units, double rate, Rounds& rounds,
                  const Result& result) {
    if (limit != nullptr) {
        const double most = limit->run(limit_units).rate;
        rounds.share.push_back(rate / most);
        rounds.roof.push_back(result.amount * most);
    } else if (what.roof != Roof::none) {
        const double most = roofline.rate(what.roof, plan.threads);
        rounds.share.push_back(result.amount * rate / most);
        rounds.roof.push_back(most);
    }
    if (what.scaling) {
        for (auto [roof, gains] : {std::pair{Roof::dgemm, &rounds.dgemm_gain}, std::pair{Roof::sgemm, &rounds.sgemm_gain}})
            gains->push_back(roofline.rate(roof, plan.threads) / roofline.rate(roof, 1));
    }
}

Challenger find_opponent(const Case& what, const Plan& plan) {
    if (what.rival) {
        Challenger rival;
        rival.facts.name = rival.facts.form = what.rival->form;
        rival.facts.unit = what.unit;
        rival.side = what.rival->side(plan.threads);
        return rival;
    }
    return what.peer ? fastest_peer(*what.peer, plan) : Challenger{};
}

}  // namespace

std::function<std::unique_ptr<Side>(int threads)> crew_of(std::function<Work()> worker) {
    return [worker = std::move(worker)](int threads) { return std::make_unique<Crew>(threads, worker); };
}

Spread spread(std::vector<double> values) {
    if (values.empty()) return {};
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    const double median = values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
    return {median, values.front(), values.back()};
}

Result measure(const Case& what, const Plan& plan, Roofline& roofline) {
    Result result;
    result.what = &what;
    if (what.check) result.check = what.check();
    result.amount = result.check.amount > 0 ? result.check.amount : what.amount;
    result.rounds = plan.rounds;
    const auto ours = what.side(plan.threads);
    result.units = suitable_units(*ours, plan.seconds);
    std::unique_ptr<Side> limit;
    int64_t limit_units = 0;
    if (what.limit) {
        limit = std::make_unique<Crew>(plan.threads, what.limit);
        limit_units = suitable_units(*limit, plan.seconds / 2);
    }
    Challenger opponent = find_opponent(what, plan);
    result.notes = opponent.notes;
    int64_t their_units = 0;
    Rounds rounds;
    const auto let_opponent_run = [&](double our_rate) {
        if (!opponent.side) return;
        try {
            if (their_units == 0) their_units = suitable_units(*opponent.side, plan.seconds);
            if (our_rate == 0) return;
            const Sample theirs = opponent.side->run(their_units);
            rounds.theirs.push_back(1 / theirs.rate);
            rounds.ratio.push_back(our_rate / theirs.rate);
            rounds.peer_busy.push_back(theirs.busy);
        } catch (const Error& error) {
            opponent.side.reset();
            result.notes.push_back(std::string("peer: ") + error.what());
        }
    };
    let_opponent_run(0);
    for (int i = 0; i < plan.rounds; ++i) {
        const Sample mine = ours->run(result.units);
        rounds.ours.push_back(1 / mine.rate);
        rounds.busy.push_back(mine.busy);
        let_opponent_run(mine.rate);
        measure_roof(what, plan, roofline, limit.get(), limit_units, mine.rate, rounds, result);
    }
    result.seconds = spread(rounds.ours);
    result.share = spread(rounds.share);
    result.roof = spread(rounds.roof);
    if (!rounds.theirs.empty()) {
        opponent.facts.seconds = spread(rounds.theirs);
        result.ratio = spread(rounds.ratio);
        result.opponent = opponent.facts;
        add_note_of_company(result, rounds.peer_busy, "the peer");
    }
    add_note_of_company(result, rounds.busy, "this program");
    if (what.scaling) {
        result.check.columns["dgemm_gain"] = spread(rounds.dgemm_gain).median;
        result.check.columns["sgemm_gain"] = spread(rounds.sgemm_gain).median;
    }
    for (const auto& [name, value] : ours->columns()) result.check.columns[name] = value;
    return result;
}

}  // namespace aelle::perf
