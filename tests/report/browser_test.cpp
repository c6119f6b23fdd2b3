// The page in headless Chromium, played by tests/report/browser_test.py with Debian's chromium, chromium-driver and python3-selenium; skipped without them.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "aelle/report/report.hpp"
#include "report/synthetic_study.hpp"

namespace aelle::report {
namespace {

void play(const testing::Recipe& recipe, const std::string& name) {
    const testing::Folder folder(name);
    testing::write_synthetic_study(folder.path(), recipe);
    const Report report = write_report(folder.path());
    const std::string command = std::string("/usr/bin/python3 '") + AELLE_SOURCE + "/tests/report/browser_test.py' '" +
                                report.path.string() + "' " + std::to_string(recipe.variants) + " " + std::to_string(recipe.epochs.size());
    int status = std::system(command.c_str());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 3) status = std::system(command.c_str());  // a crash of the browser is not the page's
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77 || WEXITSTATUS(status) == 127) GTEST_SKIP() << "no chromium, chromium-driver or python3-selenium";
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

testing::Recipe recipe_of(int64_t variants, std::vector<int64_t> epochs) {
    testing::Recipe recipe;
    recipe.variants = variants;
    recipe.epochs = std::move(epochs);
    recipe.training_epochs = recipe.epochs.back();
    recipe.repeats = 2;
    recipe.exponents = 64;
    recipe.cells = {"rnn", "gru", "lem"};
    recipe.hidden = {64, 128};
    recipe.name = "</script><script>alert(1)</script>";
    recipe.init_name = "p</script>";
    recipe.classifiers = {"all-good", "aelle-pc1"};
    return recipe;
}

TEST(Browser, PageIsUsedByPointerAndKeyboardSlow) { play(recipe_of(120, {0, 1, 5}), "browser"); }

TEST(Browser, TenThousandNetworksSlow) { play(recipe_of(10'000, {10}), "browser-many"); }

}  // namespace
}  // namespace aelle::report
