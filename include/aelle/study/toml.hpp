#pragma once
/// Reading TOML with errors a user can act on: file, line, column, key, what was found, what was expected, and for an unknown key the
/// nearest known one. The only header through which toml++ is reached.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aelle::study {

/// A parsed file with its overrides applied.
class TomlDocument {
public:
    /// MissingInput when there is no such file, DataError for a syntax error. `overrides` are "key.path=value"; the value is TOML, or a
    /// bare word taken as a string.
    static TomlDocument read(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
    /// `origin` stands for the file's name in messages.
    static TomlDocument parse(std::string_view text, std::string_view origin, const std::vector<std::string>& overrides = {});

    /// The text as run: the file as it is, or the merged document when there are overrides.
    const std::string& text() const;

    /// "key: here 3, there 4" for the first value in which the documents differ outside the top-level table `except`; nothing when
    /// they agree. Comments, order and layout do not count.
    std::optional<std::string> first_difference(const TomlDocument& other, std::string_view except) const;

    /// 16 hexadecimal digits that differ when two documents do, outside the top-level table `except`.
    std::string fingerprint(std::string_view except) const;

    struct Impl;
    const std::shared_ptr<Impl>& impl() const { return impl_; }

private:
    std::shared_ptr<Impl> impl_;
};

/// One table of a document. Every key that is asked for becomes a known key; `finish` refuses the rest. Getters throw DataError.
class TomlTable {
public:
    explicit TomlTable(const TomlDocument& document);  ///< the root table

    TomlTable table(
        const std::string& key);  ///< an absent table reads as an empty one; asked for twice it is one table with all keys asked for
    bool has(const std::string& key);

    /// Without a fallback the key is required. Ranges are inclusive; NaN and infinities are refused.
    int64_t integer(const std::string& key, std::optional<int64_t> fallback, int64_t low, int64_t high);
    /// The integer, or 0 for the string "auto", which is the fallback.
    int64_t integer_or_auto(const std::string& key, int64_t low, int64_t high);
    double real(const std::string& key, std::optional<double> fallback, double low, double high);
    bool boolean(const std::string& key, bool fallback);
    std::string string(const std::string& key, std::optional<std::string> fallback);
    std::string choice(const std::string& key, std::optional<std::string> fallback, const std::vector<std::string>& choices);
    std::vector<int64_t> integers(const std::string& key, std::optional<std::vector<int64_t>> fallback, int64_t low, int64_t high);
    std::vector<double> reals(const std::string& key, std::optional<std::vector<double>> fallback, double low, double high);
    std::vector<std::string> strings(const std::string& key, std::optional<std::vector<std::string>> fallback,
                                     const std::vector<std::string>& choices);

    /// DataError at the place of `key`: "<file>:<line>:<column>: <table.key>: <message>".
    [[noreturn]] void fail(const std::string& key, const std::string& message) const;

    /// Refuses keys that nobody asked for, here and in every sub-table that was read.
    void finish() const;

private:
    struct Impl;
    explicit TomlTable(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace aelle::study
