#include "kernels/cpu/batch_plan.hpp"

#include <algorithm>
#include <numeric>

namespace aelle::cpu {
namespace {

/// Terms that read the same vector.
struct Reader {
    BatchGroup like;
    std::vector<BatchGroup::Part> parts;
};

std::vector<Reader> readers_of(const std::vector<std::vector<kernels::BatchTerm>>& stages, BatchPlan& plan) {
    std::vector<Reader> readers;
    for (int s = 0; s < static_cast<int>(stages.size()); ++s) {
        for (const kernels::BatchTerm& term : stages[s]) {
            const int number = plan.slot_number(s, term.spec.slot);
            if (term.noise()) {
                plan.slots[number].noises.push_back(term);
            } else if (term.spec.source == cells::Source::one) {
                plan.slots[number].constants.push_back(term);
            } else {
                BatchGroup like;
                like.source = term.spec.source;
                like.stage = term.spec.source == cells::Source::updated_state ? s : 0;
                like.block = term.reads_state() ? term.spec.block : 0;
                like.squashed = term.spec.through == cells::Through::tanh;
                like.columns = term.columns;
                const auto same = std::find_if(readers.begin(), readers.end(), [&](const Reader& r) {
                    return r.like.source == like.source && r.like.stage == like.stage && r.like.block == like.block && r.like.squashed == like.squashed;
                });
                if (same == readers.end()) readers.push_back({like, {{number, term}}});
                else same->parts.push_back({number, term});
            }
        }
    }
    return readers;
}

/// The places that a reader's slots take, in order, each once.
std::vector<int> places(const Reader& reader, const std::vector<int>& place_of) {
    std::vector<int> taken;
    for (const BatchGroup::Part& part : reader.parts) taken.push_back(place_of[part.slot]);
    std::sort(taken.begin(), taken.end());
    taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
    return taken;
}

std::vector<BatchGroup> groups_of(const std::vector<Reader>& readers, const std::vector<int>& place_of) {
    std::vector<BatchGroup> groups;
    for (const Reader& reader : readers) {
        int previous = -2;
        for (const int place : places(reader, place_of)) {
            if (place != previous + 1) {
                groups.push_back(reader.like);
                groups.back().first_row = place;
            }
            ++groups.back().rows;
            for (const BatchGroup::Part& part : reader.parts)
                if (place_of[part.slot] == place) groups.back().parts.push_back(part);
            previous = place;
        }
    }
    return groups;
}

}  // namespace

int BatchPlan::slot_number(int stage, int index) const {
    const auto found = std::find_if(slots.begin(), slots.end(), [&](const BatchSlot& s) { return s.stage == stage && s.index == index; });
    require(found != slots.end(), "a cell's term adds to a pre-activation that its stage lacks");
    return static_cast<int>(found - slots.begin());
}

BatchPlan batch_plan(const cells::CellSpec& cell, const cells::ParameterLayout& layout, const cells::Parameters& parameters) {
    BatchPlan plan;
    for (int s = 0; s < static_cast<int>(cell.stages.size()); ++s)
        for (int k = 0; k < cell.stages[s].slots; ++k) plan.slots.push_back({.stage = s, .index = k, .row = -1, .constants = {}, .noises = {}});
    const std::vector<Reader> readers = readers_of(kernels::batch_terms(cell, layout, parameters), plan);

    std::vector<int> stacked;  // numbers of the slots that have a place, by place
    for (const Reader& reader : readers)
        for (const BatchGroup::Part& part : reader.parts) stacked.push_back(part.slot);
    std::sort(stacked.begin(), stacked.end());
    stacked.erase(std::unique(stacked.begin(), stacked.end()), stacked.end());
    plan.rows = static_cast<int>(stacked.size());
    std::vector<int> place_of(plan.slots.size(), -1), best = place_of;
    std::size_t fewest = 0;
    constexpr std::size_t most_tried = 7;  // 5040 orders
    do {
        for (int place = 0; place < plan.rows; ++place) place_of[stacked[place]] = place;
        const std::size_t products = groups_of(readers, place_of).size();
        if (fewest == 0 || products < fewest) {
            fewest = products;
            best = place_of;
        }
    } while (stacked.size() <= most_tried && std::next_permutation(stacked.begin(), stacked.end()));
    for (std::size_t i = 0; i < plan.slots.size(); ++i) plan.slots[i].row = best[i];
    plan.groups = groups_of(readers, best);
    return plan;
}

}  // namespace aelle::cpu
