#pragma once
/// What the tables say, in plain words: every sentence is computed from the scores, none is written in advance.

#include <string>
#include <vector>

#include "aelle/report/results.hpp"
#include "aelle/report/scores.hpp"

namespace aelle::report {

struct Paragraph {
    std::string title;
    std::vector<std::string> sentences;
};

/// Where AeLLE helps, where something simpler does as well, what limits it, what the autoencoder goes by; paragraphs without a sentence are left out.
/// One score counts as better than another when the mean difference, split by split, is larger than its standard deviation over splits, and as no worse
/// when it is not worse by more than that.
std::vector<Paragraph> reading(const Results& results, const Scores& scores);

std::string text_of(const std::vector<Paragraph>& paragraphs);

/// Sentences computed from the scores at one epoch, classifiers by the very loss that labels are made from left aside: which classifier is
/// best, which lie within one standard deviation of it, and how the best one with AeLLE compares with the best one without, split by split.
std::vector<std::string> findings(const Results& results, const Scores& scores, int64_t epoch);

}  // namespace aelle::report
