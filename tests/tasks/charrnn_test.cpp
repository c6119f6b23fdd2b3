#include "aelle/tasks/charrnn.hpp"

#include <set>

#include "src/tasks/utf8.hpp"
#include "tasks/data_folder.hpp"

namespace aelle::tasks {
namespace {

using test::contains;
using test::message_of;
using test::put;

class TextFiles : public test::Scratch {
protected:
    std::filesystem::path file() const { return folder_ / "war_and_peace/input.txt"; }
    Text read(std::string_view content) const {
        put(file(), content);
        return read_text(folder_);
    }
};

TEST_F(TextFiles, VocabularyAscendsByCodePoint) {
    const Text text = read("b\xc3\xa9" "a\n\xf0\x9f\x98\x80" "a\xe2\x82\xac");
    EXPECT_EQ(text.vocabulary, (std::vector<std::string>{"\n", "a", "b", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}));
    EXPECT_EQ(text.symbols, (std::vector<int32_t>{2, 3, 1, 0, 5, 1, 4}));
    EXPECT_EQ(read("\xef\xbb\xbf" "ab").symbols, (std::vector<int32_t>{0, 1})) << "the byte-order mark is left out";
    EXPECT_EQ(read("a\xef\xbb\xbf").vocabulary.size(), 2u) << "inside a text it is a character";
}

TEST_F(TextFiles, WhatIsNotTextIsRefused) {
    const std::string missing = message_of<MissingInput>([&] { read_text(folder_); });
    EXPECT_TRUE(contains(missing, file().string()) && contains(missing, "tools/fetch-data") && contains(missing, folder_.string())) << missing;
    message_of<DataError>([&] { read(""); });
    message_of<DataError>([&] { read("\xef\xbb\xbf"); });
    const std::string message = message_of<DataError>([&] { read("caf\xe9 noir"); });  // Latin-1
    EXPECT_TRUE(contains(message, file().string() + ": byte 4: found 0x20")) << message;
}

// The boundaries of RFC 3629, section 4.
TEST(Utf8, EveryMalformationIsRefusedAtItsByte) {
    const std::vector<std::pair<std::string, std::string>> wrong = {
        {"a\x80", "byte 1"},                 // a continuation alone
        {"\xc0\x80", "byte 0"},              // NUL in two bytes
        {"\xc1\xbf", "byte 0"},              //
        {"ab\xe0\x9f\xbf", "byte 2"},        // three bytes for what two can hold
        {"\xf0\x8f\xbf\xbf", "byte 0"},      // four for three
        {"\xed\xa0\x80", "byte 0"},          // surrogates
        {"\xed\xbf\xbf", "byte 0"},          //
        {"\xf4\x90\x80\x80", "byte 0"},      // U+110000
        {"\xf8\x88\x80\x80\x80", "byte 0"},  // five bytes
        {"\xff", "byte 0"},                  //
        {"a\xe2\x82", "byte 1"},             // cut off
        {"\xe2\x28\xa1", "byte 1"},          // not continued
    };
    for (const auto& [text, place] : wrong) {
        const std::string message = message_of<DataError>([&, &bytes = text] { decode_utf8(bytes, "text"); });
        EXPECT_TRUE(contains(message, "text: " + place + ":")) << message << ", expected " << place;
    }
    EXPECT_TRUE(contains(message_of<DataError>([] { decode_utf8("\xed\xa0\x80", "t"); }), "surrogate"));
}

TEST(Utf8, EveryCodePointSurvives) {
    std::string text;
    std::vector<char32_t> codes;
    for (char32_t code = 0; code <= 0x10ffff; ++code) {
        if (code >= 0xd800 && code <= 0xdfff) continue;
        text += encode_utf8(code);
        codes.push_back(code);
    }
    EXPECT_EQ(text.size(), 128u + 2 * 1920 + 3 * (63488 - 2048) + 4 * 1048576);
    EXPECT_TRUE(decode_utf8(text, "all") == codes);
}

Text letters(int64_t count) {
    Text text;
    for (int64_t i = 0; i < count; ++i) text.symbols.push_back(static_cast<int32_t>(i % 7));
    text.vocabulary = {"a", "b", "c", "d", "e", "f", "g"};
    return text;
}

TEST(TextWindows, AreDisjointAndEndWithTheirTarget) {
    const Text text = letters(30);
    const auto windows = text_windows(text, 2, 29, 4, false);  // 27 characters: 5 windows of 5
    EXPECT_EQ(windows->size(), 5);
    EXPECT_EQ(windows->steps(), 4);
    EXPECT_EQ(windows->features(), 7);
    EXPECT_EQ(windows->classes(), 7);
    EXPECT_EQ(windows->target_steps(), 1);
    learn::Minibatch batch;
    windows->gather(std::vector<int64_t>{4, 0}, batch);
    EXPECT_TRUE(batch.values.empty());
    for (int64_t t = 0; t < 4; ++t) {
        EXPECT_EQ(batch.symbols[static_cast<std::size_t>(2 * t)], (22 + t) % 7);
        EXPECT_EQ(batch.symbols[static_cast<std::size_t>(2 * t + 1)], 2 + t);
    }
    EXPECT_EQ(batch.targets, (std::vector<int32_t>{26 % 7, 6}));
    const auto every = text_windows(text, 2, 29, 4, true);
    EXPECT_EQ(every->target_steps(), 4);
    every->gather(std::vector<int64_t>{0, 1}, batch);
    EXPECT_EQ(batch.targets, (std::vector<int32_t>{3, 8 % 7, 4, 9 % 7, 5, 10 % 7, 6, 11 % 7}));
}

TEST(TextWindows, PartsThatDoNotFitAreRefused) {
    const Text text = letters(30);
    EXPECT_EQ(text_windows(text, 0, 5, 4, false)->size(), 1);
    for (const auto& [first, last, steps] : std::vector<std::array<int64_t, 3>>{
             {0, 4, 4}, {-1, 20, 4}, {0, 31, 4}, {9, 8, 4}, {0, 30, 0}, {0, 30, INT64_MAX}, {30, 30, 1}, {INT64_MIN, INT64_MAX, 4}}) {
        EXPECT_THROW(text_windows(text, first, last, steps, false), DataError) << first << " " << last << " " << steps;
    }
}

TEST(Charrnn, RealTextHas82Symbols) {
    const auto data = test::real_data("war_and_peace");
    if (!data) GTEST_SKIP() << "no war_and_peace in $AELLE_DATA or ../shared/data";
    const Text text = read_text(*data);
    EXPECT_EQ(text.symbols.size(), 3'202'303u);
    EXPECT_EQ(text.vocabulary.size(), 82u);
    EXPECT_EQ(text.vocabulary.front(), "\n");
    EXPECT_EQ(std::set<int32_t>(text.symbols.begin(), text.symbols.end()).size(), 82u);
    std::string start;
    for (int i = 0; i < 7; ++i) start += text.vocabulary[static_cast<std::size_t>(text.symbols[static_cast<std::size_t>(i)])];
    EXPECT_EQ(start, "CHAPTER");
    EXPECT_EQ(text_windows(text, 0, static_cast<int64_t>(text.symbols.size()), 100, false)->size(), 3'202'303 / 101);
}

}  // namespace
}  // namespace aelle::tasks
