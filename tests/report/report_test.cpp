// The page and its figures: complete, self-contained, safe, repeatable, and still there when something is missing.

#include "aelle/report/report.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <regex>

#include "aelle/io/file.hpp"
#include "aelle/report/gnuplot.hpp"
#include "aelle/report/html.hpp"
#include "report/synthetic_study.hpp"

namespace aelle::report {
namespace {

using testing::Folder;
using testing::Recipe;

/// PATH for the length of a test.
class PathVariable {
public:
    explicit PathVariable(const std::string& value) : before_(std::getenv("PATH") ? std::getenv("PATH") : "") {
        ::setenv("PATH", value.c_str(), 1);
    }
    ~PathVariable() { ::setenv("PATH", before_.c_str(), 1); }
    PathVariable(const PathVariable&) = delete;
    PathVariable& operator=(const PathVariable&) = delete;

private:
    std::string before_;
};

Recipe small() {
    Recipe recipe;
    recipe.variants = 44;
    recipe.repeats = 4;
    recipe.samples = 100;
    recipe.exponents = 12;
    return recipe;
}

std::size_t occurrences(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
    return count;
}

std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) files[std::filesystem::relative(entry.path(), folder).string()] = io::read_text(entry.path());
    }
    return files;
}

class DrawnReport : public ::testing::Test {
protected:
    void SetUp() override {
        if (!find_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
    }
};

TEST_F(DrawnReport, HoldsNineLabelledFiguresAndNothingFromOutside) {
    const Folder folder("report-page");
    testing::write_synthetic_study(folder.path(), small());
    const Report report = write_report(folder.path());
    EXPECT_TRUE(report.notes.empty()) << report.notes.front();
    EXPECT_EQ(report.path, folder.path() / "report" / "index.html");
    const std::string page = io::read_text(report.path);
    EXPECT_EQ(occurrences(page, "<figure>"), 9u);
    EXPECT_EQ(occurrences(page, " role=\"img\" aria-label=\""), 10u);  // the interactive plane has one of its own
    EXPECT_EQ(occurrences(page, "<figcaption>"), 9u);
    for (const char* outside : {"http:", "https:", "src=", "<link", "@import", "url(http", "xmlns"}) {
        EXPECT_EQ(page.find(outside), std::string::npos) << outside;
    }
    EXPECT_EQ(occurrences(page, "<script"), 2u);  // our data, our script
    // Identifiers are unique though every drawing comes from the same program, and every reference has its target.
    std::map<std::string, int> identifiers;
    const std::regex identifier("\\sid=[\"']([^\"']+)[\"']"), reference("href=[\"']#([^\"']+)[\"']");
    for (std::sregex_iterator found(page.begin(), page.end(), identifier), end; found != end; ++found) ++identifiers[(*found)[1]];
    for (const auto& [name, count] : identifiers) EXPECT_EQ(count, 1) << name;
    for (std::sregex_iterator found(page.begin(), page.end(), reference), end; found != end; ++found)
        EXPECT_TRUE(identifiers.contains((*found)[1])) << (*found)[1];
}

TEST_F(DrawnReport, HoldsTheFiguresOfThePaper) {
    Recipe recipe = small();
    recipe.epochs = {0, 1, 2, 3, 5, 10};
    recipe.training_epochs = 10;
    recipe.cells = {"rnn", "gru", "lem"};
    recipe.hidden = {64, 128};
    recipe.full = true;
    for (const char* task : {"smnist", "charrnn", "signal"}) {
        const Folder folder("report-" + std::string(task));
        recipe.task = task;
        testing::write_synthetic_study(folder.path(), recipe);
        const Report report = write_report(folder.path());
        EXPECT_TRUE(report.notes.empty()) << report.notes.front();
        const std::string examples = recipe.task == "smnist" ? "digits" : recipe.task == "charrnn" ? "characters" : "signals";
        for (const std::string& stem : {examples, std::string("plane-accuracy"), std::string("plane-init"), std::string("plane-size"), std::string("plane-architecture"),
                                        std::string("histogram-size"), std::string("histogram-architecture"), std::string("training-planes"),
                                        std::string("training-statistics"), std::string("median-variants"), std::string("interpretation")}) {
            EXPECT_TRUE(std::filesystem::exists(folder.path() / "report" / "figures" / (stem + ".svg"))) << stem;
        }
        const std::string curves = io::read_text(folder.path() / "report" / "figures" / "median-variants.gp");
        EXPECT_EQ(occurrences(curves, "set ylabel 'training error'"), recipe.task == "signal" ? 1u : 0u);
        const std::string page = io::read_text(report.path);
        EXPECT_EQ(occurrences(page, "<figure>"), 17u);
        EXPECT_EQ(occurrences(page, "<figure>"), occurrences(page, "</svg>"));
    }
}

TEST_F(DrawnReport, IsTheSameWhenWrittenAgain) {
    const Folder folder("report-again");
    testing::write_synthetic_study(folder.path(), small());
    write_report(folder.path());
    const auto first = contents(folder.path() / "report");
    write_report(folder.path());
    EXPECT_EQ(first, contents(folder.path() / "report"));
    EXPECT_TRUE(first.contains("figures/plane-accuracy.svg"));
    EXPECT_TRUE(first.contains("figures/plane-accuracy.gp"));
    EXPECT_TRUE(first.contains("figures/plane-accuracy.dat"));
}

TEST_F(DrawnReport, TakesHostileNamesAsText) {
    const Folder folder("report-hostile");
    Recipe recipe = small();
    const std::string trap = (folder.path() / "trap").string();
    recipe.name = "<script>alert(\"1\")</script> & 'more'";
    recipe.init_name = "g' ; system(\"touch " + trap + "\") #`touch " + trap + "`";
    recipe.loss_name = "<script>error</script>\nset output '" + trap + "'";
    recipe.text = "</pre><script>alert(2)</script>";
    recipe.classifiers[1] = "<img src=x>' `touch " + trap + "`";
    testing::write_synthetic_study(folder.path(), recipe);
    const Report report = write_report(folder.path());
    EXPECT_TRUE(report.notes.empty()) << report.notes.front();
    const std::string page = io::read_text(report.path);
    EXPECT_EQ(occurrences(page, "<script"), 2u);  // our data, our script
    EXPECT_EQ(occurrences(page, "</script"), 2u);
    EXPECT_EQ(page.find("<script>alert"), std::string::npos);
    EXPECT_EQ(page.find("<img"), std::string::npos);
    EXPECT_NE(page.find("<h1>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;</h1>"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(trap));
}

TEST_F(DrawnReport, IsWrittenWhateverIsMissingOrNotFinite) {
    Recipe recipe = small();
    recipe.without = {"example", "pc", "curve", "exponents", "statistic", "predicted_loss"};
    const Folder missing("report-bare");
    testing::write_synthetic_study(missing.path(), recipe);
    EXPECT_EQ(write_report(missing.path()).notes.size(), 4u);

    recipe = small();
    recipe.finite = false;
    const Folder empty("report-nan");
    testing::write_synthetic_study(empty.path(), recipe);
    for (const std::string& note : write_report(empty.path()).notes) EXPECT_EQ(note.find("not drawn"), std::string::npos) << note;

    recipe = small();
    recipe.variants = 2;
    recipe.repeats = 1;
    recipe.exponents = 1;
    recipe.samples = 1;
    const Folder tiny("report-two");
    testing::write_synthetic_study(tiny.path(), recipe);
    const Report report = write_report(tiny.path());
    EXPECT_TRUE(report.notes.empty()) << report.notes.front();
}

TEST(Report, WithoutGnuplotWritesDataAndScriptsAndSaysSo) {
    const Folder folder("report-no-gnuplot");
    testing::write_synthetic_study(folder.path(), small());
    const PathVariable path("");
    EXPECT_FALSE(find_gnuplot());
    const Report report = write_report(folder.path());
    ASSERT_EQ(report.notes.size(), 1u);
    EXPECT_NE(report.notes[0].find("gnuplot was not found"), std::string::npos);
    const std::string page = io::read_text(report.path);
    EXPECT_NE(page.find("gnuplot was not found"), std::string::npos);
    EXPECT_EQ(page.find("<svg"), std::string::npos);
    EXPECT_NE(page.find("<table>"), std::string::npos);
    const auto figures = folder.path() / "report" / "figures";
    EXPECT_TRUE(std::filesystem::exists(figures / "spectra.gp"));
    EXPECT_TRUE(std::filesystem::exists(figures / "spectra-high.dat"));
    EXPECT_FALSE(std::filesystem::exists(figures / "spectra.svg"));
}

TEST(Report, SurvivesAGnuplotThatFails) {
    const Folder folder("report-broken-gnuplot");
    testing::write_synthetic_study(folder.path(), small());
    const auto programs = folder.path() / "bin";
    std::filesystem::create_directories(programs);
    io::write_atomically(programs / "gnuplot", "#!/bin/sh\necho broken in a special way >&2\nexit 3\n");
    std::filesystem::permissions(programs / "gnuplot", std::filesystem::perms::owner_all);
    const PathVariable path(programs.string());
    const Report report = write_report(folder.path());
    ASSERT_EQ(report.notes.size(), 9u);
    EXPECT_NE(report.notes[0].find("broken in a special way"), std::string::npos) << report.notes[0];
}

TEST(Report, LeavesOutOtherAnalysesThatCannotBeReadAndSaysHowToMakeThemAnew) {
    const Folder folder("report-analyses");
    testing::write_synthetic_study(folder.path(), small());
    const auto analyses = folder.path() / "analyses";
    for (const char* name : {"broken", "foreign", "sound"}) std::filesystem::create_directories(analyses / name);
    io::write_atomically(analyses / "broken" / "analysis.h5", "no HDF5");
    std::filesystem::copy_file(folder.path() / "analysis.h5", analyses / "sound" / "analysis.h5");
    const Folder other("report-analyses-other");
    Recipe recipe = small();
    recipe.variants = 45;
    testing::write_synthetic_study(other.path(), recipe);
    std::filesystem::copy_file(other.path() / "analysis.h5", analyses / "foreign" / "analysis.h5");
    const PathVariable path("");
    const Report report = write_report(folder.path());
    ASSERT_EQ(report.notes.size(), 3u);  // and that gnuplot was not found
    for (std::size_t i : {1, 2}) {
        const std::string name = i == 1 ? "broken" : "foreign";
        EXPECT_TRUE(report.notes[i].starts_with("Analysis left out: " + name + ": ")) << report.notes[i];
        EXPECT_NE(report.notes[i].find("analyze " + folder.path().string() + " --as " + name), std::string::npos) << report.notes[i];
    }
    const std::string page = io::read_text(report.path);
    EXPECT_NE(page.find("<th scope=\"col\">sound</th>"), std::string::npos);
    EXPECT_EQ(page.find("<th scope=\"col\">broken</th>"), std::string::npos);
    EXPECT_NE(page.find("Analysis left out: broken"), std::string::npos);
}

TEST(Gnuplot, LiteralsCannotBeLeft) { EXPECT_EQ(gnuplot_quoted("'it's\n`x`"), "'’it’s `x`'"); }

TEST(Html, EscapesEverySpecialCharacter) { EXPECT_EQ(escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;"); }

TEST(Html, DrawingsGetTheirOwnIdentifiers) {
    const std::string svg =
        "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://x\" viewBox=\"0 0 1 1\"><title>t</title>"
        "<path id='a'/><use xlink:href='#a'/><g fill=\"url(#p)\"/></svg>";
    EXPECT_EQ(inline_svg(svg, "f1-", "a <b>"),
              "<svg viewBox=\"0 0 1 1\" role=\"img\" aria-label=\"a &lt;b&gt;\"><path id='f1-a'/><use xlink:href='#f1-a'/>"
              "<g fill=\"url(#f1-p)\"/></svg>");
}

}  // namespace
}  // namespace aelle::report
