#include "aelle/embed/spectra_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "aelle/base/error.hpp"
#include "aelle/io/h5.hpp"

namespace aelle::embed {
namespace {

using Rows = std::vector<std::vector<double>>;

class SpectraFileTest : public testing::Test {
protected:
    void SetUp() override {
        folder_ = std::filesystem::temp_directory_path() / ("aelle_spectra_file_" + std::to_string(::getpid()));
        std::filesystem::create_directories(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    static std::string message(const std::string& csv) {
        try {
            parse_csv(csv, "x.csv");
        } catch (const DataError& error) {
            return error.what();
        }
        return "accepted";
    }

    std::filesystem::path folder_;
    const double nan = std::nan("");
};

TEST_F(SpectraFileTest, CsvWithAndWithoutHeader) {
    const Rows expected{{0.5, -1.0}, {0.25, -2e-3}};
    EXPECT_EQ(parse_csv("0.5,-1\n0.25,-2e-3\n", "x"), expected);
    EXPECT_EQ(parse_csv("0.5, -1\r\n+0.25 ,-2e-3", "x"), expected);
    EXPECT_EQ(parse_csv("\xef\xbb\xbflambda_1,lambda_2\n\n# a comment\n0.5,-1\n0.25,-2e-3\n", "x"), expected);
    EXPECT_EQ(parse_csv("0,1\n0.5,-1\n0.25,-2e-3\n", "x"), expected);  // column numbers of a data frame
    EXPECT_EQ(parse_csv("0\n", "x"), (Rows{{0.0}}));
    EXPECT_EQ(parse_csv("0.5,-inf\n", "x"), (Rows{{0.5, -INFINITY}}));
}

TEST_F(SpectraFileTest, PaddingAtTheEndOfARowIsLeftOut) {
    EXPECT_EQ(parse_csv("0.5,-1,\n0.25,nan,\n,,\n0.5,-1,-2\n", "x"), (Rows{{0.5, -1.0}, {0.25}, {}, {0.5, -1.0, -2.0}}));
    const Rows inside = parse_csv("0.5,nan,-2\n", "x");
    ASSERT_EQ(inside[0].size(), 3u);
    EXPECT_TRUE(std::isnan(inside[0][1]));
}

TEST_F(SpectraFileTest, BadCsvIsNamedByLineAndColumn) {
    EXPECT_EQ(message("0.5,-1\n0.5\n"), "x.csv:2: found 1 fields, expected 2 as in line 1 (leave fields empty where a network has fewer exponents)");
    EXPECT_EQ(message("a,b\n0.5,-1\n0.5,l\n"), "x.csv:3:5: column 2: found 'l', expected a number");
    EXPECT_EQ(message("0.5,abc\n"), "x.csv:1:5: column 2: found 'abc', expected a number");
    EXPECT_EQ(message("1,1e999\n"), "x.csv:1:3: column 2: found '1e999', expected a number");
    EXPECT_EQ(message(""), "x.csv: found no line with numbers, expected one network a line");
    EXPECT_EQ(message("a,b\n"), "x.csv: found no line with numbers, expected one network a line");
    EXPECT_NE(message("1,\x01x\n").find("'?x'"), std::string::npos);
}

TEST_F(SpectraFileTest, DatasetsOfEveryShape) {
    const auto path = folder_ / "spectra.h5";
    const std::vector<double> values{0.5, -1.0, -2.0, 0.25, -1.0, nan};
    const auto write = [&](const std::string& name, const io::Dims& dims, const std::string& units = "") {
        io::H5Writer file;
        file.write(name, values, dims);
        if (!units.empty()) file.attribute(name, "units", units);
        file.commit(path);
    };
    write("exponents", {2, 3});
    EXPECT_EQ(read_spectra(path).spectra, (Rows{{0.5, -1.0, -2.0}, {0.25, -1.0}}));
    EXPECT_EQ(read_spectra(path).dataset, "exponents");
    write("spectrum", {2, 3}, "bits per step");
    EXPECT_EQ(read_spectra(path).spectra[0][1], -std::log(2.0));
    write("mine", {2, 3});
    EXPECT_THROW(read_spectra(path), DataError);
    EXPECT_EQ(read_spectra(path, "mine").spectra.size(), 2u);
    write("spectrum", {6});
    EXPECT_EQ(read_spectra(path).spectra[0].size(), 6u);  // one network is not padded: undefined
    write("exponents", {1, 2, 3});
    EXPECT_THROW(read_spectra(path), DataError);  // no epochs
    EXPECT_THROW(read_spectra(folder_ / "absent.h5"), MissingInput);
    EXPECT_THROW(read_spectra(folder_ / "absent.csv"), MissingInput);
    std::ofstream(folder_ / "text.h5") << "0.5,-1\n";
    EXPECT_THROW(read_spectra(folder_ / "text.h5"), DataError);
}

TEST_F(SpectraFileTest, AStudyGivesItsLastEpochOrTheOneAskedFor) {
    const auto path = folder_ / "study.h5";
    io::H5Writer file;
    file.write("exponents", std::vector<double>{1, -1, 2, -2, 3, nan, 4, nan}, {2, 2, 2});
    file.write("dimension", std::vector<int64_t>{2, 1}, {2});
    file.write("exponents_hidden", std::vector<double>{1, 2, 3, nan}, {2, 2, 1});
    file.write("epoch", std::vector<int64_t>{0, 5}, {2});
    file.commit(path);
    EXPECT_EQ(read_spectra(path).spectra, (Rows{{2, -2}, {4}}));
    EXPECT_EQ(read_spectra(path).epoch, 5);
    EXPECT_EQ(read_spectra(path, "", 0).spectra, (Rows{{1, -1}, {3}}));
    EXPECT_THROW(read_spectra(path, "", 3), DataError);
    EXPECT_EQ(read_spectra(path, "", std::nullopt, "hidden").spectra, (Rows{{2}, {}}));
    EXPECT_EQ(read_spectra(path, "", std::nullopt, "full").spectra.size(), 2u);
}

TEST_F(SpectraFileTest, SpectraOfAnotherKindAreRefused) {
    const auto path = folder_ / "kinds.h5";
    io::H5Writer file;
    file.write("exponents", std::vector<double>{1, -1}, {1, 2});
    file.attribute("exponents", "kind", std::string("hidden"));
    file.write("exponents_full", std::vector<double>{2, 1, -1, -2}, {1, 4});
    file.attribute("exponents_full", "kind", std::string("full"));
    file.commit(path);
    EXPECT_EQ(read_spectra(path).spectra, (Rows{{1, -1}}));
    EXPECT_EQ(read_spectra(path, "", std::nullopt, "hidden").spectra, (Rows{{1, -1}}));
    EXPECT_EQ(read_spectra(path, "", std::nullopt, "full").spectra, (Rows{{2, 1, -1, -2}}));
    try {
        read_spectra(path, "", std::nullopt, "paper-code");
        FAIL() << "no error";
    } catch (const DataError& error) {
        EXPECT_NE(std::string(error.what()).find("exponents: found spectra of kind \"hidden\", expected \"paper-code\""), std::string::npos) << error.what();
    }
    EXPECT_THROW(read_spectra(path, "exponents_full", std::nullopt, "hidden"), DataError);
}

TEST_F(SpectraFileTest, FullAndHiddenAreOneForACellOfOneBlock) {
    const auto read = [&](const std::string& cell, const std::string& kind) {
        io::H5Writer file;
        file.write("spectrum", std::vector<double>{1, -1}, {2});
        file.attribute("spectrum", "kind", std::string("hidden"));
        file.attribute("/", "cell", cell);
        file.commit(folder_ / "one.h5");
        return read_spectra(folder_ / "one.h5", "", std::nullopt, kind).spectra;
    };
    EXPECT_EQ(read("gru", "full"), (Rows{{1, -1}}));
    EXPECT_THROW(read("gru", "paper-code"), DataError);
    EXPECT_THROW(read("lstm", "full"), DataError);
}

TEST_F(SpectraFileTest, AFileOfAelleSpectrumIsOneNetwork) {
    const auto path = folder_ / "s.h5";
    io::H5Writer file;
    file.write("exponents", std::vector<double>{1, -1, 3, -3}, {2, 2});
    file.write("spectrum", std::vector<double>{2, -2}, {2});
    file.commit(path);
    EXPECT_EQ(read_spectra(path).spectra, (Rows{{2, -2}}));
    EXPECT_EQ(read_spectra(path, "exponents").spectra, (Rows{{1, -1}, {3, -3}}));
}

}  // namespace
}  // namespace aelle::embed
