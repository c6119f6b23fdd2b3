#pragma once
/// Next character of War and Peace (Karpathy, Johnson & Li 2016; the paper, section "CharRNN"): windows of one-hot characters.
/// The vocabulary is the set of code points of the whole text, ascending (82 here). File: DATA/war_and_peace/input.txt, UTF-8.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "aelle/learn/sequences.hpp"

namespace aelle::tasks {

struct Text {
    std::vector<int32_t> symbols;         ///< index into the vocabulary, character by character
    std::vector<std::string> vocabulary;  ///< UTF-8 of each symbol
};

/// MissingInput names file and folder looked for; DataError the byte at which the text is not UTF-8, or a text that is empty. A byte-order mark
/// at the start is left out.
Text read_text(const std::filesystem::path& data);

/// Disjoint windows of `steps` + 1 characters of text[first, last): the first `steps` are inputs, targets are the last character alone
/// (`every_step` false: the paper) or the next character at every step (the authors' code). Characters behind the last whole window are left
/// out. DataError when the part is not inside the text or too short for one window.
std::unique_ptr<learn::Sequences> text_windows(const Text& text, int64_t first, int64_t last, int64_t steps, bool every_step);

}  // namespace aelle::tasks
