// tools/fetch-data against folders in place of servers; whatever else it asks for is refused by a proxy that is not there.
#include "program.hpp"

namespace aelle::test {
namespace {

class FetchData : public ProgramTest {
protected:
    void SetUp() override {
        ProgramTest::SetUp();
        server_ = scratch_ / "server";
        data_ = scratch_ / "data";
        if (std::system("command -v curl >/dev/null 2>&1") != 0) GTEST_SKIP() << "curl is not here";
        fs::create_directories(server_);
    }
    Outcome fetch(const std::vector<std::string>& words) const {
        const std::string nobody = "http://127.0.0.1:9", here = "file://" + server_.string();
        std::vector<std::string> all{"env", "https_proxy=" + nobody, "http_proxy=" + nobody, "MNIST_URL=" + here, "WAR_AND_PEACE_URL=" + here + "/text",
                                     source / "tools" / "fetch-data"};
        all.insert(all.end(), words.begin(), words.end());
        return Process(all, scratch_).wait();
    }
    static bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
    bool anything_but(const std::vector<std::string>& names) const {
        for (const auto& entry : fs::recursive_directory_iterator(data_))
            if (entry.is_regular_file() && std::find(names.begin(), names.end(), entry.path().filename()) == names.end()) return true;
        return false;
    }

    fs::path server_, data_;
};

TEST_F(FetchData, SaysWhatToDoWithoutInternet) {
    const Outcome outcome = fetch({data_});
    EXPECT_EQ(outcome.status, 69);
    for (const char* part : {"train-images-idx3-ubyte.gz: could not be downloaded", "Without internet", "input.txt", "need no data"})
        EXPECT_TRUE(contains(outcome.err, part)) << part << "\n" << outcome.err;
    EXPECT_FALSE(anything_but({}));
}

TEST_F(FetchData, KeepsNothingThatIsNotWhatItShouldBe) {
    std::ofstream(server_ / "train-labels-idx1-ubyte.gz") << "<html>Log in to this network</html>";
    std::ofstream(server_ / "text") << std::string(3100000, 'x') << "\xff";
    const Outcome outcome = fetch({data_});
    EXPECT_NE(outcome.status, 0);
    EXPECT_TRUE(contains(outcome.err, "train-labels-idx1-ubyte.gz: sha256")) << outcome.err;
    EXPECT_TRUE(contains(outcome.err, "expected UTF-8 text")) << outcome.err;
    EXPECT_FALSE(anything_but({}));
    EXPECT_EQ(fetch({data_, "war_and_peace"}).status, 65);
}

TEST_F(FetchData, TextLosesItsMarkAndCarriageReturns) {
    std::string text, expected;
    while (expected.size() < 3000000) {
        text += "Eh bien, mon prince: \xc3\xa0 Moscou\r\n";
        expected += "Eh bien, mon prince: \xc3\xa0 Moscou\n";
    }
    std::ofstream(server_ / "text") << "\xef\xbb\xbf" << text;
    const Outcome outcome = fetch({data_, "war_and_peace"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(contains(outcome.out, "another edition")) << outcome.out;
    EXPECT_TRUE(slurp(data_ / "war_and_peace" / "input.txt") == expected);
    EXPECT_FALSE(anything_but({"input.txt"}));
}

TEST_F(FetchData, LeavesFilesThatAreThere) {
    fs::create_directories(data_ / "war_and_peace");
    std::ofstream(data_ / "war_and_peace" / "input.txt") << "mine";
    std::ofstream(server_ / "text") << std::string(3100000, 'x');
    EXPECT_EQ(fetch({data_, "war_and_peace"}).status, 0);
    EXPECT_EQ(slurp(data_ / "war_and_peace" / "input.txt"), "mine");
}

TEST_F(FetchData, WrongUsageIs64) {
    for (const std::vector<std::string>& words : {std::vector<std::string>{}, {"--help"}, {data_.string(), "cifar"}}) EXPECT_EQ(fetch(words).status, 64);
    EXPECT_FALSE(fs::exists(data_));
}

}  // namespace
}  // namespace aelle::test
