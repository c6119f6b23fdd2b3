// The tests of emulated kernels, which fail where threads race.

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <string_view>

#include "tests/cuda/race_runtime.hpp"

namespace {

using namespace aelle::cuda;

class Watch : public ::testing::EmptyTestEventListener {
    void OnTestEnd(const ::testing::TestInfo& test) override {
        const std::vector<races::Race> found = races::take();
        if (std::string_view(test.name()) == "AMissingBarrierIsSeen") {  // left out on purpose
            EXPECT_FALSE(found.empty());
            return;
        }
        for (const std::string& race : races::describe(found)) ADD_FAILURE() << race;
    }
    void OnTestProgramEnd(const ::testing::UnitTest&) override {
        const races::Effort all = races::effort();
        std::printf("Watched: %.3g accesses, %.3g barriers; table of %.0f MB.\n", static_cast<double>(all.accesses),
                    static_cast<double>(all.barriers), static_cast<double>(all.most_bytes) * 1e-6);
    }
};

/// A thread that reads too early may crash on what it read: the race is the reason to tell.
void tell_and_die(int signal) {
    races::last_words();
    std::signal(signal, SIG_DFL);
    raise(signal);
}

}  // namespace

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    ::testing::UnitTest::GetInstance()->listeners().Append(new Watch);
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGABRT}) std::signal(signal, tell_and_die);
    return RUN_ALL_TESTS();
}
