#include "aelle/study/toml.hpp"

#include <functional>
#include <gtest/gtest.h>

#include "aelle/base/error.hpp"
#include "aelle/study/config.hpp"
#include "aelle/study/task.hpp"

namespace aelle::study {
namespace {

constexpr const char* good = R"(
[study]
name = "t"
task = "signal"
[variants]
cells = ["rank1"]
hidden = [20]
count = 5
init_values = [1.0, 1.5]
[training]
epochs = 2
[spectrum]
epochs = [0, 2]
)";

/// Reads everything a study file may hold, but [analysis].
StudyConfig read(const std::string& text, const std::vector<std::string>& overrides = {}) {
    const auto document = TomlDocument::parse(text, "file.toml", overrides);
    TomlTable root(document);
    StudyConfig config = read_config(root);
    make_task(root, config);
    root.finish();
    return config;
}

std::string message_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& error) {
        EXPECT_EQ(error.status(), ExitStatus::data);
        return error.what();
    }
    return "no error";
}

std::string message_with(const std::vector<std::string>& overrides) {
    return message_of([&] { read(good, overrides); });
}

TEST(StudyFile, ReadsAGoodOne) {
    const StudyConfig config = read(good);
    EXPECT_EQ(config.count, 5);
    EXPECT_EQ(config.hidden, (std::vector<int64_t>{20}));
    EXPECT_EQ(config.spectrum.epochs, (std::vector<int64_t>{0, 2}));
    EXPECT_EQ(config.spectrum.interval, 0);
    EXPECT_EQ(config.seed, 1u);
}

TEST(StudyFile, ErrorsNamePlaceKeyFoundAndExpected) {
    EXPECT_EQ(message_of([] { read("[study]\nname = \"t\"\ntask = \"signal\"\nseed = -1\n"); }),
              "file.toml:4:8: study.seed: found -1, expected an integer from 0 to 9223372036854775807");
    EXPECT_EQ(message_of([] { read("[study\n"); }).rfind("file.toml:1:", 0), 0u);
    EXPECT_EQ(message_of([] { read("study = 3\n"); }), "file.toml:1:9: study: found a value, expected a table [study]");
    EXPECT_EQ(message_of([] { read("[study]\nname = \"t\"\n"); }),
              "file.toml:1:1: study.task: missing, expected one of: signal, smnist, charrnn");
}

TEST(StudyFile, UnknownKeysNameTheNearestKnownOne) {
    EXPECT_EQ(message_of([] { read(std::string(good) + "exponent = 3\n"); }),
              "file.toml:14:12: spectrum.exponent: unknown key, did you mean 'exponents'?");
    EXPECT_NE(message_of([] { read(std::string(good) + "[sgnal]\n"); }).find("sgnal: unknown key, did you mean 'signal'?"),
              std::string::npos);
    EXPECT_NE(message_with({"variants.conut=3"}).find("variants.conut: unknown key, did you mean 'count'?"), std::string::npos);
}

TEST(StudyFile, RefusesValuesOutOfRange) {
    EXPECT_NE(message_with({"variants.count=0"}).find("found 0, expected an integer from 1"), std::string::npos);
    EXPECT_NE(message_with({"variants.count=1000000000"}).find("found 1000000000, expected an integer from 1 to 1000000"),
              std::string::npos);
    EXPECT_NE(message_with({"variants.count=600000", "variants.hidden=[20,30]"}).find("at most 1000000 variants"), std::string::npos);
    EXPECT_NE(message_with({"variants.hidden=[-3]"}).find("found -3"), std::string::npos);
    EXPECT_NE(message_with({"variants.hidden=[]"}).find("empty list"), std::string::npos);
    EXPECT_NE(message_with({"variants.init_values=[nan]"}).find("variants.init_values: found nan"), std::string::npos);
    EXPECT_NE(message_with({"variants.init_values=[inf]"}).find("found inf"), std::string::npos);
    EXPECT_NE(message_with({"variants.cells=[\"lstn\"]"}).find("expected a list of some of: rnn, lstm"), std::string::npos);
    EXPECT_NE(message_with({"spectrum.epochs=[2, 0]"}).find("ascending"), std::string::npos);
    EXPECT_NE(message_with({"spectrum.epochs=[1, 1]"}).find("ascending"), std::string::npos);
    EXPECT_NE(message_with({"spectrum.epochs=[3]"}).find("found 3, expected a list of integers from 0 to 2"), std::string::npos);
    EXPECT_NE(message_with({"spectrum.exponents=21"}).find("expected at most 20"), std::string::npos);
    EXPECT_NE(message_with({"spectrum.exponents=10", "variants.hidden=[20, 30]"}).find("expected 0 (all)"), std::string::npos);
    EXPECT_NE(message_with({"spectrum.interval=often"}).find("\"auto\" or an integer"), std::string::npos);
    EXPECT_NE(message_with({"force.dt=2"}).find("force.dt: found 2, expected a number from 1e-06 to 1"), std::string::npos);
}

TEST(StudyFile, OverridesAreNamedInMessages) {
    EXPECT_EQ(message_with({"variants.count=x"}), "--set variants.count=x: variants.count: found 'x', expected an integer from 1 to 1000000");
    EXPECT_THROW(read(good, {"variants.count"}), UsageError);
    EXPECT_NE(message_with({"variants=3"}).find("is a table"), std::string::npos);
    EXPECT_NE(message_with({"variants.count.deep=3"}).find("is a value"), std::string::npos);
}

TEST(StudyFile, OverridesReplaceAddAndTakeBareWords) {
    EXPECT_EQ(read(good, {"variants.count=9"}).count, 9);
    EXPECT_EQ(read(good, {"study.seed=4"}).seed, 4u);
    EXPECT_EQ(read(good, {"study.name=other"}).name, "other");
    EXPECT_EQ(read(good, {"spectrum.interval=auto"}).spectrum.interval, 0);
    EXPECT_NO_THROW(read(good, {"force.alpha=2.0"}));
}

TEST(TomlDocument, CharactersBeyondAsciiStandInStringsAndCommentsOnly) {
    const std::string accented = "caf\xc3\xa9";
    const std::vector<std::string> good_texts = {
        "a = \"" + accented + "\" # " + accented,
        "a = '" + accented + "'\nb = '\\' # '" + accented,
        "a = \"\\\"" + accented + "\"",
        "a = \"\"\"\n\"" + accented + "\"\" \\\"\"\"" + accented + "\"\"\"\"\"\nb = 1",
        "a = '''\n''" + accented + "''''\nb = \"\" # it's " + accented,
        "a.'" + accented + "'=['" + accented + "',{'" + accented + "'='" + accented + "'}]",
        "\xef\xbb\xbf'" + accented + "' = 1",
    };
    for (const std::string& text : good_texts) EXPECT_NO_THROW(TomlDocument::parse(text, "f")) << text;
    const std::vector<std::string> bad_texts = {"a = '" + accented + "' \xcf\x80", "a = \"b\" #\nb = 1\na = 20\xd0\x87", accented + " = 1",
                                                "a = '''b''' \x80", "a = 0\"\xcc\x96\"", "a = \"\\\xc7\x81\""};
    for (const std::string& text : bad_texts) {
        const std::string message = message_of([&, &content = text] { TomlDocument::parse(content, "f"); });
        EXPECT_NE(message.find("not ASCII"), std::string::npos) << text << ": " << message;
    }
    EXPECT_EQ(message_of([] { TomlDocument::parse("\n'\xc3\xa9' = 1\xcf\x80", "f"); }).substr(0, 6), "f:2:8:");
    EXPECT_EQ(TomlTable(TomlDocument::parse("", "f", {"name=" + accented})).string("name", std::nullopt), accented);
}

TEST(TomlDocument, AControlCharacterInAKeyIsAnError) {
    EXPECT_NE(message_of([] { TomlDocument::parse("[\x1btudy]", "f"); }).find("not valid TOML"), std::string::npos);
}

TEST(TomlDocument, DifferenceIgnoresLayoutAndTheExceptedTable) {
    const auto a = TomlDocument::parse("[s]\nx = 1\n[analysis]\nr = 1\n", "a");
    const auto b = TomlDocument::parse("# note\n[analysis]\nr = 2\n[s]\nx   = 1\n", "b");
    const auto c = TomlDocument::parse("[s]\nx = 2\n", "c");
    EXPECT_FALSE(a.first_difference(b, "analysis"));
    EXPECT_EQ(a.first_difference(c, "analysis"), "s.x: here 1, there 2");
    EXPECT_EQ(TomlDocument::parse("", "d").first_difference(c, "analysis"), "s.x: here absent, there 2");
}

TEST(TomlDocument, FingerprintsDifferWithTheStudyAlone) {
    const auto print = [](const char* text) { return TomlDocument::parse(text, "a").fingerprint("analysis"); };
    EXPECT_EQ(print("[s]\nx = 1\n[analysis]\nr = 1\n"), print("# note\n[analysis]\nr = 2\n[s]\nx   = 1\n"));
    EXPECT_NE(print("[s]\nx = 1\n"), print("[s]\nx = 2\n"));
    EXPECT_NE(print("[s]\nx = 1\n"), print("[t]\nx = 1\n"));
}

TEST(TomlDocument, TextWithOverridesParsesToTheSameStudy) {
    const auto merged = TomlDocument::parse(good, "a", {"variants.count=9"});
    const auto again = TomlDocument::parse(merged.text(), "b");
    EXPECT_FALSE(merged.first_difference(again, "analysis"));
    EXPECT_EQ(TomlDocument::parse(good, "a").text(), good);
}

}  // namespace
}  // namespace aelle::study
