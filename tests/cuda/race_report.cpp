// Races in words.

#include <unistd.h>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>

#include "tests/cuda/race_runtime.hpp"

namespace aelle::cuda::races {
namespace {

#if defined(__PIE__)
constexpr uintptr_t linked_at = 0;
#else
extern "C" const char __executable_start;
const auto linked_at = reinterpret_cast<uintptr_t>(&__executable_start);
#endif

struct Program {
    char path[4096] = {};
    Program() { static_cast<void>(readlink("/proc/self/exe", path, sizeof path - 1) < 0); }
};

/// For addr2line: of the call, and not of where it returns to.
uintptr_t call(uintptr_t place) { return linked_at + place - 1; }

/// "file:line, in file:line", the second where the first is inlined, for each place.
std::map<uintptr_t, std::string> lines(const std::set<uintptr_t>& places) {
    std::ostringstream command;
    command << "addr2line -a -i -s -e '" << Program().path << "'" << std::hex;
    for (const uintptr_t place : places) command << " 0x" << call(place);
    std::map<uintptr_t, std::string> found;
    std::FILE* pipe = popen(command.str().c_str(), "r");
    if (pipe == nullptr) return found;
    char line[4096];
    std::string* text = nullptr;
    while (std::fgets(line, sizeof line, pipe) != nullptr) {
        std::string words = line;
        words.resize(words.find_last_not_of('\n') + 1);
        if (words.rfind("0x", 0) == 0) text = &found[std::stoull(words, nullptr, 16) - linked_at + 1];
        else if (text != nullptr) *text += (text->empty() ? "" : ", in ") + words.substr(0, words.find(" ("));
    }
    pclose(pipe);
    return found;
}

const char* wanted(Between between) {
    switch (between) {
        case Between::lanes: return "lanes of one warp, without a barrier of the warp between them";
        case Between::warps: return "warps of one block, without a barrier of the block between them";
        case Between::blocks: return "blocks of one cluster, without a barrier of the cluster between them";
        case Between::clusters: return "clusters of one launch, between which there is no barrier";
        case Between::nothing: break;
    }
    return "one thread";
}

const char* kind(const Use& use) { return use.writes ? "write" : "read"; }

std::string sentence(const Use& use, const std::string& place) {
    std::ostringstream text;
    text << "\n    " << kind(use) << " by block " << use.block << ", warp " << use.thread / 32 << ", lane " << use.thread % 32 << " at "
         << place;
    return text.str();
}

}  // namespace

std::vector<std::string> describe(const std::vector<Race>& found) {
    std::set<uintptr_t> places;
    for (const Race& race : found) places.insert({race.before.code, race.after.code});
    const std::map<uintptr_t, std::string> all = lines(places);
    const auto line = [&](const Use& use) {
        const auto it = all.find(use.code);
        std::ostringstream offset;
        offset << "program + 0x" << std::hex << use.code;
        return it == all.end() ? offset.str() : it->second;
    };
    std::vector<std::string> texts;
    std::set<std::string> known;
    for (const Race& race : found) {
        const std::string before = line(race.before), after = line(race.after);
        const std::string what = std::string("race of ") + kind(race.before) + " and " + kind(race.after) + " in " +
                                 (race.shared ? "shared" : "device") + " memory by " + wanted(race.between);
        if (known.insert(what + before + after).second) texts.push_back(what + sentence(race.before, before) + sentence(race.after, after));
    }
    return texts;
}

void last_words() {
    const Program program;
    char line[5000];
    for (const Race& race : found()) {
        const int length =
            std::snprintf(line, sizeof line, "race of %s and %s: addr2line -Cie '%s' 0x%jx 0x%jx\n", kind(race.before), kind(race.after),
                          program.path, uintmax_t{call(race.before.code)}, uintmax_t{call(race.after.code)});
        if (write(STDERR_FILENO, line, static_cast<std::size_t>(length)) < 0) return;
    }
}

}  // namespace aelle::cuda::races
