#pragma once
/// A folder of its own for each test, removed at its end.

#include <filesystem>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

#include "aelle/base/error.hpp"

namespace aelle::test {

namespace fs = std::filesystem;

class Scratch : public testing::Test {
protected:
    Scratch() {
        std::string pattern = (fs::temp_directory_path() / "aelle-io-XXXXXX").string();
        folder_ = mkdtemp(pattern.data());
    }
    ~Scratch() override {
        std::error_code ignored;
        fs::remove_all(folder_, ignored);
    }
    int64_t entries() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }

    fs::path folder_;
};

/// The message of the E that `action` must throw, or "" after a test failure.
template <class E, class Action>
std::string message_of(Action&& action) {
    try {
        action();
        ADD_FAILURE() << "nothing was thrown";
    } catch (const E& error) {
        return error.what();
    } catch (const std::exception& error) {
        ADD_FAILURE() << "another error: " << error.what();
    }
    return "";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace aelle::test
